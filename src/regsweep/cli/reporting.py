"""The command that tells: `report`, of a storage or of a plan that was made of one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regsweep.cli import choices
from regsweep.cli import options as o
from regsweep.cli.streams import message
from regsweep.errors import RegsweepError, UsageError
from regsweep.plan import place

if TYPE_CHECKING:
    # Whatever a command needs beyond its options is imported when it runs; see main.py.
    from regsweep.report.document import Report

Reported = Annotated[
    str | None,
    typer.Argument(
        metavar="STORE|PLAN",
        show_default=False,
        help="The storage, as for plan, or a file that regsweep plan wrote, which is told again without a scan.",
    ),
]

Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        show_default=False,
        help="Write the report as a page into this file, to be opened in a browser or sent, and nothing else.",
    ),
]


def report_command(  # noqa: PLR0913 - one parameter for each option
    store: Reported = None,
    config: o.Config = None,
    untagged: o.UntaggedOption = None,
    delete_untagged: o.DeleteUntagged = False,  # noqa: FBT002 - as the flag is typed
    min_age: o.MinAge = choices.DAY,
    upload_age: o.UploadAge = choices.WEEK,
    policy: o.PolicyOption = None,
    keep_last: o.KeepLast = None,
    keep_within: o.KeepWithin = None,
    keep_tags: o.KeepTags = None,
    only_repos: o.OnlyRepos = None,
    inventory: o.Inventory = None,
    cache: o.Cache = None,
    no_cache: o.NoCache = False,  # noqa: FBT002 - as the flag is typed
    prices: o.Prices = None,
    memory: o.Memory = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    cross_mounts: o.CrossMounts = False,  # noqa: FBT002 - as above
    html: Html = None,
    form: o.FormatOption = o.Format.TEXT,
    quiet: o.Quiet = False,  # noqa: FBT002 - as above
) -> None:
    """Tell what a storage holds and would free, or what a plan says. Writes no plan, deletes nothing."""
    from regsweep.cli import planning, progress, sources  # noqa: PLC0415 - see main.py

    if html:
        _check_place(html, form)
    if store and (told := _of_plan(Path(store))):
        _show(told, form, html)
        return
    chosen = choices.options(
        untagged,
        delete_untagged,
        min_age=min_age,
        upload_age=upload_age,
        # It is for people to decide what is too much.
        max_delete="100%",
        policy=choices.policy(policy, keep_last, keep_within, keep_tags, only_repos),
    )
    source = choices.source(store, config, cross_mounts=cross_mounts, concurrency=concurrency, rate=rate)
    told, refused, _ = planning.make_plan(
        sources.open_source(source),
        chosen,
        choices.places(None, inventory, memory, cache, no_cache=no_cache, prices=prices, write=False),
        progress.progress(quiet=quiet),
    )
    _show(told, form, html)
    if refused:
        message(f"note: a plan would be refused: {refused.message}", refused.hint)


def _of_plan(path: Path) -> "Report | None":
    """What a plan says, if it is one.

    Raises:
        UsageError: it is damaged, or of another version.
    """
    from regsweep.plan import file as plans  # noqa: PLC0415 - see main.py
    from regsweep.report.document import report  # noqa: PLC0415 - as above

    try:
        with path.open("rb") as file:
            if file.read(len(plans.BEGINNING)) != plans.BEGINNING:
                return None
    except OSError as error:
        if path.is_file():
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        # It is a storage, or nothing; whoever opens storages has the words for that.
        return None
    plan = plans.read(path)
    return report(plan.header, plan.repositories, plan.findings, plan=str(path), picture=plan.picture())


def _check_place(html: Path, form: o.Format) -> None:
    """See that a page can be written, before the work of making it.

    Raises:
        UsageError: it cannot, or something else is wanted as well.
    """
    if form is not o.Format.TEXT:
        raise UsageError("--html and --format contradict each other", hint="give one of them")
    place.check(html, what="page", option="--html", beginning=b"<!DOCTYPE html>")


def _show(report: "Report", form: o.Format, html: Path | None) -> None:
    """Write a report to standard output or, as a page, to a file, where it stands whole or not at all.

    Raises:
        RegsweepError: the page cannot be made or written.
    """
    if html is None:
        from regsweep.cli import planning  # noqa: PLC0415 - see main.py

        planning.show(report, form)
        return
    from regsweep.report.html import as_html  # noqa: PLC0415 - see main.py

    page = as_html(report).encode()
    try:
        with place.written(html) as file:
            file.write(page)
    except OSError as error:
        raise RegsweepError(
            f"{html}: the page cannot be written: {error.strerror}", hint="name another place with --html"
        ) from error
