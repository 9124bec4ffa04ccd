"""The links of one repository are listed without naming every shard, as `regsweep ls` does."""

import pytest

from regsweep.inventory.scan import begin_repository
from regsweep.inventory.workers import Workers
from regsweep.storage.ports import Lists
from tests.conformance.content import NESTED, digest, populated
from tests.conformance.listing import Fact, below
from tests.conformance.makers import Maker
from tests.trees import Tree

PARTS = ("_manifests/revisions/", "_manifests/tags/", "_layers/")


def parts(store: Lists, repository: str) -> list[tuple[str, Fact]]:
    return sorted(entry for part in PARTS for entry in below(store, f"repositories/{repository}/{part}"))


@pytest.mark.parametrize("repository", NESTED)
def test_the_parts_of_a_repository_are_its_links_and_no_others(repository: str, maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    beginning = f"repositories/{repository}/_"
    links = [(key, fact) for key, fact in sorted(maker.facts().items()) if key.startswith(beginning)]
    assert parts(maker.open(), repository) == [(key, fact) for key, fact in links if "/_uploads/" not in key]


def test_a_repository_of_thousands_of_links_is_listed_whole(maker: Maker, tree: Tree) -> None:
    for number in range(maker.many):
        tree.layer_link("many", digest(number))
    maker.fill(tree)
    assert parts(maker.open(), "many") == sorted(maker.facts().items())


def test_a_repository_that_is_not_there_has_no_links(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    store = maker.open()
    assert [parts(store, name) for name in ("gone", "a/b/gone", "a/_layers")] == [[], [], []]


def test_workers_list_the_links_of_one_repository(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    store = maker.open()
    with Workers(store, 1) as workers:
        begun = begin_repository(store, "a/b", workers)
        found = {name for _, rows in begun.results for name in rows.columns}
    assert found == {"revisions", "signatures", "tags", "tag_entries", "layer_links"}
    assert begun.shards == len(PARTS)
