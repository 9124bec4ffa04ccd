"""What a run costs in requests, and at a provider's list price in money."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from regsweep.errors import UsageError
from regsweep.inventory.database import Inventory
from regsweep.plan.kinds import DIRECTORY, PARTS
from regsweep.plan.summary import Totals
from regsweep.storage.ports import Request, Store

AS_OF: Final = "2025-01"
"""When the providers' pages were read from which the prices are: US dollars for a thousand requests."""
_S3: Final = {Request.LIST: 0.005, Request.READ: 0.0004, Request.WRITE: 0.005, Request.DELETE: 0.0}
_GCS: Final = {Request.LIST: 0.005, Request.READ: 0.0004, Request.WRITE: 0.005, Request.DELETE: 0.0}
_AZURE: Final = {Request.LIST: 0.0055, Request.READ: 0.00044, Request.WRITE: 0.0055, Request.DELETE: 0.0}
PRICES: Final[Mapping[str, tuple[str, Mapping[Request, float]]]] = {
    "s3": ("S3 Standard, us-east-1", _S3),
    "gs": ("Cloud Storage Standard, one region", _GCS),
    "az": ("Blob Storage hot, locally redundant", _AZURE),
}
"""By the scheme of the store's URL."""

_LISTED_AT_ONCE: Final = 1000
_LOCK: Final = {Request.READ: 3, Request.WRITE: 2, Request.DELETE: 1}
"""What taking and giving back the lock costs."""


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """Requests by kind, as providers count them."""

    list: int
    read: int
    write: int
    delete: int
    dollars: float | None
    """At the prices that `Cost.prices` names; none where none are known."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Requests to an object store."""

    taken: Requests
    """By the run that made the plan."""
    to_come: Requests
    """By the run that will apply it, about."""
    prices: str
    """Whose prices these are, and of when; empty where none are known."""


def parse_prices(text: str | None) -> Mapping[Request, float] | None:
    """Read prices such as `list=0.005,read=0.0004`, in dollars for a thousand; what is not named costs nothing.

    Raises:
        UsageError: they make no sense.
    """
    if text is None:
        return None
    prices = dict.fromkeys(Request, 0.0)
    for part in text.split(","):
        found = re.fullmatch(r"\s*(list|read|write|delete)=(\d{1,6}(?:\.\d+)?)\s*", part, re.ASCII)
        if not found:
            raise UsageError(f"--prices {text}: makes no sense", hint="write list=0.005,read=0.0004,write=0.005")
        prices[Request(found[1])] = float(found[2])
    return prices


def cost(
    store: Store, inventory: Inventory, totals: Totals, *, shards: int, prices: Mapping[Request, float] | None
) -> Cost | None:
    """Tell what was asked of a store, and what applying the plan will ask; `None` where there are no requests.

    The links were listed in so many `shards`. Prices are dollars for a thousand; without, the provider's own count.
    """
    taken = dict(store.requests)
    for kind, count in inventory.rows("SELECT kind, sum(count)::BIGINT FROM requests GROUP BY kind"):
        request = Request(str(kind))
        taken[request] = taken.get(request, 0) + int(str(count))
    if not taken:
        return None
    name, known = "as given", prices
    if known is None:
        name, known = PRICES.get(store.url.partition("://")[0], ("", None))
        name = f"{name}, {AS_OF}" if known else ""
    return Cost(
        taken=_priced(taken, known), to_come=_priced(_to_come(store, inventory, totals, shards), known), prices=name
    )


def _to_come(store: Store, inventory: Inventory, totals: Totals, shards: int) -> Mapping[Request, int]:
    counts = {kind: amount.count for kind, amount in totals.condemned.items() if kind != DIRECTORY}
    if not sum(counts.values()):
        return {}
    links = inventory.row("SELECT coalesce(sum(links), 0)::BIGINT FROM kept_links")[0]
    listing = -(-int(str(links)) // _LISTED_AT_ONCE) + shards
    batches = sum(-(-count // store.batch) for count in counts.values())
    deletions = sum(
        # Parts are given up one by one.
        count if kind == PARTS else -(-count // store.deletions_in_request)
        for kind, count in counts.items()
    )
    return {
        # Before links go, and again before blobs go.
        Request.LIST: 2 * listing,
        # The lock is looked at before each batch.
        Request.READ: _LOCK[Request.READ] + batches,
        Request.WRITE: _LOCK[Request.WRITE],
        Request.DELETE: _LOCK[Request.DELETE] + deletions,
    }


def _priced(counts: Mapping[Request, int], prices: Mapping[Request, float] | None) -> Requests:
    dollars = None
    if prices is not None:
        dollars = round(sum(count * prices[kind] / 1000 for kind, count in counts.items()), 6)
    return Requests(**{kind.value: counts.get(kind, 0) for kind in Request}, dollars=dollars)
