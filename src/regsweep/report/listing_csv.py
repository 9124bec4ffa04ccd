"""A listing as CSV, a row for whatever has one in the text."""

from collections.abc import Iterator
from typing import Final

from regsweep.report.cells import table
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


def as_csv(document: Listing, *, images: bool) -> str:
    """Render; `images` says whether the rows are images or repositories, of which there may be none."""
    rows = _images(document) if images else _repositories(document)
    return table(_IMAGES if images else _REPOSITORIES, rows)


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
