"""Remove by name: repositories, tags and manifests that a user lists."""

import difflib
from dataclasses import dataclass
from typing import Final

from regsweep.errors import RefusedError, UsageError
from regsweep.inventory.database import Inventory
from regsweep.registry import layout
from regsweep.registry.digest import Digest
from regsweep.registry.manifest import Role
from regsweep.retention.globs import as_regex
from regsweep.retention.names import Name

_LISTED: Final = 5
"""Names that one message lists at most."""


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
    missing: list[str] = []
    found = 0
    frozen = _frozen(inventory)
    for name in removal.names:
        repositories = _repositories(inventory, name)
        if not repositories:
            missing.append(f"{name.repository} (no such repository{_suggestion(inventory, name.repository)})")
            continue
        at = {"repositories": _without_frozen(inventory, name, repositories, frozen)}
        if name.tag:
            if not _let_go(inventory, "tag = $tag", {**at, "tag": name.tag}):
                missing.append(f"{name} (no such tag)")
        elif name.digest:
            if not _ban(inventory, name.digest, at):
                missing.append(f"{name} (no such revision)")
        elif removal.tags_matching:
            found += _match(inventory, removal.tags_matching, at)
        else:
            _remove_whole(inventory, at)
    if missing:
        more = f", and {len(missing) - _LISTED:,} more" if len(missing) > _LISTED else ""
        raise UsageError(
            f"not in the storage: {layout.printable(', '.join(missing[:_LISTED]))}{more}",
            hint="regsweep ls lists what is there; nothing was removed",
        )
    if removal.tags_matching and not found:
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


def _repositories(inventory: Inventory, name: Name) -> dict[int, str]:
    query = "SELECT id, name FROM repositories WHERE "
    if name.several:
        rows = inventory.rows(query + "regexp_full_match(name, $glob)", {"glob": as_regex(name.repository)})
    else:
        rows = inventory.rows(query + "name = $name", {"name": name.repository})
    return {int(str(number)): str(found) for number, found in rows}


def _suggestion(inventory: Inventory, name: str) -> str:
    names = (str(found) for (found,) in inventory.rows("SELECT name FROM repositories"))
    close = difflib.get_close_matches(name, names, n=1)
    return f"; there is {close[0]}" if close else ""


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


def _ban(inventory: Inventory, digest: Digest, at: dict[str, list[int]]) -> int:
    parameters: dict[str, object] = {**at, "digest": digest.raw}
    found = "FROM revisions WHERE repository IN (SELECT unnest($repositories)) AND digest = $digest"
    # Whoever names a thing twice, or a glob beside what it matches, has it removed once.
    inventory.execute(f"INSERT INTO banned SELECT repository, digest {found} EXCEPT FROM banned", parameters)  # noqa: S608 - as above
    inventory.execute(
        """
        INSERT INTO notes
        SELECT 'tag-goes-along', repository, tag, 'the tag goes too, for it stands at sha256:' || lower(hex(digest))
        FROM tags WHERE repository IN (SELECT unnest($repositories)) AND digest = $digest
        EXCEPT FROM notes
        """,
        parameters,
    )
    _let_go(inventory, "digest = $digest", parameters)
    return int(str(inventory.row(f"SELECT count(*) {found}", parameters)[0]))


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
