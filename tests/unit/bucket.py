"""A bucket in memory: it lists in parts and in any order, and notes what is asked of it."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import md5

from regsweep.errors import NotFoundError
from regsweep.registry.layout import BASE
from regsweep.storage.ports import Outcome, Page, Remark, Result, Target, Unseen
from regsweep_backends._objects import ObjectStore, replaced
from regsweep_backends._pages import Objects
from regsweep_backends._window import Window

TREE = f"{BASE}/"
Order = Callable[[str], str]


def etag(content: bytes) -> str:
    """What a store without encryption says of an object's content."""
    return md5(content, usedforsecurity=False).hexdigest()


def time_of(key: str) -> int:
    """When an object was written: made up of its name, in microseconds since 1970."""
    return int(etag(key.encode("utf-8", "surrogatepass"))[:8], 16)


class MemoryBucket:
    """A `Bucket` of objects whose names are relative to the registry's tree, unless `base` says otherwise.

    Attributes:
        things: what it holds, by whole names.
        requests: each prefix that a part of a listing was asked for, once for each part.
        sure: whether it knows how to create only what is absent.
    """

    batch = deletions_in_request = 1000
    url = "memory://bucket"

    def __init__(
        self, things: Mapping[str, bytes], *, base: str = TREE, part: int = 1000, order: Order | None = None
    ) -> None:
        self.things = {base + key: content for key, content in things.items()}
        self.requests: list[str] = []
        self.sure = True
        self.window = Window(4)
        self._part = part
        self._order = order
        self._sorted = sorted(self.things)

    def listing(self, prefix: str, *, folders: bool = False) -> Iterator[Objects]:
        """See `Bucket.listing`. In the order of names, unless it was given another."""
        found = self._children(prefix) if folders else self._below(prefix)
        if self._order:
            found.sort(key=self._order)
        start, more = 0, True
        while more:
            self.requests.append(prefix)
            names = found[start : start + self._part]
            start += self._part
            more = start < len(found)
            # A folder's own marker is an object; any other is told by the folder.
            below = [name for name in names if folders and name.endswith("/") and name != prefix]
            keys = [name for name in names if name not in below]
            yield Objects(
                keys,
                [len(self.things[key]) for key in keys],
                [time_of(key) for key in keys],
                [etag(self.things[key]) for key in keys],
                [f'"{etag(self.things[key])}"' for key in keys],
                below,
                more,
            )

    def get(self, path: str, limit: int) -> tuple[bytes, str]:
        """See `Bucket.get`."""
        if path not in self.things:
            raise NotFoundError(f"{path}: not found", key=path)
        return self.things[path][:limit], etag(self.things[path])

    def get_more(self, path: str, version: str, start: int, limit: int) -> bytes:
        """See `Bucket.get_more`."""
        self.get(path, 1)
        if etag(self.things[path]) != version:
            raise replaced(path)
        return self.things[path][start : start + limit]

    def create(self, path: str, content: bytes) -> tuple[str, bool] | None:
        """See `Bucket.create`."""
        if self.sure and path in self.things:
            return None
        self.things[path] = content
        return etag(content), self.sure

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """See `Bucket.delete`."""
        return (Outcome(Result.DELETED if self.remove(one.key, one.version) else Result.CHANGED) for one in targets)

    def remove(self, path: str, version: str) -> bool:
        """See `Bucket.remove`."""
        if path not in self.things or etag(self.things[path]) != version:
            return False
        del self.things[path]
        return True

    def remarks(self, prefix: str) -> Iterator[Remark]:  # noqa: ARG002 - the port's
        """See `Bucket.remarks`."""
        return iter(())

    def unfinished(self, prefix: str) -> Iterator[Unseen]:  # noqa: ARG002 - as above
        """See `Bucket.unfinished`."""
        return iter(())

    def keeps_versions(self) -> bool:
        """See `Bucket.keeps_versions`."""
        return False

    def versions(self, prefix: str) -> Iterator[Unseen]:  # noqa: ARG002 - as above
        """See `Bucket.versions`."""
        return iter(())

    def close(self) -> None:
        """See `Bucket.close`."""

    def _below(self, prefix: str) -> list[str]:
        start = bisect_left(self._sorted, prefix)
        return self._sorted[start : bisect_left(self._sorted, f"{prefix}\U0010ffff", lo=start)]

    def _children(self, prefix: str) -> list[str]:
        found: list[str] = []
        at = bisect_left(self._sorted, prefix)
        while at < len(self._sorted) and self._sorted[at].startswith(prefix):
            name, slash, _ = self._sorted[at][len(prefix) :].partition("/")
            found.append(prefix + name + slash)
            at = bisect_left(self._sorted, f"{found[-1]}\U0010ffff") if slash else at + 1
        return found


def store_of(bucket: MemoryBucket, base: str = TREE) -> ObjectStore:
    """The store in a bucket."""
    return ObjectStore(bucket, base)


def rows(pages: Iterator[Page]) -> list[tuple[str, int, int, str]]:
    """Every key of some pages with its size, its time and its version, in the order they came."""
    found: list[tuple[str, int, int, str]] = []
    for page in pages:
        assert page.names
        assert page.versions is not None
        columns = zip(page.names, page.sizes, page.modified, page.versions, strict=True)
        found += [
            (page.prefix + name + page.suffix, size, modified, version) for name, size, modified, version in columns
        ]
    return found
