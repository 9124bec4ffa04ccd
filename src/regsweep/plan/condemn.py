"""Condemn: name every key that goes, with its reason, from what `mark` worked out, and `link` of summary.py."""

import string
from collections.abc import Mapping
from datetime import datetime

from regsweep.inventory.database import Inventory
from regsweep.inventory.written import algorithm
from regsweep.plan.fingerprint import fingerprint
from regsweep.plan.kinds import DIRECTORY, ORDER, PARTS, TABLES, VERSION, Reason
from regsweep.plan.options import Options
from regsweep.registry.layout import LINK_BYTES, TEMPLATES, Kind
from regsweep.storage.ports import State


def condemn(inventory: Inventory, options: Options, *, now: datetime) -> None:
    """Fill the tables `condemned` and `kept_links`.

    `condemned` has step (the place in `ORDER`), kind, repository, tag, digest, key, bytes, modified, version and
    reason; `kept_links` the number and the fingerprint of the links that each repository keeps.
    """
    cutoffs = options.cutoffs(now)
    cutoff = {"cutoff": cutoffs["cutoff"]}
    inventory.execute(
        """
        CREATE TABLE condemned (
            step TINYINT, kind VARCHAR, repository INTEGER, tag VARCHAR, digest BLOB, key VARCHAR, bytes BIGINT,
            modified TIMESTAMP, version VARCHAR, reason VARCHAR
        )
        """
    )
    inventory.execute(
        """
        CREATE TABLE young_tags AS
        SELECT repository, tag FROM tags WHERE modified > $cutoff
        UNION
        SELECT repository, tag FROM tag_entries WHERE modified > $cutoff
        """,
        cutoff,
    )
    _add(inventory, {Kind.TAG: _tags(options)}, cutoffs)
    # On its own, and before the rest: what becomes of a tag's history depends on it.
    inventory.execute("CREATE TABLE tags_that_go AS SELECT repository, tag FROM condemned")
    _add(
        inventory,
        {
            Kind.TAG_ENTRY: _tag_entries(options),
            Kind.SIGNATURE: _signatures(),
            Kind.REVISION: _revisions(),
            Kind.LAYER_LINK: _layer_links(),
            Kind.UPLOAD: _uploads(),
            Kind.BLOB: _blobs(),
        },
        cutoffs,
    )
    if not options.collect:
        _only_what_was_chosen(inventory)
    fingerprint(inventory, into="kept_links")
    _directories(inventory, options, cutoff)
    if options.uploads and options.collect:
        _unfinished(inventory, cutoffs)
    if options.versions:
        _versions(inventory, cutoff)
    done = ("subject_tags", "unneeded_links", "young_tags", "tags_that_go", "lost", "named")
    inventory.execute("; ".join(f"DROP TABLE {table}" for table in done))


def _tags(options: Options) -> str:
    # What was chosen is not young, or was named whatever its age.
    chosen = Reason.REMOVED if options.removal else Reason.RULE
    return _select(
        Kind.TAG,
        f"""
        SELECT repository, tag, digest, modified, version, '{chosen}' AS reason
        FROM tags SEMI JOIN let_go USING (repository, tag)
        UNION ALL
        SELECT * FROM (
            SELECT repository, tag, digest, modified, version,
                CASE WHEN (repository, digest) IN (SELECT (repository, digest) FROM revisions)
                    THEN '{Reason.NO_MANIFEST}' ELSE '{Reason.NO_REVISION}' END AS reason
            FROM tags ANTI JOIN servable USING (repository, digest)
            UNION ALL
            SELECT repository, tag, digest, modified, version, '{Reason.NO_SUBJECT}' AS reason
            FROM tags SEMI JOIN (
                FROM subject_tags ANTI JOIN reached ON reached.digest = subject_tags.subject
            ) USING (repository, tag) SEMI JOIN referrers_go USING (repository)
        ) ANTI JOIN let_go USING (repository, tag) ANTI JOIN vetoed USING (repository, tag)
        ANTI JOIN young_tags USING (repository, tag) ANTI JOIN frozen USING (repository)
        """,  # noqa: S608 - names of this package alone
        tag="tag",
        digest="digest",
    )


def _tag_entries(options: Options) -> str:
    named = (
        "OR (entry.repository, entry.tag) IN (FROM let_go) OR entry.repository IN (FROM gone)"
        if options.removal
        else ""
    )
    return _select(
        Kind.TAG_ENTRY,
        f"""
        SELECT entry.repository, entry.tag, entry.digest, entry.modified, entry.version,
            CASE WHEN kept.tag IS NULL THEN '{Reason.NO_TAG}'
                WHEN revision.digest IS NULL THEN '{Reason.NO_REVISION}'
                WHEN servable.digest IS NULL THEN '{Reason.NO_MANIFEST}'
                ELSE '{Reason.UNTAGGED}' END AS reason
        FROM tag_entries entry
        LEFT JOIN (
            SELECT repository, tag FROM tags ANTI JOIN tags_that_go USING (repository, tag)
        ) kept ON kept.repository = entry.repository AND kept.tag = entry.tag
        LEFT JOIN revisions revision ON revision.repository = entry.repository AND revision.digest = entry.digest
        LEFT JOIN servable ON servable.repository = entry.repository AND servable.digest = entry.digest
        LEFT JOIN reached ON reached.repository = entry.repository AND reached.digest = entry.digest
        ANTI JOIN frozen ON frozen.repository = entry.repository
        WHERE (kept.tag IS NULL OR reached.digest IS NULL) AND (entry.modified <= $cutoff {named})
        """,  # noqa: S608 - names of this package alone
        tag="tag",
        digest="digest",
    )


