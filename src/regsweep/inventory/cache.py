"""Manifests never change: what was parsed of one is kept for the next run, which then need not read it.

The cache is a directory of Parquet files, each named by the hash of its bytes, which is checked before one is used.
What is kept of a manifest counts only for a blob of the same digest, size, time and version as the one that was read
and hashed: a blob that somebody replaced is read again.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import uuid4

from regsweep.errors import RegsweepError
from regsweep.inventory.database import Inventory

_FORMAT: Final = "manifests-1"
"""The files' folder. Another one for whatever `manifest.parse` reads otherwise out of the same bytes."""
_MOST_FILES: Final = 8
"""More are made one, without what stands in several."""

_COLUMNS: Final = "digest, bytes, modified, version, kind, media_type, referred"
_STAMP: Final = (
    "bytes = blobs.bytes AND known.modified = blobs.modified AND known.version IS NOT DISTINCT FROM blobs.version"
)


class CacheError(RegsweepError):
    """The cache cannot be used; a run is as good without it."""


class Cache:
    """Manifests that earlier runs have read.

    Use it in this order: `load` when the links are known, `take` for each set of manifests that the scan wants once the
    blobs are known, `save` in the end.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FORMAT

    def load(self, inventory: Inventory) -> bool:
        """Fill the table `known` with what is kept of the manifests that the links may lead to; return if any is."""
        inventory.execute(
            """
            CREATE TABLE known (
                digest BLOB, bytes BIGINT, modified TIMESTAMP, version VARCHAR, kind VARCHAR, media_type VARCHAR,
                referred STRUCT(digest BLOB, bytes BIGINT, "role" BIGINT)[]
            )
            """
        )
        if files := self._files():
            inventory.execute(
                f"""
                INSERT INTO known SELECT {_COLUMNS} FROM read_parquet($files) SEMI JOIN (
                    SELECT digest FROM revisions UNION SELECT digest FROM layer_links
                ) USING (digest)
                """,  # noqa: S608 - words of this module alone
                {"files": [str(file) for file in files]},
            )
        return bool(files)

    @staticmethod
    def take(inventory: Inventory, wanted: str) -> None:
        """Put what is known of the manifests that a query names where what is read of them would go."""
        inventory.execute(
            f"""
            CREATE OR REPLACE TABLE taken AS
            SELECT DISTINCT ON (known.digest) known.* FROM known
            SEMI JOIN ({wanted}) USING (digest) ANTI JOIN manifests USING (digest)
            SEMI JOIN blobs ON known.digest = blobs.digest AND known.{_STAMP}
            """  # noqa: S608 - words of this package alone
        )
        inventory.execute(
            "INSERT INTO manifests SELECT digest, kind, media_type, NULL FROM taken WHERE kind IS NOT NULL"
        )
        inventory.execute("INSERT INTO no_manifests SELECT digest FROM taken WHERE kind IS NULL")
        inventory.execute(
            """
            INSERT INTO manifest_references
            SELECT digest, one.digest, one.bytes, one."role" FROM (SELECT digest, unnest(referred) AS one FROM taken)
            """
        )
        inventory.execute("DROP TABLE taken")

    def save(self, inventory: Inventory) -> None:
        """Keep what this run has read, and forget nothing.

        Raises:
            CacheError: it cannot be written.
        """
        inventory.execute(
            f"""
            CREATE TABLE learned AS
            SELECT read.digest, blobs.bytes, blobs.modified, blobs.version, kind, media_type, referred
            FROM (
                SELECT digest, kind, media_type FROM manifests WHERE problem IS NULL
                UNION ALL SELECT digest, NULL, NULL FROM no_manifests
            ) read
            JOIN blobs USING (digest)
            LEFT JOIN (
                SELECT manifest AS digest,
                    list(struct_pack(digest := digest, bytes := bytes, "role" := "role")) AS referred
                FROM manifest_references GROUP BY manifest
            ) USING (digest)
            ANTI JOIN known ON known.digest = read.digest AND known.{_STAMP}
            """  # noqa: S608 - words of this module alone
        )
        try:
            if inventory.row("SELECT count(*) FROM learned")[0]:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._write(inventory, "FROM learned")
                if len(files := self._files()) > _MOST_FILES:
                    names = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
                    kept = self._write(inventory, f"SELECT DISTINCT * FROM read_parquet([{names}])")  # noqa: S608 - own files
                    for file in files:
                        if file != kept:
                            file.unlink(missing_ok=True)
        except OSError as error:
            raise CacheError(
                f"{self._folder}: what was learned of manifests cannot be kept there: {error.strerror}",
                hint="name another directory with --cache, or none with --no-cache",
            ) from error
        finally:
            inventory.execute("DROP TABLE learned")
            inventory.execute("DROP TABLE known")

    def _write(self, inventory: Inventory, query: str) -> Path:
        partial = self._folder / f".{uuid4().hex}.partial"
        try:
            inventory.export(query, partial)
            final = self._folder / f"{_hash(partial)}.parquet"
            partial.replace(final)
        finally:
            partial.unlink(missing_ok=True)
        return final

    def _files(self) -> list[Path]:
        """The files that are whole; what is damaged is removed, if that is possible."""
        try:
            found = sorted(self._folder.glob("*.parquet"))
            whole = [file for file in found if _hash(file) == file.stem]
        except OSError:
            return []
        for file in set(found).difference(whole):
            try:
                file.unlink()
            except OSError:
                continue
        return whole


def default_folder(environment: Mapping[str, str]) -> Path | None:
    """Where a user's caches are (XDG Base Directory Specification); `None` for a user without a home."""
    base = Path(environment.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "regsweep"
    home = environment.get("HOME", "")
    return Path(home, ".cache", "regsweep") if home else None


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
