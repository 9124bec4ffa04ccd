"""The registry's tree on a mounted filesystem, below `<rootdirectory>/docker/registry/v2`."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from regsweep.errors import NotFoundError, StorageError, UsageError
from regsweep.registry.layout import BASE, LOCK
from regsweep.storage.ports import Access, Held, Outcome, Page, Remark, Request, Result, Scope, Target, Unseen
from regsweep_backends import _walk
from regsweep_backends._descriptors import Handle, entered, refuse_climbing, translate
from regsweep_backends._spread import spread

_BATCH = 4096
_BUFFER = 1 << 18
"""Bytes of a file that are in memory while it is hashed: they fit into a processor's cache."""


def connect(parameters: Mapping[str, object], access: Access) -> "FilesystemStore":
    """Open the store below `rootdirectory`, which defaults to distribution's own default.

    Raises:
        UsageError: no registry's tree stands there.
    """
    root = str(parameters.get("rootdirectory") or "/var/lib/registry")
    path = Path(root)
    hint = "give the rootdirectory of the registry's config.yml, the directory that contains docker/"
    try:
        if not path.exists():
            raise UsageError(f"{root}: no such directory", hint=hint)
        if not path.is_dir():
            raise UsageError(f"{root}: is not a directory", hint=hint)
        if not (path / BASE).is_dir():
            raise UsageError(f"{root}: holds no registry: there is no {BASE} below it", hint=hint)
    except OSError as error:
        raise translate(error, key=root) from error
    return FilesystemStore(os.path.realpath(root), cross_mounts=access.cross_mounts)