def _signatures() -> str:
    return _select(
        Kind.SIGNATURE,
        f"""
        SELECT repository, revision, digest, modified, version, '{Reason.UNTAGGED}' AS reason FROM signatures
        ANTI JOIN reached ON signatures.repository = reached.repository AND signatures.revision = reached.digest
        ANTI JOIN frozen ON signatures.repository = frozen.repository
        WHERE modified <= $cutoff OR (signatures.repository, revision) IN (FROM named)
            OR signatures.repository IN (FROM gone)
        """,  # noqa: S608 - names of this package alone
        revision="revision",
        digest="digest",
    )


def _revisions() -> str:
    return _select(
        Kind.REVISION,
        f"""
        SELECT revision.repository, revision.digest, revision.modified, revision.version,
            CASE WHEN banned.digest IS NOT NULL THEN '{Reason.REMOVED}'
                WHEN servable.digest IS NULL THEN '{Reason.NO_MANIFEST}' ELSE '{Reason.UNTAGGED}' END AS reason
        FROM (
            FROM revisions ANTI JOIN reached USING (repository, digest) ANTI JOIN frozen USING (repository)
        ) revision
        LEFT JOIN servable USING (repository, digest)
        LEFT JOIN banned USING (repository, digest)
        LEFT JOIN named USING (repository, digest)
        ANTI JOIN (
            FROM tag_entries ANTI JOIN named USING (repository, digest) ANTI JOIN let_go USING (repository, tag)
            WHERE modified > $cutoff
        ) young USING (repository, digest)
        WHERE revision.modified <= $cutoff OR named.digest IS NOT NULL
        """,  # noqa: S608 - names of this package alone
        digest="digest",
    )


def _layer_links() -> str:
    return _select(
        Kind.LAYER_LINK,
        f"SELECT repository, digest, modified, version, '{Reason.NO_IMAGE}' AS reason FROM unneeded_links",  # noqa: S608 - names of this package alone
        digest="digest",
    )


def _uploads() -> str:
    return _select(
        Kind.UPLOAD,
        f"""
        SELECT repository, upload, part, bytes, modified, version, '{Reason.ABANDONED}' AS reason FROM uploads
        SEMI JOIN (
            SELECT repository, upload FROM uploads GROUP BY ALL
            HAVING coalesce(max(started), max(modified)) <= $upload_cutoff AND max(modified) <= $cutoff
            UNION
            SELECT repository, upload FROM uploads SEMI JOIN gone USING (repository)
        ) USING (repository, upload)
        ANTI JOIN frozen USING (repository)
        """,  # noqa: S608 - names of this package alone
        size="bytes",
        upload="upload",
        part="part",
    )


def _blobs() -> str:
    return _select(
        Kind.BLOB,
        f"""
        SELECT NULL::INTEGER AS repository, digest, bytes, modified, version,
            CASE WHEN owners IS NULL THEN '{Reason.ORPHANED}' ELSE '{Reason.UNLINKED}' END AS reason
        FROM unmarked LEFT JOIN owners USING (digest)
        WHERE modified <= $cutoff
        """,  # noqa: S608 - names of this package alone
        size="bytes",
        sharded="digest",
    )


def _only_what_was_chosen(inventory: Inventory) -> None:
    """Leave for later what only follows from the choice, and all else that a collection finds."""
    inventory.execute(
        f"""
        DELETE FROM condemned WHERE repository IS NULL OR NOT (
            repository IN (FROM gone)
            OR kind IN ('{Kind.TAG}', '{Kind.TAG_ENTRY}') AND (repository, tag) IN (FROM let_go)
            OR kind = '{Kind.REVISION}' AND (
                (repository, digest) IN (FROM lost) OR (repository, digest) IN (FROM banned)
            )
        )
        """  # noqa: S608 - names of this package alone
    )


def _directories(inventory: Inventory, options: Options, cutoff: dict[str, datetime]) -> None:
    if not inventory.holds(TABLES[DIRECTORY]):
        return
    inventory.execute(
        f"""
        INSERT INTO condemned
        SELECT {ORDER.index(DIRECTORY)}, '{DIRECTORY}', repository, '', NULL, key, 0, modified, version,
            '{Reason.EMPTY}'
        FROM directories ANTI JOIN frozen USING (repository)
        WHERE ({options.collect} AND modified <= $cutoff OR repository IN (FROM gone))
            -- Every push leaves an empty `_uploads`; it goes with its repository.
            AND (NOT suffix(key, '/_uploads/') OR repository NOT IN (SELECT repository FROM kept_links))
            -- An object that marks a directory says nothing of whether it is empty.
            AND (version IS NULL OR repository NOT IN (SELECT repository FROM kept_links))
        """,  # noqa: S608 - names of this package alone
        cutoff,
    )


