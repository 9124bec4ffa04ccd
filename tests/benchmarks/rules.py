"""How long rules take over a repository of 100,000 tags."""

import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from regsweep.cli.progress import progress
from regsweep.inventory import schema
from regsweep.inventory.database import Inventory, create
from regsweep.inventory.rows import Repeat, Rows
from regsweep.inventory.serving import serve
from regsweep.inventory.workers import Workers
from regsweep.registry.manifest import Kind, Role
from regsweep.retention.choice import choose_nothing
from regsweep.retention.judge import judge
from regsweep.retention.policy import parse_policy
from tests.benchmarks.measure import tell
from tests.unit.memory import MemoryStore

_TAGS: Final = 100_000
_LAYERS: Final = 8
_DAY: Final = 86_400_000_000
_ROUNDS: Final = 3

# Every kind of condition, and patterns that would never end where matching goes back and forth.
_POLICY: Final = r"""
version: 1
rules:
  - repositories: ["team/**"]
    keepTags:
      - patterns: ["^v\\d+\\.\\d+\\.0$"]
      - patterns: ["^(v+)+\\.$", "5$"]
        mostRecentlyPushedCount: 10
        pushedWithin: 30d
      - mostRecentlyCreatedCount: 10
        createdWithin: 30d
      - semver: {majors: 3, minorsPerMajor: 20, patchesPerMinor: 5, prereleases: keep}
      - labels: {team: web}
      - minSize: 1GB
    neverDelete: ["^latest$"]
    deleteUntagged: true
    untaggedKeepHistory: 2
"""


def over_many_tags(_folder: Path) -> None:
    """Judge them, and tell how long that took; what rules ask of configurations was read before."""
    policy = parse_policy(_POLICY, "policy.yml")
    shown = progress(quiet=True)
    times, gone = [], 0
    for _ in range(_ROUNDS):
        with Workers(MemoryStore({}), 1) as workers, create(facts={}) as inventory:
            _fill(inventory)
            serve(inventory)
            choose_nothing(inventory)
            began = time.perf_counter()
            judge(inventory, policy, workers, shown, untagged=True, min_age=timedelta(days=1), now=datetime.now(UTC))
            times.append(time.perf_counter() - began)
            gone = int(str(inventory.row("SELECT count(*) FROM let_go")[0]))
    tell(f"rules: {_TAGS:,} tags of one repository, of which {gone:,} go: {min(times):.2f} s (wanted: under 3)")


def _fill(inventory: Inventory) -> None:
    rows = Rows()
    tags = [f"v{at // 1000}.{at // 10 % 100}.{at % 10}{'-rc1' if at % 7 == 0 else ''}" for at in range(_TAGS)]
    digests = [sha256(tag.encode()).hexdigest() for tag in tags]
    configs = [sha256(digest.encode()).hexdigest() for digest in digests]
    layers = [sha256(f"{at}".encode()).hexdigest() for at in range(_TAGS // 10)]
    now = int(time.time() * 1_000_000)
    ages = [now - _DAY * 2 - at * 60_000_000 for at in range(_TAGS)]
    name, none = Repeat("team/app", _TAGS), Repeat(None, _TAGS)
    rows.extend(schema.TAGS, name, tags, digests, ages, none)
    rows.extend(schema.TAG_ENTRIES, name, tags, digests, ages, none)
    rows.extend(schema.REVISIONS, name, digests, ages, none)
    rows.extend(schema.MANIFESTS, digests, [Kind.IMAGE] * _TAGS, [""] * _TAGS, [None] * _TAGS)
    rows.extend(schema.MANIFEST_REFERENCES, digests, configs, [1000] * _TAGS, [Role.CONFIG] * _TAGS)
    for layer in range(_LAYERS):
        parts = [layers[(at + layer) % len(layers)] for at in range(_TAGS)]
        rows.extend(schema.MANIFEST_REFERENCES, digests, parts, [10_000_000] * _TAGS, [Role.LAYER] * _TAGS)
    labels = ['{"team": "web"}' if at % 50 == 0 else '{"team": "db"}' for at in range(_TAGS)]
    amd64, none_of_them = ["amd64"] * _TAGS, [None] * _TAGS
    rows.extend(schema.CONFIGS, configs, ages, ["linux"] * _TAGS, amd64, none_of_them, labels, none_of_them)
    for digested in (digests, configs, layers):
        count = len(digested)
        rows.extend(schema.BLOBS, digested, [1000] * count, ages[:count], Repeat(None, count))
    inventory.add(rows)
    inventory.flush()
