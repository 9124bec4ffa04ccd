"""What a Cloud Storage bucket does with what is deleted."""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from regsweep.storage.ports import Remark
from regsweep_backends._remarks import UNTIL_A_RULE, soft_delete, versions_kept

FIELDS: Final = "kind,versioning,softDeletePolicy,retentionPolicy"
"""What to ask for of a bucket."""


class _Versioning(msgspec.Struct, frozen=True):
    enabled: bool = False


class _SoftDelete(msgspec.Struct, rename="camel", frozen=True):
    retention_duration_seconds: str = "0"


class Policies(msgspec.Struct, rename="camel"):
    """A bucket's own words."""

    # It must be there: somebody else's answer that is any JSON at all says nothing of versions.
    kind: Literal["storage#bucket"]
    versioning: _Versioning | None = None
    soft_delete_policy: _SoftDelete = _SoftDelete()
    retention_policy: dict[str, object] | None = None

    @property
    def may_keep_versions(self) -> bool:
        """Whether there may be generations that are not live: of a bucket that keeps none any more, too."""
        return self.versioning is not None

    def remarks(self) -> Iterator[Remark]:
        """See `Remarks.remarks`.

        Raises:
            ValueError: a number is none.
        """
        if self.versioning is not None and self.versioning.enabled:
            yield versions_kept("bucket", UNTIL_A_RULE)
        if days := int(self.soft_delete_policy.retention_duration_seconds) // 86_400:
            yield soft_delete("bucket", days)
        if self.retention_policy:
            yield Remark(
                code="object-lock",
                text="the bucket has a retention policy: what is younger than it asks for cannot be deleted",
            )


decode: Final = msgspec.json.Decoder(Policies).decode
