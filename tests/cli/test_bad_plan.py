"""A plan or a journal that cannot be trusted: one line that says so, the right exit code, and nothing deleted."""

import json
import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from fixtures.images import image
from tests.cli.scene import OLD, ORPHAN, Planned, closed, on_a_full_disk, rewritten, run, the_error, without_privilege
from tests.command import Finished, regsweep
from tests.trees import Tree, blob_key

# The last blob that goes: what is wrong with it must be known before the first link has gone.
DOOMED = max(map(blob_key, [f"sha256:{sha256(ORPHAN).hexdigest()}", OLD.digest, *(blob.digest for blob in OLD.blobs)]))
KEY = f'"key":"{DOOMED}"'.encode()
OUTSIDE = "../../../../outside"


def apply(plan: str | Path, cwd: Path, *options: str | Path) -> Finished:
    return regsweep("apply", plan, "--registry-stopped", *options, cwd=cwd)


def test_a_plan_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    assert the_error(apply("no.plan", tmp_path), 2).startswith("no.plan: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(range(256)) * 40, id="binary"),
        pytest.param(b'{"record":"start","plan":"x"}\n', id="a-journal"),
        pytest.param(b"[" * 100_000, id="nested"),
        pytest.param(b'{"record":"plan","version":1}\n', id="a-header-of-little"),
    ],
)
def test_a_file_that_is_no_plan_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "the.plan").write_bytes(content)
    assert the_error(apply("the.plan", tmp_path), 2).startswith("the.plan: ")


def test_a_plan_that_is_a_directory_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "the.plan").mkdir()
    assert the_error(apply("the.plan", tmp_path), 2).startswith("the.plan: ")


def in_the_header(content: bytes) -> int:
    return content.index(b"\n") // 2


def after_the_header(content: bytes) -> int:
    return content.index(b"\n") + 1


def in_a_deletion(content: bytes) -> int:
    return content.rindex(b'"kind":"layer-link"')


def before_the_end(content: bytes) -> int:
    return content.rindex(b'{"record":"end"')


def in_the_end(content: bytes) -> int:
    return content.rindex(b"}")


@pytest.mark.parametrize("at", [in_the_header, after_the_header, in_a_deletion, before_the_end, in_the_end])
def test_a_plan_cut_off_anywhere_is_refused(untouched: Planned, tmp_path: Path, at: Callable[[bytes], int]) -> None:
    content = untouched.plan.read_bytes()
    (tmp_path / "the.plan").write_bytes(content[: at(content)])
    assert the_error(apply("the.plan", tmp_path), 2).startswith("the.plan: ")


def test_a_plan_of_a_newer_version_says_who_can_read_it(untouched: Planned, tmp_path: Path) -> None:
    newer = rewritten(
        untouched.plan, tmp_path / "the.plan", {b'"version":1,"regsweep":"': b'"version":2,"regsweep":"9.'}, sealed=True
    )
    error = the_error(apply(newer, tmp_path), 2)
    assert "regsweep 9." in error
    assert "version 2" in error


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({DOOMED.encode(): DOOMED.replace("blobs", "BLOBS").encode()}, id="a-key"),
        pytest.param({b'"min_age":86400.0': b'"min_age":0.0'}, id="an-option"),
    ],
)
def test_a_plan_edited_by_hand_is_refused(untouched: Planned, tmp_path: Path, change: dict[bytes, bytes]) -> None:
    edited = rewritten(untouched.plan, tmp_path / "the.plan", change, sealed=False)
    assert "was changed after it was written" in the_error(apply(edited, tmp_path), 2)


def test_a_plan_with_a_line_less_is_refused(untouched: Planned, tmp_path: Path) -> None:
    lines = untouched.plan.read_bytes().splitlines(keepends=True)
    (tmp_path / "the.plan").write_bytes(b"".join(lines[:3] + lines[4:]))
    assert "was changed after it was written" in the_error(apply("the.plan", tmp_path), 2)


@pytest.mark.parametrize(
    "key",
    [
        OUTSIDE,
        "/etc/hostname",
        "",
        "regsweep.lock",
        "repositories/app/_manifests/revisions/sha256/" + "a" * 64 + "/link",
    ],
)
def test_a_forged_key_is_refused_before_anything_is_deleted(untouched: Planned, tmp_path: Path, key: str) -> None:
    # With a checksum that fits: it protects from accidents, not from those who can compute it.
    outside = untouched.tree.root.parent / "outside"
    outside.write_text("precious")
    change = {KEY: f'"key":"{key}"'.encode()}
    forged = rewritten(untouched.plan, tmp_path / "the.plan", change, sealed=True)
    error = the_error(apply(forged, tmp_path), 2)
    assert "lists what regsweep never deletes" in error
    assert outside.read_text() == "precious"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            {b'"blob","repository":null,"tag":"",' + KEY: b'"planet","repository":null,"tag":"",' + KEY}, id="a-kind"
        ),
        pytest.param({KEY: KEY[:-1] + b'\\u001b[31m"'}, id="an-escape"),
        pytest.param({KEY: b'"key":17'}, id="a-number-for-a-key"),
        pytest.param({KEY: KEY[:-1]}, id="no-json"),
    ],
)
def test_a_forged_line_is_refused_before_anything_is_deleted(
    untouched: Planned, tmp_path: Path, change: dict[bytes, bytes]
) -> None:
    forged = rewritten(untouched.plan, tmp_path / "the.plan", change, sealed=True)
    error = the_error(apply(forged, tmp_path), 2)
    assert "the.plan: " in error
    assert "\x1b" not in error


