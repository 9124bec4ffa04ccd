"""The command `ls`: what it is given, and nothing that takes time to import."""

from typing import Annotated

import typer

from regsweep.cli import choices, values
from regsweep.cli import options as o

_SHOWN = "What is shown"

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[REPO[:TAG|@DIGEST]]",
        show_default=False,
        help="A repository, a glob of several such as 'team/*', or one image. Without it, every repository.",
    ),
]
Layers = Annotated[
    bool,
    typer.Option(
        "--layers",
        help="Each image's layers, with their sizes and how many repositories share them.",
        rich_help_panel=_SHOWN,
    ),
]
Untagged = Annotated[
    bool,
    typer.Option("--untagged", help="Revisions that no tag leads to, in place of the tags.", rich_help_panel=_SHOWN),
]
History = Annotated[bool, typer.Option("--history", help="What was pushed to each tag before.", rich_help_panel=_SHOWN)]
FormatOption = Annotated[
    o.TableFormat, typer.Option("--format", help="How the result is written.", rich_help_panel=_SHOWN)
]


def ls_command(  # noqa: PLR0913 - one parameter for each option
    store: o.Store = None,
    name: Name = None,
    config: o.Config = None,
    layers: Layers = False,  # noqa: FBT002 - as the flag is typed
    untagged: Untagged = False,  # noqa: FBT002 - as above
    history: History = False,  # noqa: FBT002 - as above
    memory: o.Memory = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    cross_mounts: o.CrossMounts = False,  # noqa: FBT002 - as above
    form: FormatOption = o.TableFormat.TEXT,
    quiet: o.Quiet = False,  # noqa: FBT002 - as above
) -> None:
    """List repositories, their tags, or what one image is made of. Deletes nothing."""
    from regsweep.cli import listing, progress  # noqa: PLC0415 - see the module's docstring

    if config and store and name is None:
        # With the storage named by its configuration, what is given is the name.
        store, name = None, store
    listing.show(
        choices.source(store, config, cross_mounts=cross_mounts, concurrency=concurrency, rate=rate),
        listing.wanted(name, layers=layers, untagged=untagged, history=history),
        form,
        progress.progress(quiet=quiet),
        memory=values.memory(memory),
    )
