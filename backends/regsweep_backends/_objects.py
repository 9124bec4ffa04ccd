"""A registry's tree in an object store, whatever the provider: keys in one flat name space, listed by prefix."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from regsweep.errors import NotFoundError, StorageError, UsageError
from regsweep.registry.layout import BASE, LOCK
from regsweep.storage.ports import Held, Outcome, Page, Remark, Request, Result, Scope, Target, Unseen
from regsweep_backends import _shards
from regsweep_backends._pages import Objects, paged
from regsweep_backends._window import Window

PART: Final = 4 << 20
"""Bytes of an object that one request asks for while it is hashed: a hundred times what an answer takes to begin."""
_LOCK_LIMIT: Final = 4096
"""Bytes to read of a lock: more than one holds."""
_SETTLING_SECONDS: Final = 2.0
"""How long two runs may overlook each other's lock in a store that creates nothing "only if absent"."""


class NoBucketError(StorageError):
    """The bucket itself does not exist, or the container: nothing can be said of any object in it."""


def replaced(path: str) -> StorageError:
    """The error for an object that is another by now than the one that was begun to be read."""
    return StorageError(f"{path}: was replaced while it was read", key=path)


def failed(error: StorageError) -> Outcome:
    """The outcome of a deletion that met an error: what was not found is done.

    The way out stands in its text, for an outcome has no other place.
    """
    if isinstance(error, NotFoundError):
        return Outcome(Result.ABSENT)
    return Outcome(Result.FAILED, f"{error.message}; {error.hint}" if error.hint else error.message)


class Bucket(Protocol):
    """What a provider's adapter does: one request each, with the retries that its SDK makes.

    Paths are whole object names. It can be pickled, and then opens connections of its own.
    """

    url: str
    batch: int
    deletions_in_request: int
    window: Window
    """Every request is noted there before it is sent, and each answer after it."""

    def listing(self, prefix: str, *, folders: bool = False) -> Iterator[Objects]:
        """List every object below a prefix; with `folders`, what lies deeper is told by its first component alone.

        Raises:
            StorageError: it cannot be listed.
        """
        ...

    def get(self, path: str, limit: int) -> tuple[bytes, str]:
        """Read at most `limit` bytes of an object, and its version.

        Raises:
            NotFoundError: there is none.
            StorageError: it cannot be read.
        """
        ...

    def get_more(self, path: str, version: str, start: int, limit: int) -> bytes:
        """Read at most `limit` bytes of an object from `start` on; nothing where it ends before.

        Raises:
            NotFoundError: there is none.
            StorageError: it cannot be read, or is not of the version that an earlier request gave.
        """
        ...

    def create(self, path: str, content: bytes) -> tuple[str, bool] | None:
        """Create an object that does not exist. Give its version, and whether the store made sure.

        `None` if there is one, be it that which this very call wrote, by a try whose answer was lost.

        Raises:
            StorageError: it cannot be written.
        """
        ...

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """Delete objects, `batch` at most, that are still of the versions that the targets name."""
        ...

    def remarks(self, prefix: str) -> Iterator[Remark]:
        """See `Remarks.remarks`; of what lies below a prefix."""
        ...

    def unfinished(self, prefix: str) -> Iterator[Unseen]:
        """Tell the uploads to objects below a prefix that were begun in parts and never ended.

        Raises:
            StorageError: they cannot be listed.
        """
        ...

    def keeps_versions(self) -> bool:
        """Whether the bucket holds, or may hold, more than the current version of its objects.

        Raises:
            StorageError: it does not tell.
        """
        ...

    def versions(self, prefix: str) -> Iterator[Unseen]:
        """List every version of every object below a prefix.

        Raises:
            StorageError: they cannot be listed.
        """
        ...

    def close(self) -> None:
        """Close the connections; the next request opens others."""
        ...


