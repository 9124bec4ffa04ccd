"""From a scanned inventory to what is condemned."""

from datetime import datetime

from regsweep.inventory.database import Inventory
from regsweep.inventory.progress import Progress
from regsweep.plan.condemn import condemn
from regsweep.plan.mark import mark
from regsweep.plan.options import Options
from regsweep.plan.summary import Totals, summarise, totals


def decide(inventory: Inventory, options: Options, progress: Progress, *, now: datetime) -> Totals:
    """Mark, condemn and count; afterwards the inventory has the tables that docs/inventory.md lists."""
    with progress.stage("marking", unit="steps", total=3) as bar:
        mark(inventory, options, now=now)
        bar.advance(1)
        condemn(inventory, options, now=now)
        bar.advance(1)
        summarise(inventory)
        bar.advance(1)
    return totals(inventory)
