"""The inventory's tables. Documented for its users in docs/inventory.md; `SCHEMA_VERSION` changes when they do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SCHEMA_VERSION: Final = 1


class Type(StrEnum):
    """What a column holds, as its SQL type and how the scan delivers it."""

    DIGEST = "BLOB"
    """Raw bytes; the length names the algorithm, 32 is sha256. Delivered as hex digits."""
    TEXT = "VARCHAR"
    INTEGER = "BIGINT"
    TIME = "TIMESTAMP"
    """UTC. Delivered as microseconds since 1970."""
    REPOSITORY = "INTEGER"
    """`repositories.id`. Delivered as the repository's name."""
    VERSION = "TEXT"
    """The store's own mark of an object, or nothing where it has none. Always the last column."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the scan fills, its columns in order."""

    name: str
    columns: tuple[tuple[str, Type], ...]

    def create(self) -> str:
        """The statement that makes it."""
        return f"CREATE TABLE {self.name} ({', '.join(f'{name} {kind.value}' for name, kind in self.columns)})"

    def insert(self, *, versions: bool) -> str:
        """The statement that fills it from `batch`, a relation of the columns as they are delivered.

        Without `versions` that column is not delivered.
        """
        columns = ", ".join(
            _EXPRESSIONS.get(kind, "{0}").format(name) if versions or kind is not Type.VERSION else "NULL"
            for name, kind in self.columns
        )
        return f"INSERT INTO {self.name} SELECT {columns} FROM batch"  # noqa: S608 - names from this module alone


_EXPRESSIONS: Final = {
    Type.TIME: f"make_timestamp(nullif({{0}}, {-(2**63)}))",
    Type.REPOSITORY: "nullif({0}, -1)",
}

BLOBS: Final = Table(
    "blobs", (("digest", Type.DIGEST), ("bytes", Type.INTEGER), ("modified", Type.TIME), ("version", Type.VERSION))
)
REVISIONS: Final = Table(
    "revisions",
    (("repository", Type.REPOSITORY), ("digest", Type.DIGEST), ("modified", Type.TIME), ("version", Type.VERSION)),
)
SIGNATURES: Final = Table(
    "signatures",
    (
        ("repository", Type.REPOSITORY),
        ("revision", Type.DIGEST),
        ("digest", Type.DIGEST),
        ("modified", Type.TIME),
        ("version", Type.VERSION),
    ),
)
TAGS: Final = Table(
    "tags",
    (
        ("repository", Type.REPOSITORY),
        ("tag", Type.TEXT),
        ("digest", Type.DIGEST),
        ("modified", Type.TIME),
        ("version", Type.VERSION),
    ),
)
TAG_ENTRIES: Final = Table(
    "tag_entries",
    (
        ("repository", Type.REPOSITORY),
        ("tag", Type.TEXT),
        ("digest", Type.DIGEST),
        ("modified", Type.TIME),
        ("version", Type.VERSION),
    ),
)
LAYER_LINKS: Final = Table(
    "layer_links",
    (
        ("repository", Type.REPOSITORY),
        ("digest", Type.DIGEST),
        ("target", Type.DIGEST),
        ("modified", Type.TIME),
        ("version", Type.VERSION),
    ),
)
UPLOADS: Final = Table(
    "uploads",
    (
        ("repository", Type.REPOSITORY),
        ("upload", Type.TEXT),
        ("part", Type.TEXT),
        ("bytes", Type.INTEGER),
        ("modified", Type.TIME),
        ("started", Type.TIME),
        ("version", Type.VERSION),
    ),
)
DIRECTORIES: Final = Table(
    "directories",
    (("repository", Type.REPOSITORY), ("key", Type.TEXT), ("modified", Type.TIME), ("version", Type.VERSION)),
)
STRAYS: Final = Table("strays", (("repository", Type.REPOSITORY), ("key", Type.TEXT), ("bytes", Type.INTEGER)))
DOUBTS: Final = Table("doubts", (("digest", Type.DIGEST),))
DAMAGE: Final = Table("damage", (("repository", Type.REPOSITORY), ("key", Type.TEXT), ("problem", Type.TEXT)))
MANIFESTS: Final = Table(
    "manifests",
    (
        ("digest", Type.DIGEST),
        ("kind", Type.TEXT),
        ("media_type", Type.TEXT),
        ("problem", Type.TEXT),
    ),
)
MANIFEST_REFERENCES: Final = Table(
    "manifest_references",
    (("manifest", Type.DIGEST), ("digest", Type.DIGEST), ("bytes", Type.INTEGER), ("role", Type.INTEGER)),
)
TRIED: Final = Table("tried", (("digest", Type.DIGEST),))
NO_MANIFESTS: Final = Table("no_manifests", (("digest", Type.DIGEST),))
CONFIGS: Final = Table(
    "configs",
    (
        ("digest", Type.DIGEST),
        ("created", Type.TIME),
        ("os", Type.TEXT),
        ("architecture", Type.TEXT),
        ("variant", Type.TEXT),
        ("labels", Type.TEXT),
        ("problem", Type.TEXT),
    ),
)
WEIGHED: Final = Table("weighed", (("digest", Type.DIGEST), ("bytes", Type.INTEGER)))
REQUESTS: Final = Table("requests", (("kind", Type.TEXT), ("count", Type.INTEGER)))
UNFINISHED: Final = Table(
    "unfinished",
    (
        ("repository", Type.REPOSITORY),
        ("kind", Type.TEXT),
        ("key", Type.TEXT),
        ("bytes", Type.INTEGER),
        ("started", Type.TIME),
        ("version", Type.VERSION),
    ),
)
VERSIONS: Final = Table(
    "versions",
    (
        ("kind", Type.TEXT),
        ("key", Type.TEXT),
        ("bytes", Type.INTEGER),
        ("modified", Type.TIME),
        ("state", Type.TEXT),
        ("version", Type.VERSION),
    ),
)
REMARKS: Final = Table("remarks", (("code", Type.TEXT), ("text", Type.TEXT)))

NAMED_BY: Final = {
    UNFINISHED: "key, version",
    VERSIONS: "key, version",
    BLOBS: "digest",
    REVISIONS: "repository, digest",
    SIGNATURES: "repository, revision, digest",
    TAGS: "repository, tag",
    TAG_ENTRIES: "repository, tag, digest",
    LAYER_LINKS: "repository, digest",
    UPLOADS: "repository, upload, part",
    DIRECTORIES: "key",
    STRAYS: "key",
}
"""The tables of listed keys, and the columns that name one."""

TABLES: Final = (
    BLOBS,
    REVISIONS,
    SIGNATURES,
    TAGS,
    TAG_ENTRIES,
    LAYER_LINKS,
    UPLOADS,
    DIRECTORIES,
    STRAYS,
    DOUBTS,
    DAMAGE,
    MANIFESTS,
    MANIFEST_REFERENCES,
    TRIED,
    NO_MANIFESTS,
    CONFIGS,
    WEIGHED,
    REQUESTS,
    UNFINISHED,
    VERSIONS,
    REMARKS,
)
