"""From a flat listing to pages, whatever its order and its parts."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regsweep.registry.layout import Kind, digests_in, parse
from regsweep.storage.ports import Page
from regsweep_backends import _pages
from regsweep_backends._pages import Objects, paged
from tests.unit.bucket import TREE, etag, time_of

HEXES: Final = [f"{number:064x}" for number in (1, 2, 3, 0xAB << 248, (0xAB << 248) + 1)]
ONE, TWO, THREE = HEXES[:3]
LINK: Final = f"sha256:{ONE}".encode()
LONG: Final = "5e" * 64
NAMES: Final = ("a", "a/b", "ab", "a/_layers/b", "caf\u00e9")
TAGS: Final = ("v1", "v2", "_layers", "current", "index")

Things = dict[str, bytes]
Fact = tuple[int, int, str]


def blob(digits: str) -> str:
    return f"blobs/sha256/{digits[:2]}/{digits}/data"


def layer(name: str, digits: str) -> str:
    return f"repositories/{name}/_layers/sha256/{digits}/link"


def revision(name: str, digits: str) -> str:
    return f"repositories/{name}/_manifests/revisions/sha256/{digits}/link"


def tag(name: str, one: str) -> str:
    return f"repositories/{name}/_manifests/tags/{one}/current/link"


def entry(name: str, one: str, digits: str) -> str:
    return f"repositories/{name}/_manifests/tags/{one}/index/sha256/{digits}/link"


def link(digits: str) -> bytes:
    return f"sha256:{digits}".encode()


def parts(
    things: Things, sizes: Sequence[int], *, base: str = TREE, hashes: dict[str, str] | None = None
) -> list[Objects]:
    """A listing of some things in the order given, in parts of these sizes and one of the rest."""
    names = list(things)
    found = []
    for size in [*sizes, len(names)]:
        taken, names = names[:size], names[size:]
        found.append(
            Objects(
                [base + key for key in taken],
                [len(things[key]) for key in taken],
                [time_of(key) for key in taken],
                [(hashes or {}).get(key, etag(things[key])) for key in taken],
                [f"version of {key}" for key in taken],
                [],
                bool(names),
            )
        )
    return found


def read(pages: Sequence[Page]) -> tuple[list[tuple[str, Fact]], dict[str, bytes]]:
    """Every key with its facts, sorted, and what those that are proved hold."""
    facts: list[tuple[str, Fact]] = []
    contents: dict[str, bytes] = {}
    for page in pages:
        assert page.names
        assert page.versions is not None
        keys = [page.prefix + name + page.suffix for name in page.names]
        for key, size, modified, version in zip(keys, page.sizes, page.modified, page.versions, strict=True):
            facts.append((key, (size, modified, version)))
        told = zip(keys, page.contents or [None] * len(keys), strict=True)
        contents |= {key: content for key, content in told if content is not None}
    return sorted(facts), contents


def facts_of(things: Things) -> list[tuple[str, Fact]]:
    return sorted((key, (len(things[key]), time_of(key), f"version of {key}")) for key in things)


def proved(things: Things, *, hashes: dict[str, str] | None = None) -> dict[str, bytes]:
    """What the listing of some things proves."""
    return read(list(paged(parts(things, [], hashes=hashes), TREE)))[1]


hexes = st.sampled_from(HEXES)
names = st.sampled_from(NAMES)
tags = st.sampled_from(TAGS)
keys = st.one_of(
    st.builds(blob, hexes),
    st.builds(layer, names, hexes),
    st.builds(revision, names, hexes),
    st.builds(tag, names, tags),
    st.builds(entry, names, tags, hexes),
)
ODD: Final = [
    "",
    "/",
    "//",
    "stray",
    "blobs/",
    "repositories/a/",
    blob(ONE).upper(),
    blob(ONE).replace("00/", "0A/", 1),
    blob("A" * 64),
    blob(ONE) + "/",
    blob(ONE) + "\n",
    f"blobs/sha256/00/{'x' * 64}/data",
    f"blobs/sha256/00/{'x' * 31}/{'y' * 32}/data",
    f"blobs/sha256/ff/{ONE}/data",
    f"blobs/sha512/5e/{LONG}/data",
    layer("a", "A" * 64),
    layer("a", ONE) + ".tmp",
    layer("a", ONE) + "/link",
    layer("a\nb", ONE),
    layer("a//b", ONE),
    layer("", ONE),
    f"_layers/sha256/{ONE}/link",
    f"repositories/a/_layers/sha512/{LONG}/link",
    f"repositories/a/_manifests/revisions/sha256/{ONE}/signatures/sha256/{TWO}/link",
    tag("a", "v\n1"),
    tag("a", ""),
    tag("a", "v1/v2"),
    entry("a", "v\n1", ONE),
    entry("a", "v1/v2", ONE),
    f"repositories/a/_manifests/tags/v1/index/sha512/{LONG}/link",
    "repositories/a/_uploads/1a2b/data",
    "repositories/a/_uploads/1a2b/startedat",
    "repositories/\udcff/stray",
]
contents = st.one_of(st.builds(link, hexes), st.sampled_from([b"", b"x" * 71, LINK + b"\n", LINK[:-1]]))
things = st.dictionaries(keys | keys | st.sampled_from(ODD), contents, max_size=30)


@settings(max_examples=200, deadline=None)
@given(
    things=things,
    sizes=st.lists(st.integers(0, 8), max_size=8),
    seed=st.randoms(use_true_random=False),
    full=st.sampled_from([1, 3, 20_000]),
    remembered=st.sampled_from([1, 3, 200_000]),
    base=st.sampled_from(["", TREE, "blobs/sha256/00/", "\u00e9/"]),
)
def test_every_key_comes_out_once_as_it_was_listed_and_only_with_what_it_holds(  # noqa: PLR0913 - what is drawn
    things: Things, sizes: list[int], seed: Random, full: int, remembered: int, base: str
) -> None:
    order = list(things)
    seed.shuffle(order)
    listing = parts({key: things[key] for key in order}, sizes, base=base)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pages, "_FULL", full)
        patch.setattr(_pages, "_REMEMBERED", remembered)
        facts, contents = read(list(paged(listing, base)))
    assert facts == facts_of(things)
    assert contents == {key: things[key] for key in contents}


@settings(max_examples=120, deadline=None)
@given(things=things, seed=st.randoms(use_true_random=False), sizes=st.lists(st.integers(0, 8), max_size=8))
def test_what_a_link_holds_is_told_exactly_where_its_name_or_its_tag_s_past_proves_it(
    things: Things, seed: Random, sizes: list[int]
) -> None:
    order = list(things)
    seed.shuffle(order)
    parsed = {key: found for key in things if (found := parse(key))}
    links = {key for key, found in parsed.items() if found.kind in (Kind.LAYER_LINK, Kind.REVISION, Kind.TAG_ENTRY)}
    right = {key for key in links if (digest := parsed[key].digest) and things[key] == link(digest.hex)}
    spelled = {link(digest.hex) for key in links if (digest := parsed[key].digest) and len(things[key]) == 71}
    tagged = {key for key, found in parsed.items() if found.kind is Kind.TAG}
    _, contents = read(list(paged(parts({key: things[key] for key in order}, sizes), TREE)))
    assert set(contents) & links == right
    # A stray among the links may prove one more.
    anywhere = {link(digest.hex) for key in things for digest in digests_in(key)}
    assert {key for key in tagged if things[key] in spelled} <= set(contents) & tagged
    assert {things[key] for key in set(contents) & tagged} <= anywhere


@pytest.mark.parametrize("other", [revision("a", ONE), entry("a", "v1", ONE), layer("a", ONE), entry("a", "v2", ONE)])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("sizes", [[], [1]])
def test_a_tag_is_proved_by_what_is_listed_before_or_after_it(other: str, before: bool, sizes: list[int]) -> None:  # noqa: FBT001 - a table
    listed = {tag("a", "v1"): LINK}
    things = {other: LINK} | listed if before else listed | {other: LINK}
    pages = list(paged(parts(things, sizes), TREE))
    assert read(pages)[1] == {other: LINK, tag("a", "v1"): LINK}


def test_a_tag_is_not_proved_by_a_digest_that_stands_nowhere_else() -> None:
    assert proved({tag("a", "v1"): LINK, revision("a", TWO): link(TWO)}) == {revision("a", TWO): link(TWO)}


def test_a_tag_is_proved_even_by_a_link_that_holds_something_else_itself() -> None:
    found = proved({tag("a", "v1"): LINK, revision("a", ONE): link(TWO), revision("a", TWO): link(TWO)})
    assert found == {tag("a", "v1"): LINK, revision("a", TWO): link(TWO)}


@pytest.mark.parametrize("key", [layer("a", ONE), revision("a", ONE), entry("a", "v1", ONE)])
@pytest.mark.parametrize("content", [b"", link(TWO), LINK + b"\n", LINK[:-1], LINK.upper(), b"x" * 71])
def test_a_link_that_holds_anything_but_its_name_is_left_to_be_read(key: str, content: bytes) -> None:
    assert proved({key: content, key.replace(ONE, THREE): link(THREE)}) == {key.replace(ONE, THREE): link(THREE)}


@pytest.mark.parametrize("hashed", ["", "-", etag(LINK) + "-1", etag(LINK).upper(), etag(LINK)[:-1], f'"{etag(LINK)}"'])
def test_a_hash_that_is_not_that_of_the_content_proves_nothing(hashed: str) -> None:
    things = {revision("a", ONE): LINK, tag("a", "v1"): LINK}
    assert proved(things, hashes=dict.fromkeys(things, hashed)) == {}


def test_a_link_of_another_size_is_not_proved_by_a_hash_that_would() -> None:
    things = {revision("a", ONE): LINK + b"\n", revision("a", TWO): link(TWO)}
    assert proved(things, hashes={revision("a", ONE): etag(LINK)}) == {revision("a", TWO): link(TWO)}


def test_a_tag_of_another_size_is_not_proved_by_a_hash_that_would() -> None:
    things = {tag("a", "v1"): LINK + b"\n", revision("a", ONE): LINK}
    assert proved(things, hashes={tag("a", "v1"): etag(LINK)}) == {revision("a", ONE): LINK}


def test_where_no_hash_of_a_page_proves_anything_it_says_nothing_of_contents() -> None:
    things = {
        **{layer("a", digits): link(digits) for digits in HEXES},
        **{tag("a", one): LINK for one in TAGS},
        **{revision("b", digits): link(digits) for digits in HEXES},
        blob(ONE): b"x",
        "stray": b"x",
    }
    encrypted = {key: "f" * 32 for key in things if not key.startswith("repositories/b")}
    pages = list(paged(parts(things, [], hashes=encrypted), TREE))
    told = {page.prefix: page.contents is not None for page in pages}
    assert told == {
        "repositories/a/_layers/sha256/": False,
        "repositories/a/_manifests/tags/": False,
        "repositories/b/_manifests/revisions/sha256/": True,
        "blobs/sha256/00/": False,
        "": False,
    }


@pytest.mark.parametrize("size", [71, 0])
def test_a_blob_s_content_is_never_told(size: int) -> None:
    things = {blob(ONE): LINK[:size], blob(TWO): LINK[:size], revision("a", ONE): LINK}
    assert proved(things) == {revision("a", ONE): LINK}


def test_keys_of_one_kind_and_place_share_a_page_however_they_are_mixed() -> None:
    things: Things = {}
    for digits in HEXES[:3]:
        things |= {blob(digits): b"", layer("a", digits): link(digits), layer("b", digits): link(digits)}
        things |= {revision("a", digits): link(digits), entry("a", "v1", digits): link(digits), tag("a", digits): LINK}
    pages = list(paged(parts(things, [1, 2, 3, 4]), TREE))
    assert sorted((page.prefix, page.suffix, len(page.names)) for page in pages) == [
        ("blobs/sha256/00/", "/data", 3),
        ("repositories/a/_layers/sha256/", "/link", 3),
        ("repositories/a/_manifests/revisions/sha256/", "/link", 3),
        ("repositories/a/_manifests/tags/", "/current/link", 3),
        ("repositories/a/_manifests/tags/", "/link", 3),
        ("repositories/b/_layers/sha256/", "/link", 3),
    ]


@pytest.mark.parametrize(
    "stray", [blob(ONE) + "/", f"blobs/sha256/00/{'A' * 63}/data", "blobs/sha256/00/stray", "stray"]
)
@pytest.mark.parametrize("first", [True, False])
def test_a_stray_among_the_blobs_of_a_part_is_no_blob_and_hides_none(stray: str, first: bool) -> None:  # noqa: FBT001 - a table
    blobs = {blob(digits): b"1" for digits in HEXES[:3]}
    things = {stray: b"22"} | blobs if first else blobs | {stray: b"22"}
    pages = list(paged(parts(things, []), TREE))
    assert read(pages)[0] == facts_of(things)
    assert [len(page.names) for page in pages if page.suffix == "/data" and set(page.sizes) == {1}] == [3]


@pytest.mark.parametrize("base", ["", TREE, "a.b/(c)/", "[x]*/"])
def test_the_base_goes_from_each_key(base: str) -> None:
    things = {blob(ONE): b"", tag("a", "v1"): LINK, revision("a", ONE): LINK, "stray": b""}
    facts, contents = read(list(paged(parts(things, [2], base=base), base)))
    assert facts == facts_of(things)
    assert set(contents) == {tag("a", "v1"), revision("a", ONE)}


def test_no_listing_has_no_pages() -> None:
    assert list(paged([], TREE)) == []
    assert list(paged(parts({}, [0, 0, 0]), TREE)) == []


def test_pages_come_while_the_listing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pages, "_FULL", 2)
    asked = 0

    def listing() -> Iterator[Objects]:
        nonlocal asked
        for part in parts({blob(f"{number:064x}"): b"" for number in range(10)}, [1] * 9):
            asked += 1
            yield part

    first = next(paged(listing(), TREE))
    assert (len(first.names), asked) == (2, 2)


def test_no_more_digests_are_remembered_than_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pages, "_REMEMBERED", 3)
    things = {revision("a", digits): link(digits) for digits in HEXES[:3]} | {tag("a", "v1"): LINK}
    early = {tag("a", "v0"): link(TWO)}
    pages = list(paged(parts(early | things, [4]), TREE))
    facts, contents = read(pages)
    assert facts == facts_of(early | things)
    # The later tag's digest is forgotten, so it is read; the earlier's was still known.
    assert contents == {key: content for key, content in (early | things).items() if key != tag("a", "v1")}
