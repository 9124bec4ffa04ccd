import pickle
import subprocess
import sys

import pytest

from regsweep.storage.ports import Scope
from tests.conformance.content import digest, populated, pushed
from tests.conformance.listing import below, entries, files, keys, listed
from tests.conformance.makers import Maker
from tests.trees import Tree, blob_key

BOTH = pytest.mark.parametrize("scope", [Scope.LINKS, Scope.ALL])


def test_every_key_is_listed_once_with_its_size_and_its_time(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    assert listed(maker.open()) == sorted(maker.facts().items())


def test_links_are_all_of_the_repositories_with_or_without_their_uploads(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    repositories = [fact for fact in sorted(maker.facts().items()) if fact[0].startswith("repositories/")]
    links = [fact for fact in repositories if "_uploads" not in fact[0]]
    assert listed(maker.open(), Scope.LINKS) in (links, repositories)


def test_a_shard_is_the_beginning_of_each_of_its_keys(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    store = maker.open()
    for shard in store.shards(Scope.ALL):
        assert {key for key, _ in below(store, shard) if not key.startswith(shard.rstrip("*="))} == set()


def test_a_shard_can_be_listed_again_and_in_any_order(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    store = maker.open()
    shards = list(store.shards(Scope.ALL))
    first = {shard: below(store, shard) for shard in shards}
    assert {shard: below(store, shard) for shard in reversed(shards)} == first


def test_shards_can_be_listed_in_turns(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    store = maker.open()
    opened = [store.pages(shard) for shard in store.shards(Scope.ALL)]
    found: list[str] = []
    while opened:
        for pages in tuple(opened):
            page = next(pages, None)
            if page is None:
                opened.remove(pages)
            else:
                found += [key for key, _ in entries(page)]
    assert sorted(found) == sorted(maker.facts())


@BOTH
def test_a_store_without_a_key_lists_none(scope: Scope, maker: Maker, tree: Tree) -> None:
    maker.fill(tree)
    assert keys(maker.open(), scope) == []


@BOTH
@pytest.mark.parametrize("branch", ["blobs", "repositories"])
def test_a_tree_may_lack_a_branch(branch: str, scope: Scope, maker: Maker, tree: Tree) -> None:
    pushed(tree, "a")
    for key in tree.keys():  # noqa: SIM118 - a tree is no mapping
        if key.startswith(branch):
            (tree.base / key).unlink()
    for folder in sorted((tree.base / branch).rglob("*"), reverse=True):
        folder.rmdir()
    (tree.base / branch).rmdir()
    maker.fill(tree)
    found = set(keys(maker.open(), scope))
    uploads = {key for key in maker.facts() if "_uploads" in key}
    expected = {key for key in maker.facts() if scope is Scope.ALL or key.startswith("repositories/")}
    assert found in ([expected] if scope is Scope.ALL else [expected, expected - uploads])


@BOTH
@pytest.mark.parametrize("shard", ["blobs/sha256/ff/", "repositories/gone/_layers/", "repositories/gone/", "gone"])
def test_a_shard_that_does_not_exist_has_no_pages(shard: str, scope: Scope, maker: Maker, tree: Tree) -> None:
    pushed(tree, "a")
    maker.fill(tree)
    store = maker.open()
    assert shard not in set(store.shards(scope))
    assert list(store.pages(shard)) == []


def test_what_vanishes_after_the_shards_were_named_is_no_error(maker: Maker, tree: Tree) -> None:
    pushed(tree, "a")
    pushed(tree, "b")
    maker.fill(tree)
    store = maker.open()
    shards = list(store.shards(Scope.ALL))
    before = maker.facts()
    gone = {key for key in before if key.startswith("repositories/a/")}
    for key in gone:
        maker.remove(key)
    found = dict(entry for shard in shards for entry in below(store, shard))
    # What was listed to its end to name the shards is told as it was then.
    assert files(maker.facts()) <= files(found) <= files(before)


def test_times_are_exact_to_the_microsecond(maker: Maker, tree: Tree) -> None:
    for number in range(50):
        tree.blob(b"%d" % number, age=number + 0.123456789)
    maker.fill(tree)
    assert listed(maker.open()) == sorted(maker.facts().items())


def test_content_that_comes_with_a_page_is_what_the_key_holds_from_its_beginning(maker: Maker, tree: Tree) -> None:
    populated(tree)
    long = f"repositories/a/_manifests/revisions/sha256/{digest(1)[7:]}/link"
    tree.put(long, b"x" * 10_000)
    tree.put(f"repositories/a/_manifests/revisions/sha256/{digest(2)[7:]}/link", b"")
    maker.fill(tree)
    store = maker.open()
    for shard in store.shards(Scope.ALL):
        for page in store.pages(shard):
            for (key, fact), content in zip(entries(page), page.contents or [None] * len(page.names), strict=True):
                held = maker.get(key) if content is not None else b""
                assert held is not None
                assert content in (None, held) or (fact.size > 71 and held.startswith(content) and len(content) > 71)


def test_directories_of_thousands_are_listed_whole(maker: Maker, tree: Tree) -> None:
    # On a server what counts is that a listing has several parts, and that there is something to split.
    many = 1_100 if maker.has_directories else 100
    for number in range(maker.many):
        tree.layer_link("many", digest(number))
    for number in range(many):
        tree.put(blob_key(digest(number)), b"%d" % number)
        tree.revision("many", digest(number))
        tree.tag("many", f"v{number}", digest(number))
    for number in range(many):
        tree.layer_link(f"many/{number}", digest(number))
    maker.fill(tree)
    assert listed(maker.open()) == sorted(maker.facts().items())


def test_one_tag_with_a_long_history_is_listed_whole(maker: Maker, tree: Tree) -> None:
    for number in range(maker.many):
        tree.tag_entry("a", "latest", digest(number))
    tree.tag("a", "latest", digest(0))
    maker.fill(tree)
    assert listed(maker.open(), Scope.LINKS) == sorted(maker.facts().items())


def test_a_store_can_be_pickled_and_used_from_another_process(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    store = maker.open()
    code = (
        "import pickle, sys\n"
        "from regsweep.storage.ports import Scope\n"
        "store = pickle.load(sys.stdin.buffer)\n"
        "pages = [page for shard in store.shards(Scope.ALL) for page in store.pages(shard)]\n"
        "pickle.dump((store.url, pages), sys.stdout.buffer)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(store), capture_output=True, check=True)
    url, pages = pickle.loads(done.stdout)  # noqa: S301 - written by the process that the test started
    assert url == store.url
    assert sorted(entry for page in pages for entry in entries(page)) == listed(store)
