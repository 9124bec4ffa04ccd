"""Carry a plan out, in its order, batch by batch."""

from collections.abc import Iterator
from itertools import groupby, islice
from typing import Final, Protocol

from regsweep.apply.journal import Journal, Trouble
from regsweep.apply.lock import Lock
from regsweep.apply.staleness import check_links
from regsweep.apply.stop import StopRequest
from regsweep.errors import RefusedError, StoppedError
from regsweep.inventory.progress import Bar, Progress
from regsweep.inventory.workers import Workers
from regsweep.plan.condemn import DIRECTORY
from regsweep.plan.file import Deletion, Plan
from regsweep.registry.layout import Kind
from regsweep.storage.ports import Result, Store, Target

_RESUME: Final = "run the same command again to resume"


class Proof(Protocol):
    """That no registry writes to the storage."""

    def check(self) -> None:
        """See that it still holds.

        Raises:
            RefusedError: it does not.
        """
        ...


def execute(  # noqa: PLR0913 - each is a part of the run that a test replaces
    plan: Plan,
    store: Store,
    workers: Workers,
    proof: Proof,
    journal: Journal,
    progress: Progress,
    stop: StopRequest,
    *,
    memory: str | None = None,
    break_lock: bool = False,
) -> None:
    """Delete what the plan lists; done when this returns.

    Whenever this ends early, the same call resumes the plan.

    Raises:
        RefusedError: the registry is not proved read-only, the storage has changed, or is locked; nothing was deleted
            by this call.
        StoppedError: the run ended between two batches: on request, because a registry became writable, because
            something could not be deleted, or because the storage has changed.
        StorageError: the storage failed.
    """
    proof.check()
    store.prepare()
    with Lock(store, force=break_lock) as lock:
        check_links(plan, store, workers, progress, memory=memory)
        journal.start()
        run = _Run(plan, store, journal, proof, lock, stop)
        with progress.stage("deleting", unit="keys", total=plan.length) as bar:
            for kind, deletions in groupby(plan.deletions(), key=lambda deletion: deletion.kind):
                if kind == Kind.BLOB and journal.resume_at < plan.length:
                    # Links are gone by now. What was written while they went must not lose its blobs.
                    _recheck(plan, store, workers, progress, journal, memory)
                if kind == DIRECTORY:
                    run.directories(deletions, bar)
                else:
                    run.delete(deletions, bar)
        run.emptied()
        journal.finish()


def _recheck(  # noqa: PLR0913 - as execute
    plan: Plan, store: Store, workers: Workers, progress: Progress, journal: Journal, memory: str | None
) -> None:
    try:
        check_links(plan, store, workers, progress, memory=memory)
    except RefusedError as error:
        if journal.deleted:
            raise StoppedError(error.message, hint=error.hint) from error
        raise


class _Run:
    def __init__(  # noqa: PLR0913 - as execute
        self, plan: Plan, store: Store, journal: Journal, proof: Proof, lock: Lock, stop: StopRequest
    ) -> None:
        self._plan = plan
        self._store = store
        self._journal = journal
        self._proof = proof
        self._lock = lock
        self._stop = stop
        self._at = 0
        """The number of the next deletion."""
        self._emptied: set[str] = set()
        """Directories that the deletions may have left empty, beside those that a store removes with its last key."""

    def delete(self, deletions: Iterator[Deletion], bar: Bar) -> None:
        while batch := list(islice(deletions, self._store.batch)):
            for deletion in batch:
                self._emptied.add(deletion.key.rsplit("/", 2)[0])
            first, self._at = self._at, self._at + len(batch)
            if self._at > self._journal.resume_at:
                self._may_go_on()
                targets = [Target(key=d.key, size=d.bytes, modified=d.modified) for d in batch]
                with self._stop.deferred():
                    done = self._journal.record(first, targets, list(self._store.delete(targets)))
                    self._surrender(done.troubles)
            bar.advance(len(batch), size=sum(deletion.bytes for deletion in batch))

    def directories(self, deletions: Iterator[Deletion], bar: Bar) -> None:
        for deletion in deletions:
            self._emptied.add(deletion.key.rstrip("/"))
            bar.advance(1)

    def emptied(self) -> None:
        """Remove the directories that are empty now, the deepest first."""
        candidates: set[str] = set()
        for directory in self._emptied:
            components = directory.split("/")
            # `blobs` and `repositories` themselves stay: a registry that finds neither may take it for an error.
            candidates.update("/".join(components[:depth]) for depth in range(2, len(components) + 1))
        keys = sorted(candidates, key=lambda key: (-key.count("/"), key))
        self._may_go_on()
        removed = 0
        troubles: list[Trouble] = []
        for key, outcome in zip(keys, self._store.remove_directories(keys), strict=True):
            removed += outcome.result is Result.DELETED
            if outcome.result is Result.FAILED:
                troubles.append(Trouble(key=key, result=outcome.result, error=outcome.error))
        self._journal.directories_removed(removed, troubles)
        self._surrender(troubles)

    def _may_go_on(self) -> None:
        self._lock.check()
        try:
            self._proof.check()
        except RefusedError as error:
            raise StoppedError(f"{error.message}; stopped after {self._so_far()}", hint=error.hint or _RESUME) from error

    def _surrender(self, troubles: list[Trouble]) -> None:
        """Stop at what could not be deleted: a link that stays must keep what it leads to."""
        if troubles:
            others = f", and {len(troubles) - 1:,} more" if len(troubles) > 1 else ""
            raise StoppedError(
                f"not deleted: {troubles[0].error}{others}; stopped after {self._so_far()}",
                hint=f"{self._journal.path} names each; mend that, then {_RESUME}",
            )

    def _so_far(self) -> str:
        return f"{self._journal.deleted:,} of {self._plan.length:,} deletions"

