"""A tree in a bucket is split into shards that cover each key once, by few requests."""

from collections.abc import Sequence
from random import Random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regsweep.registry.layout import LOCK
from regsweep.storage.ports import Scope
from regsweep_backends import _shards
from regsweep_backends._objects import ObjectStore
from tests.unit.bucket import TREE, MemoryBucket, etag, rows, store_of, time_of

ALL_HEX: Final = [f"{number:02x}{number:062x}" for number in range(256)]
BOTH = pytest.mark.parametrize("scope", [Scope.LINKS, Scope.ALL])


def digits(number: int) -> str:
    """Made-up digests, spread as real ones are."""
    return etag(b"%d" % number) * 2


def blob(number: int) -> str:
    return f"blobs/sha256/{digits(number)[:2]}/{digits(number)}/data"


def repository(name: str, layers: int = 1, tags: int = 1) -> list[str]:
    """The keys of a repository."""
    top = f"repositories/{name}"
    found = [f"{top}/_layers/sha256/{digits(number)}/link" for number in range(layers)]
    for number in range(tags):
        tag = f"{top}/_manifests/tags/v{number}"
        found += [f"{tag}/current/link", f"{tag}/index/sha256/{digits(number)}/link"]
        found.append(f"{top}/_manifests/revisions/sha256/{digits(number)}/link")
    return [*found, f"{top}/_uploads/1a2b/data", f"{top}/_uploads/1a2b/startedat"]


def bucket_of(keys: Sequence[str], *, part: int = 1000, base: str = TREE, shuffled: int | None = None) -> MemoryBucket:
    """A bucket with these keys, each with its own content; in another order than that of names with `shuffled`."""
    order = None if shuffled is None else lambda name: etag(f"{shuffled} {name}".encode())
    return MemoryBucket({key: key.encode() for key in keys}, base=base, part=part, order=order)


def expected(bucket: MemoryBucket, scope: Scope, base: str = TREE) -> list[tuple[str, int, int, str]]:
    """What all shards must list."""
    prefix = base + ("repositories/" if scope is Scope.LINKS else "")
    return sorted(
        (path.removeprefix(base), len(content), time_of(path), f'"{etag(content)}"')
        for path, content in bucket.things.items()
        if path.startswith(prefix) and path != base + LOCK
    )


def listed(store: ObjectStore, scope: Scope) -> list[tuple[str, int, int, str]]:
    """What all shards list."""
    return sorted(row for shard in store.shards(scope) for row in rows(store.pages(shard)))


def asked(bucket: MemoryBucket, scope: Scope) -> tuple[list[str], int]:
    """The shards, and how many requests it took to name them."""
    bucket.requests.clear()
    shards = list(store_of(bucket).shards(scope))
    return shards, len(bucket.requests)


components = st.text("ab-.0=*", min_size=1, max_size=3) | st.sampled_from(
    ["a", "library", "_x", "\u00e9", "a b", "[a]"]
)
names = st.lists(components, min_size=1, max_size=3).map("/".join)
strays = st.lists(
    st.sampled_from(
        ["blobs", "repositories", "sha256", "00", "a", "_layers", "_manifests", "_uploads", "tags", "x*", "x=", ""]
    ),
    min_size=1,
    max_size=5,
).map("/".join)


@st.composite
def trees(draw: st.DrawFn) -> list[str]:
    """The keys of a registry of any size and shape, with strays and directory markers."""
    found: set[str] = set()
    for name in draw(st.lists(names, max_size=6)):
        found.update(repository(name, draw(st.integers(0, 3)), draw(st.integers(0, 2))))
    if draw(st.booleans()):
        found.update(repository("huge", draw(st.integers(0, 60)), draw(st.integers(0, 20))))
    if draw(st.booleans()):
        found.update(repository(f"team/{number}")[0] for number in range(draw(st.integers(0, 40))))
    found.update(map(blob, range(draw(st.sampled_from([0, 1, 5, 40])))))
    found.update(draw(st.lists(strays, max_size=6)))
    parents = {key[: at + 1] for key in found for at, letter in enumerate(key) if letter == "/"}
    if parents:
        found.update(draw(st.lists(st.sampled_from(sorted(parents)), max_size=4)))
    if draw(st.booleans()):
        found.update({LOCK, "", "../v2x/stray", "../v2"})
    return sorted(found)


