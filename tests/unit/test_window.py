"""As many requests at once as the store answers well, and never more."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice, pairwise
from types import SimpleNamespace

import pytest

from regsweep.storage.ports import Request
from regsweep_backends import _window
from regsweep_backends._window import Window

PATIENCE = 10.0


class Gauge:
    """Work that measures how much of it is under way."""

    def __init__(self, seconds: float = 0.002, *, fails_at: int = -1) -> None:
        self.running = 0
        self.most = 0
        self.begun: list[int] = []
        self._seconds = seconds
        self._fails_at = fails_at
        self._lock = threading.Lock()

    def __call__(self, item: int) -> int:
        """Take a while, and give the item back."""
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.begun.append(item)
        try:
            time.sleep(self._seconds)
            if item == self._fails_at:
                raise LookupError(f"item {item}")
            return item
        finally:
            with self._lock:
                self.running -= 1


def settled(window: Window, size: int) -> Window:
    """Bring a window to a size by answers and objections."""
    while window.size > size:
        window.throttled()
    while window.size < size:
        window.answered()
    return window


@pytest.mark.parametrize("size", [1, 3, 8])
def test_answers_come_in_the_order_of_the_items_whoever_is_first(size: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.01 if item % 4 == 0 else 0)
        return item * item

    assert list(settled(Window(8), size).each(work, range(40))) == [item * item for item in range(40)]


def test_nothing_is_done_of_nothing() -> None:
    gauge = Gauge()
    assert list(Window(4).each(gauge, [])) == []
    assert gauge.begun == []


@pytest.mark.parametrize("size", [1, 2, 5, 8, 16])
def test_as_many_are_under_way_as_may_be(size: int) -> None:
    together = threading.Barrier(size)
    window = settled(Window(16), size)
    # Each waits for the others: with fewer at once none would come back.
    answers = window.each(lambda _: together.wait(PATIENCE), range(2 * size))
    assert sorted(answers) == sorted([*range(size), *range(size)])


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_never_more_are_under_way_than_may_be(size: int) -> None:
    gauge = Gauge()
    assert list(settled(Window(16), size).each(gauge, range(60))) == list(range(60))
    assert gauge.most <= size


@pytest.mark.parametrize("most", [1, 2, 8, 100])
def test_it_begins_with_a_few_and_with_no_more_than_the_most(most: int) -> None:
    window = Window(most)
    assert window.most == most
    assert window.size == min(8, most)


def test_it_doubles_with_each_round_of_answers_up_to_the_most() -> None:
    window, sizes = Window(50), []
    for _ in range(5):
        sizes.append(window.size)
        for _ in range(window.size):
            window.answered()
    assert sizes == [8, 16, 32, 50, 50]


def test_it_is_halved_when_the_store_objects_and_never_below_one() -> None:
    window, sizes = settled(Window(16), 16), []
    for _ in range(7):
        window.throttled()
        sizes.append(window.size)
    assert sizes == [8, 4, 2, 1, 1, 1, 1]
    assert list(window.each(Gauge(0), range(5))) == list(range(5))


def test_after_an_objection_it_grows_by_about_one_a_round() -> None:
    window, sizes = settled(Window(64), 64), []
    window.throttled()
    for _ in range(5):
        sizes.append(window.size)
        for _ in range(window.size):
            window.answered()
    assert sizes[0] == 32
    assert all(after - before in (0, 1) for before, after in pairwise(sizes))
    assert 34 <= sizes[-1] <= 36


def test_it_comes_back_to_the_most_after_any_number_of_objections() -> None:
    window = Window(4)
    for _ in range(10):
        window.throttled()
    for _ in range(100):
        window.answered()
    assert window.size == 4


@pytest.mark.parametrize(("most", "processes", "share"), [(32, 1, 32), (32, 4, 8), (10, 4, 2), (3, 8, 1)])
def test_processes_share_what_is_allowed_and_each_may_do_something(most: int, processes: int, share: int) -> None:
    window = Window(most)
    window.divide(processes)
    assert window.most == share
    assert window.size <= share
    for _ in range(100):
        window.answered()
    assert window.size == share
    gauge = Gauge()
    assert list(window.each(gauge, range(20))) == list(range(20))
    assert gauge.most <= share


def test_every_request_is_counted_by_its_kind() -> None:
    window = Window(4)
    for kind in (Request.LIST, Request.READ, Request.READ):
        window.sent(kind)
    assert window.requests == {Request.LIST: 1, Request.READ: 2}


@pytest.mark.parametrize(("rate", "processes", "apart"), [(10.0, 1, 0.1), (0.5, 1, 2.0), (10.0, 5, 0.5)])
def test_requests_are_as_far_apart_as_the_rate_says(
    rate: float, processes: int, apart: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, began = 100.0, list[float]()

    def sleep(seconds: float) -> None:
        nonlocal now
        assert seconds >= 0
        now += seconds

    monkeypatch.setattr(_window, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    window = Window(4, rate)
    window.divide(processes)
    for pause in (0.0, 0.0, 0.0, 100.0, 0.0):
        now += pause
        window.sent(Request.READ)
        began.append(now)
    assert began == pytest.approx([100, 100 + apart, 100 + 2 * apart, 200 + 2 * apart, 200 + 3 * apart])


def test_without_a_rate_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        _window, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: pytest.fail("it waits"))
    )
    Window(4).sent(Request.LIST)


def test_it_counts_right_from_many_threads() -> None:
    window = Window(10_000)

    def answer() -> None:
        for _ in range(500):
            window.answered()

    threads = [threading.Thread(target=answer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert window.size == 8 + 8 * 500


def test_an_objection_while_it_works_leaves_fewer_under_way_from_then_on() -> None:
    window = settled(Window(8), 8)
    gauge = Gauge()
    answers = window.each(gauge, range(60))
    assert list(islice(answers, 10)) == list(range(10))
    window.throttled()
    window.throttled()
    assert list(islice(answers, 10)) == list(range(10, 20))
    gauge.most = 0
    assert list(answers) == list(range(20, 60))
    assert gauge.most <= 2


def test_it_grows_while_it_works() -> None:
    window = settled(Window(8), 1)
    gauge = Gauge()

    def work(item: int) -> int:
        window.answered()
        return gauge(item)

    assert list(window.each(work, range(100))) == list(range(100))
    assert 1 < gauge.most <= 8


def test_items_are_taken_as_they_are_needed() -> None:
    taken = count()

    def items() -> Iterator[int]:
        while True:
            yield next(taken)

    answers = Window(4).each(Gauge(0), items())
    assert list(islice(answers, 10)) == list(range(10))
    answers.close()  # type: ignore[attr-defined]
    assert next(taken) <= 10 + 4


@pytest.mark.parametrize("bad", [0, 5, 30])
def test_an_error_comes_out_and_no_item_begins_after_it(bad: int) -> None:
    gauge = Gauge(fails_at=bad)
    window = settled(Window(8), 4)
    found: list[int] = []
    with pytest.raises(LookupError, match=f"item {bad}"):
        found.extend(window.each(gauge, count()))
    assert found == list(range(bad))
    assert gauge.running == 0
    begun = len(gauge.begun)
    assert begun <= bad + 4
    time.sleep(0.02)
    assert len(gauge.begun) == begun


def test_the_first_error_in_the_order_of_the_items_is_the_one_that_comes_out() -> None:
    later = threading.Event()

    def work(item: int) -> int:
        if item == 2:
            later.set()
            raise LookupError("the later")
        if item == 1:
            assert later.wait(PATIENCE)
            raise LookupError("the earlier")
        return item

    with pytest.raises(LookupError, match="the earlier"):
        list(settled(Window(8), 4).each(work, range(4)))


def test_an_error_of_the_items_themselves_comes_out_and_leaves_nothing_running() -> None:
    gauge = Gauge()

    def items() -> Iterator[int]:
        yield from range(6)
        raise LookupError("no more items")

    with pytest.raises(LookupError, match="no more items"):
        list(settled(Window(8), 2).each(gauge, items()))
    assert gauge.running == 0


def test_closing_early_leaves_nothing_running_and_begins_nothing() -> None:
    gauge = Gauge(0.01)
    answers = settled(Window(8), 8).each(gauge, count())
    assert next(answers) == 0
    answers.close()  # type: ignore[attr-defined]
    assert gauge.running == 0
    begun = len(gauge.begun)
    time.sleep(0.03)
    assert len(gauge.begun) == begun


def test_an_error_that_nobody_waits_for_any_more_disturbs_nobody() -> None:
    window = settled(Window(8), 8)
    answers = window.each(Gauge(0.01, fails_at=3), range(8))
    assert next(answers) == 0
    answers.close()  # type: ignore[attr-defined]
    assert list(window.each(Gauge(0), range(5))) == list(range(5))


def test_several_can_be_worked_through_in_turns() -> None:
    window = settled(Window(8), 2)
    first, second = window.each(Gauge(), range(20)), window.each(Gauge(), range(100, 120))
    assert list(zip(first, second, strict=True)) == list(zip(range(20), range(100, 120), strict=True))


class InterruptedForTest(Exception):  # noqa: N818 - it stands for KeyboardInterrupt
    """What a signal's handler raises."""


