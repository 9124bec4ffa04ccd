"""`regsweep plan` against `registry garbage-collect --dry-run` over the same tree."""

import shutil
from functools import partial
from pathlib import Path

from fixtures.generate import Shape
from tests.benchmarks.measure import in_turn, run, tell, tree
from tests.command import REGSWEEP

_REGISTRY = Shape()
_ONE_REPOSITORY = Shape(repositories=1, tags=1500)


def against_the_peer(folder: Path) -> None:
    """Compare on a registry of 200 repositories, and on one repository of many tags."""
    for name, shape, plain, deleting in (("registry", _REGISTRY, 6, 20), ("repository", _ONE_REPOSITORY, None, 150)):
        root, truth = tree(folder, name, shape)
        tell(f"plan: {name}: {truth.blobs:,} blobs, {truth.revisions:,} revisions, {truth.tags:,} tags")
        for flags, wanted in (((), plain), (("-m",), deleting)):
            if wanted:
                _compare(folder, root, flags, wanted)
        shutil.rmtree(root)


def growth_in_tags(folder: Path) -> None:
    """See that ten times the tags of one repository cost about ten times as much."""
    few, _ = tree(folder, "few", Shape(repositories=1, tags=500))
    many, _ = tree(folder, "many", Shape(repositories=1, tags=5000))
    less, more = in_turn(*(partial(run, _plan(root, ("-m",)), folder) for root in (few, many)))
    tell(
        f"tags: 500 {less.median:.2f} s, 5,000 {more.median:.2f} s: {more.median / less.median:.1f} times (at most 12)"
    )


def _compare(folder: Path, root: Path, flags: tuple[str, ...], wanted: float) -> None:
    peer = ["docker-registry", "garbage-collect", "--dry-run", *flags, f"{root}.yml"]
    plan = _plan(root, flags)
    commands = [*plan, "--no-cache"], [*plan, "--cache", str(folder / "cache")], peer
    cold, warm, theirs = in_turn(*(partial(run, command, folder) for command in commands))
    tell(
        f"plan: {root.name} {' '.join(flags) or 'plain'}: regsweep {cold.median:.2f} s, "
        f"registry {theirs.median:.2f} s: {theirs.median / cold.median:.1f} times faster (wanted: {wanted}); with a "
        f"warm cache {warm.median:.2f} s, {theirs.median / warm.median:.1f} times"
    )


def _plan(root: Path, flags: tuple[str, ...]) -> list[str]:
    return [*REGSWEEP, "plan", "--quiet", "-o", f"{root}.plan", *flags, str(root)]
