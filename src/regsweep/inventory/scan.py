"""Scan a store into an inventory: list every shard, then fetch each manifest once."""

from typing import Final, cast

from arro3.core import DataType

from regsweep.inventory import schema
from regsweep.inventory.collect import chunks, collect_manifests, collect_maybe_manifests, collect_shard
from regsweep.inventory.database import Inventory
from regsweep.inventory.progress import Progress
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


def scan(store: Lists, workers: Workers, inventory: Inventory, progress: Progress) -> None:
    """Take in all that the store holds.

    When this returns, every shard was listed to its end and every revision's manifest was read, or is known to be
    missing by the store's own word.

    Raises:
        StorageError: something could not be listed or read; the inventory is incomplete and must not be used.
    """
    scan_links(store, workers, inventory, progress, scope=Scope.ALL)
    digests = _digests(inventory, "SELECT DISTINCT digest FROM revisions")
    with progress.stage("reading manifests", unit="manifests", total=len(digests)) as bar:
        for task, rows in workers.run(collect_manifests, chunks(digests, _MANIFESTS_PER_TASK)):
            inventory.add(rows)
            bar.advance(len(task))
    inventory.flush()
    inventory.execute("CREATE TABLE tried (digest BLOB)")
    while digests := _digests(inventory, _MAYBE_MANIFESTS):
        for _, rows in workers.run(collect_maybe_manifests, chunks(digests, _MANIFESTS_PER_TASK)):
            inventory.add(rows)
        inventory.flush()
        inventory.load("tried", {"digest": DataType.binary()}, [[bytes.fromhex(digest) for digest in digests]])


def scan_links(
    store: Lists, workers: Workers, inventory: Inventory, progress: Progress, *, scope: Scope = Scope.LINKS
) -> None:
    """Take in what a listing tells, of the links alone or of all there is.

    Raises:
        StorageError: something could not be listed or read; the inventory is incomplete and must not be used.
    """
    shards = list(store.shards(scope))
    with progress.stage("listing the storage", unit="shards", total=len(shards)) as bar:
        for _, rows in workers.run(collect_shard, shards):
            inventory.add(rows)
            bar.advance(1, size=sum(cast("list[int]", rows.columns.get(schema.BLOBS.name, [[], []])[1])))
    inventory.flush()


def _digests(inventory: Inventory, query: str) -> list[str]:
    """The hex digits of what a query gives, in the order in which blobs lie."""
    found = inventory.rows(f"SELECT lower(hex(digest)) FROM ({query}) ORDER BY 1")  # noqa: S608 - queries of this module
    return [cast("str", digest) for (digest,) in found]
