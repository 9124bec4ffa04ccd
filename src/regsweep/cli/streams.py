"""Where words go: messages and questions to standard error, results to standard output; colour where it is wanted."""

import os
import sys
from contextlib import suppress
from typing import Final, TextIO

from regsweep.errors import RegsweepError
from regsweep.registry.layout import printable
from regsweep.report.colour import Colour, paint, plain

_COLOURS: Final = {"error": Colour.BAD, "warning": Colour.ODD}


def result(text: str) -> None:
    """Write what the user asked for, without its colours unless a terminal is to show them.

    At once: what is said on standard error afterwards stands behind it.

    Raises:
        BrokenPipeError: whoever reads it has seen enough.
        RegsweepError: it cannot be written.
    """
    if sys.stdout is None:
        # So Python starts where it is closed.
        raise RegsweepError("standard output is closed", hint="send it to a file, or to /dev/null")
    try:
        sys.stdout.write(f"{text if _shows_colour(sys.stdout) else plain(text)}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up_output()
        raise RegsweepError(
            f"standard output cannot be written: {error.strerror}", hint="make room for it, or send it elsewhere"
        ) from error


def give_up_output() -> None:
    """Let what is left of the output go nowhere: else it would be tried again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def message(text: str, hint: str = "") -> None:
    """Say something to the person at the terminal, whatever part of it came from elsewhere; if there still is one."""
    if sys.stderr is not None:
        with suppress(OSError):
            _say(text, hint)


def _say(text: str, hint: str) -> None:
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
