"""A report for a terminal of 80 columns or more."""

import textwrap
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from regsweep.plan.by_rule import RuleSummary
from regsweep.plan.cost import Cost
from regsweep.plan.kinds import DIRECTORY, PARTS, VERSION
from regsweep.plan.summary import Amount, Finding, Repository
from regsweep.registry.layout import Kind, printable
from regsweep.report.colour import Colour, paint, width
from regsweep.report.document import Report

_REPOSITORIES: Final = 20
_FINDINGS: Final = 20
_COLUMNS: Final = 80
_GAP: Final = "  "
_LEAST: Final = 20
"""Columns that are left at least of what goes on below itself."""
_WIDE: Final = 30
_DAMAGED: Final = "damaged"
"""How the codes of findings begin that freeze a repository."""
_NAMES: Final = {
    Kind.TAG: "tags",
    Kind.REVISION: "revisions",
    Kind.TAG_ENTRY: "tag history entries",
    Kind.SIGNATURE: "schema 1 signatures",
    Kind.LAYER_LINK: "layer links",
    Kind.UPLOAD: "upload files",
    PARTS: "uploads in parts",
    VERSION: "noncurrent versions",
    DIRECTORY: "empty directories",
    Kind.BLOB: "blobs",
}
_SIZED: Final = (Kind.BLOB, Kind.UPLOAD, PARTS, VERSION)
"""The kinds whose bytes are worth counting."""
REASONS: Final = {
    "untagged": "untagged",
    "no-manifest": "manifest missing",
    "no-revision": "revision deleted",
    "no-subject": "its image is gone",
    "rule": "no rule keeps it",
    "removed": "removed by name",
    "no-tag": "tag deleted",
    "no-image": "no image needs it",
    "abandoned": "abandoned",
    "unlinked": "links condemned",
    "orphaned": "no link leads to it",
    "empty": "empty",
    "noncurrent": "their keys go",
    "deleted": "their blobs went before",
}


def size(count: float) -> str:
    """Bytes, for people: decimal units, three digits or so."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if round(count, 1) < 1000:  # noqa: PLR2004 - what the units mean
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} PB"


def _good(text: str) -> str:
    return paint(text, Colour.GOOD)


def _free(count: int, more: str = "") -> str:
    text = f"{size(count)}{more}"
    return _good(text) if count else text


def counted(number: int, thing: str) -> str:
    """So many of a thing, for people."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def as_text(report: Report, *, next_step: bool = True) -> str:
    """Render a report, painted; `next_step` is false where a plan is applied at once, or would be without --dry-run."""
    parts = [
        _heading(report),
        _totals(report),
        _sizes(report),
        _cost(report.cost),
        rules_table(report.rules),
        _repositories(report.repositories),
        _largest(report),
        _findings(report.findings),
        _conclusion(report, next_step=next_step),
    ]
    return "\n".join(part for part in parts if part).rstrip("\n")


def _heading(report: Report) -> str:
    rules = textwrap.fill(_rules(report), _COLUMNS, initial_indent="Rules    ", subsequent_indent=" " * 9)
    return f"Storage  {printable(report.store)}\nScanned  {report.created:%Y-%m-%d %H:%M:%S %Z}\n{rules}\n"


def _rules(report: Report) -> str:
    options = report.options
    named = bool(options.get("removal"))
    if named and not options.get("collect", True):
        return "what is named goes, whatever its age, and nothing else; blobs stay"
    goes = options["untagged"] == "delete"
    untagged = "untagged revisions go" if goes else "untagged revisions are kept"
    if report.rules:
        untagged += (
            " where a rule decides, unless it says otherwise, and are kept elsewhere"
            if goes
            else ", unless a rule says otherwise"
        )
    ages = f"nothing younger than {_age(options['min_age'])} goes, uploads after {_age(options['upload_age'])}"
    if named:
        return f"what is named goes, whatever its age; of all else, blobs too, {ages}; {untagged}"
    return f"{untagged}; {ages}"


