"""A store that fails while the command line works with it: one clear line, no half plan, and a run that resumes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from regsweep.storage.ports import Request
from tests.cli.scene import names, small, the_error
from tests.command import Finished, python
from tests.conformance.listing import files
from tests.conformance.objects import ObjectMaker, s3_maker
from tests.servers import s3
from tests.servers.faults import Asked, Cut, Fault, Proxy, faults
from tests.servers.refusals import S3
from tests.trees import Tree

IMPATIENT: Final = """
import sys
import botocore.retryhandler
from regsweep.cli.main import main
from regsweep_backends import _window, s3
botocore.retryhandler.delay_exponential = lambda **_: 0
_window.Window.pause = lambda *_, **__: None
s3.S3Bucket.batch = 2
main()
"""
"""Tries again at once, and deletes two keys in a batch."""
LOCK: Final = "regsweep.lock"
RULES: Final = ("-m", "--min-age", "0s", "--no-cache", "-q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A bucket with a small tree behind a proxy."""

    cwd: Path
    proxy: Proxy
    maker: ObjectMaker
    tree: Tree

    def run(self, *arguments: str) -> Finished:
        """Run a command line."""
        credentials = {"AWS_ACCESS_KEY_ID": s3.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY}
        return python(IMPATIENT, *arguments, cwd=self.cwd, env=credentials)

    def plan(self) -> Finished:
        """Make a plan."""
        return self.run("plan", self.maker.open().url, "-o", "the.plan", *RULES)

    def apply(self) -> Finished:
        """Carry it out."""
        return self.run("apply", "the.plan", "--registry-stopped", "-q")

    def doomed(self) -> set[str]:
        """The keys that the plan lists."""
        records = map(json.loads, (self.cwd / "the.plan").read_text(encoding="utf-8").splitlines())
        return {record["key"] for record in records if record["record"] == "delete"}

    def keys(self) -> set[str]:
        """What stands in the bucket, whatever goes on."""
        self.proxy.mend()
        return files(self.maker.facts())


@pytest.fixture(scope="module")
def moto() -> Iterator[s3.Server]:
    with s3.moto() as server:
        yield server


@pytest.fixture
def scene(moto: s3.Server, tmp_path: Path) -> Iterator[Scene]:
    with faults(moto.endpoint) as proxy:
        maker = s3_maker(s3.Server(proxy.address))
        tree = small(tmp_path / "source")
        maker.fill(tree)
        (tmp_path / "cwd").mkdir()
        yield Scene(cwd=tmp_path / "cwd", proxy=proxy, maker=maker, tree=tree)


def reads(asked: Asked) -> bool:
    return asked.kind is Request.READ and "/blobs/" in asked.target


def deletes_many(asked: Asked) -> bool:
    return asked.kind is Request.DELETE and asked.method == "POST"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        pytest.param(S3["busy"], "reduce your request rate", id="throttled-for-good"),
        pytest.param(S3["expired"], "the credentials are refused", id="expired"),
        pytest.param(S3["vanished"], "there is no such bucket", id="vanished"),
        pytest.param(Cut.BEFORE, "cannot be reached", id="reset"),
        pytest.param(Cut.WITHIN, "/blobs/", id="cut-off"),
    ],
)
def test_a_plan_that_cannot_read_everything_fails_with_one_clear_line_and_writes_nothing(
    fault: Fault, says: str, scene: Scene
) -> None:
    scene.proxy.fail(fault, reads, after=1)
    done = scene.plan()
    assert scene.proxy.suffered
    assert says in the_error(done, 1)
    assert done.out == ""
    assert names(scene.cwd) == set()
    assert scene.keys() == scene.tree.keys()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(S3["expired"], Request.DELETE, id="expired"),
        pytest.param(Cut.AFTER, Request.DELETE, id="answers-lost"),
        pytest.param(S3["busy"], None, id="throttled-altogether"),
    ],
)
def test_a_run_that_fails_after_its_first_batch_says_how_to_resume_and_does(
    fault: Fault, kind: Request | None, scene: Scene
) -> None:
    assert scene.plan().code == 0
    doomed = scene.doomed()
    assert len(doomed) > 4
    scene.proxy.mend()
    begun: list[Asked] = []

    def later(asked: Asked) -> bool:
        """All after the first batch that is of the kind that fails."""
        if len(begun) < 2 and deletes_many(asked):
            begun.append(asked)
        return len(begun) == 2 and kind in (None, asked.kind)

    scene.proxy.fail(fault, later)
    done = scene.apply()
    error = the_error(done, 4)
    # One key: no batch has keys of two kinds.
    assert f"1 of {len(doomed)} deletions done" in error
    assert "run the same command again to resume" in error
    assert scene.tree.keys() - doomed < scene.keys() - {LOCK} < scene.tree.keys()
    finished = scene.apply()
    assert (finished.code, finished.err) == (0, "")
    assert scene.keys() == scene.tree.keys() - doomed


def test_a_run_is_carried_out_though_each_request_fails_at_first(scene: Scene) -> None:
    seen: set[Asked] = set()

    def first(asked: Asked) -> bool:
        new = asked not in seen
        seen.add(asked)
        return new

    scene.proxy.fail(Cut.AFTER, first)
    assert scene.plan().code == 0
    done = scene.apply()
    assert (done.code, done.err) == (0, "")
    assert scene.keys() == scene.tree.keys() - scene.doomed()
