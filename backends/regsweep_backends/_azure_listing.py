"""Read the XML of Azure's List Blobs in a hundredth of the time that the SDK takes to make objects of it.

A page of the usual form is read by one expression. Whatever is unusual about a page, an escaped name or a directory of
a hierarchical name space, is left to a parser of XML, which is slower and always right.
"""

import binascii
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote

from regsweep.errors import MalformedError
from regsweep_backends._pages import Objects

_BEGIN: Final = b"<Blobs>"
_END: Final = b"</Blobs>"
_LAST: Final = b"</EnumerationResults>"


def _later(name: str) -> str:
    """The next element of this name in the same blob, with any others before it."""
    return rf"(?:<(?!{name}>|/Blob>)[^<]*)*<{name}>([^<]*)</{name}>[^<]*"


_blobs: Final = re.compile(
    (
        r"<Blob>\s*<Name>([^<&]+)</Name>\s*<Properties>\s*"
        + _later("Last-Modified")
        + _later("Etag")
        + _later("Content-Length")
        + f"(?:{_later('Content-MD5')})?"
    ).encode()
).findall
_prefixes: Final = re.compile(rb"<BlobPrefix>\s*<Name>([^<&]+)</Name>").findall
_DIRECTORY: Final = b"<ResourceType>directory<"
_FOLDER: Final = b"</BlobPrefix>"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Answer(NamedTuple):
    """One answer to List Blobs: what it lists, and the same answer without that."""

    objects: Objects
    rest: bytes


def parse(body: bytes) -> Answer:
    """Read one answer; whether there is a next page is told by what remains.

    Directories of a hierarchical name space are left out: they are no objects, and go with what is in them.

    Raises:
        MalformedError: it is no answer to List Blobs.
    """
    begin, end = body.find(_BEGIN), body.rfind(_END)
    within = body[begin + len(_BEGIN) : end] if 0 <= begin < end else None
    try:
        if within is None or not body.endswith(_LAST):
            return Answer(_read(body), body)
        return Answer(_scan(within) or _read(body), body[:begin] + _BEGIN + body[end:])
    except ValueError as error:
        raise MalformedError(f"no answer to List Blobs: {error}") from error


def _scan(text: bytes) -> Objects | None:
    """Read what lies between the outermost tags, if that is of the usual form."""
    if b"\0" in text or _DIRECTORY in text:
        return None
    rows = _blobs(text)
    folders = _prefixes(text) if _FOLDER in text else []
    # Each was read: no match goes beyond the end of one.
    if len(rows) != text.count(b"</Blob>") or len(folders) != text.count(_FOLDER):
        return None
    names, modified, versions, sizes, hashes = zip(*rows, strict=True) if rows else ((),) * 5
    return Objects(
        _texts(names),
        [int(size) for size in sizes],
        [_moment(moment) for moment in modified],
        [binascii.a2b_base64(hashed).hex() for hashed in hashes],
        [_quoted(version) for version in _texts(versions)],
        _texts(folders),
        more=False,
    )


def _read(body: bytes) -> Objects:
    """Read any answer."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - the SDK does the same with each answer
    except ET.ParseError as error:
        raise ValueError(str(error)) from error
    if root.tag != "EnumerationResults" or root.find("Blobs") is None:
        raise ValueError(f"not EnumerationResults of Blobs but {root.tag}")
    blobs = [blob for blob in root.iterfind("Blobs/Blob") if blob.findtext("Properties/ResourceType") != "directory"]
    return Objects(
        [_name(blob) for blob in blobs],
        [int(_needed(blob, "Content-Length")) for blob in blobs],
        [_moment(_needed(blob, "Last-Modified").encode()) for blob in blobs],
        [binascii.a2b_base64(blob.findtext("Properties/Content-MD5") or "").hex() for blob in blobs],
        [_quoted(_needed(blob, "Etag")) for blob in blobs],
        [_name(prefix) for prefix in root.iterfind("Blobs/BlobPrefix")],
        more=False,
    )


def _name(element: ET.Element) -> str:
    name = element.find("Name")
    if name is None or not name.text:
        raise ValueError("a blob without a name")
    # What XML cannot express is written in percents.
    return unquote(name.text) if name.get("Encoded") == "true" else name.text


def _needed(blob: ET.Element, name: str) -> str:
    text = blob.findtext(f"Properties/{name}")
    if not text:
        raise ValueError(f"a blob without {name}")
    return text


def _texts(values: tuple[bytes, ...] | list[bytes]) -> list[str]:
    return b"\0".join(values).decode().split("\0") if values else []


def _quoted(version: str) -> str:
    """An ETag as the headers have it: a listing leaves the quotes out."""
    return version if version.startswith('"') else f'"{version}"'


def _moment(text: bytes) -> int:
    """Microseconds since 1970 of a time such as `Wed, 25 Nov 2026 01:30:33 GMT`.

    Raises:
        ValueError: it is no such time.
    """
    day, hour, minute, second = text[:16], text[17:19], text[20:22], text[23:25]
    if len(text) != 29 or not text.endswith(b" GMT"):  # noqa: PLR2004 - of the form above
        raise ValueError(f"no time: {text!r}")
    return (_midnight(day) + int(hour) * 3600 + int(minute) * 60 + int(second)) * 1_000_000


@lru_cache(maxsize=4096)
def _midnight(day: bytes) -> int:
    _, number, month, year = day.decode().split()
    return int(datetime(int(year), _MONTHS.index(month) + 1, int(number), tzinfo=UTC).timestamp())
