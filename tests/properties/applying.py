"""Carry a plan out over a store that fails at a moment of the test's choosing."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from regsweep.apply.executor import Executor
from regsweep.apply.guard import UsersWord
from regsweep.apply.journal import Journal
from regsweep.apply.stop import StopRequest
from regsweep.inventory.workers import Workers
from regsweep.plan.file import Plan
from regsweep.storage.ports import Outcome, Store, Target
from tests.properties.books import Files
from tests.properties.collecting import QUIET, opened
from tests.trees import BASE


class CutOffError(Exception):
    """The storage is gone, in the middle of a batch."""


class _Faltering:
    """A store that takes small batches, and fails after so many deletions of keys and directories."""

    def __init__(self, store: Store, *, batch: int, deletions: int) -> None:
        self._store = store
        self._left = deletions
        self.batch = batch

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        return self._each(self._store.delete(targets[: self._left]), len(targets))

    def remove_directories(self, keys: Sequence[str]) -> Iterator[Outcome]:
        return self._each(self._store.remove_directories(keys[: self._left]), len(keys))

    def _each(self, outcomes: Iterator[Outcome], wanted: int) -> Iterator[Outcome]:
        yield from outcomes
        if wanted > self._left:
            raise CutOffError
        self._left -= wanted


def apply(plan: Plan, root: Path, *, batch: int = 4096) -> None:
    """Carry a plan out to its end, from where it was left."""
    cut_off(plan, root, batch=batch, deletions=1_000_000)
    assert _run_is_over(plan, root)


def cut_off(plan: Plan, root: Path, *, batch: int, deletions: int) -> None:
    """Carry a plan out, from where it was left, until the storage fails."""
    with (
        opened(root) as store,
        Workers(store, 1) as workers,
        Journal(_journal(root), plan.identity) as journal,
        suppress(CutOffError),
    ):
        if journal.done:
            return
        Executor(
            plan=plan,
            store=cast("Store", _Faltering(store, batch=batch, deletions=deletions)),
            workers=workers,
            proof=UsersWord(),
            journal=journal,
            progress=QUIET,
            stop=StopRequest(lambda _: None),
        ).run()


def left(files: Files, root: Path) -> Files:
    """What is still there of a registry's files."""
    return {key: file for key, file in files.items() if (root / BASE / key).exists()}


def everything(root: Path) -> set[str]:
    """Every file and directory below a root."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def empty_directories(root: Path) -> set[str]:
    """The directories below a registry's `blobs` and `repositories` that hold nothing."""
    return {
        path.relative_to(root / BASE).as_posix()
        for path in (root / BASE).glob("*/**/*")
        if path.is_dir() and not any(path.iterdir())
    }


def _journal(root: Path) -> Path:
    return root.with_name("journal")


def _run_is_over(plan: Plan, root: Path) -> bool:
    with Journal(_journal(root), plan.identity) as journal:
        return journal.done is not None
