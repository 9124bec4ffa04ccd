"""A report as a page: one file that loads nothing. docs/report.md tells what is on it.

Only words and numbers of this package are written into the page as HTML. Whatever names from a storage there are stand
in it as compressed data, which the page's own script puts onto the screen as text.
"""

import base64
import zlib
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Final

from regsweep.errors import RegsweepError
from regsweep.plan.kinds import PARTS, VERSION
from regsweep.plan.summary import Amount
from regsweep.registry.layout import Kind
from regsweep.report.document import Report
from regsweep.report.html_data import PLACES, page_data
from regsweep.report.text import size

LIBRARY: Final = "echarts.js"
_SCRIPTS: Final = ("words.js", "charts.js", "treemap.js", "table.js", "page.js")
_NOTHING: Final = Amount(count=0, bytes=0)
_MEANING: Final = {
    "tagged": "of one repository, and a tag leads to it",
    "shared": "linked by several repositories",
    "untagged": "of one repository, and no tag leads to it",
    "orphaned": "linked by none",
    "uploads": "begun and not finished",
    "parts": "begun and not finished, shown by no listing",
    "versions": "of what was overwritten or deleted",
}


def as_html(report: Report) -> str:
    """Render a report as a page.

    Raises:
        RegsweepError: the library that draws the charts is not there.
    """
    style = _part("page.css")
    script = f'"use strict";\n(() => {{\n{"".join(map(_part, _SCRIPTS))}}})();\n'
    library = _part(LIBRARY)
    return Template(_part("page.html")).substitute(
        policy=_policy(style, library, script),
        style=style,
        scanned=f"{report.created:%Y-%m-%d %H:%M:%S %Z}",
        sentence=_sentence(report),
        figures=_figures(report),
        where=_where(report),
        version=report.regsweep if report.regsweep.replace(".", "").isalnum() else "",
        data=base64.b64encode(zlib.compress(page_data(report), 9)).decode(),
        library=library,
        script=script,
    )


def _part(name: str) -> str:
    try:
        text = files("regsweep.report").joinpath("page", name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RegsweepError(
            f"the page cannot be made: {name} is missing, which comes with an installation of regsweep",
            hint="install it, be it from its sources: pip install --editable .",
        ) from error
    # What ends a script or a style early would be HTML; none has it, whatever a newer library brings.
    if "</script" in text and name != "page.html":
        raise RegsweepError(f"the page cannot be made: {name} has the end of a script in it")
    return text


def _policy(style: str, *scripts: str) -> str:
    """What the page may do: run what is in it, by its hashes, and reach nothing."""
    run = " ".join(map(_hash, scripts))
    return f"default-src 'none'; script-src {run}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def stored(report: Report) -> Amount:
    """What takes space: all of it, as `before`, whose count is that of the blobs."""
    before = report.totals.before
    sized = sum(before.get(kind, _NOTHING).bytes for kind in (Kind.BLOB, Kind.UPLOAD, PARTS, VERSION))
    return Amount(count=before.get(Kind.BLOB, _NOTHING).count, bytes=sized)


def freed(report: Report) -> Amount:
    """What of it goes."""
    condemned = report.totals.condemned
    sized = sum(condemned.get(kind, _NOTHING).bytes for kind in (Kind.BLOB, Kind.UPLOAD, PARTS, VERSION))
    return Amount(count=condemned.get(Kind.BLOB, _NOTHING).count, bytes=sized)


def _sentence(report: Report) -> str:
    before, gone = stored(report), freed(report)
    tags = report.totals.condemned.get(Kind.TAG, _NOTHING).count
    manifests = report.totals.condemned.get(Kind.REVISION, _NOTHING).count
    holds = (
        f"The storage holds <b>{size(before.bytes)}</b> in {_plural(before.count, 'blob')} of "
        f"{_plural(report.totals.repositories, 'repository', 'repositories')}; "
    )
    name = "this plan" if report.plan else "a plan by these rules"
    counts = ((gone.count, "blob"), (manifests, "manifest"), (tags, "tag"))
    parts = [_plural(count, name) for count, name in counts if count]
    if not parts and not gone.bytes:
        return f"{holds}{name} frees nothing."
    listed = " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
    going = f"{listed} {'goes' if len(parts) == 1 and parts[0].startswith('1 ') else 'go'}, " if parts else ""
    return (
        f'{holds}{name} frees <b class="frees">{size(gone.bytes)}</b> ({_percent(gone.bytes, before.bytes)}): '
        f"{going}<b>{size(before.bytes - gone.bytes)}</b> stays."
    )


def _figures(report: Report) -> str:
    totals = report.totals
    before, gone = stored(report), freed(report)
    tags, manifests, blobs = Kind.TAG, Kind.REVISION, Kind.BLOB
    rows = [
        ("Stored", size(before.bytes), ""),
        ("Comes free", size(gone.bytes), _percent(gone.bytes, before.bytes)),
        ("Repositories", f"{totals.repositories:,}", _go(totals.repositories_gone)),
    ]
    rows += [
        (name, f"{totals.before.get(kind, _NOTHING).count:,}", _go(totals.condemned.get(kind, _NOTHING).count))
        for name, kind in (("Tags", tags), ("Manifests", manifests), ("Blobs", blobs))
    ]
    return "".join(
        f'<div><dt>{name}</dt><dd>{value}</dd><dd class="note">{note or "&nbsp;"}</dd></div>'
        for name, value, note in rows
    )


def _where(report: Report) -> str:
    """The parts of what is stored, as a table that stands there without any script."""
    if report.picture is None:
        sizes = report.totals.sizes
        parts = [
            ("of one repository", "blobs", sizes.exclusive.bytes, sizes.exclusive.freed),
            ("of several", "blobs", sizes.shared.bytes, sizes.shared.freed),
            ("of none", "blobs", sizes.unlinked.bytes, sizes.unlinked.freed),
        ]
    else:
        parts = [
            (PLACES[one.name], _MEANING[one.name], one.bytes, one.freed) for one in report.picture.where if one.bytes
        ]
    everything = ("all", "", sum(part[2] for part in parts), sum(part[3] for part in parts))
    rows = "".join(_row(*part) for part in parts)
    heads = '<th class="text">Blobs and uploads</th><th class="text wide"></th><th>Stored</th><th>Comes free</th>'
    return (
        f'<thead><tr>{heads}<th class="wide">Stays</th></tr></thead><tbody>{rows}</tbody>'
        f"<tfoot>{_row(*everything)}</tfoot>"
    )


def _row(name: str, meaning: str, held: int, gone: int) -> str:
    return (
        f'<tr><td class="text">{name}</td><td class="text wide quiet">{meaning}</td><td>{size(held)}</td>'
        f'<td>{size(gone)}</td><td class="wide">{size(held - gone)}</td></tr>'
    )


def _go(count: int) -> str:
    return f"{count:,} go" if count else "none goes"


def _plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def _percent(part: int, whole: int) -> str:
    if not part:
        return "0\u00a0%"
    share = 100 * part / whole
    return "under 1\u00a0%" if share < 1 else f"{int(share) if 99 <= share < 100 else round(share)}\u00a0%"  # noqa: PLR2004 - all is all
