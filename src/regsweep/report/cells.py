"""CSV that a spreadsheet takes for nothing but text."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from regsweep.plan.summary import Repository
from regsweep.registry.layout import printable
from regsweep.report.document import Report

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for something to work out."""


def table(heads: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Render rows below their heads; times in UTC, what is not known as an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    for row in rows:
        writer.writerow(map(_cell, row))
    return text.getvalue().removesuffix("\n")


def repositories_csv(report: Report) -> str:
    """Render a report's repositories, by the names that its JSON has for their fields."""
    return table(Repository.__struct_fields__, map(msgspec.structs.astuple, report.repositories))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, int | float):
        # A minus before a number is no formula.
        return str(value)
    text = printable(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
