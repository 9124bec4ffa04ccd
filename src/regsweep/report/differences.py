"""What differs between two inventories as one document, the source of every rendering. docs/diff.md describes it."""

from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast

import msgspec

from regsweep.inventory.database import Inventory
from regsweep.inventory.differences import COUNTED, Facts
from regsweep.report.cells import table

VERSION: Final = 1
LARGEST: Final = 10

_CSV: Final = ("row", "change", "repository", "name", "before", "after")
_TOTALS: Final = """
    SELECT 'repositories', (SELECT count(*) FROM older_repositories), (SELECT count(*) FROM newer_repositories),
        count(*) FILTER (came), count(*) FILTER (went) FROM repository_changes
    UNION ALL
    SELECT 'tags', (SELECT count(*) FROM older_tags), (SELECT count(*) FROM newer_tags),
        count(*) FILTER (before IS NULL), count(*) FILTER (after IS NULL) FROM tag_changes
    UNION ALL
    SELECT 'revisions', (SELECT count(*) FROM older_revisions), (SELECT count(*) FROM newer_revisions), came, went
    FROM revision_changes
    UNION ALL
    SELECT 'blobs', (SELECT count(*) FROM older_blobs), (SELECT count(*) FROM newer_blobs),
        count(*) FILTER (before IS NULL), count(*) FILTER (after IS NULL) FROM blob_changes
    UNION ALL
    SELECT 'bytes', (SELECT coalesce(sum(bytes), 0)::BIGINT FROM older_blobs),
        (SELECT coalesce(sum(bytes), 0)::BIGINT FROM newer_blobs),
        coalesce(sum(after) FILTER (before IS NULL), 0)::BIGINT,
        coalesce(sum(before) FILTER (after IS NULL), 0)::BIGINT FROM blob_changes
"""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two inventories."""

    file: str
    store: str
    scanned: datetime
    options: dict[str, Any]
    """Of the run that kept it, which may have been another version's."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A number, then and now."""

    before: int
    after: int
    difference: int


class Turnover(Change, frozen=True, kw_only=True):
    """A number of things, then and now, and how many are only in one of the two."""

    came: int
    went: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What there was, and is."""

    repositories: Turnover
    tags: Turnover
    tags_moved: int
    """Tags that are in both and stand at another digest."""
    revisions: Turnover
    blobs: Turnover
    bytes: Turnover
    """Of the blobs, each once."""
    blobs_resized: int
    """Blobs that are in both and are of another size, for one of the two is damaged."""


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository of which a number changed. Bytes count each of its blobs once."""

    name: str
    change: Literal["came", "went", "changed"]
    tags: Change
    revisions: Change
    bytes: Change
    """Every blob that it links."""
    exclusive_bytes: Change
    """Those that no other repository links."""


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that is not where it was."""

    repository: str
    tag: str
    change: Literal["came", "went", "moved"]
    before: str | None
    """The digest; null where there was no such tag."""
    after: str | None


class Blob(msgspec.Struct, frozen=True, kw_only=True):
    """A blob that is in one of the two alone."""

    digest: str
    bytes: int
    repositories: list[str]
    """Who links it, where it is, up to three of them."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Damage, or what comes of it, that is in one of the two alone."""

    change: Literal["new", "gone"]
    code: str
    repository: str | None
    key: str | None
    message: str
    count: int
    """How many keys it stands for, where `key` is only the first."""


class Differences(msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag="regsweep-diff"):
    """What came, went and grew from one inventory to another."""

    version: int
    regsweep: str
    older: Side
    newer: Side
    options_changed: list[str]
    """The options in which the two runs differ."""
    totals: Totals
    repositories: list[Repository]
    """The one that grew most comes first, the one that shrank most last."""
    tags: list[Tag]
    """By repository and tag."""
    largest_came: list[Blob]
    largest_went: list[Blob]
    findings: list[Finding]


_Row = TypeVar("_Row", bound=msgspec.Struct)


def differences(
    inventory: Inventory, files: tuple[Path, Path], facts: tuple[Facts, Facts], *, tags: int | None
) -> Differences:
    """Put the document together, once the tables of what differs are filled; `tags` limits the tags of each change."""
    (older, newer), (was, now) = files, facts
    names = sorted(was.options.keys() | now.options.keys())
    return Differences(
        version=VERSION,
        regsweep=version("regsweep"),
        older=Side(file=str(older), store=was.store, scanned=was.scanned, options=was.options),
        newer=Side(file=str(newer), store=now.store, scanned=now.scanned, options=now.options),
        options_changed=[name for name in names if was.options.get(name) != now.options.get(name)],
        totals=_totals(inventory),
        repositories=list(_repositories(inventory)),
        tags=list(_tags(inventory, tags)),
        largest_came=list(_largest(inventory, "newer")),
        largest_went=list(_largest(inventory, "older")),
        findings=list(_findings(inventory)),
    )


