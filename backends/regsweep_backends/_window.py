"""Many requests at once to a store behind a network: as many as it answers without slowing down."""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from typing import Final, TypeVar

from regsweep.storage.ports import Request

CONCURRENCY: Final = 32
"""Requests under way at once in all processes, where nobody says otherwise: more gained nothing on any store tried."""
_FIRST: Final = 8
"""Requests that are under way at once before anything is known of the store."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Window:
    """How many requests are under way at once: one more for each that was answered, half when the store objects.

    So it doubles with each round of answers, which is how fast TCP's slow start finds out what a path bears; after the
    first objection it grows by one a round, as TCP does then. It also keeps to a rate, and counts.

    Attributes:
        most: how many there may be at all.
        requests: how many were sent, by kind.
    """

    def __init__(self, most: int | None, rate: float | None = None) -> None:
        self.most = most or CONCURRENCY
        self.requests: Counter[Request] = Counter()
        self._rate = rate
        self._next = 0.0
        self._size = float(min(_FIRST, self.most))
        self._threshold = float(self.most)
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many requests may be under way now."""
        return int(self._size)

    def divide(self, processes: int) -> None:
        """Keep to an equal share of what is allowed."""
        self.most = max(1, self.most // processes)
        self._rate = self._rate and self._rate / processes
        self._size = min(self._size, float(self.most))
        self._threshold = float(self.most)

    def sent(self, kind: Request) -> None:
        """Count a request that is about to be sent, and wait until the rate allows it."""
        with self._lock:
            self.requests[kind] += 1
            if not self._rate:
                return
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + 1 / self._rate
        time.sleep(turn - now)

    def answered(self) -> None:
        """Note that the store answered as it should."""
        with self._lock:
            step = 1.0 if self._size < self._threshold else 1.0 / self._size
            self._size = min(float(self.most), self._size + step)

    def throttled(self) -> None:
        """Note that the store asked for fewer requests."""
        with self._lock:
            self._size = max(1.0, self._size / 2)
            self._threshold = self._size

    def noted(self, tries: int) -> None:
        """Note how often a request had to be sent again before the store answered as it should."""
        if tries:
            self.throttled()
        else:
            self.answered()

    def pause(self, attempt: int, *, throttled: bool = False) -> None:
        """Wait before another try: longer each time, and never as long as others who wait."""
        time.sleep(random.uniform(0, min(20.0, (0.5 if throttled else 0.1) * 2**attempt)))  # noqa: S311 - no secret

    def each(self, work: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
        """Give `work(item)` for each item, in order, several at once.

        Closing the iterator, or an error of any call, waits for the calls under way and begins no other.
        """
        waiting = iter(items)
        running: deque[Future[Answer]] = deque()
        try:
            while True:
                for item in islice(waiting, max(0, self.size - len(running))):
                    running.append(self._threads.submit(work, item))
                if not running:
                    return
                # It stays in line until it is done: whoever waits may be interrupted.
                answer = running[0].result()
                running.popleft()
                yield answer
        finally:
            for future in running:
                future.cancel()
            for future in running:
                if not future.cancelled():
                    future.exception()

    def close(self) -> None:
        """End the threads that `each` used."""
        if "_threads" in vars(self):
            self._threads.shutdown()
            del self._threads

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        # Made when first used: by then each process has a store of its own.
        return ThreadPoolExecutor(self.most, thread_name_prefix="regsweep")
