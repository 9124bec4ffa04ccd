"""The helpers that the tests of a real registry stand on do what they say."""

from datetime import datetime
from pathlib import Path

import pytest

from fixtures.client import Client, RefusedError, pull, push, serves
from fixtures.images import image, index
from fixtures.ledger import Ledger, written
from fixtures.registry import Registry, RegistryFailedError, age, garbage_collect

pytestmark = pytest.mark.registry


@pytest.mark.parametrize("docker", [False, True])
def test_what_skopeo_pushes_is_served_with_the_digests_worked_out_here(tmp_path: Path, *, docker: bool) -> None:
    both = index(image(b"1", docker=docker), image(b"2", platform="linux/arm64", docker=docker), docker=docker)
    ledger = Ledger()
    ledger.pushed(both, "team/app", "v1")
    with Registry(tmp_path / "root") as registry:
        push(both, registry.address, "team/app:v1")
        assert serves(registry.url, "team/app", "v1") == []
        assert serves(registry.url, "team/app", both.digest) == []
        assert pull(registry.address, f"team/app@{both.digest}", tmp_path / "pulled") is None
    assert written(tmp_path / "root") == ledger.keys()


def test_a_lost_layer_is_a_problem_with_its_address(tmp_path: Path) -> None:
    made = image(b"kept", b"lost")
    lost = made.blobs[-1].digest
    with Registry(tmp_path) as registry, Client(registry.url) as client:
        client.push(made, "app", "v1")
        hexadecimal = lost.removeprefix("sha256:")
        (tmp_path / f"docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data").unlink()
        assert serves(registry.url, "app", "v1") == [f"{registry.url}/v2/app/blobs/{lost}: 404"]


def test_a_read_only_registry_serves_and_takes_nothing(tmp_path: Path) -> None:
    made = image(b"1")
    with (
        Registry(tmp_path) as writable,
        Registry(tmp_path, readonly=True) as readonly,
        Client(writable.url) as client,
        Client(readonly.url) as refused,
    ):
        client.push(made, "app", "v1")
        assert serves(readonly.url, "app", "v1") == []
        with pytest.raises(RefusedError, match="405"):
            refused.upload("app", b"2")
        with pytest.raises(RefusedError, match="405"):
            refused.delete_manifest("app", made.digest)


def test_a_registry_whose_port_was_taken_meanwhile_tries_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Registry(tmp_path / "first") as first:
        taken = int(first.address.rpartition(":")[2])
        with Registry(tmp_path / "free") as free:
            spare = int(free.address.rpartition(":")[2])
        offered = iter([taken, taken, spare])
        monkeypatch.setattr("fixtures.registry._free_port", lambda: next(offered))
        with Registry(tmp_path / "second") as second:
            assert second.address != first.address


def test_a_registry_that_cannot_start_says_what_it_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixtures.registry._free_port", lambda: "no port")
    with pytest.raises(RegistryFailedError, match=r"did not start: .*no port"), Registry(tmp_path):
        pass


def test_ageing_moves_files_directories_and_the_start_of_uploads(tmp_path: Path) -> None:
    with Registry(tmp_path) as registry, Client(registry.url) as client:
        upload = client.abandon_upload("app", b"half")
    started = tmp_path / f"docker/registry/v2/repositories/app/_uploads/{upload}/startedat"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    began = datetime.fromisoformat(started.read_text())
    age(tmp_path, 30)
    assert {path: time - path.stat().st_mtime_ns for path, time in before.items()} == dict.fromkeys(
        before, 30 * 86_400 * 10**9
    )
    assert (began - datetime.fromisoformat(started.read_text())).days == 30


def test_the_registrys_collector_takes_what_nothing_needs(tmp_path: Path) -> None:
    with Registry(tmp_path) as registry, Client(registry.url) as client:
        orphan = client.upload("app", b"orphan")
        client.push(image(b"kept"), "app", "v1")
    assert orphan in garbage_collect(tmp_path)
    assert not (tmp_path / f"docker/registry/v2/blobs/sha256/{orphan[7:9]}/{orphan[7:]}").exists()
