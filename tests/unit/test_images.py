import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha512
from pathlib import Path
from typing import NamedTuple

import pytest

from fixtures.images import Manifest, artifact, cache_index, image, index
from regsweep.inventory.database import Inventory, create
from regsweep.inventory.images import describe_images, find_images, read_configs
from regsweep.inventory.scan import begin, scan
from regsweep.inventory.workers import Workers
from tests.trees import Tree, blob_key, slashed
from tests.unit.memory import SILENT, MemoryStore

TAGGED = "SELECT repository, digest FROM tags"
EARLY, LATE = "2020-01-01T00:00:00Z", "2024-06-01T12:00:00Z"
AMD = image(b"one", b"two", created=EARLY, labels={"team": "web", "arch": "amd64"})
ARM = image(b"one", b"three", platform="linux/arm64", created=LATE, labels={"team": "web", "arch": "arm64"})


class Described(NamedTuple):
    bytes: int
    created: datetime | None
    labels: set[tuple[str, str]]
    unknown: bool


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@contextmanager
def scanned(tree: Tree | MemoryStore, wanted: str = TAGGED) -> Iterator[Inventory]:
    """An inventory in which the images are found and described."""
    store = MemoryStore.of(tree) if isinstance(tree, Tree) else tree
    with Workers(store, 1) as workers, create(facts={}) as inventory:
        scan(begin(store, workers), workers, inventory, SILENT)
        find_images(inventory, wanted)
        read_configs(inventory, workers, SILENT)
        describe_images(inventory)
        yield inventory


def described(tree: Tree | MemoryStore, wanted: str = TAGGED) -> Mapping[tuple[str, str], Described]:
    query = """
        SELECT name, 'sha256:' || lower(hex(digest)), bytes, created, labels, unknown
        FROM images JOIN repositories ON id = repository
    """
    with scanned(tree, wanted) as inventory:
        found = {}
        for name, digest, size, created, labels, unknown in inventory.rows(query):
            assert isinstance(labels, list)
            assert len(labels) == len({tuple(label.values()) for label in labels})
            found[name, digest] = Described(
                size,  # type: ignore[arg-type] # as the table's columns are
                created,  # type: ignore[arg-type] # as above
                {(label["key"], label["value"]) for label in labels},
                unknown,  # type: ignore[arg-type] # as above
            )
    return found  # type: ignore[return-value] # as above


def only(tree: Tree | MemoryStore, wanted: str = TAGGED) -> Described:
    (one,) = described(tree, wanted).values()
    return one


def manifests(tree: Tree, wanted: str = TAGGED) -> set[str]:
    with scanned(tree, wanted) as inventory:
        return {f"sha256:{digits}" for (digits,) in inventory.rows("SELECT lower(hex(manifest)) FROM image_manifests")}


def weight(*parts: Manifest) -> int:
    """What the distinct contents of some manifests weigh."""
    return sum(len(content) for content in {blob.content for one in parts for blob in (one.blob, *one.blobs)})


def test_an_image_is_its_manifest_its_configuration_and_its_layers(tree: Tree) -> None:
    tree.push(AMD, "a", "v1")
    assert manifests(tree) == {AMD.digest}
    assert only(tree) == Described(
        weight(AMD), datetime.fromisoformat(EARLY[:-1]), {("team", "web"), ("arch", "amd64")}, unknown=False
    )


def test_an_index_is_all_its_children_each_blob_counted_once_and_as_young_as_the_youngest(tree: Tree) -> None:
    both = index(AMD, ARM)
    tree.push(both, "a", "v1")
    assert manifests(tree) == {both.digest, AMD.digest, ARM.digest}
    labels = {("team", "web"), ("arch", "amd64"), ("arch", "arm64")}
    assert only(tree) == Described(weight(both, AMD, ARM), datetime.fromisoformat(LATE[:-1]), labels, unknown=False)


def test_an_index_in_an_index_is_followed_to_the_end(tree: Tree) -> None:
    inner = index(AMD)
    outer = index(inner, ARM)
    tree.push(outer, "a", "v1")
    assert manifests(tree) == {outer.digest, inner.digest, AMD.digest, ARM.digest}


def test_a_child_that_this_repository_cannot_serve_is_not_part_of_the_image(tree: Tree) -> None:
    both = index(AMD, ARM)
    tree.push(both, "whole", "v1")
    tree.push(AMD, "sparse")
    tree.revision("sparse", tree.blob(both.blob.content))
    tree.tag("sparse", "v1", both.digest)
    found = described(tree)
    assert found["whole", both.digest].bytes == weight(both, AMD, ARM)
    assert found["sparse", both.digest] == Described(
        weight(both, AMD), datetime.fromisoformat(EARLY[:-1]), {("team", "web"), ("arch", "amd64")}, unknown=False
    )


def test_a_child_that_only_a_layer_link_serves_is_part_of_the_image(tree: Tree) -> None:
    both = index(AMD, ARM)
    tree.push(both, "a", "v1")
    link = tree.base / f"repositories/a/_manifests/revisions/{slashed(ARM.digest)}/link"
    link.unlink()
    assert manifests(tree) == {both.digest, AMD.digest}
    tree.layer_link("a", ARM.digest)
    assert manifests(tree) == {both.digest, AMD.digest, ARM.digest}


