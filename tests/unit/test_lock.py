import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from regsweep.apply.lock import Lock, Owner, current_owner
from regsweep.errors import LockedError, StoppedError, StorageError
from regsweep.storage.ports import Held
from tests.unit.memory import MemoryStore

RUNNING = """
import sys
import msgspec
from regsweep.apply.lock import current_owner
sys.stdout.buffer.write(msgspec.json.encode(current_owner()) + b"\\n")
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(scope="module")
def dead() -> Owner:
    """A process of this host that has ended."""
    done = subprocess.run([sys.executable, "-c", RUNNING], input=b"", capture_output=True, check=True, timeout=60)
    return msgspec.json.decode(done.stdout, type=Owner)


@pytest.fixture
def living() -> Iterator[Owner]:
    """A process of this host that runs."""
    with subprocess.Popen([sys.executable, "-c", RUNNING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield msgspec.json.decode(process.stdout.readline(), type=Owner)
        process.kill()


def locked_by(store: MemoryStore, owner: Owner | bytes) -> Held:
    held = store.create_lock(owner if isinstance(owner, bytes) else msgspec.json.encode(owner))
    assert held is not None
    return held


def refused(store: MemoryStore) -> LockedError:
    before = store.lock
    with pytest.raises(LockedError) as caught, Lock(store, force=False):
        pass
    assert store.lock is before
    return caught.value


def test_the_lock_stands_while_it_is_held_and_no_longer(store: MemoryStore) -> None:
    with Lock(store, force=False) as lock:
        assert store.lock is not None
        lock.check()
    assert store.lock is None


def test_the_lock_goes_when_the_run_fails_too(store: MemoryStore) -> None:
    with pytest.raises(RuntimeError, match="a failure"), Lock(store, force=False):
        raise RuntimeError("a failure")
    assert store.lock is None


def test_the_lock_says_who_holds_it(store: MemoryStore) -> None:
    with Lock(store, force=False):
        assert store.lock is not None
        owner = json.loads(store.lock.content)
    assert (owner["host"], owner["pid"]) == (socket.gethostname(), os.getpid())
    assert owner["user"]
    assert owner["since"].endswith("Z")


def test_a_lock_that_a_living_process_holds_is_refused_and_the_holder_is_named(
    store: MemoryStore, living: Owner
) -> None:
    locked_by(store, living)
    error = refused(store)
    assert str(living.pid) in error.message
    assert living.host in error.message
    assert "--break-lock" in error.hint


def test_this_very_process_cannot_take_the_lock_twice(store: MemoryStore) -> None:
    with Lock(store, force=False):
        refused(store)
        assert store.lock is not None


def test_a_lock_whose_holder_ended_here_since_the_last_boot_is_taken_over(store: MemoryStore, dead: Owner) -> None:
    locked_by(store, dead)
    with Lock(store, force=False) as lock:
        lock.check()
        assert store.lock is not None
        assert msgspec.json.decode(store.lock.content, type=Owner).pid == os.getpid()
    assert store.lock is None


def test_a_process_of_the_same_number_that_began_at_another_time_is_not_the_holder(
    store: MemoryStore, living: Owner
) -> None:
    locked_by(store, msgspec.structs.replace(living, began="1"))
    with Lock(store, force=False) as lock:
        lock.check()


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"host": "another"},
        {"boot": "00000000-0000-0000-0000-000000000000"},
        {"namespace": "pid:[1]"},
        {"boot": ""},
        {"host": "another", "boot": "", "namespace": ""},
    ],
)
def test_of_a_process_that_did_not_run_here_since_the_last_boot_nothing_is_known(
    store: MemoryStore, dead: Owner, elsewhere: dict[str, str]
) -> None:
    locked_by(store, msgspec.structs.replace(dead, **elsewhere))
    refused(store)


def test_where_boots_cannot_be_told_apart_no_holder_is_known_to_be_dead(
    dead: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", unreadable)
    here = current_owner()
    assert (here.boot, here.began) == ("", "")
    assert not msgspec.structs.replace(dead, boot=here.boot, namespace=here.namespace).is_dead()


def test_another_holder_is_overruled_only_by_force(store: MemoryStore, living: Owner) -> None:
    theirs = locked_by(store, living)
    with Lock(store, force=True) as lock:
        assert store.lock is not None
        assert store.lock.token != theirs.token
        lock.check()
    assert store.lock is None


CORRUPTED = [
    b"",
    b"\0" * 200,
    b"{",
    b"{}",
    b"[]",
    b"null",
    b'{"host":1}',
    b'{"host":"\xff","user":"u","pid":1,"since":"2024-01-01T00:00:00Z","boot":"b","namespace":"n","began":"1"}',
    b'{"host":"h","user":"u","pid":"1","since":"soon","boot":"b","namespace":"n","began":"1"}',
    b"[" * 4096,
]


@pytest.mark.parametrize("content", CORRUPTED)
def test_a_lock_that_does_not_say_whose_it_is_needs_force(store: MemoryStore, content: bytes) -> None:
    locked_by(store, content)
    error = refused(store)
    assert "--break-lock" in error.hint
    assert error.message.isprintable()
    with Lock(store, force=True) as lock:
        lock.check()
    assert store.lock is None


def test_a_lock_that_somebody_broke_is_noticed(store: MemoryStore) -> None:
    with Lock(store, force=False) as lock:
        store.lock = None
        with pytest.raises(StoppedError, match="taken away"):
            lock.check()


def test_a_lock_that_somebody_replaced_is_noticed_and_left_to_them(store: MemoryStore) -> None:
    with Lock(store, force=False) as lock:
        assert store.lock is not None
        theirs = Held(content=store.lock.content, token=99)
        store.lock = theirs
        with pytest.raises(StoppedError, match="taken away"):
            lock.check()
    assert store.lock is theirs


def test_two_that_take_over_a_dead_lock_at_once_do_not_both_get_it(store: MemoryStore, dead: Owner) -> None:
    locked_by(store, dead)

    class Overtaken(MemoryStore):
        def remove_lock(self, held: Held) -> bool:
            store.remove_lock(held)
            assert store.create_lock(b"theirs") is not None
            self.lock = store.lock
            return False

    overtaken = Overtaken(lock=store.lock)
    with pytest.raises(LockedError, match="same moment"), Lock(overtaken, force=False):
        pass
    assert overtaken.lock is not None
    assert overtaken.lock.content == b"theirs"


def test_a_lock_that_went_before_it_could_be_read_is_taken(store: MemoryStore, living: Owner) -> None:
    locked_by(store, living)

    class Released(MemoryStore):
        def read_lock(self) -> Held | None:
            self.lock = None
            return super().read_lock()

    released = Released(lock=store.lock)
    with Lock(released, force=False):
        assert released.lock is not None


class Stuck(MemoryStore):
    """A store of which nothing can be removed."""

    def remove_lock(self, held: Held) -> bool:
        """See `Locks.remove_lock`."""
        raise StorageError("the lock cannot be removed", key=str(held))


def test_a_lock_that_cannot_be_removed_is_an_error() -> None:
    with pytest.raises(StorageError, match="cannot be removed"), Lock(Stuck(), force=False):
        pass


def test_what_ended_a_run_is_told_though_its_lock_cannot_be_removed_either() -> None:
    with pytest.raises(StoppedError, match="not deleted"), Lock(Stuck(), force=False):
        raise StoppedError("not deleted: something")
