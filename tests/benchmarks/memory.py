"""How much memory a plan of ten million blobs and twenty million links takes, fed by a listing that is made up."""

import hashlib
import json
import resource
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from regsweep.cli.progress import progress
from regsweep.inventory.database import create
from regsweep.inventory.scan import begin, scan
from regsweep.inventory.workers import Workers, cores
from regsweep.plan import file
from regsweep.plan.make import decide
from regsweep.plan.options import Options, Untagged
from regsweep.storage.ports import Page, Remark, Request, Scope, Unseen
from tests.benchmarks.measure import tell

_REPOSITORIES = 1_000
_IMAGES = 1_000
_LAYERS = 8
_LINKS = 19
"""Layer links of each image: its own configuration and layers, and as many that nothing needs."""
_OLD = 1_600_000_000_000_000
_PAGE = 50_000
_TAGGED = 3
"""Every third image is tagged."""


def run(folder: Path) -> None:
    """Scan, mark and write the plan; tell the peak."""
    store = _MadeUp()
    now = datetime.now(UTC)
    options = Options(untagged=Untagged.DELETE)
    shown = progress(quiet=False)
    with Workers(store, cores()) as workers:
        begun = begin(store, workers)
        with create(facts={}) as inventory:
            scan(begun, workers, inventory, shown)
            scanning = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            workers.close()
            totals = decide(inventory, options, workers, shown, now=now)
            header = file.header(store.url, options, inventory, totals, created=now)
            file.write(folder / "memory.plan", inventory, file.describe(inventory, header))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Both workers' together with this process's own while they ran; afterwards there was this process alone.
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    links = totals.before["layer-link"].count + totals.before["revision"].count + totals.before["tag"].count
    tell(
        f"memory: {totals.before['blob'].count:,} blobs, {links:,} links, {totals.condemned['blob'].count:,} blobs "
        f"condemned: {(scanning + cores() * worker) / 2**20:.2f} GiB while scanning, workers included, and "
        f"{own / 2**20:.2f} GiB in all (wanted: under 3)"
    )


def _layer(repository: int, image: int, number: int) -> str:
    # Spread over the shards as hashes are, without the time that hashing takes.
    serial = (repository * _IMAGES + image) * _LINKS + number
    return f"{serial * 0x9E3779B97F4A7C15 % 2**64:016x}{serial:048x}"


def _beginning(digest: str) -> int:
    return int(digest[:16], 16)


@lru_cache(maxsize=_IMAGES)
def _manifest(repository: int, image: int) -> bytes:
    config, *layers = (
        {"mediaType": "application/x", "digest": f"sha256:{_layer(repository, image, number)}", "size": 1000}
        for number in range(_LAYERS + 1)
    )
    return json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode()


class _MadeUp:
    """A store of which nothing is kept but where each manifest stands."""

    url = "made up"
    lanes = 1
    at_hand = ()

    def __init__(self) -> None:
        self.requests: Mapping[Request, int] = {}
        # A dictionary of a million digests would be most of what a worker holds.
        found = sorted(
            (_beginning(hashlib.sha256(_manifest(serial // _IMAGES, serial % _IMAGES)).hexdigest()), serial)
            for serial in range(_REPOSITORIES * _IMAGES)
        )
        self._beginnings = array("Q", (beginning for beginning, _ in found))
        self._serials = array("Q", (serial for _, serial in found))

    def divide(self, processes: int) -> None:
        """Share nothing."""

    def remarks(self) -> Iterator[Remark]:
        """Say nothing."""
        return iter(())

    def unfinished(self) -> Iterator[Unseen]:
        """There is none."""
        return iter(())

    def version_shards(self) -> Iterator[str]:
        """There is none."""
        return iter(())

    def versions(self, _shard: str) -> Iterator[Unseen]:
        """There is none."""
        return iter(())

    def shards(self, scope: Scope) -> Iterator[str]:
        if Scope.LINKS in scope:
            yield from (f"repositories/r{repository}/" for repository in range(_REPOSITORIES))
        if Scope.BLOBS in scope:
            yield from (f"blobs/{repository}" for repository in range(_REPOSITORIES))

    def pages(self, shard: str) -> Iterator[Page]:
        if shard.startswith("blobs/"):
            yield from self._blobs(int(shard.removeprefix("blobs/")))
            return
        repository = int(shard.removeprefix("repositories/r").rstrip("/"))
        digests = [hashlib.sha256(_manifest(repository, image)).hexdigest() for image in range(_IMAGES)]
        yield _page(f"{shard}_manifests/revisions/sha256/", digests, "/link")
        tagged = [f"v{image}" for image in range(0, _IMAGES, _TAGGED)]
        yield _page(f"{shard}_manifests/tags/", tagged, "/current/link")
        layers = [_layer(repository, image, number) for image in range(_IMAGES) for number in range(_LINKS)]
        for start in range(0, len(layers), _PAGE):
            yield _page(f"{shard}_layers/sha256/", layers[start : start + _PAGE], "/link")

    def read(self, prefix: str, names: Sequence[str], _suffix: str, *, limit: int) -> Iterator[bytes | None]:
        for name in names:
            if prefix == "blobs/sha256/":
                serial = self._serials[bisect_left(self._beginnings, _beginning(name.rpartition("/")[2]))]
                yield _manifest(serial // _IMAGES, serial % _IMAGES)[:limit]
            elif "/tags/" in prefix:
                repository = int(prefix.split("/")[1].removeprefix("r"))
                yield f"sha256:{hashlib.sha256(_manifest(repository, int(name[1:]))).hexdigest()}".encode()
            else:
                yield f"sha256:{name}".encode()

    def hashes(self, _prefix: str, names: Sequence[str], _suffix: str, *, algorithm: str) -> Iterator[str | None]:
        del algorithm
        return iter([None] * len(names))

    def has(self, _path: str) -> bool:
        return False

    def _blobs(self, repository: int) -> Iterator[Page]:
        digests = [hashlib.sha256(_manifest(repository, image)).hexdigest() for image in range(_IMAGES)]
        digests += [_layer(repository, image, number) for image in range(_IMAGES) for number in range(_LAYERS + 1)]
        by_shard: dict[str, list[str]] = {}
        for digest in digests:
            by_shard.setdefault(digest[:2], []).append(digest)
        for shard, names in by_shard.items():
            yield _page(f"blobs/sha256/{shard}/", names, "/data", size=1000)


def _page(prefix: str, names: list[str], suffix: str, *, size: int = 71) -> Page:
    return Page(prefix=prefix, names=names, suffix=suffix, sizes=[size] * len(names), modified=[_OLD] * len(names))
