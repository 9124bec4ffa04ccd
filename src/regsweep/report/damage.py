"""What `regsweep check` found as one document, the source of every rendering. docs/check.md describes its JSON."""

from datetime import datetime
from typing import Final

import msgspec

from regsweep.inventory.checks import Finding, Severity, Totals

VERSION: Final = 1


class Check(msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag="regsweep-check"):
    """What was looked at, and what is wrong with it."""

    version: int
    regsweep: str
    store: str
    checked: datetime
    """When it began."""
    deep: bool
    """Whether every blob was read and hashed."""
    totals: Totals
    findings: list[Finding]
    """Damage first."""

    @property
    def damage(self) -> list[Finding]:
        """The findings that are damage."""
        return [one for one in self.findings if one.severity is Severity.DAMAGE]


def as_json(document: Check) -> str:
    """Render as JSON, indented for people."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
