"""From what a store holds beside its listing to the inventory's rows: earlier versions, and uploads never ended."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from regsweep.inventory import schema
from regsweep.inventory.collect import Source
from regsweep.inventory.rows import Rows
from regsweep.registry import layout
from regsweep.storage.ports import Hides, State


def collect_unfinished(store: Hides) -> Rows:
    """Take in the uploads that were begun in parts and never ended.

    Raises:
        StorageError: they cannot be listed.
    """
    rows = Rows()
    for found in store.unfinished():
        for key, size, started, version in zip(found.keys, found.sizes, found.modified, found.versions, strict=True):
            parsed = layout.parse(key)
            repository = parsed.repository if parsed else layout.printable(layout.repository_of(key))
            rows.add(
                schema.UNFINISHED,
                repository or None,
                parsed.kind if parsed else None,
                layout.printable(key),
                size,
                started,
                version,
            )
    return rows


def collect_every_version(store: Source, shards: Sequence[str]) -> Rows:
    """Take in every version of every key of some of a store's `version_shards`. Runs in the workers.

    Raises:
        StorageError: they cannot be listed.
    """
    return _collect_versions(store, shards, but=())


def collect_old_versions(store: Source, shards: Sequence[str]) -> Rows:
    """As `collect_every_version`, without those that are current."""
    return _collect_versions(store, shards, but=(State.CURRENT,))


def _collect_versions(store: Source, shards: Sequence[str], *, but: Sequence[State]) -> Rows:
    rows = Rows()
    with ThreadPoolExecutor(min(store.lanes, len(shards))) as lanes:
        for part in lanes.map(partial(_versions_of, store, but), shards):
            rows.join(part)
    return rows


def _versions_of(store: Source, but: Sequence[State], shard: str) -> Rows:
    rows = Rows()
    for found in store.versions(shard):
        wanted = [at for at, state in enumerate(found.states) if state not in but]
        keys = [found.keys[at] for at in wanted]
        parsed = map(layout.parse, keys)
        rows.extend(
            schema.VERSIONS,
            [one.kind if one else None for one in parsed],
            [layout.printable(key) for key in keys],
            [found.sizes[at] for at in wanted],
            [found.modified[at] for at in wanted],
            [found.states[at] for at in wanted],
            [found.versions[at] for at in wanted],
        )
    return rows
