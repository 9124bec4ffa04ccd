"""YAML as a tree of fields, each of which knows where it stands; read without trust.

Scalars stay as they are written: what YAML makes of `on`, `010`, `1.0` or `12:30` is never what was meant. Whatever a
policy has no need of is refused: anchors and aliases, which can grow without bound, tags, and several documents.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from regsweep.errors import UsageError
from regsweep.registry.layout import printable

MOST_BYTES: Final = 1 << 20
"""No policy's file is larger."""
_MOST_LEVELS: Final = 10
_MOST_SHOWN: Final = 60
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NUMBER: Final = re.compile(r"0|[1-9]\d*", re.ASCII)
_QUOTE: Final = r"put globs and regular expressions in single quotes: '^v\d+$'"
_NEVER_KNOWN: Final = dict.fromkeys(
    ("mostRecentlyPulledCount", "pulledWithin"), "a registry's storage does not tell when an image was pulled"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A value of the file, and its place."""

    file: str
    line: int
    """That of its name in a map, or of its beginning in a list."""
    path: str
    """Such as `rules[0].keepTags`; empty for the whole file."""
    value: "str | tuple[Field, ...] | Mapping[str, Field]"
    plain: bool = False
    """Whether it is a scalar without quotes."""

    @property
    def where(self) -> str:
        """File, line and field, as errors begin."""
        return f"{self.file}:{self.line}: {self.path}" if self.path else f"{self.file}:{self.line}"

    def error(self, said: str, hint: str = "") -> UsageError:
        """What is wrong with it, as one printable line."""
        return UsageError(f"{self.where}: {printable(said)}", hint=printable(hint))

    def missing(self, name: str, hint: str) -> UsageError:
        """That a name this map has to have is not there."""
        path = f"{self.path}.{name}" if self.path else name
        return UsageError(f"{self.file}:{self.line}: {path}: is missing", hint=hint)

    def map(self) -> "Mapping[str, Field]":
        """Its fields by their names.

        Raises:
            UsageError: it is no map, or an empty one.
        """
        if not isinstance(self.value, Mapping):
            raise self._is_not("a map")
        if not self.value:
            raise self.error("is empty", hint="give it a value, or leave it out")
        return self.value

    def known(self, *names: str) -> "Mapping[str, Field]":
        """Its fields by their names, which are all among `names`.

        Raises:
            UsageError: it is no map, an empty one, or has another name too.
        """
        fields = self.map()
        for name, field in fields.items():
            if name not in names:
                raise field.error("is not known here", hint=_suggestion(name, names))
        return fields

    def items(self) -> "tuple[Field, ...]":
        """Its values, one after the other.

        Raises:
            UsageError: it is no list.
        """
        if not isinstance(self.value, tuple):
            raise self._is_not("a list", hint="write [...], or each value after a dash on a line of its own")
        return self.value

    def text(self, *, nulls: bool = False) -> str:
        """Itself, as it is written.

        Args:
            nulls: whether `null` and `~` are words like others.

        Raises:
            UsageError: it is no scalar, nothing, or cannot be shown in one line.
        """
        if not isinstance(self.value, str):
            raise self._is_not("text")
        if self.plain and self.value in _NULLS and not (nulls and self.value):
            raise self._is_not("text", hint="give it a value, or leave it out")
        if not self.value.isprintable():
            raise self.error(f"{shown(self.value)} has a character that cannot be shown", hint="write it in one line")
        return self.value

    def number(self, least: int, most: int) -> int:
        """Itself as a number of things to keep.

        Raises:
            UsageError: it is none, less than `least`, or more than `most`.
        """
        text = self.text()
        if not self.plain:
            raise self.error(f"{shown(text)} is text, and not a number", hint="leave out the quotes")
        if not _NUMBER.fullmatch(text):
            raise self.error(f"{shown(text)} is no number of {least} or more", hint="write a whole number, such as 10")
        # Python reads no number of thousands of digits.
        if len(text) > len(str(most)) or int(text) > most:
            raise self.error(f"{shown(text)} is more than {most:,}", hint="write a smaller number, such as 10")
        number = int(text)
        if number < least:
            raise self.error(f"is {number}, which keeps nothing", hint=f"write {least} or more, or leave it out")
        return number

    def flag(self) -> bool:
        """Itself as yes or no.

        Raises:
            UsageError: it is neither.
        """
        text = self.text()
        if not self.plain or text.lower() not in _BOOLEANS:
            raise self.error(f"{shown(text)} is neither true nor false", hint="write true or false, without quotes")
        return _BOOLEANS[text.lower()]

    def _is_not(self, wanted: str, hint: str = "") -> UsageError:
        match self.value:
            case str() if self.plain and self.value in _NULLS:
                kind = "nothing"
            case str():
                kind = shown(self.value)
            case tuple():
                kind = "a list"
            case _:
                kind = "a map"
        return self.error(f"is {kind}, and not {wanted}", hint=hint)


def shown(text: str) -> str:
    """A value as errors show it."""
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…")


def load(text: str, file: str) -> Field:
    """Read a YAML file of one document.

    Args:
        text: what stands in it.
        file: its name, for errors.

    Raises:
        UsageError: it is none, or has what no policy has; the message names the line.
    """
    file = printable(file)
    if len(text) > MOST_BYTES or len(text.encode(errors="surrogatepass")) > MOST_BYTES:
        raise UsageError(f"{file}:1: is larger than {MOST_BYTES >> 20} MiB", hint="no policy is; is this the file?")
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(
            f"{file}:{line}: has the character {text[error.position]!a}, which no text has",
            hint="save the file as UTF-8",
        ) from None
    try:
        return _document(loader, file)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else loader.line
        said = f"is not valid YAML: {(error.problem or '')[:200]}"
    except (yaml.YAMLError, ValueError, OverflowError):
        # A character beyond Unicode's last, or a version of YAML with thousands of digits.
        line, said = loader.line, "is not valid YAML"
    raise UsageError(f"{file}:{line + 1}: {printable(said)}", hint=_QUOTE)


def _document(loader: yaml.SafeLoader, file: str) -> Field:
    _take(loader)  # the stream begins
    if loader.check_event(yaml.StreamEndEvent):
        raise UsageError(f"{file}:1: is empty", hint="write version: 1, and rules:")
    _take(loader)  # the document begins
    whole = _field(loader, Field(file=file, line=1, path="", value=""), levels=0)
    _take(loader)  # the document ends
    if not loader.check_event(yaml.StreamEndEvent):
        line = _next_line(loader)
        raise UsageError(f"{file}:{line}: begins another document", hint="write one document: leave out the ---")
    return whole


def _field(loader: yaml.SafeLoader, place: Field, levels: int) -> Field:
    """Read the value that comes next, as what stands at a place."""
    event = _plain_event(loader, place)
    if levels > _MOST_LEVELS:
        raise place.error("is nested deeper than any policy is")
    value: str | tuple[Field, ...] | Mapping[str, Field]
    match event:
        case yaml.ScalarEvent():
            value = event.value
        case yaml.SequenceStartEvent():
            value = _items(loader, place, levels)
        case _:
            value = _entries(loader, place, levels)
    plain = isinstance(event, yaml.ScalarEvent) and event.style is None
    return Field(file=place.file, line=place.line, path=place.path, value=value, plain=plain)


def _items(loader: yaml.SafeLoader, place: Field, levels: int) -> tuple[Field, ...]:
    items: list[Field] = []
    while not loader.check_event(yaml.SequenceEndEvent):
        line = _next_line(loader)
        here = Field(file=place.file, line=line, path=f"{place.path}[{len(items)}]", value="")
        items.append(_field(loader, here, levels + 1))
    _take(loader)
    return tuple(items)


def _entries(loader: yaml.SafeLoader, place: Field, levels: int) -> Mapping[str, Field]:
    entries: dict[str, Field] = {}
    while not loader.check_event(yaml.MappingEndEvent):
        line = _next_line(loader)
        here = Field(file=place.file, line=line, path=place.path, value="")
        key = _plain_event(loader, here)
        if not isinstance(key, yaml.ScalarEvent) or not key.value:
            raise here.error("has a name that is no text", hint=_QUOTE)
        name = printable(key.value if len(key.value) <= _MOST_SHOWN else f"{key.value[:_MOST_SHOWN]}…")
        here = Field(file=place.file, line=line, path=f"{place.path}.{name}" if place.path else name, value="")
        if not key.value.isprintable():
            raise here.error("has a character that cannot be shown", hint="write it in one line")
        if key.value in entries:
            raise here.error(f"stands here for the second time, after line {entries[key.value].line}")
        entries[key.value] = _field(loader, here, levels + 1)
    _take(loader)
    return entries


def _plain_event(loader: yaml.SafeLoader, place: Field) -> yaml.Event:
    """The next event, which has neither an anchor nor a tag and is no alias."""
    event = _take(loader)
    if getattr(event, "anchor", None) is not None:
        raise place.error("has an anchor or an alias, which are not accepted here", hint=f"write it out, or {_QUOTE}")
    if getattr(event, "tag", None) is not None:
        raise place.error("has a tag, which are not accepted here", hint=f"leave it out, or {_QUOTE}")
    return event


def _take(loader: yaml.SafeLoader) -> yaml.Event:
    event: yaml.Event = loader.get_event()  # type: ignore[no-untyped-call]
    return event


def _next_line(loader: yaml.SafeLoader) -> int:
    event: yaml.Event = loader.peek_event()  # type: ignore[no-untyped-call]
    return event.start_mark.line + 1 if event.start_mark else 1


def _suggestion(name: str, known: tuple[str, ...]) -> str:
    if name in _NEVER_KNOWN:
        return _NEVER_KNOWN[name]
    spelled = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name[:_MOST_SHOWN].lower(), spelled, n=1)
    return f"did you mean {spelled[close[0]]}?" if close else f"what is known: {', '.join(known)}"
