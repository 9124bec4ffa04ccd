"""A tree has the same damage wherever it lies."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from fixtures.images import cache_index, image, index
from regsweep.inventory.checks import Code, Finding, Totals
from regsweep.storage.ports import Store
from tests.conformance.content import digest
from tests.conformance.makers import FilesystemMaker, Maker
from tests.conformance.test_plans import TREES
from tests.trees import Tree, blob_key, slashed
from tests.unit.check_scene import checked


def found(store: Store, *, deep: bool) -> tuple[list[Finding], Totals]:
    listed, counted = checked(store, deep=deep)
    # A store that tells the hashes of its objects proves what links hold; there a plan knows it, and freezes.
    proved = (Code.FROZEN, "elsewhere")
    return [one for one in listed if (one.code, one.repository) != proved], counted


def lacking(root: Path) -> Tree:
    """Blobs, links, manifests and children that are not there, or not what they should be."""
    tree = Tree(root)
    for name in ("blob", "size", "content", "link", "elsewhere", "revision", "tag"):
        tree.push(image(b"base", name.encode()), name, "v1")
    child = image(b"base", b"child", platform="linux/arm64")
    tree.push(index(image(b"base", b"first"), child), "sparse", "v1")
    tree.push(cache_index(b"cached"), "cache", "v1")
    layers = {name: image(b"base", name.encode()).blobs[2] for name in ("blob", "size", "content", "link", "elsewhere")}
    (tree.base / blob_key(layers["blob"].digest)).unlink()
    tree.put(blob_key(layers["size"].digest), b"short")
    tree.put(blob_key(layers["content"].digest), layers["content"].content[::-1])
    (tree.base / f"repositories/link/_layers/{slashed(layers['link'].digest)}/link").unlink()
    tree.put(f"repositories/elsewhere/_layers/{slashed(layers['elsewhere'].digest)}/link", digest(9).encode())
    revision = image(b"base", b"revision").digest
    (tree.base / f"repositories/revision/_manifests/revisions/{slashed(revision)}/link").unlink()
    (tree.base / "repositories/tag/_manifests/tags/v1/current/link").unlink()
    (tree.base / f"repositories/sparse/_manifests/revisions/{slashed(child.digest)}/link").unlink()
    (tree.base / blob_key(cache_index(b"cached").blobs[0].digest)).unlink()
    tree.layer_link("blob", digest(8))
    return tree


def listed(store: Store) -> list[Finding]:
    """What is found without reading all, but for links that only some stores prove."""
    return [one for one in found(store, deep=False)[0] if one.repository != "elsewhere"]


CODES: Final[Mapping[str, set[Code]]] = {
    "fixture": set(),
    "nested": {Code.DAMAGED_MANIFEST, Code.FROZEN},
    "kinds": {Code.MISSING_BLOB},
    "damaged": {Code.MISSING_MANIFEST, Code.DAMAGED_MANIFEST, Code.DAMAGED_LINK, Code.FROZEN},
    "lacking": {
        Code.MISSING_BLOB,
        Code.MISSING_LINK,
        Code.WRONG_CONTENT,
        Code.DANGLING_TAG,
        Code.SPARSE_INDEX,
        Code.DANGLING_LINK,
        Code.DAMAGED_LINK,
    },
}
ALL: Final[Mapping[str, Callable[[Path], Tree]]] = {**TREES, "lacking": lacking}


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_tree_has_the_same_damage_wherever_it_lies(name: str, maker: Maker, tmp_path: Path) -> None:
    tree = ALL[name](tmp_path / "source")
    maker.fill(tree)
    here = FilesystemMaker(tmp_path)
    here.fill(tree)
    try:
        deep = found(here.open(), deep=True)
        assert found(maker.open(), deep=True) == deep
        assert listed(maker.open()) == listed(here.open())
    finally:
        here.close()
    assert {one.code for one in deep[0]} == CODES[name]
