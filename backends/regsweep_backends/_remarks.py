"""Remarks that providers' stores have in common, in the same words."""

from typing import Final

from regsweep.storage.ports import Remark

UNTIL_A_RULE: Final = "until a lifecycle rule ends them; its bytes come free then"


def versions_kept(holder: str, until: str) -> Remark:
    """What is deleted stays as a version."""
    return Remark(
        code="versions-kept",
        text=f"the {holder} keeps versions: without --versions what is deleted stays as noncurrent versions {until}",
    )


def soft_delete(holder: str, days: int) -> Remark:
    """What is deleted stays for a while."""
    return Remark(
        code="soft-delete",
        text=f"the {holder} keeps what is deleted for {days} days; its bytes are paid for until then",
    )
