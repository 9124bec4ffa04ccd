"""What is particular to plans of object stores: versions, and objects that mark directories."""

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.images import image
from regsweep.errors import StoppedError
from tests.trees import Tree
from tests.unit.executor_scene import Scene
from tests.unit.memory import MemoryStore, Thing, moment, plan_of, version_of

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
