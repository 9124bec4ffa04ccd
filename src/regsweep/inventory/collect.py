"""From a listing's pages to the inventory's rows, and from manifests to theirs. Runs in the workers."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol

from regsweep.errors import MalformedError
from regsweep.inventory import schema
from regsweep.inventory.rows import NO_TIME, Repeat, Rows
from regsweep.registry import layout, manifest
from regsweep.registry.digest import Digest
from regsweep.registry.layout import Key, Kind
from regsweep.storage.ports import Hides, Lists, Page, Reads

_NOT_HEX: Final = {ord(digit): None for digit in "0123456789abcdef"}
_SHA256_HEX: Final = 64
_LINK_LIMIT: Final = 256
"""Bytes to read of a link or a `startedat`: more than either holds, enough to tell."""


class Source(Lists, Reads, Hides, Protocol):
    """What a scan asks of a store."""


def collect_shards(store: Source, shards: Sequence[str]) -> Rows:
    """List shards; return their rows, and read the links whose content the listing leaves open.

    Raises:
        StorageError: a key could not be listed or read.
    """
    rows = Rows()
    if store.lanes == 1:
        _collect_shards(store, rows, shards)
        return rows
    parts = [Rows() for _ in shards]
    with ThreadPoolExecutor(min(store.lanes, len(shards))) as lanes:
        for part, _ in zip(
            parts, lanes.map(partial(_collect_shards, store), parts, ((shard,) for shard in shards)), strict=True
        ):
            rows.join(part)
    return rows


def _collect_shards(store: Source, rows: Rows, shards: Sequence[str]) -> None:
    collector = _Collector(store, rows)
    for shard in shards:
        for page in store.pages(shard):
            collector.page(page)


def collect_manifests(store: Source, digests: Sequence[str], *, weigh: bool = False) -> Rows:
    """Read manifests, given the hex digits of their sha256 digests; one that the store does not have gives no row.

    Args:
        store: where they are.
        digests: one or more.
        weigh: whether their sizes are taken in too, which no listing of blobs told.

    Raises:
        StorageError: a manifest could not be read.
    """
    return _collect_manifests(store, digests, certain=True, weigh=weigh)


def collect_maybe_manifests(store: Source, digests: Sequence[str], *, weigh: bool = False) -> Rows:
    """As `collect_manifests`, for blobs that need not be manifests: those that are none are told to be none.

    One whose bytes are not those of its digest is damaged all the same: nobody can tell any more what it was.
    """
    return _collect_manifests(store, digests, certain=False, weigh=weigh)


def _collect_manifests(store: Source, digests: Sequence[str], *, certain: bool, weigh: bool) -> Rows:
    rows = Rows()
    contents = store.read(
        "blobs/sha256/",
        [f"{digest[:2]}/{digest}" for digest in digests],
        "/data",
        limit=manifest.MAX_MANIFEST_BYTES + 1,
    )
    read: list[str] = []
    kinds: list[str] = []
    media_types: list[str] = []
    referring: list[str] = []
    referred: list[str] = []
    sizes: list[int] = []
    roles: list[int] = []
    for digest, content in zip(digests, contents, strict=True):
        if content is None:
            continue
        if weigh and len(content) <= manifest.MAX_MANIFEST_BYTES:
            rows.add(schema.WEIGHED, digest, len(content))
        try:
            found = manifest.read(content, digest)
        except MalformedError as error:
            if certain or not _is_intact(content, digest):
                rows.add(schema.MANIFESTS, digest, None, None, error.detail)
            else:
                rows.add(schema.NO_MANIFESTS, digest)
            continue
        read.append(digest)
        kinds.append(found.kind)
        media_types.append(found.media_type)
        referring += [digest] * len(found.digests)
        referred += found.digests
        sizes += found.sizes
        roles += found.roles
    rows.extend(schema.MANIFESTS, read, kinds, media_types, [None] * len(read))
    rows.extend(schema.MANIFEST_REFERENCES, referring, [digest.partition(":")[2] for digest in referred], sizes, roles)
    return rows


def _is_intact(content: bytes, digest: str) -> bool:
    """Whether a blob's bytes are those of its digest, as far as one can tell of one that was not read to its end."""
    return len(content) > manifest.MAX_MANIFEST_BYTES or hashlib.sha256(content).hexdigest() == digest


