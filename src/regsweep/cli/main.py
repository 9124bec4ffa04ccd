"""The entry point: commands, and the one place where errors become messages and exit codes.

Whatever a command needs beyond its options is imported when it runs, so that help and mistakes are answered at once.
"""

import atexit
import gc
import os
import signal
import sys
from types import FrameType
from typing import Annotated, Final, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_group

from regsweep.cli import options as o
from regsweep.cli import values
from regsweep.cli.check import check_command
from regsweep.cli.deciding import plan_command, prune_command, rm_command
from regsweep.cli.diff import diff_command
from regsweep.cli.ls import ls_command
from regsweep.cli.policies import explain_command, policy_app
from regsweep.cli.reporting import report_command
from regsweep.cli.streams import give_up_output, message, result
from regsweep.errors import FAILED, USAGE, RegsweepError
from regsweep.inventory.signals import heeded
from regsweep.storage.ports import Access

app = typer.Typer(
    name="regsweep",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_INTERRUPTED: Final = 130
"""What typer makes of `KeyboardInterrupt`; deletions turn it into a `StoppedError` before."""
TRACEBACK: Final = "REGSWEEP_TRACEBACK"


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    # At the end the interpreter would look through all that there is for garbage, for a tenth of a second.
    atexit.register(gc.freeze)
    try:
        code = _commands()(sys.argv[1:] or ["--help"], standalone_mode=False)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except RegsweepError as error:
        message(f"error: {error.message}", error.hint)
        sys.exit(error.exit_code)
    except typer.TyperException as error:
        # Where a group is given no command of its own, typer shows its help, and has nothing to say but that.
        if said := " ".join(error.format_message().split()):
            message(f"error: {said}", "add --help to see what can be given")
        sys.exit(USAGE)
    except BrokenPipeError:
        # Whoever read the report has seen enough.
        give_up_output()
        sys.exit(FAILED)
    except Exception as error:  # the last one before the terminal
        if os.environ.get(TRACEBACK):
            raise
        _tell_unexpected(error)
        sys.exit(FAILED)
    if code == _INTERRUPTED:
        message("interrupted; nothing was deleted")
        sys.exit(FAILED)
    sys.exit(0)


def _commands() -> TyperGroup:
    for number in heeded():
        if number is not signal.SIGINT:
            signal.signal(number, _terminate)
    commands = get_group(app)
    # The list of commands comes as plain text: what draws boxes takes as long to import as all else that help needs.
    commands.rich_markup_mode = None
    return commands


def _tell_unexpected(error: Exception) -> None:
    if isinstance(error, OSError):
        # Help is written by typer. It does not say what it could not write to, but whatever else is written there
        # fails as well.
        try:
            result("")
        except BrokenPipeError:
            give_up_output()
        except RegsweepError as unwritten:
            message(f"error: {unwritten.message}", unwritten.hint)
            return
    message(
        f"error: unexpected {type(error).__name__}: {str(error).partition(chr(10))[0]}",
        f"this is a bug; please report it with what {TRACEBACK}=1 in the environment adds",
    )


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


app.command("plan")(plan_command)


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
    """Delete what a plan lists; again, to resume what was interrupted."""
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


app.command("prune")(prune_command)
app.command("rm")(rm_command)
app.command("ls")(ls_command)
app.command("report")(report_command)
app.command("check")(check_command)
app.command("diff")(diff_command)
app.command("explain")(explain_command)
app.add_typer(policy_app, name="policy")


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
