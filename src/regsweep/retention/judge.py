"""Judge tags by a policy: which are kept and why, and so which go. docs/policy.md tells its users how.

Set work in SQL, so that a hundred thousand tags take a moment. Patterns are RE2's, which never takes more time than a
text is long.
"""

from datetime import datetime, timedelta
from typing import Final

from regsweep.inventory.database import Inventory
from regsweep.inventory.images import describe_images, find_images, read_configs
from regsweep.inventory.progress import Progress
from regsweep.inventory.workers import Workers
from regsweep.retention import versions
from regsweep.retention.ages import before
from regsweep.retention.conditions import matching, reasons, tags_of
from regsweep.retention.globs import any_of
from regsweep.retention.policy import Policy

YOUNG: Final = "younger than --min-age"
LAST: Final = "the last tag of its repository, and the rule does not say allowEmpty"


def judge(  # noqa: PLR0913 - what a judgement depends on
    inventory: Inventory,
    policy: Policy,
    workers: Workers,
    progress: Progress,
    *,
    untagged: bool,
    min_age: timedelta,
    now: datetime,
) -> None:
    """Fill `ruled`, `verdicts`, `verdict_reasons` and, from them, the tables of choice.py.

    `ruled` has the repositories that a rule is for: repository and rule, 1 for the first; `verdicts` each tag of
    theirs: repository, tag, digest, pushed, created, rule, and whether it is kept; `verdict_reasons` why: repository,
    tag, place (the order of the reasons) and why. A tag that dangles is not judged, nor one about another image.

    Args:
        inventory: what was scanned, and is known to be servable.
        policy: the rules.
        workers: those of the scan, for what the rules ask of configurations.
        progress: where that is shown.
        untagged: whether what no tag reaches goes where a rule does not say.
        min_age: younger tags are kept.
        now: when it is.

    Raises:
        StorageError: a configuration could not be read.
    """
    now = now.replace(tzinfo=None)
    _assign(inventory, policy)
    _gather(inventory, before(now, min_age))
    _look_inside(inventory, policy, workers, progress)
    inventory.execute("CREATE TABLE verdict_reasons (repository INTEGER, tag VARCHAR, place INTEGER, why VARCHAR)")
    for number, rule in enumerate(policy.rules, 1):
        for place, (why, found, parameters) in enumerate(reasons(rule, now)):
            inventory.execute(
                f"""
                INSERT INTO verdict_reasons SELECT DISTINCT repository, tag, $place, $why FROM ({found})
                """,  # noqa: S608 - queries of this module alone
                {**parameters, "place": place, "why": why, "number": number},
            )
    _keep_the_young_and_the_last(inventory, policy)
    _conclude(inventory, policy, untagged=untagged)


def _assign(inventory: Inventory, policy: Policy) -> None:
    """Fill `ruled` with each repository's rule: the first that matches."""
    inventory.execute("CREATE TABLE ruled (repository INTEGER, rule INTEGER)")
    for number, rule in enumerate(policy.rules, 1):
        matches, globs = any_of(rule.repositories)
        inventory.execute(
            f"""
            INSERT INTO ruled SELECT id, $number FROM repositories
            ANTI JOIN frozen ON frozen.repository = id ANTI JOIN ruled ON ruled.repository = id WHERE {matches}
            """,  # noqa: S608 - words of this module alone
            {**globs, "number": number},
        )


def _gather(inventory: Inventory, cutoff: datetime) -> None:
    """Fill `candidates` with the tags to judge. Those that dangle, or follow an image of theirs, are not judged."""
    inventory.execute(
        f"""
        CREATE TABLE candidates AS
        SELECT repository, tag, digest, any_value(rule) AS rule,
            coalesce(max(entry.modified), max(tags.modified)) AS pushed,
            max({versions.ORDER.format("tag")}) AS sorted,
            bool_or(tags.modified > $cutoff OR coalesce(revision.modified > $cutoff, false)
                OR (repository, tag) IN (SELECT (repository, tag) FROM tag_entries WHERE modified > $cutoff)) AS young
        FROM tags JOIN ruled USING (repository)
        SEMI JOIN servable USING (repository, digest) ANTI JOIN subject_tags USING (repository, tag)
        LEFT JOIN tag_entries entry USING (repository, tag, digest)
        LEFT JOIN revisions revision USING (repository, digest)
        GROUP BY repository, tag, digest
        """,  # noqa: S608 - words of this package
        {"cutoff": cutoff},
    )


