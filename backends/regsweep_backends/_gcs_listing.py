"""What Cloud Storage answers when it lists objects, or every generation of them."""

import binascii
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from regsweep.storage.ports import State, Unseen
from regsweep_backends._pages import Objects, sizes_of

FIELDS: Final = "kind,nextPageToken,prefixes,items(name,size,timeCreated,generation,md5Hash)"
"""What to ask for of objects."""
GENERATION_FIELDS: Final = "kind,nextPageToken,items(name,size,timeCreated,timeDeleted,generation)"
"""What to ask for of generations."""
GENERATION: Final = "generation="
"""How the mark of one generation begins; its number follows. The version of a listing is the number alone."""

Generation = Annotated[str, msgspec.Meta(min_length=1)]
"""What a deletion is conditional on: an empty one would be no condition at all."""


class _Item(msgspec.Struct, rename="camel", gc=False):
    name: str
    size: str
    time_created: Annotated[datetime, msgspec.Meta(tz=True)]
    generation: Generation
    md5_hash: str = ""
    time_deleted: datetime | None = None


class Listed(msgspec.Struct, rename="camel"):
    """A part of a listing."""

    # It must be there: an answer of somebody else's that is any JSON at all is no empty bucket.
    kind: Literal["storage#objects"]
    items: list[_Item] = []
    prefixes: list[str] = []
    next_page_token: str = ""


decode: Final = msgspec.json.Decoder(Listed).decode


def objects_of(page: Listed) -> Objects:
    """The objects of a listing, as columns.

    Raises:
        ValueError: a size is no number, or a hash no hash.
    """
    items = page.items
    return Objects(
        [item.name for item in items],
        sizes_of([item.size for item in items]),
        [_microseconds(item) for item in items],
        [_hex(item.md5_hash) for item in items],
        [item.generation for item in items],
        page.prefixes,
        more=bool(page.next_page_token),
    )


def generations_of(page: Listed) -> Unseen:
    """The generations of a listing; the time of one that is not live any more is that of its end.

    Raises:
        ValueError: a size is no number.
    """
    items = page.items
    return Unseen(
        keys=[item.name for item in items],
        sizes=sizes_of([item.size for item in items]),
        modified=[
            round(item.time_deleted.timestamp() * 1_000_000) if item.time_deleted else _microseconds(item)
            for item in items
        ],
        versions=[GENERATION + item.generation for item in items],
        states=[State.NONCURRENT if item.time_deleted else State.CURRENT for item in items],
    )


def _microseconds(item: _Item) -> int:
    return round(item.time_created.timestamp() * 1_000_000)


def _hex(encoded: str) -> str:
    """A hash as hex digits, from base64; objects that were put together from others have none."""
    return binascii.a2b_base64(encoded).hex()
