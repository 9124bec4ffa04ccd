"""Problems of links and of blobs as such, and what is worth a note."""

from typing import Final

import nanoarrow as na

from regsweep.inventory.checks_kinds import Code, broken, broken_tags, problem
from regsweep.inventory.checks_lacking import DANGLING
from regsweep.inventory.database import Inventory
from regsweep.inventory.written import blob_key, link_key, text
from regsweep.registry import layout
from regsweep.registry.manifest import Role

_CHILD: Final = int(Role.CHILD)
_PARTS: Final = f"{_CHILD}, {int(Role.CONFIG)}, {int(Role.LAYER)}"
"""The roles of what a manifest needs to be whole."""


def tell_links(inventory: Inventory) -> None:
    """Tell which links do not hold what they should, and which tags lead nowhere."""
    _take_apart(inventory)
    problem(
        inventory,
        Code.DAMAGED_LINK,
        "SELECT repository, key, min(problem), NULL, 1 FROM damage GROUP BY repository, key",
    )
    broken(
        inventory,
        Code.DAMAGED_LINK,
        f"""
        SELECT repository, key, unhex(digest) FROM damaged_links WHERE kind = '{layout.Kind.REVISION}'
        UNION ALL
        SELECT link.repository, link.key, pullable.digest
        FROM damaged_links link JOIN pullable USING (repository)
        JOIN manifest_references reference ON reference.manifest = pullable.digest
            AND "role" IN ({_PARTS}) AND lower(hex(reference.digest)) = link.digest
        LEFT JOIN revisions ON revisions.repository = link.repository AND revisions.digest = reference.digest
        WHERE link.kind = '{layout.Kind.LAYER_LINK}' AND ("role" <> {_CHILD} OR revisions.digest IS NULL)
        UNION ALL
        SELECT repository, key, revisions.digest FROM damaged_links JOIN revisions USING (repository)
        WHERE kind = 'repository'
        """,  # noqa: S608 - words of this package alone
    )
    broken_tags(
        inventory,
        Code.DAMAGED_LINK,
        f"SELECT repository, key, tag FROM damaged_links WHERE kind = '{layout.Kind.TAG}'",  # noqa: S608 - as above
    )
    # A tag without a `current/link` is still listed, for its directory is there.
    dangling = f"""
        SELECT repository, key, tag, digest FROM (
            SELECT repository, name, tag, digest,
                'repositories/' || name || '/_manifests/tags/' || tag || '/current/link' AS key
            FROM (
                {DANGLING}
                UNION
                SELECT DISTINCT repository, tag, NULL FROM tag_entries ANTI JOIN tags USING (repository, tag)
            ) JOIN repositories ON repositories.id = repository
        ) found ANTI JOIN damage USING (key)
        ANTI JOIN present ON present.key = {link_key("name", "_manifests/revisions", "digest")}
    """  # noqa: S608 - words of this package alone
    problem(
        inventory,
        Code.DANGLING_TAG,
        f"""
        SELECT repository, key, coalesce(
            'stands at ' || min({text("digest")}) || ', which the repository does not link',
            'has a history, and no link that says where it stands'
        ), NULL, 1 FROM ({dangling}) GROUP BY repository, key
        """,  # noqa: S608 - words of this module alone
    )
    broken_tags(inventory, Code.DANGLING_TAG, f"SELECT repository, key, tag FROM ({dangling})")  # noqa: S608 - as above


def _take_apart(inventory: Inventory) -> None:
    """Fill the table `damaged_links` with what the keys of damaged links are about."""
    columns = {"repository": na.int32(), **dict.fromkeys(("key", "kind", "tag", "digest"), na.string())}
    inventory.execute(
        "CREATE TABLE damaged_links (repository INTEGER, key VARCHAR, kind VARCHAR, tag VARCHAR, digest VARCHAR)"
    )
    for batch in inventory.batches("SELECT DISTINCT repository, key FROM damage WHERE repository IS NOT NULL"):
        rows: list[tuple[object, ...]] = []
        for repository, key in batch:
            found = layout.parse(str(key))
            if found is None:
                # The repository itself: no client can name it.
                rows.append((repository, key, "repository", None, None))
            else:
                digest = found.digest.hex if found.digest else None
                rows.append((repository, key, str(found.kind), found.tag, digest))
        inventory.load("damaged_links", columns, list(zip(*rows, strict=True)))


