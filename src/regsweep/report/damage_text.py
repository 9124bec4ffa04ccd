"""What a check found, for a terminal of 80 columns or more."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from regsweep.inventory.checks import Code, Finding, Severity
from regsweep.registry.layout import printable
from regsweep.report.colour import Colour, paint
from regsweep.report.damage import Check
from regsweep.report.text import size

_SHOWN: Final = 20
"""Findings of one kind that are shown."""
_IMAGES: Final = 5
"""Images of one finding that are named."""
_HEADINGS: Final = {
    Code.MISSING_BLOB: "blobs that manifests need and that are missing",
    Code.MISSING_LINK: "blobs that the repository does not link",
    Code.WRONG_SIZE: "blobs of another size than claimed",
    Code.WRONG_CONTENT: "blobs whose content is not that of their digest",
    Code.MISSING_MANIFEST: "revisions without their manifest",
    Code.DAMAGED_MANIFEST: "manifests that cannot be understood",
    Code.DAMAGED_LINK: "links that do not hold what they should",
    Code.DANGLING_TAG: "tags that lead nowhere",
    Code.FOREIGN_LAYER: "layers that are elsewhere",
    Code.SPARSE_INDEX: "indexes that list more than the repository has",
    Code.DANGLING_LINK: "links to missing blobs that nothing needs",
    Code.FROZEN: "repositories that are frozen",
}
_RUINED: Final = frozenset({Code.WRONG_SIZE, Code.WRONG_CONTENT, Code.DAMAGED_MANIFEST, Code.DAMAGED_LINK})
"""What a registry takes for what it should be, or fails at, when it is pushed again."""


def as_text(document: Check) -> str:
    """Render, painted; nothing is cut but lists, whose rest is counted."""
    damage, deep = document.damage, document.deep
    notes = [one for one in document.findings if one.severity is Severity.NOTE]
    parts = [
        _totals(document),
        _part("Damage", damage, Colour.BAD, deep=deep),
        _part("Notes", notes, Colour.ODD, deep=deep),
        _conclusion(document),
    ]
    return "\n\n".join(filter(None, parts))


def _totals(document: Check) -> str:
    totals = document.totals
    how = "every blob was read and hashed" if document.deep else "blobs by their sizes; --deep hashes them too"
    spoiled = paint(f"{totals.damaged_images:,} damaged", Colour.BAD)
    damaged = f", {spoiled}" if totals.damaged_images else ""
    counted = (
        f"{totals.blobs:,} blobs of {size(totals.bytes)}, {totals.manifests:,} manifests, "
        f"{totals.tags:,} tags in {totals.repositories:,} repositories"
    )
    indent = " " * 9
    return (
        f"Storage  {printable(document.store)}\n"
        f"Checked  {document.checked:%Y-%m-%d %H:%M:%S %Z}; {how}\n"
        f"{textwrap.fill(counted, 80, initial_indent=indent, subsequent_indent=indent)}\n"
        f"         {totals.images:,} images (tags, and revisions without one){damaged}"
    )


def _part(title: str, findings: Sequence[Finding], colour: Colour, *, deep: bool) -> str:
    if not findings:
        return ""
    lines = [paint(title, colour)]
    for code, group in groupby(findings, key=lambda one: one.code):
        same = list(group)
        unsure = "; --deep tells which is wrong" if code == Code.WRONG_SIZE and not deep else ""
        lines.append(f"  {paint(code, colour)}: {_HEADINGS[code]}{unsure}")
        lines += [line for one in same[:_SHOWN] for line in _finding(one)]
        if len(same) > _SHOWN:
            lines.append(f"    ... and {len(same) - _SHOWN:,} more; --format json lists them all")
    return "\n".join(lines)


def _finding(one: Finding) -> Iterator[str]:
    times = f" ({one.count:,} such keys)" if one.count > 1 and one.code == Code.DANGLING_LINK else ""
    where = one.key or one.repository or ""
    yield f"    {printable(': '.join(filter(None, (where, one.message))))}{times}"
    if one.repository and one.key and not one.key.startswith(f"repositories/{one.repository}/"):
        yield f"      in {printable(one.repository)}"
    if one.images:
        shown = ", ".join(one.images[:_IMAGES])
        more = len(one.images) - _IMAGES
        yield f"      not whole: {printable(shown)}{f' and {more:,} more' if more > 0 else ''}"


def _conclusion(document: Check) -> str:
    codes = {one.code for one in document.damage}
    if not codes:
        return paint("No damage.", Colour.GOOD)
    if codes & _RUINED:
        return (
            "Next: remove the damaged files by hand, for a push keeps what is there; then\n      push the images again."
        )
    return "Next: push these images again, or remove them: regsweep rm STORE NAME:TAG"
