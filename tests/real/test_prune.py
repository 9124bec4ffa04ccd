"""After a prune a real registry serves all that should live, refuses the rest, and takes it again."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.client import Client, pull, push, serves
from fixtures.images import Blob, Manifest, image
from fixtures.ledger import Ledger, Outcome, written
from fixtures.registry import Registry, age
from fixtures.small import expected, unpack
from tests.command import Finished, regsweep
from tests.real.books import condemned_keys, contents, deletions, prune, session, split
from tests.real.pushed import NOT_BY_SKOPEO, OLD, OLD_ARM64, OLD_INDEX, ONLY, SHARED, push_everything
from tests.trees import BASE, blob_key

pytestmark = pytest.mark.registry

AGAIN = [
    pytest.param(OLD, "team/app", id="image"),
    pytest.param(OLD_INDEX, "multi", id="index"),
    pytest.param(ONLY, "emptied", id="in-an-emptied-repository"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A tree after its prune, and the registry that was started over it again."""

    root: Path
    ledger: Ledger
    done: Finished
    registry: Registry
    client: Client

    @property
    def outcome(self) -> Outcome:
        return self.ledger.outcome(untagged="delete")

    @property
    def alive(self) -> set[str]:
        """The repositories in which something lives."""
        return {split(name)[0] for name in self.outcome.live}


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pruned]:
    cwd = tmp_path_factory.mktemp("pruned")
    root, ledger = cwd / "registry", Ledger()
    with session(root, ledger) as to:
        push_everything(to)
    assert written(root) == ledger.keys()
    age(root, 30)
    with Registry(root, readonly=True) as readonly:
        done = prune(root, readonly.url, "-m", cwd=cwd)
    with Registry(root) as registry, Client(registry.url) as client:
        yield Pruned(root=root, ledger=ledger, done=done, registry=registry, client=client)


def test_prune_deletes_what_the_books_say_and_nothing_else(pruned: Pruned) -> None:
    assert (pruned.done.code, pruned.done.err) == (0, "")
    assert "\nDeleted " in pruned.done.out
    assert written(pruned.root) == pruned.ledger.keys() - condemned_keys(pruned.outcome)
    assert not any("/_uploads/" in key for key in contents(pruned.root))


def test_every_image_that_should_live_can_be_pulled(pruned: Pruned, tmp_path: Path) -> None:
    live = pruned.outcome.live
    assert {"team/app:latest", "team/app/plugin:v1", "multi:stable", "docker:list", "nested/indexes:all"} < set(live)
    # Skopeo takes no index of indexes; `serves` asks for all that it holds.
    pullable = [name for name in live if not name.startswith(NOT_BY_SKOPEO)]
    problems = [pull(pruned.registry.address, name, tmp_path / str(n)) for n, name in enumerate(pullable)]
    assert problems == [None] * len(pullable)
    assert [problem for name in live for problem in serves(pruned.registry.url, *split(name))] == []


def test_every_image_that_should_not_live_is_unknown(pruned: Pruned, tmp_path: Path) -> None:
    outcome = pruned.outcome
    dead = [*outcome.condemned_tags, *outcome.condemned_revisions, *sorted(pruned.ledger.deleted)]
    assert {f"team/app@{OLD.digest}", f"multi@{OLD_ARM64.digest}", f"emptied@{ONLY.digest}"} < set(dead)
    errors = [pull(pruned.registry.address, name, tmp_path / str(n)) or "it was pulled" for n, name in enumerate(dead)]
    assert [error for error in errors if "manifest unknown" not in error] == []
    links = [split(name) for name in outcome.condemned_layer_links]
    assert {pruned.client.blob_status(*link) for link in links} == {404}


def test_the_catalog_lists_no_emptied_repository(pruned: Pruned) -> None:
    assert set(pruned.client.repositories()) == pruned.alive
    assert not {"emptied", "untagged/only"} & pruned.alive
    assert {repository: pruned.client.tags(repository) for repository in ("emptied", "untagged/only")} == {
        "emptied": [],
        "untagged/only": [],
    }
    standing = {path.relative_to(pruned.root / BASE / "repositories").parts[0] for path in _folders(pruned.root)}
    assert standing == {repository.split("/", 1)[0] for repository in pruned.alive}


def test_no_empty_directory_stays_but_those_that_every_push_leaves(pruned: Pruned) -> None:
    base = pruned.root / BASE
    empty = {path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_dir() and not any(path.iterdir())}
    assert empty <= {f"repositories/{repository}/_uploads" for repository in pruned.alive}


