"""What a check finds in trees that are damaged in one way each, and which images it names for it."""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256, sha512
from pathlib import Path

import pytest

from fixtures.images import OCI_LAYER, Blob, artifact, cache_index, image, index
from regsweep.inventory.checks import Code, Severity, Totals
from regsweep.storage.ports import Page
from tests.trees import Tree, blob_key, layer_key, revision_key, slashed, tag_key
from tests.unit.check_scene import (
    ABSENT,
    BASE,
    BOTH,
    CONFIG,
    LAYER,
    ONE,
    OWN,
    TWO,
    checked,
    found,
    only,
    remove,
    small,
    told,
)
from tests.unit.memory import MemoryStore


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return small(tmp_path / "tree")


def test_in_a_tree_that_is_whole_nothing_is_found_and_all_is_counted(tree: Tree) -> None:
    tree.push(cache_index(b"one", b"two"), "cache", "latest")
    tree.push(index(index(image(b"inner")), image(b"beside")), "nested", "all")
    # What something is about is no part of it.
    tree.push(artifact(b"sbom", kind="application/x", subject=image(b"never pushed")), "app")
    tree.upload("app", "1a2b")
    tree.blob(b"nobody's")
    listed, counted = checked(tree, deep=True)
    assert listed == []
    blobs = [path.stat().st_size for path in (tree.base / "blobs").rglob("data")]
    assert counted == Totals(
        repositories=3,
        tags=5,
        manifests=10,
        blobs=len(blobs),
        bytes=sum(blobs),
        images=5 + 1 + 1 + 3,
        damaged_images=0,
    )


@pytest.mark.parametrize("missing", [CONFIG, LAYER], ids=["configuration", "layer"])
def test_a_missing_blob_spoils_the_images_that_need_it_through_indexes_too(tree: Tree, missing: Blob) -> None:
    key = remove(tree, blob_key(missing.digest))
    finding = only(tree)
    assert told(finding) == (Code.MISSING_BLOB, Severity.DAMAGE, "app", key, [*OWN])
    assert finding.bytes == len(missing.content)
    assert checked(tree)[1].damaged_images == 2


def test_a_missing_blob_is_found_in_each_repository_that_needs_it(tree: Tree) -> None:
    tree.push(image(b"base"), "else")
    key = remove(tree, blob_key(BASE.digest))
    assert found(tree) == [
        (Code.MISSING_BLOB, key, ["app:both", "app:one", "app:other", f"app@{TWO.digest}"]),
        (Code.MISSING_BLOB, key, [f"else@{image(b'base').digest}"]),
    ]


def test_a_blob_of_another_size_than_claimed_is_damage(tree: Tree) -> None:
    tree.put(blob_key(LAYER.digest), LAYER.content[:-1])
    finding = only(tree)
    assert told(finding) == (Code.WRONG_SIZE, Severity.DAMAGE, "app", blob_key(LAYER.digest), [*OWN])
    size = len(LAYER.content)
    assert finding.message == f"has {size - 1:,} bytes, not the {size:,} that a manifest claims"


