"""Rows on their way from a worker to the inventory: columns of raw values, never objects.

Each kind of column holds what Arrow takes as it is, so that a hundred thousand rows cross from process to process, and
into DuckDB, as a few blocks of memory.
"""

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from regsweep.inventory.schema import Table, Type

NO_TIME: Final = -(2**63)
"""Stands for a time that is not known."""

SHA256_BYTES: Final = 32
_SHA256_HEX: Final = 64


class Digests:
    """Digests as raw bytes, given as hex digits."""

    def __init__(self) -> None:
        self.raw = bytearray()
        self.lengths: array[int] | None = None
        """Bytes of each, or `None` while all are sha256's."""

    def __len__(self) -> int:
        return len(self.raw) // SHA256_BYTES if self.lengths is None else len(self.lengths)

    def append(self, digits: str) -> None:
        """Add one."""
        self.extend((digits,))

    def extend(self, digits: Sequence[str]) -> None:
        """Add many."""
        joined = "".join(digits)
        if self.lengths is not None or len(joined) != _SHA256_HEX * len(digits):
            self._lengths().extend(len(one) // 2 for one in digits)
        self.raw += bytes.fromhex(joined)

    def merge(self, other: "Digests") -> None:
        """Add all of another column."""
        if self.lengths is not None or other.lengths is not None:
            self._lengths().extend(other.lengths or [SHA256_BYTES] * len(other))
        self.raw += other.raw

    def ends(self) -> "array[int] | None":
        """Where each begins and the last ends in `raw`, or `None` while all are sha256's."""
        return None if self.lengths is None else array("i", accumulate(self.lengths, initial=0))

    def _lengths(self) -> "array[int]":
        if self.lengths is None:
            self.lengths = array("i", [SHA256_BYTES]) * len(self)
        return self.lengths


class Integers:
    """Numbers, and times as microseconds since 1970."""

    def __init__(self) -> None:
        self.values = array("q")

    def __len__(self) -> int:
        return len(self.values)

    def append(self, value: int) -> None:
        """Add one."""
        self.values.append(value)

    def extend(self, values: Sequence[int]) -> None:
        """Add many."""
        self.values.extend(values)

    def merge(self, other: "Integers") -> None:
        """Add all of another column."""
        self.values += other.values


class Texts:
    """Texts, or nothing."""

    def __init__(self) -> None:
        self.values: list[str | None] = []

    def __len__(self) -> int:
        return len(self.values)

    def append(self, value: str | None) -> None:
        """Add one."""
        self.values.append(value)

    def extend(self, values: Sequence[str | None]) -> None:
        """Add many."""
        self.values += values

    def merge(self, other: "Texts") -> None:
        """Add all of another column."""
        self.values += other.values


class Versions:
    """A store's own marks of its objects; nothing is held while there are none, as on a filesystem."""

    def __init__(self) -> None:
        self.values: list[str | None] | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count if self.values is None else len(self.values)

    def append(self, value: str | None) -> None:
        """Add one."""
        if value is None and self.values is None:
            self._count += 1
        else:
            self._held().append(value)

    def extend(self, values: Sequence[str | None]) -> None:
        """Add many."""
        self._held().extend(values)

    def repeat(self, value: None, times: int) -> None:
        """Add nothing, several times."""
        if self.values is None:
            self._count += times
        else:
            self.values += [value] * times

    def merge(self, other: "Versions") -> None:
        """Add all of another column."""
        if other.values is None:
            self.repeat(None, len(other))
        else:
            self._held().extend(other.values)

    def _held(self) -> list[str | None]:
        if self.values is None:
            self.values = [None] * self._count
        return self.values


class Repositories:
    """Names of repositories in runs, for neighbouring rows mostly share one."""

    def __init__(self) -> None:
        self.names: list[str | None] = []
        self.counts: list[int] = []

    def __len__(self) -> int:
        return sum(self.counts)

    def append(self, name: str | None) -> None:
        """Add one."""
        self.repeat(name, 1)

    def repeat(self, name: str | None, times: int) -> None:
        """Add the same one several times."""
        if self.names and self.names[-1] == name:
            self.counts[-1] += times
        else:
            self.names.append(name)
            self.counts.append(times)

    def merge(self, other: "Repositories") -> None:
        """Add all of another column."""
        self.names += other.names
        self.counts += other.counts


Column = Digests | Integers | Texts | Repositories | Versions

_COLUMNS: Final[dict[Type, type[Column]]] = {
    Type.DIGEST: Digests,
    Type.INTEGER: Integers,
    Type.TIME: Integers,
    Type.TEXT: Texts,
    Type.REPOSITORY: Repositories,
    Type.VERSION: Versions,
}


class Repeat(NamedTuple):
    """A column's values where all are the same."""

    value: str | None
    times: int


class Rows:
    """Columns of rows for some of the inventory's tables.

    Values are of the types that schema.py gives the table's columns; nothing checks that on the way.
    """

    def __init__(self) -> None:
        self.columns: dict[str, list[Column]] = {}

    def add(self, table: Table, *values: str | int | None) -> None:
        """Append one row to a table."""
        for column, value in zip(self._of(table), values, strict=True):
            column.append(value)

    def extend(self, table: Table, *columns: Sequence[str | None] | Sequence[int] | Repeat) -> None:
        """Append rows to a table, given as its columns, all of one length."""
        for column, values in zip(self._of(table), columns, strict=True):
            if isinstance(values, Repeat):
                column.repeat(values.value, values.times)
            else:
                column.extend(values)

    def merge(self, other: "Rows", table: Table) -> int:
        """Append another's rows of one table; return how many there are then."""
        if table.name not in other.columns:
            return 0
        columns = self._of(table)
        for column, more in zip(columns, other.columns[table.name], strict=True):
            column.merge(more)
        return len(columns[-1])

    def join(self, other: "Rows") -> None:
        """Append all of another's rows."""
        for name, columns in other.columns.items():
            held: list[Any] = self.columns.setdefault(name, [])
            if not held:
                held += columns
                continue
            for column, more in zip(held, columns, strict=True):
                column.merge(more)

    def sum(self, table: Table, name: str) -> int:
        """The sum of a table's column of integers."""
        if table.name not in self.columns:
            return 0
        column = self.columns[table.name][[name for name, _ in table.columns].index(name)]
        return sum(column.values) if isinstance(column, Integers) else 0

    def _of(self, table: Table) -> list[Any]:
        held = self.columns.get(table.name)
        if held is None:
            held = self.columns[table.name] = [_COLUMNS[kind]() for _, kind in table.columns]
        return held
