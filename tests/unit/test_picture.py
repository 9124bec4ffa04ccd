import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.images import artifact, image, index
from regsweep.plan import file
from regsweep.plan.options import Options, Untagged
from regsweep.plan.picture import MONTHS, SHOWN, TAGS, Picture, Tag, picture
from regsweep.retention.policy import parse_policy
from tests.trees import DAY, Tree
from tests.unit.memory import DELETE, decided

BLOBS = "blobs/**/data"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def drawn(tree: Tree, options: Options = DELETE) -> Picture:
    with decided(tree, options) as found:
        return picture(found.inventory, found.totals, judged=options.policy is not None, now=datetime.now(UTC))


def places(found: Picture) -> dict[str, tuple[int, int]]:
    return {one.name: (one.bytes, one.freed) for one in found.where if one.bytes}


def stored(tree: Tree, pattern: str = BLOBS) -> int:
    return sum(path.stat().st_size for path in tree.base.glob(pattern) if path.is_file())


def tags(found: Picture, repository: str) -> list[Tag]:
    (one,) = [one for one in found.tagged if one.repository == repository]
    return one.tags


def test_a_picture_of_nothing_is_empty(tree: Tree) -> None:
    found = drawn(tree)
    assert places(found) == {}
    assert (found.months, found.largest, found.tagged) == ([], [], [])
    assert {age.count for age in found.ages} == {0}


def test_each_byte_is_in_one_place(tree: Tree) -> None:
    tree.push(image(b"tagged"), "app", "v1")
    tree.push(image(b"untagged"), "app")
    tree.push(image(b"of both"), "app", "v2")
    tree.push(image(b"of both"), "other", "v1")
    orphan = b"an orphan"
    tree.blob(orphan)
    tree.upload("app", "4c4b2b6e-0d0c-4d8a-8f7e-3f1f7b1d3c51", b"half of it")
    found = drawn(tree)
    where = places(found)
    assert sum(size for size, _ in where.values()) == stored(tree) + stored(tree, "repositories/*/_uploads/*/*")
    assert where["orphaned"] == (len(orphan), len(orphan))
    assert where["uploads"][0] == where["uploads"][1] == stored(tree, "repositories/*/_uploads/*/*")
    assert where["tagged"][1] == where["shared"][1] == 0
    assert where["untagged"][0] == where["untagged"][1] > 0


def test_the_children_of_a_tagged_index_and_what_refers_to_it_are_tagged(tree: Tree) -> None:
    both = index(image(b"amd64"), image(b"arm64"))
    tree.push(both, "app", "v1")
    tree.push(artifact(b"signature", kind="application/x", subject=both), "app")
    assert set(places(drawn(tree))) == {"tagged"}


def test_a_tag_that_goes_is_tagged_all_the_same_for_it_says_what_there_is(tree: Tree) -> None:
    tree.push(image(b"old"), "app", "v1", age=50)
    tree.push(image(b"new"), "app", "v2")
    policy = parse_policy("version: 1\nrules: [{repositories: ['**'], keepTags: [{mostRecentlyPushedCount: 1}]}]", "p")
    found = drawn(tree, Options(untagged=Untagged.DELETE, policy=policy))
    ((size, freed),) = places(found).values()
    assert 0 < freed < size
    first, second = tags(found, "app")
    assert (first.name, first.goes, second.name, second.goes, second.reason) == ("v2", False, "v1", True, "rule")
    assert "most recently pushed" in first.reason


def test_months_add_up_to_all_blobs(tree: Tree) -> None:
    tree.push(image(b"kept"), "app", "v1", age=400)
    tree.push(image(b"gone"), "app", age=100)
    found = drawn(tree)
    assert sum(month.kept + month.condemned for month in found.months) == stored(tree)
    assert [month.month for month in found.months] == [
        (datetime.now(UTC) - timedelta(days=days)).date().replace(day=1) for days in (400, 100)
    ]
    assert [bool(month.kept) for month in found.months] == [True, False]


