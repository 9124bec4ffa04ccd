"""What a policy is, and how one is read: from its file, or from options. docs/policy.md has its vocabulary.

Nothing here decides; a policy that was read is known to make sense, whatever the storage holds.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from regsweep.errors import UsageError
from regsweep.inventory.signals import signals_held_back
from regsweep.registry.layout import printable
from regsweep.retention.ages import parse_sum, write_age
from regsweep.retention.globs import as_regex

if TYPE_CHECKING:
    from regsweep.retention.reading import Field

VERSION: Final = 1
"""The version of the file's vocabulary."""

EVERYTHING: Final = ".*"
"""The pattern for every tag."""

_MOST_KEPT: Final = 999_999_999
_MOST_PATTERN: Final = 1000
"""Characters: RE2 takes time in proportion to the pattern, too."""
_SYNTAX: Final = r"the syntax is RE2's, as Go's: without look-arounds such as (?!...) and back-references such as \1"
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([kKMGT]i?)?B|(\d{1,18})", re.ASCII)
_PRERELEASES: Final = {"keep": True, "drop": False}
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_MOST_SIZE: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Semver:
    """Which versions are kept, the highest first; `None` is all of them."""

    majors: int | None = None
    minors_per_major: int | None = None
    patches_per_minor: int | None = None
    prereleases: bool = False
    """Whether they count as versions; else this keeps none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """One entry of `keepTags`: a tag that a pattern is found in is kept by any of the conditions, or without one."""

    patterns: tuple[str, ...] = (EVERYTHING,)
    """Regular expressions in RE2's syntax, found anywhere in the tag's name."""
    not_patterns: tuple[str, ...] = ()
    """Of those tags the entry is not for the ones that one of these is found in."""
    most_recently_pushed: int | None = None
    pushed_within: timedelta | None = None
    most_recently_created: int | None = None
    created_within: timedelta | None = None
    semver: Semver | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """Of the image's configuration, by their names: an image that has them all is kept."""
    min_size: int | None = None
    """In bytes."""

    @property
    def always(self) -> bool:
        """Whether no condition stands beside the patterns."""
        return self == Keep(patterns=self.patterns, not_patterns=self.not_patterns)

    @property
    def needs_images(self) -> bool:
        """Whether a condition asks for what stands in images' configurations."""
        return bool(self.most_recently_created or self.created_within or self.labels)

    def document(self) -> dict[str, object]:
        """The entry in the file's own vocabulary."""
        written: dict[str, object] = {
            "patterns": list(self.patterns),
            "notPatterns": list(self.not_patterns) or None,
            "mostRecentlyPushedCount": self.most_recently_pushed,
            "pushedWithin": _written(self.pushed_within),
            "mostRecentlyCreatedCount": self.most_recently_created,
            "createdWithin": _written(self.created_within),
            "semver": None if self.semver is None else _semver_document(self.semver),
            "labels": dict(self.labels) or None,
            "minSize": self.min_size,
        }
        return {name: value for name, value in written.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is kept of some repositories."""

    repositories: tuple[str, ...]
    """Globs; see globs.py."""
    keep_tags: tuple[Keep, ...] | None = None
    """What keeps a tag, any of them; `None` keeps all tags."""
    never_delete: tuple[str, ...] = ()
    """Patterns of tags that stay whatever else is said."""
    delete_untagged: bool | None = None
    """Whether revisions without a tag go; `None` is what --untagged says."""
    untagged_keep_history: int = 0
    """How many of the digests that each tag had before are kept."""
    delete_referrers: bool | None = None
    """Whether signatures and referrers go with their image; `None` is what --untagged says."""
    allow_empty: bool = False
    """Whether a repository may lose its last tag."""
    line: int = field(default=0, compare=False)
    """Where it stands in its file; 0 for one that options gave."""

    def document(self) -> dict[str, object]:
        """The rule in the file's own vocabulary."""
        written: dict[str, object] = {
            "repositories": list(self.repositories),
            "keepTags": None if self.keep_tags is None else [keep.document() for keep in self.keep_tags],
            "neverDelete": list(self.never_delete) or None,
            "deleteUntagged": self.delete_untagged,
            "untaggedKeepHistory": self.untagged_keep_history or None,
            "deleteReferrers": self.delete_referrers,
            "allowEmpty": self.allow_empty or None,
        }
        return {name: value for name, value in written.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Rules in order: the first that names a repository decides about it; where none does, everything is kept."""

    rules: tuple[Rule, ...]
    name: str = field(compare=False)
    """The file's, or `options`."""

    @property
    def needs_images(self) -> bool:
        """Whether a rule asks for what stands in images' configurations."""
        return any(keep.needs_images for rule in self.rules for keep in rule.keep_tags or ())

    def document(self) -> list[dict[str, object]]:
        """The rules in the file's own vocabulary, the same for equal policies, as plans and reports have them."""
        return [rule.document() for rule in self.rules]


def parse_policy(text: str, name: str) -> Policy:
    """Read a policy's file.

    Args:
        text: what stands in it.
        name: the file's name, for errors.

    Raises:
        UsageError: it is no policy; the message names file, line and field.
    """
    # YAML takes a while to import, and a policy is mostly given as options.
    from regsweep.retention.reading import load  # noqa: PLC0415

    whole = load(text, name)
    version = whole.map().get("version")
    if version is None:
        raise whole.missing("version", "write version: 1 at the top")
    if version.text() != str(VERSION):
        raise version.error(f"is {version.text()[:20]}, and only {VERSION} is known", hint=f"write version: {VERSION}")
    fields = whole.known("version", "rules")
    if "rules" not in fields:
        raise whole.missing("rules", "write rules: and below it - repositories: [...]")
    patterns: dict[str, str] = {}
    rules = tuple(_rule(rule, patterns) for rule in fields["rules"].items())
    if not rules:
        raise fields["rules"].error("has no rule", hint="without a policy everything is kept")
    _check_patterns(patterns)
    return Policy(rules=rules, name=name)


def from_options(
    *, keep_last: int | None, keep_within: timedelta | None, keep_tags: Sequence[str], only_repos: Sequence[str]
) -> Policy | None:
    """Make the policy that options ask for: one rule, for `only_repos` or for all repositories.

    Raises:
        UsageError: they make no sense together, or one of them makes none.
    """
    if keep_last is None and keep_within is None and not keep_tags:
        if only_repos:
            raise UsageError(
                "--only-repos: nothing says what is kept there",
                hint="add --keep-last, --keep-within or --keep-tags, or use --policy",
            )
        return None
    if keep_last is not None and keep_last < 1:
        raise UsageError(f"--keep-last {keep_last}: keeps nothing", hint="write 1 or more, or leave it out")
    if keep_last is not None and keep_last > _MOST_KEPT:
        raise UsageError(f"--keep-last {keep_last}: is more than {_MOST_KEPT:,}", hint="leave it out to keep all tags")
    if keep_within is not None and keep_within <= timedelta(0):
        raise UsageError("--keep-within 0: keeps nothing", hint="write 24h or 30d, or leave it out")
    for glob in only_repos:
        _check_glob(glob, "--only-repos")
    _check_patterns(dict.fromkeys(keep_tags, "--keep-tags"))
    keeps = []
    if keep_tags:
        keeps.append(Keep(patterns=tuple(keep_tags)))
    if keep_last is not None or keep_within is not None:
        keeps.append(Keep(most_recently_pushed=keep_last, pushed_within=keep_within))
    rule = Rule(repositories=tuple(only_repos) or ("**",), keep_tags=tuple(keeps))
    return Policy(rules=(rule,), name="options")


def check_pattern(pattern: str, where: str) -> None:
    """Make sure that a regular expression is one of RE2's.

    Args:
        pattern: the expression.
        where: the option or the field that it was given for.

    Raises:
        UsageError: it is none.
    """
    _check_patterns({pattern: where})


def _check_patterns(patterns: Mapping[str, str]) -> None:
    """Check many, each with the place it was first given at."""
    for pattern, where in patterns.items():
        if not pattern:
            raise UsageError(f"{where}: is empty, and would match every tag", hint="write '.*' if that is meant")
        if len(pattern) > _MOST_PATTERN:
            raise UsageError(f"{where}: has more than {_MOST_PATTERN} characters", hint="write several patterns")
        if not pattern.isprintable():
            raise UsageError(f"{where}: {pattern!r} has a character that no tag has", hint="write it in one line")
    if not patterns:
        return
    with signals_held_back():
        # It takes longer to import than the rest of the command.
        import duckdb  # noqa: PLC0415

    # Closed at once: a scan forks, and the connection's threads must be gone by then.
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        for pattern, where in patterns.items():
            try:
                connection.execute("SELECT regexp_matches('', $1)", [pattern])
            except duckdb.Error as error:
                said = printable(str(error).partition("\n")[0].partition(": ")[2])
                raise UsageError(f"{where}: {pattern!r} is no regular expression: {said}", hint=_SYNTAX) from None


def _check_glob(glob: str, where: str) -> None:
    try:
        as_regex(glob)
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", hint=error.hint) from None


def _rule(rule: "Field", patterns: dict[str, str]) -> Rule:
    fields = rule.known(
        *("repositories", "keepTags", "neverDelete", "deleteUntagged"),
        *("untaggedKeepHistory", "deleteReferrers", "allowEmpty"),
    )
    if "repositories" not in fields:
        raise rule.missing("repositories", "write repositories: ['**'] for all of them")
    globs = fields["repositories"].items()
    if not globs:
        raise fields["repositories"].error("names no repository", hint="write ['**'] for all of them")
    for glob in globs:
        _check_glob(glob.text(), glob.where)
    untagged, history, referrers, empty = (
        fields.get(name) for name in ("deleteUntagged", "untaggedKeepHistory", "deleteReferrers", "allowEmpty")
    )
    return Rule(
        repositories=tuple(glob.text() for glob in globs),
        keep_tags=_keep_tags(fields["keepTags"], patterns) if "keepTags" in fields else None,
        never_delete=_patterns(fields["neverDelete"], patterns) if "neverDelete" in fields else (),
        delete_untagged=untagged.flag() if untagged else None,
        untagged_keep_history=history.number(0, _MOST_KEPT) if history else 0,
        delete_referrers=referrers.flag() if referrers else None,
        allow_empty=empty.flag() if empty else False,
        line=rule.line,
    )


def _keep_tags(entries: "Field", patterns: dict[str, str]) -> tuple[Keep, ...]:
    keeps = tuple(_keep(entry, patterns) for entry in entries.items())
    if not keeps:
        raise entries.error(
            "is empty: nothing would be kept", hint="leave keepTags out to keep all tags, or say which are kept"
        )
    return keeps


def _keep(entry: "Field", patterns: dict[str, str]) -> Keep:
    fields = entry.known(
        *("patterns", "notPatterns", "mostRecentlyPushedCount", "pushedWithin"),
        *("mostRecentlyCreatedCount", "createdWithin", "semver", "labels", "minSize"),
    )
    pushed, created, semver, labels, size = (
        fields.get(name)
        for name in ("mostRecentlyPushedCount", "mostRecentlyCreatedCount", "semver", "labels", "minSize")
    )
    return Keep(
        patterns=_patterns(fields["patterns"], patterns) if "patterns" in fields else (EVERYTHING,),
        not_patterns=_patterns(fields["notPatterns"], patterns) if "notPatterns" in fields else (),
        most_recently_pushed=pushed.number(1, _MOST_KEPT) if pushed else None,
        pushed_within=_age(fields.get("pushedWithin")),
        most_recently_created=created.number(1, _MOST_KEPT) if created else None,
        created_within=_age(fields.get("createdWithin")),
        semver=_semver(semver) if semver else None,
        labels=tuple(sorted((key, label.text(nulls=True)) for key, label in labels.map().items())) if labels else (),
        min_size=_size(size) if size else None,
    )


def _patterns(field: "Field", patterns: dict[str, str]) -> tuple[str, ...]:
    """Read patterns, and remember for each where it stands until all of them are checked at once."""
    items = field.items()
    if not items:
        raise field.error("is empty", hint="leave it out, or write a pattern")
    for item in items:
        patterns.setdefault(item.text(), item.where)
    return tuple(item.text() for item in items)


def _age(field: "Field | None") -> timedelta | None:
    if field is None:
        return None
    age = parse_sum(field.text())
    if age is None:
        raise field.error(f"{field.text()[:60]!r} is no age", hint="write 90m, 24h, 30d or 2w")
    if not age:
        raise field.error(f"{field.text()[:60]!r} keeps nothing", hint="write 24h or 30d, or leave it out")
    return age


def _semver(field: "Field") -> Semver:
    fields = field.known("majors", "minorsPerMajor", "patchesPerMinor", "prereleases")
    majors, minors, patches = (
        fields[name].number(1, _MOST_KEPT) if name in fields else None
        for name in ("majors", "minorsPerMajor", "patchesPerMinor")
    )
    prereleases = fields["prereleases"].text() if "prereleases" in fields else "drop"
    if prereleases not in _PRERELEASES:
        raise fields["prereleases"].error(f"is {prereleases[:60]!r}, and not keep or drop", hint="write keep or drop")
    return Semver(
        majors=majors, minors_per_major=minors, patches_per_minor=patches, prereleases=_PRERELEASES[prereleases]
    )


def _size(field: "Field") -> int:
    text = field.text()
    found = _SIZE.fullmatch(text)
    if not found:
        raise field.error(f"{text[:60]!r} is no size", hint="write bytes, or 10MB, or 10MiB")
    number, prefix, plain = found.groups(default="")
    size = int(plain or Fraction(number) * (1024 if "i" in prefix else 1000) ** _POWERS[prefix[:1].upper()])
    if size > _MOST_SIZE:
        raise field.error(f"{text[:60]!r} is more than any storage holds", hint="write bytes, or 10MB, or 10MiB")
    if not size:
        raise field.error(f"{text[:60]!r} keeps everything", hint="write 1 or more, or leave it out")
    return size


def _written(age: timedelta | None) -> str | None:
    return None if age is None else write_age(age)


def _semver_document(semver: Semver) -> dict[str, object]:
    written = {
        "majors": semver.majors,
        "minorsPerMajor": semver.minors_per_major,
        "patchesPerMinor": semver.patches_per_minor,
        "prereleases": "keep" if semver.prereleases else "drop",
    }
    return {name: value for name, value in written.items() if value is not None}
