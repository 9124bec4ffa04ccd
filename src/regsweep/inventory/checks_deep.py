"""Read every blob and every link: that something is not what its name says, no listing tells.

`hash_blobs` comes before `serving.serve`, and `read_links` after it: what a plan does not read freezes no repository.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from regsweep.errors import MalformedError
from regsweep.inventory import schema
from regsweep.inventory.checks_reading import learn
from regsweep.inventory.collect import Source
from regsweep.inventory.database import Inventory
from regsweep.inventory.progress import Progress
from regsweep.inventory.rows import Rows
from regsweep.inventory.workers import Workers
from regsweep.inventory.written import link_key
from regsweep.registry import layout
from regsweep.registry.digest import Digest

HASHED: Final = schema.Table("hashed_otherwise", (("digest", schema.Type.TEXT), ("actual", schema.Type.TEXT)))
"""Blobs that are not what they are named, as hex digits, and the digest of what they hold; null of one that is gone."""

_BYTES_PER_TASK: Final = 64 << 20
_BLOBS_PER_TASK: Final = 500
_LINKS_PER_TASK: Final = 1000
_LINK_LIMIT: Final = 256
"""Bytes to read of a link: more than one holds, enough to tell."""
_TASKS_PER_WORKER: Final = 16
"""So many at least, if there are as many blobs: the last of them are small, and no worker is left with much."""


class Blobs(NamedTuple):
    """Some blobs, by the hex digits of their digests, and the bytes of them all."""

    digests: Sequence[str]
    bytes: int


def hash_blobs(inventory: Inventory, workers: Workers, progress: Progress, *, lanes: int) -> None:
    """Hash every blob; fill the table `hashed_otherwise`. One that vanished meanwhile counts as missing.

    Args:
        inventory: a whole scan.
        workers: they do it.
        progress: told by bytes.
        lanes: how many blobs all processes together can read at the same time, one or fewer for each where nothing
            waits for a network.

    Raises:
        StorageError: a blob could not be read, or was replaced meanwhile; nothing may be concluded.
    """
    total = int(str(inventory.row("SELECT coalesce(sum(bytes), 0)::BIGINT FROM blobs")[0]))
    at_once = max(1, lanes // workers.processes)
    most = max(1, min(_BYTES_PER_TASK * at_once, total // (workers.processes * _TASKS_PER_WORKER)))
    with progress.stage("hashing blobs", unit="B", total=total) as bar:
        for task in learn(inventory, workers, collect_hashes, _tasks(inventory, most), HASHED):
            bar.advance(task.bytes)
    inventory.execute(
        "CREATE TABLE vanished AS SELECT unhex(digest) AS digest FROM hashed_otherwise WHERE actual IS NULL"
    )
    for table in ("blobs", "manifests"):
        inventory.execute(f"DELETE FROM {table} WHERE digest IN (FROM vanished)")  # noqa: S608 - names of this module
    inventory.execute("DELETE FROM hashed_otherwise WHERE actual IS NULL")


def collect_hashes(store: Source, task: Blobs) -> Rows:
    """Hash blobs; tell those that are not what they are named, or not there. Runs in the workers.

    Raises:
        StorageError: a blob could not be read to its end.
    """
    rows = Rows()
    for algorithm, digests in _by_algorithm(task.digests):
        names = [f"{digest[:2]}/{digest}" for digest in digests]
        found = store.hashes(f"blobs/{algorithm}/", names, "/data", algorithm=algorithm)
        for digest, actual in zip(digests, found, strict=True):
            if actual != digest:
                rows.add(HASHED, digest, actual and f"{algorithm}:{actual}")
    return rows


def read_links(inventory: Inventory, workers: Workers, progress: Progress) -> None:
    """Read the links of layers that a scan takes at their names' word; what they should not hold is damage.

    Raises:
        StorageError: a link could not be read.
    """
    which = "FROM layer_links JOIN repositories ON repositories.id = repository WHERE octet_length(digest) = 32"
    key = link_key("name", "_layers", "digest")
    keys = (str(key) for (key,) in inventory.rows(f"SELECT {key} {which} ORDER BY 1"))
    total = int(str(inventory.row(f"SELECT count(*) {which}")[0]))
    with progress.stage("reading links", unit="links", total=total) as bar:
        for task, rows in workers.run(collect_links, iter(lambda: list(islice(keys, _LINKS_PER_TASK)), [])):
            inventory.add(rows)
            bar.advance(len(task))
    inventory.flush()


def collect_links(store: Source, keys: Sequence[str]) -> Rows:
    """Read links; tell those that do not hold the digest in their name. Runs in the workers.

    Raises:
        StorageError: a link could not be read.
    """
    rows = Rows()
    for key, content in zip(keys, store.read("", keys, "", limit=_LINK_LIMIT), strict=True):
        found = layout.parse(key)
        if content is None or found is None or content.decode("ascii", "replace") == str(found.digest):
            continue
        try:
            problem = f"the link holds {layout.parse_link(content)}, not its own digest"
        except MalformedError as error:
            problem = error.detail
        rows.add(schema.DAMAGE, found.repository, key, problem)
    return rows


def _by_algorithm(digests: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for digest in digests:
        found.setdefault(Digest(bytes.fromhex(digest)).algorithm, []).append(digest)
    return iter(found.items())


def _tasks(inventory: Inventory, most: int) -> Iterator[Blobs]:
    """The largest blobs first, so that at the end no worker has a large one when the others are done."""
    digests: list[str] = []
    size = 0
    for digest, count in inventory.rows("SELECT lower(hex(digest)), bytes FROM blobs ORDER BY bytes DESC, digest"):
        digests.append(str(digest))
        size += int(str(count))
        if size >= most or len(digests) == _BLOBS_PER_TASK:
            yield Blobs(digests, size)
            digests, size = [], 0
    if digests:
        yield Blobs(digests, size)
