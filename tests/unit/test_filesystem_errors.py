"""What the operating system cannot answer is an error, and never absent."""

import errno
import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from regsweep.errors import DeniedError, NotFoundError, StorageError
from regsweep.storage.ports import Access, Result
from regsweep_backends.filesystem import FilesystemStore, connect
from tests.conformance.listing import keys, listed
from tests.conformance.makers import FilesystemMaker
from tests.trees import Tree
from tests.unit.filesystem_scene import (
    BLOB,
    DIRECTORIES,
    KEYS,
    ONE,
    REVISION,
    answer_of,
    one_of_each,
    opened,
    reachable,
    read,
    target,
    unprivileged,
)

Call = Callable[..., Any]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return one_of_each(tmp_path / "tree")


@pytest.fixture
def store(tree: Tree) -> Iterator[FilesystemStore]:
    with opened(tree.root) as store:
        yield store


def failing(call: Call, number: int, after: int) -> Call:
    """Make a system call that fails once, after it has worked `after` times."""
    calls = count()

    def fails(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - it stands for functions of any signature
        if next(calls) == after:
            raise OSError(number, os.strerror(number))
        return call(*arguments, **options)

    return fails


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("call", ["open", "stat", "fstat", "scandir", "read"])
def test_a_listing_in_which_any_call_fails_stops(
    call: str, number: int, tree: Tree, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = sorted(FilesystemMaker(tree.root).facts().items())
    for after in range(1_000):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing(getattr(os, call), number, after))
            found = answer_of(lambda: listed(store))
        if not isinstance(found, StorageError):
            assert found == facts
            return
        assert not isinstance(found, NotFoundError)
        assert os.strerror(number) in found.message
    pytest.fail("no listing worked")


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
@pytest.mark.parametrize("call", ["open", "fstat", "read"])
def test_what_cannot_be_read_is_not_absent(
    call: str, number: int, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for after in range(20):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing(getattr(os, call), number, after))
            found = answer_of(lambda: read(store, REVISION))
        if not isinstance(found, StorageError):
            assert found == ONE.encode()
            return
        assert not isinstance(found, NotFoundError)
    pytest.fail("no reading worked")


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EROFS])
@pytest.mark.parametrize("call", ["open", "stat", "fstat", "unlink"])
def test_what_cannot_be_deleted_failed_and_says_why(
    call: str, number: int, tree: Tree, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    condemned = [target(tree.base, key) for key in KEYS]
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(getattr(os, call), number, 2))
        outcomes = list(store.delete(condemned))
    assert len(outcomes) == len(KEYS)
    for key, outcome in zip(KEYS, outcomes, strict=True):
        assert outcome.result is (Result.FAILED if (tree.base / key).exists() else Result.DELETED)
        assert outcome.result is Result.DELETED or outcome.error
    assert Result.ABSENT not in {outcome.result for outcome in outcomes}


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
@pytest.mark.parametrize("call", ["open", "rmdir"])
def test_a_directory_that_cannot_be_removed_failed(
    call: str, number: int, tree: Tree, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree.base / "repositories/b").mkdir()
    monkeypatch.setattr(os, call, failing(getattr(os, call), number, 0))
    (outcome,) = store.remove_directories(["repositories/b/"])
    assert outcome.result is Result.FAILED
    assert outcome.error