def tell_content(inventory: Inventory) -> None:
    """Tell what does not hash to its digest: for each repository that links it, or for none."""
    wrong = f"""
        CREATE TABLE wrong_content AS
        SELECT links.repository, {blob_key("unhex(wrong.digest)")} AS key, wrong.digest, wrong.actual, links.name
        FROM hashed_otherwise wrong LEFT JOIN (
            SELECT repository, target, digest AS name FROM layer_links
            UNION ALL SELECT repository, digest, digest FROM revisions
        ) links ON links.target = unhex(wrong.digest)
        ANTI JOIN damaged_manifests damaged
            ON damaged.repository = links.repository AND damaged.digest = unhex(wrong.digest)
    """  # noqa: S608 - words of this module alone
    inventory.execute(wrong)
    problem(
        inventory,
        Code.WRONG_CONTENT,
        """
        SELECT repository, key, 'its content hashes to ' || min(actual) || ', not to its digest', max(blobs.bytes), 1
        FROM wrong_content LEFT JOIN blobs ON blobs.digest = unhex(wrong_content.digest) GROUP BY repository, key
        """,
    )
    broken(
        inventory,
        Code.WRONG_CONTENT,
        f"""
        SELECT wrong.repository, wrong.key, pullable.digest FROM wrong_content wrong JOIN pullable
            ON pullable.repository = wrong.repository AND pullable.digest = unhex(wrong.digest)
        UNION ALL
        SELECT wrong.repository, wrong.key, pullable.digest FROM wrong_content wrong
        JOIN pullable ON pullable.repository = wrong.repository
        JOIN manifest_references reference ON reference.manifest = pullable.digest
            AND "role" IN ({_PARTS}) AND reference.digest = wrong.name
        """,  # noqa: S608 - numbers of this package alone
    )


def tell_notes(inventory: Inventory) -> None:
    """Tell of links that do no harm, and of repositories of which nothing is deleted."""
    problem(
        inventory,
        Code.DANGLING_LINK,
        f"""
        SELECT links.repository, min({link_key("name", "_layers", "links.digest")}),
            'leads to a blob that is not in the storage, and nothing needs it', NULL, count(*)
        FROM layer_links links JOIN repositories ON repositories.id = links.repository
        ANTI JOIN blobs ON blobs.digest = links.target
        ANTI JOIN present ON present.key = {blob_key("links.target")}
        ANTI JOIN lacking ON lacking.repository = links.repository AND lacking.digest = links.digest
        ANTI JOIN damaged_links damaged ON damaged.repository = links.repository
            AND damaged.digest = lower(hex(links.digest))
        GROUP BY links.repository
        """,  # noqa: S608 - words of this package alone
    )
    problem(
        inventory,
        Code.FROZEN,
        """
        SELECT frozen.repository, 'repositories/' || name || '/',
            'regsweep deletes nothing of it, for ' || concat_ws(' and ',
                CASE links WHEN 0 THEN NULL WHEN 1 THEN 'a link' ELSE format('{:,} links', links) END,
                CASE manifests WHEN 0 THEN NULL WHEN 1 THEN 'a manifest' ELSE format('{:,} manifests', manifests) END
            ) || CASE links + manifests WHEN 1 THEN ' is damaged' ELSE ' are damaged' END,
            NULL, 1
        FROM frozen JOIN repositories ON repositories.id = frozen.repository
        JOIN (
            SELECT frozen.repository, (
                SELECT count(DISTINCT key) FROM damage WHERE damage.repository = frozen.repository
            ) AS links, (
                SELECT count(DISTINCT digest) FROM damaged_manifests damaged
                WHERE damaged.repository = frozen.repository
            ) AS manifests FROM frozen
        ) counted USING (repository)
        """,
    )
