"""Try a policy on a storage, and change nothing there."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from regsweep.cli.planning import Decided, Places, decided
from regsweep.cli.sources import Source, open_source
from regsweep.errors import UsageError
from regsweep.inventory.database import Inventory
from regsweep.inventory.progress import Progress
from regsweep.plan.by_rule import by_rule
from regsweep.plan.options import Options
from regsweep.registry.layout import printable
from regsweep.report.text import REASONS, rules_table
from regsweep.retention.conditions import reasons
from regsweep.retention.globs import any_of, takes_in
from regsweep.retention.judge import LAST, YOUNG
from regsweep.retention.names import Name
from regsweep.retention.policy import Policy, Rule

_NAMED: Final = 5
"""Repositories that one warning names at most."""
_COMPARED: Final = 100_000
"""Pairs of globs that are compared at most: it takes a second or so, and nobody writes so many by hand."""
_FROZEN: Final = "  its repository cannot be fully understood, so nothing of it is deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a policy is tried on, and how."""

    source: Source
    options: Options
    places: Places
    progress: Progress


def explain(trial: Trial, policy: Policy, name: Name) -> str:
    """Tell whether a tag is kept, and why.

    Raises:
        UsageError: there is no such tag, or no such repository.
        RegsweepError: see planning.py.
    """
    now = datetime.now(UTC)
    with decided(open_source(trial.source), trial.options, trial.places, trial.progress, now=now) as found:
        return _explained(found.inventory, policy, name, now)


def check(trial: Trial, policy: Policy, known: Container[int]) -> tuple[str, list[str]]:
    """Tell what each rule matches and lets go, as a table, and what is odd about that.

    Of rules that are known never to decide it is no news that they decide about none.

    Raises:
        RegsweepError: see planning.py.
    """
    now = datetime.now(UTC)
    with decided(open_source(trial.source), trial.options, trial.places, trial.progress, now=now) as found:
        return rules_table(by_rule(found.inventory, policy)), _oddities(found, policy, known)


def shadowed(policy: Policy) -> dict[int, str]:
    """Tell which rules can never decide, by their numbers, whatever the storage holds, as far as their globs tell."""
    warnings: dict[int, str] = {}
    globs = compared = 0
    for number, rule in enumerate(policy.rules, 1):
        compared += globs * len(rule.repositories)
        globs += len(rule.repositories)
        if compared > _COMPARED:
            break
        earlier = list(enumerate(policy.rules[: number - 1], 1))
        deciders = {
            next((before for before, one in earlier if any(takes_in(wide, glob) for wide in one.repositories)), 0)
            for glob in rule.repositories
        }
        if 0 not in deciders:
            *others, last = (f"{before}" for before in sorted(deciders))
            those = f"rules {', '.join(others)} and {last} are" if others else f"rule {last} is"
            warnings[number] = f"{_rule(number, rule)} never decides: {those} for all of its repositories"
    return warnings


def _rule(number: int, rule: Rule) -> str:
    line = f" at line {rule.line}" if rule.line else ""
    return f"rule {number}{line}, for {', '.join(rule.repositories)},"


