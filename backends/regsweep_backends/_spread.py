"""Do many small calls one after another where the storage is near, in threads where each waits for a network."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

THREADS: Final = 16
_PROBES: Final = 4
_PROBE: Final = 8
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
    answers: list[Answer] = []
    seconds: list[float] = []
    for _ in range(_PROBES):
        if not (probe := list(items[len(answers) : len(answers) + _PROBE])):
            return answers
        begin = time.perf_counter()
        answers += work(probe)
        seconds.append((time.perf_counter() - begin) / len(probe))
    if not (rest := list(items[len(answers) :])):
        return answers
    # The fastest tells: in the others something else may have had the processor.
    if min(seconds) < _NEAR_SECONDS:
        return answers + work(rest)
    slices = [rest[start : start + _SLICE] for start in range(0, len(rest), _SLICE)]
    with ThreadPoolExecutor(min(THREADS, len(slices))) as pool:
        for part in pool.map(work, slices):
            answers += part
    return answers
