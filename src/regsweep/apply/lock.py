"""One run at a time: a lock in the storage itself, which says who holds it and since when."""

import getpass
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from regsweep.errors import UNREADABLE, LockedError, StoppedError, StorageError
from regsweep.registry.layout import BASE, LOCK
from regsweep.storage.ports import Held, Locks


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock. `boot`, `namespace` and `began` tell a living process from another of the same number."""

    host: str
    user: str
    pid: int
    since: datetime
    boot: str
    namespace: str
    began: str

    def is_dead(self) -> bool:
        """Whether this very process is known to have ended: it ran here, since the last boot, and does not any more."""
        here = current_owner()
        if (self.host, self.boot, self.namespace) != (here.host, here.boot, here.namespace) or not self.boot:
            return False
        return _began(self.pid) != self.began

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, process {self.pid}, since {self.since:%Y-%m-%d %H:%M:%S %Z}"


def current_owner() -> Owner:
    """This process, as the holder of a lock."""
    boot = namespace = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return Owner(
        host=socket.gethostname(),
        user=_user(),
        pid=os.getpid(),
        since=datetime.now(UTC),
        boot=boot,
        namespace=namespace,
        began=_began(os.getpid()),
    )


class Lock:
    """A context manager that holds the storage's lock.

    A lock whose holder is known to be dead is taken over; any other only with `force`.

    Raises:
        LockedError: another run holds it, or may.
        StorageError: the lock cannot be written: the storage is read-only, most likely.
    """

    def __init__(self, store: Locks, *, force: bool) -> None:
        self._store = store
        self._force = force
        self._held: Held | None = None

    def __enter__(self) -> Self:
        content = msgspec.json.encode(current_owner())
        self._held = self._store.create_lock(content)
        if self._held is None:
            self._break()
            self._held = self._store.create_lock(content)
        if self._held is None:
            raise LockedError("another run took the lock in the storage at the same moment")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._held is None:
            return
        try:
            self._store.remove_lock(self._held)
        except StorageError:
            # What ended the run is what people must read; that the lock stands they are told by the next one.
            if error is None:
                raise

    def check(self) -> None:
        """See that the lock still stands.

        Raises:
            StoppedError: somebody broke it.
        """
        standing = self._store.read_lock()
        if standing is None or self._held is None or standing.token != self._held.token:
            raise StoppedError(
                f"the lock {BASE}/{LOCK} was taken away from this run", hint="see who else works on this storage"
            )

    def _break(self) -> None:
        standing = self._store.read_lock()
        if standing is None:
            return
        try:
            owner = msgspec.json.decode(standing.content, type=Owner)
        except UNREADABLE:
            owner = None
        if not self._force and not (owner and owner.is_dead()):
            raise LockedError(
                f"the storage is locked by {owner or 'an unknown run: the lock is empty'}",
                hint=f"if that run is certainly over, add --break-lock; the lock is {BASE}/{LOCK}",
            )
        self._store.remove_lock(standing)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _began(pid: int) -> str:
    """When a process began, in the kernel's ticks since boot, or an empty string when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    # proc(5): starttime is field 22, and the text after the command's name begins with field 3.
    return fields[19]
