"""From options as they are typed to what a run is told, for the commands that decide what goes."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from regsweep.cli import values
from regsweep.errors import UsageError
from regsweep.plan.options import Brake, Options, Untagged
from regsweep.registry.layout import BASE, printable
from regsweep.storage.ports import Access

if TYPE_CHECKING:
    # Whatever a command needs beyond its options is imported when it runs; see main.py.
    from regsweep.cli.planning import Places
    from regsweep.cli.sources import Source
    from regsweep.retention.policy import Policy
    from regsweep.retention.removal import Removal

DAY: Final = "24h"
WEEK: Final = "168h"
MOST: Final = "90%"


def source(
    store: str | None, config: Path | None, *, cross_mounts: bool, concurrency: int | None, rate: float | None
) -> "Source":
    """Where the storage is."""
    from regsweep.cli.sources import Source  # noqa: PLC0415 - see main.py

    access = Access(cross_mounts=cross_mounts, concurrency=concurrency, rate=rate)
    return Source(store=store, config=config, access=access)


def is_store(text: str) -> bool:
    """Whether something that was given with --config is a storage all the same, and no name."""
    return "://" in text or Path(text, BASE).is_dir()


def places(  # noqa: PLR0913 - one parameter for each option
    output: Path | None,
    inventory: Path | None,
    memory: str | None,
    cache: Path | None,
    *,
    no_cache: bool,
    prices: str | None,
    journal: Path | None = None,
    write: bool = True,
) -> "Places":
    """Where a run puts its files.

    Raises:
        UsageError: an option makes no sense.
    """
    from regsweep.cli import planning  # noqa: PLC0415 - see main.py
    from regsweep.plan.cost import parse_prices  # noqa: PLC0415 - as above

    return planning.Places(
        output=output,
        inventory=inventory,
        memory=values.memory(memory),
        write=write,
        journal=journal,
        cache=planning.cache_at(cache, wanted=not no_cache),
        prices=parse_prices(prices),
    )


def removal(names: list[str], patterns: list[str], *, force: bool) -> "Removal":
    """What is to be removed by name.

    Raises:
        UsageError: a name or a pattern is none.
    """
    from regsweep.retention.names import parse_name  # noqa: PLC0415 - as above
    from regsweep.retention.policy import check_pattern  # noqa: PLC0415 - see main.py
    from regsweep.retention.removal import Removal  # noqa: PLC0415 - as above

    if not names:
        raise UsageError("nothing was named that is to be removed", hint="write REPO, REPO:TAG or REPO@DIGEST")
    for pattern in patterns:
        check_pattern(pattern, "--tags-matching")
    parsed = tuple(map(parse_name, names))
    if patterns and not any(name.whole for name in parsed):
        raise UsageError(
            "--tags-matching: no repository was named whose tags are to match", hint="name one without a tag"
        )
    return Removal(names=parsed, tags_matching=tuple(patterns), force=force)


def policy(
    file: Path | None,
    keep_last: int | None,
    keep_within: str | None,
    keep_tags: list[str] | None,
    only_repos: list[str] | None,
) -> "Policy | None":
    """Which tags are kept, by a file or by options; without either, all.

    Raises:
        UsageError: both were given, or one of them makes no sense.
    """
    if file is None and (keep_last, keep_within, keep_tags, only_repos) == (None,) * 4:
        return None
    from regsweep.retention.policy import from_options  # noqa: PLC0415 - see main.py

    if file is None:
        return from_options(
            keep_last=keep_last,
            keep_within=None if keep_within is None else values.age(keep_within, "--keep-within"),
            keep_tags=keep_tags or [],
            only_repos=only_repos or [],
        )
    if (keep_last, keep_within, keep_tags, only_repos) != (None,) * 4:
        raise UsageError(
            "--policy and options that say what is kept contradict each other",
            hint="write into the policy's file what --keep-last, --keep-within, --keep-tags and --only-repos say",
        )
    return read_policy(file)


def read_policy(file: Path) -> "Policy":
    """Read a policy's file.

    Raises:
        UsageError: it cannot be read, or is no policy.
    """
    from regsweep.retention.policy import parse_policy  # noqa: PLC0415 - see main.py
    from regsweep.retention.reading import MOST_BYTES  # noqa: PLC0415 - as above

    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        # One that is longer is refused for that, and may end within a character.
        text = content.decode(errors="replace" if len(content) > MOST_BYTES else "strict")
    except (OSError, UnicodeDecodeError) as error:
        raise values.unreadable(file, error) from error
    return parse_policy(text, printable(str(file)))


def options(  # noqa: PLR0913 - one parameter for each option
    untagged: Untagged | None,
    delete_untagged: bool,  # noqa: FBT001 - as the flag is typed
    *,
    min_age: str,
    upload_age: str = WEEK,
    max_delete: str = MOST,
    largest_first: bool = False,
    uploads: bool = False,
    versions: bool = False,
    allow: list[Brake] | None = None,
    policy: "Policy | None" = None,
    removal: "Removal | None" = None,
    collect: bool = True,
) -> Options:
    """What decides what goes.

    Raises:
        UsageError: an option makes no sense, or contradicts another.
    """
    if delete_untagged and untagged is Untagged.KEEP:
        raise UsageError("-m and --untagged keep contradict each other", hint="give one of them")
    for option, given in (
        ("--versions", versions),
        ("--uploads", uploads),
        ("-m", delete_untagged or untagged is Untagged.DELETE),
    ):
        if given and not collect:
            raise UsageError(f"{option} and --no-collect contradict each other", hint="give one of them")
    return Options(
        untagged=Untagged.DELETE if delete_untagged else untagged or Untagged.KEEP,
        min_age=values.age(min_age, "--min-age"),
        upload_age=values.age(upload_age, "--upload-age"),
        max_delete=values.share(max_delete, "--max-delete"),
        largest_first=largest_first,
        uploads=uploads,
        versions=versions,
        allow=frozenset(brake.value for brake in allow or ()),
        policy=policy,
        removal=removal,
        collect=collect,
    )
