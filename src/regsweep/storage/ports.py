"""What the core asks of a store.

Every key is relative to `docker/registry/v2` unless said otherwise. Of all errors only `NotFoundError`, or the `None`
that stands for it in a bulk answer, means absent; anything else an adapter raises stops the run.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, StrEnum, auto
from typing import Final, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Keys of a listing, one or more, that share what stands before and after their names: `prefix + name + suffix`.

    A name that ends in `/` is an empty directory, or a directory marker object.
    """

    prefix: str
    names: Sequence[str]
    suffix: str = ""
    sizes: Sequence[int]
    """Bytes of each."""
    modified: Sequence[int]
    """Modification time of each, in microseconds since 1970."""
    contents: Sequence[bytes | None] | None = None
    """What each holds, where the listing proves it or came by it anyway, or `None` for those that it does not prove:
    they are read. Of content longer than any link's, the beginning. A listing that proves nothing at all has no such
    column, and only what matters most is read."""
    versions: Sequence[str] | None = None
    """The store's own mark of each as it is now, by which it deletes nothing else; an ETag, a generation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A key to delete, as it was when it was listed."""

    key: str
    size: int
    modified: int
    version: str = ""
    """As in `Page.versions`; empty where the listing gave none."""


class Result(StrEnum):
    """What became of a deletion."""

    DELETED = "deleted"
    ABSENT = "absent"
    """It was gone already: as good as deleted."""
    CHANGED = "changed"
    """It is not what was listed any more, and stays."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome for one target; `error` says why, where it failed."""

    result: Result
    error: str = ""


class Scope(Flag):
    """How much of the tree a listing covers."""

    LINKS = auto()
    """Everything below `repositories/` but uploads."""
    OTHERS = auto()
    """Uploads, and whatever else is neither a link nor a blob."""
    BLOBS = auto()
    """Everything below `blobs/`."""
    ALL = LINKS | OTHERS | BLOBS


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a store may be worked with, whatever its driver."""

    cross_mounts: bool = False
    """Whether a filesystem's mount points may be crossed."""
    concurrency: int | None = None
    """Requests that may be under way at once to a store behind a network; `None` leaves it to the adapter."""
    rate: float | None = None
    """Requests that may be sent in a second; `None` for as many as the store bears."""


UNRESTRICTED: Final = Access()
"""What holds where nobody says otherwise."""


class Request(StrEnum):
    """What a store is asked for, as providers count and charge it."""

    LIST = "list"
    READ = "read"
    WRITE = "write"
    DELETE = "delete"


class Lists(Protocol):
    """A store whose keys can be listed, in shards that are listed independently of each other."""

    lanes: int
    """How many shards are worth listing at the same time in one process; one where nothing waits for a network."""
    requests: Mapping[Request, int]
    """How many requests this process has sent, those that were tried again included; empty where there are none."""

    @property
    def at_hand(self) -> Collection[str]:
        """Shards listed to their end in naming them: their next `pages` need no request, in this process alone."""
        ...

    def divide(self, processes: int) -> None:
        """Take this process for one of so many that share what `Access` allows; called once, before anything else."""
        ...

    def shards(self, scope: Scope) -> Iterator[str]:
        """Name shards which together cover every key in the scope, each key once; with `LINKS` maybe `OTHERS` too.

        Each is the beginning of its keys, but for a `*` or `=` at its end, which is the adapter's own affair.
        """
        ...

    def pages(self, shard: str) -> Iterator[Page]:
        """List every key below one shard. A shard that does not exist any more has no pages.

        Where the layout leaves room for one file only, beside a `link` or a `data` and inside a whole tag, an adapter
        may pass over what else stands there: it is never deleted, and keeps its directory from being so.
        """
        ...


