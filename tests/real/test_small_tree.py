"""The committed small tree is what a real registry serves, and its expectations agree with the registry's view."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.client import Client, pull, serves
from fixtures.ledger import written
from fixtures.registry import Registry, garbage_collect
from fixtures.small import expected, unpack


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    root = unpack(tmp_path_factory.mktemp("small"))
    with Registry(root, readonly=True) as registry:
        yield registry


def split(reference: str) -> tuple[str, str]:
    repository, _, name = reference.partition("@") if "@" in reference else reference.partition(":")
    return repository, name


@pytest.mark.registry
def test_everything_that_was_pushed_and_not_deleted_can_be_pulled(served: Registry) -> None:
    problems = [problem for name in expected().keep.live for problem in serves(served.url, *split(name))]
    assert problems == []


@pytest.mark.registry
def test_what_was_deleted_through_the_registry_cannot_be_pulled(served: Registry) -> None:
    with Client(served.url) as client:
        assert {client.manifest_status(*split(name)) for name in expected().deleted} == {404}


@pytest.mark.registry
def test_skopeo_pulls_what_lives_and_names_what_does_not(served: Registry, tmp_path: Path) -> None:
    assert pull(served.address, "a/b/c:stable", tmp_path / "stable") is None
    assert "manifest unknown" in (pull(served.address, "a:gone", tmp_path / "gone") or "")


@pytest.mark.registry
def test_the_registrys_own_collector_condemns_the_same_blobs_when_it_keeps_what_is_untagged(tmp_path: Path) -> None:
    said = garbage_collect(unpack(tmp_path), "--dry-run")
    condemned = set(re.findall(r"blob eligible for deletion: (sha256:[0-9a-f]{64})", said))
    assert condemned == expected().keep.condemned_blobs.keys()


@pytest.mark.registry
def test_the_catalog_shows_emptied_repositories_but_none_of_uploads_alone(served: Registry) -> None:
    with Client(served.url) as client:
        catalog = set(client.repositories())
    assert {"a", "a/b", "a/b/c", "ab", "nested/indexes"} <= catalog
    assert set(expected().delete.condemned_repositories) - catalog == {"uploads/only"}


def test_unpacking_keeps_times_and_empty_directories(tmp_path: Path) -> None:
    root = unpack(tmp_path)
    times = {path.stat().st_mtime for path in root.rglob("*")}
    # A day from the archive's youngest file would be enough to tell a kept time from one that extraction set.
    assert max(times) < tmp_path.stat().st_mtime - 86_400
    repository, digest = next(split(name) for name in expected().deleted if "@" in name)
    emptied = root / "docker/registry/v2/repositories" / repository / "_manifests/revisions" / digest.replace(":", "/")
    assert emptied.is_dir()
    assert list(emptied.iterdir()) == []


def test_what_goes_and_what_lives_make_up_the_tree(tmp_path: Path) -> None:
    keys = written(unpack(tmp_path))
    for outcome in (expected().keep, expected().delete):
        assert outcome.condemned_blobs.keys() <= {f"sha256:{key.split('/')[3]}" for key in keys if key[:6] == "blobs/"}
        assert not set(outcome.live) & {*outcome.condemned_tags, *outcome.condemned_revisions}
    assert set(expected().delete.live) < set(expected().keep.live)
    assert expected().keep.condemned_blobs.items() < expected().delete.condemned_blobs.items()