def as_json(document: Differences) -> str:
    """Render as JSON, indented for people."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def as_csv(document: Differences) -> str:
    """Render as CSV, a row for each number that changed, each tag, each of the largest blobs and each finding.

    The totals are there whether they changed or not.
    """
    return table(_CSV, _rows(document))


def _rows(document: Differences) -> Iterator[tuple[object, ...]]:
    totals = document.totals
    for name in ("repositories", "tags", "revisions", "blobs", "bytes"):
        number: Turnover = getattr(totals, name)
        yield "total", "", None, name, number.before, number.after
        yield "total", "came", None, name, None, number.came
        yield "total", "went", None, name, number.went, None
    for one in document.repositories:
        for name in COUNTED:
            change: Change = getattr(one, name)
            if one.change != "changed" or change.difference:
                yield "repository", one.change, one.name, name, change.before, change.after
    for tag in document.tags:
        yield "tag", tag.change, tag.repository, tag.tag, tag.before, tag.after
    for blob in document.largest_came:
        yield "blob", "came", " ".join(blob.repositories), blob.digest, None, blob.bytes
    for blob in document.largest_went:
        yield "blob", "went", " ".join(blob.repositories), blob.digest, blob.bytes, None
    for found in document.findings:
        told = ": ".join(filter(None, (found.key, found.message)))
        before, after = (None, told) if found.change == "new" else (told, None)
        yield "finding", found.change, found.repository, found.code, before, after


def _totals(inventory: Inventory) -> Totals:
    turnovers = {
        str(name): Turnover(came=came, went=went, **_change(before, after))
        for name, before, after, came, went in cast("Iterator[tuple[str, int, int, int, int]]", inventory.rows(_TOTALS))
    }
    (moved,) = inventory.row("SELECT count(*) FROM tag_changes WHERE before IS NOT NULL AND after IS NOT NULL")
    (resized,) = inventory.row("SELECT count(*) FROM blob_changes WHERE before IS NOT NULL AND after IS NOT NULL")
    return Totals(**turnovers, tags_moved=cast("int", moved), blobs_resized=cast("int", resized))


def _repositories(inventory: Inventory) -> Iterator[Repository]:
    columns = ", ".join(f"{name}_before, {name}_after" for name in COUNTED)
    growth = ", ".join(f"{name}_after - {name}_before DESC" for name in ("bytes", "exclusive_bytes", *COUNTED[:2]))
    query = f"""
        SELECT name, CASE WHEN came THEN 'came' WHEN went THEN 'went' ELSE 'changed' END, {columns}
        FROM repository_changes ORDER BY {growth}, name
    """  # noqa: S608 - names of this package
    for name, change, *numbers in inventory.rows(query):
        counted = cast("list[int]", numbers)
        pairs = zip(COUNTED, counted[::2], counted[1::2], strict=True)
        changes = {one: _change(before, after) for one, before, after in pairs}
        yield msgspec.convert({"name": name, "change": change, **changes}, Repository)


def _tags(inventory: Inventory, limit: int | None) -> Iterator[Tag]:
    query = """
        SELECT repository, tag, CASE WHEN before IS NULL THEN 'came' WHEN after IS NULL THEN 'went' ELSE 'moved' END,
            written(before), written(after)
        FROM tag_changes
        QUALIFY $limit IS NULL OR row_number() OVER (
            PARTITION BY before IS NULL, after IS NULL ORDER BY repository, tag
        ) <= $limit
        ORDER BY repository, tag
    """
    for row in inventory.rows(query, {"limit": limit}):
        yield _as(Tag, row)


def _largest(inventory: Inventory, side: Literal["older", "newer"]) -> Iterator[Blob]:
    """Tell of the blobs that are in one of the two alone the largest."""
    here, there = ("before", "after") if side == "older" else ("after", "before")
    query = f"""
        SELECT written(digest), size, coalesce(list_sort(list(repository) FILTER (repository IS NOT NULL))[:3], [])
        FROM (
            SELECT digest, {here} AS size FROM blob_changes WHERE {there} IS NULL
            ORDER BY size DESC, digest LIMIT {LARGEST}
        ) LEFT JOIN {side}_linked USING (digest)
        GROUP BY digest, size ORDER BY size DESC, digest
    """  # noqa: S608 - words of this module
    for row in inventory.rows(query):
        yield _as(Blob, row)


def _findings(inventory: Inventory) -> Iterator[Finding]:
    # Where a part of the storage is missing, there may be as many revisions without a manifest.
    query = """
        SELECT change, code, repository, min(key), message, count(*) FROM finding_changes
        GROUP BY change, code, repository, message, CASE WHEN code <> 'missing-manifest' THEN key END
        ORDER BY change DESC, code, repository, 4, message
    """
    for row in inventory.rows(query):
        yield _as(Finding, row)


def _change(before: int, after: int) -> dict[str, int]:
    return {"before": before, "after": after, "difference": after - before}


def _as(kind: type[_Row], row: tuple[object, ...]) -> _Row:
    return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=True)), kind)
