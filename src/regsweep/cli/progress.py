"""Progress on standard error: bars on a terminal, a line a minute elsewhere, nothing when quiet."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, TextIO

from regsweep.inventory.progress import Bar, Progress
from regsweep.report.text import size as human

_EVERY_SECONDS: Final = 60.0


def progress(*, quiet: bool, stream: TextIO | None = None) -> Progress:
    """The progress display that fits where standard error goes."""
    stream = stream or sys.stderr
    if quiet:
        return _Silent()
    if stream.isatty():
        return _Bars(stream)
    return Lines(lambda line: print(line, file=stream, flush=True), time.monotonic)


class _Silent:
    @contextmanager
    def stage(self, name: str, *, unit: str, total: int | None = None) -> Iterator[Bar]:  # noqa: ARG002 - the port's
        yield self

    def advance(self, done: int, *, size: int = 0) -> None:
        """Show nothing."""


class _Bars:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextmanager
    def stage(self, name: str, *, unit: str, total: int | None = None) -> Iterator[Bar]:
        # Only those who look at a terminal wait for it to be imported.
        from tqdm import tqdm  # noqa: PLC0415

        with tqdm(
            desc=name,
            total=total,
            unit=f" {unit}",
            unit_scale=total is None or total >= 10_000,  # noqa: PLR2004 - five digits
            file=self._stream,
            leave=False,
            dynamic_ncols=True,
        ) as bar:
            yield _Bar(bar)


class _Bar:
    def __init__(self, bar: "tqdm[object]") -> None:  # type: ignore[name-defined] # noqa: F821 - see the import above
        self._bar = bar
        self._size = 0

    def advance(self, done: int, *, size: int = 0) -> None:
        self._size += size
        if self._size:
            self._bar.set_postfix_str(human(self._size), refresh=False)
        self._bar.update(done)


class Lines:
    """A line when a minute has passed since the last."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._write = write
        self._clock = clock
        self._last = clock()

    def stage(self, name: str, *, unit: str, total: int | None = None) -> AbstractContextManager[Bar]:
        """See `Progress.stage`."""
        return self._stage(name, unit, total)

    @contextmanager
    def _stage(self, name: str, unit: str, total: int | None) -> Iterator[Bar]:
        yield _Line(self, name, unit, total)

    def tell(self, line: str) -> None:
        """Write a line if it is time."""
        now = self._clock()
        if now - self._last >= _EVERY_SECONDS:
            self._last = now
            self._write(line)


class _Line:
    def __init__(self, lines: Lines, name: str, unit: str, total: int | None) -> None:
        self._lines = lines
        self._name = name
        self._unit = unit
        self._total = total
        self._done = 0
        self._size = 0

    def advance(self, done: int, *, size: int = 0) -> None:
        self._done += done
        self._size += size
        of_all = f" of {self._total:,}" if self._total is not None else ""
        bytes_too = f", {human(self._size)}" if self._size else ""
        self._lines.tell(f"{self._name}: {self._done:,}{of_all} {self._unit}{bytes_too}")