@pytest.mark.parametrize("call", ["open", "stat", "fstat", "read", "unlink"])
@pytest.mark.parametrize("ask", ["create_lock", "read_lock", "remove_lock"])
def test_a_lock_that_cannot_be_asked_for_is_neither_absent_nor_anybody_s(
    ask: str, call: str, tree: Tree, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = None if ask == "create_lock" else store.create_lock(b"mine")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(getattr(os, call), errno.EIO, 0))
        match ask:
            case "create_lock":
                made = answer_of(lambda: store.create_lock(b"mine"))
                assert made is not None
            case "read_lock":
                found = answer_of(store.read_lock)
                assert found is not None
            case _:
                assert held is not None
                gone = answer_of(lambda: store.remove_lock(held))
                assert gone is not False
                assert (gone is True) is not (tree.base / "regsweep.lock").exists()


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_guard_s_file_that_cannot_be_asked_for_is_an_error(
    number: int, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in ("stat", "lstat", "open"):
        monkeypatch.setattr(os, call, failing(getattr(os, call), number, 0))
    with pytest.raises(StorageError, match=os.strerror(number)):
        store.has("scheduler-state.json")


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
@pytest.mark.parametrize("call", ["open", "stat", "fstat", "fstatvfs"])
def test_what_keeps_from_preparing_is_an_error_that_names_the_store(
    call: str, number: int, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, call, failing(getattr(os, call), number, 0))
    found = answer_of(store.prepare)
    assert found is None or os.strerror(number) in found.message


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
@pytest.mark.parametrize("place", DIRECTORIES)
def test_a_directory_that_this_user_may_not_search_is_denied_and_not_absent(place: str, mode: int) -> None:
    with reachable() as folder:
        tree = one_of_each(folder / "tree")
        hidden = [key for key in KEYS if key.startswith(f"{place}/")]
        condemned = [target(tree.base, key) for key in hidden]
        with opened(tree.root) as store:
            (tree.base / place).chmod(mode)
            with unprivileged():
                found = answer_of(lambda: keys(store))
                contents = [answer_of(partial(read, store, key)) for key in hidden]
                outcomes = [outcome.result for outcome in store.delete(condemned)]
        # To do without a right that is missing is as good as to say that it is.
        assert found == sorted(KEYS) or isinstance(found, DeniedError)
        assert [found for found in contents if found != ONE.encode() and not isinstance(found, DeniedError)] == []
        assert outcomes == [Result.FAILED] * len(condemned)


@pytest.mark.parametrize("key", [BLOB, REVISION])
def test_a_file_that_this_user_may_not_read_is_denied(key: str) -> None:
    with reachable() as folder:
        tree = Tree(folder / "tree")
        tree.put(key, ONE.encode()).chmod(0o000)
        with opened(tree.root) as store, unprivileged(), pytest.raises(DeniedError) as caught:
            read(store, key)
        assert caught.value.key == key


def test_a_root_that_this_user_may_not_enter_is_denied_and_not_missing() -> None:
    with reachable() as folder:
        tree = Tree(folder / "tree")
        tree.root.chmod(0o700)
        with unprivileged(), pytest.raises(DeniedError):
            connect({"rootdirectory": str(tree.root)}, Access())
        with opened(tree.root) as store, unprivileged(), pytest.raises(DeniedError):
            store.has("scheduler-state.json")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
@pytest.mark.timeout(5)
def test_what_is_no_file_where_one_should_be_is_an_error_and_nobody_waits_for_it(
    kind: str, key: str, tree: Tree, store: FilesystemStore
) -> None:
    before = target(tree.base, key)
    make_special(kind, tree.base / key)
    with pytest.raises(StorageError) as caught:
        listed(store)
    assert caught.value.key == key
    with pytest.raises(StorageError):
        read(store, key)
    (outcome,) = store.delete([before])
    assert outcome.result in (Result.FAILED, Result.CHANGED)
    assert (tree.base / key).exists()


@pytest.mark.parametrize("kind", ["fifo", "directory", "device"])
@pytest.mark.timeout(5)
def test_a_lock_that_is_no_file_is_an_error_and_nobody_waits_for_it(
    kind: str, tree: Tree, store: FilesystemStore
) -> None:
    held = store.create_lock(b"mine")
    assert held is not None
    make_special(kind, tree.base / "regsweep.lock")
    assert store.create_lock(b"mine") is None
    with pytest.raises(StorageError):
        store.read_lock()
    assert answer_of(lambda: store.remove_lock(held)) is not True
    assert (tree.base / "regsweep.lock").exists()


def make_special(kind: str, path: Path) -> None:
    path.unlink()
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "socket":
            os.mknod(path, 0o140600)
        case _:
            try:
                # The device of /dev/zero, which has an answer to everything.
                os.mknod(path, 0o020666, os.makedev(1, 5))
            except PermissionError:
                pytest.skip("this user can make no device")
