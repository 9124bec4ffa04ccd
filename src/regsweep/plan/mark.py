"""Mark: what the registry can still serve, worked out in sets.

Reachability is per (repository, digest), never per digest alone: an index's child that one repository does not link
must still be followed through another that does.
"""

from datetime import datetime
from typing import Final

from regsweep.inventory.database import Inventory
from regsweep.plan.options import Options, Untagged
from regsweep.registry.manifest import Kind, Role

_SUBJECT_TAG: Final = r"^sha256-([0-9a-f]{64})(\.sig|\.att|\.sbom)?$"
"""Tags that may say whose they are: cosign's (`sha256-<hex>.sig`, `.att`, `.sbom`) and OCI's referrers tag schema.

Under `--untagged delete` they live as long as `<hex>` is kept in any repository, for cosign can store signatures apart.
"""
_SUBJECT: Final = int(Role.SUBJECT)

_DAMAGED: Final = f"""
    WITH RECURSIVE linked AS (
        SELECT repository, digest FROM revisions UNION ALL SELECT repository, digest FROM layer_links
    ), named AS (
        SELECT repository, digest FROM revisions UNION ALL SELECT repository, digest FROM tags
    ), above AS (
        SELECT repository, digest, digest AS manifest
        FROM (FROM named UNION ALL SELECT repository, digest FROM layer_links)
        SEMI JOIN (FROM manifests WHERE problem IS NOT NULL) USING (digest)
        UNION
        SELECT above.repository, above.digest, reference.manifest
        FROM above JOIN manifest_references reference ON reference.digest = above.manifest
            AND reference.role IN ({int(Role.CHILD)}, {int(Role.OTHER)})
        SEMI JOIN linked ON linked.repository = above.repository AND linked.digest = reference.manifest
    )
    SELECT DISTINCT repository, digest FROM above SEMI JOIN named
        ON named.repository = above.repository AND named.digest = above.manifest
"""  # noqa: S608 - numbers of this package alone
"""Of the damaged manifests those that a revision or a tag names, or an index below one lists, in the same repository.

To all other links it is a layer, whatever it may be elsewhere.
"""


def mark(inventory: Inventory, options: Options, *, now: datetime) -> None:
    """Fill the tables `damaged_manifests`, `frozen`, `servable`, `reached`, `needed` and `marked`.

    Afterwards `damaged_manifests` has each (repository, digest) that should be a manifest and cannot be understood,
    `frozen` the repositories in which nothing is deleted, `servable` each (repository, digest) that can be served as a
    manifest, `reached` those of them that are kept, `needed` each (repository, digest) that the manifests reached
    there refer to, and `marked` each digest whose blob is kept.

    Two more are for `condemn`, which drops them: `subject_tags` has the tags that are about another image,
    `unneeded_links` the layer links that go.
    """
    cutoffs = options.cutoffs(now)
    _freeze(inventory)
    _find_subjects(inventory)
    _reach(inventory, options, cutoffs["cutoff"])
    _need(inventory)
    _keep_links(inventory, cutoffs["cutoff"])
    _mark_blobs(inventory, cutoffs["cutoff"])


def _freeze(inventory: Inventory) -> None:
    inventory.execute("CREATE TABLE damaged_manifests (repository INTEGER, digest BLOB)")
    # Nearly always there is none, and nothing to search all the links for.
    if inventory.row("SELECT count(problem) FROM manifests")[0]:
        inventory.execute(f"INSERT INTO damaged_manifests {_DAMAGED}")
    inventory.execute(
        """
        CREATE TABLE frozen AS
        SELECT DISTINCT repository FROM damage WHERE repository IS NOT NULL
        UNION
        SELECT repository FROM damaged_manifests
        """
    )
    # What can be served as a manifest at all, by a revision's link or, as 2.x does, by a layer's. A damaged one counts:
    # damage is no reason to let go.
    inventory.execute(
        """
        CREATE TABLE servable AS
        SELECT repository, digest FROM revisions SEMI JOIN manifests USING (digest)
        UNION
        SELECT repository, digest FROM layer_links SEMI JOIN manifests USING (digest)
        """
    )


