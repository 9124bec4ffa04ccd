"""What the tests of checks share: a tree, and what a check finds in it."""

from pathlib import Path
from typing import Final

from fixtures.images import image, index
from regsweep.inventory.checks import Code, Finding, Totals, check, findings, totals
from regsweep.inventory.checks_deep import hash_blobs, read_links
from regsweep.inventory.database import create
from regsweep.inventory.scan import begin, scan
from regsweep.inventory.serving import serve
from regsweep.inventory.workers import Workers
from regsweep.storage.ports import Store
from tests.trees import Tree
from tests.unit.memory import SILENT, MemoryStore

ONE: Final = image(b"base", b"one")
TWO: Final = image(b"base", b"two", platform="linux/arm64")
BOTH: Final = index(ONE, TWO)
CONFIG, BASE, LAYER = ONE.blobs
ABSENT: Final = f"sha256:{'ab' * 32}"
OWN: Final = ("app:both", "app:one")
"""The tags of `small` for which `ONE` is needed."""


def small(root: Path) -> Tree:
    """A repository with an index, one of its images under a tag of its own, and another of the same base."""
    tree = Tree(root)
    tree.push(BOTH, "app", "both")
    tree.tag("app", "one", ONE.digest)
    tree.push(image(b"base", b"other"), "app", "other")
    return tree


def checked(tree: Tree | Store, *, deep: bool = False, fetches: bool = False) -> tuple[list[Finding], Totals]:
    store = MemoryStore.of(tree) if isinstance(tree, Tree) else tree
    with Workers(store, 1) as workers, create(facts={}) as inventory:
        scan(begin(store, workers), workers, inventory, SILENT)
        if deep:
            hash_blobs(inventory, workers, SILENT, lanes=store.lanes)
        serve(inventory)
        if deep:
            read_links(inventory, workers, SILENT)
        check(inventory, workers, fetches=fetches)
        return list(findings(inventory)), totals(inventory)


def found(tree: Tree | MemoryStore, *, deep: bool = False, fetches: bool = False) -> list[tuple[str, str, list[str]]]:
    """Code, key and images of each finding, but for repositories that are frozen."""
    listed, _ = checked(tree, deep=deep, fetches=fetches)
    return [(one.code, one.key or "", one.images) for one in listed if one.code != Code.FROZEN]


def only(tree: Tree | MemoryStore, *, deep: bool = False, fetches: bool = False) -> Finding:
    """The only finding, but for the repository's being frozen."""
    (finding,) = [one for one in checked(tree, deep=deep, fetches=fetches)[0] if one.code != Code.FROZEN]
    return finding


def told(finding: Finding) -> tuple[str, str, str | None, str | None, list[str]]:
    return finding.code, finding.severity, finding.repository, finding.key, finding.images


def remove(tree: Tree, key: str) -> str:
    (tree.base / key).unlink()
    return key
