"""What the tests of the command line share: a small tree, a plan of it, and how a failure must look."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fixtures.images import image
from tests.command import REGSWEEP, Finished, environment, regsweep
from tests.trees import BASE, Tree

ORPHAN = b"nothing links to this"
OLD = image(b"old")
NEW = image(b"new")


def small(root: Path) -> Tree:
    """A registry of one repository: a tag, the image it pointed at before, and a blob that nothing links to."""
    tree = Tree(root)
    tree.push(OLD, "app", "v1", age=40)
    tree.push(NEW, "app", "v1")
    tree.blob(ORPHAN)
    return tree


def taken(root: Path) -> Tree:
    """A tree that stands already."""
    tree = Tree.__new__(Tree)
    tree.root, tree.base = root, root / BASE
    return tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A tree, and a plan of it."""

    tree: Tree
    plan: Path

    @property
    def cwd(self) -> Path:
        """Where the plan was made."""
        return self.plan.parent

    @property
    def journal(self) -> Path:
        """Where the plan's journal stands unless told otherwise."""
        return self.plan.with_name(f"{self.plan.name}.journal")


def planned(cwd: Path, *options: str) -> Planned:
    """Make the small tree and a plan of it, in the directory `cwd`."""
    tree = small(cwd / "registry")
    done = regsweep("plan", tree.root, "-o", "the.plan", "-q", *options, cwd=cwd)
    assert done.code == 0, done.err
    return Planned(tree=tree, plan=cwd / "the.plan")


def copied(template: Planned, into: Path) -> Planned:
    """Copy a tree and its plan into the directory `into`; of what a plan says only its store depends on the place."""
    shutil.copytree(template.tree.root, into / "registry")
    place = {f'"store":"{template.tree.root}"'.encode(): f'"store":"{into / "registry"}"'.encode()}
    plan = rewritten(template.plan, into / template.plan.name, place, sealed=True)
    return Planned(tree=taken(into / "registry"), plan=plan)


def the_error(done: Finished, code: int) -> str:
    """See that a run failed with one clear line, and a hint at most; return both, without what precedes them."""
    assert not failed_unexpectedly(done), done.err
    assert done.code == code, done.err
    first, *hints = done.lines
    assert first.startswith("regsweep: error: "), done.err
    assert len(hints) <= 1, done.err
    assert all(hint.startswith("          ") for hint in hints), done.err
    return "\n".join(line.removeprefix("regsweep: error: ").strip() for line in done.lines)


def failed_unexpectedly(done: Finished) -> bool:
    """Whether a run met something that nobody foresaw."""
    return "Traceback" in done.err or "error: unexpected " in done.err


def names(folder: Path) -> set[str]:
    """What stands in a directory."""
    return {path.name for path in folder.iterdir()}


def blobs(tree: Tree) -> set[str]:
    """The keys of every blob."""
    return {key for key in tree.keys() if key.startswith("blobs/")}  # noqa: SIM118 - a tree is no dictionary


def rewritten(plan: Path, into: Path, change: Mapping[bytes, bytes], *, sealed: bool) -> Path:
    """Copy a plan with some of its text replaced; `sealed` gives it the checksum that then fits."""
    content = plan.read_bytes()
    for old, new in change.items():
        assert old in content
        content = content.replace(old, new)
    body, _, end = content.rstrip(b"\n").rpartition(b"\n")
    if sealed:
        document = json.loads(end)
        document["sha256"] = hashlib.sha256(body + b"\n").hexdigest()
        end = json.dumps(document, separators=(",", ":")).encode()
    into.write_bytes(body + b"\n" + end + b"\n")
    return into


def without_privilege(*arguments: str | Path, cwd: Path) -> Finished:
    """Run a command line with no right to pass over the permissions of files, which root otherwise has.

    Another user would do too, could one be sure that it may start this interpreter.
    """
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    return run(*(drop if os.geteuid() == 0 else ()), *REGSWEEP, *arguments, cwd=cwd)


def run(*command: str | Path, cwd: Path) -> Finished:
    """Run a command as `regsweep` runs its own."""
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=environment(cwd),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Finished(code=done.returncode, out=done.stdout, err=done.stderr)


def on_a_full_disk(most: int) -> str:
    """Code that runs a command line which can write no file of more bytes than so many: semaphores are files of 32."""
    return f"""
import resource
from regsweep.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))
main()
"""


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """Take every permission from a file or directory, for a while."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(mode)
