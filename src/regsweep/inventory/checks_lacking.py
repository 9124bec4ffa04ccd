"""What the manifests that can be pulled need and the repository cannot serve: the table `lacking`."""

from typing import Final

from regsweep.inventory.checks_reading import (
    CONTENT,
    DESCRIBED,
    FOREIGN,
    PRESENT,
    URLS,
    collect_described,
    collect_present,
    learn,
    tasks_of,
    texts,
)
from regsweep.inventory.database import Inventory
from regsweep.inventory.workers import Workers
from regsweep.inventory.written import blob_key, link_key
from regsweep.registry.manifest import Role

_CHILD, _CONFIG, _LAYER = int(Role.CHILD), int(Role.CONFIG), int(Role.LAYER)


# A link's content is followed, for one that is named by sha512 leads to a blob that is stored under sha256.
_LACKING: Final = f"""
    CREATE TABLE lacking AS
    SELECT DISTINCT pullable.repository, pullable.digest AS manifest, reference.digest, reference.bytes AS claimed,
        "role", coalesce(link.target, reference.digest) AS target, link.digest IS NOT NULL AS linked,
        revision.digest IS NOT NULL AS revised, blobs.bytes, NULL::VARCHAR AS described
    FROM pullable
    JOIN (
        FROM manifest_references WHERE "role" IN ({_CHILD}, {_CONFIG}, {_LAYER})
    ) reference ON reference.manifest = pullable.digest
    LEFT JOIN layer_links link ON link.repository = pullable.repository AND link.digest = reference.digest
    LEFT JOIN revisions revision ON revision.repository = pullable.repository AND revision.digest = reference.digest
    LEFT JOIN blobs ON blobs.digest = coalesce(link.target, reference.digest)
    WHERE blobs.digest IS NULL OR (reference.bytes <> -1 AND reference.bytes <> blobs.bytes)
        OR (link.digest IS NULL AND ("role" <> {_CHILD} OR revision.digest IS NULL))
"""  # noqa: S608 - words of this package alone

SPARSE: Final = f""""role" = {_CHILD} AND NOT linked AND NOT revised AND described IS NULL"""
"""Of `lacking`, the children that an index lists and the repository never had."""

NEEDED: Final = f"""("role" <> {_CHILD} OR (linked AND NOT revised) OR described IS NOT NULL)"""
"""Of `lacking`, what has to be a blob that the repository links; a child that has a revision is a manifest."""

# Reading indexes again has a price, and nearly all that lack a child have another: those are no build's cache.
_TO_DESCRIBE: Final = f"""
    SELECT DISTINCT lower(hex(manifest)) FROM lacking
    WHERE "role" = {_LAYER} AND (bytes IS NULL OR NOT linked)
    UNION
    SELECT DISTINCT lower(hex(manifest)) FROM (
        FROM lacking WHERE {SPARSE}
    ) sparse ANTI JOIN (
        SELECT parent.repository, parent.digest FROM pullable parent
        JOIN manifest_references reference ON reference.manifest = parent.digest AND "role" = {_CHILD}
        JOIN pullable child ON child.repository = parent.repository AND child.digest = reference.digest
    ) whole ON whole.repository = sparse.repository AND whole.digest = sparse.manifest
"""  # noqa: S608 - words of this module alone

DANGLING: Final = """
    SELECT repository, tag, digest FROM tags
    ANTI JOIN pullable USING (repository, digest) ANTI JOIN revisions USING (repository, digest)
"""

_DOUBTED: Final = f"""
    SELECT {blob_key("target")} FROM lacking WHERE bytes IS NULL AND {NEEDED}
    UNION
    SELECT {link_key("name", "_layers", "lacking.digest")}
    FROM lacking JOIN repositories ON repositories.id = repository WHERE NOT linked AND {NEEDED}
    UNION
    SELECT {blob_key("digest")} FROM revisions ANTI JOIN manifests USING (digest)
    UNION
    SELECT {link_key("name", "_manifests/revisions", "digest")}
    FROM ({DANGLING}) JOIN repositories ON repositories.id = repository
"""  # noqa: S608 - words of this module alone


def find(inventory: Inventory, workers: Workers) -> None:
    """Fill `lacking`, `present` and `described`.

    Afterwards `lacking` has what a manifest that can be pulled needs and the repository lacks or has of another size,
    but for what came while the storage was listed: whose key is in `present`.

    Raises:
        StorageError: something could not be read.
    """
    inventory.execute(_LACKING)
    again = texts(inventory, _TO_DESCRIBE)
    for _ in learn(inventory, workers, collect_described, tasks_of(again, workers), DESCRIBED):
        pass
    inventory.execute(
        f"""
        UPDATE lacking SET described = said.how FROM (
            SELECT manifest, digest, max(how) AS how FROM described GROUP BY ALL
        ) said
        WHERE said.manifest = lower(hex(lacking.manifest)) AND said.digest = lower(hex(lacking.digest))
            AND ("role" = {_LAYER} AND said.how IN ('{URLS}', '{FOREIGN}')
                OR "role" = {_CHILD} AND said.how = '{CONTENT}')
        """  # noqa: S608 - words of this package alone
    )
    doubted = texts(inventory, _DOUBTED)
    for _ in learn(inventory, workers, collect_present, tasks_of(doubted, workers), PRESENT):
        pass
    if inventory.row("SELECT count(*) FROM present")[0]:
        _forgive(inventory)


def _forgive(inventory: Inventory) -> None:
    inventory.execute(
        f"""
        CREATE OR REPLACE TABLE lacking AS
        SELECT lacking.* REPLACE (
            linked OR link.key IS NOT NULL AS linked,
            -- Its size was never listed; it is as good as the claimed one, for a registry weighs what it takes.
            CASE WHEN bytes IS NULL AND blob.key IS NOT NULL THEN claimed ELSE bytes END AS bytes
        )
        FROM lacking JOIN repositories ON repositories.id = repository
        LEFT JOIN present blob ON blob.key = {blob_key("target")}
        LEFT JOIN present link ON link.key = {link_key("name", "_layers", "lacking.digest")}
        """  # noqa: S608 - words of this module alone
    )
    inventory.execute(
        f"""
        DELETE FROM lacking
        WHERE bytes IS NOT NULL AND (claimed = -1 OR claimed = bytes) AND (linked OR "role" = {_CHILD} AND revised)
        """  # noqa: S608 - a number of this package
    )
