"""How far a long run is, told to whoever shows it."""

from contextlib import AbstractContextManager
from typing import Protocol


class Bar(Protocol):
    """One stage under way."""

    def advance(self, done: int, *, size: int = 0) -> None:
        """Report that `done` more units are through, `size` bytes with them."""
        ...


class Progress(Protocol):
    """Shows stages."""

    def stage(self, name: str, *, unit: str, total: int | None = None) -> AbstractContextManager[Bar]:
        """Open a stage of `total` units, or of a number not known before."""
        ...
