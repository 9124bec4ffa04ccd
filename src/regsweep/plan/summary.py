"""What a plan means, in numbers: the document that reports are made of. docs/plan-format.md describes it."""

from collections.abc import Iterator
from typing import Final

import msgspec

from regsweep.inventory import schema
from regsweep.inventory.database import Inventory
from regsweep.inventory.written import blob_key, text
from regsweep.plan.kinds import DIRECTORY, LINKS, TABLES, VERSION
from regsweep.registry.layout import LINK_BYTES, Kind
from regsweep.storage.ports import State

LARGEST: Final = 10


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """How many, and how many bytes; for links the bytes of the links themselves."""

    count: int
    bytes: int


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the blobs, each counted once: their bytes, and the bytes of those that go."""

    bytes: int
    freed: int


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bytes of the blobs are; the three add up to all of them. docs/sizes.md tells what each number means."""

    exclusive: Share
    """Of blobs that one repository links."""
    shared: Share
    """Of blobs that several link."""
    unlinked: Share
    """Of blobs that none does."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What there is, what goes and what stays. Each blob counts once, however many repositories link it."""

    repositories: int
    repositories_gone: int
    before: dict[str, Amount]
    condemned: dict[str, Amount]
    reasons: dict[str, dict[str, Amount]]
    """Of each kind, the condemned by their reason."""
    reachable_blobs: int
    """The blobs that something kept refers to; of the others those are kept that are young."""
    sizes: Sizes


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """One repository. Bytes count each of its blobs once."""

    name: str
    tags: int
    tags_condemned: int
    revisions: int
    revisions_condemned: int
    pushed_bytes: int
    """Every blob that it links."""
    exclusive_bytes: int
    """Those that no other repository links."""
    freed_bytes: int
    """Those of the exclusive that go."""
    frozen: bool
    """Nothing of it is deleted, for it cannot be fully understood; the findings say why."""
    gone: bool
    """Nothing of it is left; it leaves the catalog."""
    links: int
    """How many links it keeps."""
    fingerprint: str
    """Of the links it keeps; see fingerprint.py."""


class Blob(msgspec.Struct, frozen=True, kw_only=True):
    """A condemned blob."""

    digest: str
    bytes: int
    reason: str
    repositories: list[str]
    """Who links it, up to three of them."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something the administrator should know of."""

    code: str
    repository: str | None
    key: str | None
    message: str
    count: int = 1
    """How many keys it stands for, where `key` is only the first."""


_BYTES: Final[dict[str, str]] = {DIRECTORY: "0"} | {str(kind): str(LINK_BYTES) for kind in LINKS}
"""What one of a kind takes, where that is no column of its table."""


def totals(inventory: Inventory) -> Totals:
    """Count everything, before and condemned."""
    reasons: dict[str, dict[str, Amount]] = {}
    condemned: dict[str, Amount] = {}
    for kind, reason, count, size in inventory.rows(
        "SELECT kind, reason, count(*), sum(bytes)::BIGINT FROM condemned GROUP BY ALL ORDER BY min(step), reason"
    ):
        amount = Amount(count=_int(count), bytes=_int(size))
        reasons.setdefault(str(kind), {})[str(reason)] = amount
        so_far = condemned.get(str(kind), Amount(count=0, bytes=0))
        condemned[str(kind)] = Amount(count=so_far.count + amount.count, bytes=so_far.bytes + amount.bytes)
    all_of_them, gone, reachable = inventory.row(
        """
        SELECT count(*), count(*) FILTER (gone), (SELECT count(*) FROM blobs) - (SELECT count(*) FROM unmarked)
        FROM repository_summary
        """
    )
    return Totals(
        repositories=_int(all_of_them),
        repositories_gone=_int(gone),
        before=_before(inventory),
        condemned=condemned,
        reasons=reasons,
        reachable_blobs=_int(reachable),
        sizes=_sizes(inventory),
    )


def _before(inventory: Inventory) -> dict[str, Amount]:
    before = {str(kind): Amount(count=0, bytes=0) for kind in TABLES}
    queries = [
        f"SELECT '{kind}', count(*), coalesce(sum({_BYTES.get(kind, 'bytes')}), 0)::BIGINT FROM {table.name}"  # noqa: S608 - words of this package alone
        + (f" WHERE state <> '{State.CURRENT}'" if kind == VERSION else "")
        for kind, table in TABLES.items()
        if inventory.holds(table)
    ]
    for kind, count, size in inventory.rows(" UNION ALL ".join(queries)) if queries else ():
        before[str(kind)] = Amount(count=_int(count), bytes=_int(size))
    return before


def _sizes(inventory: Inventory) -> Sizes:
    found = {
        str(owners): Share(bytes=_int(size), freed=_int(freed))
        for owners, size, freed in inventory.rows("SELECT owners, bytes, freed FROM size_summary")
    }
    nothing = Share(bytes=0, freed=0)
    return Sizes(**{name: found.get(name, nothing) for name in Sizes.__struct_fields__})