def _unfinished(inventory: Inventory, cutoffs: dict[str, datetime]) -> None:
    inventory.execute(
        f"""
        INSERT INTO condemned
        SELECT {ORDER.index(PARTS)}, '{PARTS}', repository, '', NULL, key, bytes, started, version,
            '{Reason.ABANDONED}'
        FROM unfinished ANTI JOIN frozen USING (repository)
        WHERE kind IN ('{Kind.UPLOAD}', '{Kind.BLOB}') AND started <= least($cutoff, $upload_cutoff)
        """,  # noqa: S608 - names of this package alone
        cutoffs,
    )


def _versions(inventory: Inventory, cutoff: dict[str, datetime]) -> None:
    """Let go for good what goes, with its earlier versions and those of blobs that went before.

    Of a key that is not there any more nobody knows why. So where a blob is missed its versions stay, for they may be
    all that is left of it; and those of links, which take no space worth a doubt.
    """
    inventory.execute(
        """
        CREATE TABLE missed AS
        SELECT digest FROM marked
        UNION SELECT digest FROM tags
        UNION SELECT digest FROM tag_entries
        UNION SELECT digest FROM signatures
        UNION SELECT digest FROM revisions
        UNION SELECT digest FROM layer_links
        UNION SELECT target FROM layer_links
        UNION SELECT digest FROM manifest_references
        """
    )
    inventory.execute(
        f"""
        UPDATE condemned SET version = current.version FROM (FROM versions WHERE state = '{State.CURRENT}') current
        WHERE condemned.key = current.key AND condemned.modified = current.modified AND condemned.kind <> '{PARTS}'
        """  # noqa: S608 - names of this package alone
    )
    inventory.execute(
        f"""
        INSERT INTO condemned
        SELECT {ORDER.index(VERSION)}, '{VERSION}', repository, '', found.digest, key, found.bytes, found.modified,
            found.version, found.reason
        FROM (
            SELECT repository, key, bytes, modified, version, digest, reason
            FROM (FROM versions WHERE state <> '{State.CURRENT}') old
            JOIN (
                SELECT key, repository, digest, '{Reason.NONCURRENT}' AS reason FROM condemned WHERE kind <> '{PARTS}'
                UNION ALL
                SELECT key, NULL, blob AS digest, '{Reason.DELETED}' FROM (
                    SELECT key, unhex(split_part(key, '/', 4)) AS blob FROM versions WHERE kind = '{Kind.BLOB}'
                    GROUP BY key HAVING max(modified) <= $cutoff AND NOT bool_or(state = '{State.CURRENT}')
                )
                ANTI JOIN blobs ON blobs.digest = blob ANTI JOIN missed ON missed.digest = blob
            ) USING (key)
        ) found
        WHERE modified <= $cutoff
        """,  # noqa: S608 - names of this package alone
        cutoff,
    )
    inventory.execute("DROP TABLE missed")


def _add(inventory: Inventory, found: Mapping[Kind, str], cutoffs: Mapping[str, datetime]) -> None:
    """Add what queries give, one for each kind."""
    queries = [query for kind, query in found.items() if inventory.holds(TABLES[kind])]
    if queries:
        inventory.insert("condemned", queries, cutoffs)


def _select(kind: Kind, found: str, *, size: str = str(LINK_BYTES), **fields: str) -> str:
    """The rows of what the query `found` gives; `fields` names the columns that make the key's fields."""
    return f"""
        SELECT {ORDER.index(kind)}, '{kind}', repository, {fields.get("tag", "''")},
            {fields.get("digest") or fields.get("sharded") or "NULL"}, {_key(kind, fields)}, {size},
            modified, version, reason
        FROM ({found}) found LEFT JOIN repositories ON repositories.id = found.repository
        """  # noqa: S608 - names of this package alone


def _key(kind: Kind, fields: dict[str, str]) -> str:
    """The SQL expression that builds a key as `layout.Key` does, from the same template."""
    parts = []
    for text, field, _, _ in string.Formatter().parse(TEMPLATES[kind]):
        if text:
            parts.append(f"'{text}'")
        if field == "repository":
            parts.append("repositories.name")
        elif field in ("digest", "revision"):
            parts.append(f"{algorithm(fields[field])} || '/' || lower(hex({fields[field]}))")
        elif field == "sharded":
            digits = f"lower(hex({fields[field]}))"
            parts.append(f"{algorithm(fields[field])} || '/' || left({digits}, 2) || '/' || {digits}")
        elif field:
            parts.append(fields[field])
    return " || ".join(parts)
