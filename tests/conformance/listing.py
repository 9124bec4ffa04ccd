"""What a store lists, in a form that can be compared with what is really there."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from regsweep.storage.ports import Lists, Page, Scope


class Fact(NamedTuple):
    """What a listing says about a key."""

    size: int
    modified: int
    """Microseconds since 1970."""


Facts = Mapping[str, Fact]


def entries(page: Page) -> Iterator[tuple[str, Fact]]:
    """The keys of one page; its columns must be equally long."""
    for name, size, modified in zip(page.names, page.sizes, page.modified, strict=True):
        yield page.prefix + name + page.suffix, Fact(size, modified)


def below(store: Lists, shard: str) -> list[tuple[str, Fact]]:
    """What one shard lists."""
    return [entry for page in store.pages(shard) for entry in entries(page)]


def listed(store: Lists, scope: Scope = Scope.ALL) -> list[tuple[str, Fact]]:
    """What all shards list, sorted. A key that is listed twice stands here twice."""
    return sorted(entry for shard in store.shards(scope) for entry in below(store, shard))


def keys(store: Lists, scope: Scope = Scope.ALL) -> list[str]:
    """The keys that all shards list, sorted."""
    return [key for key, _ in listed(store, scope)]


def files(facts: Facts) -> set[str]:
    """The keys that are no directories."""
    return {key for key in facts if not key.endswith("/")}
