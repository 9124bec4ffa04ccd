"""Run regsweep's own parts over a registry on disk, as the command line does."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

from regsweep.cli.progress import progress
from regsweep.inventory.database import Inventory, create
from regsweep.inventory.scan import begin, scan
from regsweep.inventory.workers import Workers
from regsweep.plan import file
from regsweep.plan.kinds import DIRECTORY
from regsweep.plan.make import decide
from regsweep.plan.options import Options, Untagged
from regsweep.plan.summary import Totals
from regsweep.storage.ports import Access
from regsweep_backends.filesystem import FilesystemStore, connect
from tests.properties.books import Files
from tests.properties.registries import MIN_AGE, NOW, UPLOAD_AGE, write

QUIET: Final = progress(quiet=True)
CHOICES: Final = st.builds(
    Options,
    untagged=st.sampled_from([Untagged.DELETE, Untagged.DELETE, Untagged.KEEP]),
    min_age=st.sampled_from([MIN_AGE, MIN_AGE, MIN_AGE, timedelta()]),
    upload_age=st.sampled_from([UPLOAD_AGE, UPLOAD_AGE, UPLOAD_AGE, timedelta(hours=2)]),
)


@contextmanager
def written(files: Files) -> Iterator[Path]:
    """Write a registry's storage to disk, for a while; give its root."""
    with tempfile.TemporaryDirectory(prefix="regsweep-") as folder:
        root = Path(folder) / "registry"
        write(files, root)
        yield root


@contextmanager
def opened(root: Path) -> Iterator[FilesystemStore]:
    """Open the store below `root`, and close it."""
    store = connect({"rootdirectory": str(root)}, Access())
    try:
        yield store
    finally:
        store.close()


@contextmanager
def decided(root: Path, options: Options) -> Iterator[tuple[Inventory, Totals]]:
    """Scan a registry's storage and decide what goes."""
    with opened(root) as store, Workers(store, 1) as workers, create(facts={}) as inventory:
        scan(begin(store, workers), workers, inventory, QUIET)
        yield inventory, decide(inventory, options, workers, QUIET, now=NOW)


def condemned(files: Files, options: Options) -> set[str]:
    """The keys of a registry that regsweep condemns; empty directories are left aside."""
    with written(files) as root, decided(root, options) as (inventory, _):
        query = f"SELECT key FROM condemned WHERE kind <> '{DIRECTORY}'"  # noqa: S608 - a word of regsweep's own
        return {str(key) for (key,) in inventory.rows(query)}


def planned(root: Path, options: Options, into: Path) -> file.Plan:
    """Make a plan and write it to a file."""
    with decided(root, options) as (inventory, totals):
        header = file.header(str(root), options, inventory, totals, created=NOW)
        file.write(into, inventory, file.describe(inventory, header))
    return file.read(into)