def _explained(inventory: Inventory, policy: Policy, name: Name, now: datetime) -> str:
    at = {"repository": name.repository, "tag": name.tag}
    tags = list(
        inventory.rows(
            """
            SELECT tags.repository, 'sha256:' || lower(hex(tags.digest)), ruled.rule, verdict.pushed, verdict.created,
                frozen.repository IS NOT NULL, gone.reason,
                (tags.repository, tags.digest) IN (SELECT (repository, digest) FROM servable)
            FROM tags JOIN repositories ON repositories.id = tags.repository
            LEFT JOIN ruled ON ruled.repository = tags.repository
            LEFT JOIN frozen ON frozen.repository = tags.repository
            LEFT JOIN verdicts verdict ON verdict.repository = tags.repository AND verdict.tag = tags.tag
            LEFT JOIN (FROM condemned WHERE kind = 'tag') gone
                ON gone.repository = tags.repository AND gone.tag = tags.tag
            WHERE repositories.name = $repository AND tags.tag = $tag
            """,
            at,
        )
    )
    if not tags:
        damaged = inventory.rows(
            "SELECT problem FROM damage WHERE key = $key",
            {"key": f"repositories/{name.repository}/_manifests/tags/{name.tag}/current/link"},
        )
        for (problem,) in damaged:
            lines = [f"{printable(str(name))} is kept", f"  its link is damaged: {printable(str(problem))}", _FROZEN]
            return "\n".join(lines)
        if not list(inventory.rows("FROM repositories WHERE name = $name", {"name": name.repository})):
            raise UsageError(
                f"{printable(name.repository)}: there is no such repository", hint="regsweep ls lists them"
            )
        raise UsageError(f"{printable(str(name))}: there is no such tag", hint="regsweep ls lists the tags")
    repository, digest, rule, pushed, created, frozen, gone, served = tags[0]
    lines = [f"{printable(str(name))} {'goes' if gone else 'is kept'}", f"  stands at  {digest}"]
    lines += [
        f"  {what}    {time:%Y-%m-%d %H:%M:%S} UTC"
        for what, time in (("pushed ", pushed), ("created", created))
        if isinstance(time, datetime)
    ]
    if frozen:
        return "\n".join([*lines, _FROZEN])
    if not isinstance(rule, int):
        return "\n".join([*lines, "  no rule is for its repository, so everything in it is kept"])
    decides = policy.rules[rule - 1]
    lines.append(f"  rule {rule} of {policy.name} decides, for {', '.join(decides.repositories)}")
    if pushed is None:
        stays = "it is about another image, and stays" if served else "it leads nowhere, and is younger than --min-age"
        why = f"it goes: {REASONS[str(gone)]}" if gone else stays
        return "\n".join([*lines, f"  which does not judge it: {why}"])
    keeps = {
        str(why)
        for (why,) in inventory.rows(
            "SELECT why FROM verdict_reasons WHERE repository = $repository AND tag = $tag",
            {**at, "repository": repository},
        )
    }
    known = [why for why, _, _ in reasons(decides, now)]
    extra = [why for why in (YOUNG, LAST) if why in keeps]
    return "\n".join(
        [*lines, *(f"    {'yes' if why in keeps else 'no ':<4} {printable(why)}" for why in known + extra)]
    )


def _oddities(found: Decided, policy: Policy, known: Container[int]) -> list[str]:
    inventory = found.inventory
    warnings: list[str] = []
    for number, rule in enumerate(policy.rules, 1):
        named = _rule(number, rule)
        decides = _names(
            inventory, "SELECT name FROM ruled JOIN repositories ON id = repository WHERE rule = $rule", number
        )
        if not decides and number not in known:
            matches, globs = any_of(rule.repositories)
            some = inventory.row(f"SELECT count(*) FROM repositories WHERE {matches}", globs)[0]  # noqa: S608 - this module's words
            warnings.append(
                f"{named} decides about none: an earlier rule is for each that it matches ({some} in all), "
                "or it is frozen"
                if some
                else f"{named} matches no repository"
            )
        emptied = """
            SELECT name FROM verdicts JOIN repositories ON id = repository
            WHERE rule = $rule GROUP BY name HAVING {}
        """
        if gone := _names(inventory, emptied.format("NOT bool_or(kept)"), number):
            warnings.append(f"{named} empties {gone}, as allowEmpty says")
        untagged = """
            SELECT summary.name FROM repository_summary summary JOIN ruled ON ruled.repository = summary.id
            ANTI JOIN verdicts ON verdicts.repository = summary.id
            WHERE ruled.rule = $rule AND tags = tags_condemned AND revisions > 0 AND revisions = revisions_condemned
        """
        if left := rule.delete_untagged and _names(inventory, untagged, number):
            warnings.append(f"{named} empties {left}: no tag leads to what is there, and deleteUntagged lets it go")
        last = f"""
            SELECT name FROM verdict_reasons JOIN verdicts USING (repository, tag)
            JOIN repositories ON id = verdicts.repository WHERE why = '{LAST}' AND rule = $rule
        """  # noqa: S608 - a word of regsweep's own
        if left := _names(inventory, last, number):
            warnings.append(f"{named} would empty {left}; the last tag that was pushed there stays")
    return warnings


def _names(inventory: Inventory, query: str, rule: int) -> str:
    """The names that a query gives, the first of them, for people."""
    names = sorted(str(name) for (name,) in inventory.rows(query, {"rule": rule}))
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
