from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.conformance.content import pushed
from tests.conformance.listing import files, keys
from tests.conformance.makers import Maker
from tests.trees import Tree

LOCK = "regsweep.lock"


def test_a_lock_is_created_only_if_there_is_none(maker: Maker, tree: Tree) -> None:
    maker.fill(tree)
    store, other = maker.open(), maker.open()
    assert store.read_lock() is None
    held = store.create_lock(b"mine")
    assert held is not None
    assert other.create_lock(b"yours") is None
    assert store.create_lock(b"mine again") is None
    assert maker.get(LOCK) == b"mine"
    assert store.remove_lock(held)
    assert maker.get(LOCK) is None
    assert other.create_lock(b"yours") is not None


def test_whoever_reads_a_lock_gets_what_its_holder_wrote_and_can_tell_that_it_is_the_same(
    maker: Maker, tree: Tree
) -> None:
    maker.fill(tree)
    held = maker.open().create_lock(b"mine")
    found = maker.open().read_lock()
    assert held is not None
    assert found is not None
    assert (found.content, found.token) == (b"mine", held.token)


def test_a_lock_can_be_broken_by_what_was_read_of_it_once(maker: Maker, tree: Tree) -> None:
    maker.fill(tree)
    held = maker.open().create_lock(b"mine")
    other = maker.open()
    found = other.read_lock()
    assert held is not None
    assert found is not None
    assert other.remove_lock(found)
    assert other.read_lock() is None
    assert not other.remove_lock(found)
    assert not maker.open().remove_lock(held)


def test_a_lock_that_replaced_another_is_not_removed_by_the_other_s_holder(maker: Maker, tree: Tree) -> None:
    maker.fill(tree)
    store, other = maker.open(), maker.open()
    for turn in range(20):
        held = store.create_lock(b"mine %d" % turn)
        assert held is not None
        maker.remove(LOCK)
        theirs = other.create_lock(b"yours %d" % turn)
        assert theirs is not None
        standing = store.read_lock()
        assert standing is not None
        assert standing.token != held.token
        assert not store.remove_lock(held)
        assert maker.get(LOCK) == b"yours %d" % turn
        assert other.remove_lock(theirs)


def test_of_many_that_come_at_once_one_gets_the_lock(maker: Maker, tree: Tree) -> None:
    maker.fill(tree)
    stores = [maker.open() for _ in range(8)]
    barrier = Barrier(len(stores))

    def take(number: int) -> bool:
        barrier.wait(10)
        return stores[number].create_lock(b"%d" % number) is not None

    with ThreadPoolExecutor(len(stores)) as pool:
        won = list(pool.map(take, range(len(stores))))
    assert sum(won) == 1
    assert maker.get(LOCK) == b"%d" % won.index(True)


def test_of_many_that_break_the_same_lock_one_succeeds(maker: Maker, tree: Tree) -> None:
    maker.fill(tree)
    stores = [maker.open() for _ in range(8)]
    assert stores[0].create_lock(b"dead") is not None
    found = stores[1].read_lock()
    assert found is not None
    barrier = Barrier(len(stores))

    def break_it(number: int) -> bool:
        barrier.wait(10)
        return stores[number].remove_lock(found)

    with ThreadPoolExecutor(len(stores)) as pool:
        broken = sum(pool.map(break_it, range(len(stores))))
    assert broken == 1 or (broken > 1 and not maker.enforces_versions)


def test_an_empty_lock_is_a_lock(maker: Maker, tree: Tree) -> None:
    maker.fill(tree)
    store = maker.open()
    maker.put(LOCK, b"")
    assert store.create_lock(b"mine") is None
    found = store.read_lock()
    assert found is not None
    assert found.content == b""
    assert store.remove_lock(found)


def test_the_lock_is_no_key_of_the_tree(maker: Maker, tree: Tree) -> None:
    pushed(tree, "a")
    maker.fill(tree)
    before = files(maker.facts())
    store = maker.open()
    assert store.create_lock(b"mine") is not None
    assert {key for key in keys(store) if not key.endswith("/")} == before
