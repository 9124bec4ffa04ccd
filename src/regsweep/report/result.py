"""What was done of a plan. docs/plan-format.md describes its JSON."""

from datetime import datetime

import msgspec

from regsweep.report.cells import table


class Result(msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag="regsweep-result"):
    """What was done in all runs of a plan."""

    version: int
    plan: str
    store: str
    deletions: int
    deleted: int
    absent: int
    bytes: int
    directories: int
    finished: datetime | None
    """When all of it was done."""


def result_json(result: Result) -> str:
    """Render as JSON, indented for people."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode()


def result_csv(result: Result) -> str:
    """Render as one row below its heads."""
    return table(Result.__struct_fields__, [msgspec.structs.astuple(result)])
