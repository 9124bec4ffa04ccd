"""Run regsweep as a user does: as a process of its own, with an environment of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REGSWEEP: Sequence[str] = (sys.executable, "-c", "from regsweep.cli.main import main; main()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a run ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What stands on standard error, line by line."""
        return self.err.splitlines()


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of this machine's users and registries takes part."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CACHE_HOME": str(home.parent / f"{home.name}.cache"),
        "LC_ALL": "C.UTF-8",
    } | more


def regsweep(
    *arguments: str | Path, cwd: Path, stdin: str | None = None, env: Mapping[str, str] | None = None
) -> Finished:
    """Run a command line in the directory `cwd`, with `stdin` as its input if given, to its end."""
    done = subprocess.run(
        [*REGSWEEP, *map(str, arguments)],
        cwd=cwd,
        env=environment(cwd, **(env or {})),
        input="" if stdin is None else stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Finished(code=done.returncode, out=done.stdout, err=done.stderr)
