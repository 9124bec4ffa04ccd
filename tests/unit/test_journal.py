import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from regsweep.apply.journal import Journal, Trouble
from regsweep.errors import StoppedError, UsageError
from regsweep.storage.ports import Outcome, Result, Target

MINE, OTHER = "a" * 64, "b" * 64
DELETED, ABSENT = Outcome(Result.DELETED), Outcome(Result.ABSENT)
FAILED = Outcome(Result.FAILED, "denied")
CHANGED = Outcome(Result.CHANGED, "changed")


def targets(count: int, size: int = 10) -> list[Target]:
    return [Target(key=f"key {number}", size=size, modified=number) for number in range(count)]


def note(journal: Journal, first: int, *outcomes: Outcome) -> None:
    journal.record(first, targets(len(outcomes)), outcomes)


def written(path: Path, *runs: list[tuple[int, tuple[Outcome, ...]]]) -> bytes:
    """Write a journal of several runs, each of some batches."""
    for run in runs:
        with Journal(path, MINE) as journal:
            journal.start()
            for first, outcomes in run:
                note(journal, first, *outcomes)
    return path.read_bytes()


def resumed(path: Path) -> int:
    with Journal(path, MINE) as journal:
        return journal.resume_at


def test_a_new_journal_begins_at_the_first_deletion(tmp_path: Path) -> None:
    with Journal(tmp_path / "a.journal", MINE) as journal:
        assert (journal.resume_at, journal.deleted, journal.bytes, journal.absent) == (0, 0, 0, 0)
        assert journal.done is None


def test_a_run_resumes_after_the_last_batch_that_was_done(tmp_path: Path) -> None:
    written(tmp_path / "a", [(0, (DELETED, DELETED)), (2, (DELETED, ABSENT, DELETED))])
    assert resumed(tmp_path / "a") == 5


def test_the_journal_knows_at_once_what_it_will_know_when_it_is_read_again(tmp_path: Path) -> None:
    with Journal(tmp_path / "a", MINE) as journal:
        journal.start()
        note(journal, 0, DELETED, ABSENT, FAILED)
        journal.directories_removed(3, [])
        journal.finish()
        known = (journal.resume_at, journal.deleted, journal.absent, journal.bytes, journal.directories, journal.done)
    with Journal(tmp_path / "a", MINE) as again:
        assert known == (again.resume_at, again.deleted, again.absent, again.bytes, again.directories, again.done)


def test_sums_go_over_all_runs(tmp_path: Path) -> None:
    path = tmp_path / "a"
    written(path, [(0, (DELETED, DELETED))], [(2, (DELETED, ABSENT))], [(4, (ABSENT,))])
    with Journal(path, MINE) as journal:
        assert (journal.deleted, journal.bytes, journal.absent, journal.resume_at) == (3, 30, 2, 5)


def test_only_what_was_deleted_counts_as_bytes(tmp_path: Path) -> None:
    with Journal(tmp_path / "a", MINE) as journal:
        note(journal, 0, DELETED, ABSENT, FAILED, CHANGED)
        assert (journal.deleted, journal.bytes, journal.absent) == (1, 10, 1)


@pytest.mark.parametrize("trouble", [FAILED, CHANGED])
def test_a_batch_with_troubles_is_done_again(tmp_path: Path, trouble: Outcome) -> None:
    path = tmp_path / "a"
    written(path, [(0, (DELETED,)), (1, (DELETED, trouble)), (3, (DELETED,))])
    assert resumed(path) == 1
    written(path, [(1, (ABSENT, DELETED)), (3, (ABSENT,))])
    assert resumed(path) == 4


def test_what_comes_after_a_gap_is_done_again(tmp_path: Path) -> None:
    written(tmp_path / "a", [(0, (DELETED,)), (5, (DELETED, DELETED))])
    assert resumed(tmp_path / "a") == 1


def test_batches_of_another_size_in_a_later_run_count_too(tmp_path: Path) -> None:
    written(tmp_path / "a", [(0, (DELETED,) * 3)], [(2, (ABSENT, DELETED)), (4, (DELETED,))], [(0, (ABSENT,) * 2)])
    assert resumed(tmp_path / "a") == 5


def test_troubles_are_noted_with_key_and_error(tmp_path: Path) -> None:
    with Journal(tmp_path / "a", MINE) as journal:
        batch = journal.record(0, targets(3), [DELETED, FAILED, CHANGED])
    assert batch.troubles == [
        Trouble(key="key 1", result=Result.FAILED, error="denied"),
        Trouble(key="key 2", result=Result.CHANGED, error="changed"),
    ]
    line = json.loads((tmp_path / "a").read_bytes().splitlines()[-1])
    assert [trouble["key"] for trouble in line["troubles"]] == ["key 1", "key 2"]
    assert (line["record"], line["first"], line["last"]) == ("batch", 0, 2)


def test_an_outcome_too_few_is_an_error_not_a_shorter_batch(tmp_path: Path) -> None:
    with Journal(tmp_path / "a", MINE) as journal:
        with pytest.raises(ValueError, match="zip"):
            journal.record(0, targets(3), [DELETED, DELETED])
        assert journal.resume_at == 0