def _find_subjects(inventory: Inventory) -> None:
    # Referrers stand at an index; anybody may give their image such a name. cosign's suffixes are cosign's alone. A tag
    # that cannot be served is about nothing: it dangles.
    inventory.execute(
        f"""
        CREATE TABLE subject_tags AS
        SELECT repository, tag, digest, unhex(regexp_extract(tag, $pattern, 1)) AS subject
        FROM tags SEMI JOIN servable USING (repository, digest) JOIN manifests USING (digest)
        WHERE regexp_matches(tag, $pattern) AND (
            regexp_extract(tag, $pattern, 2) <> '' OR kind IS NULL OR kind IN ('{Kind.INDEX}', '{Kind.UNKNOWN}')
        )
        """,  # noqa: S608 - words of this package alone
        {"pattern": _SUBJECT_TAG},
    )


def _reach(inventory: Inventory, options: Options, cutoff: datetime) -> None:
    keep = options.untagged is Untagged.KEEP
    inventory.execute(
        f"""
        CREATE TABLE reached AS
        SELECT repository, digest FROM servable SEMI JOIN (
            SELECT repository, digest FROM tags {"" if keep else "ANTI JOIN subject_tags USING (repository, tag)"}
            UNION ALL
            SELECT repository, digest FROM revisions {"" if keep else "WHERE modified > $cutoff"}
            UNION ALL
            SELECT repository, digest FROM tag_entries WHERE modified > $cutoff
            UNION ALL
            -- A tag that is young, by itself or by its last push, stays, and with it what it stands at.
            SELECT repository, digest FROM tags WHERE modified > $cutoff
            UNION ALL
            SELECT repository, tags.digest FROM tags
            SEMI JOIN (FROM tag_entries WHERE modified > $cutoff) USING (repository, tag)
            UNION ALL
            SELECT repository, digest FROM revisions SEMI JOIN frozen USING (repository)
            UNION ALL
            SELECT repository, digest FROM tags SEMI JOIN frozen USING (repository)
        ) USING (repository, digest)
        """,  # noqa: S608 - words of this function alone
        {"cutoff": cutoff},
    )
    if inventory.row("SELECT (SELECT count(*) FROM reached) < (SELECT count(*) FROM servable)")[0]:
        _follow(inventory)


def _follow(inventory: Inventory) -> None:
    """Extend `reached` by all that follows from it."""
    # Edges within one repository: from an index to its children, from a subject to its referrers.
    inventory.execute(
        f"""
        CREATE TABLE edges AS
        SELECT parent.repository, parent.digest AS source, child.digest AS target
        FROM servable parent
        JOIN manifest_references reference ON reference.manifest = parent.digest AND reference.role <> {_SUBJECT}
        JOIN servable child ON child.repository = parent.repository AND child.digest = reference.digest
        UNION ALL
        SELECT referrer.repository, reference.digest AS source, referrer.digest AS target
        -- A referrer is one by its revision; as a layer alone it is read only where a tag or an index leads to it.
        FROM (FROM servable SEMI JOIN revisions USING (repository, digest)) referrer
        JOIN manifest_references reference ON reference.manifest = referrer.digest AND reference.role = {_SUBJECT}
        """  # noqa: S608 - a number of this module
    )
    inventory.execute("CREATE TABLE frontier AS FROM reached")
    while inventory.row("SELECT count(*) FROM frontier")[0]:
        inventory.execute(
            """
            CREATE OR REPLACE TABLE frontier AS
            SELECT DISTINCT repository, digest FROM (
                SELECT edges.repository, edges.target AS digest FROM edges
                SEMI JOIN frontier ON edges.repository = frontier.repository AND edges.source = frontier.digest
                UNION ALL
                SELECT repository, digest FROM subject_tags
                SEMI JOIN frontier ON subject_tags.subject = frontier.digest
            ) ANTI JOIN reached USING (repository, digest)
            """
        )
        inventory.execute("INSERT INTO reached FROM frontier")
    for table in ("frontier", "edges"):
        inventory.execute(f"DROP TABLE {table}")


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
        WHERE modified <= $cutoff
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
        UNION SELECT tags.digest FROM tags SEMI JOIN (FROM tag_entries WHERE modified > $cutoff) USING (repository, tag)
        """,
        {"cutoff": cutoff},
    )
