"""Carry a plan out, in its order, batch by batch."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Final, Protocol

from regsweep.apply.journal import Journal, Trouble
from regsweep.apply.lock import Lock
from regsweep.apply.staleness import check_links
from regsweep.apply.stop import StopRequest
from regsweep.errors import RefusedError, StoppedError
from regsweep.inventory.progress import Bar, Progress
from regsweep.inventory.workers import Workers
from regsweep.plan.file import Deletion, Plan
from regsweep.plan.kinds import DIRECTORY, LINKS
from regsweep.registry.layout import Kind
from regsweep.storage.ports import Result, Store, Target

RESUME: Final = "run the same command again to resume"
_KEPT: Final = 2
"""Components of the shallowest directory that is ever removed: a registry may take it for an error to find neither
`blobs` nor `repositories`."""


class Proof(Protocol):
    """That no registry writes to the storage."""

    def check(self) -> None:
        """See that it still holds.

        Raises:
            RefusedError: it does not.
        """
        ...


@dataclass(slots=True, kw_only=True)
class Executor:
    """One run of a plan, and all it works with."""

    plan: Plan
    store: Store
    workers: Workers
    proof: Proof
    journal: Journal
    progress: Progress
    stop: StopRequest
    memory: str | None = None
    """DuckDB's memory limit."""
    break_lock: bool = False
    time_limit: float | None = None
    """Seconds after which no other batch begins."""
    _began: float = field(default_factory=time.monotonic, init=False)
    _at: int = field(default=0, init=False)
    """The number of the next deletion."""
    _emptied: set[str] = field(default_factory=set, init=False)
    """Directories that the deletions may leave empty, beside those that a store removes with the last key in them."""

    def run(self) -> None:
        """Delete what the plan lists; when this returns, all of it is gone.

        Whenever it ends early, another run of the same plan and journal resumes.

        Raises:
            RefusedError: the registry is not proved read-only, the storage has changed, or is locked; nothing was
                deleted by this run.
            StoppedError: the run ended between two batches: on request, because a registry became writable, because
                something could not be deleted, or because the storage has changed.
            StorageError: the storage failed.
        """
        self.proof.check()
        self.store.prepare()
        with Lock(self.store, force=self.break_lock) as lock:
            self._check_links()
            self.journal.start()
            with self.progress.stage("deleting", unit="keys", total=self.plan.length) as bar:
                for (kind, real), deletions in groupby(self.plan.deletions(), key=_way):
                    if real:
                        self._remember(deletions, bar)
                        continue
                    if kind == Kind.BLOB and self.journal.resume_at < self.plan.length:
                        # Links are gone by now. What was written while they went must not lose its blobs.
                        self._check_links()
                    self._delete(deletions, lock, bar, weighed=kind not in LINKS)
            self._go_on(lock)
            self._remove_emptied()
        # The lock goes first: a plan that is done never looks at it again.
        self.journal.finish()

    def _delete(self, deletions: Iterator[Deletion], lock: Lock, bar: Bar, *, weighed: bool) -> None:
        while batch := list(islice(deletions, self.store.batch)):
            for deletion in batch:
                self._emptied.add(deletion.key.rsplit("/", 2)[0])
            first, self._at = self._at, self._at + len(batch)
            if self._at > self.journal.resume_at:
                self._go_on(lock)
                targets = [
                    Target(key=one.key, size=one.bytes, modified=one.modified, version=one.version) for one in batch
                ]
                with self.stop.deferred():
                    done = self.journal.record(first, targets, list(self.store.delete(targets)), weighed=weighed)
                    self._surrender(done.troubles)
            bar.advance(len(batch), size=sum(deletion.bytes for deletion in batch))

    def _remember(self, deletions: Iterator[Deletion], bar: Bar) -> None:
        """Directories are removed last, together with those that the run empties."""
        for deletion in deletions:
            self._emptied.add(deletion.key.rstrip("/"))
            bar.advance(1)

    def _remove_emptied(self) -> None:
        """Remove the directories that are empty now, the deepest first."""
        candidates: set[str] = set()
        for directory in self._emptied:
            components = directory.split("/")
            candidates.update("/".join(components[:depth]) for depth in range(_KEPT, len(components) + 1))
        keys = sorted(candidates, key=lambda key: (-key.count("/"), key))
        removed = 0
        troubles: list[Trouble] = []
        for key, outcome in zip(keys, self.store.remove_directories(keys), strict=True):
            removed += outcome.result is Result.DELETED
            if outcome.result is Result.FAILED:
                troubles.append(Trouble(key=key, result=outcome.result, error=outcome.error))
        self.journal.directories_removed(removed, troubles)
        self._surrender(troubles)

    def _check_links(self) -> None:
        try:
            check_links(self.plan, self.store, self.workers, self.progress, memory=self.memory)
        except RefusedError as error:
            if self.journal.deleted:
                raise StoppedError(error.message, hint=error.hint) from error
            raise

    def _go_on(self, lock: Lock) -> None:
        """Look before each batch whether there may be a next one."""
        if self.time_limit is not None and time.monotonic() - self._began > self.time_limit:
            raise StoppedError("the time limit is reached", hint=RESUME)
        lock.check()
        try:
            self.proof.check()
        except RefusedError as error:
            raise StoppedError(error.message, hint=f"{error.hint}; then {RESUME}" if error.hint else RESUME) from error

    def _surrender(self, troubles: list[Trouble]) -> None:
        """Stop at what could not be deleted: a link that stays must keep what it leads to."""
        if troubles:
            others = f", and {len(troubles) - 1:,} more" if len(troubles) > 1 else ""
            changed = any(trouble.result is Result.CHANGED for trouble in troubles)
            raise StoppedError(
                f"not deleted: {troubles[0].error}{others}",
                hint="make a new plan" if changed else f"mend that; then {RESUME}",
            )


def _way(deletion: Deletion) -> tuple[str, bool]:
    """A deletion's kind, and whether it is of a real directory: one of an object store is a key like any other."""
    return deletion.kind, deletion.kind == DIRECTORY and not deletion.version
