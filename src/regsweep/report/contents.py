"""What is known of the repositories and images that `regsweep ls` shows; that alone is in Python's memory."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, cast

import msgspec

from regsweep.inventory.database import Inventory
from regsweep.inventory.images import describe_images
from regsweep.inventory.reading import BELOW, LINKED
from regsweep.registry import layout
from regsweep.registry.digest import Digest
from regsweep.registry.layout import Kind
from regsweep.registry.manifest import Role
from regsweep.report.listing import DAMAGED, MISSING, Damage, Image, Layer, Repository
from regsweep.report.wanted import Wanted
from regsweep.retention.versions import ORDER

_LATEST_FIRST: Final = f"pushed DESC NULLS LAST, {ORDER.format('tag')} DESC, tag DESC, digest"
"""Of equal times the greater version first: what retention rules take for the later push."""

_Id = tuple[int, bytes]
"""Of an image: its repository and its digest."""


def contents(inventory: Inventory, wanted: Wanted) -> list[Repository]:
    """Tell what was chosen, once the configurations were read."""
    images = _images(inventory, wanted) if wanted.images else {}
    damage = _damage(inventory)
    query = """
        SELECT chosen.repository, name,
            (SELECT count(*) FROM tags WHERE tags.repository = chosen.repository),
            (SELECT count(*) FROM revisions WHERE revisions.repository = chosen.repository),
            (SELECT count(*) FROM untagged WHERE untagged.repository = chosen.repository),
            (SELECT max(modified) FROM (
                SELECT repository, modified FROM tag_entries UNION ALL SELECT repository, modified FROM tags
                UNION ALL SELECT repository, modified FROM revisions
            ) pushes WHERE pushes.repository = chosen.repository)
        FROM chosen JOIN repositories ON id = chosen.repository ORDER BY name
    """
    return [
        Repository(
            name=name,
            tags=tags,
            revisions=revisions,
            untagged=None if wanted.one_image else untagged,
            pushed=_utc(pushed),
            images=[*images.get(number, ()), *_damaged_tags(damage[number], wanted)] if wanted.images else None,
            damage=damage[number],
        )
        for number, name, tags, revisions, untagged, pushed in cast(
            "Iterator[tuple[int, str, int, int, int, datetime | None]]", inventory.rows(query)
        )
    ]


def _images(inventory: Inventory, wanted: Wanted) -> dict[int, list[Image]]:
    """What is shown of each repository, in order."""
    known = _details(inventory, wanted)
    below: defaultdict[_Id, list[Image]] = defaultdict(list)
    for repository, digest, manifest in cast("Iterator[tuple[int, bytes, bytes]]", inventory.rows("FROM below")):
        below[repository, digest].append(known[repository, manifest])
    earlier: defaultdict[tuple[int, str], list[Image]] = defaultdict(list)
    found: defaultdict[int, list[Image]] = defaultdict(list)
    rows = inventory.rows(
        f"SELECT repository, tag, digest, pushed, earlier FROM shown ORDER BY earlier DESC, {_LATEST_FIRST}"  # noqa: S608 - words of this package
    )
    for repository, tag, digest, pushed, before in cast(
        "Iterator[tuple[int, str, bytes, datetime | None, bool]]", rows
    ):
        image = msgspec.structs.replace(known[repository, digest], tag=tag, pushed=_utc(pushed))
        if before:
            earlier[repository, tag].append(image)
            continue
        if children := below.get((repository, digest)):
            children.sort(key=lambda one: (one.kind, one.platforms, one.digest))
            image = msgspec.structs.replace(image, manifests=children, layers=None)
        if wanted.history and tag:
            image = msgspec.structs.replace(image, history=earlier.get((repository, tag), []))
        found[repository].append(image)
    return found


def _details(inventory: Inventory, wanted: Wanted) -> dict[_Id, Image]:
    """All that is known of each image, wherever it is shown."""
    describe_images(inventory)
    layers = _layers(inventory) if wanted.layers else None
    query = f"""
        SELECT images.repository, images.digest, kind, problem, bytes, created, platforms,
            own.manifest IS NOT NULL, linked.digest IS NOT NULL
        FROM images
        LEFT JOIN (FROM image_manifests WHERE manifest = digest) own USING (repository, digest)
        LEFT JOIN (SELECT DISTINCT repository, digest FROM {LINKED}) linked USING (repository, digest)
        LEFT JOIN manifests USING (digest)
        LEFT JOIN (
            SELECT image_manifests.repository, image_manifests.digest,
                list(DISTINCT concat_ws('/', os, nullif(architecture, ''), nullif(variant, ''))) AS platforms
            FROM image_manifests
            JOIN manifest_references reference USING (manifest) JOIN configs ON configs.digest = reference.digest
            WHERE "role" = {int(Role.CONFIG)} AND coalesce(os, '') NOT IN ('', 'unknown') GROUP BY ALL
        ) USING (repository, digest)
    """  # noqa: S608 - words of this package alone
    found: dict[_Id, Image] = {}
    for repository, digest, kind, problem, size, created, platforms, served, linked in cast(
        "Iterator[tuple[int, bytes, str | None, str | None, int, datetime | None, list[str] | None, bool, bool]]",
        inventory.rows(query),
    ):
        if not served:
            reason = "is not in the storage" if linked else "is not linked in this repository"
            kind, problem = MISSING, f"its manifest {reason}"  # noqa: PLW2901 - what stands there is of other repositories
        found[repository, digest] = Image(
            tag=None,
            digest=str(Digest(digest)),
            kind=DAMAGED if kind is None else kind,
            platforms=sorted(platforms or ()),
            bytes=size if served else None,
            pushed=None,
            created=_utc(created),
            problem=problem,
            layers=layers[repository, digest] if layers is not None else None,
        )
    return found


def _layers(inventory: Inventory) -> defaultdict[_Id, list[Layer]]:
    query = f"""
        WITH parts AS (
            SELECT image_manifests.repository, image_manifests.digest, reference.digest AS layer, max(bytes) AS claimed
            FROM image_manifests JOIN manifest_references reference USING (manifest)
            LEFT JOIN manifests ON manifests.digest = reference.digest
            LEFT JOIN (SELECT DISTINCT repository, digest FROM layer_links) linked
                ON linked.repository = image_manifests.repository AND linked.digest = reference.digest
            -- BuildKit's cache lists layers where an index has its children.
            WHERE "role" = {int(Role.LAYER)}
                OR ("role" IN ({BELOW}) AND linked.digest IS NOT NULL AND manifests.digest IS NULL)
            GROUP BY ALL
        ), shared AS (
            SELECT digest, count(DISTINCT repository) AS repositories FROM layer_links
            SEMI JOIN parts ON layer = layer_links.digest GROUP BY ALL
        )
        SELECT repository, parts.digest, layer, nullif(claimed, -1), coalesce(repositories, 0)
        FROM parts LEFT JOIN shared ON shared.digest = layer ORDER BY claimed DESC, layer
    """  # noqa: S608 - words of this package alone
    known: dict[Layer, Layer] = {}
    found: defaultdict[_Id, list[Layer]] = defaultdict(list)
    for repository, digest, layer, claimed, repositories in cast(
        "Iterator[tuple[int, bytes, bytes, int | None, int]]", inventory.rows(query)
    ):
        one = Layer(digest=str(Digest(layer)), bytes=claimed, repositories=repositories)
        # Neighbouring images have most layers in common.
        found[repository, digest].append(known.setdefault(one, one))
    return found


def _damage(inventory: Inventory) -> defaultdict[int, list[Damage]]:
    found: defaultdict[int, list[Damage]] = defaultdict(list)
    rows = inventory.rows(
        "SELECT repository, key, problem FROM damage SEMI JOIN chosen USING (repository) ORDER BY ALL"
    )
    for repository, key, problem in cast("Iterator[tuple[int, str, str]]", rows):
        found[repository].append(Damage(key=key, problem=problem))
    return found


def _damaged_tags(damage: list[Damage], wanted: Wanted) -> Iterator[Image]:
    """The tags that stand nowhere, for their links are damaged."""
    for one in damage:
        key = layout.parse(one.key)
        if key is None or key.kind is not Kind.TAG or wanted.untagged or (wanted.name and wanted.name.digest):
            continue
        if wanted.name is None or wanted.name.tag in ("", key.tag):
            yield Image(
                tag=key.tag,
                digest=None,
                kind=DAMAGED,
                platforms=[],
                bytes=None,
                pushed=None,
                created=None,
                problem=one.problem,
            )


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None