@settings(max_examples=120, deadline=None)
@given(
    keys=trees(),
    part=st.sampled_from([1, 2, 7, 1000]),
    shuffled=st.none() | st.integers(0, 3),
    enough=st.sampled_from([1, 4, 32]),
    most=st.sampled_from([1, 2, 5, 64]),
    few=st.sampled_from([0, 20, 16_000]),
    seed=st.randoms(use_true_random=False),
)
def test_the_shards_cover_each_key_once(  # noqa: PLR0913 - what is drawn
    keys: list[str], part: int, shuffled: int | None, enough: int, most: int, few: int, seed: Random
) -> None:
    bucket = bucket_of(keys, part=part, shuffled=shuffled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_shards, "_ENOUGH", enough)
        patch.setattr(_shards, "_MOST", most)
        patch.setattr(_shards, "_FEW", few)
        for scope in (Scope.LINKS, Scope.ALL):
            store = store_of(bucket)
            shards = list(store.shards(scope))
            assert len(shards) == len(set(shards))
            seed.shuffle(shards)
            found = {shard: rows(store.pages(shard)) for shard in shards}
            assert sorted(row for one in found.values() for row in one) == expected(bucket, scope)
            for shard, one in found.items():
                assert [row for row in one if not row[0].startswith(shard.rstrip("*="))] == []


@BOTH
@pytest.mark.parametrize("shuffled", [None, 1])
@pytest.mark.parametrize(
    "keys",
    [
        [
            f"repositories/{name}/_layers/sha256/{one}/link"
            for name in ("a", "aa", "aaa", "a-a", "a/a")
            for one in ALL_HEX
        ],
        [f"repositories/{name}/x" for name in ("a*", "a=", "*", "=", "a*=", "a", "a/*", "a/=")],
        [f"repositories/{number}{end}" for number in range(70) for end in ("", "/x", "*/x", "=/x", "*", "=")],
        [f"repositories/{'x' * number}/y" for number in range(1, 100)],
        [f"repositories/{chr(0x100 + number)}/y" for number in range(100)],
        [f"blobs/sha256/{one[:2]}/{one}/data" for one in ALL_HEX] + ["blobs/sha256/0", "blobs/sha256/00", "blobs/s"],
        [
            "blobs/x",
            "blobs/",
            "blobs",
            "repositories",
            "repositories/",
            "repositories/a",
            "blobs/sha256/",
            "x/",
            "/",
            "//",
        ],
        [f"repositories//{number}/y" for number in range(70)] + [f"repositories/{number}//y" for number in range(70)],
    ],
    ids=["beginnings", "marks", "many marks", "ever longer", "other letters", "blobs", "branches", "slashes"],
)
def test_names_that_a_split_could_confuse_are_covered_once(keys: list[str], shuffled: int | None, scope: Scope) -> None:
    bucket = bucket_of(keys, part=20, shuffled=shuffled)
    assert listed(store_of(bucket), scope) == expected(bucket, scope)


@BOTH
@pytest.mark.parametrize("base", ["", "a/", "a*/", "docker/registry/v2/docker/registry/v2/"])
def test_the_tree_may_stand_anywhere(base: str, scope: Scope) -> None:
    keys = [key for number in range(40) for key in repository(f"{number}/a", 2, 2)] + [blob(n) for n in range(40)]
    bucket = bucket_of([*keys, "stray", LOCK], part=20, base=base)
    assert listed(store_of(bucket, base), scope) == expected(bucket, scope, base)


@BOTH
def test_a_store_that_holds_nothing_is_named_and_listed_by_a_few_requests(scope: Scope) -> None:
    bucket = bucket_of([])
    assert listed(store_of(bucket), scope) == []
    assert len(bucket.requests) <= 6


def test_a_store_that_fits_into_one_page_is_split_by_six_requests_at_most() -> None:
    bucket = bucket_of([*repository("a", 100, 100), *repository("a/b"), *map(blob, range(300))])
    shards, requests = asked(bucket, Scope.ALL)
    assert requests <= 6
    assert len(shards) <= 3
    assert asked(bucket, Scope.LINKS) == (["repositories/"], 2)


