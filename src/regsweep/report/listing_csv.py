"""A listing as CSV, a row for whatever has one in the text."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from regsweep.registry.layout import printable
from regsweep.report.listing import Image, Listing

_REPOSITORIES: Final = ("repository", "tags", "revisions", "untagged", "pushed")
_IMAGES: Final = (
    "repository",
    "row",
    "tag",
    "digest",
    "kind",
    "platforms",
    "bytes",
    "pushed",
    "created",
    "repositories",
    "problem",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for something to work out."""


def as_csv(document: Listing, *, images: bool) -> str:
    """Render; `images` says whether the rows are images or repositories, of which there may be none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_IMAGES if images else _REPOSITORIES)
    for row in _images(document) if images else _repositories(document):
        writer.writerow(map(_cell, row))
    return text.getvalue().removesuffix("\n")


def _repositories(document: Listing) -> Iterator[tuple[object, ...]]:
    for one in document.repositories:
        yield one.name, one.tags, one.revisions, one.untagged, one.pushed


def _images(document: Listing) -> Iterator[tuple[object, ...]]:
    for repository in document.repositories:
        for image in repository.images or ():
            for row in _rows(image, image.tag, "tag" if image.tag else "untagged"):
                yield repository.name, *row


def _rows(image: Image, tag: str | None, row: str) -> Iterator[tuple[object, ...]]:
    about = (image.digest, image.kind, " ".join(image.platforms), image.bytes, image.pushed, image.created)
    yield row, tag, *about, None, image.problem
    for layer in image.layers or ():
        yield "layer", tag, layer.digest, "layer", None, layer.bytes, None, None, layer.repositories, None
    for child in image.manifests or ():
        yield from _rows(child, tag, "manifest")
    for earlier in image.history or ():
        yield from _rows(earlier, tag, "history")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    text = printable(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
