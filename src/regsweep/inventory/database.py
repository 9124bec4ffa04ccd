"""The DuckDB database that an inventory is."""

import errno
import json
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeVar

import nanoarrow as na
from nanoarrow.c_array import CArray

from regsweep.errors import RegsweepError, UsageError
from regsweep.inventory import schema
from regsweep.inventory.rows import SHA256_BYTES, Column, Digests, Integers, Repositories, Rows, Texts, Versions
from regsweep.inventory.signals import signals_held_back
from regsweep.registry import layout

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FLUSH_ROWS: Final = 100_000
Parameters = Sequence[object] | Mapping[str, object]
Result = TypeVar("Result")


class Inventory:
    """The tables of schema.py in a database, plus what marking adds to them.

    Everything that grows with the storage is in DuckDB, which spills to disk at its memory limit; Python holds only
    the names of the repositories and the rows of one batch.
    """

    def __init__(self, connection: "DuckDBPyConnection") -> None:
        self._connection = connection
        self._pending = Rows()
        self._repositories: dict[str, int] = {}
        self._named = 0
        """How many of the repositories stand in their table already."""
        self._filled: set[str] = set()
        """The names of the tables that rows were added to."""
        self._cursors: list[DuckDBPyConnection] = []
        """Those that run a query now."""

    def add(self, rows: Rows) -> None:
        """Take rows over; `flush` puts the last of them into the tables."""
        for table in schema.TABLES:
            if self._pending.merge(rows, table) >= _FLUSH_ROWS:
                self._write(table)

    def holds(self, table: schema.Table) -> bool:
        """Whether a table was given any rows and they were flushed; of most kinds of keys a storage has none at all."""
        return table.name in self._filled

    def flush(self) -> None:
        """Write out every row that `add` took, and every repository's name."""
        for table in schema.TABLES:
            self._write(table)
        # Only now has every repository its number.
        names = list(self._repositories)[self._named :]
        for name in names:
            if not layout.is_servable(name):
                self._pending.add(schema.DAMAGE, name, f"repositories/{name}/", "no client can name this repository")
        self._write(schema.DAMAGE)
        if names:
            numbers = range(self._named, self._named + len(names))
            self.load("repositories", {"id": na.int32(), "name": na.string()}, [list(numbers), names])
            self._named += len(names)

    def execute(self, statement: str, parameters: Parameters = ()) -> None:
        """Run a statement for its effect."""
        self._connection.execute(statement, parameters or None)

    def insert(self, table: str, queries: Sequence[str], parameters: Mapping[str, object]) -> None:
        """Add what queries give to a table.

        All in one statement, so that they run at the same time; where memory does not suffice for that, one by one.
        """
        import duckdb  # noqa: PLC0415 - see create

        try:
            self._insert(table, " UNION ALL ".join(queries), parameters)
        except duckdb.OutOfMemoryException:
            for query in queries:
                self._insert(table, query, parameters)

    def _insert(self, table: str, query: str, parameters: Mapping[str, object]) -> None:
        # A parameter that a statement does not name is an error.
        used = {name: value for name, value in parameters.items() if f"${name}" in query}
        self.execute(f"INSERT INTO {table} {query}", used)

    def export(self, query: str, path: Path) -> None:
        """Write what a query gives to a Parquet file.

        Raises:
            OSError: it cannot be written.
        """
        import duckdb  # noqa: PLC0415 - see create

        try:
            self._connection.sql(query).write_parquet(str(path), compression="zstd")
        except duckdb.IOException as error:
            raise OSError(errno.EIO, _first_line(error)) from error

    def rows(self, query: str, parameters: Parameters = ()) -> Iterator[tuple[object, ...]]:
        """Run a query and stream its rows."""
        for batch in self.batches(query, parameters):
            yield from batch

    def batches(self, query: str, parameters: Parameters = ()) -> Iterator[list[tuple[object, ...]]]:
        """Run a query and stream its rows, many at a time."""
        with self._cursor() as cursor:
            cursor.execute(query, parameters or None)
            while batch := cursor.fetchmany(10_000):
                yield batch

    def lines(self, query: str) -> Iterator[tuple[int, memoryview]]:
        """Run a query for one column of text, none of it null, and stream it: so many texts, one after another, UTF-8.

        No object is made for each: this is for millions of them, each ended by a line break of its own.

        Raises:
            RegsweepError: the query fails under way.
        """
        with self._cursor() as cursor:
            try:
                for batch in na.ArrayStream(cursor.sql(query)):
                    texts = batch.child(0)
                    _, ends, content = texts.buffers
                    yield len(texts), memoryview(content)[ends[texts.offset] : ends[texts.offset + len(texts)]]
            except RuntimeError as error:
                # What nanoarrow makes of an error of DuckDB's between two batches; those before the first are DuckDB's
                # own.
                if "interrupted" in str(error).lower():
                    raise KeyboardInterrupt from error
                raise _failure(str(error).partition("): ")[2] or str(error)) from error

    def row(self, query: str, parameters: Parameters = ()) -> tuple[object, ...]:
        """Run a query that gives exactly one row."""
        (row,) = self.rows(query, parameters)
        return row

    @contextmanager
    def meanwhile(self, work: Callable[["Inventory"], Result]) -> "Iterator[Future[Result]]":
        """Do work in a thread, while the body does other; it has ended when the body has.

        Statements one after another leave a core idle, for most are planned, and much of their work done, on one alone.
        Neither may read what the other writes. Where the body fails, the work is broken off.

        Raises:
            Exception: what the work raises, when the body has ended.
        """
        with self._cursor() as connection, ThreadPoolExecutor(1) as thread:
            view = Inventory(connection)
            view._filled = self._filled
            working = thread.submit(work, view)
            try:
                yield working
                working.result()
            except BaseException:
                # Time and again, for it may be between two statements.
                while not working.done():
                    view._interrupt()
                    wait([working], timeout=0.01)
                raise

    @contextmanager
    def _cursor(self) -> "Iterator[DuckDBPyConnection]":
        cursor = self._connection.cursor()
        self._cursors.append(cursor)
        try:
            yield cursor
        finally:
            self._cursors.remove(cursor)
            cursor.close()

    def _interrupt(self) -> None:
        """Break off what is under way in another thread."""
        import duckdb  # noqa: PLC0415 - see create

        for connection in (self._connection, *self._cursors):
            # It may have been closed just now.
            with suppress(duckdb.ConnectionException):
                connection.interrupt()

    def load(self, name: str, columns: dict[str, na.Schema], values: Sequence[Sequence[object]]) -> None:
        """Append columns of plain values to a table of the caller's own."""
        arrays = [na.c_array(list(v), kind) for v, kind in zip(values, columns.values(), strict=True)]
        self._append(f"INSERT INTO {name} SELECT * FROM batch", columns, arrays)  # noqa: S608 - the caller's own table

    def _write(self, table: schema.Table) -> None:
        columns = self._pending.columns.pop(table.name, None)
        if columns and len(columns[-1]):
            versions = not (isinstance(columns[-1], Versions) and columns[-1].values is None)
            delivered = columns if versions else columns[:-1]
            self._filled.add(table.name)
            names = [name for name, _ in table.columns[: len(delivered)]]
            self._append(table.insert(versions=versions), names, [self._array(column) for column in delivered])

    def _append(self, statement: str, names: Iterable[str], arrays: list[CArray]) -> None:
        kind = na.struct({name: one.schema for name, one in zip(names, arrays, strict=True)})
        batch = na.Array(  # noqa: F841 - DuckDB finds it by name
            na.c_array_from_buffers(kind, len(arrays[0]), [None], children=arrays)
        )
        self._connection.execute(statement)

    def _array(self, column: Column) -> CArray:
        match column:
            case Digests():
                if ends := column.ends():
                    return na.c_array_from_buffers(na.binary(), len(column), [None, ends, column.raw])
                return na.c_array_from_buffers(na.fixed_size_binary(SHA256_BYTES), len(column), [None, column.raw])
            case Integers():
                return na.c_array_from_buffers(na.int64(), len(column), [None, column.values])
            case Texts() | Versions():
                return na.c_array(column.values, na.string())
            case Repositories():
                return self._numbered(column)

    def _numbered(self, column: Repositories) -> CArray:
        known = self._repositories
        numbers = array("i")
        for name, count in zip(column.names, column.counts, strict=True):
            number = -1 if name is None else known.setdefault(name, len(known))
            numbers.extend([number] * count)
        return na.c_array_from_buffers(na.int32(), len(numbers), [None, numbers])


