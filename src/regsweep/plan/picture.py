"""What a plan looks like to people: the bounded figures that the page draws. docs/report.md describes them."""

from collections import Counter
from datetime import date, datetime
from typing import Final, NamedTuple

import msgspec

from regsweep.inventory.database import Inventory
from regsweep.inventory.written import text
from regsweep.plan.kinds import PARTS, VERSION
from regsweep.plan.summary import Totals
from regsweep.registry.layout import Kind
from regsweep.registry.manifest import Role

LARGEST: Final = 25
OWNERS: Final = 5
MONTHS: Final = 120
AGES: Final = (7, 30, 90, 365, 730)
"""In days; what is condemned is counted between them."""
TAGS: Final = 50_000
"""How many tags a picture shows at most, about: a page of more would be too large to send."""
SHOWN: Final = (50, 30, 20, 15, 10, 7, 5, 3, 2, 1)
"""How many it may show of one repository."""
PLACES: Final = ("tagged", "shared", "untagged", "orphaned", "uploads", "parts", "versions")
SHORT: Final = 12
"""Hex digits of a shortened digest."""
_SUBJECT: Final = int(Role.SUBJECT)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what is stored; the parts add up to all of it."""

    name: str
    """One of `PLACES`."""
    bytes: int
    freed: int


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """The blobs that were written in a month, each counted once; what is older than all stands in the first."""

    month: date
    """Its first day."""
    kept: int
    condemned: int


class Age(msgspec.Struct, frozen=True, kw_only=True):
    """The condemned blobs of an age."""

    days: int | None
    """They are younger than this, and not younger than the ones before; `None` for the oldest."""
    count: int
    bytes: int


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One of the largest blobs."""

    digest: str
    bytes: int
    modified: date
    reason: str
    """Why it goes; empty if it stays."""
    owners: int
    """How many repositories link it."""
    repositories: list[str]
    """Some of them."""


class Tag(msgspec.Struct, frozen=True, array_like=True):
    """A tag, as an array: there are many."""

    name: str
    digest: str
    """The first hex digits of where it stands."""
    pushed: date
    goes: bool
    reason: str
    """Why it goes or, by a policy, stays."""


