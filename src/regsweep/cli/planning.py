"""Make plans: the part of `plan` and `prune` that touches storage."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from regsweep.apply.journal import beside, unfinished
from regsweep.cli.options import Format
from regsweep.cli.sources import Opened
from regsweep.cli.streams import message, result
from regsweep.errors import RefusedError, UsageError
from regsweep.inventory.cache import Cache, CacheError, default_folder
from regsweep.inventory.database import Inventory, create
from regsweep.inventory.progress import Progress
from regsweep.inventory.scan import Scan, begin, scan
from regsweep.inventory.workers import Workers, cores
from regsweep.plan import brakes, file, summary
from regsweep.plan.cost import cost
from regsweep.plan.make import decide
from regsweep.plan.options import Options
from regsweep.plan.picture import picture
from regsweep.report.cells import repositories_csv
from regsweep.report.document import Report, as_json, report
from regsweep.report.text import as_text
from regsweep.storage.ports import Request

LISTED: Final = 50
"""Repositories and tags that are named before the question at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a run puts its files."""

    output: Path | None
    inventory: Path | None
    memory: str | None
    write: bool
    """Whether a plan is to be written at all."""
    journal: Path | None = None
    """Where the plan's journal will be, if not beside it."""
    prices: Mapping[Request, float] | None = None
    """Dollars for a thousand requests; `None` for list prices."""
    cache: Cache | None = None
    """What earlier runs have learned of manifests."""


def cache_at(folder: Path | None, *, wanted: bool) -> Cache | None:
    """The cache in a folder, or where this user's caches are.

    Raises:
        UsageError: a folder is named, and none is wanted.
    """
    if folder and not wanted:
        raise UsageError("--cache and --no-cache contradict each other", hint="give one of them")
    place = folder or default_folder(os.environ)
    return Cache(place) if wanted and place else None


class Made(NamedTuple):
    """A plan that was made.

    Attributes:
        report: what it means, and where it stands.
        refused: why it was not written, if a brake refuses it.
        going: see `summary.going`; `LISTED` at most.
    """

    report: Report
    refused: RefusedError | None
    going: list[tuple[str, str]]


def make_plan(opened: Opened, options: Options, places: Places, progress: Progress) -> Made:
    """Scan, decide, and write the plan unless a brake refuses it.

    Raises:
        RefusedError: the storage is of a kind that the options do not allow.
        UsageError, StorageError: it cannot be scanned.
    """
    now = datetime.now(UTC)
    output = places.output or Path(f"regsweep-{now:%Y%m%dT%H%M%SZ}.plan")
    if places.write:
        file.check_place(output)
        if unfinished(places.journal or beside(output)):
            raise UsageError(
                f"{output}: was begun and is not done",
                hint=f"regsweep apply {output} resumes it; or name another file with --output",
            )
    brakes.check_registry(opened.store, options, proxy=opened.proxy)
    with decided(opened, options, places, progress, now=now) as found:
        inventory, totals = found.inventory, found.totals
        judged = options.policy is not None
        with inventory.meanwhile(partial(picture, totals=totals, judged=judged, now=now)) as drawn:
            spent = cost(opened.store, inventory, totals, shards=found.shards, prices=places.prices)
            described = file.describe(
                inventory, file.header(opened.store.url, options, inventory, totals, created=now, cost=spent)
            )
        described = replace(described, picture=drawn.result())
        refused = _refusal(totals, options)
        written = None
        if places.write and refused is None and (places.output or totals.condemned):
            written = output
            file.write(written, inventory, described)
        document = report(
            described.header,
            described.repositories,
            described.findings,
            plan=str(written) if written else None,
            refused=refused.message if refused else None,
            finished=datetime.now(UTC),
            picture=described.picture,
        )
        return Made(document, refused, summary.going(inventory, LISTED))


def take_in(begun: Scan, workers: Workers, inventory: Inventory, progress: Progress, cache: Cache | None) -> None:
    """Bring a scan to its end, and keep what it learned of manifests; a cache that cannot be written is no error.

    Raises:
        StorageError: see scan.py.
    """
    scan(begun, workers, inventory, progress, cache)
    if cache:
        try:
            cache.save(inventory)
        except CacheError as error:
            message(f"warning: {error.message}", error.hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A storage that was scanned, and of which it is decided what goes."""

    inventory: Inventory
    totals: summary.Totals
    shards: int
    """In how many parts its links were listed."""


@contextmanager
def decided(
    opened: Opened, options: Options, places: Places, progress: Progress, *, now: datetime
) -> Iterator[Decided]:
    """Scan and decide.

    Raises:
        UsageError, RefusedError, StorageError: the storage cannot be scanned, or what is wanted cannot be done there.
    """
    with Workers(opened.store, cores()) as workers:
        begun = begin(opened.store, workers, uploads=options.uploads, versions=options.versions)
        with create(
            places.inventory,
            memory=places.memory,
            facts={"store": opened.store.url, "scanned": now.isoformat(), "options": options.document()},
        ) as inventory:
            take_in(begun, workers, inventory, progress, places.cache)
            totals = decide(inventory, options, workers, progress, now=now)
            yield Decided(inventory=inventory, totals=totals, shards=begun.links.shards)


def show(report: Report, form: Format, *, prune: bool = False) -> None:
    """Write a report to standard output."""
    match form:
        case Format.JSON:
            result(as_json(report))
        case Format.CSV:
            result(repositories_csv(report))
        case Format.PROMETHEUS:
            from regsweep.report.metrics import of_report  # noqa: PLC0415 - it takes a while to import

            result(of_report(report))
        case Format.TEXT:
            result(as_text(report, next_step=not prune))


def _refusal(totals: summary.Totals, options: Options) -> RefusedError | None:
    try:
        brakes.check_plan(totals, options)
    except RefusedError as error:
        return error
    return None