class ObjectStore:
    """A `Store` in a bucket."""

    def __init__(self, bucket: Bucket, base: str) -> None:
        """Work below `base`, which ends with a slash unless it is empty."""
        self._bucket = bucket
        self._base = base
        self.url = bucket.url
        self.batch = bucket.batch
        self.deletions_in_request = bucket.deletions_in_request
        self.lanes = bucket.window.most
        self.at_hand: dict[str, Objects] = {}
        self.requests: Mapping[Request, int] = bucket.window.requests

    def __reduce__(self) -> tuple[object, ...]:
        return ObjectStore, (self._bucket, self._base)

    def remarks(self) -> Iterator[Remark]:
        """See `Remarks.remarks`."""
        return self._bucket.remarks(self._base)

    def unfinished(self) -> Iterator[Unseen]:
        """See `Hides.unfinished`."""
        return map(self._below, self._bucket.unfinished(self._base))

    def version_shards(self) -> Iterator[str]:
        """See `Hides.version_shards`. Of what is gone no look for where to split finds a trace; so these are fixed."""
        if self._bucket.keeps_versions():
            yield "repositories/"
            yield from _shards.OF_BLOBS

    def versions(self, shard: str) -> Iterator[Unseen]:
        """See `Hides.versions`."""
        return map(self._below, self._bucket.versions(self._base + shard))

    def close(self) -> None:
        """Close the connections."""
        self._bucket.window.close()
        self._bucket.close()

    def divide(self, processes: int) -> None:
        """See `Lists.divide`."""
        self._bucket.window.divide(processes)
        self.lanes = self._bucket.window.most

    def shards(self, scope: Scope) -> Iterator[str]:
        """See `Lists.shards`."""
        look = _shards.Look(self._bucket.listing, self._base, self._bucket.window, self.at_hand)
        if Scope.OTHERS in scope:
            folders, strays = look.inside("")
            yield from (_shards.exactly(name) for name in strays if name != LOCK)
            yield from (name for name in folders if name not in ("blobs/", "repositories/"))
        if Scope.LINKS in scope:
            yield from look.repositories()
        if Scope.BLOBS in scope:
            yield from look.blobs()

    def pages(self, shard: str) -> Iterator[Page]:
        """See `Lists.pages`."""
        if shard in self.at_hand:
            return paged([self.at_hand.pop(shard)], self._base)
        prefix, whole = _shards.covered(shard)
        path = self._base + prefix
        listing = self._bucket.listing(path, folders=not whole)
        return paged(listing if whole else _only(path, listing), self._base)

    def read(self, prefix: str, names: Sequence[str], suffix: str, *, limit: int) -> Iterator[bytes | None]:
        """See `Reads.read`."""
        return self._bucket.window.each(
            partial(self._read, limit), (f"{self._base}{prefix}{name}{suffix}" for name in names)
        )

    def hashes(self, prefix: str, names: Sequence[str], suffix: str, *, algorithm: str) -> Iterator[str | None]:
        """See `Reads.hashes`. An object is read in parts, each tried again by itself."""
        return self._bucket.window.each(
            partial(self._hash, algorithm), (f"{self._base}{prefix}{name}{suffix}" for name in names)
        )

    def has(self, path: str) -> bool:
        """See `Reads.has`."""
        return self._read(1, self._base.removesuffix(f"{BASE}/") + path) is not None

    def prepare(self) -> None:
        """See `Deletes.prepare`. Whether this user may delete, only a deletion tells; the first batch is of links."""

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """See `Deletes.delete`."""
        return self._bucket.delete(
            [
                Target(key=self._base + target.key, size=target.size, modified=target.modified, version=target.version)
                for target in targets
            ]
        )

    def remove_directories(self, keys: Sequence[str]) -> Iterator[Outcome]:
        """See `Deletes.remove_directories`. There are none."""
        return (Outcome(Result.ABSENT) for _ in keys)

    def create_lock(self, content: bytes) -> Held | None:
        """See `Locks.create_lock`.

        Where the store does not know how to create only what is absent, two runs that begin within the same moment
        both write, and the one whose content stands after a while has the lock.
        """
        if self.read_lock():
            return None
        match self._bucket.create(self._base + LOCK, content):
            case version, True:
                return Held(content=content, token=version)
            case _, False:
                time.sleep(_SETTLING_SECONDS)
        # What holds this run's own words is its own: where an answer was lost, the next try is told that it exists.
        standing = self.read_lock()
        return standing if standing and standing.content == content else None

    def read_lock(self) -> Held | None:
        """See `Locks.read_lock`."""
        try:
            content, version = self._bucket.get(self._base + LOCK, _LOCK_LIMIT)
        except NotFoundError:
            return None
        return Held(content=content, token=version)

    def remove_lock(self, held: Held) -> bool:
        """See `Locks.remove_lock`."""
        standing = self.read_lock()
        if standing is None or standing.token != held.token:
            return False
        (outcome,) = self._bucket.delete(
            [Target(key=self._base + LOCK, size=len(held.content), modified=0, version=str(held.token))]
        )
        if outcome.result is Result.FAILED:
            raise StorageError(outcome.error, key=LOCK)
        return outcome.result is Result.DELETED

    def _below(self, found: Unseen) -> Unseen:
        """The same with keys that are relative to the tree."""
        cut = len(self._base)
        return replace(found, keys=[path[cut:] for path in found.keys])

    def _hash(self, algorithm: str, path: str) -> str | None:
        found, start = hashlib.new(algorithm, usedforsecurity=False), 0
        try:
            part, version = self._bucket.get(path, PART)
            while True:
                found.update(part)
                start += len(part)
                if len(part) < PART:
                    return found.hexdigest()
                part = self._bucket.get_more(path, version, start, PART)
        except NotFoundError:
            return None

    def _read(self, limit: int, path: str) -> bytes | None:
        try:
            return self._bucket.get(path, limit)[0]
        except NotFoundError:
            return None


def open_store(bucket: Bucket, root: str) -> ObjectStore:
    """Open the store below a root, which ends with a slash unless it is empty.

    Raises:
        UsageError: there is no such bucket, or no registry's tree in it.
        StorageError: the bucket cannot be listed.
    """
    base = find_base(bucket, root)
    if base is None:
        raise no_registry(bucket, "give the rootdirectory of the registry's config.yml after the bucket")
    return ObjectStore(bucket, base)


def find_base(bucket: Bucket, root: str) -> str | None:
    """Where the registry's tree stands below a root, or `None` if there is none.

    Raises:
        UsageError: there is no such bucket.
        StorageError: the bucket cannot be listed.
    """
    base = f"{root}{BASE}/"
    try:
        return base if any(part.keys or part.folders for part in bucket.listing(base, folders=True)) else None
    except NoBucketError as error:
        raise UsageError(error.message, hint=error.hint) from error


def no_registry(bucket: Bucket, hint: str) -> UsageError:
    """The error for a bucket without a registry's tree."""
    return UsageError(f"{bucket.url}: holds no registry: there is no {BASE} below it", hint=hint)


def _only(path: str, listing: Iterator[Objects]) -> Iterator[Objects]:
    """Of a listing, the one object of this very name, and nothing after it."""
    for part in listing:
        if path in part.keys:
            at = slice(part.keys.index(path), part.keys.index(path) + 1)
            yield Objects(
                part.keys[at], part.sizes[at], part.modified[at], part.hashes[at], part.versions[at], [], more=False
            )
            return
