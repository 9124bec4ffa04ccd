"""How long a user waits for help, and for the plan of a small tree."""

from functools import partial
from pathlib import Path

from fixtures.small import unpack
from tests.benchmarks.measure import in_turn, run, tell
from tests.command import REGSWEEP


def startup(folder: Path) -> None:
    """Time `--help` and a plan of the small tree."""
    root = unpack(folder / "small")
    helped, planned = in_turn(
        partial(run, [*REGSWEEP, "--help"], folder),
        partial(run, [*REGSWEEP, "prune", "--dry-run", str(root)], folder),
        times=5,
    )
    tell(f"startup: --help {helped.median:.3f} s (wanted: under 0.25)")
    tell(f"startup: plan of the small tree {planned.median:.3f} s (wanted: under 1)")
