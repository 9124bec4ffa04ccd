"""What `regsweep ls` shows as one document, the source of every rendering. docs/listing.md describes its JSON."""

from datetime import datetime
from typing import Final

import msgspec

VERSION: Final = 1

MISSING: Final = "missing"
"""In place of a kind: what the repository cannot serve."""
DAMAGED: Final = "damaged"
"""In place of a kind: what cannot be understood."""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of an image."""

    digest: str
    bytes: int | None
    """As its descriptor claims; null where it claims nothing."""
    repositories: int
    """How many link it, this one included."""


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A manifest as one pulls it, with all that is below it, under a tag or by its digest alone."""

    tag: str | None
    digest: str | None
    """Null for a tag whose link holds none."""
    kind: str
    """`image`, `index`, `schema1`, `artifact`, `unknown`; or `missing`, `damaged`: then `problem` says why."""
    platforms: list[str]
    """As its configurations say, such as `linux/arm/v7`, sorted."""
    bytes: int | None
    """What a pull of all of it moves; null where nothing can be pulled."""
    pushed: datetime | None
    """Of a tag, or of a revision without one; null for what lies below another."""
    created: datetime | None
    """The latest time that its configurations say."""
    problem: str | None = None
    manifests: list["Image"] | None = None
    """All that lie below it, where one image alone was asked for."""
    layers: list[Layer] | None = None
    """The largest first; of an image with `manifests`, those have them."""
    history: list["Image"] | None = None
    """What was pushed to the tag before, the latest first."""


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """A link that does not hold what it should."""

    key: str
    problem: str


class Repository(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A repository, or what was asked for of it."""

    name: str
    tags: int
    revisions: int
    untagged: int | None
    """Revisions that no tag leads to, be it through an index; null where one image alone was asked for."""
    pushed: datetime | None
    """The last push to it."""
    images: list[Image] | None = None
    """Its tags, the last push first, or what else was asked for; absent in a listing of repositories alone."""
    damage: list[Damage] = msgspec.field(default_factory=list)


class Listing(msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag="regsweep-listing"):
    """What a storage holds, or a part of it."""

    version: int
    regsweep: str
    store: str
    listed: datetime
    repositories: list[Repository]
    """By name."""


def as_json(document: Listing) -> str:
    """Render as JSON, indented for people."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
