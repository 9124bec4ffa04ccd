"""Colours, as marks in a text: renderers paint what people decide by, and whoever writes the text may leave them out.

What comes from a storage has its control characters escaped, so no mark but these is in a text.
"""

import re
from enum import StrEnum
from typing import Final

_END: Final = "\x1b[0m"
_MARKS: Final = re.compile(r"\x1b\[\d+m")


class Colour(StrEnum):
    """What a colour says."""

    GOOD = "\x1b[32m"
    BAD = "\x1b[31m"
    ODD = "\x1b[33m"


def paint(text: str, colour: Colour) -> str:
    """Mark a text; nothing stays nothing."""
    return f"{colour}{text}{_END}" if text else ""


def plain(text: str) -> str:
    """A text without its marks."""
    return _MARKS.sub("", text)


def width(text: str) -> int:
    """How many columns a terminal shows, marks or none."""
    return len(plain(text))