def test_an_image_is_described_once_for_each_repository_however_often_it_is_wanted(tree: Tree) -> None:
    for repository, tag in (("a", "v1"), ("a", "v2"), ("b", "v1")):
        tree.push(AMD, repository, tag)
    assert set(described(tree, f"{TAGGED} UNION ALL {TAGGED}")) == {("a", AMD.digest), ("b", AMD.digest)}


def test_a_configuration_is_read_once_and_only_where_it_is_wanted(tree: Tree) -> None:
    tree.push(AMD, "a", "v1")
    tree.push(AMD, "b", "v1")
    tree.push(ARM, "b")

    class Noting(MemoryStore):
        noted: list[str] = []  # noqa: RUF012 - one store, made here

        def read(self, prefix: str, names, suffix: str, *, limit: int):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as the port's
            self.noted.extend(prefix + name + suffix for name in names)
            return super().read(prefix, names, suffix, limit=limit)

    store = Noting.of(tree)
    assert len(described(store)) == 2
    assert store.noted.count(blob_key(AMD.blobs[0].digest)) == 1
    assert blob_key(ARM.blobs[0].digest) not in store.noted


def test_an_attestation_beside_an_image_changes_no_date(tree: Tree) -> None:
    config = {"os": "unknown", "architecture": "unknown", "config": {}, "rootfs": {"type": "layers"}}
    digest = tree.blob(json.dumps(config).encode())
    tree.layer_link("a", digest)
    attestation = tree.manifest({"config": {"digest": digest}, "layers": []}, "a")
    tree.push(AMD, "a")
    tree.manifest({"manifests": [{"digest": AMD.digest}, {"digest": attestation}]}, "a", "v1")
    found = only(tree)
    assert (found.created, found.unknown) == (datetime.fromisoformat(EARLY[:-1]), False)


def test_an_artifact_has_no_date_and_that_is_known(tree: Tree) -> None:
    made = artifact(b"a bill of materials", kind="application/spdx+json")
    tree.push(made, "a", "v1")
    assert only(tree) == Described(weight(made), None, set(), unknown=False)


def test_the_layers_that_a_build_cache_lists_as_children_count(tree: Tree) -> None:
    cache = cache_index(b"one", b"two")
    tree.push(cache, "a", "cache")
    assert only(tree) == Described(weight(cache), None, set(), unknown=False)


def test_of_an_image_whose_configuration_is_gone_or_damaged_it_is_said_that_more_may_be_true(tree: Tree) -> None:
    both = index(AMD, ARM)
    tree.push(both, "a", "v1")
    config = tree.base / blob_key(ARM.blobs[0].digest)
    content = config.read_bytes()
    for damaged in (None, content + b" "):
        config.unlink() if damaged is None else config.write_bytes(damaged)
        found = only(tree)
        assert (found.created, found.unknown) == (datetime.fromisoformat(EARLY[:-1]), True)


def test_of_an_image_whose_manifest_is_damaged_nothing_is_known_but_its_size(tree: Tree) -> None:
    tree.push(AMD, "a", "v1")
    (tree.base / blob_key(AMD.digest)).write_bytes(b"{}")
    assert only(tree) == Described(2, None, set(), unknown=True)


def test_an_image_that_its_repository_cannot_serve_has_no_size_and_nothing_is_known_of_it(tree: Tree) -> None:
    tree.push(AMD, "elsewhere")
    tree.tag("a", "dangling", AMD.digest)
    tree.tag("a", "missing", "sha256:" + "ab" * 32)
    found = described(tree)
    assert len(found) == 2
    assert list(found.values()) == [Described(0, None, set(), unknown=True)] * 2


@pytest.mark.parametrize("document", [{"fsLayers": [{"blobSum": AMD.blobs[1].digest}]}, {"mediaType": "some/thing"}])
def test_of_kinds_whose_history_is_not_read_it_is_said_that_more_may_be_true(tree: Tree, document: object) -> None:
    tree.manifest(document, "a", "v1")
    assert only(tree).unknown


def test_a_part_whose_size_is_not_known_weighs_what_its_descriptor_claims(tree: Tree) -> None:
    foreign = {"digest": "sha256:" + "fe" * 32, "size": 1000, "urls": ["https://elsewhere.example/layer"]}
    config = tree.blob(b"{}")
    digest = tree.manifest({"config": {"digest": config, "size": 2}, "layers": [foreign, foreign]}, "a", "v1")
    assert only(tree).bytes == (tree.base / blob_key(digest)).stat().st_size + 2 + 1000


def test_a_configuration_named_by_another_algorithm_is_not_asked_for(tree: Tree) -> None:
    named = f"sha512:{sha512(b'{}').hexdigest()}"
    tree.manifest({"config": {"digest": named, "size": 2}, "layers": []}, "a", "v1")
    found = only(tree)
    assert (found.created, found.unknown) == (None, True)


def test_labels_of_any_letters_come_through_as_they_are(tree: Tree) -> None:
    labels = {"": "empty", "a.b/c": 'quoted "text" = $1', "ключ": "\u2028\n", "nul": "a\x00b"}
    tree.push(image(b"one", labels=labels), "a", "v1")
    assert only(tree).labels == set(labels.items())
