"""From a scanned inventory to what is condemned."""

from datetime import datetime

from regsweep.inventory.database import Inventory
from regsweep.inventory.progress import Progress
from regsweep.inventory.serving import serve
from regsweep.inventory.workers import Workers
from regsweep.plan.condemn import condemn
from regsweep.plan.mark import mark
from regsweep.plan.options import Options, Untagged
from regsweep.plan.picture import lead
from regsweep.plan.summary import Totals, link, summarise, totals
from regsweep.retention.choice import choose_nothing, drop_choice, let_untagged_go
from regsweep.retention.judge import judge
from regsweep.retention.removal import check_needed, remove


def decide(inventory: Inventory, options: Options, workers: Workers, progress: Progress, *, now: datetime) -> Totals:
    """Choose, mark, condemn and count; afterwards the inventory has the tables that docs/inventory.md lists.

    The workers read what a policy asks for, if it does, and are closed when there is nothing left to read.

    Raises:
        UsageError: what is to be removed is not there.
        RefusedError: it cannot be.
        StorageError: something could not be read.
    """
    serve(inventory)
    choose_nothing(inventory)
    untagged = options.untagged is Untagged.DELETE
    if options.policy:
        judge(inventory, options.policy, workers, progress, untagged=untagged, min_age=options.min_age, now=now)
    elif untagged:
        let_untagged_go(inventory)
    workers.close()
    if options.removal:
        remove(inventory, options.removal)
    with progress.stage("marking", unit="steps", total=3) as bar:
        with inventory.meanwhile(_follow):
            mark(inventory, options, now=now)
            if options.removal:
                check_needed(inventory, options.removal)
        bar.advance(1)
        condemn(inventory, options, now=now)
        bar.advance(1)
        summarise(inventory)
        bar.advance(1)
    drop_choice(inventory)
    return totals(inventory)


def _follow(inventory: Inventory) -> None:
    """Follow the links in the ways that do not ask what goes."""
    link(inventory)
    lead(inventory)
