"""From the manifests and tags that a problem is about to all the images that cannot be pulled whole for it."""

from typing import Final

from regsweep.inventory.database import Inventory
from regsweep.inventory.written import text
from regsweep.registry.manifest import Role

_ABOVE: Final = f"""
    CREATE OR REPLACE TABLE spreading AS
    SELECT DISTINCT below.code, below.repository, below.key, parent.digest
    FROM spreading below
    JOIN manifest_references reference ON reference.digest = below.digest AND "role" = {int(Role.CHILD)}
    JOIN pullable parent ON parent.repository = below.repository AND parent.digest = reference.manifest
    ANTI JOIN broken ON broken.code = below.code AND broken.repository = below.repository
        AND broken.key = below.key AND broken.digest = parent.digest
"""  # noqa: S608 - a number of this package


def spread(inventory: Inventory) -> None:
    """Fill `spoiled` from `broken` and `broken_tags`; see `checks.check`."""
    inventory.execute("CREATE TABLE spreading AS FROM broken")
    while inventory.row("SELECT count(*) FROM spreading")[0]:
        inventory.execute(_ABOVE)
        inventory.execute("INSERT INTO broken FROM spreading")
    inventory.execute(
        f"""
        CREATE TABLE spoiled AS
        SELECT code, repository, key, name || ':' || tag AS image
        FROM broken JOIN tags USING (repository, digest) JOIN repositories ON repositories.id = repository
        UNION
        SELECT code, repository, key, name || ':' || tag
        FROM broken_tags JOIN repositories ON repositories.id = repository
        UNION
        SELECT code, repository, key, name || '@' || {text("digest")}
        FROM broken SEMI JOIN revisions USING (repository, digest) ANTI JOIN tags USING (repository, digest)
        JOIN repositories ON repositories.id = repository
        """  # noqa: S608 - words of this package alone
    )
