"""What a plan means, in numbers: the document that reports are made of. docs/plan-format.md describes it."""

from collections.abc import Iterator
from typing import Final

import msgspec

from regsweep.inventory.database import Inventory
from regsweep.inventory.written import blob_key, text
from regsweep.plan.kinds import DIRECTORY, PARTS, VERSION
from regsweep.registry.layout import Kind
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


_BEFORE: Final = {
    Kind.TAG: "SELECT count(*), count(*) * 71 FROM tags",
    Kind.TAG_ENTRY: "SELECT count(*), count(*) * 71 FROM tag_entries",
    Kind.SIGNATURE: "SELECT count(*), count(*) * 71 FROM signatures",
    Kind.REVISION: "SELECT count(*), count(*) * 71 FROM revisions",
    Kind.LAYER_LINK: "SELECT count(*), count(*) * 71 FROM layer_links",
    Kind.UPLOAD: "SELECT count(*), coalesce(sum(bytes), 0)::BIGINT FROM uploads",
    Kind.BLOB: "SELECT count(*), coalesce(sum(bytes), 0)::BIGINT FROM blobs",
    PARTS: "SELECT count(*), coalesce(sum(bytes), 0)::BIGINT FROM unfinished",
    VERSION: f"SELECT count(*), coalesce(sum(bytes), 0)::BIGINT FROM versions WHERE state <> '{State.CURRENT}'",  # noqa: S608 - a name
    DIRECTORY: "SELECT count(*), 0 FROM directories",
}


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
    before = {}
    for kind, query in _BEFORE.items():
        count, size = inventory.row(query)
        before[str(kind)] = Amount(count=_int(count), bytes=_int(size))
    all_of_them, gone = inventory.row("SELECT count(*), count(*) FILTER (gone) FROM repository_summary")
    return Totals(
        repositories=_int(all_of_them),
        repositories_gone=_int(gone),
        before=before,
        condemned=condemned,
        reasons=reasons,
        reachable_blobs=_int(inventory.row("SELECT count(*) FROM blobs SEMI JOIN marked USING (digest)")[0]),
        sizes=_sizes(inventory),
    )


def _sizes(inventory: Inventory) -> Sizes:
    found = {
        str(owners): Share(bytes=_int(size), freed=_int(freed))
        for owners, size, freed in inventory.rows("SELECT owners, bytes, freed FROM size_summary")
    }
    nothing = Share(bytes=0, freed=0)
    return Sizes(**{name: found.get(name, nothing) for name in Sizes.__struct_fields__})


