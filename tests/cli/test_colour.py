"""Colour is for people at a terminal who want it; it changes no letter of what is said."""

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from fixtures.small import unpack
from tests.cli.scene import Planned, small
from tests.command import REGSWEEP, environment, regsweep
from tests.trees import Tree

MARK = re.compile("\x1b\\[[0-9;]*m")


def seen(*arguments: str | Path, cwd: Path, stream: str = "stdout", **env: str) -> str:
    """What a terminal shows of the stream that goes there; what the other gets is lost."""
    ours, theirs = pty.openpty()
    both = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | {stream: theirs}
    with subprocess.Popen(
        [*REGSWEEP, *map(str, arguments)],
        cwd=cwd,
        env=environment(cwd, **{"TERM": "xterm", **env}),
        stdin=subprocess.DEVNULL,
        stdout=both["stdout"],
        stderr=both["stderr"],
    ):
        os.close(theirs)
        parts = []
        while part := _read(ours):
            parts.append(part)
        os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:
        # Nobody writes to it any more.
        return b""


@pytest.mark.parametrize("command", ["plan", "prune", "report"])
def test_a_terminal_shows_what_a_pipe_gets_with_colour(tmp_path: Path, command: str) -> None:
    plan = tmp_path / "the.plan"
    root = unpack(tmp_path)
    made = regsweep("plan", root, "-m", "-o", plan, cwd=tmp_path)
    options = {"plan": (root, "-m", "-o", plan), "prune": (root, "-m", "--dry-run"), "report": (plan,)}[command]
    shown = seen(command, *options, cwd=tmp_path)
    assert "\x1b[" not in made.out
    assert "\x1b[32m39% comes free\x1b[0m" in shown

    def told(text: str) -> list[str]:
        others = ("Scanned", "Next", "  regsweep", "Nothing was deleted")
        return [line for line in text.splitlines() if line and not line.startswith(others)]

    assert told(MARK.sub("", shown)) == told(made.out)


@pytest.mark.parametrize(
    ("env", "coloured"),
    [
        ({}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": "0"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": ""}, True),
    ],
)
def test_whoever_wants_no_colour_gets_none(it: Planned, env: dict[str, str], coloured: bool) -> None:  # noqa: FBT001 - a case
    shown = seen("report", it.plan, cwd=it.cwd, stream="stdout", **env)
    assert "comes free" in shown
    assert ("\x1b" in shown) is coloured


def test_what_is_no_text_has_no_colour_on_a_terminal_either(it: Planned) -> None:
    shown = seen("report", it.plan, "--format", "json", cwd=it.cwd)
    assert json.loads(shown)["format"] == "regsweep-report"
    assert "\x1b" not in shown


def test_a_pipe_gets_no_colour_though_messages_go_to_a_terminal(it: Planned) -> None:
    with (it.cwd / "out").open("w") as out:
        ours, theirs = pty.openpty()
        subprocess.run(
            [*REGSWEEP, "report", str(it.plan)],
            cwd=it.cwd,
            env=environment(it.cwd, TERM="xterm"),
            stdout=out,
            stderr=theirs,
            check=True,
        )
        os.close(ours)
        os.close(theirs)
    assert "\x1b" not in (it.cwd / "out").read_text()


def test_check_colours_damage_and_its_absence(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    assert seen("check", tree.root, cwd=tmp_path).endswith("\x1b[32mNo damage.\x1b[0m\n")
    tree.put("repositories/app/_manifests/tags/v1/current/link", b"")
    shown = seen("check", tree.root, cwd=tmp_path)
    assert "\x1b[31mDamage\x1b[0m\n  \x1b[31mdamaged-link\x1b[0m: " in shown


def test_errors_stand_out_on_a_terminal_and_nothing_of_a_name_does(tmp_path: Path) -> None:
    shown = seen("plan", "\x1b[31mnone", cwd=tmp_path, stream="stderr")
    assert shown.startswith("regsweep: \x1b[31merror:\x1b[0m ")
    assert len(MARK.findall(shown)) == 2
    assert "\\x1b[31mnone" in shown
    assert "\x1b" not in seen("plan", "none", cwd=tmp_path, stream="stderr", NO_COLOR="1")


@pytest.mark.parametrize("command", ["plan", "check", "ls"])
def test_no_name_from_the_storage_colours_a_terminal(tmp_path: Path, command: str) -> None:
    tree = Tree(tmp_path / "registry")
    tree.put("repositories/app/_manifests/tags/\x1b[32mone/current/link", b"")
    tree.put("repositories/app/_manifests/tags/two/current/link", b"\x1b[32msha256:evil")
    tree.put("repositories/\x1b[32mapp/_manifests/tags/two/current/link", b"\x9b32m")
    shown = seen(command, tree.root, cwd=tmp_path, NO_COLOR="1")
    assert "32m" in shown
    assert all(line.isprintable() for line in shown.splitlines())
