"""Brakes: plans so large or so unlikely that the user must ask for them by name."""

from typing import Final
from urllib.parse import urlsplit

from regsweep.errors import RefusedError
from regsweep.plan.kinds import VERSION, Reason
from regsweep.plan.options import Brake, Options
from regsweep.plan.summary import Amount, Totals
from regsweep.registry.layout import DATABASE_IN_USE, SCHEDULER_STATE, Kind
from regsweep.storage.ports import Reads

_FEW_MISSING: Final = 9
"""Manifests that may be missing in any registry, however small: what a mishap leaves behind."""
_SHARE_MISSING: Final = 0.01
"""The share of the revisions whose manifests may be missing.

A storage that is whole misses next to none. One that lost a part of `blobs/` misses about as large a share of the
manifests, for digests spread evenly over the shards: a hundredth are three of the 256. To be asked without need costs
one option, once, for the revisions are gone after that run; not to be asked costs every image whose manifest comes
back with the mount and finds its links deleted.
"""


def check_registry(store: Reads, options: Options, *, proxy: str | None) -> None:
    """Refuse a registry whose storage does not tell what is wanted. `proxy` is its `proxy.remoteurl`, if known.

    Raises:
        RefusedError: it is such a registry, and the options do not allow it.
    """
    if Brake.DATABASE not in options.allow and store.has(DATABASE_IN_USE):
        raise _refused(
            Brake.DATABASE,
            f"{DATABASE_IN_USE} stands in the storage: this registry keeps its books in a database (GitLab), and the "
            "storage does not tell what is in use",
        )
    if Brake.CACHE not in options.allow and (proxy or store.has(SCHEDULER_STATE)):
        raise _refused(
            Brake.CACHE,
            "this registry is a pull-through cache"
            + (f" of {_host(proxy)}" if proxy else f" ({SCHEDULER_STATE} stands in its storage)")
            + ": content without a tag is wanted there",
        )


def check_plan(totals: Totals, options: Options) -> None:
    """Refuse a plan that goes too far.

    Raises:
        RefusedError: it does, and the options do not allow it.
    """
    nothing = Amount(count=0, bytes=0)
    # The versions of a blob that went before are as much as a blob: they are all that can bring it back.
    lost = totals.reasons.get(VERSION, {}).get(Reason.DELETED, nothing).count
    blobs = totals.before[Kind.BLOB].count + lost
    condemned = totals.condemned.get(Kind.BLOB, nothing).count + lost
    if Brake.NO_TAGS not in options.allow:
        _check_tags(totals, options)
    going = any(kind in totals.condemned for kind in (Kind.TAG, Kind.REVISION, Kind.LAYER_LINK, Kind.BLOB, VERSION))
    if going and not totals.reachable_blobs and Brake.NOTHING_KEPT not in options.allow:
        # Not one in use may as well mean that `blobs/` is not mounted.
        raise _refused(
            Brake.NOTHING_KEPT,
            f"{condemned:,} of {blobs:,} blobs would go, and not one blob is in use: is all of the storage here?",
        )
    _check_missing(totals, options)
    if condemned > options.max_delete * blobs:
        raise RefusedError(
            f"{condemned:,} of {blobs:,} blobs would be deleted, more than --max-delete {options.max_delete * 100:g}%",
            hint="if the report shows what you expect, add --max-delete 100%",
        )


def _check_tags(totals: Totals, options: Options) -> None:
    """Refuse a plan that leaves no image with a tag."""
    revisions, tags = totals.before[Kind.REVISION].count, totals.before[Kind.TAG].count
    if options.lets_untagged_go and revisions and not tags:
        raise _refused(
            Brake.NO_TAGS,
            f"the storage has {revisions:,} revisions and not one tag: where untagged ones are to go, all of them "
            "would. Harbor, for one, keeps its tags elsewhere",
        )
    reasons = totals.reasons.get(Kind.TAG, {})
    chosen = sum(reasons[reason].count for reason in (Reason.RULE, Reason.REMOVED) if reason in reasons)
    if tags and totals.condemned.get(Kind.TAG, Amount(count=0, bytes=0)).count == tags:
        if chosen:
            raise _refused(Brake.NO_TAGS, f"all {tags:,} tags would go, {chosen:,} of them by rule or by name")
        if options.lets_untagged_go and revisions:
            raise _refused(
                Brake.NO_TAGS,
                f"all {tags:,} tags would go, for what they lead to is not here or is for images that are not here, "
                "and untagged revisions with them",
            )


def _check_missing(totals: Totals, options: Options) -> None:
    """Refuse a plan that takes many revisions because their manifests are missing.

    Tags do not count by themselves: a thousand of them may stand at one image that was lost.
    """
    revisions = totals.before[Kind.REVISION].count
    reasons = totals.reasons.get(Kind.REVISION, {})
    missing = reasons[Reason.NO_MANIFEST].count if Reason.NO_MANIFEST in reasons else 0
    # With --versions nothing could bring back what a manifest that is missing needs.
    allowed = 0 if options.versions else max(_FEW_MISSING, _SHARE_MISSING * revisions)
    if missing > allowed and Brake.MISSING_MANIFESTS not in options.allow:
        raise _refused(
            Brake.MISSING_MANIFESTS,
            f"{missing:,} of {revisions:,} revisions would go because their manifest is not there: is all of the "
            "storage here?",
        )


def _host(url: str) -> str:
    """The host of a URL, and no more: there may be a password in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "another registry"
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else "another registry"


def _refused(brake: Brake, message: str) -> RefusedError:
    return RefusedError(message, hint=f"if that is what you want, add --allow {brake}")
