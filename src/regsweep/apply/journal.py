"""The journal of a plan: what became of each batch of its deletions, on disk before the next batch begins."""

import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from regsweep.errors import UNREADABLE, StoppedError, UsageError
from regsweep.storage.ports import Outcome, Result, Target


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was not deleted, and why."""

    key: str
    result: Result
    error: str


class Batch(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="batch"):
    """The outcome of the deletions `first` to `last`, counted from 0 as the plan lists them."""

    first: int
    last: int
    deleted: int
    bytes: int
    """Of those deleted; of links none, which are counted, not weighed."""
    absent: int
    troubles: list[Trouble]
    """All that were neither deleted nor absent."""


class Start(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="start"):
    """A run begins, or resumes."""

    plan: str
    at: datetime


class Directories(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="directories"):
    """The empty directories were removed."""

    removed: int
    troubles: list[Trouble]


class Done(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="done"):
    """The plan is carried out."""

    at: datetime


_Record = Start | Batch | Directories | Done
_START: Final = b'{"record":"start"'
_DONE: Final = b'{"record":"done"'


def beside(plan: Path) -> Path:
    """Where the journal of a plan stands unless told otherwise."""
    return plan.with_name(f"{plan.name}.journal")


def unfinished(path: Path) -> bool:
    """Whether the journal of a plan that was begun and is not done stands at `path`."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UsageError(f"{path}: the journal cannot be read: {error.strerror}") from error
    return bool(lines) and lines[0].startswith(_START) and not lines[-1].startswith(_DONE)


class Journal:
    """The journal beside a plan. A context manager; opened for the plan of one identity.

    Attributes:
        resume_at: the first deletion that is not known to be done.
        deleted, bytes, absent: sums over all runs of the plan.
        done: when the plan was carried out, if it was.

    Raises:
        UsageError: the file is the journal of another plan, or cannot be opened.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self.resume_at = 0
        self.deleted = 0
        self.bytes = 0
        self.absent = 0
        self.directories = 0
        self.done: datetime | None = None
        self._identity = identity
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UsageError(
                f"{path}: the journal cannot be opened: {error.strerror}", hint="name another place with --journal"
            ) from error
        try:
            self._read()
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def start(self) -> None:
        """Note that a run begins."""
        self._write(Start(plan=self._identity, at=datetime.now(UTC)))

    def record(
        self, first: int, targets: Sequence[Target], outcomes: Sequence[Outcome], *, weighed: bool = True
    ) -> Batch:
        """Note the outcome of a batch whose first deletion is number `first`, and unless it is one of links, its bytes.

        Raises:
            StoppedError: the journal cannot be written; nothing more may be deleted.
        """
        pairs = list(zip(targets, outcomes, strict=True))
        batch = Batch(
            first=first,
            last=first + len(pairs) - 1,
            deleted=sum(outcome.result is Result.DELETED for _, outcome in pairs),
            bytes=sum(target.size for target, outcome in pairs if weighed and outcome.result is Result.DELETED),
            absent=sum(outcome.result is Result.ABSENT for _, outcome in pairs),
            troubles=[
                Trouble(key=target.key, result=outcome.result, error=outcome.error)
                for target, outcome in pairs
                if outcome.result not in (Result.DELETED, Result.ABSENT)
            ],
        )
        self._write(batch)
        self._count(batch)
        return batch

    def directories_removed(self, removed: int, troubles: list[Trouble]) -> None:
        """Note that the empty directories are gone."""
        record = Directories(removed=removed, troubles=troubles)
        self._write(record)
        self._count(record)

    def finish(self) -> None:
        """Note that the plan is carried out."""
        record = Done(at=datetime.now(UTC))
        self._write(record)
        self._count(record)

    def _read(self) -> None:
        # Nothing is changed before it is certain that this is a journal: the name may be a slip.
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise self._not_a_journal()
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            content = file.read()
        whole, newline, torn = content.rpartition(b"\n")
        decode = msgspec.json.Decoder(_Record).decode
        try:
            records = [decode(line) for line in whole.splitlines()]
        except UNREADABLE:
            raise self._not_a_journal() from None
        begins = isinstance(records[0], Start) if records else not newline and _START.startswith(torn[: len(_START)])
        if not begins:
            raise self._not_a_journal()
        others = [record for record in records if isinstance(record, Start) and record.plan != self._identity]
        if others and isinstance(records[-1], Done):
            # Whoever names each night's plan alike means this journal to be for it, once the last plan is done.
            os.ftruncate(self._fd, 0)
            return
        if others:
            raise UsageError(
                f"{self.path}: is the journal of another plan, which is not done",
                hint="name another place with --journal, or remove it if that plan is given up",
            )
        if torn:
            # A run was killed while it wrote this line: the batch it tells of is simply done again.
            os.ftruncate(self._fd, len(whole) + len(newline))
        for record in records:
            self._count(record)

    def _not_a_journal(self) -> UsageError:
        return UsageError(f"{self.path}: is not a journal of regsweep", hint="name another place with --journal")

    def _count(self, record: _Record) -> None:
        match record:
            case Batch():
                self.deleted += record.deleted
                self.bytes += record.bytes
                self.absent += record.absent
                if not record.troubles and record.first <= self.resume_at:
                    self.resume_at = max(self.resume_at, record.last + 1)
            case Directories():
                self.directories += record.removed
            case Done():
                self.done = record.at
            case _:
                pass

    def _write(self, record: _Record) -> None:
        try:
            line = msgspec.json.encode(record) + b"\n"
            if os.write(self._fd, line) != len(line):
                raise OSError(0, "written in part")  # noqa: TRY301 - handled with the errors of the same call
            os.fsync(self._fd)
        except OSError as error:
            raise StoppedError(
                f"{self.path}: the journal cannot be written: {error.strerror}",
                hint="make room for it, or name another place with --journal; then run the same command again",
            ) from error
