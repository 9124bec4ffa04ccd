"""Differences for a terminal of 80 columns or more, or for a pipe."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from regsweep.registry.layout import printable
from regsweep.report.differences import Blob, Differences, Finding, Repository, Totals, Turnover
from regsweep.report.text import size

SHOWN: Final = 20
"""Of each kind and change so many are shown, and how many more there are."""
_SHORT: Final = 12
"""Digits of a digest, as Docker shows them."""
_LEAST: Final = 20
"""What is left at least of a name that is shortened."""
_NARROWEST: Final = 80
_CUT: Final = ".."
_GAP: Final = "  "

_WORDS: Final = frozenset({"from", "to", "digest", "linked from"})
"""Columns of digests and names, which stand to the left as the first column does."""

Row = tuple[str, ...]


def as_text(document: Differences, *, width: int | None) -> str:
    """Render; `width` is the terminal's, if it is one: names too long for it are shortened, but never below 80."""
    width = None if width is None else max(width, _NARROWEST)
    repositories = document.repositories
    parts = [
        _heading(document),
        _totals(document.totals, width),
        _turned("Repositories that came", [one for one in repositories if one.change == "came"], width),
        _turned("Repositories that went", [one for one in repositories if one.change == "went"], width),
        _changed([one for one in repositories if one.change == "changed"], width),
        *_tags(document, width),
        _blobs("Largest blobs that came", document.largest_came, width),
        _blobs("Largest blobs that went", document.largest_went, width),
        _findings("New findings", [one for one in document.findings if one.change == "new"]),
        _findings("Findings that are gone", [one for one in document.findings if one.change == "gone"]),
        "" if _differ(document) else "Nothing came, went or changed.",
    ]
    return "\n\n".join(filter(None, parts))


def _differ(document: Differences) -> bool:
    totals = document.totals
    counts = (totals.repositories, totals.tags, totals.revisions, totals.blobs)
    turned = any(one.came or one.went for one in counts) or totals.tags_moved or totals.blobs_resized
    return bool(turned or document.repositories or document.findings)


def _heading(document: Differences) -> str:
    older, newer = document.older, document.newer
    same = older.store == newer.store
    lines = [f"Storage  {printable(older.store)}"] if same else []
    for name, side in (("Older", older), ("Newer", newer)):
        of = "" if same else f", of {printable(side.store)}"
        lines.append(f"{name:7}  {printable(side.file)}, scanned {_moment(side.scanned)}{of}")
    if document.options_changed:
        lines.append(f"Options  of the two runs differ in {printable(', '.join(document.options_changed))}")
    return "\n".join(lines)


def _totals(totals: Totals, width: int | None) -> str:
    rows: list[Row] = [("", "before", "after", "came", "went", "difference")]
    for name in ("repositories", "tags", "revisions", "blobs", "bytes"):
        one: Turnover = getattr(totals, name)
        told = size if name == "bytes" else _count
        rows.append((name, *map(told, (one.before, one.after, one.came, one.went)), _signed(one.difference, told)))
    lines = [_table(rows, width)]
    if totals.blobs_resized:
        lines.append(f"Blobs of another size than before, damaged then or now: {totals.blobs_resized:,}")
    return "\n".join(lines)


def _turned(what: str, repositories: Sequence[Repository], width: int | None) -> str:
    """Show repositories that are in one of the two alone, the largest first."""
    rows: list[Row] = [("repository", "tags", "revisions", "size", "not shared")]
    for one in sorted(repositories, key=lambda one: -abs(one.bytes.difference))[:SHOWN]:
        counts = (one.tags.difference, one.revisions.difference)
        sizes = (one.bytes.difference, one.exclusive_bytes.difference)
        rows.append((one.name, *(_count(abs(n)) for n in counts), *(size(abs(n)) for n in sizes)))
    return _section(what, rows, len(repositories), width)