def test_a_line_torn_anywhere_is_dropped_and_its_batch_done_again(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole", [(0, (DELETED,)), (1, (DELETED, DELETED))])
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    path = tmp_path / "a"
    for end in range(last, len(whole)):
        path.write_bytes(whole[:end])
        assert resumed(path) == 1
        assert path.read_bytes() == whole[:last]


def test_a_first_line_torn_anywhere_is_a_journal_that_has_not_begun(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole", [])
    path = tmp_path / "a"
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert resumed(path) == 0
        assert path.read_bytes() == b""


def test_a_run_after_a_torn_line_writes_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a"
    content = written(path, [(0, (DELETED,)), (1, (DELETED,))])
    path.write_bytes(content[:-9])
    written(path, [(1, (ABSENT,))])
    assert [json.loads(line)["record"] for line in path.read_bytes().splitlines()] == [
        "start",
        "batch",
        "start",
        "batch",
    ]
    assert resumed(path) == 2


def test_a_plan_that_was_carried_out_is_known_to_be(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    with Journal(tmp_path / "a", MINE) as journal:
        journal.start()
        note(journal, 0, DELETED)
        journal.directories_removed(2, [])
        journal.finish()
    with Journal(tmp_path / "a", MINE) as again:
        assert again.done is not None
        assert before <= again.done <= datetime.now(UTC)
        assert (again.directories, again.deleted) == (2, 1)


def test_the_journal_of_another_plan_that_is_not_done_is_refused_and_left_alone(tmp_path: Path) -> None:
    content = written(tmp_path / "a", [(0, (DELETED,))]) + b'{"record":"ba'
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UsageError, match="another plan"):
        Journal(tmp_path / "a", OTHER)
    assert (tmp_path / "a").read_bytes() == content


def test_the_journal_of_another_plan_that_is_done_makes_room(tmp_path: Path) -> None:
    with Journal(tmp_path / "a", OTHER) as journal:
        journal.start()
        note(journal, 0, DELETED)
        journal.finish()
    with Journal(tmp_path / "a", MINE) as journal:
        assert (journal.resume_at, journal.deleted, journal.done) == (0, 0, None)
        journal.start()
    assert OTHER.encode() not in (tmp_path / "a").read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"notes of mine",
        b"notes of mine\n",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"\xff\xfe\n",
        b'{"record":"plan"}\n',
        b'{"record":"start"}\n',
        b'{"record":"done","at":"2024-01-01T00:00:00Z"}\n',
        b'{"record":"batch","first":0,"last":9,"deleted":9,"bytes":0,"absent":0,"troubles":[]}\n',
        b'{"record":"start","plan":"' + MINE.encode() + b'","at":"2024-01-01T00:00:00Z"}\nnotes\n',
        b"[" * 100_000 + b"\n",
        b'{"record":"start","plan":"\xff","at":"2024-01-01T00:00:00Z"}\n',
        b'{"record":"end"',
    ],
)
def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not a journal"):
        Journal(path, MINE)
    assert path.read_bytes() == content


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a journal"):
        Journal(Path(os.devnull), MINE)
    with pytest.raises(UsageError, match="directory"):
        Journal(tmp_path, MINE)
    with pytest.raises(UsageError, match="No such file"):
        Journal(tmp_path / "missing/a", MINE)


def test_a_journal_that_is_refused_is_not_kept_open(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"notes\n")
    with pytest.raises(UsageError):
        Journal(tmp_path / "a", MINE)
    # Others open and close files meanwhile, so that their number says nothing.
    assert str(tmp_path / "a") not in map(os.path.realpath, Path("/proc/self/fd").iterdir())


LIMITED = """
import resource, sys
from pathlib import Path
from regsweep.apply.journal import Journal
from regsweep.errors import StoppedError
from regsweep.storage.ports import Outcome, Result, Target

path, limit = Path(sys.argv[1]), int(sys.argv[2])
with Journal(path, "a" * 64) as journal:
    journal.start()
    journal.record(0, [Target(key="k", size=1, modified=1)], [Outcome(Result.DELETED)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + limit, resource.RLIM_INFINITY))
    try:
        journal.record(1, [Target(key="l", size=1, modified=1)], [Outcome(Result.DELETED)])
    except StoppedError as error:
        print(journal.resume_at, journal.deleted, error.message)
        sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_journal_that_cannot_be_written_stops_the_run_and_what_was_not_noted_is_done_again(
    tmp_path: Path, room: int
) -> None:
    path = tmp_path / "a.journal"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path, str(room)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (StoppedError.exit_code, "")
    assert done.stdout.startswith(f"1 1 {path}: the journal cannot be written")
    assert resumed(path) == 1


def test_each_line_is_on_disk_before_the_call_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.stat().st_size))
    with Journal(path, MINE) as journal:
        journal.start()
        note(journal, 0, DELETED)
        journal.directories_removed(0, [])
        journal.finish()
    lines = path.read_bytes().splitlines(keepends=True)
    assert synced == [sum(map(len, lines[: count + 1])) for count in range(4)]
