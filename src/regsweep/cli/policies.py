"""The commands that try a policy and change nothing: `explain` and `policy check`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from regsweep.cli import choices
from regsweep.cli import options as o
from regsweep.cli.streams import message, result
from regsweep.errors import UsageError

policy_app: Final = typer.Typer(no_args_is_help=True, help="Work on retention policies.")

Subject = Annotated[
    list[str],
    typer.Argument(
        metavar="STORE REPO:TAG",
        show_default=False,
        help="The storage, as for plan (not with --config), and a tag in it.",
    ),
]
PolicyFile = Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="The policy.")]
CheckedStore = Annotated[
    str | None,
    typer.Argument(metavar="[STORE]", show_default=False, help="A storage to try it on, as for plan."),
]


def explain_command(  # noqa: PLR0913 - one parameter for each option
    subject: Subject,
    config: o.Config = None,
    policy: o.PolicyOption = None,
    keep_last: o.KeepLast = None,
    keep_within: o.KeepWithin = None,
    keep_tags: o.KeepTags = None,
    only_repos: o.OnlyRepos = None,
    untagged: o.UntaggedOption = None,
    delete_untagged: o.DeleteUntagged = False,  # noqa: FBT002 - as the flag is typed
    min_age: o.MinAge = choices.DAY,
    cache: o.Cache = None,
    no_cache: o.NoCache = False,  # noqa: FBT002 - as above
    memory: o.Memory = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    cross_mounts: o.CrossMounts = False,  # noqa: FBT002 - as above
    quiet: o.Quiet = False,  # noqa: FBT002 - as above
) -> None:
    """Say of one tag whether a policy keeps it, and which rule decides. Deletes nothing."""
    from regsweep.cli import progress, trying  # noqa: PLC0415 - see main.py
    from regsweep.retention.names import parse_name  # noqa: PLC0415 - as above

    store, *names = subject if config is None else (None, *subject)
    if len(names) != 1 or not names[0]:
        raise UsageError("explain takes one tag", hint="write regsweep explain STORE REPO:TAG")
    name = parse_name(names[0])
    if not name.tag:
        raise UsageError(f"{name}: is no tag", hint="write REPO:TAG")
    chosen = choices.policy(policy, keep_last, keep_within, keep_tags, only_repos)
    if chosen is None:
        raise UsageError("no policy was given", hint="add --policy FILE, or --keep-last and the like")
    trial = trying.Trial(
        source=choices.source(store, config, cross_mounts=cross_mounts, concurrency=concurrency, rate=rate),
        options=choices.options(untagged, delete_untagged, min_age=min_age, policy=chosen),
        places=choices.places(None, None, memory, cache, no_cache=no_cache, prices=None, write=False),
        progress=progress.progress(quiet=quiet),
    )
    result(trying.explain(trial, chosen, name))


@policy_app.command("check")
def check_command(  # noqa: PLR0913 - one parameter for each option
    policy: PolicyFile,
    store: CheckedStore = None,
    config: o.Config = None,
    cache: o.Cache = None,
    no_cache: o.NoCache = False,  # noqa: FBT002 - as the flag is typed
    min_age: o.MinAge = choices.DAY,
    memory: o.Memory = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    cross_mounts: o.CrossMounts = False,  # noqa: FBT002 - as above
    quiet: o.Quiet = False,  # noqa: FBT002 - as above
) -> None:
    """Validate a policy; with a storage, also say what each of its rules matches there. Deletes nothing."""
    from regsweep.cli import progress, trying  # noqa: PLC0415 - see main.py
    from regsweep.report.text import counted  # noqa: PLC0415 - as above

    chosen = choices.read_policy(policy)
    never = trying.shadowed(chosen)
    warnings = list(never.values())
    if store or config:
        trial = trying.Trial(
            source=choices.source(store, config, cross_mounts=cross_mounts, concurrency=concurrency, rate=rate),
            options=choices.options(None, delete_untagged=False, min_age=min_age, policy=chosen),
            places=choices.places(None, None, memory, cache, no_cache=no_cache, prices=None, write=False),
            progress=progress.progress(quiet=quiet),
        )
        table, more = trying.check(trial, chosen, never)
        result(table)
        warnings += more
    for warning in warnings:
        message(f"warning: {warning}")
    result(f"{chosen.name}: is valid; {counted(len(chosen.rules), 'rule')}, {counted(len(warnings), 'warning')}")