def _changed(repositories: Sequence[Repository], width: int | None) -> str:
    """Show the repositories that changed most, the one that grew most first."""
    most = sorted(repositories, key=lambda one: -abs(one.bytes.difference))[:SHOWN]
    shown = {one.name for one in most}
    rows: list[Row] = [("repository", "tags", "revisions", "growth", "not shared", "size now")]
    rows += [
        (
            one.name,
            _signed(one.tags.difference, _count),
            _signed(one.revisions.difference, _count),
            _signed(one.bytes.difference, size),
            _signed(one.exclusive_bytes.difference, size),
            size(one.bytes.after),
        )
        for one in repositories
        if one.name in shown
    ]
    return _section("Repositories that changed", rows, len(repositories), width)


def _tags(document: Differences, width: int | None) -> Iterator[str]:
    totals = document.totals
    for change, count, heads in (
        ("moved", totals.tags_moved, ("from", "to")),
        ("came", totals.tags.came, ("digest",)),
        ("went", totals.tags.went, ("digest",)),
    ):
        tags = [tag for tag in document.tags if tag.change == change][:SHOWN]
        rows: list[Row] = [("tag", *heads)]
        rows += [(f"{tag.repository}:{tag.tag}", *map(_digest, filter(None, (tag.before, tag.after)))) for tag in tags]
        yield _section(f"Tags that {change}", rows, count, width)


def _blobs(what: str, blobs: Sequence[Blob], width: int | None) -> str:
    rows: list[Row] = [("blob", "size", "linked from")]
    rows += [(_digest(blob.digest), size(blob.bytes), ", ".join(blob.repositories)) for blob in blobs]
    return f"{what}\n{_table(rows, width, name=2)}" if blobs else ""


def _findings(what: str, findings: Sequence[Finding]) -> str:
    lines = [f"{what}: {len(findings):,}"]
    for one in findings[:SHOWN]:
        times = f" ({one.count:,} such keys)" if one.count > 1 else ""
        # The key of a link names its repository, that of a blob does not.
        named = one.key and one.key.startswith(f"repositories/{one.repository}/")
        where = (one.key,) if named else (one.repository, one.key)
        told = ": ".join(filter(None, (one.code, *where, one.message)))
        lines.append(f"{_GAP}{printable(told)}{times}")
    return "\n".join([*lines, *_more(len(findings))]) if findings else ""


def _section(what: str, rows: Sequence[Row], count: int, width: int | None) -> str:
    return "\n".join([f"{what}: {count:,}", _table(rows, width), *_more(count)]) if count else ""


def _more(count: int) -> list[str]:
    return [f"... and {count - SHOWN:,} more; --format json lists them all"] if count > SHOWN else []


def _table(rows: Sequence[Row], width: int | None, *, name: int = 0) -> str:
    """Align columns, numbers to the right; where they are too wide, the column `name` loses the middle of its cells."""
    columns = [[printable(cell) for cell in column] for column in zip(*rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width if width else 0
    if excess > 0:
        widths[name] = max(_LEAST, widths[name] - excess)
        columns[name] = [_shortened(cell, widths[name]) for cell in columns[name]]
    left = {0, *(at for at, (head, *_) in enumerate(columns) if head in _WORDS)}
    aligned = [
        [cell.ljust(wide) if at in left else cell.rjust(wide) for cell in column]
        for at, (wide, column) in enumerate(zip(widths, columns, strict=True))
    ]
    return "\n".join(_GAP.join(row).rstrip() for row in zip(*aligned, strict=True))


def _shortened(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    kept = width - len(_CUT)
    return f"{text[: kept - kept // 2]}{_CUT}{text[len(text) - kept // 2 :]}"


def _count(number: int) -> str:
    return f"{number:,}"


def _signed(number: int, told: Callable[[int], str]) -> str:
    return f"{'+' if number > 0 else '-' if number else ''}{told(abs(number))}"


def _digest(digest: str) -> str:
    return digest.partition(":")[2][:_SHORT]


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
