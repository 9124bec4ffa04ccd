"""Globs for repositories' names, as zot and Harbor have them (doublestar's).

One that no name can match is an error, for a rule that matches nothing lets what it was written for go its own way.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from regsweep.errors import UsageError
from regsweep.registry import layout

_MOST_CHARACTERS: Final = 300
"""More than the longest name has, and few enough that RE2 compiles whatever is made of them."""
_MOST_ALTERNATIVES: Final = 64

_GROUP: Final = re.compile(r"\{([^{}]*)\}")
_TOKEN: Final = re.compile(
    r"\[(?P<negated>[!^]?)(?P<members>(?:[a-z]-[a-z]|[0-9]-[0-9]|[a-z0-9._-])+)\]"
    r"|(?P<star>\*)|(?P<any>\?)|(?P<literal>[a-z0-9._-])"
)
_MEMBER: Final = re.compile(r"([a-z]-[a-z]|[0-9]-[0-9])|(.)")
_SEPARATORS: Final = "._-"
_CATALOG: Final = "write names as the registry's catalog has them, such as team/app or team/**"


def as_regex(glob: str) -> str:
    """The regular expression, in RE2's syntax and anchored at both ends, for the names that a glob matches.

    `*` is anything within one component and `?` one character of it; `**`, a component of its own, is any number of
    components, none too, so that `team/**` is also `team`; `[a-z]` and `[!a-z]` are classes, `{a,b}` alternatives.

    Raises:
        UsageError: it is no glob, or no repository's name can match it; the message begins with the glob.
    """
    return f"^(?:{'|'.join(_translated(alternative, glob) for alternative in _alternatives(glob))})$"


def any_of(globs: Sequence[str]) -> tuple[str, dict[str, object]]:
    """The SQL condition that one of some globs matches the column `name`, and its parameters.

    Raises:
        UsageError: one of them is no glob.
    """
    named: dict[str, object] = {f"glob{place}": as_regex(glob) for place, glob in enumerate(globs)}
    return f"({' OR '.join(f'regexp_full_match(name, ${glob})' for glob in named)})", named


def takes_in(wide: str, narrow: str) -> bool:
    """Whether a glob certainly matches every name that another one matches; not every such pair is seen to be one.

    Both are globs that `as_regex` takes.
    """
    return all(
        # Most globs begin otherwise, and policies have many pairs of them.
        any(
            other.startswith(beginning) and _follows(components, other.split("/"), "**", _component_takes_in)
            for beginning, components in _prepared(wide)
        )
        for other in _alternatives(narrow)
    )


@cache
def _prepared(glob: str) -> list[tuple[str, list[str]]]:
    """Of each alternative what all that it takes in begins with, and its components."""
    return [(re.split(r"/?[*?\[]", one)[0], one.split("/")) for one in _alternatives(glob)]


def _component_takes_in(wide: str, narrow: str) -> bool:
    # That may be no component, or several.
    return narrow != "**" and _follows(_tokens(wide), _tokens(narrow), "*", _token_takes_in)


def _token_takes_in(wide: str, narrow: str) -> bool:
    return narrow != "*" and wide in ("?", narrow)


def _tokens(component: str) -> list[str]:
    return [token[0] for token in _TOKEN.finditer(component)]


def _follows(wide: Sequence[str], narrow: Sequence[str], many: str, one: Callable[[str, str], bool]) -> bool:
    """Whether the parts of `wide`, of which `many` is any number, take in those of `narrow` one after the other.

    All places in `wide` are followed at once, for to try one way after another could take for ever.
    """
    places = {0}
    for part in ("", *narrow):
        if part:
            places = {place for place in places if wide[place : place + 1] == [many]} | {
                place + 1 for place in places if place < len(wide) and wide[place] != many and one(wide[place], part)
            }
        for place in range(len(wide)):
            if place in places and wide[place] == many:
                places.add(place + 1)
    return len(wide) in places


@cache
def _alternatives(glob: str) -> list[str]:
    """A glob without its braces: one for each way through them."""
    if len(glob) > _MOST_CHARACTERS:
        raise _error(glob, f"has more than {_MOST_CHARACTERS} characters", "write several globs")
    pending, whole = [glob], dict[str, None]()
    while pending:
        current = pending.pop()
        if group := _GROUP.search(current):
            pending += [current[: group.start()] + one + current[group.end() :] for one in group[1].split(",")]
        elif unbalanced := re.search(r"[{}]", current):
            raise _error(glob, f"has an unbalanced {unbalanced[0]}", "alternatives are written {a,b}")
        else:
            whole[current] = None
        if len(pending) + len(whole) > _MOST_ALTERNATIVES:
            raise _error(glob, f"has more than {_MOST_ALTERNATIVES} alternatives", "write several globs")
    return sorted(whole)


def _translated(alternative: str, glob: str) -> str:
    # Two of `**` in a row are one.
    components = re.sub(r"(?<![^/])(?:\*\*/)+\*\*(?![^/])", "**", alternative).split("/")
    if components == ["**"]:
        return ".*"
    regex, slash = "", ""
    for component in components[:-1]:
        if component == "**":
            regex += f"{slash}(?:.*/)?"
            slash = ""
        else:
            regex += slash + _component(component, glob)
            slash = "/"
    # What stands below is any number of components, none too.
    return regex + ("(?:/.*)?" if components[-1] == "**" else slash + _component(components[-1], glob))


def _component(component: str, glob: str) -> str:
    if not component:
        raise _error(glob, "has an empty component" if glob else "names no repository", _CATALOG)
    if "**" in component:
        raise _error(glob, "has ** beside other characters", "** stands between slashes: write team-* or team-*/**")
    regex, place = "", 0
    while place < len(component):
        token = _TOKEN.match(component, place)
        if not token:
            raise _unknown(component[place], glob)
        place = token.end()
        if token["members"]:
            regex += f"[{'^/' if token['negated'] else ''}{_class(token['members'], glob)}]"
        elif token["literal"]:
            regex += re.escape(token["literal"])
        else:
            regex += "[^/]*" if token["star"] else "[^/]"
    literal = not re.search(r"[*?\[]", component)
    if (literal and not layout.is_servable(component)) or component[0] in _SEPARATORS or component[-1] in _SEPARATORS:
        raise _error(glob, f"matches no repository's name: none has the component {component}", _CATALOG)
    return regex


def _class(members: str, glob: str) -> str:
    regex = ""
    for between, single in _MEMBER.findall(members):
        if between and between[0] > between[2]:
            raise _error(glob, f"has the range {between}, which is the wrong way round", f"write {between[::-1]}")
        regex += between or re.escape(single)
    return regex


def _unknown(character: str, glob: str) -> UsageError:
    if character in "[]":
        return _error(glob, f"has a {character} that is no class's", "classes are written [a-z], [0-9] or [!x]")
    if character.isupper():
        return _error(glob, f"matches no repository's name: {character} is upper case", "names are lower case")
    if character == ",":
        return _error(glob, "has a comma outside of braces", "write {a,b}, or two globs")
    return _error(glob, f"matches no repository's name: none has {character!r} in it", _CATALOG)


def _error(glob: str, said: str, hint: str) -> UsageError:
    return UsageError(f"{glob[:_MOST_CHARACTERS]!r} {layout.printable(said)}", hint=hint)
