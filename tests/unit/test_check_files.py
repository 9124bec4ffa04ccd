"""Hashing files of a mounted tree: below its directories, following nothing, whatever their size."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regsweep.errors import StorageError
from regsweep.storage.ports import Access, Scope
from regsweep_backends.filesystem import FilesystemStore, connect
from tests.trees import Tree, blob_key

DIGEST = f"sha256:{'0' * 64}"
NAME = f"00/{'0' * 64}"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "registry")


@pytest.fixture
def store(tree: Tree) -> Iterator[FilesystemStore]:
    store = connect({"rootdirectory": str(tree.root)}, Access())
    yield store
    store.close()


def hashed(store: FilesystemStore, name: str = NAME) -> str | None:
    (found,) = store.hashes("blobs/sha256/", [name], "/data", algorithm="sha256")
    return found


@pytest.mark.parametrize("size", [0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3_000_000])
def test_a_file_of_any_size_is_hashed_to_its_end(tree: Tree, store: FilesystemStore, size: int) -> None:
    content = os.urandom(size)
    tree.put(blob_key(DIGEST), content)
    assert hashed(store) == hashlib.sha256(content).hexdigest()


def test_of_a_shorter_file_after_a_longer_one_nothing_is_left(tree: Tree, store: FilesystemStore) -> None:
    digests = [tree.blob(content) for content in (b"a" * 300_000, b"b", b"c" * 70_000, b"")]
    names = [f"{digest[7:9]}/{digest[7:]}" for digest in digests]
    found = store.hashes("blobs/sha256/", names, "/data", algorithm="sha256")
    assert [f"sha256:{one}" for one in found] == digests


def as_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("change", "says"),
    [(as_link, "symbolic link"), (as_pipe, "not a regular file"), (as_directory, "not a regular file")],
)
def test_what_is_no_file_is_not_read(
    tree: Tree, store: FilesystemStore, change: Callable[[Path], None], says: str
) -> None:
    change(tree.put(blob_key(DIGEST), b"content"))
    with pytest.raises(StorageError, match=says):
        hashed(store)


def test_no_symbolic_link_on_the_way_to_the_prefix_is_followed(tree: Tree, store: FilesystemStore) -> None:
    path = tree.put(blob_key(DIGEST), b"content")
    as_link(path.parents[2])
    with pytest.raises(StorageError, match="symbolic link"):
        hashed(store)


@pytest.mark.parametrize("depth", [0, 1])
def test_where_a_listing_meets_a_symbolic_link_nothing_is_hashed(
    tree: Tree, store: FilesystemStore, depth: int
) -> None:
    path = tree.put(blob_key(DIGEST), b"content")
    as_link(path.parents[depth])
    with pytest.raises(StorageError, match="symbolic link"):
        [list(store.pages(shard)) for shard in store.shards(Scope.BLOBS)]


def test_a_name_that_climbs_is_refused(tree: Tree, store: FilesystemStore) -> None:
    tree.put("blobs/data", b"content")
    with pytest.raises(StorageError, match="leads out"):
        hashed(store, "../../blobs")
