"""Do many small calls one after another where the storage is near, in threads where each waits for a network."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

THREADS: Final = 16
_SAMPLE: Final = 32
_NEAR_SECONDS: Final = 100e-6
"""A call that takes longer waits for a network or a disk: on a warm local file system it takes a tenth of that, and
threads there only contend for the interpreter."""
_SLICE: Final = 64

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def spread(work: Callable[[list[Item]], list[Answer]], items: Sequence[Item]) -> list[Answer]:
    """Return `work(items)`, made of calls on slices of them; concurrently if the first few turn out slow.

    `work` answers each item on its own, in order. An error of any call is raised when all have ended.
    """
    begin = time.perf_counter()
    answers = work(list(items[:_SAMPLE]))
    rest = items[_SAMPLE:]
    if not rest:
        return answers
    if (time.perf_counter() - begin) / _SAMPLE < _NEAR_SECONDS:
        return answers + work(list(rest))
    slices = [list(rest[start : start + _SLICE]) for start in range(0, len(rest), _SLICE)]
    with ThreadPoolExecutor(min(THREADS, len(slices))) as pool:
        for part in pool.map(work, slices):
            answers += part
    return answers
