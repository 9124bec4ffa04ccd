"""Where words go: messages and questions to standard error, results to standard output; colour where it is wanted."""

import os
import sys
from typing import Final, TextIO

from regsweep.errors import RegsweepError
from regsweep.registry.layout import printable
from regsweep.report.colour import Colour, paint, plain

_COLOURS: Final = {"error": Colour.BAD, "warning": Colour.ODD}


def result(text: str) -> None:
    """Write what the user asked for, without its colours unless a terminal is to show them."""
    sys.stdout.write(f"{text if _shows_colour(sys.stdout) else plain(text)}\n")


def message(text: str, hint: str = "") -> None:
    """Say something to the person at the terminal, whatever part of it came from elsewhere."""
    kind, colon, rest = printable(text).partition(":")
    if kind in _COLOURS and _shows_colour(sys.stderr):
        kind, colon = paint(kind + colon, _COLOURS[kind]), ""
    sys.stderr.write(f"regsweep: {kind}{colon}{rest}\n")
    if hint:
        sys.stderr.write(f"          {printable(hint)}\n")
    sys.stderr.flush()


def confirm(question: str) -> None:
    """Ask, and go on only if the answer is yes.

    Raises:
        RegsweepError: it is anything else.
    """
    sys.stdout.flush()
    sys.stderr.write(f"regsweep: {question} [y/N] ")
    sys.stderr.flush()
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = ""
    if not answer.endswith("\n"):
        sys.stderr.write("\n")
    if answer.strip().lower() not in ("y", "yes"):
        raise RegsweepError("the answer was not yes; nothing was deleted")


def _shows_colour(stream: TextIO) -> bool:
    # As no-color.org says: whatever NO_COLOR holds, if it holds anything.
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
