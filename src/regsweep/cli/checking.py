"""Look for damage: the part of `check` that touches the storage."""

from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version

from regsweep.cli.options import DocumentFormat
from regsweep.cli.planning import take_in
from regsweep.cli.sources import Opened, Source, open_source
from regsweep.cli.streams import message, result
from regsweep.errors import DamagedError
from regsweep.inventory.cache import Cache
from regsweep.inventory.checks import check as find
from regsweep.inventory.checks import findings, totals
from regsweep.inventory.checks_deep import hash_blobs, read_links
from regsweep.inventory.database import create
from regsweep.inventory.progress import Progress
from regsweep.inventory.scan import begin
from regsweep.inventory.serving import serve
from regsweep.inventory.workers import Workers, cores
from regsweep.registry.layout import DATABASE_IN_USE, SCHEDULER_STATE
from regsweep.report.damage import VERSION, Check, as_json
from regsweep.report.damage_text import as_text
from regsweep.report.text import counted


def check(  # noqa: PLR0913 - one parameter for each thing that the command is told
    source: Source, form: DocumentFormat, progress: Progress, *, deep: bool, memory: str | None, cache: Cache | None
) -> None:
    """Look for damage and write what was found to standard output.

    Raises:
        DamagedError: there is damage.
        UsageError: there is no such storage.
        StorageError: something could not be listed or read: nothing is said then.
    """
    document = _check(open_source(source), progress, deep=deep, memory=memory, cache=cache)
    result(as_json(document) if form is DocumentFormat.JSON else as_text(document))
    if damage := document.damage:
        raise DamagedError(
            f"{document.store}: {counted(len(damage), 'finding')} of damage, for which "
            f"{counted(document.totals.damaged_images, 'image')} cannot be pulled whole"
        )


def _check(opened: Opened, progress: Progress, *, deep: bool, memory: str | None, cache: Cache | None) -> Check:
    now = datetime.now(UTC)
    store = opened.store
    if store.has(DATABASE_IN_USE):
        message(
            "warning: this registry keeps its books in a database (GitLab): what is missing here may be known there"
        )
    with Workers(store, cores()) as workers:
        # What a storage keeps of what was deleted is no part of what can be pulled, and takes long to list.
        begun = replace(begin(store, workers), versions=[])
        with create(memory=memory, facts={}) as inventory:
            take_in(begun, workers, inventory, progress, cache)
            if deep:
                hash_blobs(inventory, workers, progress, lanes=store.lanes)
            serve(inventory)
            if deep:
                read_links(inventory, workers, progress)
            find(inventory, workers, fetches=bool(opened.proxy) or store.has(SCHEDULER_STATE))
            workers.close()
            return Check(
                version=VERSION,
                regsweep=version("regsweep"),
                store=store.url,
                checked=now,
                deep=deep,
                totals=totals(inventory),
                findings=list(findings(inventory)),
            )
