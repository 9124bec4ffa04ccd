"""Answers of the blob service that the SDK does not give as they are wanted here."""

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from regsweep.errors import StorageError
from regsweep_backends._azure_errors import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from azure.core.pipeline.transport import HttpResponse

GOOD: Final = range(200, 300)
"""What a request is answered that did what it should."""

_part_numbers: Final = re.compile(rb"^Content-ID:[ \t]*(\d+)\s*$", re.MULTILINE | re.IGNORECASE).findall
_said: Final = re.compile(r"<Message>([^<\r\n]*)").search


class Part(NamedTuple):
    """The answer to one of the requests in a batch."""

    status: int
    code: str
    said: str

    def error(self, key: str, container: str) -> StorageError | None:
        """What went wrong, if anything did."""
        if self.status in GOOD:
            return None
        return refusal(self.status, self.code, self.said, key=key, container=container)


def parts_of(answers: "Iterable[HttpResponse]", body: bytes, count: int) -> list[Part] | None:
    """The answers to a batch of so many requests, in the order of these; `None` if that cannot be told.

    The SDK gives them as they stand in the body. The service numbers them, and promises no order.
    """
    parts = [_part(answer) for answer in answers]
    numbers = [int(number) for number in _part_numbers(body)]
    if len(parts) != count or sorted(numbers) != list(range(count)):
        return None
    numbered = dict(zip(numbers, parts, strict=True))
    return [numbered[number] for number in range(count)]


class Abridged:
    """An answer in which another body stands."""

    def __init__(self, answer: Any, body: bytes) -> None:  # noqa: ANN401 - of one of two classes, which share no base
        self._answer = answer
        self._body = body

    def body(self) -> bytes:
        """The body instead of the answer's own."""
        return self._body

    def text(self, _encoding: str | None = None) -> str:
        """The body as text."""
        return self._body.decode("utf-8-sig")

    def __getattr__(self, name: str) -> object:
        return getattr(self._answer, name)


def _part(answer: "HttpResponse") -> Part:
    found = None if answer.status_code in GOOD else _said(answer.text())
    return Part(answer.status_code, answer.headers.get("x-ms-error-code", ""), found[1] if found else "")
