"""What is damaged in a storage, worked out in sets from what was listed and read; `serving.serve` comes before it.

Everything that can be pulled counts: whatever a repository can serve as a manifest by a revision's link, by a tag, or
as an index's child. Uploads and what nobody refers to are no damage.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from regsweep.inventory import checks_faults, checks_lacking, checks_links, checks_spread
from regsweep.inventory.checks_kinds import Code, Severity
from regsweep.inventory.database import Inventory
from regsweep.inventory.workers import Workers
from regsweep.registry.manifest import Role

__all__ = ["Code", "Finding", "Severity", "Totals", "check", "findings", "totals"]

_NOTES: Final = frozenset({Code.FOREIGN_LAYER, Code.SPARSE_INDEX, Code.DANGLING_LINK, Code.FROZEN})
_FETCHED: Final = frozenset({Code.MISSING_BLOB, Code.MISSING_LINK, Code.MISSING_MANIFEST})
"""What a pull-through cache fetches when it is asked for."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong, or that looks so."""

    code: Code
    """What is wrong; docs/check.md tells more of each."""
    severity: Severity
    repository: str | None
    key: str | None
    """The blob or link that it is about, or the first of several, below `docker/registry/v2`."""
    message: str
    bytes: int | None
    """The blob's, or those that are claimed of one that is missing."""
    count: int
    """How many keys it stands for."""
    images: list[str]
    """What cannot be pulled whole for it: `name:tag`, and `name@digest` of revisions at which no tag stands."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at."""

    repositories: int
    tags: int
    manifests: int
    """Distinct ones that were read."""
    blobs: int
    bytes: int
    """Of the blobs."""
    images: int
    """Tags, and revisions at which no tag stands."""
    damaged_images: int
    """Those of them that cannot be pulled whole because of damage."""


def check(inventory: Inventory, workers: Workers, *, fetches: bool = False) -> None:
    """Fill the tables `problems` and `spoiled`, which `findings` and `totals` read.

    Afterwards `problems` has each finding, by `code`, `repository` and `key`, and `spoiled` the images that cannot be
    pulled whole because of it.

    Args:
        inventory: a whole scan, and what can be served; in `hashed_otherwise`, if blobs were hashed, those that are not
            what they are named.
        workers: they read again what might have been written while it was listed.
        fetches: whether the registry is a pull-through cache, which fetches what is missing.

    Raises:
        StorageError: something could not be read.
    """
    for table in _TABLES:
        inventory.execute(table)
    checks_lacking.find(inventory, workers)
    checks_faults.tell_faults(inventory)
    checks_faults.tell_manifests(inventory)
    checks_links.tell_links(inventory)
    checks_links.tell_content(inventory)
    checks_links.tell_notes(inventory)
    notes = _NOTES | _FETCHED if fetches else _NOTES
    inventory.execute(
        "UPDATE problems SET severity = CASE WHEN list_contains($notes, code) THEN $note ELSE $damage END",
        {"notes": [str(code) for code in notes], "note": str(Severity.NOTE), "damage": str(Severity.DAMAGE)},
    )
    checks_spread.spread(inventory)


def findings(inventory: Inventory) -> Iterator[Finding]:
    """What was found: damage first, by code, repository and key."""
    for row in inventory.rows(
        f"""
        SELECT code, severity, name, key, message, bytes, count, coalesce(images, [])
        FROM problems LEFT JOIN repositories ON repositories.id = problems.repository
        LEFT JOIN (
            SELECT code, repository, key, list_sort(list(image)) AS images FROM spoiled GROUP BY ALL
        ) spoiled USING (code, repository, key)
        ORDER BY severity <> '{Severity.DAMAGE}', code, name NULLS FIRST, key
        """  # noqa: S608 - a word of this package
    ):
        yield msgspec.convert(dict(zip(Finding.__struct_fields__, row, strict=True)), Finding)


def totals(inventory: Inventory) -> Totals:
    """Count what was looked at, and what of it is damaged."""
    row = inventory.row(
        f"""
        SELECT (SELECT count(*) FROM repositories), tagged.count, (SELECT count(DISTINCT digest) FROM manifests),
            (SELECT count(*) FROM blobs), (SELECT coalesce(sum(bytes), 0)::BIGINT FROM blobs),
            tagged.count + (SELECT count(*) FROM revisions ANTI JOIN tags USING (repository, digest)),
            (
                SELECT count(DISTINCT image) FROM spoiled
                SEMI JOIN (FROM problems WHERE severity = '{Severity.DAMAGE}') USING (code, repository, key)
            )
        FROM (
            SELECT count(*) AS count FROM (
                SELECT repository, tag FROM tags UNION SELECT repository, tag FROM broken_tags
            )
        ) tagged
        """  # noqa: S608 - a word of this package
    )
    return msgspec.convert(dict(zip(Totals.__struct_fields__, row, strict=True)), Totals)


_TABLES: Final = (
    """
    CREATE TABLE problems (
        code VARCHAR, severity VARCHAR, repository INTEGER, key VARCHAR, message VARCHAR, bytes BIGINT, count BIGINT
    )
    """,
    # The manifests and the tags that a problem is about; what lies above them is found later.
    "CREATE TABLE broken (code VARCHAR, repository INTEGER, key VARCHAR, digest BLOB)",
    "CREATE TABLE broken_tags (code VARCHAR, repository INTEGER, key VARCHAR, tag VARCHAR)",
    "CREATE TABLE IF NOT EXISTS hashed_otherwise (digest VARCHAR, actual VARCHAR)",
    # A layer may be a manifest elsewhere: only what is named as one here is one here.
    f"""
    CREATE TABLE pullable AS
    SELECT repository, digest FROM servable SEMI JOIN (
        SELECT repository, digest FROM revisions UNION ALL SELECT repository, digest FROM tags
        UNION ALL
        SELECT servable.repository, reference.digest
        FROM servable JOIN manifest_references reference ON reference.manifest = servable.digest
        WHERE "role" = {int(Role.CHILD)}
    ) USING (repository, digest)
    """,  # noqa: S608 - a number of this package
)
