from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fixtures.images import cache_index, image, index
from regsweep.inventory import schema
from regsweep.inventory.cache import Cache, CacheError, default_folder
from regsweep.inventory.database import Inventory, create
from regsweep.inventory.scan import begin, scan
from regsweep.inventory.workers import Workers
from tests.trees import Tree, blob_key
from tests.unit.memory import SILENT, MemoryStore, Thing

OLD, NEW = image(b"old"), image(b"new")
MULTI = index(image(b"amd64"), image(b"arm64", platform="linux/arm64"))
BUILD_CACHE = cache_index(b"one layer", b"another")


@dataclass
class Reading(MemoryStore):
    """A store that notes which blobs are read."""

    was_read: list[str] = field(default_factory=list)

    def read(self, prefix: str, names: Sequence[str], suffix: str, *, limit: int) -> Iterator[bytes | None]:
        """See `Reads.read`."""
        if suffix == "/data":
            self.was_read += [prefix + name + suffix for name in names]
        yield from super().read(prefix, names, suffix, limit=limit)


@pytest.fixture
def store(tmp_path: Path) -> Reading:
    tree = Tree(tmp_path / "tree")
    tree.push(OLD, "a")
    tree.push(NEW, "a", "v1")
    tree.push(MULTI, "b", "stable")
    tree.push(BUILD_CACHE, "b", "cache")
    # As 2.x serves it: a manifest that only a layer's link leads to, behind a tag and as an index's child.
    behind = tree.blob(image(b"behind a tag").blob.content)
    tree.layer_link("c", behind)
    tree.tag("c", "v1", behind)
    listed = image(b"an index's child")
    tree.layer_link("d", tree.blob(listed.blob.content))
    tree.manifest({"manifests": [listed.blob.descriptor()]}, "d", "v1")
    return Reading.of(tree)


@contextmanager
def scanned(store: Reading, cache: Cache | None) -> Iterator[Inventory]:
    store.was_read.clear()
    with Workers(store, 1) as workers, create(facts={}) as inventory:
        scan(begin(store, workers), workers, inventory, SILENT, cache)
        if cache:
            cache.save(inventory)
        yield inventory


def found(store: Reading, cache: Cache | None) -> dict[str, list[tuple[object, ...]]]:
    """What a scan finds, in any order."""
    with scanned(store, cache) as inventory:
        return {table.name: sorted(inventory.rows(f"FROM {table.name}"), key=repr) for table in schema.TABLES}


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_second_scan_reads_no_manifest_and_finds_the_same(store: Reading, tmp_path: Path) -> None:
    without = found(store, None)
    wanted = sorted(store.was_read)
    cache = Cache(tmp_path / "cache")
    assert found(store, cache) == without
    assert sorted(store.was_read) == wanted
    assert found(store, cache) == without
    assert store.was_read == []


