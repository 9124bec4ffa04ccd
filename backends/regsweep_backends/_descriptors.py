"""Directory handles: every path is opened below one, no symbolic link is followed, no mount point crossed."""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from regsweep.errors import DeniedError, NotFoundError, ReadOnlyError, StorageError

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Found(NamedTuple):
    """Files, as columns: of each its name, its bytes, and its modification time in microseconds since 1970."""

    names: list[str]
    sizes: list[int]
    modified: list[int]
    missing: list[str]
    """The names without a file."""


def translate(error: OSError, *, key: str) -> StorageError:
    """Turn an operating system's error into the port's: only ENOENT is "not found"."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    match error.errno:
        case errno.ENOENT:
            return NotFoundError(f"{key}: not found", key=key)
        case errno.ELOOP:
            return symbolic_link(key)
        case errno.EACCES | errno.EPERM:
            return DeniedError(
                f"{key}: {reason}", key=key, hint="run as the user that the registry runs as, or as root"
            )
        case errno.EROFS:
            return ReadOnlyError(
                f"{key}: the storage is mounted read-only", key=key, hint="remount it writable: mount -o remount,rw ..."
            )
        case _:
            return StorageError(f"{key}: {reason}", key=key)


def symbolic_link(key: str) -> StorageError:
    """The error for a symbolic link in the tree: what is behind it cannot be accounted for."""
    return StorageError(
        f"{key}: is a symbolic link, and regsweep follows none",
        key=key,
        hint="replace it by what it points to, or by a bind mount together with --cross-mounts",
    )


def refuse_climbing(names: Sequence[str], key: str) -> None:
    """Refuse names that would lead out of their directory; the layout's grammar has none of them.

    Raises:
        StorageError: there is one.
    """
    joined = "/".join(["", *names, ""])
    if "//" in joined or "/../" in joined or "/./" in joined:
        raise StorageError(f"{key}: leads out of its directory", key=key)


class Handle:
    """An open directory of the tree and where it stands in it. A context manager that closes it."""

    def __init__(self, descriptor: int, prefix: str, *, device: int | None, mounts: frozenset[str]) -> None:
        self.fd = descriptor
        self.prefix = prefix
        self.device = device
        """The only device that may be entered, or `None` for any."""
        self.mounts = mounts
        """What is mounted below the tree's top, for a bind mount can be of the same device; empty where any may be
        entered."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    @classmethod
    def root(cls, path: str, *, cross_mounts: bool) -> "Handle":
        """Open the tree's top by its path, the only place where symbolic links count."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if cross_mounts:
            return cls(descriptor, "", device=None, mounts=frozenset())
        mounts = frozenset(_mounts_below(os.path.realpath(path)))
        return cls(descriptor, "", device=os.fstat(descriptor).st_dev, mounts=mounts)

    def enter(self, name: str, *, trusted: bool = False) -> "Handle":
        """Open a directory below this one, each component of `name` on its own.

        With `trusted` all components but the last were just seen to be directories, and are not opened one by one.

        Raises:
            NotFoundError: it does not exist, or vanished.
            StorageError: a component is no directory, is a symbolic link or a mount point, or cannot be opened.
        """
        name = name.strip("/")
        if not name:
            return Handle(os.dup(self.fd), self.prefix, device=self.device, mounts=self.mounts)
        key = f"{self.prefix}{name}"
        fd = self._open(name.split("/"), key) if not trusted else self._open_one(name, self.fd, key)
        handle = Handle(fd, f"{key}/", device=self.device, mounts=self.mounts)
        if self.device is not None:
            try:
                self.check_device(os.fstat(fd).st_dev, handle.prefix)
            except OSError as error:
                os.close(fd)
                raise translate(error, key=handle.prefix) from error
            except BaseException:
                os.close(fd)
                raise
        return handle

    def _open(self, components: list[str], key: str) -> int:
        refuse_climbing(components, key)
        fd = self.fd
        for component in components:
            try:
                deeper = self._open_one(component, fd, key)
            finally:
                if fd != self.fd:
                    os.close(fd)
            fd = deeper
        return fd

    @staticmethod
    def _open_one(component: str, fd: int, key: str) -> int:
        try:
            return os.open(component, _DIRECTORY, dir_fd=fd)
        except OSError as error:
            if _is_link(component, fd):
                raise symbolic_link(key) from error
            raise translate(error, key=key) from error

    def check_device(self, device: int, key: str) -> None:
        """Refuse to cross a mount point unasked."""
        if self.device not in (None, device) or any(key.startswith(mount) for mount in self.mounts):
            raise StorageError(
                f"{key}: is on another file system, or mounted there",
                key=key,
                hint="if it is mounted there on purpose, add --cross-mounts",
            )

    def children(self) -> tuple[list[str], list[str]]:
        """Name the directories, and all else, directly below.

        Raises:
            StorageError: the directory cannot be read, or a symbolic link stands in it.
        """
        try:
            with os.scandir(self.fd) as found:
                entries = list(found)
            directories = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            if len(directories) == len(entries):
                return directories, []
            others = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
            for entry in entries:
                if entry.is_symlink():
                    raise symbolic_link(self.prefix + entry.name)
        except OSError as error:
            raise translate(error, key=self.prefix) from error
        return directories, others

    def is_directory(self, name: str, *, holding: int | None = None) -> bool:
        """Whether `name` is a directory, with `holding` subdirectories if that is given.

        Most file systems count a directory's subdirectories among its links, two more than there are; on others the
        answer to the second question is no.

        Raises:
            StorageError: it is a symbolic link, or cannot be told.
        """
        found = self._stat_one(name)
        if found is None:
            return False
        if stat.S_ISLNK(found.st_mode):
            raise symbolic_link(self.prefix + name)
        return stat.S_ISDIR(found.st_mode) and holding in (None, found.st_nlink - 2)

    def stat(self, names: list[str], suffix: str) -> list[os.stat_result | None]:
        """Stat each `name + suffix`, whatever it is; `None` where there is nothing. `sift` goes on from there.

        Raises:
            StorageError: one cannot be asked for.
        """
        fd, lstat = self.fd, os.stat
        try:
            return [lstat(name + suffix, dir_fd=fd, follow_symlinks=False) for name in names]
        except OSError:
            # Which name it was, only a second look can tell.
            return [self._stat_one(name + suffix) for name in names]

    def open_each(self, names: list[str], suffix: str, limit: int) -> list[tuple[os.stat_result, bytes] | None]:
        """Stat each `name + suffix` and read at most `limit` bytes of it; `None` where there is no such file.

        What stands before the last component was listed as a directory; it is not opened on its own, for that would
        cost a third more. Should somebody put a symbolic link there meanwhile, what is read must still hash to its
        digest, or be one.

        Raises:
            StorageError: one cannot be read, or is no regular file.
        """
        results: list[tuple[os.stat_result, bytes] | None] = []
        # Nearly every manifest and every link ends within the first read: then the short answer is the end.
        first = min(limit, 16_384)
        for name in names:
            try:
                descriptor = os.open(name + suffix, _FILE, dir_fd=self.fd)
                try:
                    state = os.fstat(descriptor)
                    self._check_file(state.st_mode, state.st_dev, self.prefix + name + suffix)
                    content = os.read(descriptor, first)
                    if len(content) == first:
                        content += _rest(descriptor, limit - first)
                finally:
                    os.close(descriptor)
            except FileNotFoundError:
                results.append(None)
            except OSError as error:
                raise translate(error, key=self.prefix + name + suffix) from error
            else:
                results.append((state, content))
        return results

    def read(self, names: list[str], suffix: str, limit: int) -> list[bytes | None]:
        """As `open_each`, for the content alone."""
        return [found and found[1] for found in self.open_each(names, suffix, limit)]

    def sift(self, names: list[str], suffix: str, states: list[os.stat_result | None]) -> Found:
        """Tell what is there from what is not, given what `stat` said of each name.

        Raises:
            StorageError: something is a directory, a symbolic link or a device, or is on another file system.
        """
        missing: list[str] = []
        if None in states:
            missing = [name for name, state in zip(names, states, strict=True) if state is None]
            names = [name for name, state in zip(names, states, strict=True) if state is not None]
        there = [state for state in states if state is not None]
        # Sets, for there may be a million states and nearly always one kind and one device.
        regular = all(map(stat.S_ISREG, {state.st_mode for state in there}))
        if not regular or (self.device is not None and {state.st_dev for state in there} - {self.device}):
            for name, state in zip(names, there, strict=True):
                self._check_file(state.st_mode, state.st_dev, self.prefix + name + suffix)
        sizes = [state.st_size for state in there]
        return Found(names, sizes, [state.st_mtime_ns // 1000 for state in there], missing)

    def hash(self, name: str, algorithm: str, buffer: bytearray) -> str | None:
        """Hash all of a file, as much at a time as `buffer` holds; `None` where there is no such file.

        What stands before the last component is not opened on its own, as in `open_each` and for the same reason.

        Raises:
            StorageError: it cannot be read, or is no regular file.
        """
        found, view, done = hashlib.new(algorithm, usedforsecurity=False), memoryview(buffer), 0
        try:
            descriptor = os.open(name, _FILE, dir_fd=self.fd)
            try:
                state = os.fstat(descriptor)
                self._check_file(state.st_mode, state.st_dev, self.prefix + name)
                if state.st_size > len(buffer):
                    with suppress(OSError):
                        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
                while count := os.readv(descriptor, [buffer]):
                    found.update(view[:count])
                    done += count
                    if count < len(buffer) and done >= state.st_size:
                        break
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise translate(error, key=self.prefix + name) from error
        return found.hexdigest()

    def _stat_one(self, name: str) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise translate(error, key=self.prefix + name) from error

    def _check_file(self, mode: int, device: int, key: str) -> None:
        if stat.S_ISLNK(mode):
            raise symbolic_link(key)
        if not stat.S_ISREG(mode):
            raise StorageError(
                f"{key}: is not a regular file", key=key, hint="a registry writes only files and directories"
            )
        self.check_device(device, key)


def _mounts_below(path: str) -> Iterator[str]:
    """What is mounted below `path`, relative to it, each with a slash at its end (proc(5), mountinfo)."""
    try:
        table = Path("/proc/self/mountinfo").read_bytes()
    except FileNotFoundError:
        return
    for line in table.splitlines():
        place = os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), line.split()[4]))
        if place.startswith(f"{path}/"):
            yield f"{place.removeprefix(f'{path}/')}/"


@contextmanager
def entered(parent: Handle, name: str, *, trusted: bool = False) -> Iterator[Handle | None]:
    """Open a directory, or give `None` when it vanished; see `Handle.enter`."""
    try:
        handle = parent.enter(name, trusted=trusted)
    except NotFoundError:
        yield None
        return
    with handle:
        yield handle


def _rest(descriptor: int, limit: int) -> bytes:
    parts = []
    while limit > 0 and (part := os.read(descriptor, min(limit, 1 << 20))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _is_link(name: str, fd: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
    except OSError:
        return False
