"""The entry point: commands, and the one place where errors become messages and exit codes.

Whatever a command needs beyond its options is imported when it runs, so that help and mistakes are answered at once.
"""

import gc
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Final, NoReturn

import typer

from regsweep.cli import options as o
from regsweep.cli import values
from regsweep.cli.streams import confirm, message, result
from regsweep.errors import FAILED, USAGE, RegsweepError, UsageError
from regsweep.plan.options import Brake, Options, Untagged
from regsweep.storage.ports import Access

app = typer.Typer(
    name="regsweep",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_INTERRUPTED: Final = 130
"""What typer makes of `KeyboardInterrupt`; deletions turn it into a `StoppedError` before."""
TRACEBACK: Final = "REGSWEEP_TRACEBACK"
_DAY: Final = "24h"
_WEEK: Final = "168h"
_MOST: Final = "90%"


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    # Nothing here makes reference cycles worth a collection, and millions of rows pass through.
    gc.set_threshold(200_000, 50, 100)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except RegsweepError as error:
        message(f"error: {error.message}", error.hint)
        sys.exit(error.exit_code)
    except typer.TyperException as error:
        # Without a command typer shows the help, and has nothing to say but that.
        if said := " ".join(error.format_message().split()):
            message(f"error: {said}", "add --help to see what can be given")
        sys.exit(USAGE)
    except BrokenPipeError:
        # Whoever read the report has seen enough. What is left of it must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:  # the last one before the terminal
        if os.environ.get(TRACEBACK):
            raise
        message(
            f"error: unexpected {type(error).__name__}: {str(error).partition(chr(10))[0]}",
            f"this is a bug; please report it with what {TRACEBACK}=1 in the environment adds",
        )
        sys.exit(FAILED)
    if code == _INTERRUPTED:
        message("interrupted; nothing was deleted")
        sys.exit(FAILED)
    sys.exit(0)


def _version(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - see the module's docstring

        result(f"regsweep {version('regsweep')}")
        raise typer.Exit


@app.callback()
def regsweep(
    version: Annotated[  # noqa: FBT002 - as the flag is typed
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Offline garbage collector for the storage of container registries."""


@app.command("plan")
def plan_command(  # noqa: PLR0913 - one parameter for each option
    store: o.Store = None,
    config: o.Config = None,
    untagged: o.UntaggedOption = None,
    delete_untagged: o.DeleteUntagged = False,  # noqa: FBT002 - as the flag is typed
    min_age: o.MinAge = _DAY,
    upload_age: o.UploadAge = _WEEK,
    max_delete: o.MaxDelete = _MOST,
    largest_first: o.LargestFirst = False,  # noqa: FBT002 - as the flag is typed
    uploads: o.Uploads = False,  # noqa: FBT002 - as above
    versions: o.Versions = False,  # noqa: FBT002 - as above
    allow: o.AllowOption = None,
    output: o.Output = None,
    inventory: o.Inventory = None,
    cache: o.Cache = None,
    no_cache: o.NoCache = False,  # noqa: FBT002 - as the flag is typed
    prices: o.Prices = None,
    memory: o.Memory = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    cross_mounts: o.CrossMounts = False,  # noqa: FBT002 - as above
    form: o.FormatOption = o.Format.TEXT,
    quiet: o.Quiet = False,  # noqa: FBT002 - as above
) -> None:
    """Show what would be deleted and why, and write it to a plan. Deletes nothing."""
    from regsweep.cli import planning, progress, sources  # noqa: PLC0415 - see the module's docstring
    from regsweep.plan.cost import parse_prices  # noqa: PLC0415 - as above

    report, refused = planning.make_plan(
        sources.open_source(
            sources.Source(
                store=store, config=config, access=Access(cross_mounts=cross_mounts, concurrency=concurrency, rate=rate)
            )
        ),
        _rules(
            untagged,
            delete_untagged,
            min_age=min_age,
            upload_age=upload_age,
            max_delete=max_delete,
            largest_first=largest_first,
            uploads=uploads,
            versions=versions,
            allow=allow,
        ),
        planning.Places(
            output=output,
            inventory=inventory,
            memory=values.memory(memory),
            write=True,
            cache=planning.cache_at(cache, wanted=not no_cache),
            prices=parse_prices(prices),
        ),
        progress.progress(quiet=quiet),
    )
    planning.show(report, form)
    if refused:
        raise refused


@app.command("apply")
def apply_command(  # noqa: PLR0913 - one parameter for each option
    plan: o.Plan,
    config: o.PlanConfig = None,
    registry: o.Registry = None,
    registry_stopped: o.RegistryStopped = False,  # noqa: FBT002 - as the flag is typed
    registry_user: o.RegistryUser = None,
    registry_ca: o.RegistryCa = None,
    journal: o.Journal = None,
    time_limit: o.TimeLimit = None,
    break_lock: o.BreakLock = False,  # noqa: FBT002 - as above
    memory: o.Memory = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    cross_mounts: o.CrossMounts = False,  # noqa: FBT002 - as above
    form: o.FormatOption = o.Format.TEXT,
    quiet: o.Quiet = False,  # noqa: FBT002 - as above
) -> None:
    """Delete what a plan lists; run again to resume what was interrupted."""
    from regsweep.cli import applying, progress  # noqa: PLC0415 - see the module's docstring

    applying.apply(
        plan,
        applying.Guard(
            registries=registry or [], stopped=registry_stopped, user=registry_user, authorities=registry_ca
        ),
        applying.Manner(
            journal=journal,
            config=config,
            break_lock=break_lock,
            memory=values.memory(memory),
            access=Access(cross_mounts=cross_mounts, concurrency=concurrency, rate=rate),
            time_limit=values.limit(time_limit, "--time-limit"),
            form=form,
        ),
        progress.progress(quiet=quiet),
    )


@app.command("prune")
def prune_command(  # noqa: PLR0913 - one parameter for each option
    store: o.Store = None,
    config: o.Config = None,
    registry: o.Registry = None,
    registry_stopped: o.RegistryStopped = False,  # noqa: FBT002 - as the flag is typed
    registry_user: o.RegistryUser = None,
    registry_ca: o.RegistryCa = None,
    untagged: o.UntaggedOption = None,
    delete_untagged: o.DeleteUntagged = False,  # noqa: FBT002 - as above
    min_age: o.MinAge = _DAY,
    upload_age: o.UploadAge = _WEEK,
    max_delete: o.MaxDelete = _MOST,
    largest_first: o.LargestFirst = False,  # noqa: FBT002 - as the flag is typed
    uploads: o.Uploads = False,  # noqa: FBT002 - as above
    versions: o.Versions = False,  # noqa: FBT002 - as above
    allow: o.AllowOption = None,
    yes: o.Yes = False,  # noqa: FBT002 - as above
    dry_run: o.DryRun = False,  # noqa: FBT002 - as above
    output: o.Output = None,
    journal: o.Journal = None,
    inventory: o.Inventory = None,
    cache: o.Cache = None,
    no_cache: o.NoCache = False,  # noqa: FBT002 - as above
    prices: o.Prices = None,
    time_limit: o.TimeLimit = None,
    break_lock: o.BreakLock = False,  # noqa: FBT002 - as above
    memory: o.Memory = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    cross_mounts: o.CrossMounts = False,  # noqa: FBT002 - as above
    form: o.FormatOption = o.Format.TEXT,
    quiet: o.Quiet = False,  # noqa: FBT002 - as above
) -> None:
    """Plan, show, ask, then apply."""
    from regsweep.cli import applying, planning, progress, sources  # noqa: PLC0415 - see the module's docstring
    from regsweep.plan.cost import parse_prices  # noqa: PLC0415 - as above

    guard = applying.Guard(
        registries=registry or [], stopped=registry_stopped, user=registry_user, authorities=registry_ca
    )
    if not dry_run:
        if not (yes or (sys.stdin and sys.stdin.isatty())):
            raise UsageError("prune cannot ask: standard input is no terminal", hint="add --yes, or --dry-run")
        # Better refused now than after an hour of scanning.
        guard.proof().check()
    shown = progress.progress(quiet=quiet)
    report, refused = planning.make_plan(
        sources.open_source(
            sources.Source(
                store=store, config=config, access=Access(cross_mounts=cross_mounts, concurrency=concurrency, rate=rate)
            )
        ),
        _rules(
            untagged,
            delete_untagged,
            min_age=min_age,
            upload_age=upload_age,
            max_delete=max_delete,
            largest_first=largest_first,
            uploads=uploads,
            versions=versions,
            allow=allow,
        ),
        planning.Places(
            output=output,
            inventory=inventory,
            memory=values.memory(memory),
            write=not dry_run,
            journal=journal,
            cache=planning.cache_at(cache, wanted=not no_cache),
            prices=parse_prices(prices),
        ),
        shown,
    )
    planning.show(report, form, prune=True)
    if refused:
        raise refused
    if dry_run or report.plan is None:
        return
    if not yes:
        confirm("Delete this?")
    applying.apply(
        Path(report.plan),
        guard,
        applying.Manner(
            journal=journal,
            config=config,
            break_lock=break_lock,
            memory=values.memory(memory),
            access=Access(cross_mounts=cross_mounts, concurrency=concurrency, rate=rate),
            time_limit=values.limit(time_limit, "--time-limit"),
            form=form,
            resume=f"regsweep apply {report.plan} resumes it, with the options that prove the registry read-only"
            + (" and the same --config" if config else ""),
        ),
        shown,
    )


def _rules(  # noqa: PLR0913 - one parameter for each option
    untagged: Untagged | None,
    delete_untagged: bool,  # noqa: FBT001 - as the flag is typed
    *,
    min_age: str,
    upload_age: str,
    max_delete: str,
    largest_first: bool,
    uploads: bool,
    versions: bool,
    allow: list[Brake] | None,
) -> Options:
    if delete_untagged and untagged is Untagged.KEEP:
        raise UsageError("-m and --untagged keep contradict each other", hint="give one of them")
    return Options(
        untagged=Untagged.DELETE if delete_untagged else untagged or Untagged.KEEP,
        min_age=values.age(min_age, "--min-age"),
        upload_age=values.age(upload_age, "--upload-age"),
        max_delete=values.share(max_delete, "--max-delete"),
        largest_first=largest_first,
        uploads=uploads,
        versions=versions,
        allow=frozenset(brake.value for brake in allow or ()),
    )


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