def prepare() -> None:
    """Begin to import DuckDB, for which `create` waits, in a thread: it takes as long as many a store to be listed."""
    Thread(target=import_module, args=("duckdb",)).start()


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
    with ExitStack() as stack:
        with signals_held_back():
            # Imported here, for it takes longer than a listing to begin: help and a scan's workers do not wait for it.
            import duckdb  # noqa: PLC0415

            scratch = stack.enter_context(_scratch())
            try:
                connection = stack.enter_context(_open(path, scratch, memory))
            except duckdb.Error as error:
                if path:
                    path.unlink(missing_ok=True)
                raise UsageError(f"cannot make the inventory: {_first_line(error)}") from error
        try:
            # In one transaction, for each takes as long as several tables.
            tables = [table.create() for table in schema.TABLES]
            tables += ["CREATE TABLE repositories (id INTEGER, name VARCHAR)"]
            tables += ["CREATE TABLE facts (name VARCHAR, value VARCHAR)"]
            connection.execute("; ".join(["BEGIN", *tables, "COMMIT"]))
            facts = {"schema_version": schema.SCHEMA_VERSION, **facts}
            connection.executemany("INSERT INTO facts VALUES (?, ?)", [[k, json.dumps(v)] for k, v in facts.items()])
            yield Inventory(connection)
            if path:
                # Else a full disk, of which `close` says nothing, would leave a part of it in a file beside it.
                connection.execute("CHECKPOINT")
        except BaseException as error:
            connection.close()
            if path:
                # What was not filled to its end must not be taken for an inventory.
                path.unlink(missing_ok=True)
                path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
            if isinstance(error, RuntimeError) and "interrupted" in str(error):
                # What DuckDB makes of the `KeyboardInterrupt` that ended its work.
                raise KeyboardInterrupt from error
            if isinstance(error, duckdb.Error):
                raise _failure(str(error), path) from error
            raise


