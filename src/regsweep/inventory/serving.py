"""What a registry could serve, worked out from what was listed and read, before anything is decided."""

from typing import Final

from regsweep.inventory.database import Inventory
from regsweep.registry.manifest import Kind, Role

_SUBJECT_TAG: Final = r"^sha256-([0-9a-f]{64})(\.sig|\.att|\.sbom)?$"
"""Tags that may say whose they are: cosign's (`sha256-<hex>.sig`, `.att`, `.sbom`) and OCI's referrers tag schema.

Under `--untagged delete` they live as long as `<hex>` is kept in any repository, for cosign can store signatures apart.
"""

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


def serve(inventory: Inventory) -> None:
    """Fill the tables `damaged_manifests`, `frozen`, `servable` and `subject_tags`.

    Afterwards `damaged_manifests` has each (repository, digest) that should be a manifest and cannot be understood,
    `frozen` the repositories in which nothing is deleted, `servable` each (repository, digest) that can be served as a
    manifest, and `subject_tags` the tags that are about another image, with its digest.
    """
    _freeze(inventory)
    _find_subjects(inventory)


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
