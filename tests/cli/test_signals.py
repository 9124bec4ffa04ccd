"""Ctrl-C, SIGTERM, SIGKILL and the lock: a run that ends early leaves a storage that the next one finds in order."""

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.cli.live import DELETING, LISTING, LOADING, WRITING, Held
from tests.cli.scene import Planned, names, run, small, the_error
from tests.command import Finished, python, regsweep

LOCK = "regsweep.lock"
SENT = [
    pytest.param(signal.SIGINT, True, id="ctrl-c"),
    pytest.param(signal.SIGTERM, False, id="sigterm"),
    pytest.param(signal.SIGTERM, True, id="sigterm-to-all-processes"),
    pytest.param(signal.SIGHUP, True, id="lost-terminal"),
]


def listed(it: Planned) -> list[str]:
    records = map(json.loads, it.plan.read_text().splitlines())
    return [record["key"] for record in records if record["record"] == "delete"]


def apply(it: Planned, *options: str | Path) -> Finished:
    return regsweep("apply", it.plan, "--registry-stopped", *options, cwd=it.cwd)


def held(it: Planned, *options: str | Path) -> Held:
    return Held(DELETING, "apply", it.plan, "--registry-stopped", *options, cwd=it.cwd)


@pytest.mark.parametrize(
    ("where", "number", "group"),
    [
        pytest.param(LISTING, signal.SIGINT, True, id="listing-ctrl-c"),
        pytest.param(LISTING, signal.SIGTERM, True, id="listing-sigterm-to-all-processes"),
        pytest.param(WRITING, signal.SIGINT, True, id="writing-ctrl-c"),
        pytest.param(WRITING, signal.SIGTERM, False, id="writing-sigterm"),
        pytest.param(LISTING, signal.SIGHUP, True, id="listing-lost-terminal"),
    ],
)
def test_a_plan_that_is_stopped_says_so_in_a_line_and_leaves_nothing(
    tmp_path: Path, where: str, number: signal.Signals, *, group: bool
) -> None:
    tree = small(tmp_path / "registry")
    keys = tree.keys()
    with Held(where, "plan", tree.root, "-o", "the.plan", cwd=tmp_path) as running:
        running.wait_until_held()
        if where is WRITING:
            assert any(name.startswith(".the.plan.") for name in names(tmp_path))
        running.send(number, group=group)
        running.release_for_good()
        done = running.finish()
    assert tree.keys() == keys
    assert names(tmp_path) == {"registry"}
    assert done.out == ""
    assert done.lines == ["regsweep: interrupted; nothing was deleted"]
    assert done.code == 1


