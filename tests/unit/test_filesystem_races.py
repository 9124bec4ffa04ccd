"""What vanishes while it is listed is absent, and no error; what is far away is asked for in parallel."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest

from regsweep.errors import StorageError
from regsweep.storage.ports import Result
from regsweep_backends.filesystem import FilesystemStore
from tests.conformance.content import digest, pushed
from tests.conformance.listing import entries, files, listed
from tests.conformance.makers import FilesystemMaker
from tests.trees import Tree, blob_key
from tests.unit.filesystem_scene import BLOB, DIRECTORIES, KEYS, one_of_each, opened, target

Call = Callable[..., Any]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return one_of_each(tmp_path / "tree")


@pytest.fixture
def store(tree: Tree) -> Iterator[FilesystemStore]:
    with opened(tree.root) as store:
        yield store


@pytest.mark.parametrize("call", ["open", "stat", "scandir"])
@pytest.mark.parametrize("place", [*KEYS, *DIRECTORIES])
def test_what_vanishes_during_the_listing_takes_its_own_keys_along_and_is_no_error(
    place: str, call: str, tree: Tree, monkeypatch: pytest.MonkeyPatch, store: FilesystemStore
) -> None:
    pushed(tree, "b")
    facts = FilesystemMaker(tree.root).facts()
    stays = {key: fact for key, fact in facts.items() if key != place and not key.startswith(f"{place}/")}
    aside = tree.root.parent / "aside"
    for after in range(1_000):
        with monkeypatch.context() as patch:
            happened = during(patch, call, after, lambda: (tree.base / place).rename(aside))
            found = {key: fact for key, fact in listed(store) if not key.endswith("/")}
        assert stays.items() <= found.items() <= facts.items()
        if not happened:
            return
        aside.rename(tree.base / place)
    pytest.fail("the listing never came to its end")


def during(patch: pytest.MonkeyPatch, call: str, after: int, act: Callable[[], object]) -> list[bool]:
    """Act right before a system call, when it has been made `after` times; what is returned is empty until then."""
    real, calls, happened = getattr(os, call), iter(range(100_000)), list[bool]()

    def acting(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - it stands for functions of any signature
        if next(calls) == after:
            act()
            happened.append(True)
        return real(*arguments, **options)

    patch.setattr(os, call, acting)
    return happened


def test_what_vanishes_between_two_pages_is_no_error(tree: Tree, store: FilesystemStore) -> None:
    tree.put("blobs/sha256/00/stray", b"")
    pages = store.pages("blobs/sha256/00/")
    first = [key for key, _ in entries(next(pages))]
    (tree.base / BLOB).unlink()
    (tree.base / BLOB).parent.rmdir()
    assert first == ["blobs/sha256/00/stray"]
    assert [key for page in pages for key, _ in entries(page)] == []


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Every call to the operating system takes as long as over a network; which threads made some."""
    threads: set[int] = set()

    def slowed(real: Call) -> Call:
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - it stands for functions of any signature
            threads.add(get_ident())
            time.sleep(0.0005)
            return real(*arguments, **options)

        return call

    for name in ("open", "stat", "scandir", "unlink"):
        monkeypatch.setattr(os, name, slowed(getattr(os, name)))
    return threads


@pytest.fixture
def wide(tree: Tree) -> list[str]:
    """The keys of a tree with some hundred entries in every directory that can have so many."""
    for number in range(110):
        tree.put(blob_key(digest(number)), b"%d" % number)
        for write in (tree.layer_link, tree.revision):
            write("many", digest(number))
        tree.layer_link(f"many/{number}", digest(number))
        tree.tag("many", f"v{number}", digest(number))
    return sorted(tree.keys())


def test_a_slow_store_is_asked_in_parallel_and_answers_the_same(
    wide: list[str], tree: Tree, store: FilesystemStore, slow: set[int]
) -> None:
    facts = FilesystemMaker(tree.root).facts()
    slow.clear()
    assert listed(store) == sorted(facts.items())
    assert len(slow) > 1
    slow.clear()
    names = [digest(number)[7:] for number in reversed(range(200))]
    expected = [b"%d" % number if number < 110 else None for number in reversed(range(200))]
    assert list(store.read("blobs/sha256/00/", names, "/data", limit=100)) == expected
    assert len(slow) > 1
    slow.clear()
    layers = [key for key in wide if "_layers" in key]
    condemned = [target(tree.base, key) for key in layers]
    for key in layers[::3]:
        (tree.base / key).unlink()
    for key in layers[1::3]:
        (tree.base / key).write_bytes(b"changed")
    wanted = [(Result.ABSENT, Result.CHANGED, Result.DELETED)[place % 3] for place in range(len(layers))]
    assert [outcome.result for outcome in store.delete(condemned)] == wanted
    assert len(slow) > 1
    assert files(FilesystemMaker(tree.root).facts()) == set(wide) - set(layers[::3]) - set(layers[2::3])


def test_an_error_in_one_of_many_parallel_calls_stops_the_listing(
    wide: list[str], tree: Tree, store: FilesystemStore, slow: set[int]
) -> None:
    blob = next(key for key in reversed(wide) if key.startswith("blobs/"))
    (tree.base / blob).unlink()
    os.mkfifo(tree.base / blob)
    slow.clear()
    with pytest.raises(StorageError, match="not a regular file") as caught:
        listed(store)
    assert caught.value.key == blob
    assert len(slow) > 1
