"""See that the registry wrote nothing since the plan: list the links again and compare."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from arro3.core import DataType

from regsweep.errors import RefusedError
from regsweep.inventory.database import create
from regsweep.inventory.progress import Progress
from regsweep.inventory.scan import scan_links
from regsweep.inventory.workers import Workers
from regsweep.plan.file import Deletion, Plan
from regsweep.plan.fingerprint import fingerprint
from regsweep.registry.layout import Kind
from regsweep.storage.ports import Lists

_LOAD: Final = 100_000
LINKS: Final = frozenset({Kind.TAG, Kind.TAG_ENTRY, Kind.SIGNATURE, Kind.REVISION, Kind.LAYER_LINK})


def check_links(plan: Plan, store: Lists, workers: Workers, progress: Progress, *, memory: str | None) -> None:
    """Compare the links that stand now, less those that the plan deletes, with those that it was made to keep.

    Raises:
        RefusedError: one came, changed or vanished.
        StorageError: the links cannot be listed.
    """
    with create(memory=memory, facts={}) as inventory:
        scan_links(store, workers, inventory, progress)
        inventory.execute("CREATE TABLE condemned (key VARCHAR, modified TIMESTAMP)")
        inventory.execute("CREATE TABLE loaded (key VARCHAR, modified BIGINT)")
        deletions = _links(plan)
        while batch := list(islice(deletions, _LOAD)):
            inventory.load(
                "loaded",
                {"key": DataType.string(), "modified": DataType.int64()},
                [[deletion.key for deletion in batch], [deletion.modified for deletion in batch]],
            )
        inventory.execute("INSERT INTO condemned SELECT key, make_timestamp(modified) FROM loaded")
        fingerprint(inventory, into="kept_links")
        found = {
            str(name): (links, mark)
            for name, links, mark in inventory.rows(
                "SELECT name, links, mark FROM kept_links JOIN repositories ON repositories.id = kept_links.repository"
            )
        }
    expected = {
        repository.name: (repository.links, repository.fingerprint)
        for repository in plan.repositories
        if repository.links
    }
    if found != expected:
        changed = sorted(
            name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
        )
        others = f" and {len(changed) - 1:,} more repositories" if len(changed) > 1 else ""
        raise RefusedError(
            f"the storage has changed since the plan was made: links in {changed[0]}{others}",
            hint="make a new plan, and keep the registry read-only or stopped until it is applied",
        )


def _links(plan: Plan) -> Iterator[Deletion]:
    for deletion in plan.deletions():
        if deletion.kind not in LINKS:
            return
        yield deletion
