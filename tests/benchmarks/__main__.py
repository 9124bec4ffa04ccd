"""`make bench`: the figures that issues ask for, each as a ratio of two commands run in turn in one go.

Machines differ and drift; a ratio of runs that alternate holds still. Both sides run warm: one run of each is not
counted. `python -m tests.benchmarks NAME ...` runs some of them only.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import checking, deleting, memory, objects, page, planning, rules, startup

_BENCHMARKS: dict[str, Callable[[Path], None]] = {
    "startup": startup.startup,
    "plan": planning.against_the_peer,
    "tags": planning.growth_in_tags,
    "apply": deleting.against_rm,
    "memory": memory.run,
    "rules": rules.over_many_tags,
    "check": checking.against_sha256sum,
    "page": page.of_a_large_registry,
    "s3": objects.against_the_peer,
    "s3-listing": objects.listing,
    "s3-deleting": objects.deleting,
}


def main() -> None:
    """Run the benchmarks named, or all."""
    names = sys.argv[1:] or list(_BENCHMARKS)
    with tempfile.TemporaryDirectory(prefix="regsweep-bench-") as folder:
        for name in names:
            _BENCHMARKS[name](Path(folder))


if __name__ == "__main__":
    main()
