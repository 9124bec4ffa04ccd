"""What no listing of keys shows: uploads in parts that were never ended, and versions that are not current."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from fixtures.images import image
from regsweep.errors import DeniedError, RefusedError, UsageError
from regsweep.plan import brakes, summary
from regsweep.plan.kinds import PARTS, VERSION
from regsweep.plan.options import Options
from regsweep.storage.ports import Request, State
from tests.trees import Tree, blob_key, slashed
from tests.unit.memory import DELETE, Decided, Hidden, MemoryStore, decided, moment, plan_of

UPLOADS = replace(DELETE, uploads=True)
VERSIONS = replace(DELETE, versions=True)
OLD, YOUNG = moment(30), moment(0.01)
UPLOAD_KEY = "repositories/a/_uploads/5e7a1c7e/data"
LOST = f"sha256:{sha256(b'lost').hexdigest()}"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path / "tree")
    made.push(image(b"shared", b"kept"), "a", "v1")
    return made


def store_of(tree: Tree) -> MemoryStore:
    store = MemoryStore.of(tree)
    store.versioned = True
    return store


def current(store: MemoryStore) -> list[Hidden]:
    """What a store that keeps versions tells of what a listing shows too."""
    return [
        Hidden(key, len(thing.content), thing.modified, f"version={number}", State.CURRENT)
        for number, (key, thing) in enumerate(store.things.items())
    ]


def going(found: Decided, kind: str) -> list[tuple[str, str]]:
    """The keys and marks of one kind that go."""
    rows = found.inventory.rows("SELECT key, version FROM condemned WHERE kind = ? ORDER BY ALL", [kind])
    return [(str(key), str(version)) for key, version in rows]


def told(found: Decided) -> dict[str, summary.Finding]:
    return {finding.code: finding for finding in summary.findings(found.inventory)}


# Uploads


def test_an_upload_in_parts_is_told_and_stays_unless_asked_for(tree: Tree) -> None:
    store = store_of(tree)
    store.parts = [Hidden(UPLOAD_KEY, 5_000, OLD, "upload=1"), Hidden(UPLOAD_KEY, 6_000, OLD, "upload=2")]
    with decided(store) as found:
        assert going(found, PARTS) == []
        finding = told(found)["unfinished-uploads"]
        assert (finding.count, finding.key) == (2, UPLOAD_KEY)
        assert "11,000 bytes" in finding.message
    with decided(store, UPLOADS) as found:
        assert going(found, PARTS) == [(UPLOAD_KEY, "upload=1"), (UPLOAD_KEY, "upload=2")]
        assert found.totals.condemned[PARTS].bytes == found.totals.before[PARTS].bytes == 11_000


@pytest.mark.parametrize(("days", "count"), [(6.9, 0), (7.1, 2)])
def test_an_upload_in_parts_goes_by_its_age(days: float, count: int, tree: Tree) -> None:
    began = moment(days)
    store = store_of(tree)
    store.parts = [Hidden(UPLOAD_KEY, 1, began, "upload=1"), Hidden(blob_key(LOST), 1, began, "upload=2")]
    with decided(store, UPLOADS) as found:
        assert len(going(found, PARTS)) == count


@pytest.mark.parametrize("key", ["elsewhere", "repositories/a/stray", "repositories/a/_uploads/../data", "blobs/x"])
def test_an_upload_to_what_no_registry_writes_is_never_aborted(key: str, tree: Tree) -> None:
    store = store_of(tree)
    store.parts = [Hidden(key, 1, OLD, "upload=1")]
    with decided(store, UPLOADS) as found:
        assert going(found, PARTS) == []
        assert told(found)["unfinished-uploads"].count == 1


def test_an_upload_to_a_frozen_repository_stays(tree: Tree) -> None:
    tree.put(f"repositories/a/_manifests/revisions/{slashed(LOST)}/link", b"")
    store = store_of(tree)
    store.parts = [Hidden(UPLOAD_KEY, 1, OLD, "upload=1")]
    with decided(store, UPLOADS) as found:
        assert going(found, PARTS) == []


# Versions


def test_of_what_goes_every_version_goes_and_of_what_stays_none(tree: Tree) -> None:
    condemned = tree.push(image(b"shared", b"gone"), "a")
    kept = image(b"shared", b"kept").digest
    store = store_of(tree)
    before = [
        Hidden(blob_key(condemned), 300, OLD, "version=old"),
        Hidden(blob_key(condemned), 0, OLD, "version=marker", State.MARKER),
        Hidden(blob_key(kept), 400, OLD, "version=kept"),
    ]
    store.history = [*current(store), *before]
    with decided(store, VERSIONS) as found:
        assert going(found, VERSION) == [
            (blob_key(condemned), "version=marker"),
            (blob_key(condemned), "version=old"),
        ]
        marks = {key: mark for key, _, _, mark, _ in store.history if mark.removeprefix("version=").isdigit()}
        rows = found.inventory.rows("SELECT key, version FROM condemned WHERE kind NOT IN (?)", [VERSION])
        went = {str(key): str(version) for key, version in rows}
        assert len(went) == 6
        assert went == {key: marks[key] for key in went}
        assert found.totals.before[VERSION].bytes == 700


def test_without_being_asked_for_versions_are_only_told(tree: Tree) -> None:
    condemned = tree.push(image(b"shared", b"gone"), "a")
    store = store_of(tree)
    store.history = [*current(store), Hidden(blob_key(condemned), 300, OLD, "version=old")]
    with decided(store) as found:
        assert going(found, VERSION) == []
        assert "300 bytes" in told(found)["noncurrent-versions"].message
        marks = found.inventory.rows("SELECT DISTINCT left(version, 1) FROM condemned")
        assert [mark for (mark,) in marks] == ['"']


def test_what_was_written_between_the_two_listings_goes_by_its_first_mark(tree: Tree) -> None:
    condemned = tree.push(image(b"shared", b"gone"), "a")
    store = store_of(tree)
    store.history = [Hidden(blob_key(condemned), 1, YOUNG, "version=new", State.CURRENT)]
    with decided(store, VERSIONS) as found:
        assert "version=new" not in [mark for _, mark in going(found, "blob")]


def deleted(digest: str, *, at: int = OLD) -> list[Hidden]:
    """What is left of a blob that was deleted."""
    key = blob_key(digest)
    return [Hidden(key, 900, OLD, "version=1"), Hidden(key, 0, at, "version=2", State.MARKER)]


def test_of_a_blob_that_went_before_the_versions_go_with_the_marker(tree: Tree) -> None:
    store = store_of(tree)
    store.history = [*current(store), *deleted(LOST)]
    with decided(store, VERSIONS) as found:
        assert going(found, VERSION) == [(blob_key(LOST), "version=1"), (blob_key(LOST), "version=2")]


def test_of_a_blob_that_was_deleted_just_now_they_stay(tree: Tree) -> None:
    store = store_of(tree)
    store.history = [*current(store), *deleted(LOST, at=YOUNG)]
    with decided(store, VERSIONS) as found:
        assert going(found, VERSION) == []


def _revision(tree: Tree) -> None:
    tree.revision("a", LOST)


def _layer(tree: Tree) -> None:
    tree.layer_link("b", LOST)


def _tag(tree: Tree) -> None:
    tree.tag("b", "v1", LOST)


def _needed(tree: Tree) -> None:
    layers = [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": LOST, "size": 4}]
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": tree.blob(b"{}"), "size": 2}
    document = {"schemaVersion": 2, "config": config, "layers": layers}
    tree.manifest({**document, "mediaType": "application/vnd.oci.image.manifest.v1+json"}, "b", "v1")


@pytest.mark.parametrize("missed", [_revision, _layer, _tag, _needed])
def test_of_a_blob_that_something_still_leads_to_they_stay_for_they_can_bring_it_back(
    missed: Callable[[Tree], None], tree: Tree
) -> None:
    missed(tree)
    store = store_of(tree)
    store.history = [*current(store), *deleted(LOST)]
    with decided(store, VERSIONS) as found:
        assert going(found, VERSION) == []


@pytest.mark.parametrize(
    "key", ["blobs/stray", f"repositories/a/_layers/{slashed(LOST)}/link", "repositories/gone/_layers/x", "elsewhere"]
)
def test_of_other_keys_that_are_not_there_any_more_they_stay(key: str, tree: Tree) -> None:
    store = store_of(tree)
    store.history = [*current(store), Hidden(key, 71, OLD, "version=1")]
    with decided(store, VERSIONS) as found:
        assert going(found, VERSION) == []


# What may go wrong


@pytest.mark.parametrize("options", [UPLOADS, VERSIONS])
def test_a_store_that_does_not_tell_what_is_to_go_ends_the_run(options: Options, tree: Tree) -> None:
    store = store_of(tree)
    store.parts, store.history, store.secretive = [Hidden(UPLOAD_KEY, 1, OLD, "upload=1")], current(store), True
    with pytest.raises(DeniedError), decided(store, options):
        pass


def test_a_store_that_does_not_tell_what_may_stay_is_told_of(tree: Tree) -> None:
    store = store_of(tree)
    store.history, store.secretive = current(store), True
    with decided(store) as found:
        messages = [one.message for one in summary.findings(found.inventory) if one.code == "untold"]
        assert len(messages) == 2
        assert found.inventory.row("SELECT count(*) FROM versions")[0] == 0


def test_where_no_blob_is_in_use_no_version_goes_unless_allowed(tmp_path: Path) -> None:
    store = store_of(Tree(tmp_path / "empty"))
    store.history = deleted(LOST)
    with decided(store, VERSIONS) as found:
        assert len(going(found, VERSION)) == 2
        with pytest.raises(RefusedError, match="not one blob is in use"):
            brakes.check_plan(found.totals, VERSIONS)


def test_the_versions_of_blobs_that_went_before_count_against_the_largest_share(tree: Tree) -> None:
    store = store_of(tree)
    lost = [f"sha256:{sha256(b'%d' % number).hexdigest()}" for number in range(40)]
    store.history = [*current(store), *(one for digest in lost for one in deleted(digest))]
    with decided(store, VERSIONS) as found:
        with pytest.raises(RefusedError, match="--max-delete"):
            brakes.check_plan(found.totals, VERSIONS)
        brakes.check_plan(found.totals, replace(VERSIONS, max_delete=1.0))


def test_one_missing_manifest_refuses_to_let_versions_go(tree: Tree) -> None:
    lost = tree.push(image(b"shared", b"lost its manifest"), "b", "v1")
    (tree.base / blob_key(lost)).unlink()
    store = store_of(tree)
    store.history = [*current(store), *deleted(lost)]
    with decided(store) as found:
        brakes.check_plan(found.totals, DELETE)
    with decided(store, VERSIONS) as found, pytest.raises(RefusedError) as refused:
        brakes.check_plan(found.totals, VERSIONS)
    assert "missing-manifests" in refused.value.hint


def test_a_version_that_is_listed_twice_goes_once(tree: Tree) -> None:
    store = store_of(tree)
    store.requests = {Request.LIST: 1}  # an object store; no other lists anything twice
    store.history = [*current(store), *deleted(LOST), *deleted(LOST)]
    with decided(store, VERSIONS) as found:
        assert len(going(found, VERSION)) == 2


def test_a_repository_with_an_upload_in_parts_is_not_gone_until_that_goes(tree: Tree) -> None:
    store = store_of(tree)
    store.parts = [Hidden("repositories/b/_uploads/5e7a1c7e/data", 1, OLD, "upload=1")]
    with decided(store) as found:
        assert found.totals.repositories_gone == 0
    with decided(store, UPLOADS) as found:
        assert found.totals.repositories_gone == 1


def test_a_plan_names_each_by_its_mark_and_one_without_is_refused(tree: Tree, tmp_path: Path) -> None:
    store = store_of(tree)
    store.parts = [Hidden(UPLOAD_KEY, 7, OLD, "upload=1")]
    store.history = [*current(store), *deleted(LOST, at=moment(20))]
    plan = plan_of(store, tmp_path / "the.plan", replace(UPLOADS, versions=True))
    assert [(one.kind, one.key, one.version) for one in plan.deletions()] == [
        (VERSION, blob_key(LOST), "version=1"),
        (VERSION, blob_key(LOST), "version=2"),
        (PARTS, UPLOAD_KEY, "upload=1"),
    ]
    store.parts = [Hidden(UPLOAD_KEY, 7, OLD, "")]
    with pytest.raises(UsageError, match="never deletes"):
        plan_of(store, tmp_path / "other.plan", UPLOADS)