def test_an_interruption_of_whoever_waits_leaves_nothing_running() -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("only the main thread is interrupted")

    def interrupt(*_: object) -> None:
        raise InterruptedForTest

    done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            time.sleep(0.05)  # until it is waited for
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.1)
            done.set()
        return item

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(InterruptedForTest):
            list(Window(2).each(work, range(2)))
        assert done.is_set()
    finally:
        done.wait(PATIENCE)
        signal.signal(signal.SIGUSR1, before)


# Latency


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_window, "time", clock)
    return clock


def exchanged(window: Window, clock: Clock, latencies: Iterable[float], kind: Request = Request.READ) -> int:
    """Send requests that are answered after so many seconds each; return the window's size then."""
    for latency in latencies:
        window.sent(kind)
        clock.sleep(latency)
        window.noted(0)
    return window.size


@pytest.mark.parametrize("latency", [0.001, 0.02, 0.5, 30.0])
def test_it_grows_by_one_for_each_answer_while_latency_is_flat(latency: float, clock: Clock) -> None:
    window = Window(64)
    sizes = [exchanged(window, clock, [latency]) for _ in range(60)]
    assert sizes == [min(64, 9 + number) for number in range(60)]


def test_a_store_that_answers_ever_later_is_not_asked_ever_more(clock: Clock) -> None:
    """A store that does eight requests at a time, however many it is asked."""
    window = Window(1000)
    for _ in range(400):
        exchanged(window, clock, [0.1 * max(1.0, window.size / 8)])
    assert 14 <= window.size <= 130


