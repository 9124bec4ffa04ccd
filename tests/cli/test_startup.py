"""Help and mistakes are answered at once, by a program that has not loaded what only a run needs."""

import json
import sys
from pathlib import Path

import pytest

from tests.cli.scene import run, the_error
from tests.command import regsweep

LOADED = """
import atexit, json, sys
from regsweep.cli.main import main
sys.argv = ["regsweep", *sys.argv[1:]]
atexit.register(lambda: sys.stderr.write(json.dumps(sorted(sys.modules))))
main()
"""
HEAVY = {
    "duckdb",
    "nanoarrow",
    "urllib3",
    "yaml",
    "tqdm",
    "numpy",
    "pyarrow",
    "regsweep_backends",
    "boto3",
    "google",
    "azure",
    "multiprocessing",
    "ssl",
}


@pytest.mark.parametrize("arguments", [("--help",), ("prune", "-h")])
def test_help_is_given_without_loading_a_driver_or_the_database(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(sys.executable, "-c", LOADED, *arguments, cwd=tmp_path)
    assert done.code == 0
    assert "Usage: regsweep" in done.out
    assert HEAVY & {name.partition(".")[0] for name in json.loads(done.err)} == set()


def test_help_names_every_command(tmp_path: Path) -> None:
    done = regsweep("--help", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert all(f" {command} " in done.out for command in ("plan", "apply", "prune"))


def test_help_tells_of_each_option_that_a_refusal_may_suggest(tmp_path: Path) -> None:
    helps = {command: regsweep(command, "--help", cwd=tmp_path).out for command in ("plan", "apply", "prune")}
    rules = ("--allow", "--max-delete", "--min-age", "--untagged", "--output")
    guards = ("--registry", "--registry-stopped", "--registry-user", "--break-lock", "--journal")
    for command, options in {"plan": rules, "apply": guards, "prune": rules + guards}.items():
        assert [option for option in options if option not in helps[command]] == []


def test_without_a_command_help_is_shown(tmp_path: Path) -> None:
    done = regsweep(cwd=tmp_path)
    assert done.code in (0, 2)
    assert "Commands" in done.out + done.err
    assert "error" not in done.err.lower()


def test_an_unknown_command_is_refused_by_name(tmp_path: Path) -> None:
    assert "colect" in the_error(regsweep("colect", cwd=tmp_path), 2)


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_an_argument_too_few_or_too_many_is_refused(tmp_path: Path, command: str) -> None:
    assert the_error(regsweep(command, cwd=tmp_path), 2)
    assert "three" in the_error(regsweep(command, "one", "three", cwd=tmp_path), 2)
