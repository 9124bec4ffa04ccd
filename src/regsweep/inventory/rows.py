"""Rows on their way from a worker to the inventory: columns, never objects."""

from collections.abc import Sequence

from regsweep.inventory.schema import Table

Value = str | int | None


class Rows:
    """Columns of rows for some of the inventory's tables, each delivered as schema.py says."""

    def __init__(self) -> None:
        self.columns: dict[str, list[list[Value]]] = {}

    def extend(self, table: Table, *columns: Sequence[Value]) -> None:
        """Append rows to a table, given as its columns, all of one length."""
        held = self.columns.setdefault(table.name, [[] for _ in table.columns])
        for column, more in zip(held, columns, strict=True):
            column.extend(more)

    def add(self, table: Table, *values: Value) -> None:
        """Append one row to a table."""
        held = self.columns.get(table.name)
        if held is None:
            held = self.columns[table.name] = [[] for _ in table.columns]
        for column, value in zip(held, values, strict=True):
            column.append(value)
