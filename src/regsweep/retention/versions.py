"""Order names of tags as versions, in SQL."""

from typing import Final

from regsweep.retention.policy import Semver

ORDER: Final = """array_to_string(list_transform(
    regexp_extract_all({0} || '#', '[0-9]+|[^0-9]+'),
    lambda part: CASE
        WHEN regexp_full_match(part, '[0-9]+') THEN
            '0' || lpad(length(ltrim(part, '0'))::VARCHAR, 3, '0') || ltrim(part, '0')
        ELSE replace(part, '-', '!') END
), '')"""
"""An expression for a text that sorts as the name does, as a version.

Runs of digits sort by their number, and what a hyphen follows before the same name without it, so that `1.9` comes
before `1.10-rc1`, and that before `1.10`.
"""

# semver.org's grammar, a leading v allowed. A tag cannot hold the plus sign of build metadata; by custom it is an
# underscore then, as in Helm's charts.
_NUMERIC: Final = "0|[1-9][0-9]*"
_IDENTIFIER: Final = f"(?:{_NUMERIC}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD: Final = "[0-9A-Za-z-]+"
_PATTERN: Final = (
    rf"^v?({_NUMERIC})\.({_NUMERIC})\.({_NUMERIC})"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:[_+]{_BUILD}(?:\.{_BUILD})*)?$"
)
_PARTS: Final = "['major', 'minor', 'patch', 'pre']"
# No type holds every number that fits into a tag. After its length it sorts as a text, for none begins with a zero.
_NUMBER: Final = "lpad(length(parts.{0})::VARCHAR, 3, '0') || parts.{0} AS {0}"
# Of identifiers between dots, numbers come before words, and by their number.
_PRERELEASE: Final = """list_transform(string_split(parts.pre, '.'), lambda part: CASE
    WHEN regexp_full_match(part, '[0-9]+') THEN
        '0' || lpad(length(ltrim(part, '0'))::VARCHAR, 3, '0') || ltrim(part, '0')
    ELSE '1' || part END)"""


def newest(tags: str, semver: Semver) -> tuple[str, dict[str, object]]:
    """The query for those of `tags`, a query, that are among the newest versions of their repository; its parameters.

    Several tags of one version are kept together. What is no version, such as `1.2` or `latest`, is not among them, nor
    is a prerelease unless the rule says so; then it is a version among the others.
    """
    limits: dict[str, object] = {"semver": _PATTERN}
    ranks: list[str] = []
    for name, limit, within, by in (
        ("majors", semver.majors, "", "major DESC"),
        ("minors", semver.minors_per_major, ", major", "minor DESC"),
        ("patches", semver.patches_per_minor, ", major, minor", "patch DESC, released DESC, prerelease DESC"),
    ):
        if limit is not None:
            limits[name] = limit
            ranks.append(f"dense_rank() OVER (PARTITION BY repository{within} ORDER BY {by}) <= ${name}")
    only = "" if semver.prereleases else "WHERE released"
    qualify = f"QUALIFY {' AND '.join(ranks)}" if ranks else ""
    return (
        f"""
        FROM (
            SELECT *, {_NUMBER.format("major")}, {_NUMBER.format("minor")}, {_NUMBER.format("patch")},
                parts.pre = '' AS released, {_PRERELEASE} AS prerelease
            FROM (SELECT *, regexp_extract(tag, $semver, {_PARTS}) AS parts FROM ({tags}))
            WHERE regexp_matches(tag, $semver)
        ) {only}
        {qualify}
        """,  # noqa: S608 - words of this module alone
        limits,
    )
