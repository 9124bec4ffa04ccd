"""Fingerprints of links: how a run notices that the registry wrote something since the plan was made.

A repository's fingerprint covers the links that a plan keeps, not those it condemns. So it holds before the first
deletion, after the last, and wherever a run between the two was cut off.
"""

from regsweep.inventory.database import Inventory
from regsweep.plan.condemn import link_key
from regsweep.registry.layout import Kind

_TABLES = {
    Kind.TAG: ("tags", "digest"),
    Kind.TAG_ENTRY: ("tag_entries", "digest"),
    Kind.REVISION: ("revisions", "digest"),
    Kind.SIGNATURE: ("signatures", "digest"),
    Kind.LAYER_LINK: ("layer_links", "target"),
}


def fingerprint(inventory: Inventory, *, into: str) -> None:
    """Fill the table `into`: repository, links, and `mark`, a number that depends on each link's key, target and time.

    Links whose key and modification time stand in `condemned` do not count. The number is the exclusive or of MD5
    hashes, whatever order a store lists its links in; it guards against accidents and races, not against forgery.
    """
    links = " UNION ALL ".join(
        f"SELECT {table}.repository, {link_key(kind)} AS key, {target} AS target, modified "  # noqa: S608 - names of this package alone
        f"FROM {table} JOIN repositories ON repositories.id = {table}.repository"
        for kind, (table, target) in _TABLES.items()
    )
    inventory.execute(
        f"""
        CREATE TABLE {into} AS
        SELECT repository, count(*) AS links,
            CAST(bit_xor(md5_number(concat_ws(' ', key, hex(target), epoch_us(modified)))) AS VARCHAR) AS mark
        FROM ({links}) ANTI JOIN condemned USING (key, modified) GROUP BY repository
        """  # noqa: S608 - as above
    )
