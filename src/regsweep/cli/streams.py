"""Where words go: messages to standard error, results to standard output."""

import sys


def message(text: str, hint: str = "") -> None:
    """Say something to the person at the terminal."""
    print(f"regsweep: {text}", file=sys.stderr, flush=True)
    if hint:
        print(f"          {hint}", file=sys.stderr, flush=True)
