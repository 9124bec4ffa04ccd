"""Brakes: plans so large or so unlikely that the user must ask for them by name."""

from enum import StrEnum

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
    """Untagged revisions are to go, and there is not one tag (Harbor keeps its own)."""
    NOTHING_KEPT = "nothing-kept"
    """Not one blob would be left."""
    MAX_DELETE = "max-delete"
    """More blobs would go than `--max-delete` says."""


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
            + (f" of {proxy}" if proxy else f" ({SCHEDULER_STATE} stands in its storage)")
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
    if (
        options.untagged is Untagged.DELETE
        and totals.before[Kind.REVISION].count
        and not totals.before[Kind.TAG].count
        and Brake.NO_TAGS not in options.allow
    ):
        raise _refused(
            Brake.NO_TAGS,
            f"the storage has {totals.before[Kind.REVISION].count:,} revisions and not one tag: with "
            "--untagged delete all of them would go. Harbor, for one, keeps its tags elsewhere",
        )
    if blobs and condemned == blobs and Brake.NOTHING_KEPT not in options.allow:
        raise _refused(Brake.NOTHING_KEPT, f"all {blobs:,} blobs would be deleted: nothing in the storage is in use")
    if condemned > options.max_delete * blobs and Brake.MAX_DELETE not in options.allow:
        raise RefusedError(
            f"{condemned:,} of {blobs:,} blobs would be deleted, more than --max-delete {options.max_delete:.0%}",
            hint="if the report shows what you expect, add --max-delete 100%",
        )


def _refused(brake: Brake, message: str) -> RefusedError:
    return RefusedError(message, hint=f"if that is what you want, add --allow {brake}")
