"""What a container holds that no listing of its blobs shows: earlier versions, and blocks that were never committed."""

import string
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from regsweep.errors import NotFoundError
from regsweep.storage.ports import Request, Unseen
from regsweep_backends import _azure_listing
from regsweep_backends._azure_errors import RejectedError, UnknownError
from regsweep_backends._azure_listing import BLOCKS, CURRENT, VERSION, Beside, Uncommitted, parse_beside
from regsweep_backends._azure_service import Service
from regsweep_backends._shards import OF_BLOBS

_SHARDS: Final = (
    *(f"repositories/{first}" for first in string.ascii_lowercase + string.digits),
    *OF_BLOBS,
)
"""The beginnings of what a registry writes in more than one go: its uploads, and blobs."""
_PARENTS: Final = ("", "repositories/", "blobs/", "blobs/sha256/")
"""The folders in which something may begin otherwise."""
_INCLUDED: Final[tuple[str, ...]] = ("uncommittedblobs", "versions")


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

    def ask() -> Blocks:
        committed, others = service.client.get_blob_client(path).get_block_list("all")
        told = sorted(f"{block.id} {block.size}" for block in others)
        return Blocks(
            len(committed),
            sum(block.size for block in others),
            BLOCKS + sha256("\n".join(told).encode()).hexdigest() if told else "",
        )

    return service.asked(ask, path, Request.READ)


def unfinished(service: Service, prefix: str) -> Generator[Unseen, None, bool | None]:
    """See `Bucket.unfinished`; in the end return whether any blob has a version, or `None` if that was not told.

    The service ends them by itself, a week after the last block came. It lists them among all others, and for these
    alone tells no time of the last change. So all is listed once more, and tells of versions on the way.
    """

    def look(found: Uncommitted) -> Blocks | None:
        try:
            blocks = blocks_at(service, found.key)
        except NotFoundError:
            # Discarded since it was listed.
            return None
        return None if blocks.committed or not blocks.mark else blocks

    include, versioned = _INCLUDED, False
    try:
        whole, more = next(service.listed(prefix, parse_beside, include=include))
    except RejectedError:
        include = _INCLUDED[:1]
        whole, more = next(service.listed(prefix, parse_beside, include=include))
    for part in _parts(service, prefix, include) if more else [whole]:
        versioned = versioned or part.versioned
        blocks = list(service.window.each(look, part.uncommitted))
        left = [(one, its) for one, its in zip(part.uncommitted, blocks, strict=True) if its]
        if left:
            yield Unseen(
                keys=[one.key for one, _ in left],
                sizes=[its.size for _, its in left],
                modified=[one.begun for one, _ in left],
                versions=[its.mark for _, its in left],
            )
    return versioned if include == _INCLUDED else None


def _parts(service: Service, prefix: str, include: Sequence[str]) -> Iterator[Beside]:
    """All that begins with a prefix, in many listings, several at once."""
    covered = tuple(prefix + shard for shard in _SHARDS)
    parents = [prefix + folder for folder in _PARENTS]
    beyond: list[str] = []
    for parent in parents:
        for part, _ in service.listed(parent, parse_beside, folders=True, include=_INCLUDED[:1]):
            beyond += [one for one in part.folders if not one.startswith(covered) and one not in parents]
            yield part._replace(uncommitted=[one for one in part.uncommitted if not one.key.startswith(covered)])

    def all_of(start: str) -> Beside:
        parts = [part for part, _ in service.listed(start, parse_beside, include=include)]
        return Beside([one for part in parts for one in part.uncommitted], [], any(part.versioned for part in parts))

    yield from service.window.each(all_of, (*covered, *beyond))


def keep_versions(service: Service, prefixes: Sequence[str]) -> bool:
    """Whether versions are kept below any of these prefixes: whether any blob that is or was there has one.

    Nothing else but the account's management tells.
    """
    try:
        return any(
            mark.startswith((VERSION, CURRENT))
            for prefix in prefixes
            for part in versions(service, prefix)
            for mark in part.versions
        )
    except UnknownError:
        # An account of a hierarchical name space.
        return False


def versions(service: Service, prefix: str) -> Iterator[Unseen]:
    """See `Bucket.versions`. There are no markers: what was deleted has no current version."""
    return (part for part, _ in service.listed(prefix, _azure_listing.parse_versions, include=("versions",)))
