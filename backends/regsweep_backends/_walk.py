"""List the registry's tree on a filesystem with few system calls.

The layout says what a directory holds: `blobs/sha256/ab/` only directories with one file `data`, `_layers/sha256/`
only directories with one file `link`. So one listing and one `stat` of `<hex>/data` for each name replaces opening,
listing and closing every directory. Where the file is not there, the directory is listed after all.
"""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from operator import attrgetter

from regsweep.storage.ports import Page, Scope
from regsweep_backends._descriptors import Handle, entered
from regsweep_backends._spread import spread

_state = attrgetter("st_size", "st_mtime_ns")


def _page(prefix: str, names: Sequence[str], suffix: str, states: Sequence[os.stat_result]) -> Iterator[Page]:
    if names:
        sizes, nanoseconds = zip(*map(_state, states), strict=True)
        yield Page(
            prefix=prefix,
            names=names,
            suffix=suffix,
            sizes=sizes,
            modified=[moment // 1000 for moment in nanoseconds],
        )


def shards(top: Handle, scope: Scope) -> Iterator[str]:
    """Name the directories that are listed on their own; see `Lists.shards`."""
    with entered(top, "repositories") as repositories:
        if repositories is not None:
            yield from _repository_shards(repositories, scope)
    if scope is Scope.ALL:
        with entered(top, "blobs") as blobs:
            if blobs is not None:
                for algorithm in sorted(blobs.children()[0]):
                    with entered(blobs, algorithm) as handle:
                        names = sorted(handle.children()[0]) if handle else []
                    yield from (f"blobs/{algorithm}/{name}/" for name in names)


def pages(top: Handle, shard: str) -> Iterator[Page]:
    """List one shard; see `Lists.pages`."""
    if not shard.endswith("/"):
        yield from _stray(top, shard)
        return
    with entered(top, shard) as handle:
        if handle is None:
            return
        if shard.startswith("blobs/"):
            yield from _leaves(handle, "/data")
        elif shard.endswith(("/_layers/", "/_manifests/revisions/")):
            directories, others = handle.children()
            yield from _files(handle, others)
            for algorithm in directories:
                with entered(handle, algorithm) as leaves:
                    if leaves:
                        yield from _leaves(leaves, "/link", beside="/signatures" if "revisions" in shard else "")
            if not directories and not others:
                yield from _empty(handle)
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
                    if _is_leaf(directory) and (scope is Scope.ALL or directory != "_uploads"):
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


def _leaves(handle: Handle, suffix: str, *, beside: str = "") -> Iterator[Page]:
    names, others = handle.children()
    yield from _files(handle, others)
    found = spread(lambda part: handle.stat(part, suffix), names)
    odd = [name for name, state in zip(names, found, strict=True) if state is None]
    if odd:
        names = [name for name, state in zip(names, found, strict=True) if state is not None]
    yield from _page(handle.prefix, names, suffix, _present(found))
    if beside:
        exists, fd = os.access, handle.fd
        odd += [f"{name}{beside}" for name in names if exists(name + beside, os.F_OK, dir_fd=fd)]
    yield from _below(handle, odd)
    if not names and not odd and not others:
        yield from _empty(handle)


def _tags(handle: Handle) -> Iterator[Page]:
    tags, others = handle.children()
    yield from _files(handle, others)
    current: list[os.stat_result] = []
    names: list[str] = []
    entries: list[os.stat_result] = []
    odd: list[str] = []
    found = spread(lambda part: [_stat_tag(handle, name) for name in part], tags)
    for tag, links in zip(tags, found, strict=True):
        if links is None:
            odd.append(tag)
        else:
            current.append(links[0])
            names += [f"{tag}/index/sha256/{digest}" for digest in links[1]]
            entries += links[2]
    skipped = frozenset(odd)
    yield from _page(handle.prefix, [tag for tag in tags if tag not in skipped], "/current/link", current)
    yield from _page(handle.prefix, names, "/link", entries)
    yield from _below(handle, odd)
    if not tags and not others:
        yield from _empty(handle)


def _stat_tag(handle: Handle, tag: str) -> tuple[os.stat_result, list[str], list[os.stat_result]] | None:
    """Stat a tag's current link and its history; `None` for one that does not look as a tag does."""
    if not (handle.is_directory(f"{tag}/current") and handle.is_directory(f"{tag}/index", holding=1)):
        return None
    with entered(handle, f"{tag}/index/sha256", trusted=True) as history:
        if history is None:
            return None
        digests, others = history.children()
        entries = _present(history.stat(digests, "/link"))
    (current,) = handle.stat([f"{tag}/current/link"], "")
    if current is None or not digests or others or len(entries) < len(digests):
        return None
    return current, digests, entries


def _present(states: list[os.stat_result | None]) -> list[os.stat_result]:
    return [state for state in states if state is not None]


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
    found = handle.stat(names, "")
    present = [name for name, state in zip(names, found, strict=True) if state is not None]
    yield from _page(handle.prefix, present, "", _present(found))


def _empty(handle: Handle) -> Iterator[Page]:
    yield from _page(handle.prefix.rstrip("/"), ["/"], "", [os.fstat(handle.fd)])


def _stray(top: Handle, key: str) -> Iterator[Page]:
    folder, _, name = key.rpartition("/")
    with entered(top, folder) as handle:
        if handle:
            yield from _files(handle, [name])
