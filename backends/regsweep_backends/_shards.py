"""Split a tree in an object store into shards to list at the same time.

Splitting is by prefix alone, never by where to start: not every store lists in the order of names. Only what does not
fit into one part of a listing is split at all, for each shard costs a request.
"""

import string
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from regsweep_backends._pages import Objects
from regsweep_backends._window import Window

_ENOUGH: Final = 32
"""Shards to aim at among the repositories."""
_MOST: Final = 64
"""Shards to make of one folder's children at most."""
_SEVERAL: Final = 8
"""Folders below `repositories/` of which one part of a listing rarely holds all."""
_WHOLE: Final = 500
"""Blobs that fit into one part of a listing, though they are estimated from one folder's."""
OF_BLOBS: Final = (*(f"blobs/sha256/{digit}" for digit in string.hexdigits[:16]), "blobs/sha512/")
"""Prefixes that cover the blobs where no look for where to split finds a trace of them."""
_FEW: Final = 16_000
"""Blobs that few shards are enough for; of more, each of the layout's own 256 fills a part of a listing."""


class Listing(Protocol):
    """`Bucket.listing`."""

    def __call__(self, prefix: str, *, folders: bool = False) -> Iterator[Objects]:
        """See there."""
        ...


class Look:
    """Looks at a tree below `base` for where to split it; the prefixes that this lists to their end are `at_hand`."""

    def __init__(self, listing: Listing, base: str, window: Window, at_hand: dict[str, Objects]) -> None:
        self._listing = listing
        self._base = base
        self._window = window
        self._at_hand = at_hand

    def inside(self, folder: str) -> tuple[list[str], list[str]]:
        """The folders and the objects directly in one folder, by their keys; the folder's own marker is an object."""
        folders: list[str] = []
        objects: list[str] = []
        cut = len(self._base)
        for part in self._listing(self._base + folder, folders=True):
            folders += [key[cut:] for key in part.folders]
            objects += [key[cut:] for key in part.keys]
        return sorted(set(folders)), sorted(set(objects))

    def repositories(self) -> Iterator[str]:
        """Name the shards of `repositories/`."""
        top = "repositories/"
        found = [self.inside(top)]
        if len(found[0][0]) < _SEVERAL and not self._is_large(top):
            yield top
            return
        whole: list[str] = []
        level = [top]
        while True:
            children: list[str] = []
            for folder, (folders, objects) in zip(level, found, strict=True):
                children += _grouped(folder, folders, objects, max(1, _MOST // len(level)))
            candidates = [shard for shard in children if _splits(shard)]
            large = dict(zip(candidates, self._window.each(self._is_large, candidates), strict=True))
            whole += [shard for shard in children if not large.get(shard)]
            level = [shard for shard in candidates if large[shard]]
            if not level or len(level) + len(whole) >= _ENOUGH:
                break
            found = list(self._window.each(self.inside, level))
        yield from whole
        yield from level

    def blobs(self) -> Iterator[str]:
        """Name the shards of `blobs/`."""
        algorithms, strays = self.inside("blobs/")
        yield from map(exactly, strays)
        for algorithm in algorithms:
            folders, objects = self.inside(algorithm)
            some = self._first(folders[len(folders) // 2]) if folders else None
            estimate = len(some.keys) * len(folders) if some else len(objects)
            many = estimate > _FEW or (some is not None and some.more)
            if many or estimate > _WHOLE:
                yield from _grouped(algorithm, folders, objects, _MOST + len(folders) * many)
            else:
                yield algorithm

    def _is_large(self, prefix: str) -> bool:
        part = self._first(prefix)
        self._at_hand.pop(prefix, None)
        if part and not part.more:
            self._at_hand[prefix] = part
        return part is not None and part.more

    def _first(self, prefix: str) -> Objects | None:
        return next(iter(self._listing(self._base + prefix)), None)


def exactly(key: str) -> str:
    """The shard of one key, whatever the key looks like."""
    return f"{key}="


def covered(shard: str) -> tuple[str, bool]:
    """What a shard covers: the prefix of its keys, or, where the second is false, the one key."""
    if shard.endswith("/"):
        return shard, True
    if shard.endswith("*"):
        return shard[:-1], True
    return shard.removesuffix("="), False


def _splits(shard: str) -> bool:
    return shard.endswith("/") and not shard.endswith("/_uploads/")


def _grouped(folder: str, folders: Sequence[str], objects: Sequence[str], most: int) -> list[str]:
    """Cover the children of one folder by about `most` shards.

    Where they are more, those share a shard that begin alike, by the longest beginnings that there are few enough of. A
    child that has no other beside it stands for itself, as a shorter one does: so no key is covered twice.
    """
    alone = {key: key for key in folders} | {key: exactly(key) for key in objects}
    if len(alone) <= most:
        return list(alone.values())
    names = {key: key[len(folder) :].removesuffix("/") for key in alone}
    best: dict[str, list[str]] = {}
    for length in range(max(map(len, names.values())) + 1):
        found: dict[str, list[str]] = {}
        for key, name in names.items():
            shard = f"{folder}{name[:length]}*" if len(name) >= length else alone[key]
            found.setdefault(shard, []).append(key)
        if best and len(found) > most:
            break
        best = found
    return sorted(alone[keys[0]] if len(keys) == 1 else shard for shard, keys in best.items())
