"""How long the page of a made-up registry of 5,000 repositories and a million blobs takes, and how large it is."""

import random
import statistics
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from regsweep.cli.progress import progress
from regsweep.inventory import schema
from regsweep.inventory.database import Inventory, create
from regsweep.inventory.rows import Repeat, Rows
from regsweep.inventory.workers import Workers
from regsweep.plan import file, summary
from regsweep.plan.make import decide
from regsweep.plan.options import Options, Untagged
from regsweep.plan.picture import picture
from regsweep.registry.manifest import Kind, Role
from regsweep.report.document import report
from regsweep.report.html import as_html
from regsweep.retention.policy import parse_policy
from tests.benchmarks.measure import tell
from tests.real.browser import browser
from tests.unit.memory import MemoryStore

_REPOSITORIES: Final = 5_000
_BLOBS: Final = 1_000_000
_BASES: Final = 400
_SHARED: Final = 3
_OWN: Final = 4
_YEARS: Final = 4
_YEAR: Final = 365 * 86_400 * 1_000_000
_TEAMS: Final = ("web", "data", "platform", "mobile", "search", "billing", "infra", "ml", "labs", "security")
_POLICY: Final = r"""
version: 1
rules:
  - repositories: ["labs/**", "ml/**"]
    keepTags:
      - mostRecentlyPushedCount: 2
    deleteUntagged: true
  - repositories: ["**"]
    keepTags:
      - mostRecentlyPushedCount: 10
      - pushedWithin: 180d
    deleteUntagged: true
"""
_UNTIL_SHOWN: Final = """
(press) => new Promise((done) => {
  const began = performance.now();
  press();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
})
"""
_PRESSED: Final = {
    "sort": "document.querySelector('th[data-key=tags] button').click()",
    "filter": (
        "const one = document.querySelector('#filter'); one.value = one.value ? '' : 'api'; "
        "one.dispatchEvent(new Event('input'))"
    ),
    "open": "document.querySelector('.name').click()",
    "dark": "document.querySelector('#theme').click()",
}


class _Blob(NamedTuple):
    digest: str
    size: int
    written: int


def of_a_large_registry(folder: Path) -> None:
    """Make it, and tell."""
    shown = progress(quiet=True)
    options = Options(untagged=Untagged.DELETE, policy=parse_policy(_POLICY, "policy.yml"))
    now = datetime.now(UTC)
    with Workers(MemoryStore({}), 1) as workers, create(facts={}) as inventory:
        fill(inventory, _REPOSITORIES, _BLOBS, now=now)
        totals = decide(inventory, options, workers, shown, now=now)
        began = time.perf_counter()
        drawn = picture(inventory, totals, judged=True, now=now)
        took = time.perf_counter() - began
        header = file.header("s3://registry/production", options, inventory, totals, created=now)
        told = report(header, list(summary.repositories(inventory)), list(summary.findings(inventory)), picture=drawn)
        page = as_html(told).encode()
        all_of_it = time.perf_counter() - began
    (folder / "page.html").write_bytes(page)
    tell(
        f"page: {totals.repositories:,} repositories, {totals.before['blob'].count:,} blobs, "
        f"{totals.before['tag'].count:,} tags: {all_of_it:.1f} s (wanted: under 20), of which the picture "
        f"{took:.1f} s; {len(page) / 1e6:.2f} MB (wanted: under 3)"
    )
    _in_a_browser(folder)


def _in_a_browser(folder: Path) -> None:
    """Tell how long people wait for what they press, until it is on the screen."""
    with browser(folder) as tab:
        tab.resize(1280)
        tab.open(folder / "page.html")
        taken = {
            name: statistics.median(tab.js(f"({_UNTIL_SHOWN})(() => {{ {pressed} }})") for _ in range(5))
            for name, pressed in _PRESSED.items()
        }
    tell(f"page: in a browser {', '.join(f'{name} {milliseconds:.0f} ms' for name, milliseconds in taken.items())}")


