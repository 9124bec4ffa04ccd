"""Two kept inventories side by side, and what differs between them as tables.

All of it happens in an inventory of its own, in a temporary place: the two are attached read-only, and nothing is
written into their files or beside them.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from regsweep.errors import UNREADABLE, UsageError
from regsweep.inventory.database import Inventory
from regsweep.inventory.schema import SCHEMA_VERSION
from regsweep.inventory.written import blob_key, text

_MARK: Final = b"DUCK"
_HEAD: Final = 12
"""Bytes at the beginning of a DuckDB database; the last of them are its mark."""
_LACKING: Final = ("Catalog Error", "Binder Error")
"""How DuckDB begins to say that there is no such table or column."""
_HOLDER: Final = re.compile(r"\(PID (\d+)\)")
_KEEP: Final = "regsweep plan STORE --inventory FILE keeps one"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an inventory says of itself."""

    store: str
    scanned: Annotated[datetime, msgspec.Meta(tz=True)]
    options: dict[str, Any]


COUNTED: Final = ("tags", "revisions", "bytes", "exclusive_bytes")
"""The numbers of a repository that are compared."""


def _columns(table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in COUNTED)


_VIEWS: Final = {
    "blobs": "SELECT digest::BLOB AS digest, bytes::BIGINT AS bytes FROM {0}.blobs",
    "revisions": """
        SELECT name::VARCHAR AS repository, digest::BLOB AS digest
        FROM {0}.revisions JOIN {0}.repositories ON id = repository
    """,
    "tags": """
        SELECT name::VARCHAR AS repository, tag::VARCHAR AS tag, digest::BLOB AS digest
        FROM {0}.tags JOIN {0}.repositories ON id = repository
    """,
    "linked": """
        SELECT name::VARCHAR AS repository, digest::BLOB AS digest
        FROM {0}.linked JOIN {0}.repositories ON id = repository
    """,
    "repositories": """
        SELECT name::VARCHAR AS name, tags::BIGINT AS tags, revisions::BIGINT AS revisions,
            pushed_bytes::BIGINT AS bytes, exclusive_bytes::BIGINT AS exclusive_bytes
        FROM {0}.repository_summary
    """,
    "findings": """
        SELECT 'damaged-link' AS code, name::VARCHAR AS repository, key::VARCHAR AS key, problem::VARCHAR AS message
        FROM {0}.damage LEFT JOIN {0}.repositories ON id = repository
        UNION ALL
        SELECT 'damaged-manifest', name, key_of(digest), problem
        FROM {0}.damaged_manifests JOIN {0}.manifests USING (digest) JOIN {0}.repositories ON id = repository
        UNION ALL
        SELECT 'missing-manifest', name, key_of(digest), 'a revision is linked whose manifest is not in the storage'
        FROM {0}.revisions ANTI JOIN {0}.manifests USING (digest) JOIN {0}.repositories ON id = repository
        UNION ALL
        SELECT 'frozen', name, NULL, 'nothing of it is deleted until its damage is mended'
        FROM {0}.frozen JOIN {0}.repositories ON id = repository
    """,
}
"""What is compared, with the names of repositories in place of their numbers, which differ between inventories.

`repository_summary` is among the last things that a run writes: where it is, the inventory is whole.
"""

_MACROS: Final = (
    f"written(digest) AS {text('digest')}",
    f"key_of(digest) AS {blob_key('digest')}",
)

_CHANGES: Final = {
    "blob_changes": """
        SELECT digest, was.bytes AS before, now.bytes AS after
        FROM older_blobs was FULL JOIN newer_blobs now USING (digest) WHERE before IS DISTINCT FROM after
    """,
    "tag_changes": """
        SELECT repository, tag, was.digest AS before, now.digest AS after
        FROM older_tags was FULL JOIN newer_tags now USING (repository, tag) WHERE before IS DISTINCT FROM after
    """,
    "revision_changes": """
        SELECT (SELECT count(*) FROM newer_revisions ANTI JOIN older_revisions USING (repository, digest)) AS came,
            (SELECT count(*) FROM older_revisions ANTI JOIN newer_revisions USING (repository, digest)) AS went
    """,
    "repository_changes": f"""
        SELECT name, was.name IS NULL AS came, now.name IS NULL AS went,
            {", ".join(f"coalesce(was.{c}, 0) AS {c}_before, coalesce(now.{c}, 0) AS {c}_after" for c in COUNTED)}
        FROM older_repositories was FULL JOIN newer_repositories now USING (name)
        WHERE came OR went OR ({_columns("was")}) IS DISTINCT FROM ({_columns("now")})
    """,  # noqa: S608 - names of this module alone
    "finding_changes": """
        SELECT 'new' AS change, * FROM (FROM newer_findings EXCEPT FROM older_findings)
        UNION ALL
        SELECT 'gone', * FROM (FROM older_findings EXCEPT FROM newer_findings)
    """,
}


