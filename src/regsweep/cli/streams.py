"""Where words go: messages to standard error, results to standard output."""

import sys


def result(text: str) -> None:
    """Write what the user asked for."""
    sys.stdout.write(f"{text}\n")


def message(text: str, hint: str = "") -> None:
    """Say something to the person at the terminal."""
    sys.stderr.write(f"regsweep: {text}\n")
    if hint:
        sys.stderr.write(f"          {hint}\n")
    sys.stderr.flush()