def test_a_manifest_that_claims_no_sizes_is_content_with_any(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    digest = tree.blob(b"layer")
    tree.layer_link("old", digest)
    tree.manifest({"schemaVersion": 1, "fsLayers": [{"blobSum": digest}], "history": []}, "old", "v1")
    assert found(tree) == []
    key = remove(tree, blob_key(digest))
    assert found(tree) == [(Code.MISSING_BLOB, key, ["old:v1"])]


def test_claims_that_differ_are_told_in_one_finding(tree: Tree) -> None:
    for claimed in (5000, 7):
        layers = [LAYER.descriptor() | {"size": claimed}]
        tree.manifest({"schemaVersion": 2, "config": CONFIG.descriptor(), "layers": layers}, "app", f"v{claimed}")
    finding = only(tree)
    assert finding.images == ["app:v5000", "app:v7"]
    assert finding.message == f"has {len(LAYER.content)} bytes, not the 7 or 5,000 that 2 manifests claim"


def test_an_index_that_claims_another_size_of_a_child_is_damaged(tree: Tree) -> None:
    child = ONE.blob.descriptor() | {"size": 1}
    tree.manifest({"schemaVersion": 2, "mediaType": BOTH.blob.media_type, "manifests": [child]}, "app", "odd")
    assert found(tree) == [(Code.WRONG_SIZE, blob_key(ONE.digest), ["app:odd"])]


def test_a_blob_that_the_repository_does_not_link_cannot_be_pulled_from_it(tree: Tree) -> None:
    key = remove(tree, layer_key("app", LAYER.digest))
    assert told(only(tree)) == (Code.MISSING_LINK, Severity.DAMAGE, "app", key, [*OWN])


def test_a_link_named_by_another_algorithm_is_followed(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    digest, name = tree.blob(b"layer"), f"sha512:{sha512(b'layer').hexdigest()}"
    link = layer_key("app", name)
    tree.put(link, digest.encode())
    layer = {"mediaType": OCI_LAYER, "digest": name, "size": 5}
    tree.manifest({"schemaVersion": 2, "layers": [layer], "config": layer}, "app", "v1")
    assert found(tree, deep=True) == []
    key = remove(tree, blob_key(digest))
    assert found(tree) == [(Code.MISSING_BLOB, key, ["app:v1"])]
    tree.put(key, b"LAYER")
    assert found(tree, deep=True) == [(Code.WRONG_CONTENT, key, ["app:v1"])]


def test_a_missing_manifest_spoils_its_tags_and_the_indexes_above(tree: Tree) -> None:
    key = remove(tree, blob_key(ONE.digest))
    assert told(only(tree)) == (Code.MISSING_MANIFEST, Severity.DAMAGE, "app", key, [*OWN])
    tree.put(key, ONE.blob.content)
    key = remove(tree, blob_key(TWO.digest))
    assert told(only(tree)) == (Code.MISSING_MANIFEST, Severity.DAMAGE, "app", key, ["app:both", f"app@{TWO.digest}"])


def test_a_manifest_that_cannot_be_understood_spoils_its_tags_and_the_indexes_above(tree: Tree) -> None:
    tree.put(blob_key(ONE.digest), b"?" * len(ONE.blob.content))
    finding = only(tree, deep=True)
    assert told(finding) == (Code.DAMAGED_MANIFEST, Severity.DAMAGE, "app", blob_key(ONE.digest), [*OWN])
    assert finding.message.startswith("content hashes to sha256:")


def test_a_damaged_repository_is_noted_as_frozen_with_the_reason(tree: Tree) -> None:
    tree.put(blob_key(ONE.digest), b"?")
    tree.put(tag_key("app", "other"), b"")
    (note,) = [one for one in checked(tree)[0] if one.severity is Severity.NOTE]
    assert (note.code, note.repository, note.images) == (Code.FROZEN, "app", [])
    assert note.message == "regsweep deletes nothing of it, for a link and a manifest are damaged"


def test_a_tag_without_its_revision_dangles(tree: Tree) -> None:
    remove(tree, revision_key("app", BOTH.digest))
    assert told(only(tree)) == (Code.DANGLING_TAG, Severity.DAMAGE, "app", tag_key("app", "both"), ["app:both"])


def test_a_tag_that_only_has_a_history_dangles(tree: Tree) -> None:
    key = remove(tree, tag_key("app", "one"))
    finding = only(tree)
    assert told(finding) == (Code.DANGLING_TAG, Severity.DAMAGE, "app", key, ["app:one"])
    assert "history" in finding.message


@pytest.mark.parametrize("content", [b"", b"no digest", ABSENT.encode()], ids=["empty", "malformed", "elsewhere"])
@pytest.mark.parametrize(
    ("key", "images"),
    [
        pytest.param(revision_key("app", ONE.digest), OWN, id="revision"),
        pytest.param(layer_key("app", LAYER.digest), OWN, id="layer"),
        pytest.param(layer_key("app", BASE.digest), (*OWN, "app:other", f"app@{TWO.digest}"), id="shared-layer"),
        pytest.param(f"repositories/app/_manifests/tags/one/index/{slashed(ONE.digest)}/link", (), id="history"),
    ],
)
def test_a_link_that_does_not_hold_what_it_should_is_damage(
    tree: Tree, key: str, images: Sequence[str], content: bytes
) -> None:
    tree.put(key, content)
    expected = [(Code.DAMAGED_LINK, key, sorted(images))]
    # Links of the right size are read by a deep check alone; histories, which no client asks for, not even then.
    quiet = content == ABSENT.encode() and "/revisions/" not in key
    assert found(tree) == ([] if quiet else expected)
    assert found(tree, deep=True) == ([] if quiet and "/index/" in key else expected)


@pytest.mark.parametrize("content", [b"", b"no digest"])
def test_a_tag_whose_link_holds_no_digest_cannot_be_pulled(tree: Tree, content: bytes) -> None:
    tree.put(tag_key("app", "one"), content)
    assert told(only(tree)) == (Code.DAMAGED_LINK, Severity.DAMAGE, "app", tag_key("app", "one"), ["app:one"])
    assert checked(tree)[1].tags == 3


def test_a_repository_that_no_client_can_name_is_damage_with_all_that_is_in_it(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    tree.push(BOTH, "Team", "v1")
    children = sorted(f"Team@{one.digest}" for one in (ONE, TWO))
    assert found(tree) == [(Code.DAMAGED_LINK, "repositories/Team/", ["Team:v1", *children])]


@pytest.mark.parametrize("blob_too", [False, True])
def test_a_child_that_the_repository_does_not_link_is_a_note(tree: Tree, *, blob_too: bool) -> None:
    remove(tree, revision_key("app", TWO.digest))
    if blob_too:
        remove(tree, blob_key(TWO.digest))
    finding = only(tree)
    assert told(finding) == (Code.SPARSE_INDEX, Severity.NOTE, "app", revision_key("app", BOTH.digest), ["app:both"])
    assert finding.message == f"lists {TWO.digest}, which the repository does not have"
    assert checked(tree)[1].damaged_images == 0


def test_an_index_of_which_the_repository_has_nothing_is_one_note(tree: Tree) -> None:
    remove(tree, revision_key("app", TWO.digest))
    remove(tree, revision_key("app", ONE.digest))
    remove(tree, tag_key("app", "one"))
    remove(tree, f"repositories/app/_manifests/tags/one/index/{slashed(ONE.digest)}/link")
    finding = only(tree)
    assert (finding.code, finding.count, finding.images) == (Code.SPARSE_INDEX, 2, ["app:both"])


def test_what_a_builds_cache_lists_has_to_be_there_for_it_is_no_manifest(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    made = cache_index(b"one", b"two")
    tree.push(made, "cache", "latest")
    first, second, _ = made.blobs
    missing = remove(tree, blob_key(first.digest))
    assert found(tree) == [(Code.MISSING_BLOB, missing, ["cache:latest"])]
    unlinked = remove(tree, layer_key("cache", second.digest))
    assert found(tree) == [
        (Code.MISSING_BLOB, missing, ["cache:latest"]),
        (Code.MISSING_LINK, unlinked, ["cache:latest"]),
    ]


def foreign(tree: Tree, **more: object) -> str:
    """An image with a layer that is elsewhere; return the layer's key."""
    layer = {"mediaType": OCI_LAYER, "digest": ABSENT, "size": 1000} | more
    config = {"mediaType": CONFIG.media_type, "digest": tree.blob(b"{}"), "size": 2}
    tree.layer_link("win", str(config["digest"]))
    tree.manifest({"schemaVersion": 2, "config": config, "layers": [layer]}, "win", "v1")
    return blob_key(ABSENT)


def test_a_layer_with_addresses_need_not_be_there(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    key = foreign(tree, urls=["https://example.org/layer"])
    finding = only(tree)
    assert told(finding) == (Code.FOREIGN_LAYER, Severity.NOTE, "win", key, [])
    assert finding.bytes == 1000


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    ],
)
def test_a_layer_of_a_foreign_kind_without_addresses_is_a_note_that_names_what_lacks_it(
    tmp_path: Path, kind: str
) -> None:
    tree = Tree(tmp_path / "tree")
    key = foreign(tree, mediaType=kind)
    assert told(only(tree)) == (Code.FOREIGN_LAYER, Severity.NOTE, "win", key, ["win:v1"])


def test_a_layer_without_either_is_damage(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    foreign(tree)
    assert found(tree) == [(Code.MISSING_BLOB, blob_key(ABSENT), ["win:v1"])]


def test_links_to_nothing_that_nothing_needs_are_one_note_a_repository(tree: Tree) -> None:
    keys = sorted(tree.layer_link("app", f"sha256:{number:064x}") for number in range(3))
    finding = only(tree)
    assert told(finding) == (Code.DANGLING_LINK, Severity.NOTE, "app", keys[0], [])
    assert finding.count == 3


def test_what_a_layer_is_elsewhere_does_not_count(tree: Tree) -> None:
    # The manifest of one repository is the layer of another, which links nothing that it needs.
    blob = ONE.blob
    layer = {"mediaType": "application/x", "digest": blob.digest, "size": len(blob.content)}
    tree.layer_link("bundle", blob.digest)
    tree.layer_link("bundle", tree.blob(b"{}"))
    config = {"mediaType": "application/x", "digest": f"sha256:{sha256(b'{}').hexdigest()}", "size": 2}
    tree.manifest({"schemaVersion": 2, "config": config, "layers": [layer]}, "bundle", "v1")
    assert found(tree) == []


class Late(MemoryStore):
    """A store in which some keys are written just after they would have been listed."""

    late: frozenset[str] = frozenset()

    def pages(self, shard: str) -> Iterator[Page]:
        """See `Lists.pages`."""
        things = self.things
        self.things = {key: thing for key, thing in things.items() if key not in self.late}
        try:
            yield from list(super().pages(shard))
        finally:
            self.things = things


@pytest.mark.parametrize(
    "key",
    [
        blob_key(LAYER.digest),
        blob_key(ONE.digest),
        layer_key("app", LAYER.digest),
        revision_key("app", BOTH.digest),
    ],
    ids=["blob", "manifest", "link", "revision"],
)
def test_what_is_pushed_while_the_storage_is_listed_is_no_damage(tree: Tree, key: str) -> None:
    store = Late.of(tree)
    store.late = frozenset({key})
    assert found(store) == []


def test_what_a_pull_through_cache_lacks_is_a_note(tree: Tree) -> None:
    remove(tree, blob_key(LAYER.digest))
    remove(tree, layer_key("app", BASE.digest))
    remove(tree, blob_key(image(b"base", b"other").digest))
    tree.put(tag_key("app", "one"), b"")
    listed, counted = checked(tree, fetches=True)
    assert {one.code for one in listed if one.severity is Severity.DAMAGE} == {Code.DAMAGED_LINK}
    assert {one.code for one in listed if one.severity is Severity.NOTE} == {
        Code.MISSING_BLOB,
        Code.MISSING_LINK,
        Code.MISSING_MANIFEST,
        Code.FROZEN,
    }
    assert counted.damaged_images == 1


def test_everything_at_once_is_found_as_each_is_alone(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    for name in ("a", "b", "c", "d"):
        tree.push(image(name.encode()), name, "v1")
    keys = [
        (Code.DAMAGED_LINK, tree.base / tag_key("c", "v1")),
        (Code.MISSING_BLOB, tree.base / blob_key(image(b"a").blobs[1].digest)),
        (Code.MISSING_LINK, tree.base / layer_key("d", image(b"d").blobs[1].digest)),
        (Code.MISSING_MANIFEST, tree.base / blob_key(image(b"b").digest)),
    ]
    keys[0][1].write_bytes(b"")
    for _, path in keys[1:]:
        path.unlink()
    listed = found(tree)
    assert [(code, key) for code, key, _ in listed] == [
        (code, path.relative_to(tree.base).as_posix()) for code, path in keys
    ]
    assert [images for _, _, images in listed] == [["c:v1"], ["a:v1"], ["d:v1"], ["b:v1"]]
    assert checked(tree)[1].damaged_images == 4


def test_a_manifest_in_a_form_that_registries_take_too_is_looked_into(tmp_path: Path) -> None:
    # Go's encoding/json takes fields of any case; what is out of the way in it is not understood, and that is damage.
    tree = Tree(tmp_path / "tree")
    layer = {"mediaType": OCI_LAYER, "digest": ABSENT, "size": 1, "urls": "no list"}
    content = json.dumps({"schemaVersion": 2, "LAYERS": [layer], "layers2": {}}).encode()
    tree.revision("odd", tree.blob(content))
    assert [code for code, *_ in found(tree)] == [Code.MISSING_BLOB]
