"""A tree gives the same plan wherever it lies."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from msgspec import structs

from fixtures.images import artifact, cache_index, image, index
from fixtures.small import unpack
from regsweep.inventory.database import create
from regsweep.inventory.scan import begin, scan
from regsweep.inventory.workers import Workers
from regsweep.plan import summary
from regsweep.plan.kinds import DIRECTORY
from regsweep.plan.make import decide
from regsweep.plan.options import Options, Untagged
from regsweep.retention.names import parse_name
from regsweep.retention.policy import parse_policy
from regsweep.retention.removal import Removal
from regsweep.storage.ports import Store
from tests.conformance.content import digest, populated
from tests.conformance.makers import FilesystemMaker, Maker
from tests.trees import BASE, Tree, blob_key, slashed
from tests.unit.memory import SILENT

LISTED: Final = "sha256:c05fb0161959f6f9d1dca13a7a1f59d5ca626572c8c54ed9d287e47bbe478142"
"""An image that the index `ab:list` of the fixture has."""
ALL_OLD: Final = Options(min_age=timedelta(), upload_age=timedelta())


class Decision(NamedTuple):
    """What a plan says, but for times, versions and directories."""

    condemned: list[tuple[object, ...]]
    findings: list[summary.Finding]
    repositories: list[summary.Repository]


def decision(store: Store, options: Options) -> Decision:
    with Workers(store, 1) as workers, create(facts={}) as inventory:
        scan(begin(store, workers, uploads=True, versions=True), workers, inventory, SILENT)
        decide(inventory, options, workers, SILENT, now=datetime.now(UTC) + timedelta(seconds=5))
        condemned = inventory.rows(
            f"SELECT kind, key, bytes, reason FROM condemned WHERE kind <> '{DIRECTORY}' ORDER BY step, key"  # noqa: S608 - a word of the package
        )
        return Decision(
            list(condemned),
            sorted(summary.findings(inventory), key=repr),
            sorted((structs.replace(one, fingerprint="") for one in summary.repositories(inventory)), key=repr),
        )


def fixture(root: Path) -> Tree:
    tree = Tree(root)
    source = unpack(root / "unpacked")
    for path in sorted((source / BASE).rglob("*")):
        if path.is_file():
            tree.put(path.relative_to(source / BASE).as_posix(), path.read_bytes())
    return tree


def nested(root: Path) -> Tree:
    return populated(Tree(root))


def kinds(root: Path) -> Tree:
    """Indexes of indexes, a build's cache, referrers by subject and by tag, manifests behind layers' links."""
    tree = Tree(root)
    kept = image(b"kept")
    tree.push(kept, "a", "v1")
    tree.push(index(index(image(b"inner")), image(b"beside")), "a", "all")
    tree.push(cache_index(b"one", b"two"), "cache", "latest")
    tree.push(artifact(b"about kept", kind="application/x", subject=kept), "a")
    tree.push(artifact(b"signature", kind="application/x"), "a", f"{kept.digest.replace(':', '-')}.sig")
    tree.push(artifact(b"of nothing", kind="application/x"), "a", f"{digest(1).replace(':', '-')}.sig")
    tree.layer_link("b", tree.blob(image(b"behind a layer's link").blob.content))
    tree.tag("b", "v1", image(b"behind a layer's link").digest)
    tree.push(image(b"gone"), "b/c")
    return tree


def damaged(root: Path) -> Tree:
    """Links that are empty, malformed or lead elsewhere, manifests that are no more, or not what they should be."""
    tree = Tree(root)
    for name in ("empty", "malformed", "elsewhere", "tag", "layer", "history", "manifest", "missing", "whole"):
        tree.push(image(name.encode(), b"old"), name)
        tree.push(image(name.encode(), b"new"), name, "v1")
    new = {name: image(name.encode(), b"new") for name in ("empty", "malformed", "elsewhere", "manifest", "missing")}
    revision = "repositories/{0}/_manifests/revisions/{1}/link"
    tree.put(revision.format("empty", slashed(new["empty"].digest)), b"")
    tree.put(revision.format("malformed", slashed(new["malformed"].digest)), b"sha256:no" + b"x" * 62)
    tree.put(revision.format("elsewhere", slashed(new["elsewhere"].digest)), digest(9).encode())
    tree.put("repositories/tag/_manifests/tags/v1/current/link", b"not a digest")
    tree.put(f"repositories/layer/_layers/{slashed(digest(3))}/link", b"")
    tree.put(f"repositories/history/_manifests/tags/v1/index/{slashed(digest(4))}/link", b"short")
    tree.put(blob_key(new["manifest"].digest), b"?" * 100)
    (tree.base / blob_key(new["missing"].digest)).unlink()
    tree.put("repositories/whole/_layers/sha256/stray", b"a stray")
    tree.put("blobs/sha256/stray", b"a stray")
    return tree


TREES: Mapping[str, Callable[[Path], Tree]] = {
    "fixture": fixture,
    "nested": nested,
    "kinds": kinds,
    "damaged": damaged,
}


@pytest.mark.parametrize("name", sorted(TREES))
def test_a_tree_gives_the_same_plan_wherever_it_lies(name: str, maker: Maker, tmp_path: Path) -> None:
    tree = TREES[name](tmp_path / "source")
    maker.fill(tree)
    here = FilesystemMaker(tmp_path)
    here.fill(tree)
    try:
        for untagged in Untagged:
            options = replace(ALL_OLD, untagged=untagged)
            assert decision(maker.open(), options) == decision(here.open(), options)
    finally:
        here.close()


# What depends on push times is left aside: the tree was written at different times.
POLICY: Final = r"""
version: 1
rules:
  - repositories: ['a', 'nested/**']
    keepTags:
      - patterns: ['^latest$', '^all$']
      - notPatterns: ['^v1$', '^1\.0$']
        labels: {no: body}
      - createdWithin: 1h
        minSize: 1GB
    deleteUntagged: true
    deleteReferrers: true
    allowEmpty: true
  - repositories: ['**']
    keepTags: [{semver: {majors: 1, prereleases: keep}}]
    allowEmpty: true
"""


def test_rules_and_names_choose_the_same_wherever_it_lies(maker: Maker, tmp_path: Path) -> None:
    tree = fixture(tmp_path / "source")
    maker.fill(tree)
    here = FilesystemMaker(tmp_path)
    here.fill(tree)
    removal = Removal(
        names=tuple(map(parse_name, ("a/b/c", "ab:v1", f"ab@{LISTED}", "mounted"))), tags_matching=(), force=True
    )
    try:
        for options in (
            replace(ALL_OLD, policy=parse_policy(POLICY, "policy.yml")),
            replace(ALL_OLD, removal=removal),
            replace(ALL_OLD, removal=removal, collect=False),
        ):
            decided = decision(here.open(), options)
            assert decision(maker.open(), options) == decided
            assert {"rule", "removed"} & {str(row[-1]) for row in decided.condemned}
    finally:
        here.close()
