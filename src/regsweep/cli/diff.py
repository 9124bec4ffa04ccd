"""The command `diff`: what it is given, and nothing that takes time to import."""

from pathlib import Path
from typing import Annotated

import typer

from regsweep.cli import options as o
from regsweep.cli import values

# Whether a file can be read is seen when it is opened, and said as all that may be wrong with it.
Older = Annotated[
    Path,
    typer.Argument(
        metavar="OLDER",
        show_default=False,
        readable=False,
        help="The inventory that was kept first, by regsweep plan STORE --inventory FILE.",
    ),
]
Newer = Annotated[
    Path,
    typer.Argument(
        metavar="NEWER",
        show_default=False,
        readable=False,
        help="The inventory that was kept later, of the same storage.",
    ),
]
OtherStore = Annotated[
    bool,
    typer.Option("--other-store", help="Compare them though they are of different stores, as after a move."),
]
FormatOption = Annotated[o.TableFormat, typer.Option("--format", help="How the result is written.")]


def diff_command(
    older: Older,
    newer: Newer,
    other_store: OtherStore = False,  # noqa: FBT002 - as the flag is typed
    memory: o.Memory = None,
    form: FormatOption = o.TableFormat.TEXT,
) -> None:
    """Tell what came, went and grew from one kept inventory to another. Touches no storage."""
    from regsweep.cli import differing  # noqa: PLC0415 - see the module's docstring

    differing.show(older, newer, form, other_store=other_store, memory=values.memory(memory))