@pytest.mark.parametrize(("manifest", "repository"), AGAIN)
def test_a_condemned_image_can_be_pushed_again_and_is_whole(
    pruned: Pruned, tmp_path: Path, manifest: Manifest, repository: str
) -> None:
    assert f"{repository}@{manifest.digest}" in {*pruned.outcome.condemned_revisions, *pruned.ledger.deleted}
    root = tmp_path / "registry"
    shutil.copytree(pruned.root, root)
    with Registry(root) as registry:
        push(manifest, registry.address, f"{repository}:again")
        assert pull(registry.address, f"{repository}:again", tmp_path / "pulled") is None
        assert serves(registry.url, repository, "again") == []
    for blob in _all_blobs(manifest):
        assert (tmp_path / "pulled" / blob.digest.removeprefix("sha256:")).read_bytes() == blob.content


def test_a_second_plan_is_empty(pruned: Pruned, tmp_path: Path) -> None:
    done = regsweep("plan", pruned.root, "-m", "--min-age", "0s", "--upload-age", "0s", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\nNothing to delete.\n")


@pytest.mark.parametrize("untagged", ["keep", "delete"])
def test_the_small_tree_loses_what_is_expected_key_by_key(tmp_path: Path, untagged: str) -> None:
    outcome = expected().keep if untagged == "keep" else expected().delete
    root = unpack(tmp_path)
    before = written(root)
    options = ("--untagged", untagged, "-o", "the.plan", "--format", "json")
    with Registry(root, readonly=True) as readonly:
        done = prune(root, readonly.url, *options, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    report = json.JSONDecoder().raw_decode(done.out)[0]
    planned = deletions(tmp_path / "the.plan")
    assert {key for kind, key in planned if kind not in ("upload", "directory")} == condemned_keys(outcome)
    uploads = {key.removeprefix("repositories/") for kind, key in planned if kind == "upload"}
    assert {
        f"{repository}/{rest.split('/')[0]}" for repository, rest in (key.split("/_uploads/") for key in uploads)
    } == {*outcome.condemned_uploads}
    assert written(root) == before - condemned_keys(outcome)
    assert not any("/_uploads/" in key for key in contents(root))
    gone = {repository["name"] for repository in report["repositories"] if repository["gone"]}
    assert gone == {*outcome.condemned_repositories}
    with Registry(root) as registry, Client(registry.url) as client:
        assert [problem for name in outcome.live for problem in serves(registry.url, *split(name))] == []
        dead = [*outcome.condemned_tags, *outcome.condemned_revisions, *expected().deleted]
        assert {client.manifest_status(*split(name)) for name in dead} == {404}
        assert set(client.repositories()) == {split(name)[0] for name in outcome.live}
    again = regsweep("plan", root, "--untagged", untagged, cwd=tmp_path)
    assert again.out.endswith("\nNothing to delete.\n")


def test_what_was_pushed_today_survives_though_its_layers_are_old_and_nothing_else_needs_them(tmp_path: Path) -> None:
    root, ledger = tmp_path / "registry", Ledger()
    donor = image(SHARED, b"donated")
    with session(root, ledger) as to:
        to.skopeo(image(b"kept"), "kept", "v1")
        to.skopeo(donor, "donor", "v1")
        to.delete("donor", donor)
    age(root, 30)
    taker = image(SHARED, b"donated", labels={"pushed": "today"})
    lent = [blob.digest for blob in taker.blobs[1:]]
    overwritten = image(b"overwritten today")
    with session(root, ledger) as to:
        for digest in lent:
            # `taker` gets an image by digest; `pending` is a push that has yet to send its manifest.
            to.mount("taker", digest, "donor")
            to.mount("pending", digest, "donor")
        to.client.upload("taker", taker.blobs[0].content)
        to.client.put_manifest("taker", taker.digest, taker.blob.content, taker.blob.media_type)
        to.skopeo(overwritten, "today", "v1")
        to.skopeo(image(b"today"), "today", "v1")
    ages = [(root / BASE / blob_key(digest)).stat().st_mtime for digest in lent]
    assert max(ages) < tmp_path.stat().st_mtime - 86_400
    with Registry(root, readonly=True) as readonly, Client(readonly.url) as client:
        assert prune(root, readonly.url, "-m", cwd=tmp_path).code == 0
        assert serves(readonly.url, "taker", taker.digest) == []
        assert serves(readonly.url, "today", overwritten.digest) == []
        assert {client.blob_status("pending", digest) for digest in lent} == {200}
        assert client.blob_status("donor", lent[0]) == 404
        age(root, 2)
        assert prune(root, readonly.url, "-m", cwd=tmp_path).code == 0
        assert set(client.repositories()) == {"kept", "today"}
        assert client.manifest_status("today", overwritten.digest) == 404


def _folders(root: Path) -> Iterator[Path]:
    return (path for path in (root / BASE / "repositories").rglob("*") if path.is_dir())


def _all_blobs(manifest: Manifest) -> Iterator[Blob]:
    for part in manifest.tree():
        yield from part.blobs
