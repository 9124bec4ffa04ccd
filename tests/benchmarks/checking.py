"""`regsweep check --deep` against `sha256sum` over the same files, with as many processes."""

import random
import shutil
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

from regsweep.inventory.workers import cores
from tests.benchmarks.measure import in_turn, run, tell
from tests.command import REGSWEEP
from tests.trees import Tree, blob_key

_WANTED: Final = 0.7
_SIZES: Final = {"large": (128 << 20, 4), "layers": (8 << 20, 48), "small": (64 << 10, 3000)}
"""Of each kind of tree: bytes of a blob, and how many of them."""


def against_sha256sum(folder: Path) -> None:
    """Compare on blobs of different sizes, all of them in memory: it is the processors that are measured.

    What a check does besides, it does too; of that the run without `--deep` tells how long it takes.
    """
    processes = cores()
    for name, (size, count) in _SIZES.items():
        tree = _tree(folder / name, size, count)
        # As many processes, each of which is given more work when it is done with a part.
        part = max(1, count // (processes * 16))
        theirs = ["sh", "-c", f"find blobs -type f -print0 | xargs -0 -n {part} -P {processes} sha256sum >/dev/null"]
        ours = [*REGSWEEP, "check", "--quiet", "--no-cache", str(tree.root)]
        deep, plain, peer = in_turn(
            partial(run, [*ours, "--deep"], folder),
            partial(run, ours, folder),
            partial(run, theirs, tree.base),
            times=5,
        )
        total = size * count
        tell(
            f"check: {name}: {total >> 20} MiB in {count:,} blobs, {processes} processes: --deep {deep.median:.2f} s "
            f"({plain.median:.2f} s of it without), sha256sum {peer.median:.2f} s: "
            f"{peer.median / deep.median:.0%} of its speed, hashing alone "
            f"{peer.median / (deep.median - plain.median):.0%} (wanted: {_WANTED:.0%})"
        )
        shutil.rmtree(tree.root)


def _tree(root: Path, size: int, count: int) -> Tree:
    tree = Tree(root)
    made = random.Random(1)  # noqa: S311 - no secret
    for _ in range(count):
        content = made.randbytes(size)
        tree.put(blob_key(f"sha256:{sha256(content).hexdigest()}"), content)
    return tree
