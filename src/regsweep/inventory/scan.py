"""Scan a store into an inventory: list every shard, then fetch each manifest once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from threading import Thread
from typing import Final, Protocol

from regsweep.errors import StorageError
from regsweep.inventory import schema
from regsweep.inventory.cache import Cache
from regsweep.inventory.collect import (
    Source,
    chunks,
    collect_manifests,
    collect_maybe_manifests,
    collect_shards,
)
from regsweep.inventory.database import Inventory, prepare
from regsweep.inventory.progress import Progress
from regsweep.inventory.rows import Rows
from regsweep.inventory.unseen import collect_unfinished, collect_versions
from regsweep.inventory.workers import Workers
from regsweep.registry.manifest import MAX_MANIFEST_BYTES, Role
from regsweep.storage.ports import Remarks, Scope

_SHARDS_PER_TASK: Final = 4
"""Handing a task to a worker takes as long as listing a small shard."""
_MANIFESTS_PER_TASK: Final = 500

_REVISIONS: Final = "SELECT DISTINCT digest FROM revisions"
# distribution 2.x serves a manifest also where only `_layers` links it (its registry/storage/registry.go gives the
# manifest store both link paths; seen with 2.8.2). So a tag may lead there.
_TAGGED: Final = """
    SELECT DISTINCT digest FROM tags SEMI JOIN layer_links USING (repository, digest)
    SEMI JOIN blobs USING (digest) ANTI JOIN manifests USING (digest)
"""
# An index's child, or what an unknown manifest refers to, may be there too, but it may be a layer as well, as in
# BuildKit's cache. Asked for again until no round finds another manifest, whose children may be such too.
_MAYBE_MANIFESTS: Final = f"""
    SELECT DISTINCT digest FROM layer_links
    SEMI JOIN (
        SELECT linked.repository, child.digest
        FROM (SELECT repository, digest FROM revisions UNION ALL SELECT repository, digest FROM layer_links) linked
        JOIN (
            FROM manifest_references ANTI JOIN manifests USING (digest)
            WHERE role IN ({int(Role.CHILD)}, {int(Role.OTHER)})
        ) child ON child.manifest = linked.digest
    ) USING (repository, digest)
    SEMI JOIN (FROM blobs WHERE bytes <= {MAX_MANIFEST_BYTES}) USING (digest)
    ANTI JOIN manifests USING (digest) ANTI JOIN tried USING (digest)
"""  # noqa: S608 - numbers of this package alone


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing under way: so many shards, and their rows as they come."""

    shards: int
    results: Iterator[tuple[Sequence[str], Rows]]
    repeats: bool
    """Whether a key may be listed twice, as by an object store that is written to meanwhile."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan under way."""

    links: Listing
    """Of all but the blobs."""
    blobs: list[Listing]
    """Of the blobs: one, once the last shards of the links are in hand."""
    rest: Rows
    """What else the store tells of itself."""
    versions: list[str]
    """What holds versions of keys, that are all taken in or only those that are not current."""
    every_version: bool


class Scanned(Source, Remarks, Protocol):
    """What a scan asks of a store in its own process."""


def begin(store: Scanned, workers: Workers, *, uploads: bool = False, versions: bool = False) -> Scan:
    """Begin to scan a store; `scan` brings it to its end.

    Without `uploads` and `versions` it is no error that the store does not tell what no listing shows, but a remark.
    """
    # A store is waited for while it tells its shards.
    prepare()
    blobs: list[Listing] = []
    # Where to split its blobs a store is asked while it tells where to split its links.
    asked = _aside(lambda: list(store.shards(Scope.BLOBS)))
    shards_of_links = list(store.shards(Scope.LINKS | Scope.OTHERS))
    shards_of_blobs = asked.result()

    def then_blobs() -> Iterator[Sequence[str]]:
        # Behind the links, so that the workers have something in hand while this process works out which manifests to
        # ask for.
        blobs.append(_begin(store, shards_of_blobs, workers))
        yield from ()

    links = _begin(store, shards_of_links, workers, then=then_blobs())
    # This process finds out the rest while the workers list.
    rest = Rows()
    with _told(rest, "uploads in it were left unfinished", needed=uploads):
        rest.join(collect_unfinished(store))
    shards: list[str] = []
    with _told(rest, "it keeps versions", needed=versions):
        shards += store.version_shards()
    for remark in store.remarks():
        rest.add(schema.REMARKS, remark.code, remark.text)
    return Scan(links, blobs, rest, shards, versions)


