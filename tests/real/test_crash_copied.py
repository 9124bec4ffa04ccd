"""Killed again and again in Cloud Storage and in Azure, a plan gets to its end, and nothing that should live is lost.

Not at every moment, as on S3: once at each kind of moment, among the links and among the blobs.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from fixtures.client import serves
from fixtures.ledger import Ledger
from fixtures.registry import Registry
from tests.command import python
from tests.real.books import condemned_keys, contents, keys, session, split
from tests.real.copies import SERVERS, Copy
from tests.real.pushed import NOTHING_IS_YOUNG, push_everything

pytestmark = pytest.mark.registry

LOCK: Final = "regsweep.lock"
KILLED: Final = -signal.SIGKILL
CRASHING: Final = """
import itertools, os, signal, sys, threading
from regsweep.cli.main import main
from regsweep.storage.ports import Request
from regsweep_backends._objects import ObjectStore
from regsweep_backends._window import Window
moment, number = sys.argv.pop(1), int(sys.argv.pop(1))
counted, last, doing = itertools.count(1), threading.local(), "nothing"
connect, delete, write = ObjectStore.__init__, ObjectStore.delete, os.write
sent, answered = Window.sent, Window.answered

def now(what):
    return f"{doing}, {what}" == moment and next(counted) == number

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def connecting(self, bucket, base):
    connect(self, bucket, base)
    self.batch = 4

def deleting(self, targets):
    global doing
    doing = "blobs" if targets[0].key.startswith("blobs/") else "links"
    return delete(self, targets)

def sending(self, kind):
    last.kind = kind
    if kind is Request.DELETE and now("to be deleted"):
        die()
    sent(self, kind)

def answering(self):
    if last.kind is Request.DELETE and now("deleted"):
        die()
    answered(self)

def writing(fd, content):
    if os.readlink(f"/proc/self/fd/{fd}").endswith(".journal") and now("to be noted"):
        write(fd, content[:len(content) // 2])
        die()
    return write(fd, content)

ObjectStore.__init__, ObjectStore.delete, os.write = connecting, deleting, writing
Window.sent, Window.answered = sending, answering
main()
"""
"""Kills itself when something happens for the given time, deleting four keys at once."""
MOMENTS: Final = [
    ("links, to be deleted", 1),
    ("links, deleted", 2),
    ("links, to be noted", 2),
    ("blobs, to be deleted", 1),
    ("blobs, deleted", 2),
    ("blobs, to be noted", 1),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A copy, a plan of it, and the books of what was pushed."""

    cwd: Path
    copy: Copy
    ledger: Ledger

    def crash(self, moment: str, number: int) -> int:
        way = self.copy.ways["config"]
        run = ("apply", "the.plan", "--registry-stopped", "-q", "--config", str(way.config))
        return python(CRASHING, moment, str(number), *run, cwd=self.cwd, env=way.environment).code

    def problems(self, root: Path) -> list[str]:
        """What a registry over all that is there now could not serve of what should live."""
        with Registry(self.copy.copied_back(root)) as registry:
            live = self.ledger.outcome(untagged="delete").live
            return [problem for name in live for problem in serves(registry.url, *split(name))]


@pytest.fixture(params=SERVERS)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    ledger, root = Ledger(), tmp_path / "original"
    with session(root, ledger) as to:
        push_everything(to)
    with SERVERS[request.param](tmp_path / "copy") as copy:
        copy.fill({key: content for key, content in contents(root).items() if content is not None})
        cwd = tmp_path / "cwd"
        cwd.mkdir()
        planned = copy.ways["config"].run("plan", "-m", *NOTHING_IS_YOUNG, "-q", "-o", "the.plan", cwd=cwd)
        assert (planned.code, planned.err) == (0, "")
        yield Scene(cwd=cwd, copy=copy, ledger=ledger)


def test_a_plan_whose_runs_are_killed_harms_nothing_and_is_completed(scene: Scene, tmp_path: Path) -> None:
    doomed = set(keys(scene.cwd / "the.plan"))
    blobs = {key for key in doomed if key.startswith("blobs/")}
    left = scene.copy.keys()
    kept = left - doomed
    for n, (moment, number) in enumerate(MOMENTS):
        assert scene.crash(moment, number) == KILLED, moment
        before, left = left, scene.copy.keys() - {LOCK}
        assert kept <= left <= before
        assert left.isdisjoint(doomed - blobs) or blobs <= left
        assert scene.problems(tmp_path / f"back-{n}") == []
    # Not with --break-lock: that the lock's holder is dead is found out.
    done = scene.copy.ways["config"].run("apply", "the.plan", "--registry-stopped", "-q", cwd=scene.cwd)
    assert (done.code, done.err) == (0, "")
    assert scene.copy.keys() == kept == scene.ledger.keys() - condemned_keys(scene.ledger.outcome(untagged="delete"))
