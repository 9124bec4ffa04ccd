"""What a plan is made by."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from regsweep.retention.ages import before

if TYPE_CHECKING:
    # Help and mistakes are answered without them.
    from regsweep.retention.policy import Policy
    from regsweep.retention.removal import Removal

Value = str | float | bool | list[str]
"""What an option may be in a document."""


class Untagged(StrEnum):
    """What becomes of a revision that no tag reaches."""

    KEEP = "keep"
    DELETE = "delete"


class Brake(StrEnum):
    """What is refused unless it is allowed by name; see brakes.py."""

    DATABASE = "database"
    """The registry keeps its books in a database (GitLab)."""
    CACHE = "cache"
    """The registry is a pull-through cache: its untagged content is wanted."""
    NO_TAGS = "no-tags"
    """Untagged revisions are to go, and there is not one tag (Harbor keeps its own), or not one would be left."""
    NOTHING_KEPT = "nothing-kept"
    """Something is to go, and not one blob is in use."""
    MISSING_MANIFESTS = "missing-manifests"
    """So many revisions are to go because their manifest's blob is missing that a part of the storage may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The choices that decide what is condemned."""

    untagged: Untagged = Untagged.KEEP
    min_age: timedelta = timedelta(hours=24)
    """Nothing younger than this is deleted."""
    upload_age: timedelta = timedelta(hours=168)
    """An upload is abandoned when it began longer ago than this."""
    max_delete: float = 0.9
    """The largest share of the blobs that a plan may delete."""
    largest_first: bool = False
    """Whether blobs go the largest first, so that a window that is too short frees the most."""
    uploads: bool = False
    """Whether uploads in parts that no listing shows are aborted, by their age as others are."""
    versions: bool = False
    """Whether nothing is kept of what goes: neither its earlier versions nor, where the store keeps them, the last."""
    allow: frozenset[str] = frozenset()
    """The brakes released, by their names."""
    policy: "Policy | None" = None
    """Which tags are kept; without one, all are."""
    removal: "Removal | None" = None
    """What is removed by name; not together with a policy."""
    collect: bool = True
    """Whether what nothing needs is collected, or only what was named goes."""

    @property
    def lets_untagged_go(self) -> bool:
        """Whether what no tag reaches goes anywhere."""
        ruled = self.policy is not None and any(rule.delete_untagged for rule in self.policy.rules)
        return ruled or self.untagged is Untagged.DELETE

    def document(self) -> dict[str, Value]:
        """The options as they stand in plans and reports: ages in seconds."""
        return {
            "untagged": self.untagged.value,
            "min_age": self.min_age.total_seconds(),
            "upload_age": self.upload_age.total_seconds(),
            "max_delete": self.max_delete,
            "largest_first": self.largest_first,
            "uploads": self.uploads,
            "versions": self.versions,
            "allow": sorted(self.allow),
            "policy": json.dumps(self.policy.document()) if self.policy else "",
            "removal": [str(name) for name in self.removal.names] if self.removal else [],
            "tags_matching": list(self.removal.tags_matching) if self.removal else [],
            "force": self.removal.force if self.removal else False,
            "collect": self.collect,
        }

    def cutoffs(self, now: datetime) -> dict[str, datetime]:
        """The moments after which things are too young to go: SQL parameters, in UTC without saying so."""
        return {"cutoff": before(now, self.min_age), "upload_cutoff": before(now, self.upload_age)}