def test_it_does_not_shrink_for_latency_alone(clock: Clock) -> None:
    window = Window(64)
    before = exchanged(window, clock, [0.05] * 20)
    for _ in range(50):
        assert exchanged(window, clock, [5.0]) >= before


def test_it_grows_again_once_latency_is_what_it_was(clock: Clock) -> None:
    window = Window(64)
    exchanged(window, clock, [0.05] * 20)
    before = exchanged(window, clock, [1.0] * 10)
    assert exchanged(window, clock, [0.05] * 60) > before + 20


@pytest.mark.parametrize("slower", [3.0, 10.0, 100.0])
def test_a_store_that_became_slower_for_good_is_not_kept_waiting_for(slower: float, clock: Clock) -> None:
    window = Window(32)
    exchanged(window, clock, [0.05] * 10)
    assert exchanged(window, clock, [0.05 * slower] * 2000) == 32


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("spread", [0.5, 1.0, 1.5])
def test_noise_does_not_keep_it_small(spread: float, seed: int, clock: Clock) -> None:
    noise = random.Random(seed)  # noqa: S311 - no secret
    window = Window(32)
    assert exchanged(window, clock, [noise.lognormvariate(-3, spread) for _ in range(300)]) == 32


def test_one_answer_that_comes_late_holds_it_up_for_a_while_only(clock: Clock) -> None:
    window = Window(32)
    exchanged(window, clock, [0.05, 0.05, 10.0])
    assert exchanged(window, clock, [0.05] * 80) == 32


def test_what_takes_longer_by_its_kind_is_not_taken_for_a_store_that_suffers(clock: Clock) -> None:
    window = Window(64)
    for number in range(20):
        assert exchanged(window, clock, [1.0], Request.LIST) == 9 + 2 * number
        assert exchanged(window, clock, [0.02], Request.READ) == 10 + 2 * number


def test_a_few_milliseconds_more_are_this_machine_s_own(clock: Clock) -> None:
    window = Window(32)
    exchanged(window, clock, [0.001] * 5)
    assert exchanged(window, clock, [0.009] * 30) == 32


def test_the_wait_for_the_rate_is_not_the_store_s(clock: Clock) -> None:
    window = Window(32, rate=0.5)
    assert exchanged(window, clock, [0.05] * 24) == 32


def test_the_latency_of_a_request_is_that_of_its_last_try(clock: Clock) -> None:
    window = Window(32)
    for _ in range(24):
        window.sent(Request.READ)
        clock.sleep(9.0)
        window.sent(Request.READ)
        clock.sleep(0.05)
        window.answered()
    assert window.size == 32


def test_requests_of_several_threads_are_not_confused(clock: Clock) -> None:
    window = Window(32)
    exchanged(window, clock, [0.05] * 9)
    window.sent(Request.READ)
    clock.sleep(60.0)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(exchanged, window, clock, [0.05]).result() == 18
    window.answered()
    assert window.size == 18
