"""Whenever a run is killed, the registry serves what it should, and the same command completes the plan."""

import itertools
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.client import Client, serves
from fixtures.images import artifact, image, index
from fixtures.ledger import Ledger
from fixtures.registry import Registry, age
from tests.command import Finished, python, regsweep
from tests.real.books import Session, contents, keys, planned, session, split
from tests.trees import blob_key

pytestmark = pytest.mark.registry

LOCK = "regsweep.lock"
OK = 200
KILLED = -signal.SIGKILL
CRASHING = """
import os, signal, sys
from regsweep.cli.main import main
from regsweep_backends.filesystem import FilesystemStore
moment, left, root = sys.argv.pop(1), int(sys.argv.pop(1)), sys.argv.pop(1)
unlink, rmdir, write, link = os.unlink, os.rmdir, os.write, os.link
emptied = 0
os.fsync = lambda fd: None  # whoever is killed loses nothing that was written

def passed(this):
    global left
    left -= this == moment
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

def in_the_storage(fd):
    return fd is not None and os.readlink(f"/proc/self/fd/{fd}").startswith(root)

def unlinking(path, *, dir_fd=None):
    unlink(path, dir_fd=dir_fd)
    if in_the_storage(dir_fd):
        passed("after a file")

def removing(path, *, dir_fd=None):
    global emptied
    rmdir(path, dir_fd=dir_fd)
    if in_the_storage(dir_fd):
        emptied += 1
        if emptied > 1:  # the directory of a file that went is not followed by another before a note
            passed("after a directory")

def writing(fd, content):
    global emptied
    if not os.readlink(f"/proc/self/fd/{fd}").endswith(".journal"):
        return write(fd, content)
    emptied = 0
    passed("before a note")
    if moment == "within a note" and left == 1:
        write(fd, content[:len(content) // 2])
    passed("within a note")
    written = write(fd, content)
    passed("after a note")
    return written

def linking(source, target, *, dst_dir_fd=None):
    passed("before the lock has a name")
    link(source, target, dst_dir_fd=dst_dir_fd)
    passed("after the lock has a name")

os.unlink, os.rmdir, os.write, os.link = unlinking, removing, writing, linking
FilesystemStore.batch = 1
main()
"""
"""Kills itself at one moment of its work, counted from 1, each batch being one key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A tree that can be had anew for each crash, at the one place for which it was planned and is served."""

    cwd: Path
    ledger: Ledger
    plan: Path
    root: Path
    registry: Registry
    client: Client

    @property
    def doomed(self) -> list[str]:
        return keys(self.plan)

    def renew(self) -> None:
        shutil.rmtree(self.root / "docker", ignore_errors=True)
        shutil.copytree(self.cwd / "pristine/docker", self.root / "docker")
        (self.cwd / "the.plan.journal").unlink(missing_ok=True)

    def crash(self, moment: str, number: int) -> int:
        done = python(CRASHING, moment, str(number), self.root, *self._apply(), cwd=self.cwd)
        assert (done.code, done.err) in ((0, ""), (KILLED, ""))
        return done.code

    def apply(self) -> Finished:
        done = regsweep(*self._apply(), cwd=self.cwd)
        assert (done.code, done.err) == (0, "")
        return done

    def _apply(self) -> tuple[str | Path, ...]:
        return "apply", self.plan, "-q", "--registry", self.registry.url

    def problems(self) -> list[str]:
        """What is wrong with the registry's view: what lives is missing, or something is served in part."""
        live = set(self.ledger.outcome(untagged="delete").live)
        found = sorted({split(name)[0] for name in live} - set(self.client.repositories()))
        for repository, tag in self.ledger.tags:
            if f"{repository}:{tag}" in live and self.client.manifest_status(repository, tag) != OK:
                found.append(f"{repository}:{tag}")
        for repository, digest in self.ledger.revisions:
            wrong = serves(self.registry.url, repository, digest)
            unknown = [f"{self.registry.url}/v2/{repository}/manifests/{digest}: 404"]
            if f"{repository}@{digest}" in live or wrong != unknown:
                found += wrong
        return found

    def dangling(self) -> set[str]:
        """Links that lead to no blob."""
        tree = contents(self.root)
        links = {key: content for key, content in tree.items() if key.endswith("/link") and content is not None}
        return {key for key, content in links.items() if blob_key(content.decode()) not in tree}