def _cost(cost: Cost | None) -> str:
    if cost is None:
        return ""
    rows = [["requests", "list", "read", "write", "delete", "cost"]]
    for name, requests in (("this plan", cost.taken), ("applying it, about", cost.to_come)):
        counts = (requests.list, requests.read, requests.write, requests.delete)
        dollars = "" if requests.dollars is None else f"${requests.dollars:.4f}"
        rows.append([name, *(f"{count:,}" for count in counts), dollars])
    return _table(rows, left=[0]) + (f"at the list prices of {cost.prices}\n" if cost.prices else "")


def _age(seconds: object) -> str:
    hours = timedelta(seconds=float(str(seconds))) / timedelta(hours=1)
    return f"{hours:g}h"


def _totals(report: Report) -> str:
    totals = report.totals
    nothing = Amount(count=0, bytes=0)
    gone = totals.repositories_gone
    rows = [["", "before", "condemned", "after", "why"]]
    rows.append(_counts("repositories", totals.repositories, gone, "nothing left" if gone else ""))
    for kind, name in _NAMES.items():
        before = totals.before.get(kind, nothing)
        condemned = totals.condemned.get(kind, nothing)
        if before.count:
            reasons = totals.reasons.get(kind, {})
            why = ", ".join(
                _why(reason) if len(reasons) == 1 else f"{amount.count:,} {_why(reason)}"
                for reason, amount in reasons.items()
            )
            rows.append(_counts(name, before.count, condemned.count, why))
    before_bytes = sum(totals.before.get(kind, nothing).bytes for kind in _SIZED)
    freed_bytes = sum(totals.condemned.get(kind, nothing).bytes for kind in _SIZED)
    share = f"{freed_bytes / before_bytes:.0%} comes free" if freed_bytes else ""
    rows.append(["bytes", size(before_bytes), _free(freed_bytes), size(before_bytes - freed_bytes), _good(share)])
    return _table(rows, left=(0, 4))


def _sizes(report: Report) -> str:
    sizes = report.totals.sizes
    rows = [["blobs that are linked by", "stored", "comes free", "stays"]]
    for name, share in (
        ("one repository", sizes.exclusive),
        ("several repositories", sizes.shared),
        ("none", sizes.unlinked),
    ):
        if share.bytes:
            rows.append([name, size(share.bytes), _free(share.freed), size(share.bytes - share.freed)])
    return _table(rows, left=(0,)) if len(rows) > 1 else ""


def _counts(name: str, before: int, condemned: int, why: str) -> list[str]:
    return [name, f"{before:,}", f"{condemned:,}", f"{before - condemned:,}", why]


def rules_table(rules: Sequence[RuleSummary]) -> str:
    """Render what each rule of a policy does; nothing where there is none."""
    if not rules:
        return ""
    rows = [["rule", "for", "repositories", "tags", "go", "comes free"]]
    rows += [
        [
            str(rule.rule),
            _shortened(printable(", ".join(rule.repositories))),
            f"{rule.matched:,}",
            f"{rule.tags:,}",
            f"{rule.tags_condemned:,}",
            _free(rule.bytes),
        ]
        for rule in rules
    ]
    return _table(rows, left=(1,))


def _why(reason: str) -> str:
    """A reason in words; one that only a newer plan has, as it stands there."""
    return REASONS.get(reason, printable(reason))


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDE else text[: _WIDE - 3] + "..."


