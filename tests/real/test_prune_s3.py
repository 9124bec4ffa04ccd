"""The whole way on an object store: a registry with the s3 driver takes pushes, regsweep prunes by its config.yml."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from fixtures.client import Client, pull, push, serves
from fixtures.images import artifact, image, index, layer
from fixtures.ledger import Ledger, Outcome
from fixtures.registry import Registry, Storage
from tests.command import Finished, regsweep
from tests.real.books import Session, condemned_keys, session, split
from tests.real.pushed import NOTHING_IS_YOUNG
from tests.servers import s3
from tests.servers.ceph import ceph
from tests.trees import BASE

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.registry

BUCKET: Final = "registry"
ROOT: Final = "reg/prod"
OLD: Final = image(b"shared", b"old, overwritten")


def storage_of(server: s3.Server) -> Storage:
    """The registry's storage, as the administrators of such servers write it."""
    more = {"secure": False, "skipverify": True, "v4auth": True}
    return {"s3": {**server.parameters(BUCKET, f"/{ROOT}"), **more}}


def push_everything(to: Session) -> None:
    to.skopeo(OLD, "team/app", "latest")
    new = to.skopeo(image(b"shared", b"new"), "team/app", "latest")
    to.skopeo(OLD, "team/app/plugin", "v1")
    gone = to.skopeo(image(b"shared", b"gone"), "team/app", "gone")
    to.http(artifact(b"signature of new", kind="application/x"), "team/app", f"{new.digest.replace(':', '-')}.sig")
    to.http(artifact(b"signature of gone", kind="application/x"), "team/app", f"{gone.digest.replace(':', '-')}.sig")
    to.delete("team/app", gone)
    arm = "linux/arm64"
    to.skopeo(index(image(b"amd64"), image(b"arm64, old", platform=arm)), "multi", "stable")
    to.skopeo(index(image(b"amd64"), image(b"arm64, new", platform=arm)), "multi", "stable")
    only = to.skopeo(image(b"only one"), "emptied", "only")
    to.delete("emptied", only)
    to.mount("mounted", layer(b"shared").digest, "team/app")
    to.skopeo(image(b"shared", b"mounted"), "mounted", "v1")
    to.abandon("team/app")


def names(client: "S3Client") -> set[str]:
    """Every key of the tree."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{ROOT}/{BASE}/")
    return {one["Key"].removeprefix(f"{ROOT}/{BASE}/") for page in pages for one in page.get("Contents", [])}


def without_uploads(keys: set[str]) -> set[str]:
    return {key for key in keys if "/_uploads/" not in key}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A bucket after its prune, and the registry that was started over it again."""

    cwd: Path
    ledger: Ledger
    planned: Finished
    done: Finished
    again: Finished
    before: set[str]
    after: set[str]
    registry: Registry

    @property
    def outcome(self) -> Outcome:
        return self.ledger.outcome(untagged="delete")


@pytest.fixture(scope="module", params=[s3.seaweedfs, ceph], ids=["seaweedfs", "ceph"])
def pruned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pruned]:
    cwd, ledger = tmp_path_factory.mktemp("pruned"), Ledger()
    with request.param(cwd / "server") as server:
        client, storage = server.client(), storage_of(server)
        client.create_bucket(Bucket=BUCKET)
        with session(storage, ledger) as to:
            push_everything(to)
        before = names(client)
        with Registry(storage, readonly=True) as readonly:
            rules = ("--config", readonly.config, "-m", *NOTHING_IS_YOUNG)
            planned = regsweep("plan", *rules, "-o", "the.plan", cwd=cwd)
            proof = ("--registry", readonly.url, "--config", readonly.config)
            done = regsweep("apply", "the.plan", *proof, cwd=cwd)
            again = regsweep("prune", *rules, "--registry", readonly.url, "--yes", cwd=cwd)
        with Registry(storage) as registry:
            yield Pruned(
                cwd=cwd,
                ledger=ledger,
                planned=planned,
                done=done,
                again=again,
                before=before,
                after=names(client),
                registry=registry,
            )


def test_the_bucket_holds_what_the_books_say(pruned: Pruned) -> None:
    assert without_uploads(pruned.before) == pruned.ledger.keys()
    assert (pruned.planned.code, pruned.planned.err) == (0, "")
    assert (pruned.done.code, pruned.done.err) == (0, "")
    assert pruned.after == pruned.ledger.keys() - condemned_keys(pruned.outcome)


def test_no_secret_is_told_or_written(pruned: Pruned) -> None:
    said = "".join(run.out + run.err for run in (pruned.planned, pruned.done, pruned.again))
    written = b"".join(path.read_bytes() for path in sorted(pruned.cwd.glob("the.plan*")))
    assert f"s3://{BUCKET}/{ROOT}?regionendpoint=" in said
    assert s3.SECRET_KEY not in said
    assert written.startswith(b'{"record":"plan"')
    assert s3.SECRET_KEY.encode() not in written


def test_a_second_prune_finds_nothing_to_do(pruned: Pruned) -> None:
    assert pruned.again.code == 0
    assert "Nothing to delete" in pruned.again.out


def test_every_image_that_should_live_can_be_pulled(pruned: Pruned, tmp_path: Path) -> None:
    live = pruned.outcome.live
    assert {"team/app:latest", "team/app/plugin:v1", "multi:stable", "mounted:v1"} < set(live)
    problems = [pull(pruned.registry.address, name, tmp_path / str(n)) for n, name in enumerate(live)]
    assert problems == [None] * len(live)
    assert [problem for name in live for problem in serves(pruned.registry.url, *split(name))] == []


def test_every_image_that_should_not_live_is_unknown(pruned: Pruned, tmp_path: Path) -> None:
    dead = [*pruned.outcome.condemned_tags, *pruned.outcome.condemned_revisions, *sorted(pruned.ledger.deleted)]
    assert f"team/app@{OLD.digest}" in dead
    errors = [pull(pruned.registry.address, name, tmp_path / str(n)) or "it was pulled" for n, name in enumerate(dead)]
    assert [error for error in errors if "manifest unknown" not in error] == []


def test_the_catalog_lists_what_lives(pruned: Pruned) -> None:
    # Unlike Ceph SeaweedFS lists a folder for a while after its last object went.
    with Client(pruned.registry.url) as client:
        assert set(client.repositories()) - {"emptied"} == {split(name)[0] for name in pruned.outcome.live}
    assert not any(key.startswith("repositories/emptied/") for key in pruned.after)


def test_what_was_condemned_can_be_pushed_again_and_pulled(pruned: Pruned, tmp_path: Path) -> None:
    # Where no other test looks for it.
    push(OLD, pruned.registry.address, "emptied:again")
    assert pull(pruned.registry.address, "emptied:again", tmp_path / "again") is None
