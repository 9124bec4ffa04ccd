"""The signals that ask a run to stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what service managers send, and a terminal that is gone."""


def heeded() -> list[signal.Signals]:
    """Those that count: `nohup` has a process ignore that its terminal is gone."""
    return [one for one in STOPPING if one is not signal.SIGHUP or signal.getsignal(one) is not signal.SIG_IGN]


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let what begins an inventory end before a signal counts.

    A `KeyboardInterrupt` inside DuckDB's import aborts the process, and one inside `tempfile` leaves its files behind.
    """
    caught: list[int] = []
    before = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for caught_number in caught:
        signal.raise_signal(caught_number)