class FilesystemStore:
    """A `Store` on a mounted filesystem."""

    batch = _BATCH
    lanes = 1
    at_hand = ()
    deletions_in_request = 1

    def __init__(self, root: str, *, cross_mounts: bool) -> None:
        self.url = root
        self.requests: Mapping[Request, int] = {}
        self._cross_mounts = cross_mounts
        try:
            self._top = Handle.root(f"{root}/{BASE}", cross_mounts=cross_mounts)
        except OSError as error:
            raise translate(error, key=f"{root}/{BASE}") from error

    def __reduce__(self) -> tuple[object, ...]:
        return partial(FilesystemStore, cross_mounts=self._cross_mounts), (self.url,)

    def close(self) -> None:
        """Close the handle of the tree; the store cannot be used afterwards."""
        self._top.__exit__()

    def remarks(self) -> Iterator[Remark]:
        """See `Remarks.remarks`. What is deleted there is gone."""
        return iter(())

    def unfinished(self) -> Iterator[Unseen]:
        """See `Hides.unfinished`. There is nothing that a listing does not show."""
        return iter(())

    def version_shards(self) -> Iterator[str]:
        """See `Hides.version_shards`."""
        return iter(())

    def versions(self, shard: str) -> Iterator[Unseen]:  # noqa: ARG002 - there are none
        """See `Hides.versions`."""
        return iter(())

    def divide(self, processes: int) -> None:
        """See `Lists.divide`."""

    def shards(self, scope: Scope) -> Iterator[str]:
        """See `Lists.shards`."""
        return _walk.shards(self._top, scope)

    def pages(self, shard: str) -> Iterator[Page]:
        """See `Lists.pages`."""
        return _walk.pages(self._top, shard)

    def read(self, prefix: str, names: Sequence[str], suffix: str, *, limit: int) -> Iterator[bytes | None]:
        """See `Reads.read`."""
        refuse_climbing(names, prefix)
        with entered(self._top, prefix) as handle:
            if handle is None:
                yield from (None for _ in names)
            else:
                yield from spread(lambda part: handle.read(part, suffix, limit), names)

    def hashes(self, prefix: str, names: Sequence[str], suffix: str, *, algorithm: str) -> Iterator[str | None]:
        """See `Reads.hashes`. One after the other: a file's blocks are read ahead while those before are hashed."""
        refuse_climbing(names, prefix)
        buffer = bytearray(_BUFFER)
        with entered(self._top, prefix) as handle:
            for name in names:
                yield handle.hash(name + suffix, algorithm, buffer) if handle else None

    def has(self, path: str) -> bool:
        """See `Reads.has`."""
        try:
            os.lstat(f"{self.url}/{path}")
        except FileNotFoundError:
            return False
        except OSError as error:
            raise translate(error, key=path) from error
        return True

    def prepare(self) -> None:
        """See `Deletes.prepare`."""
        for directory in ("", "repositories", "blobs"):
            key = f"{self.url}/{BASE}/{directory}".rstrip("/")
            try:
                with entered(self._top, directory) as handle:
                    if handle is None:
                        continue
                    if os.fstatvfs(handle.fd).f_flag & os.ST_RDONLY:
                        raise translate(OSError(errno.EROFS, ""), key=key)
                    os.stat(".", dir_fd=handle.fd)
                    if not os.access(".", os.W_OK | os.X_OK, dir_fd=handle.fd, effective_ids=True):
                        raise translate(OSError(errno.EACCES, ""), key=key)
            except OSError as error:
                raise translate(error, key=key) from error

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """See `Deletes.delete`. A directory that held nothing else goes with its file."""
        return iter(spread(self._delete, targets))

    def remove_directories(self, keys: Sequence[str]) -> Iterator[Outcome]:
        """See `Deletes.remove_directories`."""
        for key in keys:
            folder, _, name = key.rstrip("/").rpartition("/")
            try:
                refuse_climbing([name], key)
                with self._top.enter(folder) as parent:
                    os.rmdir(name, dir_fd=parent.fd)
            except NotFoundError:
                yield Outcome(Result.ABSENT)
            except StorageError as error:
                yield Outcome(Result.FAILED, error.message)
            except OSError as error:
                # A mount point, entered by --cross-mounts, stays as one that is not empty does.
                busy = error.errno == errno.EBUSY
                yield Outcome(Result.CHANGED, f"{key}: is a mount point") if busy else _outcome_of(error, key)
            else:
                yield Outcome(Result.DELETED)

    def create_lock(self, content: bytes) -> Held | None:
        """See `Locks.create_lock`."""
        # Written before it has a name: a run that is killed meanwhile leaves no lock that says nothing.
        with suppress(OSError):
            descriptor = os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o644, dir_fd=self._top.fd)
            try:
                os.write(descriptor, content)
                held = Held(content=content, token=_token(os.fstat(descriptor)))
                os.link(f"/proc/self/fd/{descriptor}", LOCK, dst_dir_fd=self._top.fd)
                return held  # noqa: TRY300 - what is held is known before it has a name
            except FileExistsError:
                return None
            finally:
                os.close(descriptor)
        return self._create_empty_lock_first(content)

    def _create_empty_lock_first(self, content: bytes) -> Held | None:
        """As `create_lock`, where the file system knows no files without a name, or is full."""
        try:
            descriptor = os.open(
                LOCK, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=self._top.fd
            )
        except FileExistsError:
            return None
        except OSError as error:
            raise translate(error, key=LOCK) from error
        try:
            # A full disk is what regsweep is called for: an empty file is a lock all the same.
            with suppress(OSError):
                os.write(descriptor, content)
            return Held(content=content, token=_token(os.fstat(descriptor)))
        except OSError as error:
            raise translate(error, key=LOCK) from error
        finally:
            os.close(descriptor)

    def read_lock(self) -> Held | None:
        """See `Locks.read_lock`."""
        try:
            descriptor = os.open(LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._top.fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise translate(error, key=LOCK) from error
        try:
            return Held(content=os.read(descriptor, 4096), token=_token(os.fstat(descriptor)))
        except OSError as error:
            raise translate(error, key=LOCK) from error
        finally:
            os.close(descriptor)

    def remove_lock(self, held: Held) -> bool:
        """See `Locks.remove_lock`."""
        try:
            descriptor = os.open(LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._top.fd)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise translate(error, key=LOCK) from error
        try:
            # Of two that break the same dead lock, the second waits here and then finds another file at the name.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            mine = _token(os.fstat(descriptor))
            try:
                standing = _token(os.stat(LOCK, dir_fd=self._top.fd, follow_symlinks=False))
            except FileNotFoundError:
                return False
            if not mine == standing == held.token:
                return False
            os.unlink(LOCK, dir_fd=self._top.fd)
        except OSError as error:
            raise translate(error, key=LOCK) from error
        finally:
            os.close(descriptor)
        return True

    def _delete(self, targets: list[Target]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        parent: Handle | None = None
        try:
            for target in targets:
                folder, _, name = target.key.rpartition("/")
                above, _, below = folder.rpartition("/")
                try:
                    if parent is None or parent.prefix != f"{above}/":
                        if parent:
                            parent.__exit__()
                            parent = None
                        parent = self._top.enter(above)
                    outcomes.append(_delete_one(parent, below, name, target))
                except NotFoundError:
                    outcomes.append(Outcome(Result.ABSENT))
                except StorageError as error:
                    outcomes.append(Outcome(Result.FAILED, error.message))
        finally:
            if parent:
                parent.__exit__()
        return outcomes


def _delete_one(parent: Handle, folder: str, name: str, target: Target) -> Outcome:
    with parent.enter(folder) as handle:
        try:
            found = os.stat(name, dir_fd=handle.fd, follow_symlinks=False)
            if found.st_size != target.size or found.st_mtime_ns // 1000 != target.modified:
                return Outcome(Result.CHANGED, f"{target.key}: changed since it was listed")
            os.unlink(name, dir_fd=handle.fd)
            outcome = Outcome(Result.DELETED)
        except OSError as error:
            outcome = _outcome_of(error, target.key)
    if outcome.result is not Result.FAILED and parent.prefix:
        # Not empty yet, or gone, or not ours to remove: the run ends with another try. Done also where the file was
        # gone already, for a run may have been cut off between the two.
        with suppress(OSError):
            os.rmdir(folder, dir_fd=parent.fd)
    return outcome


def _token(state: os.stat_result) -> tuple[int, int]:
    if not stat.S_ISREG(state.st_mode):
        raise StorageError(f"{LOCK}: is not a regular file", key=LOCK)
    return state.st_ino, state.st_mtime_ns


def _outcome_of(error: OSError, key: str) -> Outcome:
    if error.errno == errno.ENOENT:
        return Outcome(Result.ABSENT)
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        return Outcome(Result.CHANGED, f"{key}: is not empty")
    return Outcome(Result.FAILED, translate(error, key=key).message)
