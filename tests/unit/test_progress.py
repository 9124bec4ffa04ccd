import io
from dataclasses import dataclass, field

import pytest

from regsweep.cli.progress import Lines, progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass
class Clock:
    """Seconds that pass when they are told to."""

    now: float = 1000.0
    lines: list[str] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def display(self) -> Lines:
        return Lines(self.lines.append, self)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_nothing_is_said_before_a_minute_has_passed(clock: Clock) -> None:
    with clock.display().stage("scanning", unit="shards", total=256) as bar:
        for _ in range(59):
            clock.now += 1
            bar.advance(1)
    assert clock.lines == []


def test_a_line_a_minute_tells_how_far_it_is(clock: Clock) -> None:
    with clock.display().stage("scanning", unit="shards", total=2560) as bar:
        for _ in range(2400):
            clock.now += 0.25
            bar.advance(1, size=1_000_000)
    assert len(clock.lines) == 10
    assert clock.lines[0] == "scanning: 240 of 2,560 shards, 240.0 MB"
    assert clock.lines[-1] == "scanning: 2,400 of 2,560 shards, 2.4 GB"


def test_a_stage_of_unknown_length_tells_what_is_done(clock: Clock) -> None:
    with clock.display().stage("marking", unit="steps") as bar:
        clock.now += 60
        bar.advance(3)
    assert clock.lines == ["marking: 3 steps"]


def test_the_minute_goes_on_over_stages(clock: Clock) -> None:
    display = clock.display()
    for name in ("one", "two", "three"):
        with display.stage(name, unit="things", total=1) as bar:
            clock.now += 40
            bar.advance(1)
    assert clock.lines == ["two: 1 of 1 things"]


def test_after_a_long_silence_there_is_one_line_not_one_for_each_minute(clock: Clock) -> None:
    with clock.display().stage("one", unit="things") as bar:
        clock.now += 600
        bar.advance(1)
        bar.advance(1)
    assert clock.lines == ["one: 1 things"]


def test_stages_inside_a_stage_count_for_themselves(clock: Clock) -> None:
    display = clock.display()
    with display.stage("outer", unit="keys", total=10) as outer, display.stage("inner", unit="links", total=5) as inner:
        clock.now += 60
        inner.advance(4)
        clock.now += 60
        outer.advance(2)
    assert clock.lines == ["inner: 4 of 5 links", "outer: 2 of 10 keys"]


def test_what_is_no_terminal_gets_lines_and_no_bars() -> None:
    stream = io.StringIO()
    display = progress(quiet=False, stream=stream)
    assert isinstance(display, Lines)
    with display.stage("scanning", unit="shards", total=3) as bar:
        bar.advance(3)
    assert stream.getvalue() == ""
    display._last -= 60  # noqa: SLF001 - a minute passes
    with display.stage("scanning", unit="shards", total=3) as bar:
        bar.advance(3)
    assert stream.getvalue() == "scanning: 3 of 3 shards\n"


def test_a_terminal_gets_bars_that_leave_nothing_behind() -> None:
    stream = Terminal()
    with progress(quiet=False, stream=stream).stage("scanning", unit="shards", total=3) as bar:
        bar.advance(2, size=5_000_000)
        bar.advance(1)
    shown = stream.getvalue()
    assert "scanning" in shown
    assert "\n" not in shown
    assert shown.rpartition("\r")[2].strip() == ""


def test_a_bar_of_unknown_length_is_one_too() -> None:
    stream = Terminal()
    with progress(quiet=False, stream=stream).stage("marking", unit="steps") as bar:
        bar.advance(1)
    assert "marking" in stream.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_quiet_is_quiet(stream: io.StringIO) -> None:
    with progress(quiet=True, stream=stream).stage("scanning", unit="shards", total=3) as bar:
        bar.advance(3, size=7)
    assert stream.getvalue() == ""
