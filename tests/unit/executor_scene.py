"""One run of a plan over a store in memory, and what came of it."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from regsweep.apply.executor import Executor
from regsweep.apply.journal import Journal
from regsweep.apply.stop import StopRequest
from regsweep.errors import RefusedError, StoppedError
from regsweep.inventory.progress import Progress
from regsweep.inventory.workers import Workers
from regsweep.plan.file import Plan
from tests.unit.memory import SILENT, MemoryStore

ORDER = ["tag", "tag-entry", "signature", "revision", "layer-link", "upload", "blob", "directory"]


@dataclass
class Proof:
    """That no registry writes, until it does."""

    store: MemoryStore
    holds: int = 1_000_000

    def check(self) -> None:
        """See `executor.Proof`."""
        self.store.calls.append(("proof",))
        self.holds -= 1
        if self.holds < 0:
            raise RefusedError("it is writable", hint="make it read-only")


@dataclass
class Scene:
    """A storage, its plan and its journal."""

    store: MemoryStore
    plan: Plan
    journal: Path
    stop: StopRequest = field(default_factory=lambda: StopRequest(lambda _: None))
    progress: Progress = SILENT
    time_limit: float | None = None

    def run(self, *, holds: int = 1_000_000, batch: int = 3, break_lock: bool = False) -> None:
        self.store.batch = batch
        self.store.calls.clear()
        with Journal(self.journal, self.plan.identity) as journal, Workers(self.store, 1) as workers:
            Executor(
                plan=self.plan,
                store=self.store,
                workers=workers,
                proof=Proof(self.store, holds),
                journal=journal,
                progress=self.progress,
                stop=self.stop,
                break_lock=break_lock,
                time_limit=self.time_limit,
            ).run()

    def stopped(self, match: str, *, holds: int = 1_000_000, batch: int = 3) -> StoppedError:
        with pytest.raises(StoppedError, match=match) as caught:
            self.run(holds=holds, batch=batch)
        assert self.store.lock is None
        return caught.value

    @property
    def resume_at(self) -> int:
        with Journal(self.journal, self.plan.identity) as journal:
            return journal.resume_at

    def is_done(self) -> bool:
        with Journal(self.journal, self.plan.identity) as journal:
            return journal.done is not None

    def listed(self, *kinds: str) -> list[str]:
        """What the plan lists: of some kinds, or all but the directories."""
        return [one.key for one in self.plan.deletions() if one.kind in (kinds or ORDER[:-1])]

    def batches(self) -> list[list[str]]:
        return [list(keys) for name, *keys in self.store.calls if name == "delete"]
