"""What a container holds that no listing of its blobs shows: earlier versions, and blocks that were never committed."""

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

from regsweep.errors import NotFoundError
from regsweep.storage.ports import Request, Unseen
from regsweep_backends import _azure_listing
from regsweep_backends._azure_errors import UnknownError
from regsweep_backends._azure_listing import BLOCKS, CURRENT, VERSION, Uncommitted
from regsweep_backends._azure_service import Service
from regsweep_backends._shards import OF_BLOBS

_SHARDS: Final = (
    *(f"repositories/{first}" for first in string.ascii_lowercase + string.digits),
    *OF_BLOBS,
)
"""The beginnings of what a registry writes in more than one go: its uploads, and blobs."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks at a name."""

    committed: int
    """How many of them make a blob."""
    size: int
    """Bytes of the others."""
    mark: str
    """What tells these others from any that came or went."""


def blocks_at(service: Service, path: str) -> Blocks:
    """Ask for the blocks at a name.

    Raises:
        NotFoundError: there is nothing at all.
        StorageError: they cannot be told.
    """
    committed, others = service.asked(
        partial(service.client.get_blob_client(path).get_block_list, "all"), path, Request.READ
    )
    told = sorted(f"{block.id} {block.size}" for block in others)
    return Blocks(
        len(committed),
        sum(block.size for block in others),
        BLOCKS + sha256("\n".join(told).encode()).hexdigest() if told else "",
    )


def unfinished(service: Service, prefix: str) -> Iterator[Unseen]:
    """See `Bucket.unfinished`.

    The service ends them by itself, a week after the last block came. It lists them among all others, and for these
    alone tells no time of the last change.
    """

    def look(found: Uncommitted) -> Blocks | None:
        try:
            blocks = blocks_at(service, found.key)
        except NotFoundError:
            # Discarded since it was listed.
            return None
        return None if blocks.committed or not blocks.mark else blocks

    for listed in _uncommitted(service, prefix):
        blocks = list(service.window.each(look, listed))
        left = [(one, its) for one, its in zip(listed, blocks, strict=True) if its]
        if left:
            yield Unseen(
                keys=[one.key for one, _ in left],
                sizes=[its.size for _, its in left],
                modified=[one.begun for one, _ in left],
                versions=[its.mark for _, its in left],
            )


def _uncommitted(service: Service, prefix: str) -> Iterator[list[Uncommitted]]:
    """Where there may be blocks alone. What is not listed in one part is in many, several at once."""

    def beginning(shard: str) -> Iterator[tuple[list[Uncommitted], bool]]:
        return service.listed(prefix + shard, _azure_listing.parse_uncommitted, include=("uncommittedblobs",))

    def all_of(shard: str) -> list[Uncommitted]:
        return [one for part, _ in beginning(shard) for one in part]

    whole, more = next(beginning(""))
    if more:
        yield from service.window.each(all_of, _SHARDS)
    else:
        yield whole


def keep_versions(service: Service, prefixes: Sequence[str]) -> bool:
    """Whether versions are kept below any of these prefixes, by what is listed there first.

    Nothing else but the account's management tells. Each blob that was written since versions are kept has one; where
    blobs are listed by their digests the first are as old and as new as all others.
    """
    for prefix in prefixes:
        try:
            first = next(versions(service, prefix))
        except UnknownError:
            # An account of a hierarchical name space.
            return False
        if any(mark.startswith((VERSION, CURRENT)) for mark in first.versions):
            return True
    return False


def versions(service: Service, prefix: str) -> Iterator[Unseen]:
    """See `Bucket.versions`. There are no markers: what was deleted has no current version."""
    return (part for part, _ in service.listed(prefix, _azure_listing.parse_versions, include=("versions",)))
