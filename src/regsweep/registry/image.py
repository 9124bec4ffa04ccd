"""Image configurations: when an image was built, for what, and its labels. Untrusted bytes in, values or an error out.

Sources: the OCI image specification (config.md), and Docker's "Image Specification v1.2", from which it came. All that
is read here stands in fields of the same names in both.
"""

import json
import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from regsweep.errors import UNREADABLE, MalformedError
from regsweep.registry.digest import verify

MAX_CONFIG_BYTES: Final = 8 * 1024 * 1024
"""What a configuration may have; they have a few thousand."""

_FIRST_YEAR: Final = 1970
"""Go writes a time that was never set as the year 1, and other tools other years before there were images."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


class Image(NamedTuple):
    """What a configuration says, as far as choosing among images needs it.

    Attributes:
        created: when it was built, as its builder says; `None` where it says no time, or one that cannot be.
        os, architecture, variant: for what, in Go's words, such as `linux`, `arm`, `v7`; `None` where it does not say.
        labels: its labels.
    """

    created: datetime | None
    os: str | None
    architecture: str | None
    variant: str | None
    labels: dict[str, str]


class _Settings(msgspec.Struct, gc=False, rename={"labels": "Labels"}):
    labels: dict[str, str] | None = None


class _Document(msgspec.Struct, gc=False):
    created: str | None = None
    os: str | None = None
    architecture: str | None = None
    variant: str | None = None
    config: _Settings | None = None


_decode: Final = msgspec.json.Decoder(_Document).decode


def read(content: bytes, digest_hex: str) -> Image:
    """Parse a configuration as it lies in the storage, once its bytes are known to be the ones that its digest names.

    Args:
        content: the blob's bytes, or the first `MAX_CONFIG_BYTES + 1` of them.
        digest_hex: the hexadecimal digits of its sha256 digest, lower case.

    Raises:
        MalformedError: `content` is too large, does not hash to its digest, or cannot be parsed.
    """
    verify(content, digest_hex, most=MAX_CONFIG_BYTES, what="image configuration")
    return parse(content)


def parse(content: bytes) -> Image:
    """Parse a configuration.

    An artifact's configuration is one too: mostly it says nothing of what is asked for here.

    Raises:
        MalformedError: `content` is not one JSON object in UTF-8, a field has the wrong type, or an object has two
            fields of one name. No other exception is raised.
    """
    try:
        document = _decode(content)
        # What msgspec read is sound, but of two fields of one name it took the last.
        json.loads(content, object_pairs_hook=_once)
    except UNREADABLE as error:
        raise MalformedError(f"no image configuration: {error}") from error
    labels = document.config.labels if document.config else None
    return Image(
        _time(document.created), document.os, document.architecture, document.variant, {} if labels is None else labels
    )


def _once(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise MalformedError("an object has two fields of one name")


def _time(text: str | None) -> datetime | None:
    if text is None or not _TIME.fullmatch(text):
        return None
    try:
        # To the microsecond: what is finer is cut off.
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= _FIRST_YEAR else None
