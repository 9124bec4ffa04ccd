"""Whenever a run on S3 is killed, no link is left without its blob, and the same command completes the plan."""

import itertools
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from fixtures.images import artifact, image, index
from regsweep.plan import file
from tests.command import python, regsweep
from tests.servers import s3
from tests.trees import BASE, Tree

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET: Final = "registry"
KILLED: Final = -signal.SIGKILL
CRASHING: Final = """
import os, signal, sys
from regsweep.cli.main import main
from regsweep_backends import s3
from regsweep_backends._window import Window
from regsweep_backends.s3 import S3Bucket
moment, left, batches = sys.argv.pop(1), int(sys.argv.pop(1)), sys.argv.pop(1) == "batches"
sending, noted, write = S3Bucket._sending, Window.noted, os.write
deleting = False

def passed(this):
    global left
    left -= this == moment
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

def about_to_send(self, event_name, **more):
    global deleting
    deleting = "DeleteObject" in event_name
    if deleting:
        passed("before a request")
    sending(self, event_name, **more)

def answered(self, tries):
    if deleting:
        passed("after a request")
    noted(self, tries)

def writing(fd, content):
    if not os.readlink(f"/proc/self/fd/{fd}").endswith(".journal"):
        return write(fd, content)
    if moment == "within a note" and left == 1:
        write(fd, content[:len(content) // 2])
    passed("within a note")
    return write(fd, content)

S3Bucket._sending, Window.noted, os.write = about_to_send, answered, writing
S3Bucket.batch = 4
if not batches:
    s3.delete_batch = lambda *_: None
os.fsync = lambda fd: None  # whoever is killed loses nothing that was written
main()
"""
"""Kills itself at one moment of its deleting, counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A bucket that can be had anew for each crash, and a plan of it."""

    cwd: Path
    client: "S3Client"
    pristine: dict[str, tuple[bytes, datetime]]
    """What each key held at first, and since when."""
    config: Path
    plan: Path
    doomed: list[tuple[str, str]]
    """Kind and key of what the plan lists."""

    def keys(self) -> set[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {one["Key"].removeprefix(f"{BASE}/") for page in pages for one in page.get("Contents", [])}

    def renew(self) -> None:
        """Put back what went, as it was, and forget what was done."""
        standing = self.keys()
        for key in standing - set(self.pristine):
            self.client.delete_object(Bucket=BUCKET, Key=f"{BASE}/{key}")
        for key in set(self.pristine) - standing:
            content, since = self.pristine[key]
            # Not by a request, for none can say since when.
            s3.put_into_moto(BUCKET, f"{BASE}/{key}", content).last_modified = since
        self.plan.with_name(f"{self.plan.name}.journal").unlink(missing_ok=True)

    def crash(self, moment: str, number: int, *, batches: bool) -> int:
        way = "batches" if batches else "one by one"
        return python(CRASHING, moment, str(number), way, *self._apply(), cwd=self.cwd).code

    def apply(self) -> None:
        done = regsweep(*self._apply(), cwd=self.cwd)
        assert (done.code, done.err) == (0, "")

    def _apply(self) -> tuple[str, ...]:
        return ("apply", str(self.plan), "--config", str(self.config), "--registry-stopped", "-q")


def make_plan(cwd: Path, config: Path, plan: Path) -> list[tuple[str, str]]:
    rules = ("-m", "--min-age", "0s", "--upload-age", "0s", "-q", "-o", plan)
    done = regsweep("plan", "--config", config, *rules, cwd=cwd)
    assert (done.code, done.err) == (0, "")
    return [(deletion.kind, deletion.key) for deletion in file.read(plan).deletions()]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    cwd = tmp_path_factory.mktemp("crash")
    tree = Tree(cwd / "tree")
    kept = image(b"shared", b"kept")
    tree.push(kept, "app", "v1")
    tree.push(image(b"shared", b"old"), "app")
    tree.push(index(image(b"amd64"), image(b"arm64", platform="linux/arm64")), "app/multi")
    tree.push(artifact(b"about kept", kind="application/x", subject=kept), "app")
    tree.upload("app", "1a2b")
    tree.blob(b"an orphan")
    with s3.moto() as server:
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        pristine = {}
        for key in sorted(tree.keys()):
            content = (tree.base / key).read_bytes()
            client.put_object(Bucket=BUCKET, Key=f"{BASE}/{key}", Body=content)
            since = client.head_object(Bucket=BUCKET, Key=f"{BASE}/{key}")["LastModified"]
            pristine[key] = (content, since.replace(tzinfo=None))
        config, plan = cwd / "config.yml", cwd / "the.plan"
        storage = "".join(f"    {name}: '{value}'\n" for name, value in server.parameters(BUCKET).items())
        config.write_text(f"version: 0.1\nstorage:\n  s3:\n{storage}", encoding="utf-8")
        doomed = make_plan(cwd, config, plan)
        assert {kind for kind, _ in doomed} == {"revision", "layer-link", "upload", "blob"}
        yield Scene(cwd=cwd, client=client, pristine=pristine, config=config, plan=plan, doomed=doomed)


@pytest.mark.parametrize(
    ("moment", "first", "step", "batches"),
    [
        # Of each request, be it a batch or one of every fourth key, one moment or the other; of each second note.
        ("before a request", 1, 2, True),
        ("after a request", 2, 2, True),
        ("within a note", 1, 2, True),
        ("after a request", 1, 4, False),
    ],
)
def test_a_run_killed_at_any_moment_harms_nothing_and_the_next_completes_it(
    scene: Scene, moment: str, first: int, step: int, *, batches: bool
) -> None:
    doomed = {key for _, key in scene.doomed}
    links = {key for kind, key in scene.doomed if kind in ("revision", "layer-link")}
    blobs = {key for kind, key in scene.doomed if kind == "blob"}
    for number in itertools.count(first, step):
        scene.renew()
        if scene.crash(moment, number, batches=batches) != KILLED:
            break
        left = scene.keys()
        assert set(scene.pristine) - doomed <= left
        assert not links & left or blobs <= left
        # Not with --break-lock: that its holder is dead is found out.
        scene.apply()
        assert scene.keys() == set(scene.pristine) - doomed
    assert number > (len(doomed) // 4 if batches else len(doomed) - 4)
    assert scene.keys() == set(scene.pristine) - doomed


def test_many_crashes_in_a_row_get_to_the_end_all_the_same(scene: Scene) -> None:
    scene.renew()
    crashes = 0
    # The first request of each run takes the dead lock away, the second is noted, the third is not.
    while scene.crash("after a request", 3, batches=True) == KILLED:
        crashes += 1
        assert crashes <= len(scene.doomed)
    assert crashes > 1
    assert scene.keys() == set(scene.pristine) - {key for _, key in scene.doomed}