def _scratch() -> "TemporaryDirectory[str]":
    try:
        return TemporaryDirectory(prefix="regsweep-")
    except OSError as error:
        raise RegsweepError(
            f"no temporary directory can be made: {error.strerror}", hint="give TMPDIR a disk with space"
        ) from error


def _open(path: Path | None, scratch: str, memory: str | None) -> "DuckDBPyConnection":
    if path and path.exists():
        raise UsageError(f"{path}: exists already", hint="an inventory is written once; name a new file")
    import duckdb  # noqa: PLC0415 - see create

    connection = duckdb.connect(path or ":memory:")
    connection.execute("SET temp_directory = ?", [scratch])
    connection.execute("SET memory_limit = ?", [memory or _default_memory()])
    connection.execute("SET preserve_insertion_order = false")
    return connection


def _default_memory() -> str:
    quarter = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    return f"{min(quarter, 2 << 30) >> 20}MiB"


def _failure(words: str, path: Path | None = None) -> RegsweepError:
    """The error for what DuckDB says; `path` is where an inventory is to be kept."""
    said = _first_line(words)
    if path and f'"{path}' in said:
        return RegsweepError(
            f"{path}: the inventory cannot be written: {said.rpartition(': ')[2]}",
            hint="name another place with --inventory",
        )
    if said.startswith("Out of Memory"):
        return RegsweepError(f"not enough memory: {said}", hint="give --memory more, or TMPDIR a disk with more space")
    return RegsweepError(f"the inventory failed: {said}")


def _first_line(said: object) -> str:
    return str(said).partition("\n")[0]
