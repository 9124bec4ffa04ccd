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


def collect_versions(store: Source, shards: Sequence[str], *, every: bool) -> Rows:
    """Take in the versions of the keys of some of a store's `version_shards`. Runs in the workers.

    Args:
        store: where they are.
        shards: one or more.
        every: whether the current ones are taken in too.

    Raises:
        StorageError: they cannot be listed.
    """
    rows = Rows()
    with ThreadPoolExecutor(min(store.lanes, len(shards))) as lanes:
        for part in lanes.map(partial(_versions_of, store, every=every), shards):
            rows.join(part)
    return rows


def _versions_of(store: Source, shard: str, *, every: bool) -> Rows:
    rows = Rows()
    for found in store.versions(shard):
        wanted = [at for at, state in enumerate(found.states) if every or state is not State.CURRENT]
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
