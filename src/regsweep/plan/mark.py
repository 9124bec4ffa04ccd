"""Mark: what the registry can still serve, worked out in sets.

Reachability is per (repository, digest), never per digest alone: an index's child that one repository does not link
must still be followed through another that does.
"""

from datetime import datetime
from typing import Final

from regsweep.inventory.database import Inventory
from regsweep.plan.options import Options
from regsweep.plan.reach import reach
from regsweep.registry.manifest import Role

_SUBJECT: Final = int(Role.SUBJECT)


def mark(inventory: Inventory, options: Options, *, now: datetime) -> None:
    """Fill the tables `reached`, `needed`, `marked` and `unmarked`, from those of serving.py and choice.py.

    Afterwards `reached` has each (repository, digest) that is kept of those that can be served as a manifest, `needed`
    each (repository, digest) that the manifests reached there refer to, `marked` each digest whose blob is kept, and
    `unmarked` the blobs of all other digests.

    For `condemn` there are also those of reach.py, and `unneeded_links`, the layer links that go; it drops them.
    """
    cutoff = options.cutoffs(now)["cutoff"]
    reach(inventory, named=options.removal is not None, cutoff=cutoff)
    _need(inventory)
    _keep_links(inventory, cutoff)
    _mark_blobs(inventory, cutoff)


def _need(inventory: Inventory) -> None:
    # A subject is no part of what refers to it: pulling the referrer does not pull its subject.
    inventory.execute(
        f"""
        CREATE TABLE needed AS
        SELECT DISTINCT reached.repository, reference.digest
        FROM reached JOIN manifest_references reference ON reference.manifest = reached.digest
        WHERE reference.role <> {_SUBJECT}
        """  # noqa: S608 - a number of this module
    )


def _keep_links(inventory: Inventory, cutoff: datetime) -> None:
    # A link to a young blob is as young as the blob: both may belong to a push that has yet to send its manifest.
    inventory.execute(
        """
        CREATE TABLE unneeded_links AS
        SELECT repository, digest, target, modified, version FROM layer_links
        ANTI JOIN needed USING (repository, digest)
        ANTI JOIN reached USING (repository, digest)
        ANTI JOIN frozen USING (repository)
        WHERE modified <= $cutoff OR repository IN (SELECT repository FROM gone)
        """,
        {"cutoff": cutoff},
    )
    inventory.execute(
        """
        DELETE FROM unneeded_links USING needed
        WHERE needed.repository = unneeded_links.repository AND needed.digest = unneeded_links.target
        """
    )
    inventory.execute(
        """
        DELETE FROM unneeded_links USING blobs
        WHERE blobs.digest = unneeded_links.target AND blobs.modified > $cutoff
            AND unneeded_links.repository NOT IN (SELECT repository FROM gone)
        """,
        {"cutoff": cutoff},
    )


def _mark_blobs(inventory: Inventory, cutoff: datetime) -> None:
    inventory.execute(
        """
        CREATE TABLE marked AS
        SELECT digest FROM reached
        UNION SELECT digest FROM needed
        UNION SELECT target FROM layer_links ANTI JOIN unneeded_links USING (repository, digest)
        -- A young link keeps its blob, even where a repository that was named for it goes.
        UNION SELECT target FROM layer_links WHERE modified > $cutoff
        UNION SELECT digest FROM doubts
        UNION SELECT digest FROM revisions SEMI JOIN frozen USING (repository)
        UNION SELECT digest FROM tags SEMI JOIN frozen USING (repository)
        UNION SELECT digest FROM tag_entries SEMI JOIN frozen USING (repository)
        UNION SELECT digest FROM signatures SEMI JOIN frozen USING (repository)
        UNION SELECT signatures.digest FROM signatures
            SEMI JOIN reached ON signatures.repository = reached.repository AND signatures.revision = reached.digest
        UNION SELECT digest FROM signatures WHERE modified > $cutoff
        UNION SELECT digest FROM revisions WHERE modified > $cutoff
        UNION SELECT digest FROM tags WHERE modified > $cutoff
        UNION SELECT digest FROM tag_entries WHERE modified > $cutoff
        UNION SELECT tags.digest FROM tags ANTI JOIN let_go USING (repository, tag)
            SEMI JOIN (FROM tag_entries WHERE modified > $cutoff) USING (repository, tag)
        -- A tag that is to stay though nothing can be served through it.
        UNION SELECT digest FROM tags SEMI JOIN vetoed USING (repository, tag)
        """,
        {"cutoff": cutoff},
    )
    inventory.execute("CREATE TABLE unmarked AS FROM blobs ANTI JOIN marked USING (digest)")
