"""What a check reads once more, so that it claims no damage where there is none. The `collect_...` run in workers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar, cast

import msgspec
import nanoarrow as na

from regsweep.errors import UNREADABLE
from regsweep.inventory import schema
from regsweep.inventory.collect import Source, chunks
from regsweep.inventory.database import Inventory
from regsweep.inventory.rows import Rows, Texts
from regsweep.inventory.workers import Workers
from regsweep.registry.manifest import MAX_MANIFEST_BYTES

PRESENT: Final = schema.Table("present", (("key", schema.Type.TEXT),))
"""Keys that no listing showed, or only later: they were written while the storage was listed."""
DESCRIBED: Final = schema.Table(
    "described", (("manifest", schema.Type.TEXT), ("digest", schema.Type.TEXT), ("how", schema.Type.TEXT))
)
"""What manifests say of some digests, which the inventory does not keep; digests as hex digits."""

URLS: Final = "urls"
"""Its descriptor tells where else it is to be had."""
FOREIGN: Final = "foreign"
"""Its media type says that registries need not have it, and nothing tells who has."""
CONTENT: Final = "content"
"""Its media type is none of a manifest, though it stands where manifests do."""

_KEYS_PER_TASK: Final = 500
_FOREIGN: Final = ("application/vnd.docker.image.rootfs.foreign.", "application/vnd.oci.image.layer.nondistributable.")
_MANIFESTS: Final = (".manifest.", ".index.v1+json")
"""What the media types of manifests and indexes, Docker's and OCI's, have in them."""

Task = TypeVar("Task")


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str = ""
    media_type: str = ""
    urls: list[str] | None = None


class _Document(msgspec.Struct):
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    blobs: list[_Descriptor] | None = None


_decode: Final = msgspec.json.Decoder(_Document).decode


def collect_present(store: Source, keys: Sequence[str]) -> Rows:
    """Tell which of some keys are there.

    Raises:
        StorageError: one could not be asked for.
    """
    rows = Rows()
    for key, content in zip(keys, store.read("", keys, "", limit=1), strict=True):
        if content is not None:
            rows.add(PRESENT, key)
    return rows


def collect_described(store: Source, digests: Sequence[str]) -> Rows:
    """Read manifests again, and tell what they say of the layers and children that are something out of the way.

    Raises:
        StorageError: one could not be read.
    """
    rows = Rows()
    names = [f"{digest[:2]}/{digest}" for digest in digests]
    contents = store.read("blobs/sha256/", names, "/data", limit=MAX_MANIFEST_BYTES)
    for manifest, content in zip(digests, contents, strict=True):
        for digest, how in _described(content or b""):
            rows.add(DESCRIBED, manifest, digest, how)
    return rows


def _described(content: bytes) -> Iterator[tuple[str, str]]:
    try:
        document = _decode(content)
    except UNREADABLE:
        # It was read before by rules that are looser: what this does not understand is nothing out of the way.
        return
    for one in (*(document.layers or ()), *(document.blobs or ())):
        if one.urls or one.media_type.startswith(_FOREIGN):
            yield one.digest.partition(":")[2], URLS if one.urls else FOREIGN
    for one in document.manifests or ():
        if one.media_type and not any(part in one.media_type for part in _MANIFESTS):
            yield one.digest.partition(":")[2], CONTENT


def learn(
    inventory: Inventory,
    workers: Workers,
    work: Callable[[Source, Task], Rows],
    tasks: Iterable[Task],
    table: schema.Table,
) -> Iterator[Task]:
    """Do work that gives rows of texts for a table of the check's own, and put them there; give each task when done.

    Raises:
        StorageError: something could not be read.
    """
    inventory.execute(table.create())
    names = {name: na.string() for name, _ in table.columns}
    for task, rows in workers.run(work, tasks):
        columns = cast("list[Texts]", rows.columns.pop(table.name, []))
        # What is left are the requests that it took.
        inventory.add(rows)
        if columns:
            inventory.load(table.name, names, [column.values for column in columns])
        yield task


def texts(inventory: Inventory, query: str) -> list[str]:
    """The only column of a query."""
    return [str(text) for (text,) in inventory.rows(query)]


def tasks_of(items: Sequence[str], workers: Workers) -> Iterator[Sequence[str]]:
    """Split work so that each worker has its share of little."""
    share = -(-len(items) // workers.processes)
    return chunks(items, max(1, min(_KEYS_PER_TASK, share)))
