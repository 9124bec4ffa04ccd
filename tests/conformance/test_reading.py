import hashlib

import pytest

from regsweep.errors import StorageError
from regsweep_backends._objects import PART, ObjectStore
from tests.conformance.content import digest, populated, pushed
from tests.conformance.listing import files
from tests.conformance.makers import Maker
from tests.trees import BASE, Tree, blob_key

SHARD = "blobs/sha256/00/"


def test_contents_come_in_the_order_asked_for_and_none_for_exactly_the_absent(maker: Maker, tree: Tree) -> None:
    for number in range(0, 300, 3):
        tree.put(blob_key(digest(number)), b"%d" % number)
    tree.put(blob_key(digest(3)), b"")
    maker.fill(tree)
    names = [digest(number)[7:] for number in reversed(range(300))]
    expected = [None if number % 3 else b"%d" % number if number != 3 else b"" for number in reversed(range(300))]
    assert list(maker.open().read(SHARD, names, "/data", limit=100)) == expected


def test_every_key_can_be_read_by_itself(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    store = maker.open()
    for key in files(maker.facts()):
        folder, _, name = key.rpartition("/")
        assert list(store.read(f"{folder}/", [name], "", limit=10_000)) == [maker.get(key)]


@pytest.mark.parametrize("key", ["stray", "blobs/stray", "repositories/stray"])
def test_a_key_near_the_top_can_be_read_too(key: str, maker: Maker, tree: Tree) -> None:
    tree.put(key, b"stray")
    maker.fill(tree)
    folder = key[: -len("stray")]
    assert list(maker.open().read(folder, ["stray", "other"], "", limit=100)) == [b"stray", None]


@pytest.mark.parametrize("size", [0, 1, 71, 4_096, 16_383, 16_384, 16_385, 1 << 20, (4 << 20) + 1])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_at_most_the_limit_is_read_from_the_beginning(size: int, beyond: int, maker: Maker, tree: Tree) -> None:
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    tree.put(blob_key(digest(1)), content)
    maker.fill(tree)
    limit = max(size + beyond, 1)
    (found,) = maker.open().read(SHARD, [digest(1)[7:]], "/data", limit=limit)
    assert found is not None
    assert found == content[:limit]


@pytest.mark.parametrize("prefix", ["blobs/sha256/ff/", "blobs/sha512/00/", "repositories/gone/_layers/sha256/"])
def test_below_a_prefix_that_does_not_exist_every_name_is_absent(prefix: str, maker: Maker, tree: Tree) -> None:
    pushed(tree, "a")
    maker.fill(tree)
    assert list(maker.open().read(prefix, ["x", "y"], "/data", limit=10)) == [None, None]


def test_reading_no_names_reads_nothing(maker: Maker, tree: Tree) -> None:
    maker.fill(populated(tree))
    assert list(maker.open().read(SHARD, [], "/data", limit=10)) == []


def test_an_object_at_the_root_exists_or_does_not(maker: Maker, tree: Tree) -> None:
    key = tree.layer_link("a", digest(1))
    maker.fill(tree)
    maker.put_at_root("scheduler-state.json", b"{}")
    maker.put_at_root("docker/registry/lockfiles/database-in-use", b"")
    store = maker.open()
    present = ["scheduler-state.json", "docker/registry/lockfiles/database-in-use", f"{BASE}/{key}"]
    absent = ["scheduler-state", "scheduler-state.json.bak", "docker/registry/lockfiles/database", "none/at/all"]
    assert [store.has(path) for path in present] == [True] * len(present)
    assert [store.has(path) for path in absent] == [False] * len(absent)


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1])
def test_all_of_a_blob_is_hashed_however_large_it_is(size: int, maker: Maker, tree: Tree) -> None:
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    tree.put(blob_key(digest(1)), content)
    maker.fill(tree)
    (found,) = maker.open().hashes(SHARD, [digest(1)[7:]], "/data", algorithm="sha256")
    assert found == hashlib.sha256(content).hexdigest()


def test_hashes_come_in_the_order_asked_for_and_none_for_exactly_the_absent(maker: Maker, tree: Tree) -> None:
    for number in range(0, 60, 3):
        tree.put(blob_key(digest(number)), b"%d" % number)
    maker.fill(tree)
    names = [digest(number)[7:] for number in reversed(range(60))]
    for algorithm in ("sha256", "sha512"):
        expected = [
            None if number % 3 else hashlib.new(algorithm, b"%d" % number).hexdigest() for number in reversed(range(60))
        ]
        assert list(maker.open().hashes(SHARD, names, "/data", algorithm=algorithm)) == expected
    assert list(maker.open().hashes("blobs/sha256/ff/", names[:2], "/data", algorithm="sha256")) == [None, None]
    assert list(maker.open().hashes(SHARD, [], "/data", algorithm="sha256")) == []


@pytest.mark.parametrize("size", [PART + 1, PART, 3])
def test_a_blob_that_is_replaced_while_it_is_hashed_is_an_error_and_one_that_vanishes_is_absent(
    size: int, maker: Maker, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = blob_key(digest(1))
    tree.put(key, bytes(2 * PART))
    maker.fill(tree)
    store = maker.open()
    if not isinstance(store, ObjectStore):
        pytest.skip("what is open stays as it is")
    bucket = store._bucket  # noqa: SLF001 - between its requests is when it happens
    ask, meanwhile = bucket.get_more, [lambda: maker.put(key, b"x" * size), lambda: maker.remove(key)]

    def get_more(path: str, version: str, start: int, limit: int) -> bytes:
        meanwhile.pop(0)()
        return ask(path, version, start, limit)

    monkeypatch.setattr(bucket, "get_more", get_more)
    with pytest.raises(StorageError, match=f"{key}: was replaced while it was read"):
        list(store.hashes(SHARD, [digest(1)[7:]], "/data", algorithm="sha256"))
    maker.put(key, bytes(2 * PART))
    assert list(store.hashes(SHARD, [digest(1)[7:]], "/data", algorithm="sha256")) == [None]