class Tagged(msgspec.Struct, frozen=True, kw_only=True):
    """The tags of one repository: as many of those that stay as of those that go, the latest of each."""

    repository: str
    pushed: date
    """The last time."""
    tags: list[Tag]


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What a page shows beyond what stands in a report."""

    where: list[Place]
    months: list[Month]
    ages: list[Age]
    largest: list[Layer]
    tagged: list[Tagged]


def lead(inventory: Inventory) -> None:
    """Fill `led`, for `picture` to drop: each digest that a tag leads to, kept or not, some of them more than once.

    By digest alone: a blob that one repository links has its tag there, and one that several link is shared anyway.
    """
    inventory.execute(
        f"""
        CREATE TABLE led_from AS
        SELECT manifest AS source, digest AS target FROM manifest_references
        SEMI JOIN manifests USING (digest) WHERE role <> {_SUBJECT}
        UNION ALL
        SELECT digest, manifest FROM manifest_references WHERE role = {_SUBJECT}
        """  # noqa: S608 - a number of this package
    )
    inventory.execute(
        """
        CREATE TABLE led AS
        WITH RECURSIVE below AS (
            SELECT DISTINCT digest FROM tags
            UNION
            SELECT target FROM below JOIN led_from ON source = below.digest
        )
        FROM below
        """
    )
    # A statement of its own: in one with the recursion it takes twice as long.
    inventory.execute(
        f"""
        INSERT INTO led
        SELECT digest FROM manifest_references SEMI JOIN led ON led.digest = manifest WHERE role <> {_SUBJECT}
        """  # noqa: S608 - as above
    )
    inventory.execute("DROP TABLE led_from")


def picture(inventory: Inventory, totals: Totals, *, judged: bool, now: datetime) -> Picture:
    """Work out the figures of an inventory of which it is decided what goes; `judged` says whether by a policy."""
    weighed = _weigh(inventory, now)
    return Picture(
        where=_where(weighed, totals),
        months=_months(weighed),
        ages=_ages(weighed),
        largest=_largest(inventory),
        tagged=_tagged(inventory, totals, judged=judged),
    )


class _Weighed(NamedTuple):
    """How many blobs, and their bytes, that are alike in all else."""

    month: date
    place: str
    age: int
    """Where in `AGES` they are, or behind all of them."""
    goes: bool
    blobs: int
    bytes: int


def _weigh(inventory: Inventory, now: datetime) -> list[_Weighed]:
    rows = inventory.rows(
        f"""
        SELECT greatest(least(date_trunc('month', written), $last), $last - to_months($months))::DATE AS month,
            CASE WHEN owners > 1 THEN 'shared' WHEN owners = 0 THEN 'orphaned'
                WHEN digest IN (SELECT digest FROM led) THEN 'tagged' ELSE 'untagged' END AS place,
            {" + ".join(f"(written <= $now - to_days({days}))::TINYINT" for days in AGES)} AS age,
            goes, count(*), sum(bytes)::BIGINT
        FROM (SELECT *, coalesce(modified, 'epoch'::TIMESTAMP) AS written FROM shares)
        GROUP BY ALL
        """,  # noqa: S608 - words and numbers of this package alone
        {
            "now": now.replace(tzinfo=None),
            "last": datetime(now.year, now.month, 1),  # noqa: DTZ001 - as in the tables, UTC without saying so
            "months": MONTHS - 1,
        },
    )
    weighed = msgspec.convert(list(rows), list[_Weighed])
    inventory.execute("DROP TABLE shares; DROP TABLE led")
    return weighed


def _where(weighed: list[_Weighed], totals: Totals) -> list[Place]:
    stored: Counter[str] = Counter()
    freed: Counter[str] = Counter()
    for one in weighed:
        stored[one.place] += one.bytes
        freed[one.place] += one.bytes * one.goes
    for name, kind in (("uploads", str(Kind.UPLOAD)), ("parts", PARTS), ("versions", VERSION)):
        for bytes_of, amounts in ((stored, totals.before), (freed, totals.condemned)):
            bytes_of[name] = amounts[kind].bytes if kind in amounts else 0
    return [Place(name=name, bytes=stored[name], freed=freed[name]) for name in PLACES]


def _months(weighed: list[_Weighed]) -> list[Month]:
    kept: Counter[date] = Counter()
    condemned: Counter[date] = Counter()
    for one in weighed:
        (condemned if one.goes else kept)[one.month] += one.bytes
    return [Month(month=at, kept=kept[at], condemned=condemned[at]) for at in sorted({*kept, *condemned})]


def _ages(weighed: list[_Weighed]) -> list[Age]:
    counts: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    for one in weighed:
        if one.goes:
            counts[one.age] += one.blobs
            sizes[one.age] += one.bytes
    return [Age(days=days, count=counts[at], bytes=sizes[at]) for at, days in enumerate((*AGES, None))]


def _largest(inventory: Inventory) -> list[Layer]:
    return [
        msgspec.convert(dict(zip(Layer.__struct_fields__, row, strict=True)), Layer)
        for row in inventory.rows(
            f"""
            SELECT {text("digest")}, large.bytes, coalesce(large.modified, 'epoch'::TIMESTAMP)::DATE,
                coalesce(any_value(gone.reason), ''), count(name),
                coalesce(list_sort(list(name) FILTER (name IS NOT NULL))[:{OWNERS}], [])
            FROM (FROM blobs ORDER BY bytes DESC, digest LIMIT {LARGEST}) large
            LEFT JOIN (FROM condemned WHERE kind = '{Kind.BLOB}') gone USING (digest)
            LEFT JOIN linked USING (digest) LEFT JOIN repositories ON repositories.id = linked.repository
            GROUP BY digest, large.bytes, large.modified ORDER BY large.bytes DESC, digest
            """  # noqa: S608 - numbers of this module
        )
    ]


def _tagged(inventory: Inventory, totals: Totals, *, judged: bool) -> list[Tagged]:
    why = "SELECT repository, tag, arg_min(why, place) AS why FROM verdict_reasons GROUP BY ALL"
    nothing = "SELECT NULL::INTEGER AS repository, NULL::VARCHAR AS tag, NULL::VARCHAR AS why WHERE false"
    rows = inventory.rows(
        f"""
        WITH told AS (
            SELECT tags.repository, tags.tag, lower(hex(tags.digest))[:{SHORT}] AS digest,
                coalesce(entry.modified, tags.modified) AS modified,
                gone.tag IS NOT NULL AS goes, coalesce(gone.reason, kept.why, '') AS reason
            FROM tags
            LEFT JOIN tag_entries entry ON entry.repository = tags.repository AND entry.tag = tags.tag
                AND entry.digest = tags.digest
            LEFT JOIN (FROM condemned WHERE kind = '{Kind.TAG}') gone
                ON gone.repository = tags.repository AND gone.tag = tags.tag
            LEFT JOIN ({why if judged else nothing}) kept
                ON kept.repository = tags.repository AND kept.tag = tags.tag
        ), chosen AS (
            FROM (
                SELECT *, row_number() OVER (PARTITION BY repository, goes ORDER BY modified DESC, tag) AS place
                FROM told
            ) QUALIFY row_number() OVER (PARTITION BY repository ORDER BY place, goes) <= {_shown(inventory, totals)}
        )
        SELECT name, greatest(any_value(pushed.modified), max(chosen.modified))::DATE,
            list([tag, digest, coalesce(chosen.modified, 'epoch'::TIMESTAMP)::DATE::VARCHAR, goes::VARCHAR, reason]
                ORDER BY chosen.modified DESC, tag)
        FROM chosen JOIN repositories ON repositories.id = chosen.repository
        LEFT JOIN (SELECT repository, max(modified) AS modified FROM revisions GROUP BY repository) pushed
            ON pushed.repository = chosen.repository
        GROUP BY name ORDER BY name
        """  # noqa: S608 - words and numbers of this package alone
    )
    return [
        Tagged(repository=str(name), pushed=_date(pushed), tags=[_tag(*tag) for tag in msgspec.convert(tags, _Texts)])
        for name, pushed, tags in rows
    ]


_Texts = list[tuple[str, str, str, str, str]]


def _tag(name: str, digest: str, pushed: str, goes: str, reason: str) -> Tag:
    return Tag(name, digest, date.fromisoformat(pushed), goes == "true", reason)


def _shown(inventory: Inventory, totals: Totals) -> int:
    """How many tags of a repository are shown, so that there are not too many in all."""
    if totals.before[Kind.TAG].count <= TAGS:
        return SHOWN[0]
    for shown in SHOWN:
        (all_of_them,) = inventory.row(
            "SELECT sum(least(tags, $shown))::BIGINT FROM repository_summary", {"shown": shown}
        )
        if _int(all_of_them) <= TAGS:
            return shown
    return SHOWN[-1]


def _int(value: object) -> int:
    return msgspec.convert(value, int)


def _date(value: object) -> date:
    return msgspec.convert(value, date)