def link(inventory: Inventory) -> None:
    """Fill `linked`, and `owners`, which `summarise` drops: of each digest how many repositories link it, and one."""
    inventory.execute(
        """
        CREATE TABLE linked AS
        SELECT repository, digest FROM revisions UNION SELECT repository, target FROM layer_links
        """
    )
    inventory.execute(
        "CREATE TABLE owners AS SELECT digest, min(repository) AS repository, count(*) AS owners FROM linked GROUP BY 1"
    )


def summarise(inventory: Inventory) -> None:
    """Fill the tables `repository_summary` and `size_summary`, from which `repositories` and `totals` read.

    There is `shares` too, for picture.py, which drops it: each blob's digest, bytes and time, how many repositories
    link it, one of these, and whether it goes.
    """
    inventory.execute(
        f"""
        CREATE TABLE shares AS
        SELECT digest, bytes, modified, coalesce(owners, 0) AS owners, repository,
            digest IN (SELECT digest FROM condemned WHERE kind = '{Kind.BLOB}') AS goes
        FROM blobs LEFT JOIN owners USING (digest);
        DROP TABLE owners
        """  # noqa: S608 - a name of this package
    )
    numbers = " UNION ALL ".join(_numbers(inventory))
    inventory.execute(
        f"""
        CREATE TABLE repository_summary AS
        SELECT id, name, {_total("tags")} AS tags, {_total("tags_condemned")} AS tags_condemned,
            {_total("revisions")} AS revisions, {_total("revisions_condemned")} AS revisions_condemned,
            {_total("exclusive")} + {_total("shared")} AS pushed_bytes, {_total("exclusive")} AS exclusive_bytes,
            {_total("freed")} AS freed_bytes, {_total("frozen")} > 0 AS frozen,
            {_total("frozen")} + {_total("rest")} + coalesce(any_value(links), 0) = 0 AS gone,
            coalesce(any_value(links), 0) AS links, coalesce(any_value(mark), '0') AS fingerprint
        FROM repositories
        LEFT JOIN ({numbers}) numbers ON numbers.repository = id LEFT JOIN kept_links ON kept_links.repository = id
        GROUP BY id, name
        """  # noqa: S608 - words of this module alone
    )
    inventory.execute(
        """
        CREATE TABLE size_summary AS
        SELECT CASE owners WHEN 0 THEN 'unlinked' WHEN 1 THEN 'exclusive' ELSE 'shared' END AS owners,
            sum(bytes)::BIGINT AS bytes, coalesce(sum(bytes) FILTER (goes), 0)::BIGINT AS freed
        FROM shares GROUP BY 1
        """
    )


def _total(what: str) -> str:
    return f"coalesce(sum(number) FILTER (what = '{what}'), 0)::BIGINT"


def _numbers(inventory: Inventory) -> list[str]:
    """Queries for what is counted of repositories, as repository, what, and number."""
    numbers = [
        "SELECT repository, 'tags' AS what, count(*) AS number FROM tags GROUP BY repository",
        "SELECT repository, 'revisions', count(*) FROM revisions GROUP BY repository",
        f"""
        SELECT repository, CASE kind WHEN '{Kind.TAG}' THEN 'tags_condemned' ELSE 'revisions_condemned' END, count(*)
        FROM condemned WHERE kind IN ('{Kind.TAG}', '{Kind.REVISION}') GROUP BY repository, kind
        """,  # noqa: S608 - names of this package alone
        "SELECT repository, 'exclusive', sum(bytes) FROM shares WHERE owners = 1 GROUP BY repository",
        "SELECT repository, 'freed', sum(bytes) FROM shares WHERE owners = 1 AND goes GROUP BY repository",
        """
        SELECT linked.repository, 'shared', sum(bytes)
        FROM linked JOIN (SELECT digest, bytes FROM shares WHERE owners > 1) USING (digest) GROUP BY linked.repository
        """,
        "SELECT repository, 'frozen', 1 FROM frozen",
    ]
    # Whatever else stands in a repository that is not condemned.
    rest = {
        schema.STRAYS: "FROM strays",
        schema.UPLOADS: f"""
            FROM uploads WHERE (repository, upload) NOT IN (
                SELECT (repository, split_part(split_part(key, '/_uploads/', 2), '/', 1)) FROM condemned
                WHERE kind = '{Kind.UPLOAD}'
            )
        """,  # noqa: S608 - a name of this package
        schema.DIRECTORIES: "FROM directories ANTI JOIN condemned USING (key)",
        schema.UNFINISHED: "FROM unfinished ANTI JOIN condemned USING (key, version)",
    }
    there = [query for table, query in rest.items() if inventory.holds(table)]
    return numbers + [f"SELECT DISTINCT repository, 'rest', 1 {query}" for query in there]