class _Collector:
    def __init__(self, store: Source, rows: Rows) -> None:
        self._store = store
        self._rows = rows

    def page(self, page: Page) -> None:
        """Take in a page: at once where all its keys are of one kind and as they should be, else one by one."""
        first = layout.parse(page.prefix + page.names[0] + page.suffix)
        if first is None or not page.prefix.endswith("/") or not self._at_once(first, page):
            self._one_by_one(page)

    def _at_once(self, first: Key, page: Page) -> bool:  # noqa: PLR0911 - one for each kind
        repository = Repeat(first.repository, len(page.names))
        if first.kind is not Kind.BLOB and any(size != layout.LINK_BYTES for size in page.sizes):
            return False
        match first.kind:
            case Kind.BLOB:
                return self._blobs(page)
            case Kind.LAYER_LINK:
                return self._layer_links(repository, page)
            case Kind.REVISION:
                return self._revisions(repository, page)
            case Kind.TAG:
                return self._tags(repository, page)
            case Kind.TAG_ENTRY:
                return self._tag_entries(repository, page)
        return False

    def _blobs(self, page: Page) -> bool:
        shard = page.names[0][:2]
        if not _all_sha256(page.names) or not all(name.startswith(shard) for name in page.names):
            return False
        self._rows.extend(schema.BLOBS, page.names, page.sizes, page.modified, _versions(page))
        return True

    def _layer_links(self, repository: Repeat, page: Page) -> bool:
        # The name decides what such a link can serve, for a client checks what it gets against it: so it is not read.
        # See docs/decisions/0003-which-links-are-read.md.
        if not _all_sha256(page.names) or not _proved(page):
            return False
        self._rows.extend(schema.LAYER_LINKS, repository, page.names, page.names, page.modified, _versions(page))
        return True

    def _revisions(self, repository: Repeat, page: Page) -> bool:
        if not _all_sha256(page.names) or self._contents(page) != [b"sha256:" + name.encode() for name in page.names]:
            return False
        self._rows.extend(schema.REVISIONS, repository, page.names, page.modified, _versions(page))
        return True

    def _tags(self, repository: Repeat, page: Page) -> bool:
        if page.suffix != "/current/link" or not all(map(layout.is_tag, page.names)):
            return False
        links = b"".join(content or b"" for content in self._contents(page)).decode("ascii", "replace")
        before, *digests = links.split("sha256:")
        if before or len(digests) != len(page.names) or not _all_sha256(digests):
            return False
        self._rows.extend(schema.TAGS, repository, page.names, digests, page.modified, _versions(page))
        return True

    def _tag_entries(self, repository: Repeat, page: Page) -> bool:
        tags, between, digests = zip(*(name.partition("/index/sha256/") for name in page.names), strict=True)
        if page.suffix != "/link" or not all(between) or not all(map(layout.is_tag, tags)) or not _all_sha256(digests):
            return False
        if not _proved(page):
            return False
        self._rows.extend(schema.TAG_ENTRIES, repository, tags, digests, page.modified, _versions(page))
        return True

    def _contents(self, page: Page, places: Sequence[int] | None = None) -> list[bytes | None]:
        """What the page's keys hold, or those in some places of it."""
        places = range(len(page.names)) if places is None else places
        known: list[bytes | None] = [None] * len(places)
        if page.contents:
            known = [page.contents[at] for at in places]
        if unread := [at for at, content in enumerate(known) if content is None]:
            names = [page.names[places[at]] for at in unread]
            contents = self._store.read(page.prefix, names, page.suffix, limit=_LINK_LIMIT)
            for at, content in zip(unread, contents, strict=True):
                known[at] = content
        return known

    def _one_by_one(self, page: Page) -> None:
        texts = [page.prefix + name + page.suffix for name in page.names]
        keys = [layout.parse(text) for text in texts]
        known = page.contents or []
        unproved = [
            at
            for at, key in enumerate(keys)
            if key and (_must_be_read(key, page.sizes[at]) or (known and _disproved(key, known[at])))
        ]
        contents = dict(zip(unproved, self._contents(page, unproved), strict=True))
        for at, (key, size, modified) in enumerate(zip(keys, page.sizes, page.modified, strict=True)):
            version = page.versions[at] if page.versions else None
            if key is None:
                self._unknown(texts[at], size, modified, version)
            elif at in contents and contents[at] is None:
                continue  # it vanished between the listing and the reading
            elif key.kind is Kind.BLOB and key.digest:
                self._rows.add(schema.BLOBS, key.digest.hex, size, modified, version)
            elif key.kind is Kind.UPLOAD:
                started = _started(contents.get(at) or b"") if key.part == "startedat" else NO_TIME
                self._rows.add(schema.UPLOADS, key.repository, key.upload, key.part, size, modified, started, version)
            else:
                self._link(key, contents.get(at), modified, version)

    def _unknown(self, key: str, size: int, modified: int, version: str | None) -> None:
        repository = layout.repository_of(key)
        shown = layout.printable(key)
        if layout.is_directory(key):
            self._rows.add(schema.DIRECTORIES, repository or None, key, modified, version)
            return
        self._rows.add(schema.STRAYS, layout.printable(repository) or None, shown, size)
        if key.startswith("repositories/"):
            for digest in layout.digests_in(key):
                self._rows.add(schema.DOUBTS, digest.hex)

    def _link(self, key: Key, content: bytes | None, modified: int, version: str | None) -> None:
        """Add a link; `content` is `None` where the listing proves it to hold the digest it is named by."""
        named, target = key.digest, key.digest
        if content is not None:
            target = self._target(key, content)
            named = named or target
        if named is None or target is None:
            return
        match key.kind:
            case Kind.TAG:
                self._rows.add(schema.TAGS, key.repository, key.tag, named.hex, modified, version)
            case Kind.TAG_ENTRY:
                self._rows.add(schema.TAG_ENTRIES, key.repository, key.tag, named.hex, modified, version)
            case Kind.REVISION:
                self._rows.add(schema.REVISIONS, key.repository, named.hex, modified, version)
            case Kind.SIGNATURE if key.revision:
                self._rows.add(schema.SIGNATURES, key.repository, key.revision.hex, named.hex, modified, version)
            case _:
                self._rows.add(schema.LAYER_LINKS, key.repository, named.hex, target.hex, modified, version)

    def _target(self, key: Key, content: bytes) -> Digest | None:
        """What a link leads to. What it should not hold is damage, and the blobs it may mean are in doubt."""
        try:
            target = layout.parse_link(content)
        except MalformedError as error:
            self._damage(key, error.detail, key.digest)
            return key.digest
        # Of all links only a layer's may be named by another algorithm than that of the blob it leads to.
        if key.digest not in (None, target) and (key.digest.algorithm == "sha256" or key.kind is not Kind.LAYER_LINK):
            self._damage(key, f"the link holds {target}, not its own digest", key.digest, target)
            return key.digest
        return target

    def _damage(self, key: Key, problem: str, *doubts: Digest | None) -> None:
        self._rows.add(schema.DAMAGE, key.repository, str(key), problem)
        for digest in doubts:
            if digest:
                self._rows.add(schema.DOUBTS, digest.hex)