@pytest.mark.parametrize(("age", "months"), [(20_000.0, MONTHS - 1), (-300.0, 0)])
def test_a_clock_that_was_wrong_makes_no_months_that_nobody_can_see(age: float, months: int, tree: Tree) -> None:
    tree.push(image(b"kept"), "app", "v1", age=age)
    (month,) = drawn(tree).months
    now = datetime.now(UTC)
    assert (now.year - month.month.year) * 12 + now.month - month.month.month == months


def test_ages_are_those_of_what_goes(tree: Tree) -> None:
    for at, age in enumerate((3, 20, 60, 200, 500, 1000)):
        tree.blob(b"x" * (at + 1), age=age)
    tree.push(image(b"kept"), "app", "v1", age=800)
    assert [(age.days, age.count, age.bytes) for age in drawn(tree).ages] == [
        (7, 1, 1),
        (30, 1, 2),
        (90, 1, 3),
        (365, 1, 4),
        (730, 1, 5),
        (None, 1, 6),
    ]


def test_the_largest_blobs_come_with_those_who_link_them(tree: Tree) -> None:
    large = tree.blob(b"x" * 10_000)
    for at in range(7):
        tree.push(image(b"kept"), f"app{at}", "v1")
        tree.layer_link(f"app{at}", large, age=0.1)
    first, *others = drawn(tree).largest
    assert (first.digest, first.bytes, first.reason, first.owners) == (large, 10_000, "", 7)
    assert first.repositories == [f"app{at}" for at in range(5)]
    assert first.modified == (datetime.now(UTC) - timedelta(days=30)).date()
    assert [one.bytes for one in others] == sorted((one.bytes for one in others), reverse=True)


def test_of_many_tags_the_latest_that_stay_and_that_go_are_shown(tree: Tree) -> None:
    digest = tree.push(image(b"kept"), "app")
    for at in range(60):
        tree.tag("app", f"kept{at:02}", digest, age=10 + at)
        tree.tag("app", f"gone{at:02}", "sha256:" + "0f" * 32, age=10 + at)
    shown = tags(drawn(tree), "app")
    assert len(shown) == SHOWN[0]
    assert {tag.name for tag in shown} == {f"{what}{at:02}" for what in ("kept", "gone") for at in range(25)}
    assert shown[0] == Tag(
        "gone00", "0f" * 6, (datetime.now(UTC) - timedelta(seconds=10 * DAY)).date(), goes=True, reason="no-revision"
    )


def test_so_many_are_shown_of_each_repository_that_there_are_not_too_many_in_all(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regsweep.plan.picture.TAGS", 10)
    digest = image(b"kept").digest
    for name in ("a", "b", "c"):
        tree.push(image(b"kept"), name)
        for at in range(4):
            tree.tag(name, f"v{at}", digest)
    assert [len(one.tags) for one in drawn(tree).tagged] == [3, 3, 3]
    assert TAGS > 10


def test_a_plan_tells_its_picture_again_and_deletes_the_same_without_it(tree: Tree, tmp_path: Path) -> None:
    tree.push(image(b"kept"), "app", "v1")
    tree.push(image(b"gone"), "app")
    with decided(tree) as found:
        first = picture(found.inventory, found.totals, judged=False, now=datetime.now(UTC))
        header = file.header("memory", DELETE, found.inventory, found.totals, created=datetime.now(UTC))
        file.write(tmp_path / "with", found.inventory, replace(file.describe(found.inventory, header), picture=first))
        file.write(tmp_path / "without", found.inventory, file.describe(found.inventory, header))
    told, plain = file.read(tmp_path / "with"), file.read(tmp_path / "without")
    assert told.picture() == first
    assert plain.picture() is None
    assert list(told.deletions()) == list(plain.deletions())
    assert (told.repositories, told.findings) == (plain.repositories, plain.findings)
    lines = [json.loads(line)["record"] for line in (tmp_path / "with").read_text().splitlines()]
    assert lines.count("picture") == 1
    assert isinstance(first.months[0].month, date)
