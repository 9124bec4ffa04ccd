"""Where results go: what is written takes the place of nothing else, and what cannot be written is told in a line."""

import itertools
import os
import sys
from pathlib import Path

import pytest

from tests.cli.scene import Planned, names, on_a_full_disk, run, small, the_error
from tests.command import REGSWEEP, python, regsweep


def out_of_place(folder: Path, kind: str) -> Path:
    path = folder / "place"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            # As /dev/null: made here, for a test that fails would cost the machine its own.
            os.mknod(path, 0o20666, os.makedev(1, 3))
        case "link":
            path.symlink_to("target")
        case "table":
            path.write_text("a,b\n1,2\n")
    return path


@pytest.mark.parametrize("kind", ["pipe", "device", "link", "table"])
@pytest.mark.parametrize("option", ["--output", "--html"])
def test_neither_a_plan_nor_a_page_takes_the_place_of_anything_else(it: Planned, kind: str, option: str) -> None:
    if kind == "device" and os.geteuid() != 0:
        pytest.skip("only root may make a device")
    path = out_of_place(it.cwd, kind)
    before = path.lstat()
    command: tuple[str | Path, ...] = ("plan", it.tree.root) if option == "--output" else ("report", it.plan)
    assert the_error(regsweep(*command, option, path, cwd=it.cwd), 2).startswith(f"{path}: ")
    after = path.lstat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)
    assert names(it.cwd) == {"registry", "the.plan", "place"}


@pytest.mark.parametrize("option", ["--output", "--html"])
def test_a_plan_and_a_page_take_the_place_of_an_older_one_and_of_an_empty_file(it: Planned, option: str) -> None:
    path = it.cwd / "place"
    path.touch()
    command = ("plan", it.tree.root) if option == "--output" else ("report", it.plan)
    for _ in range(2):
        assert regsweep(*command, option, path, cwd=it.cwd).code == 0
        assert path.stat().st_size > 0
    assert names(it.cwd) == {"registry", "the.plan", "place"}


COMMANDS = [("--version",), ("plan", "-o", "new.plan"), ("ls",), ("check",)]


# Help is typer's to print: where there is no output it prints none, and that is no error.
@pytest.mark.parametrize(
    ("command", "where"), [(("--help",), "full"), *itertools.product(COMMANDS, ["full", "closed"])], ids=str
)
def test_output_that_cannot_be_written_is_told_in_a_line(tmp_path: Path, command: tuple[str, ...], where: str) -> None:
    root: tuple[Path, ...] = () if command[0].startswith("--") else (small(tmp_path / "registry").root,)
    shell = '"$@" >&-' if where == "closed" else '"$@" >/dev/full'
    done = run("sh", "-c", shell, "sh", *REGSWEEP, *command, *root, cwd=tmp_path)
    assert the_error(done, 1).startswith("standard output ")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_plan_whose_result_cannot_be_written_is_said_to_be_carried_out(it: Planned, form: str) -> None:
    apply: tuple[str | Path, ...] = (*REGSWEEP, "apply", it.plan, "--registry-stopped", "--format", form)
    error = the_error(run("sh", "-c", '"$@" >/dev/full', "sh", *apply, cwd=it.cwd), 1)
    assert error.startswith("standard output cannot be written: No space left on device; the plan is carried out")
    assert str(it.journal) in error
    assert regsweep("apply", it.plan, "--registry-stopped", cwd=it.cwd).out.startswith("Nothing to do")


def test_messages_go_nowhere_when_there_is_nowhere_for_them(tmp_path: Path) -> None:
    done = run("sh", "-c", '"$@" 2>&-', "sh", *REGSWEEP, "plan", tmp_path / "missing", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (2, "", "")


@pytest.mark.parametrize("command", ["apply", "report"])
def test_a_plan_comes_from_a_file_and_from_no_pipe(it: Planned, command: str) -> None:
    guard = ("--registry-stopped",) if command == "apply" else ()
    piped: tuple[str | Path, ...] = ("sh", "-c", 'plan=$1; shift; cat "$plan" | "$@"', "sh", it.plan, *REGSWEEP)
    before = it.tree.keys()
    assert "/dev/stdin: " in the_error(run(*piped, command, "/dev/stdin", *guard, cwd=it.cwd), 2)
    assert it.tree.keys() == before


@pytest.mark.parametrize("form", ["csv", "prometheus"])
def test_check_offers_the_formats_that_it_has(tmp_path: Path, form: str) -> None:
    tree = small(tmp_path / "registry")
    assert form in the_error(regsweep("check", tree.root, "--format", form, cwd=tmp_path), 2)


@pytest.mark.parametrize("limit", [1_000, 30_000, 600_000])
def test_an_inventory_that_does_not_fit_on_its_disk_is_named_and_leaves_nothing(it: Planned, limit: int) -> None:
    place = it.cwd / "kept.db"
    done = python(
        on_a_full_disk(limit), "plan", it.tree.root, "-o", "new.plan", "--no-cache", "--inventory", place, cwd=it.cwd
    )
    error = the_error(done, 2 if limit == 1_000 else 1)
    assert str(place) in error
    assert "File too large" in error
    assert not [name for name in names(it.cwd) if name.startswith("kept.db")]


def test_an_inventory_that_is_kept_is_one_file(it: Planned) -> None:
    place = it.cwd / "kept.db"
    assert regsweep("plan", it.tree.root, "-o", "new.plan", "--inventory", place, cwd=it.cwd).code == 0
    assert names(it.cwd) == {"registry", "the.plan", "new.plan", "kept.db"}


def test_a_configuration_is_called_by_the_name_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "other.yml").write_text("just words")
    error = the_error(regsweep("plan", "--config", "other.yml", cwd=tmp_path), 2)
    assert error.startswith("other.yml: is not a map")


STARTING = """
import os, signal, regsweep.cli.main as entry
get_group = entry.get_group
def interrupted(app):
    os.kill(os.getpid(), signal.SIGTERM)
    return get_group(app)
entry.get_group = interrupted
entry.main()
"""
IMPORTING = """
import sys, regsweep.cli
class Finder:
    def find_spec(self, name, *rest):
        if name == "regsweep.cli.deciding":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
import regsweep.cli.main
"""


@pytest.mark.parametrize(
    ("code", "line"),
    [(STARTING, "interrupted; nothing was deleted"), (IMPORTING, "interrupted")],
    ids=["start", "import"],
)
def test_who_interrupts_the_start_sees_a_line_and_no_traceback(tmp_path: Path, code: str, line: str) -> None:
    done = run(sys.executable, "-c", code, "plan", small(tmp_path / "registry").root, cwd=tmp_path)
    assert done.lines == [f"regsweep: {line}"]
    assert done.code != 0