def fill(inventory: Inventory, repositories: int, blobs: int, *, now: datetime) -> None:
    """Make up what a scan would have found: few repositories are large, most bytes are in few layers."""
    made = random.Random(7)  # noqa: S311 - nothing here is secret
    latest = int(now.timestamp() * 1_000_000)
    bases = [_blob(made, f"base {at}", latest - made.randrange(_YEARS * _YEAR), 60e6) for at in range(_BASES)]
    _add_blobs(inventory, bases)
    for at, images in enumerate(_shares(made, repositories, blobs // (_OWN + 2))):
        _repository(inventory, made, _name(at), images, bases, latest)
    _add_blobs(inventory, [_blob(made, f"orphan {at}", latest - _YEAR, 20e6) for at in range(blobs // 100)])
    inventory.flush()


def _shares(made: random.Random, parts: int, whole: int) -> list[int]:
    """How many images each repository has: a few have very many."""
    weights = [made.paretovariate(1.2) for _ in range(parts)]
    shares = [max(1, min(1_500, round(whole * weight / sum(weights)))) for weight in weights]
    more = (whole - sum(shares)) // parts + 1
    return [share + more for share in shares]


def _name(at: int) -> str:
    return f"{_TEAMS[at % len(_TEAMS)]}/{('service', 'worker', 'job', 'api')[at // 10 % 4]}-{at:04d}"


def _blob(made: random.Random, identity: str, written: int, usual: float) -> _Blob:
    return _Blob(sha256(identity.encode()).hexdigest(), int(made.lognormvariate(0, 1.5) * usual), written)


def _add_blobs(inventory: Inventory, blobs: list[_Blob]) -> None:
    rows = Rows()
    digests, sizes, times = (list(column) for column in zip(*blobs, strict=True))
    rows.extend(schema.BLOBS, digests, sizes, times, Repeat(None, len(blobs)))
    inventory.add(rows)


def _repository(  # noqa: PLR0913 - what a repository is made of
    inventory: Inventory, made: random.Random, name: str, images: int, bases: list[_Blob], latest: int
) -> None:
    rows = Rows()
    shared = made.sample(bases, _SHARED)
    began = latest - made.randrange(_YEAR // 20, _YEARS * _YEAR)
    blobs: list[_Blob] = []
    manifests: list[_Blob] = []
    for image in range(images):
        pushed = began + (latest - began) * (image + 1) // (images + 1) - made.randrange(86_400_000_000)
        manifest = _blob(made, f"{name} {image}", pushed, 1_500)
        config = _blob(made, f"{name} {image} config", pushed, 6_000)
        own = [_blob(made, f"{name} {image} {layer}", pushed, 8e6) for layer in range(_OWN)]
        parts = [config, *own, *shared]
        manifests.append(manifest)
        blobs += [manifest, config, *own]
        rows.extend(
            schema.MANIFEST_REFERENCES,
            [manifest.digest] * len(parts),
            [part.digest for part in parts],
            [part.size for part in parts],
            [Role.CONFIG] + [Role.LAYER] * (len(parts) - 1),
        )
    digests = [one.digest for one in manifests]
    times = [one.written for one in manifests]
    rows.extend(schema.MANIFESTS, digests, [Kind.IMAGE] * images, [""] * images, [None] * images)
    rows.extend(schema.REVISIONS, Repeat(name, images), digests, times, Repeat(None, images))
    # Every third image was overwritten by the next, and has no tag.
    tags = [at for at in range(images) if at % 3 or images == 1]
    named = Repeat(name, len(tags)), [f"v1.{at // 10}.{at % 10}" for at in tags], [digests[at] for at in tags]
    for table in (schema.TAGS, schema.TAG_ENTRIES):
        rows.extend(table, *named, [times[at] for at in tags], Repeat(None, len(tags)))
    known = set(digests)
    links = [one.digest for one in (*blobs, *shared) if one.digest not in known]
    rows.extend(
        schema.LAYER_LINKS, Repeat(name, len(links)), links, links, [began] * len(links), Repeat(None, len(links))
    )
    inventory.add(rows)
    _add_blobs(inventory, blobs)