@pytest.mark.parametrize(
    "name",
    ["app-{0:03}", "library/app-{0:03}", "team-{1}/app-{2:03}", "a/b/c/d/{0:03}", "{3}"],
    ids=["flat", "in one folder", "in twenty folders", "deep", "by hash"],
)
def test_many_repositories_make_some_tens_of_shards(name: str) -> None:
    filled = [name.format(number, number // 10, number % 10, digits(number)) for number in range(200)]
    bucket = bucket_of([key for one in filled for key in repository(one, 400, 200)])
    shards, requests = asked(bucket, Scope.LINKS)
    assert 8 <= len(shards) <= 64
    assert requests <= 64


def test_small_repositories_in_many_folders_share_shards() -> None:
    bucket = bucket_of([f"repositories/{number % 30}/{number}/_layers/sha256/x/link" for number in range(1_800)])
    assert listed(store_of(bucket), Scope.LINKS) == expected(bucket, Scope.LINKS)
    assert len(bucket.requests) <= 200


def test_one_huge_repository_is_split_too() -> None:
    bucket = bucket_of(repository("team/huge", 30_000, 10_000))
    shards, requests = asked(bucket, Scope.LINKS)
    assert 8 <= len(shards) <= 200
    assert requests <= 100
    sizes = [len(rows(store_of(bucket).pages(shard))) for shard in shards]
    assert max(sizes) <= sum(sizes) / 8


def test_a_huge_repository_among_small_ones_does_not_hide_in_one_shard() -> None:
    small = [key for number in range(20) for key in repository(f"team/small-{number}")]
    bucket = bucket_of([*small, *repository("team/huge", 10_000, 2_000)])
    shards, _ = asked(bucket, Scope.LINKS)
    sizes = [len(rows(store_of(bucket).pages(shard))) for shard in shards]
    assert max(sizes) <= sum(sizes) / 4


@pytest.mark.parametrize(("count", "shards"), [(900, (1, 16)), (3_000, (16, 64)), (40_000, (200, 256))])
def test_the_more_blobs_the_more_shards(count: int, shards: tuple[int, int]) -> None:
    bucket = bucket_of([blob(number) for number in range(count)])
    named, requests = asked(bucket, Scope.ALL)
    assert shards[0] <= len([shard for shard in named if shard.startswith("blobs/")]) <= shards[1]
    assert requests <= 6


def test_uploads_are_not_split_further() -> None:
    bucket = bucket_of([f"repositories/a/_uploads/{number}/data" for number in range(3_000)])
    assert asked(bucket, Scope.LINKS)[0] == ["repositories/a/_uploads/"]


MARKERS: Final = [
    "",
    "blobs/",
    "blobs/sha256/",
    "repositories/",
    "repositories/a/",
    "repositories/a/_layers/",
    "repositories/a/_layers/sha256/",
]


def test_markers_of_directories_cost_a_request_or_two_each_not_a_listing_of_all_below() -> None:
    keys = [*repository("a", 30_000, 1), *map(blob, range(20_000))]
    bucket = bucket_of(keys)
    listed(store_of(bucket), Scope.ALL)
    without = len(bucket.requests)
    bucket = bucket_of([*keys, *MARKERS])
    assert listed(store_of(bucket), Scope.ALL) == expected(bucket, Scope.ALL)
    assert len(bucket.requests) - without <= 2 * len(MARKERS)


def test_an_object_beside_a_branch_costs_no_listing_of_the_branch() -> None:
    bucket = bucket_of([*map(blob, range(20_000)), "blobs", "blobs-old"])
    store = store_of(bucket)
    shards = [shard for shard in store.shards(Scope.ALL) if "/" not in shard]
    bucket.requests.clear()
    assert sorted(key for shard in shards for key, *_ in rows(store.pages(shard))) == ["blobs", "blobs-old"]
    assert len(bucket.requests) <= 4


@pytest.mark.parametrize("folder", ["blobs/sha256/", "blobs/md5/", "repositories/", "repositories/a/_layers/sha256/"])
def test_many_strays_in_one_folder_make_no_shard_each(folder: str) -> None:
    bucket = bucket_of([*(f"{folder}{digits(number)}" for number in range(3_000)), *map(blob, range(10))])
    shards, _ = asked(bucket, Scope.ALL)
    assert listed(store_of(bucket), Scope.ALL) == expected(bucket, Scope.ALL)
    assert len(shards) <= 200


@pytest.mark.parametrize(
    ("key", "shard"), [("a", "a="), ("a=", "a=="), ("a*", "a*="), ("a/", "a/="), ("", "="), ("*", "*="), ("=", "==")]
)
def test_one_key_can_be_a_shard_whatever_it_looks_like(key: str, shard: str) -> None:
    assert _shards.exactly(key) == shard
    assert _shards.covered(shard) == (key, False)


@pytest.mark.parametrize(
    ("shard", "prefix"), [("a/", "a/"), ("a*", "a"), ("a**", "a*"), ("a=*", "a="), ("a*/", "a*/"), ("a=/", "a=/")]
)
def test_a_shard_of_many_keys_is_their_beginning(shard: str, prefix: str) -> None:
    assert _shards.covered(shard) == (prefix, True)


def test_a_shard_of_one_key_lists_no_key_that_only_begins_so() -> None:
    store = store_of(bucket_of(["x", "x=", "x*", "xy", "x/y", "x/"], part=1, shuffled=2))
    assert [key for key, *_ in rows(store.pages("x="))] == ["x"]
    assert [key for key, *_ in rows(store.pages("x/="))] == ["x/"]
    assert [key for key, *_ in rows(store.pages("x=="))] == ["x="]
    assert [key for key, *_ in rows(store.pages("z="))] == []


def test_the_lock_is_no_key_of_the_tree() -> None:
    bucket = bucket_of([LOCK, f"{LOCK}x"])
    assert [key for key, *_ in listed(store_of(bucket), Scope.ALL)] == [f"{LOCK}x"]
