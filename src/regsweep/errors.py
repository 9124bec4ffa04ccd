"""What can go wrong, as types: each names the object and the way out, and knows the exit code it leads to."""

from typing import ClassVar, Final

UNREADABLE: Final = (ValueError, RecursionError)
"""What reading damaged JSON raises: msgspec's errors are `ValueError`s, and so is that for bytes that are not UTF-8."""

FAILED: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
STOPPED: Final = 4
DAMAGED: Final = 5


class RegsweepError(Exception):
    """Root of every error that regsweep raises on purpose; `str()` is one line fit for a terminal's user.

    Attributes:
        message: what is wrong, naming the object.
        hint: what to do about it, or an empty string.
    """

    exit_code: ClassVar[int] = FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Errors come back from worker processes; exceptions are unpickled by calling them with `args` alone.
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[RegsweepError], arguments: tuple[object, ...]) -> RegsweepError:
    return kind.__new__(kind, *arguments)


class UsageError(RegsweepError):
    """What the user asked for makes no sense as asked: a wrong option, path, file or name."""

    exit_code = USAGE


class RefusedError(RegsweepError):
    """A guard or a brake said no; nothing was deleted."""

    exit_code = REFUSED


class StoppedError(RegsweepError):
    """The run stopped early, between two batches; the same command resumes it."""

    exit_code = STOPPED


class DamagedError(RegsweepError):
    """The storage was looked through to its end, and something in it is damaged."""

    exit_code = DAMAGED


class MalformedError(RegsweepError):
    """Bytes from the storage are not what the registry writes there: a digest, a link, a manifest.

    Attributes:
        detail: what is wrong with them, without naming where they were found.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class StorageError(RegsweepError):
    """The storage did not answer as it should; nothing may be concluded about the key.

    Attributes:
        key: the key, below the registry's root, that was asked for.
    """

    def __init__(self, message: str, *, key: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.key = key


class NotFoundError(StorageError):
    """The store itself says that there is nothing at this key: the only answer that means absent."""


class DeniedError(StorageError):
    """The store refuses access to the key."""


class ReadOnlyError(StorageError):
    """The storage cannot be written."""


class LockedError(RefusedError):
    """Another run holds the lock in the storage."""