def _aside(work: Callable[[], list[str]]) -> "Future[list[str]]":
    """Begin work in a thread that nothing waits for but its result: a store that does not answer takes minutes."""
    answer: Future[list[str]] = Future()

    def do() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result is told
            answer.set_exception(error)

    Thread(target=do, daemon=True).start()
    return answer


def begin_links(store: Source, workers: Workers) -> Listing:
    """Begin to list a store's links alone; `take` brings it to its end."""
    return _begin(store, list(store.shards(Scope.LINKS)), workers)


def begin_repository(store: Source, repository: str, workers: Workers) -> Listing:
    """Begin to list the links of one repository alone, but for those of its uploads; `take` brings it to its end."""
    parts = ("_manifests/revisions", "_manifests/tags", "_layers")
    return _begin(store, [f"repositories/{repository}/{part}/" for part in parts], workers)


def take(listing: Listing, inventory: Inventory, progress: Progress) -> None:
    """Take in what a listing tells.

    Raises:
        StorageError: something could not be listed or read; the inventory is incomplete and must not be used.
    """
    _take(listing, inventory, progress, "listing links")
    inventory.flush()
    if listing.repeats:
        _drop_repeats(inventory)


def scan(begun: Scan, workers: Workers, inventory: Inventory, progress: Progress, cache: Cache | None = None) -> None:
    """Take in all that a store holds; of manifests that `cache` knows, what stands there.

    When this returns, every shard was listed to its end and every revision's manifest was read, or is known to be
    missing by the store's own word.

    Raises:
        StorageError: something could not be listed or read; the inventory is incomplete and must not be used.
    """
    inventory.add(begun.rest)
    # Manifests are asked for before this process turns to the blobs, so that no worker waits for it.
    _take(begun.links, inventory, progress, "listing links")
    (blobs,) = begun.blobs
    inventory.flush()
    known = cache if cache and cache.load(inventory) else None
    digests = hex_digests(inventory, f"{_REVISIONS} ANTI JOIN known USING (digest)" if known else _REVISIONS)
    manifests = read(collect_manifests, digests, workers)
    _take(blobs, inventory, progress, "listing blobs")
    with progress.stage("reading manifests", unit="manifests", total=len(digests)) as bar:
        for task, rows in manifests:
            inventory.add(rows)
            bar.advance(len(task))
    inventory.flush()
    if known:
        known.take(inventory, _REVISIONS)
        # Of a blob that was known and is another by now, or came while the blobs were listed.
        left = hex_digests(inventory, f"{_REVISIONS} SEMI JOIN blobs USING (digest) ANTI JOIN manifests USING (digest)")
        _take_manifests(left, workers, inventory)
    if left := hex_digests(inventory, _TAGGED):
        if known:
            known.take(inventory, _TAGGED)
            left = hex_digests(inventory, _TAGGED)
        _take_manifests(left, workers, inventory)
    while left := hex_digests(inventory, _MAYBE_MANIFESTS):
        tried = Rows()
        tried.extend(schema.TRIED, left)
        if known:
            known.take(inventory, _MAYBE_MANIFESTS)
            left = hex_digests(inventory, f"{_MAYBE_MANIFESTS} ANTI JOIN no_manifests USING (digest)")
        # Not before they were asked for: what was tried is not asked for again.
        inventory.add(tried)
        for _, rows in read(collect_maybe_manifests, left, workers):
            inventory.add(rows)
        inventory.flush()
    _take_versions(begun, workers, inventory, progress)
    if begun.links.repeats:
        _drop_repeats(inventory)


