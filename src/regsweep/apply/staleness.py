"""See that the registry wrote nothing since the plan: list the links again and compare."""

from importlib.metadata import version
from itertools import dropwhile, islice, takewhile
from typing import Final

import nanoarrow as na

from regsweep.errors import RefusedError
from regsweep.inventory.collect import Source
from regsweep.inventory.database import Inventory, create
from regsweep.inventory.progress import Progress
from regsweep.inventory.scan import begin_links, take
from regsweep.inventory.workers import Workers
from regsweep.plan.file import Plan
from regsweep.plan.fingerprint import fingerprint
from regsweep.plan.kinds import LINKS, ORDER, VERSION

_LOAD: Final = 100_000
_STEPS: Final = {str(kind): ORDER.index(kind) for kind in LINKS}
"""The kinds of links and their places in the order of deletion."""


def check_links(plan: Plan, store: Source, workers: Workers, progress: Progress, *, memory: str | None) -> None:
    """Compare the links that stand now, less those that the plan deletes, with those that it was made to keep.

    Raises:
        RefusedError: one came, changed or vanished.
        StorageError: the links cannot be listed.
    """
    if plan.header.engine != version("duckdb"):
        raise RefusedError(
            f"{plan.path}: was made with DuckDB {plan.header.engine}, here is {version('duckdb')}, and the two do not "
            "take the same fingerprints",
            hint="make a new plan",
        )
    with create(memory=memory, facts={}) as inventory:
        take(begin_links(store, workers), inventory, progress)
        _load(plan, inventory)
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
        changed = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        others = f" and {len(changed) - 1:,} more repositories" if len(changed) > 1 else ""
        raise RefusedError(
            f"the storage has changed since the plan was made: links in {changed[0]}{others}",
            hint="make a new plan, and keep the registry read-only or stopped until it is applied",
        )


def _load(plan: Plan, inventory: Inventory) -> None:
    """Fill `condemned`, as far as fingerprints ask for it, with the links that the plan deletes."""
    inventory.execute("CREATE TABLE listed (step TINYINT, name VARCHAR, tag VARCHAR, digest VARCHAR, modified BIGINT)")
    columns = {
        "step": na.int8(),
        "name": na.string(),
        "tag": na.string(),
        "digest": na.string(),
        "modified": na.int64(),
    }
    others = dropwhile(lambda deletion: deletion.kind == VERSION, plan.deletions())
    links = takewhile(lambda deletion: deletion.kind in _STEPS, others)
    while batch := list(islice(links, _LOAD)):
        inventory.load(
            "listed",
            columns,
            [
                [_STEPS[deletion.kind] for deletion in batch],
                [deletion.repository for deletion in batch],
                [deletion.tag for deletion in batch],
                [deletion.digest for deletion in batch],
                [deletion.modified for deletion in batch],
            ],
        )
    inventory.execute(
        """
        CREATE TABLE condemned AS
        SELECT step, repositories.id AS repository, tag, unhex(split_part(digest, ':', 2)) AS digest,
            make_timestamp(modified) AS modified
        FROM listed JOIN repositories USING (name)
        """
    )
