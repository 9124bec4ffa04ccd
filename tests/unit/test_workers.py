"""What could hang runs in a process of its own, which is ended when it does."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice

import pytest

from regsweep.errors import StorageError
from regsweep.inventory import schema
from regsweep.inventory.rows import Integers, Rows, Texts
from regsweep.inventory.workers import Workers, cores
from tests.unit.memory import MemoryStore

PROCESSES = [1, 2]
STORE = MemoryStore(url="the store")


def tell(store: object, task: int) -> Rows:
    """Give one row with the task, who did it and with which store."""
    assert isinstance(store, MemoryStore)
    rows = Rows()
    rows.add(schema.STRAYS, None, f"{store.url} {task}", os.getpid())
    return rows


def told(rows: Rows) -> tuple[str | None, int]:
    _, texts, numbers = rows.columns["strays"]
    assert isinstance(texts, Texts)
    assert isinstance(numbers, Integers)
    return texts.values[0], numbers.values[0]


def fail(_: object, task: int) -> Rows:
    """Fail as a store does, at one task."""
    if task == 7:
        raise StorageError("cannot be read", key="the key", hint="mend it")
    return Rows()


@pytest.mark.parametrize("processes", PROCESSES)
@pytest.mark.parametrize("count", [0, 1, 6, 7, 100])
def test_each_task_is_done_exactly_once(processes: int, count: int) -> None:
    with Workers(STORE, processes) as workers:
        found = [(task, told(rows)) for task, rows in workers.run(tell, range(count))]
    assert sorted(task for task, _ in found) == list(range(count))
    assert all(text == f"the store {task}" for task, (text, _) in found)
    here = os.getpid()
    assert all((number == here) is (processes == 1) for _, (_, number) in found)


@pytest.mark.parametrize("processes", PROCESSES)
def test_several_runs_can_be_under_way_at_once(processes: int) -> None:
    with Workers(STORE, processes) as workers:
        first, second = workers.run(tell, range(20)), workers.run(tell, range(100, 150))
        assert sorted(task for task, _ in second) == list(range(100, 150))
        assert sorted(task for task, _ in first) == list(range(20))
        assert list(workers.run(tell, ())) == []


@pytest.mark.parametrize("processes", PROCESSES)
def test_tasks_are_taken_as_they_are_needed_not_all_at_once(processes: int) -> None:
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for task in range(1000):
            taken += 1
            yield task

    with Workers(STORE, processes) as workers:
        assert len(list(islice(workers.run(tell, tasks()), 3))) == 3
    assert taken < 20


@pytest.mark.parametrize("processes", PROCESSES)
def test_an_error_in_a_task_reaches_the_caller_as_it_was(processes: int) -> None:
    with Workers(STORE, processes) as workers, pytest.raises(StorageError) as caught:
        list(workers.run(fail, range(20)))
    assert (caught.value.message, caught.value.key, caught.value.hint) == ("cannot be read", "the key", "mend it")


@pytest.mark.parametrize("processes", PROCESSES)
def test_after_an_error_in_a_task_others_can_still_be_done(processes: int) -> None:
    with Workers(STORE, processes) as workers:
        with pytest.raises(StorageError):
            list(workers.run(fail, range(20)))
        assert len(list(workers.run(tell, range(5)))) == 5


def test_leaving_early_leaves_no_processes_behind() -> None:
    with Workers(STORE, 2) as workers:
        assert next(workers.run(tell, range(1000)))
        assert len(multiprocessing.active_children()) == 2
    assert multiprocessing.active_children() == []


def begin_and_fail() -> None:
    with Workers(STORE, 2) as workers:
        workers.run(tell, range(1000))
        raise RuntimeError("a failure")


def test_leaving_by_an_error_leaves_no_processes_behind() -> None:
    with pytest.raises(RuntimeError, match="a failure"):
        begin_and_fail()
    assert multiprocessing.active_children() == []


def test_one_process_is_this_one() -> None:
    with Workers(STORE, 1):
        assert multiprocessing.active_children() == []
    assert cores() == len(os.sched_getaffinity(0))


PRELUDE = """
import multiprocessing, os, signal, sys
from regsweep.errors import RegsweepError
from regsweep.inventory.rows import Rows
from regsweep.inventory.workers import Workers
from tests.unit.memory import MemoryStore

def nothing(_, task):
    return Rows()

def die(_, task):
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return Rows()

def kill_worker(number):
    victim = sorted(multiprocessing.active_children(), key=lambda child: child.pid)[number]
    victim.kill()
    victim.join()

def attempt(workers, work=nothing):
    try:
        list(workers.run(work, range(20)))
    except RegsweepError as error:
        print("error:", error.message)
"""
DIED = "error: a worker process died\n"


def script(body: str, *, code: int = 0) -> str:
    """Run a script until none of its processes holds its output any more, which must come; return what it printed."""
    with subprocess.Popen(
        [sys.executable, "-c", f"{PRELUDE}\n{body}\nprint('over')"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert (process.returncode, "Traceback" in out) == (code, False), out
    return out


@pytest.mark.parametrize("processes", [2, 4])
def test_a_worker_that_is_killed_at_its_task_is_an_error_not_a_hang(processes: int) -> None:
    body = f"with Workers(MemoryStore(), {processes}) as workers:\n    attempt(workers, die)"
    assert script(body) == f"{DIED}over\n"


# One of two that wait holds the lock of the queue from which both are given their tasks.
@pytest.mark.parametrize("number", [0, 1])
def test_a_worker_that_was_killed_while_it_waited_is_an_error_not_a_hang(number: int) -> None:
    body = f"""
with Workers(MemoryStore(), 2) as workers:
    attempt(workers)
    kill_worker({number})
    attempt(workers)
"""
    assert script(body) == f"{DIED}over\n"


def test_once_a_worker_died_every_further_run_says_so() -> None:
    body = """
with Workers(MemoryStore(), 2) as workers:
    attempt(workers, die)
    attempt(workers)
"""
    assert script(body) == f"{DIED}{DIED}over\n"


@pytest.mark.parametrize("number", [0, 1])
def test_a_worker_that_is_killed_when_nothing_is_asked_of_it_any_more_holds_nobody_up(number: int) -> None:
    body = f"""
with Workers(MemoryStore(), 2) as workers:
    attempt(workers)
    kill_worker({number})
"""
    assert script(body) == "over\n"


def test_workers_do_not_outlive_a_parent_that_is_killed() -> None:
    body = """
with Workers(MemoryStore(), 2) as workers:
    attempt(workers)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert len(script(body, code=-signal.SIGKILL).split()) == 2
