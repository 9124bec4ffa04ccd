"""A report as one document, the source of every rendering. docs/plan-format.md describes its JSON."""

from datetime import datetime
from typing import Final

import msgspec

from regsweep.plan.by_rule import RuleSummary
from regsweep.plan.cost import Cost
from regsweep.plan.file import Header
from regsweep.plan.options import Value
from regsweep.plan.picture import Picture
from regsweep.plan.summary import Blob, Finding, Repository, Totals

VERSION: Final = 1


class Report(msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag="regsweep-report"):
    """What a plan would do, and what it was made from."""

    version: int
    regsweep: str
    store: str
    created: datetime
    options: dict[str, Value]
    totals: Totals
    largest: list[Blob]
    cost: Cost | None = None
    """Of an object store: the requests that this plan took, and those that it will take."""
    rules: list[RuleSummary] = []
    """What each rule of the policy lets go, if there is one."""
    repositories: list[Repository]
    findings: list[Finding]
    finished: datetime | None = None
    """When the report was made, where it is not one of a plan that was made before."""
    plan: str | None
    """The plan file, if one was written."""
    refused: str | None
    """Why no plan was written, if a brake stopped it."""
    picture: Picture | None = None
    """What the page shows besides; of a plan that has none, nothing. Its tags stand on the page alone."""


def report(  # noqa: PLR0913 - a report has as many parts
    header: Header,
    repositories: list[Repository],
    findings: list[Finding],
    *,
    plan: str | None = None,
    refused: str | None = None,
    finished: datetime | None = None,
    picture: Picture | None = None,
) -> Report:
    """Put a report together."""
    return Report(
        version=VERSION,
        regsweep=header.regsweep,
        store=header.store,
        created=header.created,
        options=header.options,
        totals=header.totals,
        largest=header.largest,
        cost=header.cost,
        rules=header.rules,
        repositories=repositories,
        findings=findings,
        finished=finished,
        plan=plan,
        refused=refused,
        picture=picture,
    )


def as_json(document: Report) -> str:
    """Render as JSON, indented for people."""
    if document.picture:
        told = msgspec.structs.replace(document.picture, tagged=[])
        document = msgspec.structs.replace(document, picture=told)
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
