"""What only the filesystem adapter does: it follows no symbolic link, leaves no root, and takes every name."""

import gc
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from regsweep.errors import StorageError, UsageError
from regsweep.storage.ports import Access, Result, Target
from regsweep_backends.filesystem import FilesystemStore, connect
from tests.conformance.content import pushed
from tests.conformance.listing import keys, listed
from tests.conformance.makers import FilesystemMaker
from tests.trees import Tree, slashed
from tests.unit.filesystem_scene import (
    BLOB,
    KEYS,
    LAYER,
    ONE,
    TAG,
    ancestors,
    answer_of,
    one_of_each,
    opened,
    read,
    target,
)


def places() -> list[tuple[str, str]]:
    """Each key with each of its ancestors, and with itself: where a symbolic link could stand in its place."""
    return [(key, place) for key in KEYS for place in (*ancestors(key), key)]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return one_of_each(tmp_path / "tree")


@pytest.fixture
def store(tree: Tree) -> Iterator[FilesystemStore]:
    with opened(tree.root) as store:
        yield store


def moved_behind_a_link(tree: Tree, place: str) -> Path:
    """Move what is at `place` out of the root, and put a symbolic link there; return where it is now."""
    outside = tree.root.parent / "outside"
    shutil.move(tree.base / place, outside)
    (tree.base / place).symlink_to(outside)
    return outside


def contents(folder: Path) -> dict[str, bytes]:
    if folder.is_file():
        return {"": folder.read_bytes()}
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("place", sorted({place for _, place in places()}))
@pytest.mark.parametrize("behind", ["outside", "elsewhere"])
def test_a_listing_stops_at_a_symbolic_link_and_names_it(
    behind: str, place: str, tree: Tree, store: FilesystemStore
) -> None:
    outside = moved_behind_a_link(tree, place)
    outside.rename(outside.with_name(behind))
    with pytest.raises(StorageError) as caught:
        listed(store)
    assert (caught.value.key.rstrip("/"), "symbolic link" in caught.value.message) == (place, True)


@pytest.mark.parametrize("place", ["repositories/a/b/stray", "blobs/sha256/stray", "blobs/sha256/00/stray"])
def test_a_symbolic_link_that_stands_in_for_nothing_stops_the_listing_too(
    place: str, tree: Tree, store: FilesystemStore
) -> None:
    (tree.base / place).symlink_to("/etc")
    with pytest.raises(StorageError, match="symbolic link") as caught:
        listed(store)
    assert caught.value.key == place


@pytest.mark.parametrize(("key", "place"), places())
def test_nothing_is_read_through_a_symbolic_link(key: str, place: str, tree: Tree, store: FilesystemStore) -> None:
    moved_behind_a_link(tree, place)
    with pytest.raises(StorageError) as caught:
        read(store, key)
    assert place in caught.value.key


def test_a_file_that_became_a_symbolic_link_after_it_was_listed_is_not_read_through(
    tree: Tree, store: FilesystemStore
) -> None:
    (page,) = store.pages("blobs/sha256/00/")
    moved_behind_a_link(tree, BLOB)
    with pytest.raises(StorageError, match="symbolic link"):
        list(store.read(page.prefix, page.names, page.suffix, limit=100))


@pytest.mark.parametrize(("key", "place"), places())
def test_nothing_is_deleted_through_a_symbolic_link(key: str, place: str, tree: Tree, store: FilesystemStore) -> None:
    condemned = target(tree.base, key)
    outside = moved_behind_a_link(tree, place)
    before = contents(outside)
    (outcome,) = store.delete([condemned])
    assert outcome.result in (Result.FAILED, Result.CHANGED)
    assert place in outcome.error
    assert contents(outside) == before
    assert (tree.base / place).is_symlink()


@pytest.mark.parametrize(("key", "place"), places())
def test_no_directory_is_removed_through_a_symbolic_link(
    key: str, place: str, tree: Tree, store: FilesystemStore
) -> None:
    (tree.base / key).unlink()
    (tree.base / key).mkdir()
    outside = moved_behind_a_link(tree, place)
    (outcome,) = store.remove_directories([f"{key}/"])
    assert outcome.result in (Result.FAILED, Result.CHANGED)
    assert (tree.base / place).is_symlink()
    assert (outside / Path(key).relative_to(place)).is_dir()


def test_a_file_is_no_directory_that_is_gone(tree: Tree, store: FilesystemStore) -> None:
    (outcome,) = store.remove_directories([f"{LAYER}/"])
    assert outcome.result in (Result.FAILED, Result.CHANGED)
    assert (tree.base / LAYER).is_file()


def climbing(tree: Tree, start: str) -> tuple[Path, str]:
    """Write a file beside the root; return it, and how it would be reached from within the tree."""
    outside = tree.root.parent / "outside/data"
    outside.parent.mkdir()
    outside.write_bytes(b"precious")
    return outside, f"{start}{os.path.relpath(outside, tree.base / start)}"


STARTS = pytest.mark.parametrize("start", ["repositories/", "repositories/a/b/", "blobs/sha256/", "./", ""])


@STARTS
def test_no_key_is_read_that_leads_out_of_the_tree(start: str, tree: Tree, store: FilesystemStore) -> None:
    _, key = climbing(tree, start)
    with pytest.raises(StorageError):
        read(store, key)


@STARTS
def test_no_key_is_deleted_that_leads_out_of_the_tree(start: str, tree: Tree, store: FilesystemStore) -> None:
    outside, key = climbing(tree, start)
    (outcome,) = store.delete([replace(target(outside.parent, "data"), key=key)])
    assert outside.exists()
    assert outcome.result is Result.FAILED