def _repositories(repositories: Sequence[Repository]) -> str:
    if not repositories:
        return ""
    ordered = sorted(repositories, key=lambda one: (-one.freed_bytes, -one.revisions_condemned, one.name))
    rows = [["repository", "tags", "go", "revisions", "go", "size", "not shared", "comes free"]]
    rows += [
        [
            printable(one.name),
            f"{one.tags:,}",
            f"{one.tags_condemned:,}",
            f"{one.revisions:,}",
            f"{one.revisions_condemned:,}",
            size(one.pushed_bytes),
            size(one.exclusive_bytes),
            paint("frozen", Colour.BAD) if one.frozen else _free(one.freed_bytes, ", all" if one.gone else ""),
        ]
        for one in ordered[:_REPOSITORIES]
    ]
    hidden = len(ordered) - _REPOSITORIES
    more = f"... and {hidden:,} more repositories; --format json lists them all\n" if hidden > 0 else ""
    return _table(rows, left=(0,)) + more


def _largest(report: Report) -> str:
    if not report.largest:
        return ""
    rows = [["largest condemned blobs", "size", "why", "linked from"]]
    rows += [
        [
            printable(blob.digest[:19]),
            size(blob.bytes),
            _why(blob.reason),
            printable(", ".join(blob.repositories)),
        ]
        for blob in report.largest
    ]
    return _table(rows, left=(0, 2, 3))


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    lines = ["Findings"]
    for finding in findings[:_FINDINGS]:
        where = finding.key or finding.repository or ""
        times = f" ({finding.count:,} such keys)" if finding.count > 1 else ""
        code = paint(printable(finding.code), Colour.BAD if finding.code.startswith(_DAMAGED) else Colour.ODD)
        told = printable(": ".join(filter(None, (where, finding.message))))
        lines.append(f"  {code}: {told}{times}")
    if len(findings) > _FINDINGS:
        lines.append(f"  ... and {len(findings) - _FINDINGS:,} more; --format json lists them all")
    if any(finding.code.startswith(_DAMAGED) for finding in findings):
        lines.append("  Damaged repositories are frozen: nothing of theirs goes until they are mended.")
        lines.append("  regsweep check names the images that cannot be pulled for it.")
    return "\n".join(lines) + "\n"


def _conclusion(report: Report, *, next_step: bool) -> str:
    if report.refused:
        return f"{paint('Refused:', Colour.BAD)} {printable(report.refused)}\n"
    if not sum(amount.count for amount in report.totals.condemned.values()):
        return "Nothing to delete.\n"
    if report.plan is None:
        return "" if next_step else "Nothing was deleted. Next: the same command without --dry-run\n"
    if not next_step:
        return ""
    plan = printable(report.plan)
    return f"Next: put the registry into read-only mode, then\n  regsweep apply {plan} --registry URL\n"


def _table(rows: Sequence[Sequence[str]], *, left: Iterable[int]) -> str:
    """Align columns, `left` ones to the left, within 80: long names stand alone, long lists go on below themselves."""
    flush = frozenset(left)
    widths = [max(width(row[at]) for row in rows) for at in range(len(rows[0]))]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - _COLUMNS
    if excess > 0 and len(widths) - 1 in flush:
        widths[-1] = max(_LEAST, widths[-1] - excess)
    elif excess > 0 and 0 in flush:
        widths[0] = max(wide for row in rows if (wide := width(row[0])) <= max(widths[0] - excess, width(rows[0][0])))
    lines = []
    for first, *middle, last in rows:
        alone = width(first) > widths[0]
        if alone:
            lines.append(first)
        said, *more = _parts(last, widths[-1])
        cells = []
        for at, (cell, wide) in enumerate(zip(["" if alone else first, *middle, said], widths, strict=True)):
            gap = " " * (wide - width(cell))
            cells.append(cell + gap if at in flush else gap + cell)
        lines.append(_GAP.join(cells).rstrip())
        before = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
        lines += [" " * before + part for part in more]
    return "\n".join(lines) + "\n"


def _parts(text: str, wide: int) -> list[str]:
    """A list with commas, as lines so wide, if its items are not wider."""
    *others, last = text.split(", ")
    first, *items = [*(f"{item}," for item in others), last]
    lines = [first]
    for item in items:
        if width(f"{lines[-1]} {item}") <= wide:
            lines[-1] += f" {item}"
        else:
            lines.append(item)
    return lines
