"""A prune beside a real registry stops, or does not begin, when somebody can write or has written to the storage."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3

from fixtures.client import Client, serves
from fixtures.images import image, layer
from fixtures.registry import Registry
from fixtures.small import expected, unpack
from tests.cli.live import DELETING, Held
from tests.cli.scene import run, the_error
from tests.cli.stub import Answer, Answers, Asked, Stub
from tests.command import Finished, regsweep
from tests.real.books import condemned_keys, contents, deletions, files, keys, planned, prune, split

pytestmark = pytest.mark.registry

ONE_BY_ONE = """
from regsweep.cli.main import main
from regsweep_backends.filesystem import FilesystemStore
FilesystemStore.batch = 1
main()
"""
REPLICAS = 5
"""How often a registry is asked before anything goes."""
SHARED = b"base, shared by many"
CONDEMNED = image(SHARED, b"a second, overwritten")
"""An image of the small tree that no tag reaches any more, in the repository `a`."""
FRESH = image(b"pushed meanwhile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Small:
    """The committed tree, and where a plan of it goes."""

    root: Path
    cwd: Path

    def plan(self) -> Path:
        return planned(self.root, self.cwd)

    def apply(self, *options: str) -> Finished:
        return regsweep("apply", "the.plan", "-q", *options, cwd=self.cwd)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(root=unpack(tmp_path), cwd=tmp_path)


def everything_that_lives_is_served_by(registry: Registry) -> bool:
    return not [problem for name in expected().delete.live for problem in serves(registry.url, *split(name))]


@pytest.mark.parametrize("command", ["prune", "apply"])
def test_a_writable_registry_is_refused_and_nothing_is_deleted(small: Small, command: str) -> None:
    if command == "apply":
        small.plan()
    before = contents(small.root)
    with Registry(small.root) as writable:
        if command == "prune":
            done = prune(small.root, writable.url, "-m", cwd=small.cwd)
        else:
            done = small.apply("--registry", writable.url)
        assert f"{writable.url}: is not in read-only mode" in the_error(done, 3)
    assert done.out == ""
    assert contents(small.root) == before


def test_one_writable_registry_among_read_only_ones_is_refused(small: Small) -> None:
    before = contents(small.root)
    with Registry(small.root, readonly=True) as readonly, Registry(small.root) as writable:
        done = prune(small.root, readonly.url, "-m", "--registry", writable.url, cwd=small.cwd)
        assert f"{writable.url}: is not in read-only mode" in the_error(done, 3)
    assert contents(small.root) == before


def one_and_then_the_other(first: Registry, then: Registry, *, after: int) -> Answers:
    """Pass requests on to a registry, and from some number of them on to another, as a restart would."""

    def answer(stub: Stub, asked: Asked) -> Answer:
        behind = first if len(stub.asked) <= after else then
        given = urllib3.request(asked.method, behind.url + asked.path, retries=False, timeout=30.0)
        passed = {
            name: given.headers[name] for name in ("Allow", "Docker-Distribution-Api-Version") if name in given.headers
        }
        return Answer(given.status, passed, given.data)

    return answer


@pytest.mark.parametrize("during", ["tag", "layer-link", "blob", "directory"])
def test_a_registry_that_becomes_writable_stops_the_run_at_the_next_batch(small: Small, during: str) -> None:
    plan = small.plan()
    doomed = keys(plan)
    kinds = [kind for kind, _ in deletions(plan)]
    allowed = kinds.index(during) + 1 if during != "directory" else len(doomed)
    before = files(small.root)
    with Registry(small.root, readonly=True) as readonly, Registry(small.root) as writable:
        with Stub(one_and_then_the_other(readonly, writable, after=REPLICAS + allowed)) as balancer:
            arguments = ("apply", plan, "-q", "--registry", balancer.url)
            error = the_error(run(sys.executable, "-c", ONE_BY_ONE, *arguments, cwd=small.cwd), 4)
            assert f"{balancer.url}: is not in read-only mode" in error
        assert f"{allowed} of {len(kinds)} deletions done" in error
        assert "run the same command again to resume" in error
        assert files(small.root) == before - set(doomed[:allowed])
        assert everything_that_lives_is_served_by(readonly)
        done = small.apply("--registry", readonly.url)
        assert (done.code, done.err) == (0, "")
        assert f"Deleted {len(doomed)} keys" in done.out
        assert files(small.root) == before - set(doomed)
        assert everything_that_lives_is_served_by(readonly)
        with Client(readonly.url) as client:
            assert set(client.repositories()) == {split(name)[0] for name in expected().delete.live}


def _tags_what_is_there(client: Client) -> None:
    manifest = image(SHARED, b"a first", labels={"version": "1"})
    client.put_manifest("a", "tagged-meanwhile", manifest.blob.content, manifest.blob.media_type)


def _pushes_a_condemned_image_again(client: Client) -> None:
    client.push(CONDEMNED, "a", "latest-again")


def _pushes_a_condemned_image_again_without_a_tag(client: Client) -> None:
    client.push(CONDEMNED, "a")


def _pushes_a_layer(client: Client) -> None:
    client.upload("a", b"a layer whose manifest is still to come")


def _pushes_to_a_new_repository(client: Client) -> None:
    client.push(FRESH, "new", "v1")


def _mounts_a_layer(client: Client) -> None:
    client.mount("new", layer(b"a second, overwritten").digest, "a")


def _moves_a_tag(client: Client) -> None:
    client.put_manifest("a", "1.0", CONDEMNED.blob.content, CONDEMNED.blob.media_type)


def _deletes_a_live_image(client: Client) -> None:
    manifest = image(SHARED, b"a third")
    client.delete_manifest("a", manifest.digest)


MEANWHILE = [
    _tags_what_is_there,
    _pushes_a_condemned_image_again,
    _pushes_a_condemned_image_again_without_a_tag,
    _pushes_a_layer,
    _pushes_to_a_new_repository,
    _mounts_a_layer,
    _moves_a_tag,
    _deletes_a_live_image,
]


@pytest.mark.parametrize("meanwhile", MEANWHILE, ids=lambda change: change.__name__.strip("_"))
def test_what_happens_between_plan_and_apply_makes_apply_refuse(
    small: Small, meanwhile: Callable[[Client], None]
) -> None:
    small.plan()
    assert f"a@{CONDEMNED.digest}" in expected().delete.condemned_revisions
    with Registry(small.root) as writable, Client(writable.url) as client:
        meanwhile(client)
    before = contents(small.root)
    with Registry(small.root, readonly=True) as readonly:
        error = the_error(small.apply("--registry", readonly.url), 3)
    assert "the storage has changed since the plan was made: links in " in error
    assert "make a new plan" in error
    assert contents(small.root) == before


def test_links_that_appear_while_links_go_stop_the_run_before_any_blob_goes(small: Small) -> None:
    plan = small.plan()
    planned_kinds = [kind for kind, _ in deletions(plan)]
    links = planned_kinds.index("blob")
    before = files(small.root)
    with Registry(small.root) as writable, Client(writable.url) as client:
        # The user's word that no registry runs is wrong here.
        with Held(DELETING, "apply", plan, "-q", "--registry-stopped", cwd=small.cwd) as running:
            for _ in range(links - 1):
                running.wait_until_held()
                running.release()
            running.wait_until_held()
            # Its blobs are all there still, old and condemned: the push writes nothing but links.
            client.push(CONDEMNED, "saved", "v1")
            running.release_for_good()
            error = the_error(running.finish(), 4)
        assert "the storage has changed since the plan was made: links in saved" in error
        assert f"{links} of {len(planned_kinds)} deletions done" in error
        assert {key for key in before if key.startswith("blobs/")} <= files(small.root)
        assert serves(writable.url, "saved", "v1") == []
    with Registry(small.root, readonly=True) as readonly:
        assert "the storage has changed" in the_error(small.apply("--registry", readonly.url), 4)
        assert {key for key in before if key.startswith("blobs/")} <= files(small.root)
        done = prune(small.root, readonly.url, "-m", cwd=small.cwd)
        assert (done.code, done.err) == (0, "")
        assert serves(readonly.url, "saved", "v1") == []
        assert everything_that_lives_is_served_by(readonly)
        spared = {f"blobs/sha256/{digest[7:9]}/{digest[7:]}/data" for digest in _blobs_of_the_condemned()}
        assert not (condemned_keys(expected().delete) - spared) & files(small.root)


def _blobs_of_the_condemned() -> set[str]:
    return {CONDEMNED.digest, *CONDEMNED.named()}
