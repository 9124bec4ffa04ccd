"""Fingerprints of links: how a run notices that the registry wrote something since the plan was made.

A repository's fingerprint covers the links that a plan keeps, not those it condemns. So it holds before the first
deletion, after the last, and wherever a run between the two was cut off.
"""

from regsweep.inventory.database import Inventory
from regsweep.plan.kinds import ORDER
from regsweep.registry.layout import Kind

_TABLES = {
    Kind.TAG: "SELECT repository, tag, digest, digest AS target, modified FROM tags",
    Kind.TAG_ENTRY: "SELECT repository, tag, digest, digest AS target, modified FROM tag_entries",
    Kind.SIGNATURE: "SELECT repository, '' AS tag, digest, revision AS target, modified FROM signatures",
    Kind.REVISION: "SELECT repository, '' AS tag, digest, digest AS target, modified FROM revisions",
    Kind.LAYER_LINK: "SELECT repository, '' AS tag, digest, target, modified FROM layer_links",
}


def fingerprint(inventory: Inventory, *, into: str) -> None:
    """Fill the table `into`: repository, links, and `mark`, a number that depends on each link's name, target and time.

    Links that stand in `condemned`, with the same modification time, do not count. The number is the exclusive or of
    DuckDB's hashes, whatever order a store lists its links in; it guards against accidents and races, not against
    forgery, and is the same for one version of DuckDB only.

    `condemned` does not say which revision a signature is of. So one that is kept does not count either, if another
    revision's goes that has the same blob and, to the microsecond, the same time: should it vanish, nobody notices.
    """
    links = " UNION ALL ".join(
        f"SELECT {ORDER.index(kind)} AS step, * FROM ({query})"  # noqa: S608 - words of this module alone
        for kind, query in _TABLES.items()
    )
    inventory.execute(
        f"""
        CREATE TABLE {into} AS
        SELECT repository, count(*) AS links,
            CAST(bit_xor(hash(step, tag, digest, target, modified)) AS VARCHAR) AS mark
        FROM ({links}) ANTI JOIN condemned USING (step, repository, tag, digest, modified)
        GROUP BY repository
        """  # noqa: S608 - as above
    )
