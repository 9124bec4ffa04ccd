"""What a user wants `regsweep ls` to show: which repositories, and which images of them.

The tables that this makes in the inventory: `chosen` (repositories), `untagged` (revisions that no tag leads to),
`shown` (images, each with the tag under which it is shown), `below` (the manifests below them).
"""

from dataclasses import dataclass
from typing import cast

from regsweep.inventory.database import Inventory
from regsweep.inventory.images import find_images
from regsweep.retention.globs import as_regex
from regsweep.retention.names import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a user asked for."""

    name: Name | None = None
    """A repository, a glob of several, or one image; `None` for all repositories."""
    layers: bool = False
    untagged: bool = False
    history: bool = False

    @property
    def images(self) -> bool:
        """Whether images are asked for, not repositories alone."""
        return self.name is not None or self.layers or self.untagged or self.history

    @property
    def one_image(self) -> bool:
        """Whether one image is asked for, or one of each repository."""
        return self.name is not None and not self.name.whole

    @property
    def exact(self) -> str | None:
        """The one repository that is asked for by its name."""
        return self.name.repository if self.name and not self.name.several else None


def choose_repositories(inventory: Inventory, wanted: Wanted) -> int:
    """Fill `chosen`; return how many there are."""
    named = "true" if wanted.name is None else "name = $name" if wanted.exact else "regexp_full_match(name, $name)"
    parameters = {"name": wanted.exact or as_regex(wanted.name.repository)} if wanted.name else {}
    inventory.execute(
        f"""
        CREATE TABLE chosen AS SELECT id AS repository FROM repositories SEMI JOIN (
            SELECT repository AS id FROM revisions UNION SELECT repository FROM tags
            UNION SELECT repository FROM tag_entries UNION SELECT repository FROM layer_links
            UNION SELECT repository FROM damage UNION SELECT repository FROM directories
        ) USING (id) WHERE {named}
        """,  # noqa: S608 - words of this module alone
        parameters,
    )
    return cast("int", inventory.row("SELECT count(*) FROM chosen")[0])


def to_read(wanted: Wanted) -> str:
    """The query for the images whose manifests must be read before `choose_images`."""
    name = wanted.name
    if name and name.digest:
        return f"SELECT repository, unhex('{name.digest.hex}') AS digest FROM chosen"  # noqa: S608 - hex digits
    tags = "SELECT DISTINCT repository, digest FROM tags SEMI JOIN chosen USING (repository)"
    if name and name.tag:
        return f"{tags} WHERE tag = '{name.tag}'"
    if wanted.images:
        return tags
    # Of a repository in which every revision has a tag of its own, nothing need be known.
    return f"{tags} SEMI JOIN (FROM revisions ANTI JOIN tags USING (repository, digest)) USING (repository)"


def choose_images(inventory: Inventory, wanted: Wanted) -> None:
    """Fill `untagged` and `shown`, the latter with the images that are to be listed."""
    find_images(inventory, to_read(wanted))
    inventory.execute(
        f"""
        CREATE TABLE untagged AS
        SELECT repository, digest, modified AS pushed FROM revisions
        SEMI JOIN chosen USING (repository)
        ANTI JOIN tags USING (repository, digest)
        ANTI JOIN image_manifests found ON found.repository = revisions.repository AND manifest = revisions.digest
        WHERE {not wanted.one_image}
        """  # noqa: S608 - a boolean
    )
    inventory.execute(
        "CREATE TABLE shown (repository INTEGER, tag VARCHAR, digest BLOB, pushed TIMESTAMP, earlier BOOLEAN)"
    )
    if wanted.untagged:
        inventory.execute("INSERT INTO shown SELECT repository, NULL, digest, pushed, false FROM untagged")
    elif wanted.images:
        inventory.execute(
            f"""
            INSERT INTO shown
            SELECT repository, tag, digest, coalesce(max(entry.modified), max(tags.modified)), false
            FROM tags SEMI JOIN chosen USING (repository) LEFT JOIN tag_entries entry USING (repository, tag, digest)
            SEMI JOIN ({to_read(wanted)}) USING (repository, digest)
            WHERE {f"tag = '{wanted.name.tag}'" if wanted.name and wanted.name.tag else "true"}
            GROUP BY repository, tag, digest
            """  # noqa: S608 - see to_read
        )
    if wanted.name and wanted.name.digest:
        inventory.execute(
            f"""
            INSERT INTO shown
            SELECT repository, NULL, digest, max(modified), false FROM (
                SELECT repository, digest, modified FROM revisions
                UNION ALL SELECT repository, digest, modified FROM tag_entries
                UNION ALL SELECT repository, digest, modified FROM layer_links SEMI JOIN manifests USING (digest)
            ) SEMI JOIN ({to_read(wanted)}) USING (repository, digest)
            ANTI JOIN shown USING (repository, digest) GROUP BY ALL
            """  # noqa: S608 - see to_read
        )
    if wanted.history:
        inventory.execute(
            """
            INSERT INTO shown
            SELECT repository, tag, entry.digest, max(entry.modified), true
            FROM tag_entries entry JOIN (FROM shown WHERE NOT earlier) current USING (repository, tag)
            WHERE entry.digest <> current.digest GROUP BY ALL
            """
        )


def choose_below(inventory: Inventory, wanted: Wanted) -> None:
    """Fill `below`, and find all images whose configurations are to be read."""
    shown = "SELECT repository, digest FROM shown"
    find_images(inventory, shown)
    inventory.execute(
        f"""
        CREATE TABLE below AS SELECT repository, digest, manifest FROM image_manifests
        WHERE manifest <> digest AND {wanted.one_image}
        """  # noqa: S608 - a boolean
    )
    find_images(inventory, f"{shown} UNION ALL SELECT repository, manifest FROM below")  # noqa: S608 - this module's words
