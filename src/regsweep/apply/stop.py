"""Ctrl-C, SIGTERM and SIGHUP: at once where nothing is half done, else after the batch in hand."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from regsweep.errors import StoppedError
from regsweep.inventory.signals import heeded


class StopRequest:
    """Turns the signals that ask a run to stop into `KeyboardInterrupt`, or holds them back for a while.

    Attributes:
        at_once: whether a second request broke off what was to end before the first one counted.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.at_once = False
        self._deferred = False
        self._asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle these signals; afterwards they mean what they meant before."""
        before = {number: signal.signal(number, self._handle) for number in heeded()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let what is done inside end before a request to stop counts; a second request does not wait.

        Raises:
            StoppedError: it was asked for meanwhile.
        """
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        if self._asked:
            raise StoppedError("stopped on request")

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked or not self._deferred:
            self.at_once = self._deferred
            raise KeyboardInterrupt
        self._asked = True
        self._tell("stopping after the batch in hand; press Ctrl-C again to stop at once")
