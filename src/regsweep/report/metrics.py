"""Reports and results as node_exporter's textfile collector reads them, so that a job of cron's can be watched."""

from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from regsweep.registry.layout import printable
from regsweep.report.document import Report
from regsweep.report.result import Result

_PLANNED: Final = ("planned", "refused")
_APPLIED: Final = ("done", "stopped")


class _Metrics:
    def __init__(self, store: str) -> None:
        self._registry = CollectorRegistry()
        self._store = printable(store)

    def add(self, name: str, said: str, values: dict[str, float], label: str = "") -> None:
        """Add a gauge: one value, or one for each value of a label."""
        gauge = Gauge(f"regsweep_{name}", said, ["store", *([label] if label else [])], registry=self._registry)
        for value, number in values.items():
            gauge.labels(self._store, *([value] if label else [])).set(number)

    def outcome(self, name: str, said: str, outcomes: tuple[str, ...], outcome: str) -> None:
        """Add a gauge that is 1 for the outcome there was, and 0 for each other."""
        self.add(name, said, {one: float(one == outcome) for one in outcomes}, "outcome")

    def text(self) -> str:
        return generate_latest(self._registry).decode().removesuffix("\n")


def of_report(report: Report) -> str:
    """Render what a plan found: how much there is and goes, when that was, how long it took, and what came of it."""
    totals, metrics = report.totals, _Metrics(report.store)
    before, condemned = totals.before, totals.condemned
    kinds = [kind for kind, amount in before.items() if amount.count]
    for name, amounts, said in (("stored", before, "there are"), ("condemned", condemned, "would be deleted")):
        counts = {kind: amounts[kind].count if kind in amounts else 0 for kind in kinds}
        sizes = {kind: amounts[kind].bytes if kind in amounts else 0 for kind in kinds}
        metrics.add(name, f"How many {said}, by kind.", dict(counts), "kind")
        metrics.add(f"{name}_bytes", f"The bytes of those that {said}, by kind.", dict(sizes), "kind")
    metrics.add("repositories", "Repositories.", {"": totals.repositories})
    findings: dict[str, float] = {}
    for finding in report.findings:
        findings[finding.code] = findings.get(finding.code, 0) + finding.count
    metrics.add("findings", "What people should look at, by its code.", findings, "code")
    metrics.add("plan_timestamp_seconds", "When the storage was scanned.", {"": report.created.timestamp()})
    if report.finished:
        taken = (report.finished - report.created).total_seconds()
        metrics.add("plan_duration_seconds", "How long the plan took.", {"": taken})
    metrics.outcome("plan_outcome", "What came of it.", _PLANNED, "refused" if report.refused else "planned")
    return metrics.text()


def of_result(result: Result, *, now: datetime) -> str:
    """Render what was done of a plan in all its runs."""
    metrics = _Metrics(result.store)
    metrics.add("deleted", "Keys that were deleted.", {"": result.deleted})
    metrics.add("absent", "Keys that were gone already.", {"": result.absent})
    metrics.add("freed_bytes", "Bytes that came free.", {"": result.bytes})
    # A directory that other files kept is none of those that are deleted, though the plan lists it.
    left = 0 if result.finished else result.deletions - result.deleted - result.absent
    metrics.add("left", "Keys of the plan that are still to be deleted.", {"": left})
    metrics.add("apply_timestamp_seconds", "When the run ended.", {"": now.timestamp()})
    metrics.outcome("apply_outcome", "What came of it.", _APPLIED, "done" if result.finished else "stopped")
    return metrics.text()
