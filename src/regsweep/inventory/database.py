"""The DuckDB database that an inventory is."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

import duckdb
from arro3.core import Array, DataType, RecordBatch, Table

from regsweep.errors import RegsweepError, UsageError
from regsweep.inventory import schema
from regsweep.inventory.rows import Rows, Value
from regsweep.registry import layout

_FLUSH_ROWS: Final = 100_000
_SCALARS: Final = {
    schema.Type.DIGEST: DataType.string(),
    schema.Type.TEXT: DataType.string(),
    schema.Type.INTEGER: DataType.int64(),
    schema.Type.TIME: DataType.int64(),
    schema.Type.REPOSITORY: DataType.int64(),
}

Parameters = Sequence[object] | dict[str, object]


class Inventory:
    """The tables of schema.py in a database, plus what marking adds to them.

    Everything that grows with the storage is in DuckDB, which spills to disk at its memory limit; Python holds only
    the names of the repositories and the rows of one batch.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._pending: dict[str, list[list[Value]]] = {}
        self._repositories: dict[str, int] = {}
        self._named = 0
        """How many of the repositories stand in their table already."""

    def add(self, rows: Rows) -> None:
        """Take rows over; `flush` puts the last of them into the tables."""
        for table in schema.TABLES:
            if columns := rows.columns.get(table.name):
                for at, (_, kind) in enumerate(table.columns):
                    if kind is schema.Type.REPOSITORY:
                        columns[at] = self._numbers(cast("list[str | None]", columns[at]))
                pending = self._pending.setdefault(table.name, [[] for _ in table.columns])
                for column, more in zip(pending, columns, strict=True):
                    column += more
                if len(pending[0]) >= _FLUSH_ROWS:
                    self._write(table)

    def flush(self) -> None:
        """Write out every row that `add` took, and every repository's name."""
        # Naming the repositories may add damage, so they go first.
        self._write_repositories()
        for table in schema.TABLES:
            self._write(table)

    def execute(self, statement: str, parameters: Parameters = ()) -> None:
        """Run a statement for its effect."""
        self._connection.execute(statement, parameters or None)

    def rows(self, query: str, parameters: Parameters = ()) -> Iterator[tuple[object, ...]]:
        """Run a query and stream its rows."""
        for batch in self.batches(query, parameters):
            yield from batch

    def batches(self, query: str, parameters: Parameters = ()) -> Iterator[list[tuple[object, ...]]]:
        """Run a query and stream its rows, many at a time."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(query, parameters or None)
            while batch := cursor.fetchmany(10_000):
                yield batch
        finally:
            cursor.close()

    def row(self, query: str, parameters: Parameters = ()) -> tuple[object, ...]:
        """Run a query that gives exactly one row."""
        (row,) = self.rows(query, parameters)
        return row

    def load(self, name: str, columns: dict[str, DataType], values: Sequence[Sequence[object]]) -> None:
        """Append columns of plain values to a table of the caller's own."""
        batch = _relation(list(columns), [Array(v, type=t) for v, t in zip(values, columns.values(), strict=True)])  # noqa: F841 - DuckDB finds it by name
        self._connection.execute(f"INSERT INTO {name} SELECT * FROM batch")  # noqa: S608 - the caller's own table

    def _numbers(self, names: list[str | None]) -> list[Value]:
        known = self._repositories
        numbers: list[Value] = []
        for name in names:
            if name is None:
                numbers.append(None)
            else:
                number = known.get(name)
                if number is None:
                    number = known[name] = len(known)
                numbers.append(number)
        return numbers

    def _write_repositories(self) -> None:
        names = list(self._repositories)[self._named :]
        if not names:
            return
        rows = Rows()
        for name in names:
            if not layout.is_servable(name):
                rows.add(schema.DAMAGE, name, f"repositories/{name}/", "no client can name this repository")
        self.add(rows)
        numbers = list(range(self._named, self._named + len(names)))
        self.load("repositories", {"id": DataType.int64(), "name": DataType.string()}, [numbers, names])
        self._named += len(names)

    def _write(self, table: schema.Table) -> None:
        columns = self._pending.pop(table.name, None)
        if not columns or not columns[0]:
            return
        arrays = [Array(values, type=_SCALARS[kind]) for values, (_, kind) in zip(columns, table.columns, strict=True)]
        batch = _relation([name for name, _ in table.columns], arrays)  # noqa: F841 - DuckDB finds it by name
        self._connection.execute(table.insert())


@contextmanager
def create(path: Path | None = None, *, memory: str | None = None, facts: dict[str, object]) -> Iterator[Inventory]:
    """Make an empty inventory, in a temporary place or, to be kept, at `path`.

    Args:
        path: a file that does not exist yet.
        memory: DuckDB's memory limit, such as `2GB`; `None` leaves a quarter of this machine's memory to it, at most
            two gigabytes.
        facts: what the inventory says of itself, in its table `facts`.

    Raises:
        UsageError: the file exists, cannot be made, or `memory` is no size.
        RegsweepError: DuckDB fails: out of memory and of disk, most likely.
    """
    with TemporaryDirectory(prefix="regsweep-") as scratch:
        try:
            connection = _open(path, scratch, memory)
        except duckdb.Error as error:
            raise UsageError(f"cannot make the inventory: {_first_line(error)}") from error
        try:
            for table in schema.TABLES:
                connection.execute(table.create())
            connection.execute("CREATE TABLE repositories (id INTEGER, name VARCHAR)")
            connection.execute("CREATE TABLE facts (name VARCHAR, value VARCHAR)")
            facts = {"schema_version": schema.SCHEMA_VERSION, **facts}
            connection.executemany("INSERT INTO facts VALUES (?, ?)", [[k, json.dumps(v)] for k, v in facts.items()])
            yield Inventory(connection)
        except duckdb.OutOfMemoryException as error:
            raise RegsweepError(
                f"not enough memory: {_first_line(error)}", hint="give --memory more, or TMPDIR a disk with more space"
            ) from error
        except duckdb.Error as error:
            raise RegsweepError(f"the inventory failed: {_first_line(error)}") from error
        finally:
            connection.close()


def _open(path: Path | None, scratch: str, memory: str | None) -> duckdb.DuckDBPyConnection:
    if path and path.exists():
        raise UsageError(f"{path}: exists already", hint="an inventory is written once; name a new file")
    connection = duckdb.connect(path or ":memory:")
    connection.execute("SET temp_directory = ?", [scratch])
    connection.execute("SET memory_limit = ?", [memory or _default_memory()])
    connection.execute("SET preserve_insertion_order = false")
    return connection


def _default_memory() -> str:
    quarter = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    return f"{min(quarter, 2 << 30) >> 20}MiB"


def _relation(names: list[str], arrays: list[Array]) -> Table:
    return Table.from_batches([RecordBatch.from_arrays(arrays, names=names)])


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
