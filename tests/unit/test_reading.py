from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fixtures.images import cache_index, image, index
from regsweep.inventory.database import Inventory, create
from regsweep.inventory.reading import read_manifests
from regsweep.inventory.scan import begin_links, begin_repository, take
from regsweep.inventory.workers import Workers
from regsweep.registry.manifest import MAX_MANIFEST_BYTES
from tests.trees import Tree, blob_key, slashed
from tests.unit.memory import SILENT, MemoryStore

AMD, ARM = image(b"amd"), image(b"arm", platform="linux/arm64")
BOTH = index(AMD, ARM)
TAGGED = "SELECT repository, digest FROM tags"


@dataclass
class Noting(MemoryStore):
    """Notes the blobs that are read."""

    noted: list[str] = field(default_factory=list)

    def read(self, prefix: str, names: Sequence[str], suffix: str, *, limit: int) -> Iterator[bytes | None]:
        """See `Reads.read`."""
        if prefix.startswith("blobs/"):
            self.noted += names
        return super().read(prefix, names, suffix, limit=limit)

    def was_read(self) -> list[str]:
        """What was read, by digest."""
        return sorted(f"sha256:{name.partition('/')[2]}" for name in self.noted)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@contextmanager
def reading(store: Noting, wanted: str = TAGGED, *, repository: str | None = None) -> Iterator[Inventory]:
    with Workers(store, 1) as workers, create(facts={}) as inventory:
        begun = begin_repository(store, repository, workers) if repository else begin_links(store, workers)
        take(begun, inventory, SILENT)
        read_manifests(inventory, workers, SILENT, wanted)
        yield inventory


def was_read(store: Noting, wanted: str = TAGGED, *, repository: str | None = None) -> list[str]:
    with reading(store, wanted, repository=repository):
        return store.was_read()


def test_a_tags_manifest_and_all_below_it_are_read_once_and_nothing_else_is(tree: Tree) -> None:
    outer = index(BOTH, AMD)
    for repository in ("a", "b"):
        tree.push(outer, repository, "v1")
        tree.push(image(b"untagged"), repository)
    assert was_read(Noting.of(tree)) == sorted(one.digest for one in (outer, BOTH, AMD, ARM))
    assert was_read(Noting.of(tree), repository="a") == sorted(one.digest for one in (outer, BOTH, AMD, ARM))


def test_what_is_read_is_weighed(tree: Tree) -> None:
    tree.push(BOTH, "a", "v1")
    query = "SELECT 'sha256:' || lower(hex(digest)), bytes FROM weighed"
    with reading(Noting.of(tree)) as inventory:
        assert set(inventory.rows(query)) == {(one.digest, len(one.blob.content)) for one in (BOTH, AMD, ARM)}


def test_a_manifest_read_for_one_repository_is_followed_through_every_other(tree: Tree) -> None:
    outer = index(BOTH)
    for repository in ("a", "b"):
        tree.push(outer, repository, "v1")
    # Each links another of the innermost.
    for repository, missing in (("a", AMD), ("b", ARM)):
        (tree.base / f"repositories/{repository}/_manifests/revisions/{slashed(missing.digest)}/link").unlink()
    assert {AMD.digest, ARM.digest} < set(was_read(Noting.of(tree)))


def test_a_child_that_no_repository_of_the_image_links_is_not_read(tree: Tree) -> None:
    tree.push(BOTH, "a", "v1")
    tree.push(ARM, "elsewhere")
    (tree.base / f"repositories/a/_manifests/revisions/{slashed(ARM.digest)}/link").unlink()
    assert was_read(Noting.of(tree)) == sorted((BOTH.digest, AMD.digest))


def test_a_child_that_may_be_a_layer_is_read_unless_it_claims_to_be_larger_than_any_manifest(tree: Tree) -> None:
    cache = cache_index(b"one")
    tree.push(cache, "a", "cache")
    large = tree.blob(b"a layer")
    tree.layer_link("a", large)
    tree.manifest({"manifests": [{"digest": large, "size": MAX_MANIFEST_BYTES + 1}]}, "a", "large")
    with reading(store := Noting.of(tree)) as inventory:
        assert large not in store.was_read()
        assert {blob.digest for blob in cache.blobs} < set(store.was_read())
        assert inventory.row("SELECT count(*), count(problem) FROM manifests") == (2, 0)
        assert inventory.row("SELECT count(*) FROM no_manifests")[0] == len(cache.blobs)


def test_a_manifest_that_is_gone_has_no_row_and_is_asked_for_once(tree: Tree) -> None:
    tree.push(BOTH, "a", "v1")
    (tree.base / blob_key(ARM.digest)).unlink()
    with reading(store := Noting.of(tree)) as inventory:
        assert store.was_read().count(ARM.digest) == 1
        assert inventory.row("SELECT count(*) FROM manifests")[0] == 2


def test_a_tag_that_its_repository_cannot_serve_is_not_read(tree: Tree) -> None:
    tree.tag("a", "dangling", AMD.digest)
    assert was_read(Noting.of(tree)) == []