def _look_inside(inventory: Inventory, policy: Policy, workers: Workers, progress: Progress) -> None:
    """Fill `images` for the tags of entries that ask for what only images tell, and read no more than these need."""
    inventory.execute("CREATE TABLE asked (repository INTEGER, digest BLOB, inside BOOLEAN)")
    for number, rule in enumerate(policy.rules, 1):
        for keep in rule.keep_tags or ():
            if keep.needs_images or keep.min_size is not None:
                is_for, patterns = tags_of(keep)
                inventory.execute(
                    f"""
                    INSERT INTO asked SELECT repository, digest, $inside FROM candidates
                    WHERE rule = $number AND {is_for}
                    """,  # noqa: S608 - words of this package
                    {**patterns, "number": number, "inside": keep.needs_images},
                )
    if policy.needs_images:
        find_images(inventory, "SELECT repository, digest FROM asked WHERE inside")
        read_configs(inventory, workers, progress)
    find_images(inventory, "SELECT repository, digest FROM asked")
    describe_images(inventory)
    inventory.execute("DROP TABLE asked")


def _keep_the_young_and_the_last(inventory: Inventory, policy: Policy) -> None:
    place = "(SELECT coalesce(max(place), 0) + {} FROM verdict_reasons)"
    inventory.execute(
        f"""
        INSERT INTO verdict_reasons
        SELECT DISTINCT repository, tag, {place.format(1)}, '{YOUNG}' FROM candidates WHERE young
        """  # noqa: S608 - words of this module alone
    )
    emptying = [number for number, rule in enumerate(policy.rules, 1) if rule.allow_empty]
    inventory.execute(
        """
        CREATE TABLE last_tags AS
        SELECT repository, tag FROM candidates
        ANTI JOIN verdict_reasons USING (repository) WHERE NOT list_contains($emptying::INTEGER[], rule)
        QUALIFY row_number() OVER (PARTITION BY repository ORDER BY pushed DESC, sorted DESC, tag DESC) = 1
        """,
        {"emptying": emptying},
    )
    inventory.execute(
        f"INSERT INTO verdict_reasons SELECT repository, tag, {place.format(2)}, $why FROM last_tags",  # noqa: S608 - as above
        {"why": LAST},
    )
    inventory.execute(
        "INSERT INTO notes SELECT 'last-tag-kept', repository, tag, $why FROM last_tags",
        {"why": f"no retention rule keeps it, but it is {LAST}"},
    )
    inventory.execute("DROP TABLE last_tags")


def _conclude(inventory: Inventory, policy: Policy, *, untagged: bool) -> None:
    inventory.execute(
        """
        CREATE TABLE verdicts AS
        SELECT repository, tag, candidates.digest, pushed, created, rule,
            (repository, tag) IN (SELECT (repository, tag) FROM verdict_reasons) AS kept
        FROM candidates LEFT JOIN images USING (repository, digest)
        """
    )
    inventory.execute("INSERT INTO let_go SELECT DISTINCT repository, tag FROM verdicts WHERE NOT kept")
    for number, rule in enumerate(policy.rules, 1):
        at = {"number": number}
        if rule.never_delete:
            # Of all tags, those too that are not judged.
            matches, patterns = matching(rule.never_delete, "pattern")
            inventory.execute(
                f"""
                INSERT INTO vetoed SELECT DISTINCT repository, tag FROM tags
                SEMI JOIN (FROM ruled WHERE rule = $number) USING (repository) WHERE {matches}
                """,  # noqa: S608 - words of this package
                {**at, **patterns},
            )
        for table, said in (("untagged_goes", rule.delete_untagged), ("referrers_go", rule.delete_referrers)):
            if untagged if said is None else said:
                inventory.execute(f"INSERT INTO {table} SELECT repository FROM ruled WHERE rule = $number", at)  # noqa: S608 - as above
        if rule.untagged_keep_history:
            inventory.execute(
                """
                INSERT INTO history
                SELECT entry.repository, entry.tag, entry.digest
                FROM tag_entries entry
                JOIN (FROM verdicts WHERE kept AND rule = $number) current USING (repository, tag)
                SEMI JOIN servable ON servable.repository = entry.repository AND servable.digest = entry.digest
                WHERE entry.digest <> current.digest
                QUALIFY row_number() OVER (
                    PARTITION BY entry.repository, entry.tag ORDER BY entry.modified DESC, entry.digest
                ) <= $count
                """,
                {**at, "count": rule.untagged_keep_history},
            )
    for table in ("candidates", "images", "image_manifests"):
        inventory.execute(f"DROP TABLE {table}")
