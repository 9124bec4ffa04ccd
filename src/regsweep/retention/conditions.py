"""What keeps a tag: each condition of a rule as a query. docs/policy.md tells users what they mean."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from regsweep.retention import versions
from regsweep.retention.ages import before, write_age
from regsweep.retention.policy import EVERYTHING, Keep, Rule

Condition = tuple[str, str, Mapping[str, object]]
"""Why a tag is kept, by which query of (repository, tag), with which parameters."""

_LATEST = "row_number() OVER (PARTITION BY repository ORDER BY {} DESC, sorted DESC, tag DESC) <= $count"
"""Whether a tag is among the latest of its repository; equal times are ordered by name, as versions."""


def reasons(rule: Rule, now: datetime) -> Iterator[Condition]:
    """Each thing that keeps tags of a rule's repositories, by its place; `$number` is the rule's."""
    all_of_them = "FROM candidates WHERE rule = $number"
    if rule.never_delete:
        matches, patterns = matching(rule.never_delete, "pattern")
        yield "neverDelete", f"{all_of_them} AND {matches}", patterns
    if rule.keep_tags is None:
        yield "the rule has no keepTags", all_of_them, {}
    for place, keep in enumerate(rule.keep_tags or ()):
        is_for, patterns = tags_of(keep)
        tags = f"{all_of_them} AND {is_for}"
        for why, found, parameters in _conditions(keep, tags, now):
            yield f"keepTags[{place}]: {why}", found, {**patterns, **parameters}


def tags_of(keep: Keep) -> tuple[str, dict[str, object]]:
    """The condition that an entry of `keepTags` is for a tag, and its parameters."""
    matches, patterns = matching(keep.patterns, "pattern")
    excluded, others = matching(keep.not_patterns, "other")
    return f"{matches} AND NOT {excluded}", {**patterns, **others}


def matching(patterns: tuple[str, ...], word: str) -> tuple[str, dict[str, object]]:
    """The condition that one of some patterns is found in a tag, and its parameters, whose names begin with a word."""
    named: dict[str, object] = {f"{word}{place}": pattern for place, pattern in enumerate(patterns)}
    return f"({' OR '.join(f'regexp_matches(tag, ${name})' for name in named) or 'false'})", named


def _conditions(keep: Keep, tags: str, now: datetime) -> Iterator[Condition]:
    """What keeps some of the tags that an entry of `keepTags` is for: `tags`, a query."""
    named = _named(keep)
    if keep.always:
        yield named.removeprefix(" of those that ") or "every tag", tags, {}
    if keep.most_recently_pushed is not None:
        count = keep.most_recently_pushed
        query = f"{tags} QUALIFY {_LATEST.format('pushed')}"
        yield f"among the {count:,} most recently pushed{named}", query, {"count": count}
    if keep.pushed_within is not None:
        since = before(now, keep.pushed_within)
        yield f"pushed within {write_age(keep.pushed_within)}{named}", f"{tags} AND pushed >= $since", {"since": since}
    if keep.semver is not None:
        query, limits = versions.newest(tags, keep.semver)
        yield f"among the newest versions{named}", query, limits
    for why, query, parameters in _conditions_inside(
        keep, f"FROM ({tags}) JOIN images USING (repository, digest)", now
    ):
        yield f"{why}{named}", query, parameters


def _conditions_inside(keep: Keep, images: str, now: datetime) -> Iterator[Condition]:
    """Those that ask for what only images tell."""
    if keep.most_recently_created is not None:
        count = keep.most_recently_created
        query = f"FROM ({images} WHERE created IS NOT NULL) QUALIFY {_LATEST.format('created')}"
        yield f"among the {count:,} most recently created", query, {"count": count}
    if keep.created_within is not None:
        since = before(now, keep.created_within)
        yield f"created within {write_age(keep.created_within)}", f"{images} WHERE created >= $since", {"since": since}
    if keep.most_recently_created is not None or keep.created_within is not None:
        yield "of unknown creation date, which keeps it", f"{images} WHERE created IS NULL OR unknown", {}
    if keep.labels:
        wanted = {f"key{at}": key for at, (key, _) in enumerate(keep.labels)}
        wanted |= {f"value{at}": value for at, (_, value) in enumerate(keep.labels)}
        query = f"{images} WHERE " + " AND ".join(
            f"list_contains(labels, {{'key': $key{at}, 'value': $value{at}}})" for at in range(len(keep.labels))
        )
        yield f"labelled {', '.join(f'{key}={value}' for key, value in keep.labels)}", query, wanted
        yield "of unknown labels, which keeps it", f"{images} WHERE unknown", {}
    if keep.min_size is not None:
        yield f"of {keep.min_size:,} bytes or more", f"{images} WHERE bytes >= $size", {"size": keep.min_size}


def _named(keep: Keep) -> str:
    """Which tags an entry is for, in words; nothing for all."""
    named = [f"match {' or '.join(keep.patterns)}"] if keep.patterns != (EVERYTHING,) else []
    if keep.not_patterns:
        named.append(f"do not match {' or '.join(keep.not_patterns)}")
    return f" of those that {' and '.join(named)}" if named else ""
