"""Remove by name: repositories, tags and manifests that a user lists."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import nanoarrow as na

from regsweep.errors import RefusedError, UsageError
from regsweep.inventory.database import Inventory
from regsweep.registry import layout
from regsweep.registry.manifest import Role
from regsweep.retention.globs import as_regex
from regsweep.retention.names import Name

_LISTED: Final = 5
"""Names that one message lists at most."""
_CLOSE: Final = 3
"""Names that are told at most where one is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What is to be removed."""

    names: tuple[Name, ...]
    tags_matching: tuple[str, ...] = ()
    """RE2 patterns; with them, of repositories that are named not all goes but the tags that one of them finds."""
    force: bool = False
    """Whether manifests go that an index needs which stays."""


def remove(inventory: Inventory, removal: Removal) -> None:
    """Choose what was named; see choice.py for the tables that this fills.

    Raises:
        UsageError: there is something that was named and does not exist.
        RefusedError: it is in a repository that cannot be fully understood.
    """
    frozen, repositories = _frozen(inventory), _repositories(inventory, removal.names)
    found = [_without_frozen(inventory, name, repositories[name.repository], frozen) for name in removal.names]
    missing = _choose_parts(inventory, removal.names, found)
    if missing:
        told = ", ".join(_missing(inventory, removal.names[place], found[place]) for place in missing[:_LISTED])
        more = f", and {len(missing) - _LISTED:,} more" if len(missing) > _LISTED else ""
        raise UsageError(
            f"not in the storage: {layout.printable(told)}{more}",
            hint="regsweep ls lists what is there; nothing was removed",
        )
    whole = {number for name, numbers in zip(removal.names, found, strict=True) if name.whole for number in numbers}
    at = {"repositories": sorted(whole)}
    if not removal.tags_matching:
        _remove_whole(inventory, at)
    elif not _match(inventory, removal.tags_matching, at):
        raise UsageError("no tag matches --tags-matching", hint="regsweep ls lists the tags; nothing was removed")


def check_needed(inventory: Inventory, removal: Removal) -> None:
    """See that no index that stays loses one of its parts, once it was worked out what stays.

    Raises:
        RefusedError: one does, and `force` was not given.
    """
    if removal.force:
        return
    for repository, digest, index, tags in inventory.rows(
        f"""
        SELECT name, lower(hex(banned.digest)), lower(hex(reference.manifest)),
            (SELECT string_agg(tag, ', ' ORDER BY tag) FROM tags
                WHERE tags.repository = banned.repository AND tags.digest = reference.manifest
                    AND (tags.repository, tag) NOT IN (FROM let_go))
        FROM banned ANTI JOIN gone USING (repository)
        JOIN manifest_references reference ON reference.digest = banned.digest
            AND reference.role IN ({int(Role.CHILD)}, {int(Role.OTHER)})
        SEMI JOIN reached ON reached.repository = banned.repository AND reached.digest = reference.manifest
        JOIN repositories ON repositories.id = banned.repository
        ORDER BY ALL LIMIT 1
        """  # noqa: S608 - numbers of this package
    ):
        tagged = f", which is tagged {tags}," if tags else ""
        raise RefusedError(
            f"{repository}@sha256:{digest}: the index sha256:{index}{tagged} needs it and stays",
            hint="name the index too, or add --force to break it",
        )


def _repositories(inventory: Inventory, names: Sequence[Name]) -> dict[str, dict[int, str]]:
    """The repositories that each name of one, or glob for several, is about."""
    found: dict[str, dict[int, str]] = {name.repository: {} for name in names}
    query = "SELECT id, name FROM repositories WHERE "
    exact = {"names": [name.repository for name in names if not name.several]}
    for number, one in inventory.rows(query + "name IN (SELECT unnest($names::VARCHAR[]))", exact):
        found[str(one)][int(str(number))] = str(one)
    for glob in {name.repository for name in names if name.several}:
        for number, one in inventory.rows(query + "regexp_full_match(name, $glob)", {"glob": as_regex(glob)}):
            found[glob][int(str(number))] = str(one)
    return found


def _choose_parts(inventory: Inventory, names: Sequence[Name], found: Sequence[list[int]]) -> list[int]:
    """Choose the tags and manifests that were named, all at once; return the places of what is not there."""
    parts = [
        (place, number, name.tag or None, name.digest.raw if name.digest else None)
        for place, (name, numbers) in enumerate(zip(names, found, strict=True))
        for number in numbers or [-1]
    ]
    columns = {"place": na.int32(), "repository": na.int32(), "tag": na.string(), "digest": na.binary()}
    inventory.execute("CREATE TABLE parts (place INTEGER, repository INTEGER, tag VARCHAR, digest BLOB)")
    inventory.load("parts", columns, list(zip(*parts, strict=True)))
    inventory.execute(
        "INSERT INTO let_go FROM (SELECT DISTINCT repository, tag FROM parts) SEMI JOIN tags USING (repository, tag)"
    )
    inventory.execute(
        """
        INSERT INTO banned
        FROM (SELECT DISTINCT repository, digest FROM parts) SEMI JOIN revisions USING (repository, digest)
        """
    )
    along = "FROM tags SEMI JOIN banned USING (repository, digest)"
    inventory.execute(
        f"""
        INSERT INTO notes
        SELECT DISTINCT 'tag-goes-along', repository, tag,
            'the tag goes too, for it stands at sha256:' || lower(hex(digest)) {along}
        """
    )
    inventory.execute(f"INSERT INTO let_go SELECT DISTINCT repository, tag {along}")
    missing = inventory.rows(
        """
        SELECT place FROM parts GROUP BY place HAVING NOT coalesce(bool_or(
            (tag IS NULL AND digest IS NULL AND repository >= 0)
            OR (repository, tag) IN (SELECT (repository, tag) FROM tags)
            OR (repository, digest) IN (SELECT (repository, digest) FROM revisions)
        ), false) ORDER BY place
        """
    )
    places = [int(str(place)) for (place,) in missing]
    inventory.execute("DROP TABLE parts")
    return places


def _missing(inventory: Inventory, name: Name, found: list[int]) -> str:
    """What is not there, and what is that one could have meant."""
    if not found:
        repositories = inventory.rows("SELECT name FROM repositories ORDER BY name")
        return f"{name.repository} (no such repository{_suggestion(name.repository, repositories, 0.6)})"
    if name.digest:
        return f"{name} (no such revision)"
    tags = inventory.rows(
        "SELECT DISTINCT tag FROM tags WHERE repository IN (SELECT unnest($repositories)) ORDER BY tag",
        {"repositories": [] if name.several else found},
    )
    # Tags are short, and one letter of two is half of them.
    return f"{name} (no such tag{_suggestion(name.tag, tags, 0.5)})"


def _suggestion(name: str, known: Iterable[tuple[object, ...]], alike: float) -> str:
    close = difflib.get_close_matches(name, [str(one) for (one,) in known], _CLOSE, cutoff=alike)
    return f"; there is {', '.join(close)}" if close else ""


def _frozen(inventory: Inventory) -> dict[int, str]:
    """Why each frozen repository is so, as far as one key tells."""
    return {
        int(str(number)): str(problem or "one of its manifests is damaged")
        for number, problem in inventory.rows(
            "SELECT repository, any_value(problem) FROM frozen LEFT JOIN damage USING (repository) GROUP BY repository"
        )
    }


def _without_frozen(
    inventory: Inventory, name: Name, repositories: dict[int, str], frozen: dict[int, str]
) -> list[int]:
    """Leave out what cannot be fully understood, and say so; it is refused where it is named itself."""
    left = [number for number in repositories if number not in frozen]
    for number, found in repositories.items():
        if number in left:
            continue
        if not name.several or not left:
            raise RefusedError(
                f"{layout.printable(found)}: nothing is removed from it, for it is not certain what it holds: "
                f"{frozen[number]}",
                hint="regsweep plan says which of its keys that is about",
            )
        inventory.execute(
            "INSERT INTO notes SELECT 'left-alone', $repository, NULL, $problem EXCEPT FROM notes",
            {"repository": number, "problem": f"nothing is removed from it: {frozen[number]}"},
        )
    return left


def _let_go(inventory: Inventory, which: str, parameters: dict[str, object]) -> int:
    """Let tags go that a condition finds in some repositories; return how many."""
    found = f"FROM tags WHERE repository IN (SELECT unnest($repositories)) AND {which}"
    inventory.execute(f"INSERT INTO let_go SELECT DISTINCT repository, tag {found}", parameters)
    return int(str(inventory.row(f"SELECT count(*) {found}", parameters)[0]))


def _match(inventory: Inventory, patterns: tuple[str, ...], at: dict[str, list[int]]) -> int:
    named = {f"pattern{place}": pattern for place, pattern in enumerate(patterns)}
    condition = " OR ".join(f"regexp_matches(tag, ${name})" for name in named)
    return _let_go(inventory, f"({condition})", {**at, **named})


def _remove_whole(inventory: Inventory, at: dict[str, list[int]]) -> None:
    inventory.execute("INSERT INTO gone SELECT unnest($repositories)", at)
    inventory.execute(
        """
        INSERT INTO banned
        SELECT repository, digest FROM (FROM servable UNION SELECT repository, digest FROM revisions)
        WHERE repository IN (SELECT unnest($repositories))
        EXCEPT FROM banned
        """,
        at,
    )
    _let_go(inventory, "true", dict(at))
