"""Scan a store into an inventory: list every shard, then fetch each manifest once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from regsweep.inventory import schema
from regsweep.inventory.collect import chunks, collect_manifests, collect_maybe_manifests, collect_shard
from regsweep.inventory.database import Inventory
from regsweep.inventory.progress import Progress
from regsweep.inventory.rows import Rows
from regsweep.inventory.workers import Workers
from regsweep.registry.manifest import MAX_MANIFEST_BYTES, Role
from regsweep.storage.ports import Lists, Scope

_MANIFESTS_PER_TASK: Final = 500

# distribution 2.x serves a manifest also where only `_layers` links it (its registry/storage/registry.go gives the
# manifest store both link paths; seen with 2.8.2). So a tag, or an index's child, may lead there: asked for again
# until no round finds another manifest, whose children may be such too.
_MAYBE_MANIFESTS: Final = f"""
    SELECT DISTINCT digest FROM layer_links
    SEMI JOIN (
        SELECT repository, digest FROM tags
        UNION ALL
        SELECT linked.repository, child.digest
        FROM (SELECT repository, digest FROM revisions UNION ALL SELECT repository, digest FROM layer_links) linked
        JOIN manifest_references child ON child.manifest = linked.digest AND child.role = {int(Role.CHILD)}
    ) USING (repository, digest)
    SEMI JOIN (FROM blobs WHERE bytes <= {MAX_MANIFEST_BYTES}) USING (digest)
    ANTI JOIN manifests USING (digest) ANTI JOIN tried USING (digest)
"""  # noqa: S608 - numbers of this package alone


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing under way: so many shards, and their rows as they come."""

    shards: int
    results: Iterator[tuple[str, Rows]]


def begin(store: Lists, workers: Workers, scope: Scope) -> Listing:
    """Begin to list a store; `take` brings it to its end."""
    shards = list(store.shards(scope))
    return Listing(len(shards), workers.run(collect_shard, shards))


def take(listing: Listing, inventory: Inventory, progress: Progress) -> None:
    """Take in what a listing tells.

    Raises:
        StorageError: something could not be listed or read; the inventory is incomplete and must not be used.
    """
    with progress.stage("listing the storage", unit="shards", total=listing.shards) as bar:
        for _, rows in listing.results:
            inventory.add(rows)
            bar.advance(1, size=rows.sum(schema.BLOBS, "bytes"))
    inventory.flush()


def scan(listing: Listing, workers: Workers, inventory: Inventory, progress: Progress) -> None:
    """Take in all that a store holds, given a listing of it that was begun.

    When this returns, every shard was listed to its end and every revision's manifest was read, or is known to be
    missing by the store's own word.

    Raises:
        StorageError: something could not be listed or read; the inventory is incomplete and must not be used.
    """
    take(listing, inventory, progress)
    digests = _digests(inventory, "SELECT DISTINCT digest FROM revisions")
    with progress.stage("reading manifests", unit="manifests", total=len(digests)) as bar:
        for task, rows in workers.run(collect_manifests, chunks(digests, _MANIFESTS_PER_TASK)):
            inventory.add(rows)
            bar.advance(len(task))
    inventory.flush()
    while digests := _digests(inventory, _MAYBE_MANIFESTS):
        tried = Rows()
        tried.extend(schema.TRIED, digests)
        inventory.add(tried)
        for _, rows in workers.run(collect_maybe_manifests, chunks(digests, _MANIFESTS_PER_TASK)):
            inventory.add(rows)
        inventory.flush()


def _digests(inventory: Inventory, query: str) -> list[str]:
    """The hex digits of what a query gives, in the order in which blobs lie."""
    found = inventory.rows(f"SELECT lower(hex(digest)) FROM ({query}) ORDER BY 1")  # noqa: S608 - queries of this module
    return [cast("str", digest) for (digest,) in found]