@contextmanager
def compared(inventory: Inventory, older: Path, newer: Path) -> Iterator[tuple[Facts, Facts]]:
    """Put two inventories side by side, and give what they say of themselves.

    Within, each has its views, such as `older_blobs`: see `_VIEWS`. `compare` makes the tables of what differs.

    Args:
        inventory: an empty one, whose tables the results become.
        older: the first inventory's file.
        newer: the second's; it may be the same.

    Raises:
        UsageError: a file is not there, cannot be read, or holds no inventory that this version understands.
    """
    for macro in _MACROS:
        inventory.execute(f"CREATE MACRO {macro}")
    one, other = _database(older), _database(newer)
    sides = [_Side(name="older", file=older, path=one, database="older")]
    # No file may be attached twice.
    same = one.samefile(other)
    sides.append(_Side(name="newer", file=newer, path=other, database="older" if same else "newer"))
    facts = [_attach(inventory, side) for side in sides]
    # A database is a program, too: its views may read any file of this machine.
    inventory.execute("SET enable_external_access = false")
    for side in sides:
        _view(inventory, side)
    import duckdb  # noqa: PLC0415 - see database.create

    try:
        yield facts[0], facts[1]
    except duckdb.Error as error:
        if not isinstance(error, duckdb.OutOfMemoryException):
            for side in sides:
                _read_through(inventory, side)
        raise


def compare(inventory: Inventory) -> None:
    """Fill a table for each kind of thing that may differ: see `_CHANGES`.

    In `blob_changes` and `tag_changes` null is what was not there on that side.
    """
    for name, query in _CHANGES.items():
        inventory.execute(f"CREATE TABLE {name} AS {query}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One of the two."""

    name: str
    """What the names of its views begin with."""
    file: Path
    """As it was given."""
    path: Path
    """Where it truly is."""
    database: str
    """What it is attached as."""


def _database(file: Path) -> Path:
    """Where a file truly is, once it is seen to be a DuckDB database."""
    try:
        path = file.resolve(strict=True)
        str(path).encode()
        if path.is_dir():
            raise UsageError(f"{file}: is a directory, not an inventory", hint=_KEEP)
        head = b""
        # Opening a pipe would wait for somebody to write into it.
        if path.is_file():
            with path.open("rb") as opened:
                head = opened.read(_HEAD)
    except FileNotFoundError as error:
        raise UsageError(f"{file}: there is no such file", hint=_KEEP) from error
    except UnicodeEncodeError as error:
        raise UsageError(f"{file}: its name is not UTF-8, and DuckDB opens no such file", hint="rename it") from error
    except (OSError, RuntimeError) as error:
        # A `RuntimeError` is a symbolic link to itself, to Python 3.11 and 3.12.
        why = (isinstance(error, OSError) and error.strerror) or "a symbolic link leads to itself"
        raise UsageError(f"{file}: cannot be read: {why}", hint="name a file that you may read") from error
    if not head.endswith(_MARK):
        raise UsageError(f"{file}: is no inventory, nor any DuckDB database", hint=_KEEP)
    return path


def _attach(inventory: Inventory, side: _Side) -> Facts:
    """Attach a database, unless it is, and read what it says of itself."""
    if side.database == side.name:
        path = str(side.path).replace("'", "''")
        with _translated(lambda why: _not_opened(side.file, why)):
            inventory.execute(f"ATTACH '{path}' AS {side.database} (TYPE duckdb, READ_ONLY)")
    no_inventory = UsageError(f"{side.file}: is a DuckDB database, but no inventory", hint=_KEEP)
    with _translated(lambda why: no_inventory if why.startswith(_LACKING) else _not_opened(side.file, why)):
        facts = list(inventory.rows(f"SELECT name, value FROM {side.database}.facts"))  # noqa: S608 - a name of this module
    try:
        known = {str(name): msgspec.json.decode(str(value)) for name, value in facts}
        written = msgspec.convert(known.get("schema_version"), int)
        if written > SCHEMA_VERSION:
            raise UsageError(
                f"{side.file}: is an inventory of schema version {written}, and this regsweep reads up to "
                f"{SCHEMA_VERSION}",
                hint="compare them with the regsweep that wrote it, or a newer one",
            )
        return msgspec.convert(known, Facts)
    except UNREADABLE:
        raise no_inventory from None


def _view(inventory: Inventory, side: _Side) -> None:
    cut_off = UsageError(
        f"{side.file}: was not written to its end: the run that kept it was cut off", hint=f"{_KEEP} that is whole"
    )
    with _translated(lambda why: cut_off if why.startswith(_LACKING) else _not_opened(side.file, why)):
        for name, query in _VIEWS.items():
            inventory.execute(f"CREATE VIEW {side.name}_{name} AS {query.format(side.database)}")


def _read_through(inventory: Inventory, side: _Side) -> None:
    """Read all of one side, to learn whether it is this that cannot be read."""
    with _translated(lambda why: _not_opened(side.file, why)):
        for name in _VIEWS:
            inventory.row(f"SELECT bit_xor(hash(held)) FROM {side.name}_{name} held")  # noqa: S608 - names of this module


@contextmanager
def _translated(into: Callable[[str], UsageError]) -> Iterator[None]:
    """Make of what DuckDB says an error that names the file, unless it is that memory is lacking."""
    import duckdb  # noqa: PLC0415 - see database.create

    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise into(str(error)) from error


def _not_opened(file: Path, why: str) -> UsageError:
    if "Could not set lock" in why:
        holder = _HOLDER.search(why)
        process = f"process {holder[1]}" if holder else "another process"
        return UsageError(
            f"{file}: {process} has it open to write to it", hint="wait for that to end, or close the database there"
        )
    if "newer version of DuckDB" in why:
        return UsageError(
            f"{file}: was made with a newer DuckDB than {version('duckdb')}, which is here",
            hint="upgrade with pip install --upgrade duckdb",
        )
    first = why.partition("\n")[0]
    return UsageError(f"{file}: cannot be read: {first}", hint="it may be damaged; take another")