def _drop_repeats(inventory: Inventory) -> None:
    """Let a key count once that a store listed twice.

    Of one that was not the same both times all rows stay: what either says is heeded.
    """
    listed = [(table.name, columns) for table, columns in schema.NAMED_BY.items() if inventory.holds(table)]
    questions = " UNION ALL ".join(
        f"SELECT '{name}' FROM {name} HAVING count(*) > (SELECT count(*) FROM (SELECT DISTINCT {columns} FROM {name}))"  # noqa: S608 - words of the schema
        for name, columns in listed
    )
    for (name,) in list(inventory.rows(questions)) if listed else ():
        inventory.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT DISTINCT * FROM {name}")  # noqa: S608 - as above


def _take_versions(begun: Scan, workers: Workers, inventory: Inventory, progress: Progress) -> None:
    said = Rows()
    work = partial(collect_versions, every=begun.every_version)
    with (
        _told(said, "which versions it keeps", needed=begun.every_version),
        progress.stage("listing versions", unit="shards", total=len(begun.versions)) as bar,
    ):
        share = -(-len(begun.versions) // workers.processes)
        for task, rows in workers.run(work, chunks(begun.versions, max(1, share))):
            inventory.add(rows)
            bar.advance(len(task))
    inventory.flush()
    if said.columns:
        # A part of them would be taken for all.
        inventory.execute(f"DELETE FROM {schema.VERSIONS.name}")  # noqa: S608 - a name of this package
        inventory.add(said)
        inventory.flush()


@contextmanager
def _told(rows: Rows, what: str, *, needed: bool) -> Iterator[None]:
    """Make a remark of what the store does not tell, unless it is needed."""
    try:
        yield
    except StorageError as error:
        if needed:
            raise
        rows.add(schema.REMARKS, "untold", f"whether {what} cannot be told: {error.message}")


def _begin(store: Source, shards: list[str], workers: Workers, *, then: Iterable[Sequence[str]] = ()) -> Listing:
    here = [shard for shard in shards if shard in store.at_hand]
    others = [shard for shard in shards if shard not in store.at_hand]
    # A task is as many shards as are listed at once, but each worker has its share of few.
    share = -(-len(others) // workers.processes)
    size = max(1, min(max(store.lanes, _SHARDS_PER_TASK), share))
    listed = workers.run(collect_shards, chain(chunks(others, size), then))
    at_hand = (((shard,), collect_shards(store, [shard])) for shard in here)
    return Listing(len(shards), chain(at_hand, listed), bool(store.requests))


def _take_manifests(digests: list[str], workers: Workers, inventory: Inventory) -> None:
    for _, rows in read(collect_manifests, digests, workers):
        inventory.add(rows)
    inventory.flush()


def read(
    work: Callable[[Source, Sequence[str]], Rows], digests: list[str], workers: Workers
) -> Iterator[tuple[Sequence[str], Rows]]:
    """Do work on blobs, given the hex digits of their digests, in tasks that keep every worker busy."""
    share = -(-len(digests) // workers.processes)
    return workers.run(work, chunks(digests, max(1, min(_MANIFESTS_PER_TASK, share))))


def _take(listing: Listing, inventory: Inventory, progress: Progress, name: str) -> None:
    with progress.stage(name, unit="shards", total=listing.shards) as bar:
        for shards, rows in listing.results:
            inventory.add(rows)
            bar.advance(len(shards), size=rows.sum(schema.BLOBS, "bytes"))


def hex_digests(inventory: Inventory, query: str) -> list[str]:
    """The hex digits of the `digest` of what a query gives, in the order in which blobs lie."""
    digests: list[str] = []
    for _, lines in inventory.lines(f"SELECT lower(hex(digest)) || chr(10) FROM ({query}) ORDER BY 1"):  # noqa: S608 - queries of this module
        digests += str(lines, "ascii").split()
    return digests