def test_a_plan_whose_store_has_gone_is_refused_by_the_stores_name(untouched: Planned, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    elsewhere = {f'"store":"{untouched.tree.root}"'.encode(): f'"store":"{gone}"'.encode()}
    plan = rewritten(untouched.plan, tmp_path / "the.plan", elsewhere, sealed=True)
    assert the_error(apply(plan, tmp_path), 2).startswith(f"{gone}: no such directory")


def pushed(tree: Tree) -> None:
    tree.push(image(b"pushed since"), "other", "v1", age=0)


def retagged(tree: Tree) -> None:
    tree.tag("app", "v0", next(tree.base.glob("repositories/app/_manifests/revisions/*/*")).name.join(("sha256:", "")))


def replaced(tree: Tree) -> None:
    shutil.rmtree(tree.root)
    Tree(tree.root).push(image(b"another registry"), "another", "v1")


@pytest.mark.parametrize("change", [pushed, retagged, replaced])
def test_a_storage_that_changed_since_the_plan_is_left_alone(it: Planned, change: Callable[[Tree], None]) -> None:
    change(it.tree)
    before = it.tree.keys()
    error = the_error(apply(it.plan, it.cwd), 3)
    assert "the storage has changed since the plan was made" in error
    assert "make a new plan" in error
    assert it.tree.keys() == before


def test_the_journal_of_another_plan_is_refused(untouched: Planned, tmp_path: Path) -> None:
    journal = tmp_path / "the.journal"
    journal.write_text(json.dumps({"record": "start", "plan": "f" * 64, "at": "2024-01-01T00:00:00Z"}) + "\n")
    error = the_error(apply(untouched.plan, tmp_path, "--journal", journal), 2)
    assert error.startswith(f"{journal}: is the journal of another plan")


@pytest.mark.parametrize("content", ["not json\n", '{"record":"batch"}\n', '{"record":"done","at":1}\n'])
def test_a_damaged_journal_is_refused_and_kept(untouched: Planned, tmp_path: Path, content: str) -> None:
    journal = tmp_path / "the.journal"
    journal.write_text(content)
    error = the_error(apply(untouched.plan, tmp_path, "--journal", journal), 2)
    assert error.startswith(f"{journal}: ")
    assert journal.read_text() == content


@pytest.mark.parametrize("content", ["one line\nand one without an end", "a line without an end"])
def test_a_file_taken_for_a_journal_by_mistake_loses_nothing(untouched: Planned, tmp_path: Path, content: str) -> None:
    precious = tmp_path / "notes"
    precious.write_text(content)
    done = apply(untouched.plan, tmp_path, "--journal", precious)
    assert precious.read_text() == content
    the_error(done, 2)


def test_a_journal_that_says_done_without_a_plan_is_not_believed(untouched: Planned, tmp_path: Path) -> None:
    journal = tmp_path / "the.journal"
    journal.write_text('{"record":"done","at":"2024-01-01T00:00:00Z"}\n')
    the_error(apply(untouched.plan, tmp_path, "--journal", journal), 2)


def test_a_journal_that_cannot_be_opened_is_refused(untouched: Planned, tmp_path: Path) -> None:
    error = the_error(apply(untouched.plan, tmp_path, "--journal", "nowhere/the.journal"), 2)
    assert "nowhere/the.journal: the journal cannot be opened" in error
    (tmp_path / "closed").mkdir()
    with closed(tmp_path / "closed"):
        done = without_privilege(
            "apply", untouched.plan, "--registry-stopped", "--journal", "closed/the.journal", cwd=tmp_path
        )
    assert "closed/the.journal: the journal cannot be opened: Permission denied" in the_error(done, 2)


def test_a_journal_that_cannot_be_written_stops_the_run_before_anything_is_deleted(
    untouched: Planned, tmp_path: Path
) -> None:
    done = run(sys.executable, "-c", on_a_full_disk(64), "apply", untouched.plan, "--registry-stopped", cwd=tmp_path)
    error = the_error(done, 4)
    assert f"{untouched.journal}: the journal cannot be written" in error
    assert "run the same command again" in error


def test_a_storage_that_this_user_cannot_write_is_refused_before_anything_is_deleted(untouched: Planned) -> None:
    untouched.tree.base.chmod(0o555)
    try:
        done = without_privilege("apply", untouched.plan, "--registry-stopped", cwd=untouched.cwd)
    finally:
        untouched.tree.base.chmod(0o755)
    assert "Permission denied" in the_error(done, 1)
