"""Compare two kept inventories: the part of `diff` that opens them."""

import shutil
from pathlib import Path

from regsweep.cli.options import TableFormat
from regsweep.cli.streams import message, result
from regsweep.errors import UsageError
from regsweep.inventory.database import create
from regsweep.inventory.differences import Facts, compare, compared
from regsweep.report.differences import as_csv, as_json, differences
from regsweep.report.differences_text import SHOWN, as_text


def show(older: Path, newer: Path, form: TableFormat, *, other_store: bool, memory: str | None) -> None:
    """Write to standard output what differs from one inventory to the other.

    Raises:
        UsageError: one cannot be read or is no inventory, or they are of different stores and `other_store` is not
            given.
    """
    files = older, newer
    with create(memory=memory, facts={}) as inventory, compared(inventory, *files) as facts:
        if not other_store:
            _check_stores(files, facts)
        _warn_of_order(files, facts)
        compare(inventory)
        # Only what is shown of them comes into Python's memory.
        document = differences(inventory, files, facts, tags=SHOWN if form is TableFormat.TEXT else None)
    match form:
        case TableFormat.JSON:
            result(as_json(document))
        case TableFormat.CSV:
            result(as_csv(document))
        case TableFormat.TEXT:
            # What reads a pipe wants names whole.
            result(as_text(document, width=shutil.get_terminal_size((0, 0)).columns or None))


def _check_stores(files: tuple[Path, Path], facts: tuple[Facts, Facts]) -> None:
    (older, newer), (was, now) = files, facts
    if was.store != now.store:
        raise UsageError(
            f"{older} is of the storage {was.store}, and {newer} of {now.store}",
            hint="--other-store compares them nevertheless",
        )


def _warn_of_order(files: tuple[Path, Path], facts: tuple[Facts, Facts]) -> None:
    (older, newer), (was, now) = files, facts
    if was.scanned > now.scanned:
        message(f"warning: {older} was scanned later than {newer}; the older one is to be given first")
