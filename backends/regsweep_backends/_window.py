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
_SLOWER: Final = 2.0
"""How many times as long as at best answers may take on average while more are asked for at once."""
_LOCAL_SECONDS: Final = 0.01
"""How much longer they may take whatever the best was: this machine's own doing, and not the store's."""
_AVERAGED: Final = 8
"""Answers over which latency is averaged, about."""
_REMEMBERED: Final = 256
"""Answers after which the best latency is forgotten, about: small answers come sooner than the large ones of their kind
that follow, and a store that became slower is not kept waiting for ever."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class _Latency:
    """How long answers to requests of one kind take: on average by now, and at the best."""

    __slots__ = ("_average", "_best", "_number")

    def __init__(self) -> None:
        self._average = self._best = 0.0
        self._number = 0

    def is_high(self, seconds: float) -> bool:
        """Take in how long an answer took, and tell whether they take longer than they might."""
        self._number += 1
        self._average += (seconds - self._average) / min(self._number, _AVERAGED)
        if self._number <= _AVERAGED:
            # One answer that came early is no average.
            self._best = self._average
        else:
            self._best = min(self._average, self._best + (self._average - self._best) / _REMEMBERED)
        return self._average > _SLOWER * self._best + _LOCAL_SECONDS


class Window:
    """How many requests are under way at once: one more for each that was answered, half when the store objects.

    So it doubles with each round of answers, which is how fast TCP's slow start finds out what a path bears; after the
    first objection it grows by one a round, as TCP does then.

    It stays as it is while answers come late: while those to requests of a kind take on average more than twice as long
    as at their best, for then more at once would only wait for each other. It never shrinks for that. What is best is
    forgotten in some hundred answers, and an average of few answers comes down again soon. So noise, a stall, or a
    store that became slower for good hold it up for a while, and where more is too much it is so slowly found out.

    Latency is the time from `sent` to `answered` in one thread. It also keeps to a rate, and counts.

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
        self._under_way = threading.local()
        self._latencies = {kind: _Latency() for kind in Request}

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
        now = turn = time.monotonic()
        with self._lock:
            self.requests[kind] += 1
            if self._rate:
                turn = max(self._next, now)
                self._next = turn + 1 / self._rate
        if self._rate:
            time.sleep(turn - now)
        self._under_way.sent = kind, turn

    def answered(self) -> None:
        """Note that the store answered as it should."""
        sent: tuple[Request, float] | None = vars(self._under_way).pop("sent", None)
        with self._lock:
            if sent and self._latencies[sent[0]].is_high(time.monotonic() - sent[1]):
                return
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