def _must_be_read(key: Key, size: int) -> bool:
    """Whether a key's content matters and the listing leaves it open."""
    if key.kind is Kind.BLOB:
        return False
    if key.kind is Kind.UPLOAD:
        return key.part == "startedat"
    if key.kind in (Kind.TAG, Kind.REVISION) or key.digest is None:
        return True
    return size != layout.LINK_BYTES or key.digest.algorithm != "sha256"


def _versions(page: Page) -> Sequence[str] | Repeat:
    return page.versions or Repeat(None, len(page.names))


def _proved(page: Page) -> bool:
    """Whether a listing that proves what links hold proves it of every one."""
    return page.contents is None or None not in page.contents


def _disproved(key: Key, content: bytes | None) -> bool:
    """Whether a listing that proves what links hold does not prove it of this one."""
    return content is None and key.kind in (Kind.LAYER_LINK, Kind.TAG_ENTRY, Kind.SIGNATURE)


def _all_sha256(names: Sequence[str]) -> bool:
    return set(map(len, names)) <= {_SHA256_HEX} and not "".join(names).translate(_NOT_HEX)


def _started(content: bytes) -> int:
    """An upload's `startedat`, in microseconds since 1970, or `NO_TIME` when it is no RFC 3339 time."""
    try:
        moment = datetime.fromisoformat(content.decode("ascii").strip())
    except (UnicodeDecodeError, ValueError):
        return NO_TIME
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Split into runs of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