def test_a_plan_that_is_stopped_while_the_database_is_loaded_says_no_more_than_that(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    done = run(sys.executable, "-c", LOADING, "plan", tree.root, "-o", "the.plan", cwd=tmp_path)
    assert names(tmp_path) == {"registry"}
    assert done.lines == ["regsweep: interrupted; nothing was deleted"]
    assert done.code == 1


@pytest.mark.parametrize(("number", "group"), SENT)
def test_a_run_that_is_stopped_ends_after_the_batch_in_hand_and_the_next_resumes(
    it: Planned, number: signal.Signals, *, group: bool
) -> None:
    keys, doomed = it.tree.keys(), listed(it)
    with held(it) as running:
        running.wait_until_held()
        running.release()
        running.wait_until_held()
        running.send(number, group=group)
        running.wait_for_words("stopping after the batch in hand")
        running.release()
        done = running.finish()
    assert done.code == 4
    told, error, hint = done.lines
    assert told.startswith("regsweep: stopping after the batch in hand")
    assert error == (f"regsweep: error: stopped on request; 2 of {len(doomed)} deletions done, noted in {it.journal}")
    assert hint == "          run the same command again to resume"
    assert it.tree.keys() == keys - set(doomed[:2])
    finished = apply(it)
    assert (finished.code, finished.err) == (0, "")
    assert f"Deleted {len(doomed)} keys and " in finished.out
    assert it.tree.keys() == keys - set(doomed)


def test_a_second_signal_does_not_wait_for_the_batch(it: Planned) -> None:
    keys, doomed = it.tree.keys(), listed(it)
    with held(it) as running:
        running.wait_until_held()
        running.send(signal.SIGINT, group=True)
        running.wait_for_words("press Ctrl-C again to stop at once")
        running.send(signal.SIGINT, group=True)
        done = running.finish()
    assert done.code == 4
    assert "at least 0 of" in done.lines[1]
    assert "run the same command again to resume" in done.lines[2]
    assert it.tree.keys() == keys
    assert apply(it).code == 0
    assert it.tree.keys() == keys - set(doomed)


def test_a_stop_before_the_first_batch_deletes_nothing_and_can_be_resumed(it: Planned) -> None:
    keys, doomed = it.tree.keys(), listed(it)
    with Held(LISTING, "apply", it.plan, "--registry-stopped", cwd=it.cwd) as running:
        running.wait_until_held()
        running.send(signal.SIGINT, group=True)
        running.release_for_good()
        done = running.finish()
    assert done.code == 4, done.err
    assert f"stopped on request; 0 of {len(doomed)} deletions done" in the_error(done, 4)
    assert it.tree.keys() == keys
    assert apply(it).code == 0


OPENING = """
import os, signal
from regsweep.cli import applying
from regsweep.cli.main import main
def interrupted(*_):
    os.kill(os.getpid(), signal.SIGINT)
applying.open_again = interrupted
main()
"""


def test_a_stop_while_a_run_resumes_tells_what_earlier_runs_have_done(it: Planned) -> None:
    doomed = listed(it)
    with held(it) as running:
        running.wait_until_held()
        running.release()
        running.wait_until_held()
        running.kill()
    keys = it.tree.keys()
    done = python(OPENING, "apply", it.plan, "--registry-stopped", cwd=it.cwd)
    assert f"stopped on request; 1 of {len(doomed)} deletions done, noted in {it.journal}" in the_error(done, 4)
    assert it.tree.keys() == keys


def test_a_run_that_nohup_began_goes_on_without_its_terminal(it: Planned) -> None:
    keys, doomed = it.tree.keys(), listed(it)
    with Held(DELETING.replace("SIG_DFL", "SIG_IGN"), "apply", it.plan, "--registry-stopped", cwd=it.cwd) as running:
        running.wait_until_held()
        running.send(signal.SIGHUP, group=True)
        running.release_for_good()
        assert running.finish().code == 0
    assert it.tree.keys() == keys - set(doomed)


def test_two_runs_at_once_are_refused_and_the_owner_is_named(it: Planned) -> None:
    keys = it.tree.keys()
    with held(it) as running:
        running.wait_until_held()
        error = the_error(apply(it, "--journal", "another.journal"), 3)
        assert "the storage is locked by " in error
        assert f", process {running.pid}, since " in error
        assert "--break-lock" in error
        assert it.tree.keys() == keys | {LOCK}
        running.release_for_good()
        assert running.finish().code == 0
    assert not (it.tree.base / LOCK).exists()


def test_the_lock_of_a_killed_run_is_taken_over(it: Planned) -> None:
    keys, doomed = it.tree.keys(), listed(it)
    with held(it) as running:
        running.wait_until_held()
        running.release()
        running.wait_until_held()
        running.kill()
    assert it.tree.keys() == keys - set(doomed[:1]) | {LOCK}
    done = apply(it)
    assert (done.code, done.err) == (0, "")
    assert it.tree.keys() == keys - set(doomed)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("", "an unknown run", id="empty"),
        pytest.param("another host", "carol@another, process 7, since 2024-01-01", id="of-another-host"),
    ],
)
def test_a_lock_whose_owner_may_live_is_broken_only_on_request(it: Planned, content: str, says: str) -> None:
    owner = {"host": "another", "user": "carol", "pid": 7, "since": "2024-01-01T00:00:00Z"}
    unknown = {"boot": "b", "namespace": "n", "began": "1"}
    it.tree.put(LOCK, (json.dumps(owner | unknown) if content == "another host" else content).encode())
    keys = it.tree.keys()
    error = the_error(apply(it), 3)
    assert f"the storage is locked by {says}" in error
    assert "--break-lock" in error
    assert it.tree.keys() == keys
    assert apply(it, "--break-lock").code == 0
    assert it.tree.keys() == keys - set(listed(it)) - {LOCK}


def test_a_lock_cannot_speak_to_the_terminal(it: Planned) -> None:
    owner = {"host": "\x1b[2Ja", "user": "\u202eb", "pid": 7, "since": "2024-01-01T00:00:00Z"}
    it.tree.put(LOCK, json.dumps(owner | {"boot": "b", "namespace": "n", "began": "1"}).encode())
    error = the_error(apply(it), 3)
    assert not set("\x1b\u202e") & set(error)


def test_a_run_whose_lock_was_broken_stops(it: Planned) -> None:
    doomed = listed(it)
    with held(it, "--journal", "broken.journal") as running:
        running.wait_until_held()
        assert apply(it, "--break-lock").code == 0
        running.release()
        done = running.finish()
    assert done.code == 4
    assert f"the lock docker/registry/v2/{LOCK} was taken away from this run" in done.err
    assert f"of {len(doomed)} deletions done" in done.err
