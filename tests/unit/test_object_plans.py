"""What is particular to plans of object stores: versions, and objects that mark directories."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.images import image
from regsweep.errors import StoppedError
from regsweep.storage.ports import Page, Request
from tests.trees import Tree
from tests.unit.executor_scene import Scene
from tests.unit.memory import MemoryStore, Thing, decided, moment, plan_of, version_of

MARKERS = ("repositories/", "repositories/a/", "repositories/a/_layers/", "repositories/gone/_layers/")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    tree = Tree(tmp_path / "tree")
    tree.push(image(b"shared", b"kept"), "a", "v1")
    tree.push(image(b"shared", b"gone"), "gone")
    tree.upload("gone", "1a2b")
    store = MemoryStore.of(tree)
    store.empty_directories.clear()
    store.versioned = True
    for marker in MARKERS:
        store.things[marker] = Thing(b"", moment())
    return Scene(store, plan_of(store, tmp_path / "the.plan"), tmp_path / "the.journal")


def test_a_plan_lists_the_version_of_each_key(scene: Scene) -> None:
    deletions = list(scene.plan.deletions())
    assert {deletion.kind for deletion in deletions} == {"revision", "layer-link", "upload", "blob", "directory"}
    assert {one.key: one.version for one in deletions} == {
        one.key: version_of(scene.store.things[one.key].content) for one in deletions
    }


class Stuttering(MemoryStore):
    """A store that lists every key twice."""

    def pages(self, shard: str) -> Iterator[Page]:
        """See `Lists.pages`."""
        for page in super().pages(shard):
            yield from (page, page)


def test_a_key_that_is_listed_twice_counts_once_and_goes_once(scene: Scene, tmp_path: Path) -> None:
    store = Stuttering(things=dict(scene.store.things), versioned=True, lanes=2, requests={Request.LIST: 1})
    again = Scene(store, plan_of(store, tmp_path / "again.plan"), tmp_path / "again.journal")
    assert again.plan.header.totals == scene.plan.header.totals
    assert [one.key for one in again.plan.deletions()] == [one.key for one in scene.plan.deletions()]
    again.run()
    assert sorted(store.deleted()) == sorted(one.key for one in scene.plan.deletions())


def test_a_tag_that_was_moved_between_two_listings_keeps_both_images(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    old, new = (tree.push(image(b"shared", name), "a", "v1") for name in (b"old", b"new"))

    class Moving(MemoryStore):
        def pages(self, shard: str) -> Iterator[Page]:
            """See `Lists.pages`."""
            yield from super().pages(shard)
            self.things[tag] = replace(self.things[tag], content=old.encode())
            yield from super().pages(shard)

    tag = "repositories/a/_manifests/tags/v1/current/link"
    store = Moving(things=MemoryStore.of(tree).things, versioned=True, lanes=2, requests={Request.LIST: 1})
    with decided(store) as found:
        kept = found.inventory.rows("SELECT 'sha256:' || lower(hex(digest)) FROM reached")
        assert {digest for (digest,) in kept} == {old, new}


def test_what_has_another_version_than_the_plan_lists_stays(scene: Scene) -> None:
    (key,) = (key for key in scene.listed("upload") if key.endswith("/data"))
    standing = scene.store.things[key]
    scene.store.things[key] = replace(standing, content=bytes(len(standing.content)))
    with pytest.raises(StoppedError, match="changed since it was listed"):
        scene.run(batch=1)
    assert key in scene.store.things


def test_the_marker_of_an_emptied_repository_goes_last_and_that_of_another_stays(scene: Scene) -> None:
    assert scene.listed("directory") == ["repositories/gone/_layers/"]
    scene.run()
    assert scene.store.deleted()[-1] == "repositories/gone/_layers/"
    assert set(MARKERS) & set(scene.store.things) == {"repositories/", "repositories/a/", "repositories/a/_layers/"}
    assert scene.is_done()
