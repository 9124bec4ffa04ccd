"""Brakes: plans so large or so unlikely that the user must ask for them by name."""

from enum import StrEnum
from urllib.parse import urlsplit

from regsweep.errors import RefusedError
from regsweep.plan.options import Options, Untagged
from regsweep.plan.summary import Amount, Totals
from regsweep.registry.layout import DATABASE_IN_USE, SCHEDULER_STATE, Kind
from regsweep.storage.ports import Reads


class Brake(StrEnum):
    """What can be allowed by name."""

    DATABASE = "database"
    """The registry keeps its books in a database (GitLab)."""
    CACHE = "cache"
    """The registry is a pull-through cache: its untagged content is wanted."""
    NO_TAGS = "no-tags"
    """Untagged revisions are to go, and there is not one tag (Harbor keeps its own), or not one would be left."""
    NOTHING_KEPT = "nothing-kept"
    """Something is to go, and not one blob is in use."""


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
    blobs = totals.before[Kind.BLOB].count
    condemned = totals.condemned.get(Kind.BLOB, nothing).count
    revisions, tags = totals.before[Kind.REVISION].count, totals.before[Kind.TAG].count
    if options.untagged is Untagged.DELETE and revisions and Brake.NO_TAGS not in options.allow:
        if not tags:
            raise _refused(
                Brake.NO_TAGS,
                f"the storage has {revisions:,} revisions and not one tag: with --untagged delete all of them would "
                "go. Harbor, for one, keeps its tags elsewhere",
            )
        if totals.condemned.get(Kind.TAG, nothing).count == tags:
            raise _refused(
                Brake.NO_TAGS,
                f"all {tags:,} tags would go, for what they lead to is not here or is for images that are not here, "
                "and with --untagged delete everything goes with them",
            )
    going = any(kind in totals.condemned for kind in (Kind.TAG, Kind.REVISION, Kind.LAYER_LINK, Kind.BLOB))
    if going and not totals.reachable_blobs and Brake.NOTHING_KEPT not in options.allow:
        # Not one in use may as well mean that `blobs/` is not mounted.
        raise _refused(
            Brake.NOTHING_KEPT,
            f"{condemned:,} of {blobs:,} blobs would go, and not one blob is in use: is all of the storage here?",
        )
    if condemned > options.max_delete * blobs:
        raise RefusedError(
            f"{condemned:,} of {blobs:,} blobs would be deleted, more than --max-delete {options.max_delete * 100:g}%",
            hint="if the report shows what you expect, add --max-delete 100%",
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
