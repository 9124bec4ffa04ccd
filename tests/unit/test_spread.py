"""Whether many small calls are made one after another or in threads is decided by how fast the first few are."""

import time
from collections.abc import Callable
from threading import get_ident

import pytest

from regsweep_backends._spread import spread


class _Work:
    """Doubles numbers; `slow` says of which call each item takes as long as over a network."""

    def __init__(self, slow: Callable[[int], bool]) -> None:
        self.calls = 0
        self.threads: set[int] = set()
        self._slow = slow

    def __call__(self, items: list[int]) -> list[int]:
        number, self.calls = self.calls, self.calls + 1
        self.threads.add(get_ident())
        if self._slow(number):
            time.sleep(0.0005 * len(items))
        return [2 * item for item in items]


@pytest.mark.parametrize("slow", [True, False])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 31, 32, 33, 96, 97, 500])
def test_each_item_is_answered_once_and_in_order(count: int, slow: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert spread(_Work(lambda _: slow), range(count)) == [2 * item for item in range(count)]


def test_calls_that_are_all_slow_are_spread_over_threads() -> None:
    work = _Work(lambda _: True)
    spread(work, range(500))
    assert len(work.threads) > 1


def test_a_hiccup_among_fast_calls_spreads_nothing() -> None:
    work = _Work(lambda number: number in (0, 2))
    spread(work, range(500))
    assert work.threads == {get_ident()}
