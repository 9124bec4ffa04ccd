"""The command line: options, wiring, exit codes."""

import gc
import sys
from types import TracebackType

# Before anything else is imported: what a command needs are thousands of objects and no garbage among them, and later
# millions of rows pass through that make no reference cycles.
gc.set_threshold(200_000, 50, 100)


def _unhandled(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("regsweep: interrupted\n")
    else:
        sys.__excepthook__(kind, error, traceback)


# Ctrl-C while the commands are still being imported reaches no code of theirs.
sys.excepthook = _unhandled
