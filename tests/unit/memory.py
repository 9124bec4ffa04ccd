"""A store in memory, which notes what is asked of it, and plans made from it."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Self

from regsweep.errors import DeniedError
from regsweep.inventory.database import Inventory, create
from regsweep.inventory.progress import Progress
from regsweep.inventory.scan import begin, scan
from regsweep.inventory.workers import Workers
from regsweep.plan import file
from regsweep.plan.make import decide
from regsweep.plan.options import Options, Untagged
from regsweep.plan.summary import Totals
from regsweep.registry.layout import BASE
from regsweep.storage.ports import Held, Outcome, Page, Remark, Request, Result, Scope, State, Target, Unseen
from tests.trees import Tree

DELETE = Options(untagged=Untagged.DELETE)


@dataclass(frozen=True, slots=True)
class Thing:
    """What stands under a key."""

    content: bytes
    modified: int


class Hidden(NamedTuple):
    """What no listing of keys shows."""

    key: str
    size: int
    modified: int
    version: str
    state: State = State.NONCURRENT


@dataclass
class MemoryStore:
    """A `Store` of objects. Like an object store it has no directories, only those that it is told to list.

    Attributes:
        things: what it holds, by key.
        calls: what was asked of it, in order.
        outcomes: what becomes of a deletion instead, by key.
        before_delete: called with the keys of each batch before they go.
    """

    things: dict[str, Thing] = field(default_factory=dict)
    empty_directories: list[str] = field(default_factory=list)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    before_delete: Callable[[list[str]], None] | None = None
    batch: int = 1000
    lanes: int = 1
    at_hand: Collection[str] = ()
    requests: Mapping[Request, int] = field(default_factory=dict)
    deletions_in_request: int = 1
    said: list[Remark] = field(default_factory=list)
    parts: list[Hidden] = field(default_factory=list)
    """The uploads in parts that were never ended."""
    history: list[Hidden] = field(default_factory=list)
    """Every version of every key, the current ones too."""
    secretive: bool = False
    """Whether this user may not ask for either."""
    versioned: bool = False
    """Whether it marks what it lists, as an object store does: by the first letters of the content's hash."""
    url: str = "memory"
    lock: Held | None = None
    _locks: int = 0

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Hold what a tree holds."""
        store = cls()
        for key in sorted(tree.keys()):
            path = tree.base / key
            store.things[key] = Thing(path.read_bytes(), path.stat().st_mtime_ns // 1000)
        for folder in (tree.base / "repositories").rglob("*"):
            if folder.is_dir() and not any(folder.iterdir()):
                store.empty_directories.append(f"{folder.relative_to(tree.base).as_posix()}/")
        return store

    def remarks(self) -> Iterator[Remark]:
        """See `Remarks.remarks`."""
        return iter(self.said)

    def unfinished(self) -> Iterator[Unseen]:
        """See `Hides.unfinished`."""
        if self.secretive:
            raise DeniedError("memory: access denied", key="")
        yield unseen(self.parts)

    def version_shards(self) -> Iterator[str]:
        """See `Hides.version_shards`."""
        return iter(("repositories/", "blobs/") if self.history else ())

    def versions(self, shard: str) -> Iterator[Unseen]:
        """See `Hides.versions`."""
        if self.secretive:
            raise DeniedError("memory: access denied", key="")
        yield unseen([one for one in self.history if one.key.startswith(shard)])

    def divide(self, processes: int) -> None:
        """See `Lists.divide`."""

    def shards(self, scope: Scope) -> Iterator[str]:
        """See `Lists.shards`."""
        self.calls.append(("list", str(scope)))
        if Scope.LINKS in scope:
            yield "repositories/"
        if Scope.OTHERS in scope:
            yield "repositories/uploads"
        if Scope.BLOBS in scope:
            yield "blobs/"

    def pages(self, shard: str) -> Iterator[Page]:
        """See `Lists.pages`."""
        uploads = shard.endswith("uploads")
        keys = [
            key
            for key in sorted(self.things)
            if key.startswith(shard.removesuffix("uploads")) and ("/_uploads/" in key) is uploads
        ]
        if keys:
            things = [self.things[key] for key in keys]
            yield Page(
                prefix="",
                names=keys,
                sizes=[len(thing.content) for thing in things],
                modified=[thing.modified for thing in things],
                versions=[version_of(thing.content) for thing in things] if self.versioned else None,
            )
        if uploads and self.empty_directories:
            count = len(self.empty_directories)
            yield Page(prefix="", names=self.empty_directories, sizes=[0] * count, modified=[0] * count)

    def read(self, prefix: str, names: Sequence[str], suffix: str, *, limit: int) -> Iterator[bytes | None]:
        """See `Reads.read`."""
        for name in names:
            thing = self.things.get(prefix + name + suffix)
            yield thing.content[:limit] if thing else None

    def hashes(self, prefix: str, names: Sequence[str], suffix: str, *, algorithm: str) -> Iterator[str | None]:
        """See `Reads.hashes`."""
        for content in self.read(prefix, names, suffix, limit=1 << 40):
            yield None if content is None else hashlib.new(algorithm, content).hexdigest()

    def has(self, path: str) -> bool:
        """See `Reads.has`."""
        return path.removeprefix(f"{BASE}/") in self.things

    def prepare(self) -> None:
        """See `Deletes.prepare`."""
        self.calls.append(("prepare",))

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """See `Deletes.delete`."""
        keys = [target.key for target in targets]
        self.calls.append(("delete", *keys))
        if self.before_delete:
            self.before_delete(keys)
        for target in targets:
            yield self._delete(target)

    def _delete(self, target: Target) -> Outcome:
        if target.key in self.outcomes:
            return self.outcomes[target.key]
        standing = self.things.get(target.key)
        if standing is None:
            return Outcome(Result.ABSENT)
        version = version_of(standing.content) if self.versioned else ""
        if (len(standing.content), standing.modified, version) != (target.size, target.modified, target.version):
            return Outcome(Result.CHANGED, f"{target.key}: changed since it was listed")
        del self.things[target.key]
        return Outcome(Result.DELETED)

    def remove_directories(self, keys: Sequence[str]) -> Iterator[Outcome]:
        """See `Deletes.remove_directories`."""
        self.calls.append(("remove_directories", *keys))
        for key in keys:
            yield self.outcomes.get(key, Outcome(Result.ABSENT))

    def create_lock(self, content: bytes) -> Held | None:
        """See `Locks.create_lock`."""
        self.calls.append(("create_lock",))
        if self.lock:
            return None
        self._locks += 1
        self.lock = Held(content=content, token=self._locks)
        return self.lock

    def read_lock(self) -> Held | None:
        """See `Locks.read_lock`."""
        self.calls.append(("read_lock",))
        return self.lock

    def remove_lock(self, held: Held) -> bool:
        """See `Locks.remove_lock`."""
        self.calls.append(("remove_lock",))
        if self.lock is None or self.lock.token != held.token:
            return False
        self.lock = None
        return True

    def called(self, *names: str) -> list[str]:
        """The calls of some names, in order."""
        return [name for name, *_ in self.calls if name in names]

    def deleted(self) -> list[str]:
        """Every key whose deletion was asked for, in order."""
        return [key for name, *keys in self.calls if name == "delete" for key in keys]


def unseen(found: Sequence[Hidden]) -> Unseen:
    """The same as columns."""
    return Unseen(
        keys=[one.key for one in found],
        sizes=[one.size for one in found],
        modified=[one.modified for one in found],
        versions=[one.version for one in found],
        states=[one.state for one in found],
    )


def version_of(content: bytes) -> str:
    """What a store that marks what it lists would mark this with; quotes and all, as S3 does."""
    return f'"{sha256(content).hexdigest()[:16]}"'


class Silent:
    """A `Progress` that shows nothing."""

    @contextmanager
    def stage(self, name: str, *, unit: str, total: int | None = None) -> Iterator["Silent"]:  # noqa: ARG002 - the port's
        """See `Progress.stage`."""
        yield self

    def advance(self, done: int, *, size: int = 0) -> None:
        """See `Bar.advance`."""


SILENT: Progress = Silent()


@dataclass(frozen=True, slots=True)
class Decided:
    """An inventory in which it is worked out what goes."""

    inventory: Inventory
    totals: Totals
    options: Options

    def write(self, path: Path) -> file.Plan:
        """Write the plan, and read it again."""
        created = datetime.now(UTC)
        header = file.header("memory", self.options, self.inventory, self.totals, created=created)
        file.write(path, self.inventory, file.describe(self.inventory, header))
        return file.read(path)


@contextmanager
def decided(tree: Tree | MemoryStore, options: Options = DELETE) -> Iterator[Decided]:
    """Scan a tree, or a store, and work out what goes."""
    store = MemoryStore.of(tree) if isinstance(tree, Tree) else tree
    with Workers(store, 1) as workers, create(facts={}) as inventory:
        scan(begin(store, workers, uploads=options.uploads, versions=options.versions), workers, inventory, SILENT)
        yield Decided(inventory, decide(inventory, options, workers, SILENT, now=datetime.now(UTC)), options)


def plan_of(store: MemoryStore, path: Path, options: Options = DELETE) -> file.Plan:
    """Make a plan for a store; what is noted of the calls it took is forgotten."""
    with decided(store, options) as found:
        plan = found.write(path)
    store.calls.clear()
    return plan


def moment(days: float = 30.0) -> int:
    """So many days ago, in microseconds since 1970."""
    return int((datetime.now(UTC) - timedelta(days=days)).timestamp() * 1_000_000)
