"""List the registry's tree on a filesystem with few system calls.

The layout says what a directory holds: `blobs/sha256/ab/` only directories with one file `data`, `_layers/sha256/`
only directories with one file `link`. So one listing and one `stat` of `<hex>/data` for each name replaces opening,
listing and closing every directory. Where the file is not there, the directory is listed after all.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from regsweep.errors import NotFoundError
from regsweep.registry.layout import LOCK
from regsweep.storage.ports import Page, Scope
from regsweep_backends._descriptors import Found, Handle, entered
from regsweep_backends._spread import spread

_CURRENT: Final = "/current/link"
_SHARD_OF_BLOBS: Final = re.compile("blobs/[^/]+/[^/]+/")
_LINK_LIMIT: Final = 256
"""Bytes to read of a link: more than one holds, enough to tell."""


def _page(prefix: str, found: Found, suffix: str, contents: list[bytes] | None = None) -> Iterator[Page]:
    if found.names:
        yield Page(
            prefix=prefix,
            names=found.names,
            suffix=suffix,
            sizes=found.sizes,
            modified=found.modified,
            contents=contents,
        )


def shards(top: Handle, scope: Scope) -> Iterator[str]:
    """Name the directories that are listed on their own; see `Lists.shards`."""
    if Scope.OTHERS in scope:
        directories, others = top.children()
        yield from (name for name in others if name != LOCK)
        yield from (f"{name}/" for name in directories if name not in ("blobs", "repositories"))
    if Scope.LINKS in scope:
        with entered(top, "repositories") as repositories:
            if repositories is not None:
                yield from _repository_shards(repositories, scope)
    if Scope.BLOBS in scope:
        with entered(top, "blobs") as blobs:
            if blobs is not None:
                algorithms, strays = blobs.children()
                yield from (f"blobs/{name}" for name in strays)
                for algorithm in sorted(algorithms):
                    with entered(blobs, algorithm) as handle:
                        names, strays = handle.children() if handle else ([], [])
                    yield from (f"blobs/{algorithm}/{name}" for name in strays)
                    yield from (f"blobs/{algorithm}/{name}/" for name in sorted(names))
                    if not names and not strays:
                        yield f"blobs/{algorithm}/"


def pages(top: Handle, shard: str) -> Iterator[Page]:
    """List one shard; see `Lists.pages`."""
    if not shard.endswith("/"):
        yield from _stray(top, shard)
        return
    with entered(top, shard) as handle:
        if handle is None:
            return
        if _SHARD_OF_BLOBS.fullmatch(shard):
            yield from _leaves(handle, "/data")
        elif shard.endswith("/_layers/"):
            yield from _algorithms(handle, partial(_leaves, suffix="/link"))
        elif shard.endswith("/_manifests/revisions/"):
            yield from _algorithms(handle, _revisions)
        elif shard.endswith("/_manifests/tags/"):
            yield from _tags(handle)
        else:
            yield from _everything(handle)


def _repository_shards(repositories: Handle, scope: Scope) -> Iterator[str]:
    # Level by level, so that the directories of one level can be listed at the same time where that pays.
    level = [""]
    while level:
        deeper: list[str] = []
        for name, (directories, others) in zip(
            level, spread(partial(_list_children, repositories), level), strict=True
        ):
            yield from (f"repositories/{name}{other}" for other in others)
            if name.endswith("_manifests/"):
                yield from (f"repositories/{name}{directory}/" for directory in directories)
            else:
                deeper += [f"{name}{directory}/" for directory in directories if not _is_leaf(directory)]
                for directory in directories:
                    if _is_leaf(directory) and (Scope.OTHERS in scope or directory != "_uploads"):
                        yield f"repositories/{name}{directory}/"
            if name and not directories and not others:
                yield f"repositories/{name}"
        level = deeper


def _is_leaf(directory: str) -> bool:
    return directory.startswith("_") and directory != "_manifests"


def _list_children(parent: Handle, names: list[str]) -> list[tuple[list[str], list[str]]]:
    results: list[tuple[list[str], list[str]]] = []
    for name in names:
        if name:
            with entered(parent, name) as handle:
                # What vanished is as good as a directory that holds nothing: its shard will have no pages.
                results.append(handle.children() if handle else ([], []))
        else:
            results.append(parent.children())
    return results


def _algorithms(handle: Handle, pages_of: Callable[[Handle], Iterator[Page]]) -> Iterator[Page]:
    directories, others = handle.children()
    yield from _files(handle, others)
    for algorithm in directories:
        with entered(handle, algorithm) as leaves:
            if leaves:
                yield from pages_of(leaves)
    if not directories and not others:
        yield from _empty(handle)


def _leaves(handle: Handle, suffix: str) -> Iterator[Page]:
    names, others = handle.children()
    yield from _files(handle, others)
    found = handle.sift(names, suffix, spread(lambda part: handle.stat(part, suffix), names))
    yield from _page(handle.prefix, found, suffix)
    yield from _below(handle, found.missing)
    if not names and not others:
        yield from _empty(handle)


def _revisions(handle: Handle) -> Iterator[Page]:
    names, others = handle.children()
    yield from _files(handle, others)
    # These links are read in any case, and an open file is asked for its state faster than a name.
    opened = spread(lambda part: handle.open_each(part, "/link", _LINK_LIMIT), names)
    found = handle.sift(names, "/link", [one and one[0] for one in opened])
    yield from _page(handle.prefix, found, "/link", [one[1] for one in opened if one])
    signatures = handle.stat(found.names, "/signatures")
    signed = [f"{name}/signatures" for name, state in zip(found.names, signatures, strict=True) if state]
    yield from _below(handle, found.missing + signed)
    if not names and not others:
        yield from _empty(handle)


class _Tag(NamedTuple):
    name: str
    current: tuple[os.stat_result, bytes]
    """Its link, and what that holds."""
    digests: list[str]
    entries: list[os.stat_result | None]


def _tags(handle: Handle) -> Iterator[Page]:
    names, others = handle.children()
    yield from _files(handle, others)
    found = spread(lambda part: [_read_tag(handle, name) for name in part], names)
    tags = [tag for tag in found if tag]
    current = handle.sift([tag.name for tag in tags], _CURRENT, [tag.current[0] for tag in tags])
    yield from _page(handle.prefix, current, _CURRENT, [tag.current[1] for tag in tags])
    entries = handle.sift(
        [f"{tag.name}/index/sha256/{digest}" for tag in tags for digest in tag.digests],
        "/link",
        [entry for tag in tags for entry in tag.entries],
    )
    yield from _page(handle.prefix, entries, "/link")
    yield from _below(handle, [name for name, tag in zip(names, found, strict=True) if tag is None])
    if not names and not others:
        yield from _empty(handle)


def _read_tag(handle: Handle, tag: str) -> _Tag | None:
    """Read a tag's current link and stat its history; `None` for one that does not look as a tag does."""
    if not (handle.is_directory(f"{tag}/current") and handle.is_directory(f"{tag}/index", holding=1)):
        return None
    try:
        history = handle.enter(f"{tag}/index/sha256", trusted=True)
    except NotFoundError:
        return None
    with history:
        digests, others = history.children()
        entries = history.stat(digests, "/link")
    (current,) = handle.open_each([tag], _CURRENT, _LINK_LIMIT)
    if current is None or not digests or others or None in entries:
        return None
    return _Tag(tag, current, digests, entries)


def _everything(handle: Handle) -> Iterator[Page]:
    """List what no rule of the layout foresees, or foresees only loosely, directory by directory."""
    directories, others = handle.children()
    yield from _files(handle, others)
    yield from _below(handle, directories)
    if not directories and not others:
        yield from _empty(handle)


def _below(handle: Handle, names: Sequence[str]) -> Iterator[Page]:
    for name in names:
        with entered(handle, name) as deeper:
            if deeper:
                yield from _everything(deeper)


def _files(handle: Handle, names: list[str]) -> Iterator[Page]:
    yield from _page(handle.prefix, handle.sift(names, "", handle.stat(names, "")), "")


def _empty(handle: Handle) -> Iterator[Page]:
    modified = os.fstat(handle.fd).st_mtime_ns // 1000
    yield Page(prefix=handle.prefix.rstrip("/"), names=["/"], sizes=[0], modified=[modified])


def _stray(top: Handle, key: str) -> Iterator[Page]:
    folder, _, name = key.rpartition("/")
    with entered(top, folder) as handle:
        if handle:
            yield from _files(handle, [name])