def repositories(inventory: Inventory) -> Iterator[Repository]:
    """Each repository, by name."""
    for row in inventory.rows("SELECT * EXCLUDE (id) FROM repository_summary ORDER BY name"):
        yield msgspec.convert(dict(zip(Repository.__struct_fields__, row, strict=True)), Repository)


def largest(inventory: Inventory) -> list[Blob]:
    """The largest condemned blobs."""
    return [
        msgspec.convert(dict(zip(Blob.__struct_fields__, row, strict=True)), Blob)
        for row in inventory.rows(
            f"""
            SELECT {text("digest")}, bytes, reason,
                coalesce(list_sort(list(name) FILTER (name IS NOT NULL))[:3], [])
            FROM (FROM condemned WHERE kind = '{Kind.BLOB}' ORDER BY bytes DESC, digest LIMIT {LARGEST})
            LEFT JOIN linked USING (digest) LEFT JOIN repositories ON repositories.id = linked.repository
            GROUP BY digest, bytes, reason ORDER BY bytes DESC, digest
            """  # noqa: S608 - names of this package alone
        )
    ]


def going(inventory: Inventory, most: int) -> list[tuple[str, str]]:
    """The first by name of the repositories that go whole, each with no tag, and of the tags that go of others."""
    return [
        (str(name), str(tag))
        for name, tag in inventory.rows(
            f"""
            SELECT name, '' AS tag FROM repository_summary WHERE gone
            UNION ALL
            SELECT name, tag FROM condemned JOIN (FROM repository_summary WHERE NOT gone) kept ON kept.id = repository
            WHERE kind = '{Kind.TAG}'
            ORDER BY name, tag LIMIT {most}
            """  # noqa: S608 - a name and a number of this package
        )
    ]


_FINDINGS_OF_ALL: Final = (
    f"""
    SELECT 'damaged-manifest' AS code, name, {blob_key("digest")} AS key, problem AS message, 1 AS count
    FROM damaged_manifests JOIN manifests USING (digest)
    JOIN repositories ON repositories.id = damaged_manifests.repository
    """,  # noqa: S608 - words of this package alone
    f"""
    SELECT 'missing-manifest', name, min({blob_key("digest")}),
        'a revision is linked whose manifest is not in the storage', count(*)
    FROM revisions ANTI JOIN manifests USING (digest)
    JOIN repositories ON repositories.id = revisions.repository GROUP BY name
    """,  # noqa: S608 - as above
    """
    SELECT code, name, CASE WHEN tag IS NULL THEN NULL ELSE name || ':' || tag END, message, 1
    FROM notes JOIN repositories ON repositories.id = notes.repository
    """,
)
_FINDINGS: Final = {
    schema.DAMAGE: """
        SELECT 'damaged-link', name, key, problem, 1
        FROM damage LEFT JOIN repositories ON repositories.id = damage.repository
    """,
    schema.STRAYS: """
        SELECT 'stray', name, min(key), 'not a key that a registry writes; left alone', count(*)
        FROM strays LEFT JOIN repositories ON repositories.id = strays.repository GROUP BY name
    """,
    schema.UNFINISHED: """
        SELECT 'unfinished-uploads', NULL, min(key),
            'an upload in parts that was never ended'
            || coalesce(', the oldest of ' || strftime(min(started) FILTER (started < current_date), '%Y-%m-%d'), '')
            || '; the parts take ' || format('{:,}', sum(bytes)::BIGINT) || ' bytes that no listing shows; '
            || '--uploads aborts those that are old enough', count(*)
        FROM unfinished HAVING count(*) > 0
    """,
    schema.VERSIONS: f"""
        SELECT 'noncurrent-versions', NULL, min(key),
            'what the storage keeps of what was overwritten or deleted takes '
            || format('{{:,}}', sum(bytes)::BIGINT) || ' bytes; --versions deletes it where the key goes or went',
            count(*)
        FROM versions WHERE state <> '{State.CURRENT}' HAVING count(*) > 0
    """,  # noqa: S608 - a name of this package
    schema.REMARKS: "SELECT code, NULL, NULL, text, 1 FROM remarks",
}
"""By the table that they are found in."""


def findings(inventory: Inventory) -> Iterator[Finding]:
    """What is damaged, frozen or strange."""
    queries = [query for table, query in _FINDINGS.items() if inventory.holds(table)]
    for row in inventory.rows(" UNION ALL ".join([*_FINDINGS_OF_ALL, *queries]) + " ORDER BY ALL"):
        code, repository, key, message, count = row
        yield Finding(
            code=str(code),
            repository=None if repository is None else str(repository),
            key=None if key is None else str(key),
            message=str(message),
            count=_int(count),
        )


def _int(value: object) -> int:
    return msgspec.convert(value, int)