def push_everything(to: Session) -> None:
    old = to.http(image(b"shared", b"old"), "app", "latest")
    new = to.http(image(b"shared", b"new"), "app", "latest")
    to.http(artifact(b"signature of old", kind="application/x"), "app", f"{old.digest.replace(':', '-')}.sig")
    to.http(index(image(b"amd64"), image(b"arm64", platform="linux/arm64")), "multi", "stable")
    to.http(new, "app/emptied", "v1")
    to.delete("app/emptied", new)
    to.abandon("app")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    cwd = tmp_path_factory.mktemp("crash")
    root, ledger = cwd / "registry", Ledger()
    with session(root, ledger) as to:
        push_everything(to)
    age(root, 30)
    shutil.copytree(root, cwd / "pristine")
    plan = planned(root, cwd)
    with Registry(root, readonly=True) as registry, Client(registry.url) as client:
        yield Scene(cwd=cwd, ledger=ledger, plan=plan, root=root, registry=registry, client=client)


@pytest.fixture(scope="module")
def swept(scene: Scene) -> dict[str, bytes | None]:
    """The tree after a run that nothing disturbs."""
    scene.renew()
    scene.apply()
    return contents(scene.root)


@pytest.mark.parametrize(
    ("moment", "first", "step"),
    [
        # After each deletion, dealt out among several workers.
        *(("after a file", part, 3) for part in (1, 2, 3)),
        ("after a directory", 1, 2),
        # Of what happens to the journal, each deletion has one.
        ("before a note", 1, 3),
        ("within a note", 2, 3),
        ("after a note", 3, 3),
    ],
)
def test_a_run_killed_at_any_moment_harms_nothing_and_the_next_completes_it(
    scene: Scene, swept: dict[str, bytes | None], moment: str, first: int, step: int
) -> None:
    for number in itertools.count(first, step):
        scene.renew()
        if scene.crash(moment, number) == 0:
            break
        assert scene.problems() == []
        assert scene.dangling() == set()
        # Not with --break-lock: that its holder is dead is found out.
        scene.apply()
        assert contents(scene.root) == swept, f"{moment} {number}"
    # Of directories those count that go at the end, when nothing hangs on the run any more.
    least = 3 if moment == "after a directory" else len(scene.doomed)
    assert number > least, "it was not killed once for each deletion"
    assert contents(scene.root) == swept


def test_a_run_killed_before_it_has_the_lock_leaves_none(scene: Scene) -> None:
    scene.renew()
    assert scene.crash("before the lock has a name", 1) == KILLED
    assert LOCK not in contents(scene.root)
    scene.apply()


@pytest.mark.parametrize("moment", ["after the lock has a name", "before a note", "after a file"])
def test_a_killed_run_leaves_its_lock_and_the_next_takes_it_over(scene: Scene, moment: str) -> None:
    scene.renew()
    assert scene.crash(moment, 1) == KILLED
    assert (scene.root / "docker/registry/v2" / LOCK).is_file()
    scene.apply()
    assert LOCK not in contents(scene.root)


def test_many_crashes_in_a_row_get_to_the_end_all_the_same(scene: Scene, swept: dict[str, bytes | None]) -> None:
    scene.renew()
    crashes = 0
    # The journal has the third deletion noted neither time: each run has two more behind it.
    while scene.crash("after a file", 3) == KILLED:
        crashes += 1
        assert crashes <= len(scene.doomed)
    assert scene.problems() == []
    assert crashes > len(scene.doomed) / 4
    assert contents(scene.root) == swept


def test_a_plan_that_is_done_says_so_and_touches_nothing(scene: Scene, swept: dict[str, bytes | None]) -> None:
    scene.renew()
    scene.apply()
    done = scene.apply()
    assert done.out.startswith("Nothing to do: this plan was carried out at ")
    assert contents(scene.root) == swept
