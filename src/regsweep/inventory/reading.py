"""Read the manifests of some images and of nothing else, for whoever does not scan the whole storage."""

from functools import partial
from typing import Final

from regsweep.inventory import schema
from regsweep.inventory.collect import collect_manifests, collect_maybe_manifests
from regsweep.inventory.database import Inventory
from regsweep.inventory.progress import Progress
from regsweep.inventory.rows import Rows
from regsweep.inventory.scan import hex_digests, read
from regsweep.inventory.workers import Workers
from regsweep.registry.manifest import MAX_MANIFEST_BYTES, Role

BELOW: Final = f"{int(Role.CHILD)}, {int(Role.OTHER)}"
"""The roles of what may be a manifest itself."""

LINKED: Final = "(SELECT repository, digest FROM revisions UNION ALL SELECT repository, digest FROM layer_links)"
"""What a repository can serve as a manifest, if it is one: as registries do, by a revision's link or by a layer's."""

# What a tag or a revision leads to is a manifest; what only an index does may be a layer as well, and a large one.
_CERTAIN: Final = "(SELECT repository, digest FROM revisions UNION ALL SELECT repository, digest FROM tags)"
_WORK: Final = (
    (collect_manifests, f"FROM frontier SEMI JOIN {_CERTAIN} USING (repository, digest)"),
    (
        collect_maybe_manifests,
        f"""
        FROM frontier ANTI JOIN {_CERTAIN} USING (repository, digest)
        WHERE claimed IS NULL OR claimed <= {MAX_MANIFEST_BYTES}
        """,
    ),
)


def read_manifests(inventory: Inventory, workers: Workers, progress: Progress, wanted: str) -> None:
    """Read the manifests of the images that a query names, as `repository` and `digest`; each once, and its size.

    Of the images' repositories the links were listed before. A manifest that is not there has no row.

    Raises:
        StorageError: one could not be read.
    """
    inventory.execute(
        f"""
        CREATE TABLE frontier AS
        SELECT DISTINCT repository, digest, NULL::BIGINT AS claimed
        FROM ({wanted}) SEMI JOIN {LINKED} USING (repository, digest)
        """  # noqa: S608 - words of this package alone
    )
    inventory.execute("CREATE TABLE visited AS SELECT repository, digest FROM frontier")
    with progress.stage("reading manifests", unit="manifests") as bar:
        while inventory.row("SELECT count(*) FROM frontier")[0]:
            for work, query in _WORK:
                digests = hex_digests(
                    inventory,
                    f"""
                    SELECT DISTINCT digest FROM ({query})
                    ANTI JOIN manifests USING (digest) ANTI JOIN tried USING (digest)
                    """,  # noqa: S608 - words of this module alone
                )
                tried = Rows()
                tried.extend(schema.TRIED, digests)
                inventory.add(tried)
                for task, rows in read(partial(work, weigh=True), digests, workers):
                    inventory.add(rows)
                    bar.advance(len(task))
                inventory.flush()
            # What was read for one repository is followed through every other, which may link other children.
            inventory.execute(
                f"""
                CREATE OR REPLACE TABLE frontier AS
                SELECT above.repository, child.digest, max(nullif(child.bytes, -1)) AS claimed
                FROM frontier above
                JOIN (FROM manifest_references WHERE "role" IN ({BELOW})) child ON child.manifest = above.digest
                SEMI JOIN {LINKED} linked ON linked.repository = above.repository AND linked.digest = child.digest
                ANTI JOIN visited ON visited.repository = above.repository AND visited.digest = child.digest
                GROUP BY ALL
                """  # noqa: S608 - words of this module alone
            )
            inventory.execute("INSERT INTO visited SELECT repository, digest FROM frontier")
    for table in ("frontier", "visited"):
        inventory.execute(f"DROP TABLE {table}")
