"""`regsweep apply` against `rm -r` of the same blob directories."""

import os
import shutil
from pathlib import Path

from fixtures.generate import Shape
from regsweep.plan import file
from tests.benchmarks.measure import run, tell, tree
from tests.command import REGSWEEP

_SHAPE = Shape(repositories=50)
_TIMES = 3


def against_rm(folder: Path) -> None:
    """Orphan blobs by removing the repositories, and delete them both ways from copies of the tree."""
    root, _ = tree(folder, "delete", _SHAPE)
    plan = folder / "delete.plan"
    ratios: list[float] = []
    for number in range(_TIMES + 1):
        for copy in ("ours", "theirs"):
            _copy(root, folder / copy)
        run([*REGSWEEP, "plan", "--quiet", "-m", "-o", str(plan), str(folder / "ours")], folder)
        blobs = [one.key for one in file.read(plan).deletions() if one.kind == "blob"]
        listed = folder / "blobs.txt"
        base = folder / "theirs/docker/registry/v2"
        listed.write_text("".join(f"{base / Path(key).parent}\n" for key in blobs))
        os.sync()
        ours = run([*REGSWEEP, "apply", "--quiet", "--registry-stopped", str(plan)], folder)
        os.sync()
        theirs = run(["xargs", "-a", str(listed), "rm", "-r"], folder)
        if number:
            ratios.append(ours / theirs)
            tell(f"apply: {len(blobs):,} blobs and the links to them {ours:.2f} s, rm -r of the blobs {theirs:.2f} s")
        plan.unlink()
        plan.with_name(f"{plan.name}.journal").unlink()
        for copy in ("ours", "theirs"):
            shutil.rmtree(folder / copy)
    tell(f"apply: {sorted(ratios)[len(ratios) // 2]:.2f} times the time of rm -r (wanted: at most 2)")


def _copy(root: Path, target: Path) -> None:
    # cp keeps times to the nanosecond, which plans hold against the storage.
    run(["cp", "-a", str(root), str(target)], root.parent)