def test_what_is_found_does_not_depend_on_when_rows_are_written(
    store: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = found(store, None)
    monkeypatch.setattr("regsweep.inventory.database._FLUSH_ROWS", 1)
    cache = Cache(tmp_path / "cache")
    assert [found(store, cache), found(store, cache)] == [without, without]


def test_a_scan_that_learns_nothing_writes_nothing(store: Reading, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    found(store, cache)
    before = files(tmp_path / "cache")
    assert len(before) == 1
    found(store, cache)
    assert files(tmp_path / "cache") == before


def test_only_what_is_new_is_read(store: Reading, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    found(store, cache)
    more = image(b"more")
    tree = Tree(tmp_path / "more")
    tree.push(more, "a", "v2")
    store.things |= Reading.of(tree).things
    assert found(store, cache) == found(store, None)
    with scanned(store, Cache(tmp_path / "cache")):
        assert store.was_read == []


@pytest.mark.parametrize("change", ["content", "time", "version"])
def test_a_blob_that_is_not_the_one_that_was_read_is_read_again(store: Reading, tmp_path: Path, change: str) -> None:
    cache, key = Cache(tmp_path / "cache"), blob_key(NEW.digest)
    found(store, cache)
    if change == "content":
        store.things[key] = Thing(store.things[key].content + b" ", store.things[key].modified)
    elif change == "time":
        store.things[key] = replace(store.things[key], modified=store.things[key].modified + 1)
    else:
        store.versioned = True
    assert found(store, cache) == found(store, None)
    with scanned(store, None) as inventory:
        damaged = inventory.row("SELECT count(problem) FROM manifests") == (1,)
    assert damaged is (change == "content")


def test_a_damaged_manifest_is_read_each_time(store: Reading, tmp_path: Path) -> None:
    cache, key = Cache(tmp_path / "cache"), blob_key(NEW.digest)
    whole = store.things[key]
    store.things[key] = replace(whole, content=b"x" * len(whole.content))
    for _ in range(2):
        with scanned(store, cache) as inventory:
            assert inventory.row("SELECT count(problem) FROM manifests") == (1,)
            assert key in store.was_read


def test_a_manifest_that_is_gone_is_not_known_any_more(store: Reading, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    found(store, cache)
    del store.things[blob_key(OLD.digest)]
    assert found(store, cache) == found(store, None)


def test_what_another_registry_taught_does_not_show(store: Reading, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    found(store, cache)
    tree = Tree(tmp_path / "another")
    # Known as a manifest, but a layer here, and nothing leads to it as to a manifest.
    tree.layer_link("x", tree.blob(OLD.blob.content))
    another = Reading.of(tree)
    another.things[blob_key(OLD.digest)] = store.things[blob_key(OLD.digest)]
    assert found(another, cache) == found(another, None)


@pytest.mark.parametrize("harm", [b"", b"PAR1 or not", None])
def test_a_damaged_file_is_passed_over_and_replaced(store: Reading, tmp_path: Path, harm: bytes | None) -> None:
    cache = Cache(tmp_path / "cache")
    without = found(store, cache)
    (file,) = files(tmp_path / "cache")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] + b"?" + content[len(content) // 2 + 1 :] if harm is None else harm)
    assert found(store, cache) == without
    assert store.was_read != []
    assert found(store, cache) == without
    assert store.was_read == []


def test_many_files_become_one(store: Reading, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for number in range(9):
        tree = Tree(tmp_path / f"{number}")
        tree.push(image(b"%d" % number), "many", f"v{number}")
        store.things |= Reading.of(tree).things
        found(store, cache)
    assert len(files(tmp_path / "cache")) == 1
    found(store, cache)
    assert store.was_read == []


def test_a_cache_that_cannot_be_written_is_an_error_of_its_own(store: Reading, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file")
    with pytest.raises(CacheError, match="cannot be kept there"):
        found(store, Cache(tmp_path / "cache"))


def test_a_full_disk_under_the_cache_is_no_failure_of_the_inventory(
    store: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DuckDB's own error for a file that it cannot write.
    elsewhere = tmp_path / "missing" / "file"
    export = Inventory.export
    monkeypatch.setattr(Inventory, "export", lambda self, query, _: export(self, query, elsewhere))
    with Workers(store, 1) as workers, create(facts={}) as inventory:
        cache = Cache(tmp_path / "cache")
        scan(begin(store, workers), workers, inventory, SILENT, cache)
        with pytest.raises(CacheError, match="cannot be kept there"):
            cache.save(inventory)
        assert inventory.row("SELECT count(*) > 0 FROM manifests") == (True,)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/root"}, "/root/.cache/regsweep"),
        ({"HOME": "/root", "XDG_CACHE_HOME": "/var/cache"}, "/var/cache/regsweep"),
        ({"HOME": "/root", "XDG_CACHE_HOME": "relative"}, "/root/.cache/regsweep"),
        ({}, None),
    ],
)
def test_the_cache_is_where_a_user_s_caches_are(environment: dict[str, str], folder: str | None) -> None:
    assert default_folder(environment) == (Path(folder) if folder else None)
