"""Run regsweep as a user does: as a process of its own, with an environment of its own."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests import warm

_MAIN: Final = "from regsweep.cli.main import main; main()"
REGSWEEP: Sequence[str] = (sys.executable, "-c", _MAIN)


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
    return python(_MAIN, *arguments, cwd=cwd, stdin=stdin, env=env)


def python(
    code: str, *arguments: str | Path, cwd: Path, stdin: str | None = None, env: Mapping[str, str] | None = None
) -> Finished:
    """Run Python code, which may change regsweep before it runs a command line, as `regsweep` does."""
    request = (code, [*map(str, arguments)], str(cwd), environment(cwd, **(env or {})))
    done = warm.run(request, (stdin or "").encode(), seconds=120)
    return Finished(code=done.code, out=done.out.decode(), err=done.err.decode())