class Reads(Protocol):
    """A store whose small objects can be read, and whose large ones can be hashed."""

    def read(self, prefix: str, names: Sequence[str], suffix: str, *, limit: int) -> Iterator[bytes | None]:
        """Read at most `limit` bytes of each `prefix + name + suffix`, in order; `None` where there is no such key."""
        ...

    def hashes(self, prefix: str, names: Sequence[str], suffix: str, *, algorithm: str) -> Iterator[str | None]:
        """Hash all of each `prefix + name + suffix`, in order, to hex digits; `None` where there is no such key.

        However large they are, a few MiB of each that is under way are in memory.

        Raises:
            StorageError: one could not be read to its end, or was replaced meanwhile.
        """
        ...

    def has(self, path: str) -> bool:
        """Whether an object exists; `path` is relative to the root directory, not to the tree."""
        ...


class Deletes(Protocol):
    """A store whose keys can be deleted."""

    batch: int
    """How many targets one call takes at most: what a stop request may have to wait for."""
    deletions_in_request: int
    """How many deletions one request carries at most."""

    def prepare(self) -> None:
        """Show that deleting will be possible, without deleting anything.

        Raises:
            ReadOnlyError: the storage is mounted or served read-only.
            DeniedError: this user may not delete there.
        """
        ...

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """Delete each target that is still what was listed; one outcome each, in order, as it comes to be."""
        ...

    def remove_directories(self, keys: Sequence[str]) -> Iterator[Outcome]:
        """Remove each directory that is empty, in the order given; one that is not is `CHANGED` and stays."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What stands in the storage under a lock's key."""

    content: bytes
    token: object = field(repr=False)
    """The store's own mark of this very object, by which it is removed only if nobody replaced it."""


class Locks(Protocol):
    """A store in which a key can be created only if absent."""

    def create_lock(self, content: bytes) -> Held | None:
        """Create the lock, or return `None` when it exists. On a full disk the lock may hold nothing.

        `content` is to tell this run from every other.
        """
        ...

    def read_lock(self) -> Held | None:
        """Read the lock, or return `None` when there is none."""
        ...

    def remove_lock(self, held: Held) -> bool:
        """Remove the lock if it is still the one given; return whether it was."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something about a storage as a whole that people should know before they delete from it.

    Attributes:
        code: what kind of remark it is, for programs.
        text: one line for people.
    """

    code: str
    text: str


class Remarks(Protocol):
    """A store that knows of what keeps bytes after they were deleted, and of what fills it unseen."""

    def remarks(self) -> Iterator[Remark]:
        """Tell it. What this user may not ask for is told as such, and is no error."""
        ...


class State(StrEnum):
    """What a version of a key is."""

    CURRENT = "current"
    """What a listing of keys shows."""
    NONCURRENT = "noncurrent"
    """What was overwritten or deleted, and is kept."""
    MARKER = "marker"
    """It holds nothing, and stands for the deletion of the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What stands in a store beside the keys that a listing shows, as columns.

    A mark of `versions` in a `Target` deletes just this one, for good: nothing is kept of it.
    """

    keys: Sequence[str]
    sizes: Sequence[int]
    modified: Sequence[int]
    """When each was written or begun, in microseconds since 1970."""
    versions: Sequence[str]
    states: Sequence[State] = ()
    """Of versions of keys."""


class Hides(Protocol):
    """A store that may hold more than a listing of keys shows."""

    def unfinished(self) -> Iterator[Unseen]:
        """Tell the uploads to keys of the tree that were begun in parts and never ended."""
        ...

    def version_shards(self) -> Iterator[str]:
        """Name what `versions` takes; nothing where the store keeps no versions of the tree's keys."""
        ...

    def versions(self, shard: str) -> Iterator[Unseen]:
        """Tell every version of every key of a shard; of one more may be told as current that was so meanwhile."""
        ...


class Store(Lists, Reads, Deletes, Locks, Remarks, Hides, Protocol):
    """All capabilities of one store, as an adapter gives them.

    A store can be pickled: each worker process opens its own connection when it gets a copy.
    """

    url: str
    """The store as a user writes it; without secrets."""
