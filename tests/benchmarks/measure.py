"""Run commands in turn and compare what they took."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fixtures.generate import Shape, Truth, generate


class Taken(NamedTuple):
    """Wall seconds of each counted run."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """The run in the middle."""
        return statistics.median(self.seconds)


def tell(line: str) -> None:
    """Print a line of results at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(command: Sequence[str], folder: Path) -> float:
    """Run a command in a folder and return the wall seconds it took; a failure ends the benchmark."""
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    taken = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr.decode()[-2000:]}")
    return taken


def in_turn(*runs: Callable[[], float], times: int = 3) -> list[Taken]:
    """Run each in turn, a first time uncounted."""
    results: list[list[float]] = [[] for _ in runs]
    for number in range(times + 1):
        for one, seconds in zip(runs, results, strict=True):
            taken = one()
            if number:
                seconds.append(taken)
    return [Taken(seconds) for seconds in results]


def tree(folder: Path, name: str, shape: Shape) -> tuple[Path, Truth]:
    """Generate a tree, and the configuration with which the peer reads it: `<name>` and `<name>.yml`."""
    root = folder / name
    truth = generate(root, shape)
    document = f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {root}}}}}\n"
    root.with_suffix(".yml").write_text(document)
    return root, truth
