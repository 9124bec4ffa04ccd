"""A listing for a terminal of 80 columns or more, or for a pipe."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from regsweep.registry.layout import printable
from regsweep.report.listing import Image, Listing, Repository
from regsweep.report.text import size

_REPOSITORIES: Final = ("REPOSITORY", "TAGS", "REVISIONS", "UNTAGGED", "PUSHED UTC")
_IMAGES: Final = ("TAG", "DIGEST", "KIND", "PLATFORMS", "SIZE", "PUSHED UTC", "CREATED")
_COUNTS: Final = frozenset({"TAGS", "REVISIONS", "UNTAGGED", "SIZE"})
"""Columns of numbers, which stand to the right."""
_LEAST: Final = {"REPOSITORY": 20, "PLATFORMS": 11, "TAG": 8}
"""Columns that may be shortened, in this order, and what is left of them."""
_SHORT: Final = 12
"""Digits of a digest, as Docker shows them."""
_DATE: Final = len("2024-06-01")
_CUT: Final = ".."
_NARROWEST: Final = 80

Row = tuple[str, ...]


def as_text(document: Listing, *, width: int | None) -> str:
    """Render; `width` is the terminal's, if it is one: what is too long for it is shortened, but never below 80."""
    width = None if width is None else max(width, _NARROWEST)
    repositories = document.repositories
    if all(one.images is None for one in repositories):
        rows = [_repository(one) for one in repositories]
        parts = ["\n".join([*(_table(_REPOSITORIES, rows, width) if rows else ()), *_all_problems(repositories)])]
    else:
        titled = len(repositories) > 1
        parts = [_images(one, width, titled=titled) for one in repositories if one.images or one.damage]
    return "\n\n".join(filter(None, parts))


def _repository(one: Repository) -> Row:
    untagged = "" if one.untagged is None else f"{one.untagged:,}"
    return printable(one.name), f"{one.tags:,}", f"{one.revisions:,}", untagged, _minute(one.pushed)


def _images(repository: Repository, width: int | None, *, titled: bool) -> str:
    rows = [row for image in repository.images or () for row in _rows(image, image.tag or "")]
    lines = [f"{printable(repository.name)}:"] if titled else []
    return "\n".join([*lines, *(_table(_IMAGES, rows, width) if rows else ()), *_problems(repository)])


def _rows(image: Image, label: str) -> Iterator[Row]:
    yield (
        printable(label),
        _digest(image.digest),
        image.kind,
        printable(_platforms(image.platforms)),
        "" if image.bytes is None else size(image.bytes),
        _minute(image.pushed),
        f"{image.created:%Y-%m-%d}" if image.created else "",
    )
    for layer in image.layers or ():
        shared = "here alone" if layer.repositories < 2 else f"in {layer.repositories:,} repositories"  # noqa: PLR2004 - the plural
        yield "", _digest(layer.digest), "layer", shared, "" if layer.bytes is None else size(layer.bytes), "", ""
    for child in image.manifests or ():
        yield from _rows(child, "")
    for earlier in image.history or ():
        yield from _rows(earlier, "  before")


def _platforms(platforms: Sequence[str]) -> str:
    """Platforms in few letters: what is for the same system as the one before it names that no more."""
    shown: list[str] = []
    before = ""
    for platform in platforms:
        system, _, rest = platform.partition("/")
        shown.append(rest if rest and system == before else platform)
        before = system
    return ",".join(shown)


def _digest(digest: str | None) -> str:
    return "" if digest is None else digest.partition(":")[2][:_SHORT]


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def _all_problems(repositories: Sequence[Repository]) -> Iterator[str]:
    for repository in repositories:
        yield from _problems(repository)


def _problems(repository: Repository) -> Iterator[str]:
    for image in repository.images or ():
        for one in (image, *(image.manifests or ()), *(image.history or ())):
            if one.problem and one.digest:
                tag = f":{one.tag}" if one.tag else ""
                digest = "" if one is image and tag else f"@{one.digest}"
                yield printable(f"{repository.name}{tag}{digest}: {one.problem}")
    for damage in repository.damage:
        yield printable(f"{damage.key}: {damage.problem}")


def _table(heading: Row, rows: Sequence[Row], width: int | None) -> list[str]:
    """Align columns, without that of the tags if none has one.

    Where they are too wide, times lose their hours, then names their middle.
    """
    if heading[0] == "TAG" and not any(row[0] for row in rows):
        heading, rows = heading[1:], [row[1:] for row in rows]
    columns = [list(column) for column in zip(heading, *rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    excess = sum(widths) + 2 * (len(widths) - 1) - width if width else 0
    if excess > 0 and "PUSHED UTC" in heading:
        at = heading.index("PUSHED UTC")
        columns[at] = [cell[:_DATE] for cell in columns[at]]
        excess -= widths[at] - _DATE
        widths[at] = _DATE
    for name, least in _LEAST.items():
        if name in heading and excess > 0:
            at = heading.index(name)
            cut = max(0, min(excess, widths[at] - least))
            widths[at] -= cut
            excess -= cut
            columns[at] = [_shortened(cell, widths[at]) for cell in columns[at]]
    aligned = [
        [cell.rjust(wide) if name in _COUNTS else cell.ljust(wide) for cell in column]
        for name, wide, column in zip(heading, widths, columns, strict=True)
    ]
    return ["  ".join(row).rstrip() for row in zip(*aligned, strict=True)]


def _shortened(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    kept = width - len(_CUT)
    return f"{text[: kept - kept // 2]}{_CUT}{text[len(text) - kept // 2 :]}"
