"""What no registry writes is listed like everything else: what is not seen cannot be reported, nor kept."""

import pytest

from regsweep.storage.ports import Scope
from tests.conformance.content import digest, pushed
from tests.conformance.listing import keys, listed
from tests.conformance.makers import Maker
from tests.trees import Tree, blob_key, slashed

LAYER = slashed(digest(7))
LONG = slashed(digest(7, algorithm="sha512", length=128))
TEMPORARY = "link.8c6c5b8e-0000-4000-8000-000000000000.tmp"

STRAYS = [
    "stray",
    "other/stray",
    "blobs/stray",
    "blobs/sha256/stray",
    "blobs/sha256/ab/stray",
    "blobs/sha256/ab/stray/deeper/file",
    f"blobs/sha256/00/{digest(7)[7:]}/other",
    "blobs/sha1/stray",
    "blobs/sha1/ab/cd/data",
    blob_key(digest(7, algorithm="sha512", length=128)),
    "repositories/stray",
    "repositories/a/stray",
    "repositories/a/_stray",
    "repositories/a/_other/deeper/file",
    "repositories/a/_layers/stray",
    "repositories/a/_layers/sha256/stray",
    f"repositories/a/_layers/{LONG}/link",
    f"repositories/a/_layers/{LAYER}/{TEMPORARY}",
    "repositories/a/_layers/sha1/ab/link",
    "repositories/a/_layers/sha256/link",
    "repositories/a/_manifests/stray",
    "repositories/a/_manifests/other/file",
    "repositories/a/_manifests/revisions/stray",
    "repositories/a/_manifests/revisions/sha256/stray",
    f"repositories/a/_manifests/revisions/{LAYER}/{TEMPORARY}",
    f"repositories/a/_manifests/revisions/{LONG}/link",
    f"repositories/a/_manifests/revisions/{LAYER}/other/deeper/file",
    "repositories/a/_manifests/tags/stray",
    "repositories/a/_manifests/tags/v2/stray",
    f"repositories/a/_manifests/tags/v2/current/{TEMPORARY}",
    f"repositories/a/_manifests/tags/v2/index/{LONG}/link",
    f"repositories/a/_manifests/tags/v2/index/{LAYER}/{TEMPORARY}",
    "repositories/a/_uploads/stray",
    "repositories/a/_uploads/1a2b/deeper/file",
]


@pytest.mark.parametrize("key", STRAYS)
def test_a_stray_is_listed(key: str, maker: Maker, tree: Tree) -> None:
    pushed(tree, "a")
    tree.put(key, b"stray")
    maker.fill(tree)
    assert listed(maker.open()) == sorted(maker.facts().items())


@pytest.mark.parametrize("key", [key for key in STRAYS if key.startswith("repositories/") and "_uploads" not in key])
def test_a_stray_among_the_links_is_listed_with_them(key: str, maker: Maker, tree: Tree) -> None:
    tree.put(key, b"stray")
    maker.fill(tree)
    assert keys(maker.open(), Scope.LINKS) == [key]


@pytest.mark.parametrize(
    "name",
    [
        "index/sha256/stray",
        "index/sha1/ab/link",
        f"index/{LONG}/link",
    ],
)
def test_a_stray_in_the_history_of_a_tag_is_listed(name: str, maker: Maker, tree: Tree) -> None:
    tree.tag("a", "v1", digest(7))
    tree.put(f"repositories/a/_manifests/tags/v1/{name}", b"stray")
    maker.fill(tree)
    assert listed(maker.open(), Scope.LINKS) == sorted(maker.facts().items())


@pytest.mark.parametrize(
    "key",
    [
        "blobs/sha512",
        "blobs/sha256/04",
        f"blobs/sha256/00/{digest(7)[7:]}",
        "repositories/b",
        "repositories/b/c",
        "repositories/a/_layers/sha512",
        f"repositories/a/_layers/{LAYER}",
        "repositories/b/_layers",
        "repositories/b/_layers/sha256",
        "repositories/b/_manifests",
        "repositories/b/_manifests/revisions",
        "repositories/b/_manifests/revisions/sha256",
        f"repositories/a/_manifests/revisions/{LAYER}",
        f"repositories/a/_manifests/revisions/{LAYER}/signatures",
        "repositories/b/_manifests/tags",
        "repositories/b/_manifests/tags/v1",
        "repositories/a/_manifests/tags/v2/current",
        "repositories/a/_manifests/tags/v2/index/sha256",
        f"repositories/a/_manifests/tags/v2/index/{LAYER}",
        "repositories/b/_uploads",
        "repositories/b/_uploads/1a2b/hashstates/sha256",
    ],
)
def test_an_empty_directory_is_listed_with_a_slash_where_directories_exist(key: str, maker: Maker, tree: Tree) -> None:
    pushed(tree, "a")
    (tree.base / key).mkdir(parents=True)
    tree.touch(key, age=3)
    maker.fill(tree)
    assert (f"{key}/" in maker.facts()) is maker.has_directories
    assert listed(maker.open()) == sorted(maker.facts().items())
