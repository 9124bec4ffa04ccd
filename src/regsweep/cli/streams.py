"""Where words go: messages and questions to standard error, results to standard output."""

import sys

from regsweep.errors import RegsweepError
from regsweep.registry.layout import printable


def result(text: str) -> None:
    """Write what the user asked for."""
    sys.stdout.write(f"{text}\n")


def message(text: str, hint: str = "") -> None:
    """Say something to the person at the terminal, whatever part of it came from elsewhere."""
    sys.stderr.write(f"regsweep: {printable(text)}\n")
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