@pytest.mark.parametrize("name", ["..", "../../../outside", "/etc/hostname", "1/../../../../outside"])
def test_no_name_leads_out_of_the_directory_it_is_read_from(name: str, tree: Tree, store: FilesystemStore) -> None:
    (tree.base / "outside").write_bytes(b"secret")
    tree.put("blobs/sha256/00/1/data", b"")
    found = answer_of(lambda: list(store.read("blobs/sha256/00/", [name], "", limit=100)))
    assert isinstance(found, StorageError) or found == [None]


@pytest.mark.parametrize("key", ["repositories/a/b/../", "repositories/a/../a/empty/", "../v2/repositories/a/empty/"])
def test_no_directory_is_removed_by_climbing(key: str, tree: Tree, store: FilesystemStore) -> None:
    (tree.base / "repositories/a/empty").mkdir()
    (outcome,) = store.remove_directories([key])
    assert outcome.result in (Result.FAILED, Result.CHANGED)
    assert (tree.base / "repositories/a/empty").is_dir()


def test_a_guard_s_file_is_not_looked_for_behind_a_symbolic_link(tree: Tree, store: FilesystemStore) -> None:
    lock = tree.root / "docker/registry/lockfiles/database-in-use"
    lock.parent.mkdir()
    lock.symlink_to(tree.root.parent / "nowhere")
    try:
        found = store.has("docker/registry/lockfiles/database-in-use")
    except StorageError:
        found = True
    assert found, "something is there: to say that it is absent would let a guard pass"


def test_a_lock_that_is_a_symbolic_link_is_not_written_through(tree: Tree, store: FilesystemStore) -> None:
    outside = tree.root.parent / "outside"
    (tree.base / "regsweep.lock").symlink_to(outside)
    assert store.create_lock(b"mine") is None
    assert not outside.exists()
    with pytest.raises(StorageError, match="symbolic link"):
        store.read_lock()


def test_the_root_itself_may_be_reached_by_a_symbolic_link(tree: Tree) -> None:
    (tree.root.parent / "link").symlink_to(tree.root)
    with opened(tree.root.parent / "link") as store:
        assert store.url == str(tree.root)
        assert keys(store) == sorted(KEYS)


@pytest.mark.parametrize(
    "name",
    [b"not-\xff-utf8", b"line\nbreak", b"tab\tand\x1b[31mred", b"\xe2\x80\xaereversed", b" ", b"-rf", b"*", b"a\\b"],
)
def test_every_name_that_a_filesystem_takes_is_listed_read_and_deleted(name: bytes, tree: Tree) -> None:
    shown = os.fsdecode(name)
    written = [
        f"repositories/{shown}/_layers/{slashed(ONE)}/link",
        f"repositories/a/b/_manifests/tags/{shown}/current/link",
        f"repositories/a/b/_manifests/tags/{shown}/index/{slashed(ONE)}/link",
        f"repositories/a/b/_uploads/{shown}",
        f"blobs/sha256/{shown}/{shown}/data",
        f"blobs/sha256/00/{shown}/{shown}",
    ]
    for key in written:
        tree.put(key, name)
    maker = FilesystemMaker(tree.root)
    facts = maker.facts()
    with opened(tree.root) as store:
        assert listed(store) == sorted(facts.items())
        assert [read(store, key) for key in written] == [name] * len(written)
        outcomes = store.delete([target(tree.base, key) for key in written])
        assert [outcome.result for outcome in outcomes] == [Result.DELETED] * len(written)
    assert set(maker.facts()) & set(written) == set()


def test_a_directory_that_held_nothing_but_the_deleted_file_goes_with_it(tree: Tree, store: FilesystemStore) -> None:
    tree.put(LAYER.replace("link", "link.tmp"), b"")
    outcomes = store.delete([target(tree.base, key) for key in (BLOB, TAG, LAYER)])
    assert [outcome.result for outcome in outcomes] == [Result.DELETED] * 3
    assert [(tree.base / key).parent.exists() for key in (BLOB, TAG, LAYER)] == [False, False, True]


def test_a_run_cut_off_between_a_file_and_its_directory_is_completed_by_the_next(
    tree: Tree, store: FilesystemStore
) -> None:
    condemned = target(tree.base, BLOB)
    (tree.base / BLOB).unlink()
    (outcome,) = store.delete([condemned])
    assert outcome.result is Result.ABSENT
    assert not (tree.base / BLOB).parent.exists()


@pytest.mark.parametrize("place", ["", "docker", "docker/registry"])
def test_only_a_root_with_a_registry_s_tree_is_opened(place: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    with pytest.raises(UsageError, match="no such directory"):
        connect({"rootdirectory": str(root)}, Access())
    (root / place).mkdir(parents=True)
    with pytest.raises(UsageError, match="holds no registry"):
        connect({"rootdirectory": str(root)}, Access())
    with pytest.raises(UsageError, match="is not a directory"):
        connect({"rootdirectory": "/dev/null"}, Access())


def test_listing_reading_and_deleting_leave_no_handle_open(tree: Tree) -> None:
    pushed(tree, "c")
    handles = Path("/proc/self/fd")
    gc.collect()
    before = {path.name for path in handles.iterdir()}
    with opened(tree.root) as store:
        found = listed(store)
        for key, _ in found:
            list(store.read(f"{key.rpartition('/')[0]}/", [key.rpartition("/")[2], "none"], "", limit=10))
        list(store.delete([Target(key=key, size=fact.size, modified=fact.modified) for key, fact in found]))
        held = store.create_lock(b"mine")
        assert held is not None
        assert store.remove_lock(held)
    assert {path.name for path in handles.iterdir()} - before == set()
