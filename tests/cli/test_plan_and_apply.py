"""From a plan to a clean storage, and what is said on the way, on which stream."""

import json
import os
import re
import subprocess
from pathlib import Path

import duckdb
import msgspec
import pytest

from regsweep.report.document import Report
from tests.cli.live import on_a_terminal
from tests.cli.scene import NEW, OLD, ORPHAN, Planned, blobs, failed_unexpectedly, names, small
from tests.command import REGSWEEP, environment, regsweep
from tests.trees import Tree

UNREADABLE = b"\x1b[31m\xff\xe2\x80\xae"
ESCAPED = r"\x1b[31m\udcff\u202e"


def clean(tree: Tree) -> None:
    """Assert that the one image of the one tag is there, and no other blob."""
    assert tree.has(NEW.digest)
    assert all(tree.has(blob.digest) for blob in NEW.blobs)
    assert len(blobs(tree)) == 1 + len(NEW.blobs)


def test_a_plan_is_shown_and_written_and_deletes_nothing(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    keys = tree.keys()
    done = regsweep("plan", "registry", "-o", "the.plan", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Storage  {tree.root}\n")
    assert done.out.endswith("\n  regsweep apply the.plan --registry URL\n")
    assert tree.keys() == keys
    assert names(tmp_path) == {"registry", "the.plan"}


def test_a_report_goes_from_the_whole_to_the_parts_to_what_comes_next(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    tree.put("repositories/app/stray", b"x")
    out = regsweep("plan", tree.root, "-m", "-o", "the.plan", cwd=tmp_path).out
    parts = ["Storage", "Scanned", "Rules", "repositories ", "bytes ", "repository ", "largest condemned", "Findings"]
    found = [out.index(f"\n{part}") if at else out.index(part) for at, part in enumerate([*parts, "Next:"])]
    assert found == sorted(found)


def test_a_plan_without_a_name_is_named_by_its_time(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    done = regsweep("plan", tree.root, "-q", cwd=tmp_path)
    (plan,) = tmp_path.glob("*.plan")
    assert re.fullmatch(r"regsweep-\d{8}T\d{6}Z\.plan", plan.name)
    assert f"regsweep apply {plan.name} " in done.out


def test_nothing_to_delete_is_said_and_no_plan_is_written(tmp_path: Path) -> None:
    Tree(tmp_path / "registry").push(NEW, "app", "v1")
    done = regsweep("plan", "registry", "-m", cwd=tmp_path)
    assert done.code == 0
    assert done.out.endswith("\nNothing to delete.\n")
    assert names(tmp_path) == {"registry"}


def test_a_report_in_json_is_one_document(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    done = regsweep("plan", tree.root, "-m", "--format", "json", "-o", "the.plan", "-q", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    report = msgspec.json.decode(done.out, type=Report)
    assert msgspec.to_builtins(report) == msgspec.to_builtins(msgspec.convert(json.loads(done.out), Report))
    assert msgspec.json.decode(msgspec.json.encode(report)) == json.loads(done.out)
    assert report.plan == "the.plan"
    assert report.refused is None
    assert [repository.name for repository in report.repositories] == ["app"]
    condemned = {blob.digest: blob.bytes for blob in report.largest}
    assert len(ORPHAN) in condemned.values()
    assert condemned[OLD.digest] == len(OLD.blob.content)
    assert report.totals.condemned["blob"].count == len(condemned)


def test_short_m_is_untagged_delete(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    reports = []
    for options in (["-m"], ["--untagged", "delete"], ["--untagged", "keep"]):
        done = regsweep("plan", tree.root, *options, "--format=json", "-o", "the.plan", cwd=tmp_path)
        reports.append({**json.loads(done.out), "created": None, "finished": None})
    assert reports[0] == reports[1]
    assert reports[0] != reports[2]


def test_an_inventory_that_is_kept_can_be_asked_in_sql(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    done = regsweep("plan", tree.root, "-o", "the.plan", "--inventory", "inventory.db", cwd=tmp_path)
    assert done.code == 0, done.err
    with duckdb.connect(str(tmp_path / "inventory.db"), read_only=True) as connection:
        (count,) = connection.execute("SELECT count(*) FROM blobs").fetchone() or ()
        assert count == len(blobs(tree))
        tags = connection.execute("SELECT name, tag FROM tags JOIN repositories ON id = repository").fetchall()
        assert tags == [("app", "v1")]
        facts = dict(connection.execute("SELECT name, value FROM facts").fetchall())
    assert json.loads(facts["store"]) == str(tree.root)


def test_apply_deletes_what_the_plan_lists_and_reminds_of_the_cache(it: Planned, tmp_path: Path) -> None:
    done = regsweep("apply", "the.plan", "--registry-stopped", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert re.match(r"Deleted \d+ keys and \d+ empty directories; [\d.]+ k?B came free\.\n", done.out)
    assert "restart every registry" in done.out
    assert "Redis" in done.out
    clean(it.tree)
    keys = it.tree.keys()
    again = regsweep("apply", "the.plan", "--registry-stopped", cwd=tmp_path)
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith("Nothing to do: this plan was carried out at ")
    assert it.tree.keys() == keys


def _weight(tree: Tree) -> int:
    """The bytes of all but links, which are counted, not weighed."""
    return sum(path.stat().st_size for path in tree.base.rglob("*") if path.is_file() and path.name != "link")


def test_apply_in_json_is_one_document_the_second_time_too(it: Planned, tmp_path: Path) -> None:
    before = _weight(it.tree)
    results = []
    for _ in range(2):
        done = regsweep("apply", it.plan, "--registry-stopped", "--format", "json", "-q", cwd=tmp_path)
        assert (done.code, done.err) == (0, "")
        results.append(json.loads(done.out))
    assert results[0] == results[1]
    assert results[0]["format"] == "regsweep-result"
    assert results[0]["bytes"] == before - _weight(it.tree) > 0
    assert results[0]["deletions"] == results[0]["deleted"] > 0
    assert results[0]["store"] == str(it.tree.root)


def test_prune_with_yes_does_it_all(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    done = regsweep("prune", tree.root, "-m", "--yes", "--registry-stopped", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Storage ")
    assert "\nDeleted " in done.out
    assert "regsweep apply" not in done.out
    clean(tree)


def test_prune_in_json_is_one_document_to_a_line_reader(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    done = regsweep("prune", tree.root, "-m", "-y", "--registry-stopped", "--format=json", "-q", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    decoder = json.JSONDecoder()
    report, end = decoder.raw_decode(done.out)
    result, _ = decoder.raw_decode(done.out[end:].lstrip())
    assert (report["format"], result["format"]) == ("regsweep-report", "regsweep-result")
    assert report["plan"] == result["plan"]


def test_prune_of_nothing_does_nothing(tmp_path: Path) -> None:
    Tree(tmp_path / "registry").push(NEW, "app", "v1")
    done = regsweep("prune", "registry", "-m", "--yes", "--registry-stopped", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("Nothing to delete.\n")
    assert names(tmp_path) == {"registry"}


def test_a_dry_run_of_prune_writes_no_plan_and_needs_no_proof(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    keys = tree.keys()
    done = regsweep("prune", tree.root, "-m", "--dry-run", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "untagged" in done.out
    assert names(tmp_path) == {"registry"}
    assert tree.keys() == keys


@pytest.mark.parametrize("typed", ["n\n", "\x03", "\x04"], ids=["no", "ctrl-c", "end-of-input"])
def test_prune_asks_and_whatever_is_not_yes_deletes_nothing(tmp_path: Path, typed: str) -> None:
    tree = small(tmp_path / "registry")
    keys = tree.keys()
    done = on_a_terminal("prune", tree.root, "-m", "--registry-stopped", "-q", cwd=tmp_path, typed=typed)
    assert done.code == 1
    assert not failed_unexpectedly(done)
    assert "nothing was deleted" in done.err
    assert done.out.startswith("Storage ")
    assert tree.keys() == keys


def test_prune_deletes_when_the_answer_is_yes(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    done = on_a_terminal("prune", tree.root, "-m", "--registry-stopped", "-q", cwd=tmp_path, typed="y\n")
    assert done.code == 0, done.err
    assert "?" in done.err
    assert "\nDeleted " in done.out
    clean(tree)


def test_on_a_terminal_bars_are_shown_and_the_report_stays_clean(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    plan = on_a_terminal("plan", tree.root, "-m", "-o", "the.plan", cwd=tmp_path)
    apply = on_a_terminal("apply", "the.plan", "--registry-stopped", cwd=tmp_path)
    assert (plan.code, apply.code) == (0, 0)
    for done, stages in ((plan, ("listing", "reading manifests", "marking")), (apply, ("listing", "deleting"))):
        assert all(re.search(rf"\r{stage}[a-z ]*: +\d+%\|", done.err) for stage in stages), done.err
        assert not set("\r\x1b|") & set(done.out)
    assert plan.out.endswith("--registry URL\n")


def test_quiet_shows_no_bars_on_a_terminal_either(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    assert on_a_terminal("plan", tree.root, "-q", "-o", "the.plan", cwd=tmp_path).err == ""


def test_names_in_the_storage_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    hostile = os.fsdecode(UNREADABLE)
    tree.put(f"repositories/{hostile}/_layers/stray", b"x")
    tree.put(f"repositories/app/_manifests/tags/{hostile}/current/link", NEW.digest.encode())
    tree.put(f"blobs/sha256/{hostile}/data", b"x")
    tree.put(f"repositories/{hostile}/_manifests/revisions/{NEW.digest.replace(':', '/')}/link", NEW.digest.encode())
    text = regsweep("plan", tree.root, "-m", "-o", "the.plan", cwd=tmp_path)
    document = regsweep("plan", tree.root, "-m", "-o", "the.plan", "--format=json", cwd=tmp_path)
    assert (text.code, document.code) == (0, 0), text.err + document.err
    for done in (text, document):
        assert not set("\x1b\u202e") & set(done.out + done.err)
    assert ESCAPED in text.out
    keys = [finding["key"] for finding in json.loads(document.out)["findings"]]
    assert any(ESCAPED in key for key in keys)
    assert all(key.isascii() for key in keys)
    done = regsweep("apply", "the.plan", "--registry-stopped", cwd=tmp_path)
    assert done.code == 0, done.err
    assert (tree.base / f"blobs/sha256/{hostile}/data").exists()


def test_a_report_that_nobody_reads_makes_no_noise(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as unread:
        done = subprocess.run(
            [*REGSWEEP, "plan", str(tree.root), "-o", "the.plan"],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=unread,
            stderr=subprocess.PIPE,
            check=False,
            timeout=120,
        )
    assert done.stderr == b""