def summarise(inventory: Inventory) -> None:
    """Fill the tables `repository_summary` and `size_summary`, from which `repositories` and `totals` read.

    There is `shares` too, for picture.py, which drops it: each blob's digest, bytes and time, how many repositories
    link it, one of these, and whether it goes.
    """
    inventory.execute(
        """
        CREATE TABLE linked AS
        SELECT repository, digest FROM revisions UNION SELECT repository, target FROM layer_links
        """
    )
    inventory.execute(
        f"""
        CREATE TABLE shares AS
        SELECT digest, bytes, modified, coalesce(owners, 0) AS owners, repository, gone.digest IS NOT NULL AS goes
        FROM blobs
        LEFT JOIN (
            SELECT digest, min(repository) AS repository, count(*) AS owners FROM linked GROUP BY digest
        ) USING (digest)
        LEFT JOIN (SELECT DISTINCT digest FROM condemned WHERE kind = '{Kind.BLOB}') gone USING (digest)
        """  # noqa: S608 - a name of this package
    )
    inventory.execute(
        f"""
        CREATE TABLE repository_summary AS
        SELECT repositories.id, repositories.name, coalesce(tag.count, 0) AS tags,
            coalesce(gone_tag.count, 0) AS tags_condemned, coalesce(revision.count, 0) AS revisions,
            coalesce(gone_revision.count, 0) AS revisions_condemned, coalesce(pushed.bytes, 0) AS pushed_bytes,
            coalesce(exclusive.bytes, 0) AS exclusive_bytes, coalesce(exclusive.freed, 0) AS freed_bytes,
            frozen.repository IS NOT NULL AS frozen,
            frozen.repository IS NULL AND coalesce(kept_links.links, 0) = 0
                AND coalesce(rest.count, 0) = 0 AS gone,
            coalesce(kept_links.links, 0) AS links, coalesce(kept_links.mark, '0') AS fingerprint
        FROM repositories
        LEFT JOIN (SELECT repository, count(*) AS count FROM tags GROUP BY 1) tag ON tag.repository = id
        LEFT JOIN (SELECT repository, count(*) AS count FROM revisions GROUP BY 1) revision ON revision.repository = id
        LEFT JOIN (
            SELECT repository, count(*) AS count FROM condemned WHERE kind = '{Kind.TAG}' GROUP BY 1
        ) gone_tag ON gone_tag.repository = id
        LEFT JOIN (
            SELECT repository, count(*) AS count FROM condemned WHERE kind = '{Kind.REVISION}' GROUP BY 1
        ) gone_revision ON gone_revision.repository = id
        LEFT JOIN (
            SELECT repository, sum(bytes)::BIGINT AS bytes FROM linked JOIN blobs USING (digest) GROUP BY 1
        ) pushed ON pushed.repository = id
        LEFT JOIN (
            SELECT repository, sum(bytes)::BIGINT AS bytes, coalesce(sum(bytes) FILTER (goes), 0)::BIGINT AS freed
            FROM shares WHERE owners = 1 GROUP BY 1
        ) exclusive ON exclusive.repository = id
        LEFT JOIN frozen ON frozen.repository = id
        LEFT JOIN (
            SELECT repository, count(*) AS count FROM (
                SELECT repository FROM strays
                UNION ALL
                SELECT repository FROM (
                    SELECT repository, upload, part FROM uploads
                    WHERE (repository, upload) NOT IN (
                        SELECT (repository, split_part(split_part(key, '/_uploads/', 2), '/', 1)) FROM condemned
                        WHERE kind = '{Kind.UPLOAD}'
                    )
                )
                UNION ALL
                SELECT repository FROM directories ANTI JOIN condemned USING (key)
                UNION ALL
                SELECT repository FROM unfinished ANTI JOIN condemned USING (key, version)
            ) GROUP BY 1
        ) rest ON rest.repository = id
        LEFT JOIN kept_links ON kept_links.repository = id
        """  # noqa: S608 - names of this package alone
    )
    inventory.execute(
        """
        CREATE TABLE size_summary AS
        SELECT CASE owners WHEN 0 THEN 'unlinked' WHEN 1 THEN 'exclusive' ELSE 'shared' END AS owners,
            sum(bytes)::BIGINT AS bytes, coalesce(sum(bytes) FILTER (goes), 0)::BIGINT AS freed
        FROM shares GROUP BY 1
        """
    )


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


def findings(inventory: Inventory) -> Iterator[Finding]:
    """What is damaged, frozen or strange."""
    for row in inventory.rows(
        f"""
        SELECT 'damaged-link' AS code, name, key, problem, 1 AS count
        FROM damage LEFT JOIN repositories ON repositories.id = damage.repository
        UNION ALL
        SELECT 'damaged-manifest', name, {blob_key("digest")}, problem, 1
        FROM damaged_manifests JOIN manifests USING (digest)
        JOIN repositories ON repositories.id = damaged_manifests.repository
        UNION ALL
        SELECT 'missing-manifest', name, min({blob_key("digest")}),
            'a revision is linked whose manifest is not in the storage', count(*)
        FROM revisions ANTI JOIN manifests USING (digest)
        JOIN repositories ON repositories.id = revisions.repository GROUP BY name
        UNION ALL
        SELECT 'stray', name, min(key), 'not a key that a registry writes; left alone', count(*)
        FROM strays LEFT JOIN repositories ON repositories.id = strays.repository GROUP BY name
        UNION ALL
        SELECT 'unfinished-uploads', NULL, min(key),
            'an upload in parts that was never ended'
            || coalesce(', the oldest of ' || strftime(min(started) FILTER (started < current_date), '%Y-%m-%d'), '')
            || '; the parts take ' || format('{{:,}}', sum(bytes)::BIGINT) || ' bytes that no listing shows; '
            || '--uploads aborts those that are old enough', count(*)
        FROM unfinished HAVING count(*) > 0
        UNION ALL
        SELECT 'noncurrent-versions', NULL, min(key),
            'what the storage keeps of what was overwritten or deleted takes '
            || format('{{:,}}', sum(bytes)::BIGINT) || ' bytes; --versions deletes it where the key goes or went',
            count(*)
        FROM versions WHERE state <> '{State.CURRENT}' HAVING count(*) > 0
        UNION ALL
        SELECT code, NULL, NULL, text, 1 FROM remarks
        UNION ALL
        SELECT code, name, CASE WHEN tag IS NULL THEN NULL ELSE name || ':' || tag END, message, 1
        FROM notes JOIN repositories ON repositories.id = notes.repository
        ORDER BY ALL
        """  # noqa: S608 - names of this package alone
    ):
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
