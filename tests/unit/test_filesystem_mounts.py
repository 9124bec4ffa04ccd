"""What is mounted within a tree, read-only, or full."""

import os
import pickle
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from regsweep.errors import DeniedError, ReadOnlyError, StorageError
from regsweep.storage.ports import Result
from tests.conformance.listing import files, keys, listed
from tests.conformance.makers import FilesystemMaker
from tests.trees import Tree, slashed
from tests.unit.filesystem_scene import (
    KEYS,
    ONE,
    answer_of,
    mounted,
    one_of_each,
    opened,
    reachable,
    read,
    remount,
    target,
    unprivileged,
)

# Where a mount can hide from a listing that asks for little; each costs the kernel a while.
PLACES = [
    "blobs",
    "blobs/sha256/00",
    f"blobs/sha256/00/{ONE[7:]}",
    "repositories/a",
    "repositories/a/b/_layers/sha256",
    f"repositories/a/b/_manifests/revisions/{slashed(ONE)}",
    "repositories/a/b/_manifests/tags/v1",
    "repositories/a/b/_manifests/tags/v1/current",
    "repositories/a/b/_manifests/tags/v1/index/sha256",
    "repositories/a/b/_uploads",
]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return one_of_each(tmp_path / "tree")


def below(place: str) -> list[str]:
    """The keys of the tree below one directory, relative to it."""
    return [key.removeprefix(f"{place}/") for key in KEYS if key.startswith(f"{place}/")]


def hidden_under(mount: Path, place: str) -> None:
    """Write into what is mounted at `place` the keys that it hides."""
    for key in below(place):
        (mount / key).parent.mkdir(parents=True, exist_ok=True)
        (mount / key).write_bytes(b"precious")


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_listed_read_or_deleted_beyond_a_mount_point(place: str, tree: Tree) -> None:
    with mounted(tree.base / place) as mount, opened(tree.root) as store:
        hidden_under(mount, place)
        with pytest.raises(StorageError, match="another file system") as caught:
            listed(store)
        assert caught.value.key.startswith(place)
        assert "--cross-mounts" in caught.value.hint
        for key in (f"{place}/{name}" for name in below(place)):
            with pytest.raises(StorageError, match="another file system"):
                read(store, key)
            (outcome,) = store.delete([target(tree.base, key)])
            assert outcome.result is Result.FAILED
            (outcome,) = store.remove_directories([f"{key.rpartition('/')[0]}/"])
            assert outcome.result in (Result.FAILED, Result.CHANGED)
        assert all((mount / name).read_bytes() == b"precious" for name in below(place))


@pytest.mark.parametrize("place", ["blobs/sha256/ff", "repositories/b", "repositories/a/b/_layers/sha512"])
def test_an_empty_mount_point_stops_the_listing_as_well(place: str, tree: Tree) -> None:
    with mounted(tree.base / place), opened(tree.root) as store, pytest.raises(StorageError, match="another file"):
        listed(store)


@pytest.mark.parametrize("place", ["blobs", "repositories/a", "blobs/sha256/00"])
def test_a_directory_of_the_same_file_system_that_is_mounted_within_the_tree_is_no_part_of_it(
    place: str, tree: Tree
) -> None:
    outside = tree.root.parent / "outside"
    hidden_under(outside, place)
    with mounted(tree.base / place, source=outside), opened(tree.root) as store:
        with pytest.raises(StorageError) as caught:
            listed(store)
        assert "--cross-mounts" in caught.value.hint
        outcomes = store.delete([target(tree.base, f"{place}/{name}") for name in below(place)])
        assert {outcome.result for outcome in outcomes} == {Result.FAILED}
    assert all((outside / name).exists() for name in below(place))


@pytest.mark.parametrize("key", KEYS)
def test_a_file_of_another_file_system_that_is_mounted_over_a_key_is_not_listed_nor_deleted(
    key: str, tree: Tree
) -> None:
    with mounted(tree.root.parent / "outside") as outside:
        (outside / "file").write_bytes(b"precious")
        with mounted(tree.base / key, source=outside / "file"), opened(tree.root) as store:
            with pytest.raises(StorageError, match="another file system"):
                listed(store)
            (outcome,) = store.delete([target(tree.base, key)])
            assert outcome.result is Result.FAILED
            assert (outside / "file").read_bytes() == b"precious"


@pytest.mark.parametrize("place", PLACES[::3])
def test_mount_points_are_entered_when_asked_to(place: str, tree: Tree) -> None:
    with mounted(tree.base / place) as mount, opened(tree.root, cross_mounts=True) as store:
        hidden_under(mount, place)
        maker = FilesystemMaker(tree.root)
        found = listed(store)
        assert found == sorted(maker.facts().items())
        assert {key for key, _ in found} == set(KEYS)
        outcomes = store.delete([target(tree.base, key) for key in KEYS])
        assert {outcome.result for outcome in outcomes} == {Result.DELETED}
        assert files(maker.facts()) == set()


@pytest.mark.parametrize("cross_mounts", [True, False])
def test_a_copy_of_a_store_crosses_mount_points_as_the_store_does(cross_mounts: bool, tree: Tree) -> None:  # noqa: FBT001 - a parameter of the test
    with mounted(tree.base / "blobs/sha256/ff"), opened(tree.root, cross_mounts=cross_mounts) as store:
        copy = pickle.loads(pickle.dumps(store))  # noqa: S301 - written in the line itself
        with closing(copy):
            found = answer_of(lambda: keys(copy))
        assert isinstance(found, StorageError) is not cross_mounts


