from collections.abc import Iterable

import pytest

from regsweep.storage.ports import Outcome, Result, Scope, Store, Target
from tests.conformance.content import digest, populated, pushed
from tests.conformance.listing import Facts, entries, files
from tests.conformance.makers import Maker
from tests.trees import Tree, blob_key


def targets(facts: Facts, keys: Iterable[str]) -> list[Target]:
    return [Target(key=key, size=facts[key].size, modified=facts[key].modified) for key in keys]


def results(outcomes: Iterable[Outcome]) -> list[Result]:
    return [outcome.result for outcome in outcomes]


def as_listed(maker: Maker, store: Store, keys: Iterable[str]) -> list[Target]:
    found: dict[str, Target] = {}
    for page in (page for shard in store.shards(Scope.ALL) for page in store.pages(shard)):
        versions = (maker.enforces_versions and page.versions) or [""] * len(page.names)
        for (key, fact), version in zip(entries(page), versions, strict=True):
            found[key] = Target(key=key, size=fact.size, modified=fact.modified, version=version)
    return [found[key] for key in keys]


def test_what_was_listed_can_be_deleted_and_nothing_else_goes(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    store = maker.open()
    before = files(maker.facts())
    condemned = sorted(key for key in before if key.startswith(("repositories/a/b/", "blobs/")))
    store.prepare()
    assert files(maker.facts()) == before
    outcomes = list(store.delete(as_listed(maker, store, condemned)))
    assert outcomes == [Outcome(Result.DELETED)] * len(condemned)
    assert files(maker.facts()) == before - set(condemned)


def test_there_is_one_outcome_for_each_target_in_order(maker: Maker, tree: Tree) -> None:
    keys = [tree.layer_link("a", digest(number)) for number in range(300)]
    maker.fill(tree)
    store = maker.open()
    found = as_listed(maker, store, keys)
    for number in range(0, 300, 3):
        maker.remove(keys[number])
    for number in range(1, 300, 3):
        maker.put(keys[number], b"something else")
    expected = [Result.ABSENT, Result.CHANGED, Result.DELETED]
    if not maker.tells_absent:
        expected[0] = Result.DELETED
    if not maker.enforces_versions:
        expected[1] = Result.DELETED
    assert results(store.delete(found)) == expected * 100
    assert files(maker.facts()) == (set(keys[1::3]) if maker.enforces_versions else set())


@pytest.mark.parametrize(("bigger", "later"), [(1, 0), (0, 1), (0, -1), (-1, 1)])
def test_a_key_that_is_not_what_was_listed_stays(bigger: int, later: int, maker: Maker, tree: Tree) -> None:
    if maker.has_directories is False:
        pytest.skip("what it is is told by the version there")
    key = tree.layer_link("a", digest(1))
    maker.fill(tree)
    (target,) = targets(maker.facts(), [key])
    wrong = Target(key=key, size=target.size + bigger, modified=target.modified + later)
    store = maker.open()
    assert results(store.delete([wrong])) == [Result.CHANGED]
    assert maker.get(key) == digest(1).encode()
    assert results(store.delete([target])) == [Result.DELETED]
    assert maker.get(key) is None


def test_a_second_deletion_finds_everything_absent(maker: Maker, tree: Tree) -> None:
    pushed(tree, "a")
    maker.fill(tree)
    store = maker.open()
    everything = as_listed(maker, store, files(maker.facts()))
    assert set(results(store.delete(everything))) == {Result.DELETED}
    again = Result.ABSENT if maker.tells_absent else Result.DELETED
    assert results(store.delete(everything)) == [again] * len(everything)


def test_a_key_below_a_directory_that_never_was_is_absent(maker: Maker, tree: Tree) -> None:
    pushed(tree, "a")
    maker.fill(tree)
    gone = [blob_key(digest(1)), f"repositories/gone/_layers/sha256/{digest(1)[7:]}/link"]
    outcomes = maker.open().delete([Target(key=key, size=71, modified=0) for key in gone])
    assert results(outcomes) == [Result.ABSENT if maker.tells_absent else Result.DELETED] * 2


@pytest.mark.parametrize("key", ["stray", "blobs/stray", "repositories/stray", "repositories/a/stray"])
def test_a_key_near_the_top_is_deleted_like_any_other(key: str, maker: Maker, tree: Tree) -> None:
    tree.put(key, b"stray")
    maker.fill(tree)
    assert results(maker.open().delete(targets(maker.facts(), [key]))) == [Result.DELETED]
    assert files(maker.facts()) == set()


def test_a_whole_batch_is_taken_at_once(maker: Maker, tree: Tree) -> None:
    maker.fill(tree)
    store = maker.open()
    keys = [blob_key(digest(number)) for number in range(min(store.batch, 5_000))]
    maker.put(keys[-1], b"last")
    found = targets(maker.facts(), keys[-1:])
    absent = [Target(key=key, size=4, modified=0) for key in keys[:-1]]
    gone = Result.ABSENT if maker.tells_absent else Result.DELETED
    assert results(store.delete([*absent, *found])) == [gone] * len(absent) + [Result.DELETED]
    assert maker.get(keys[-1]) is None


def test_no_key_goes_with_the_directories_however_they_are_asked_for(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    before = files(maker.facts())
    parents = {f"{key.rpartition('/')[0]}/" for key in before}
    asked = [*sorted(parents, reverse=True), "repositories/a/", "repositories/a/b/", "blobs/sha256/"]
    outcomes = results(maker.open().remove_directories(asked))
    assert outcomes == [Result.CHANGED if maker.has_directories else Result.ABSENT] * len(asked)
    assert files(maker.facts()) == before


def test_only_empty_directories_are_removed_deepest_first_as_asked(maker: Maker, tree: Tree) -> None:
    if not maker.has_directories:
        pytest.skip("no directories exist there")
    pushed(tree, "a")
    (tree.base / "repositories/a/b/_layers/sha256").mkdir(parents=True)
    maker.fill(tree)
    asked = [
        "repositories/a/b/",
        "repositories/a/b/_layers/sha256/",
        "repositories/a/b/_layers/",
        "repositories/a/b/",
        "repositories/a/b/",
        "repositories/a/",
        "repositories/never/was/",
    ]
    store = maker.open()
    before = files(maker.facts())
    expected = [Result.CHANGED, *[Result.DELETED] * 3, Result.ABSENT, Result.CHANGED, Result.ABSENT]
    assert results(store.remove_directories(asked)) == expected
    assert files(maker.facts()) == before
    assert "repositories/a/b/_layers/sha256/" not in maker.facts()
