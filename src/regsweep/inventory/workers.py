"""Spread the listing and reading of a store over the machine's cores."""

import ctypes
import gc
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import islice
from types import TracebackType
from typing import Final, Self, TypeVar, cast

from regsweep.errors import RegsweepError
from regsweep.inventory import schema
from regsweep.inventory.collect import Source
from regsweep.inventory.rows import Rows
from regsweep.inventory.signals import STOPPING

_AHEAD: Final = 3
"""Tasks in hand or waiting for each worker: enough to keep it busy, few enough to bound what results may pile up."""

_PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h."""

Task = TypeVar("Task")

_store: Source | None = None


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


class Workers:
    """Processes that share one store; with one, everything runs in this process.

    They are forked, so enter this context before anything starts threads.
    """

    def __init__(self, store: Source, processes: int) -> None:
        self._store = store
        self.processes = processes
        """How many do the work at the same time."""
        self._pool: ProcessPoolExecutor | None = None
        self._children: list[multiprocessing.process.BaseProcess] = []

    def __enter__(self) -> Self:
        if self.processes > 1:
            others = multiprocessing.active_children()
            context = multiprocessing.get_context("fork")
            # Not the store itself, which a fork would share: two processes in one connection mix up its answers.
            copy = pickle.dumps(self._store)
            self._pool = ProcessPoolExecutor(self.processes, context, _begin, (copy, self.processes, os.getpid()))
            # The first task forks them all. Until they know what a signal means to them, none may reach them.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
            try:
                first = self._pool.submit(os.getpid)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            with _deaths_told():
                first.result()
            self._children = [child for child in multiprocessing.active_children() if child not in others]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, and give their memory back, before the context does."""
        if self._pool is None:
            return
        if not all(child.is_alive() for child in self._children):
            # The pool must notice before it is asked to end: a worker that was killed while it waited had the queue's
            # lock in hand, and the others would wait for it for ever.
            with suppress(BrokenProcessPool):
                self._pool.submit(os.getpid).result()
        self._pool.shutdown(cancel_futures=True)
        self._children.clear()

    def run(self, work: Callable[[Source, Task], Rows], tasks: Iterable[Task]) -> Iterator[tuple[Task, Rows]]:
        """Do `work` on each task and give its rows as they come, in no particular order; each task exactly once.

        The first tasks begin at once, not when the first rows are asked for.

        Raises:
            RegsweepError: what `work` raised, or a worker died.
        """
        if self._pool is None:
            return ((task, work(self._store, task)) for task in tasks)
        waiting = iter(tasks)
        running: dict[Future[Rows], Task] = {}
        self._submit(work, waiting, running)
        return self._results(work, waiting, running)

    def _results(
        self, work: Callable[[Source, Task], Rows], waiting: Iterator[Task], running: dict[Future[Rows], Task]
    ) -> Iterator[tuple[Task, Rows]]:
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                self._submit(work, waiting, running)
                with _deaths_told():
                    rows = future.result()
                yield task, rows

    def _submit(
        self, work: Callable[[Source, Task], Rows], waiting: Iterator[Task], running: dict[Future[Rows], Task]
    ) -> None:
        if self._pool is None:
            return
        with _deaths_told():
            for task in islice(waiting, self.processes * _AHEAD - len(running)):
                running[self._pool.submit(_work, work, task)] = task


@contextmanager
def _deaths_told() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise RegsweepError(
            "a worker process died", hint="if the machine ran out of memory, give --memory less"
        ) from error


def _begin(copy: bytes, processes: int, parent: int) -> None:
    global _store  # noqa: PLW0603 - a worker process serves one store all its life
    # Ctrl-C and a lost terminal reach a whole process group; the parent alone decides what they mean. SIGTERM ends a
    # worker, for that is how the pool ends the others when one has died.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    _die_with(parent)
    # What the parent made is not this process's to collect: looking for garbage in it copies its memory.
    gc.freeze()
    _store = cast("Source", pickle.loads(copy))  # noqa: S301 - made by this very program
    _store.divide(processes)


def _die_with(parent: int) -> None:
    """Let the kernel end this process when its parent is killed, for it would wait for tasks for ever."""
    # ctypes is imported once, before the fork, for DuckDB needs it in the parent too.
    if sys.platform == "linux":
        prctl: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It was killed before the kernel was asked.
        os._exit(1)


def _work(work: Callable[[Source, Task], Rows], task: Task) -> Rows:
    if _store is None:
        raise RegsweepError("a worker was not given its store")
    before = dict(_store.requests)
    rows = work(_store, task)
    for kind, count in _store.requests.items():
        if sent := count - before.get(kind, 0):
            rows.add(schema.REQUESTS, kind, sent)
    return rows
