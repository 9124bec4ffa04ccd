"""From an object store's flat listing to pages: keys of one kind together, links proved by what the store hashed.

A link holds one of few known strings: `sha256:` and the digest it is named by; a tag's `current/link` one that stands
in the tag's history or among the repository's revisions. So the MD5 hash that a listing gives proves what a link holds.
Nobody can make another content collide with that: all but 64 hex digits of it are given, and those are a digest.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from typing import Final, NamedTuple

from regsweep.registry.layout import LINK_BYTES
from regsweep.storage.ports import Page

_cut: Final = re.compile(
    r"(blobs/sha256/[0-9a-f]{2}/)([0-9a-f]{64})(/data)"
    r"|(.*/_layers/sha256/|.*/_manifests/revisions/sha256/)([0-9a-f]{64})(/link)"
    r"|(.*/_manifests/tags/)([^/]+/index/sha256/[0-9a-f]{64})(/link)"
    r"|(.*/_manifests/tags/)([^/]+)(/current/link)",
    re.DOTALL,
).fullmatch
_CURRENT: Final = "/current/link"
_BLOB, _NAMED, _ENTRY, _TAG = 3, 6, 9, 12
"""The last group of each alternative."""

_MOST_BYTES: Final = 1 << 50
"""More than one object holds in any store."""
_FULL: Final = 20_000
"""Keys to gather before they go on: enough that whatever is done once for each page does not count."""
_REMEMBERED: Final = 200_000
"""Digests to remember for the tags that may hold them."""


class Objects(NamedTuple):
    """A part of a listing, as columns.

    Attributes:
        keys: each object's name.
        sizes: bytes of each.
        modified: when each was written, in microseconds since 1970.
        hashes: the hex digits of each one's MD5 hash, or any other text where the store gives none.
        versions: the store's own mark of each.
        folders: with a delimiter, the names of what lies below, each with a slash at its end.
        more: whether the listing goes on after this part.
    """

    keys: list[str]
    sizes: list[int]
    modified: list[int]
    hashes: list[str]
    versions: list[str]
    folders: list[str]
    more: bool


def sizes_of(told: Sequence[str | bytes]) -> list[int]:
    """Bytes of each object, from a listing's words.

    Raises:
        ValueError: one is no size that an object can have.
    """
    sizes = [int(size) for size in told]
    if sizes and not 0 <= min(sizes) <= max(sizes) < _MOST_BYTES:
        raise ValueError("a size is out of range")
    return sizes


def paged(listing: Iterable[Objects], base: str) -> Iterator[Page]:
    """Turn a listing's parts into pages, whatever order they come in; `base` goes from the beginning of each key."""
    gathering = _Gathering(len(base))
    for part in listing:
        gathering.add(part)
        if gathering.held >= _FULL:
            yield from gathering.keys()
        if len(gathering.known) >= _REMEMBERED:
            yield from gathering.tags()
            gathering.known.clear()
    yield from gathering.keys()
    yield from gathering.tags()


@dataclass(slots=True)
class _Group:
    names: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    modified: list[int] = field(default_factory=list)
    contents: list[bytes | None] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    """Only of tags, whose content is told from it in the end."""

    def page(self, prefix: str, suffix: str) -> Page:
        """The page of these keys."""
        # Where not one hash is that of its content, the store's are of something else: it encrypts, most likely.
        return Page(
            prefix=prefix,
            names=self.names,
            suffix=suffix,
            sizes=self.sizes,
            modified=self.modified,
            contents=self.contents if any(self.contents) else None,
            versions=self.versions,
        )


class _Gathering:
    def __init__(self, cut: int) -> None:
        self.held = 0
        self.known: dict[str, bytes] = {}
        self._cut = cut
        self._groups: dict[tuple[str, str], _Group] = {}
        self._tags: dict[str, _Group] = {}

    def add(self, part: Objects) -> None:
        """Take in a part of a listing."""
        self.held += len(part.keys)
        if not self._add_blobs(part):
            self._add_each(part)

    def _add_blobs(self, part: Objects) -> bool:
        """Take in a part that holds nothing but blobs of one shard, as nearly all parts of a large store do."""
        start, keys = self._cut, part.keys
        found = _cut(keys[0], start) if keys else None
        if found is None or found.lastindex != _BLOB:
            return False
        prefix, suffix = found[1], found[3]
        beginning, whole, ends = keys[0][: start + len(prefix)], len(keys[0]), len(keys[0]) - len(suffix)
        names = [
            key[len(beginning) : ends]
            for key in keys
            if len(key) == whole and key.startswith(beginning) and key.endswith(suffix)
        ]
        if len(names) != len(keys):
            return False
        group = self._groups.setdefault((prefix, suffix), _Group())
        group.names += names
        group.sizes += part.sizes
        group.modified += part.modified
        group.contents += [None] * len(names)
        group.versions += part.versions
        return True

    def _add_each(self, part: Objects) -> None:
        groups, tags, known, start = self._groups, self._tags, self.known, self._cut
        for key, size, modified, hashed, version in zip(*part[:5], strict=True):
            found = _cut(key, start)
            content = None
            if found is None:
                prefix, name, suffix = "", key[start:], ""
                group = groups.get((prefix, suffix))
            else:
                last = found.lastindex or 0
                prefix, name, suffix = found.group(last - 2, last - 1, last)
                group = tags.get(prefix) if last == _TAG else groups.get((prefix, suffix))
                if last in (_NAMED, _ENTRY) and size == LINK_BYTES:
                    expected = b"sha256:" + name[-64:].encode()
                    proof = md5(expected, usedforsecurity=False).hexdigest()
                    known[proof] = expected
                    content = expected if proof == hashed else None
            if group is None:
                group = _Group()
                if suffix == _CURRENT:
                    tags[prefix] = group
                else:
                    groups[prefix, suffix] = group
            group.names.append(name)
            group.sizes.append(size)
            group.modified.append(modified)
            group.contents.append(content)
            group.versions.append(version)
            if suffix == _CURRENT:
                group.hashes.append(hashed)

    def keys(self) -> Iterator[Page]:
        """Give what was gathered, but for the tags."""
        for (prefix, suffix), group in self._groups.items():
            yield group.page(prefix, suffix)
        self._groups.clear()
        self.held = 0

    def tags(self) -> Iterator[Page]:
        """Give the tags: last, for a tag's history may be listed after it."""
        for prefix, group in self._tags.items():
            group.contents = [
                self.known.get(hashed) if size == LINK_BYTES else None
                for hashed, size in zip(group.hashes, group.sizes, strict=True)
            ]
            yield group.page(prefix, _CURRENT)
        self._tags.clear()
