"""The commands that decide what goes: `plan`, `prune` and `rm`."""

import sys
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from regsweep.cli import choices, values
from regsweep.cli import options as o
from regsweep.cli.streams import confirm
from regsweep.errors import UsageError
from regsweep.plan.options import Options
from regsweep.registry.layout import printable

if TYPE_CHECKING:
    # Whatever a command needs beyond its options is imported when it runs; see main.py.
    from regsweep.cli.applying import Guard
    from regsweep.cli.planning import Places
    from regsweep.cli.sources import Source
    from regsweep.report.document import Report


def plan_command(  # noqa: PLR0913 - one parameter for each option
    store: o.Store = None,
    config: o.Config = None,
    untagged: o.UntaggedOption = None,
    delete_untagged: o.DeleteUntagged = False,  # noqa: FBT002 - as the flag is typed
    min_age: o.MinAge = choices.DAY,
    upload_age: o.UploadAge = choices.WEEK,
    max_delete: o.MaxDelete = choices.MOST,
    largest_first: o.LargestFirst = False,  # noqa: FBT002 - as the flag is typed
    uploads: o.Uploads = False,  # noqa: FBT002 - as above
    versions: o.Versions = False,  # noqa: FBT002 - as above
    allow: o.AllowOption = None,
    policy: o.PolicyOption = None,
    keep_last: o.KeepLast = None,
    keep_within: o.KeepWithin = None,
    keep_tags: o.KeepTags = None,
    only_repos: o.OnlyRepos = None,
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
    from regsweep.cli import planning, progress, sources  # noqa: PLC0415 - see main.py

    chosen = choices.options(
        untagged,
        delete_untagged,
        min_age=min_age,
        upload_age=upload_age,
        max_delete=max_delete,
        largest_first=largest_first,
        uploads=uploads,
        versions=versions,
        allow=allow,
        policy=choices.policy(policy, keep_last, keep_within, keep_tags, only_repos),
    )
    source = choices.source(store, config, cross_mounts=cross_mounts, concurrency=concurrency, rate=rate)
    report, refused, _ = planning.make_plan(
        sources.open_source(source),
        chosen,
        choices.places(output, inventory, memory, cache, no_cache=no_cache, prices=prices),
        progress.progress(quiet=quiet),
    )
    planning.show(report, form)
    if refused:
        raise refused


def prune_command(  # noqa: PLR0913 - one parameter for each option
    store: o.Store = None,
    config: o.Config = None,
    registry: o.Registry = None,
    registry_stopped: o.RegistryStopped = False,  # noqa: FBT002 - as the flag is typed
    registry_user: o.RegistryUser = None,
    registry_ca: o.RegistryCa = None,
    untagged: o.UntaggedOption = None,
    delete_untagged: o.DeleteUntagged = False,  # noqa: FBT002 - as above
    min_age: o.MinAge = choices.DAY,
    upload_age: o.UploadAge = choices.WEEK,
    max_delete: o.MaxDelete = choices.MOST,
    largest_first: o.LargestFirst = False,  # noqa: FBT002 - as the flag is typed
    uploads: o.Uploads = False,  # noqa: FBT002 - as above
    versions: o.Versions = False,  # noqa: FBT002 - as above
    allow: o.AllowOption = None,
    policy: o.PolicyOption = None,
    keep_last: o.KeepLast = None,
    keep_within: o.KeepWithin = None,
    keep_tags: o.KeepTags = None,
    only_repos: o.OnlyRepos = None,
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
    from regsweep.cli.applying import Guard  # noqa: PLC0415 - see main.py

    _Run(
        source=choices.source(store, config, cross_mounts=cross_mounts, concurrency=concurrency, rate=rate),
        guard=Guard(registries=registry or [], stopped=registry_stopped, user=registry_user, authorities=registry_ca),
        places=choices.places(
            output, inventory, memory, cache, no_cache=no_cache, prices=prices, journal=journal, write=not dry_run
        ),
        ask=not yes,
        dry_run=dry_run,
        time_limit=values.limit(time_limit, "--time-limit"),
        break_lock=break_lock,
        form=form,
        quiet=quiet,
    ).carry_out(
        choices.options(
            untagged,
            delete_untagged,
            min_age=min_age,
            upload_age=upload_age,
            max_delete=max_delete,
            largest_first=largest_first,
            uploads=uploads,
            versions=versions,
            allow=allow,
            policy=choices.policy(policy, keep_last, keep_within, keep_tags, only_repos),
        ),
        "prune",
    )


def rm_command(  # noqa: PLR0913 - one parameter for each option
    names: o.Names,
    config: o.Config = None,
    tags_matching: o.TagsMatching = None,
    force: o.Force = False,  # noqa: FBT002 - as the flag is typed
    no_collect: o.NoCollect = False,  # noqa: FBT002 - as above
    registry: o.Registry = None,
    registry_stopped: o.RegistryStopped = False,  # noqa: FBT002 - as above
    registry_user: o.RegistryUser = None,
    registry_ca: o.RegistryCa = None,
    untagged: o.UntaggedOption = None,
    delete_untagged: o.DeleteUntagged = False,  # noqa: FBT002 - as above
    min_age: o.RemovalMinAge = choices.DAY,
    upload_age: o.UploadAge = choices.WEEK,
    max_delete: o.MaxDelete = choices.MOST,
    largest_first: o.LargestFirst = False,  # noqa: FBT002 - as above
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
    """Remove repositories, tags and manifests by name. As prune does: plan, show, ask, then apply."""
    from regsweep.cli.applying import Guard  # noqa: PLC0415 - see main.py

    store = names[0] if config is None else None
    if config and choices.is_store(names[0]):
        raise UsageError("STORE and --config were both given", hint="name the storage in one way")
    chosen = choices.options(
        untagged,
        delete_untagged,
        min_age=min_age,
        upload_age=upload_age,
        max_delete=max_delete,
        largest_first=largest_first,
        uploads=uploads,
        versions=versions,
        allow=allow,
        removal=choices.removal(names if config else names[1:], tags_matching or [], force=force),
        collect=not no_collect,
    )
    _Run(
        source=choices.source(store, config, cross_mounts=cross_mounts, concurrency=concurrency, rate=rate),
        guard=Guard(registries=registry or [], stopped=registry_stopped, user=registry_user, authorities=registry_ca),
        places=choices.places(
            output, inventory, memory, cache, no_cache=no_cache, prices=prices, journal=journal, write=not dry_run
        ),
        ask=not yes,
        dry_run=dry_run,
        time_limit=values.limit(time_limit, "--time-limit"),
        break_lock=break_lock,
        form=form,
        quiet=quiet,
    ).carry_out(chosen, "rm")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """How a plan is made and carried out in one go."""

    source: "Source"
    guard: "Guard"
    places: "Places"
    ask: bool
    dry_run: bool
    time_limit: float | None
    break_lock: bool
    form: o.Format
    quiet: bool

    def carry_out(self, options: Options, command: str) -> None:
        """Plan, show, ask, apply.

        Raises:
            RegsweepError: see planning.py and applying.py.
        """
        from regsweep.cli import applying, planning, progress, sources  # noqa: PLC0415 - see main.py

        if not self.dry_run:
            if self.ask and not (sys.stdin and sys.stdin.isatty()):
                raise UsageError(f"{command} cannot ask: standard input is no terminal", hint="add --yes, or --dry-run")
            # Better refused now than after an hour of scanning.
            self.guard.proof().check()
        shown = progress.progress(quiet=self.quiet)
        report, refused, going = planning.make_plan(sources.open_source(self.source), options, self.places, shown)
        planning.show(report, self.form, prune=True)
        if refused:
            raise refused
        if (going or options.removal) and (self.form is o.Format.TEXT if self.dry_run else self.ask):
            sys.stderr.write(_what_goes(report, going, options))
        if self.dry_run or report.plan is None:
            return
        if self.ask:
            confirm("Delete this?")
        config = self.source.config
        applying.apply(
            Path(report.plan),
            self.guard,
            applying.Manner(
                journal=self.places.journal,
                config=config,
                break_lock=self.break_lock,
                memory=self.places.memory,
                access=self.source.access,
                time_limit=self.time_limit,
                form=self.form,
                resume=f"regsweep apply {report.plan} resumes it, with the options that prove the registry read-only"
                + (" and the same --config" if config else ""),
            ),
            shown,
        )


def _what_goes(report: "Report", going: list[tuple[str, str]], options: Options) -> str:
    """The repositories and tags that go, and the manifests that were named themselves, as lines; some where many do."""
    whole = {one.name for one in report.repositories if one.gone}
    named = {
        (name.repository, str(name.digest))
        for name in (options.removal.names if options.removal else ())
        if name.digest and name.repository not in whole
    }
    lines = ["regsweep: among what goes:"]
    shown = [*going, *sorted(named)]
    for repository, some in groupby(sorted(shown, key=itemgetter(0)), key=itemgetter(0)):
        text = printable(f"{repository}: {', '.join(what or 'all of it' for _, what in some)}")
        lines += wrap(
            text, 80, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )
    if hidden := len(whole) + sum(one.tags_condemned for one in report.repositories if not one.gone) - len(going):
        lines.append(f"  and {hidden:,} more" + (f": see the plan {printable(report.plan)}" if report.plan else ""))
    return "".join(f"{line}\n" for line in lines)