@pytest.mark.parametrize("place", ["blobs", "repositories/a/b/_layers/sha256", "blobs/sha256/00/" + ONE[7:]])
def test_another_device_is_refused_where_nothing_can_be_mounted(
    place: str, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operating system's answers about one directory and what is in it are changed to name another device."""
    inodes = {path.lstat().st_ino for path in (tree.base / place, *(tree.base / place).rglob("*"))}

    def elsewhere(ask: Any) -> Any:  # noqa: ANN401 - it wraps functions of different signatures
        def asked(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
            state = ask(*arguments, **options)
            if state.st_ino not in inodes:
                return state
            fields = {name: getattr(state, name) for name in dir(state) if name.startswith("st_")}
            return SimpleNamespace(**{**fields, "st_dev": state.st_dev + 1})

        return asked

    with opened(tree.root) as store:
        monkeypatch.setattr(os, "stat", elsewhere(os.stat))
        monkeypatch.setattr(os, "fstat", elsewhere(os.fstat))
        with pytest.raises(StorageError, match="another file system"):
            listed(store)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Tree]:
    """A tree on a file system of its own, of a quarter of a megabyte."""
    with mounted(tmp_path / "small", "size=256k") as mount:
        yield one_of_each(mount / "tree")


def test_a_read_only_mount_is_found_out_before_anything_is_deleted(small: Tree) -> None:
    remount(small.root.parent, "ro")
    with opened(small.root) as store:
        with pytest.raises(ReadOnlyError, match="read-only") as caught:
            store.prepare()
        assert "remount" in caught.value.hint
        with pytest.raises(ReadOnlyError):
            store.create_lock(b"mine")
        assert keys(store) == sorted(KEYS)
        outcomes = list(store.delete([target(small.base, key) for key in KEYS]))
        assert [outcome.result for outcome in outcomes] == [Result.FAILED] * len(KEYS)
        assert all("read-only" in outcome.error for outcome in outcomes)
    assert small.keys() == set(KEYS)


@pytest.mark.parametrize("branch", ["blobs", "repositories"])
def test_a_branch_that_is_mounted_read_only_is_found_out_too(branch: str, tree: Tree) -> None:
    with mounted(tree.base / branch) as mount, opened(tree.root, cross_mounts=True) as store:
        store.prepare()
        remount(mount, "ro")
        with pytest.raises(ReadOnlyError, match="read-only"):
            store.prepare()


@pytest.mark.parametrize("place", [".", "blobs", "repositories"])
@pytest.mark.parametrize("mode", [0o555, 0o666])
def test_a_directory_in_which_this_user_may_not_delete_is_found_out_before_anything_is(place: str, mode: int) -> None:
    with reachable() as folder:
        tree = Tree(folder / "tree")
        tree.put(KEYS[0], b"")
        for path in (tree.base, tree.base / "blobs", tree.base / "repositories"):
            path.chmod(0o777)
        with opened(tree.root) as store:
            with unprivileged():
                store.prepare()
            (tree.base / place).chmod(mode)
            with unprivileged(), pytest.raises(DeniedError) as caught:
                store.prepare()
            assert str(tree.base / place) in caught.value.message
            assert "as root" in caught.value.hint


def test_preparing_changes_nothing(tree: Tree) -> None:
    before = [(path, path.stat().st_mtime_ns) for path in sorted(tree.root.rglob("*"))]
    with opened(tree.root) as store:
        store.prepare()
    assert [(path, path.stat().st_mtime_ns) for path in sorted(tree.root.rglob("*"))] == before


@pytest.mark.parametrize("branch", ["blobs", "repositories"])
def test_a_tree_that_lacks_a_branch_can_be_deleted_from(branch: str, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    (tree.base / branch).rmdir()
    with opened(tree.root) as store:
        store.prepare()


def filled(folder: Path) -> None:
    """Write until nothing more can be written below `folder`."""
    with (folder / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4_096):
            pass
    with pytest.raises(OSError, match="No space left"):
        (folder / "one more").write_bytes(b"x" * 4_096)


def test_deleting_needs_no_space_and_makes_some(small: Tree) -> None:
    filled(small.root.parent)
    with opened(small.root) as store:
        store.prepare()
        outcomes = store.delete([target(small.base, key) for key in KEYS])
        assert [outcome.result for outcome in outcomes] == [Result.DELETED] * len(KEYS)
        assert keys(store) == [key for key in keys(store) if key.endswith("/")]
    (small.root.parent / "one more").write_bytes(b"x" * 4_096)


def test_a_lock_on_a_full_disk_is_one_even_if_it_holds_nothing(small: Tree) -> None:
    filled(small.root.parent)
    with opened(small.root) as store:
        held = store.create_lock(b"mine" * 1_000)
        assert held is not None
        assert store.create_lock(b"yours") is None
        standing = store.read_lock()
        assert standing is not None
        assert standing.token == held.token
        assert store.remove_lock(held)
        assert not (small.base / "regsweep.lock").exists()


def test_where_no_file_can_be_made_at_all_the_lock_fails_and_says_so(tmp_path: Path) -> None:
    with mounted(tmp_path / "few", "nr_inodes=8") as mount:
        tree = Tree(mount / "tree")
        with suppress(OSError):
            for number in range(10):
                (mount / str(number)).touch()
        with opened(tree.root) as store, pytest.raises(StorageError, match="No space left"):
            store.create_lock(b"mine")
