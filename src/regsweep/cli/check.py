"""The command `check`: what it is given, and nothing that takes time to import."""

from typing import Annotated

import typer

from regsweep.cli import choices, values
from regsweep.cli import options as o

Deep = Annotated[
    bool,
    typer.Option(
        "--deep",
        help="Hash every blob, and read every link: takes as long as reading all of the storage does.",
        rich_help_panel="What is looked at",
    ),
]

FormatOption = Annotated[
    o.DocumentFormat, typer.Option("--format", help="How the result is written.", rich_help_panel="The run")
]


def check_command(  # noqa: PLR0913 - one parameter for each option
    store: o.Store = None,
    config: o.Config = None,
    deep: Deep = False,  # noqa: FBT002 - as the flag is typed
    cache: o.Cache = None,
    no_cache: o.NoCache = False,  # noqa: FBT002 - as above
    memory: o.Memory = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    cross_mounts: o.CrossMounts = False,  # noqa: FBT002 - as above
    form: FormatOption = o.DocumentFormat.TEXT,
    quiet: o.Quiet = False,  # noqa: FBT002 - as above
) -> None:
    """Find what is damaged, and which images cannot be pulled for it. Changes nothing."""
    from regsweep.cli import checking, planning, progress  # noqa: PLC0415 - see the module's docstring

    checking.check(
        choices.source(store, config, cross_mounts=cross_mounts, concurrency=concurrency, rate=rate),
        form,
        progress.progress(quiet=quiet),
        deep=deep,
        memory=values.memory(memory),
        cache=planning.cache_at(cache, wanted=not no_cache),
    )
