import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fixtures.images import image
from regsweep.apply.staleness import check_links
from regsweep.errors import RefusedError, StorageError
from regsweep.inventory.workers import Workers
from regsweep.plan.file import Plan
from regsweep.storage.ports import Page
from tests.trees import Tree, slashed
from tests.unit.memory import SILENT, MemoryStore, Thing, moment, plan_of

NEW = "sha256:" + "0e" * 32
OTHER = "sha256:" + "0d" * 32
MANIFESTS = "repositories/{0}/_manifests"


class Scene:
    """A storage and its plan, which keeps `a:v1` and a signature, and condemns `a`'s older image and all of `b`."""

    def __init__(self, folder: Path) -> None:
        tree = Tree(folder / "tree")
        self.kept = tree.push(image(b"kept"), "a", "v1")
        self.old = tree.push(image(b"old"), "a")
        tree.tag_entry("a", "v1", self.old)
        tree.push(image(b"kept"), "c/d", "v1")
        tree.push(image(b"gone"), "b")
        self.signature = tree.blob(b"signature")
        key = f"repositories/a/_manifests/revisions/{slashed(self.kept)}/signatures/{slashed(self.signature)}/link"
        tree.put(key, self.signature.encode())
        tree.upload("a", "1a2b")
        self.store = MemoryStore.of(tree)
        self.plan = plan_of(self.store, folder / "a.plan")
        self.condemned = {deletion.key for deletion in self.plan.deletions()}

    def check(self, plan: Plan | None = None) -> None:
        with Workers(self.store, 1) as workers:
            check_links(plan or self.plan, self.store, workers, SILENT, memory=None)

    def links(self, *, condemned: bool) -> list[str]:
        return [
            key for key in sorted(self.store.things) if key.endswith("/link") and (key in self.condemned) is condemned
        ]

    def put(self, key: str, content: bytes, modified: int | None = None) -> None:
        self.store.things[key] = Thing(content, moment(0) if modified is None else modified)

    def refused(self) -> RefusedError:
        with pytest.raises(RefusedError, match="has changed since the plan was made") as caught:
            self.check()
        return caught.value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture
def scene(made: Scene) -> Scene:
    fresh = copy.copy(made)
    fresh.store = MemoryStore(things=dict(made.store.things))
    return fresh


def test_a_storage_that_nobody_touched_is_as_it_was(scene: Scene) -> None:
    scene.check()


NEW_LINKS = [
    "repositories/a/_manifests/tags/v2/current/link",
    f"repositories/a/_manifests/tags/v1/index/{slashed(NEW)}/link",
    f"repositories/a/_manifests/revisions/{slashed(NEW)}/link",
    f"repositories/a/_layers/{slashed(NEW)}/link",
    f"repositories/a/_layers/sha512/{'5e' * 64}/link",
    f"repositories/a/_manifests/revisions/{slashed(NEW)}/signatures/{slashed(OTHER)}/link",
    f"repositories/b/_layers/{slashed(NEW)}/link",
    f"repositories/new/_layers/{slashed(NEW)}/link",
    "repositories/a/b/_manifests/tags/v1/current/link",
]


@pytest.mark.parametrize("key", NEW_LINKS)
@pytest.mark.parametrize("age", [0.0, 300.0])
def test_any_link_that_came_is_noticed_however_old_it_looks(scene: Scene, key: str, age: float) -> None:
    digest = OTHER if "/signatures/" in key else NEW
    scene.put(key, digest.encode(), moment(age))
    repository = key.removeprefix("repositories/").partition("/_")[0]
    assert f"links in {repository}" in scene.refused().message


def each_kept(scene: Scene, change: Callable[[str, Thing], Thing | None]) -> None:
    """Change each link that stays, one at a time; each time it must be noticed."""
    links = scene.links(condemned=False)
    assert len(links) > 8
    for key in links:
        before = scene.store.things.pop(key)
        if after := change(key, before):
            scene.store.things[key] = after
        scene.refused()
        scene.store.things[key] = before
    scene.check()


def test_any_link_that_is_to_stay_and_went_is_noticed(scene: Scene) -> None:
    each_kept(scene, lambda _, __: None)


def test_any_link_that_was_written_again_is_noticed_even_with_the_same_content(scene: Scene) -> None:
    each_kept(scene, lambda _, thing: Thing(thing.content, thing.modified + 1))


def test_a_tag_that_points_elsewhere_is_noticed_even_at_the_same_time(scene: Scene) -> None:
    key = "repositories/a/_manifests/tags/v1/current/link"
    scene.put(key, scene.old.encode(), scene.store.things[key].modified)
    scene.refused()


def test_two_links_that_changed_places_are_noticed(scene: Scene) -> None:
    first, second = (key for key in scene.links(condemned=False) if "/_layers/" in key and "/a/" in key)
    scene.store.things[first], scene.store.things[second] = (
        Thing(scene.store.things[first].content, scene.store.things[second].modified + 1),
        Thing(scene.store.things[second].content, scene.store.things[first].modified - 1),
    )
    scene.refused()


@pytest.mark.parametrize("keep", [0, 1, 2, 3])
def test_condemned_links_may_be_gone_or_not(scene: Scene, keep: int) -> None:
    for at, key in enumerate(scene.links(condemned=True)):
        if keep == 0 or at % 4 == keep:
            del scene.store.things[key]
    scene.check()


def test_a_condemned_link_that_was_written_again_is_noticed(scene: Scene) -> None:
    links = scene.links(condemned=True)
    assert {key.split("/_")[0] for key in links} == {"repositories/a", "repositories/b"}
    for key in links:
        before = scene.store.things[key]
        scene.put(key, before.content)
        scene.refused()
        scene.store.things[key] = before
    scene.check()


def test_blobs_and_uploads_do_not_matter(scene: Scene) -> None:
    for key in list(scene.store.things):
        if key.startswith("blobs/") or "/_uploads/" in key:
            del scene.store.things[key]
    scene.put(f"blobs/sha256/0e/{'0e' * 32}/data", b"new")
    scene.put("repositories/a/_uploads/3c4d/data", b"new")
    scene.check()


def test_all_that_changed_is_counted(scene: Scene) -> None:
    for repository in ("a", "c/d", "e"):
        scene.put(f"repositories/{repository}/_layers/{slashed(NEW)}/link", NEW.encode())
    message = scene.refused().message
    assert "links in a and 2 more repositories" in message


def test_a_plan_of_another_duckdb_is_refused_for_its_fingerprints_differ(scene: Scene) -> None:
    header = msgspec.structs.replace(scene.plan.header, engine="0.0.1")
    other = dataclasses.replace(scene.plan, header=header)
    with pytest.raises(RefusedError, match=r"DuckDB 0\.0\.1"):
        scene.check(other)


def test_links_that_cannot_be_listed_are_an_error_not_a_change(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(shard: str) -> list[Page]:
        raise StorageError("denied", key=shard)

    monkeypatch.setattr(scene.store, "pages", denied)
    with pytest.raises(StorageError, match="denied"):
        scene.check()
