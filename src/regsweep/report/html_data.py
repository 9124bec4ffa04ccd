"""What the page's script shows: a report in columns, small enough to be sent."""

import json
from typing import Final

import msgspec

from regsweep.plan.picture import Picture
from regsweep.plan.summary import Finding, Repository
from regsweep.registry.layout import printable
from regsweep.report.document import Report
from regsweep.report.html_advice import ADVICE, TITLES
from regsweep.report.text import REASONS

PLACES: Final = {
    "tagged": "tagged",
    "shared": "shared",
    "untagged": "untagged",
    "orphaned": "orphaned",
    "uploads": "unfinished uploads",
    "parts": "uploads in parts",
    "versions": "noncurrent versions",
}
"""How the parts of what is stored are called."""
_HIDDEN: Final = {"links", "fingerprint"}
_DAY: Final = 86_400


def page_data(report: Report) -> bytes:
    """Encode all that the page shows beyond its own words and numbers, as JSON whose texts are harmless anywhere."""
    picture = report.picture
    data = {
        "store": report.store,
        "refused": report.refused,
        "sizes": report.totals.sizes,
        "drawn": picture is not None,
        "where": picture.where if picture else [],
        "months": picture.months if picture else [],
        "ages": picture.ages if picture else [],
        "largest": picture.largest if picture else [],
        "places": PLACES,
        "words": REASONS,
        "repositories": _columns(report.repositories, picture),
        "findings": _findings(report.findings),
        "options": options(report),
        "rules": report.rules,
        "policy": json.loads(str(report.options.get("policy") or "null")),
    }
    return msgspec.json.encode(_printable(msgspec.to_builtins(data)))


def _columns(repositories: list[Repository], picture: Picture | None) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {
        name: [getattr(one, name) for one in repositories]
        for name in Repository.__struct_fields__
        if name not in _HIDDEN
    }
    tagged = {one.repository: one for one in picture.tagged} if picture else {}
    columns["pushed"] = [tagged[one.name].pushed if one.name in tagged else "" for one in repositories]
    columns["shown"] = [tagged[one.name].tags if one.name in tagged else [] for one in repositories]
    return columns


def _findings(findings: list[Finding]) -> list[dict[str, object]]:
    """Those of one code together, with what to do about them."""
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    return [
        {
            "title": TITLES.get(code, code),
            "advice": ADVICE.get(code, ""),
            "count": sum(one.count for one in group),
            "items": [
                {"where": one.key or one.repository or "", "message": one.message, "count": one.count} for one in group
            ],
        }
        for code, group in by_code.items()
    ]


def options(report: Report) -> list[tuple[str, str]]:
    """The options that led to the plan, in words."""
    chosen = report.options
    untagged = "go" if chosen.get("untagged") == "delete" else "are kept"
    if report.rules:
        untagged += " where a rule decides, unless it says otherwise; elsewhere they are kept"
    most = float(str(chosen.get("max_delete", 1)))
    told = [
        ("Untagged manifests", untagged),
        ("Nothing goes that is younger than", _age(chosen.get("min_age"))),
        ("Uploads go after", _age(chosen.get("upload_age"))),
        ("Removed by name", _several(chosen.get("removal"))),
        ("Of repositories named, the tags that match", _several(chosen.get("tags_matching"))),
        ("Brakes released", _several(chosen.get("allow"))),
        ("Refused if it deletes more than", f"{most:.0%} of the blobs" if most < 1 else ""),
        ("Uploads in parts", "are aborted by their age" if chosen.get("uploads") else ""),
        ("Versions of what goes", "go as well" if chosen.get("versions") else ""),
        ("Largest blobs", "go first" if chosen.get("largest_first") else ""),
        ("What nothing needs", "" if chosen.get("collect", True) else "stays: nothing but what was named goes"),
        ("Plan", report.plan or "none was written"),
    ]
    return [(name, words) for name, words in told if words]


def _several(names: object) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list) else ""


def _age(seconds: object) -> str:
    count = float(str(seconds))
    for unit, length in (("day", _DAY), ("hour", 3600), ("minute", 60)):
        if count >= length and count % length == 0:
            times = count / length
            return f"{times:g} {unit}" + ("" if times == 1 else "s")
    return f"{count:g} seconds"


def _printable(value: object) -> object:
    match value:
        case str():
            return printable(value)
        case list():
            return [_printable(one) for one in value]
        case tuple():
            return [_printable(one) for one in value]
        case dict():
            return {printable(str(name)): _printable(one) for name, one in value.items()}
        case _:
            return value
