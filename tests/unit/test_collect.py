from collections.abc import Iterator, Sequence
from hashlib import sha256

import pytest

from regsweep.errors import StorageError
from regsweep.inventory.collect import chunks, collect_manifests, collect_maybe_manifests, collect_shards
from regsweep.storage.ports import Page
from tests.trees import blob_key, slashed
from tests.unit.pages import Pages, Table, collected, page, tables

A, B = "sha256:" + "0123456789abcdef" * 4, "sha256:" + "ab" * 32
LONG, LONGER = "sha384:" + "c7" * 48, "sha512:" + "5e" * 64
REVISIONS = "repositories/a/b/_manifests/revisions"
TAGS = "repositories/a/b/_manifests/tags"
LAYERS = "repositories/a/b/_layers"
UPLOAD = "repositories/a/b/_uploads/1a2b"
NOON = 1_704_110_400_000_000


def one(key: str, content: bytes | None = None, *, size: int | None = None) -> dict[str, Table]:
    """What becomes of one key on a page of its own."""
    held = {} if content is None else {key: content}
    return collected(page(key, size=len(content or b"") if size is None else size), contents=held)


SAMPLES: list[tuple[str, bytes, dict[str, Table]]] = [
    (blob_key(A), b"content", {"blobs": [(A, 7, 1)]}),
    (blob_key(LONGER), b"content", {"blobs": [(LONGER, 7, 1)]}),
    (f"{LAYERS}/{slashed(A)}/link", A.encode(), {"layer_links": [("a/b", A, A, 1)]}),
    (f"{LAYERS}/{slashed(LONGER)}/link", A.encode(), {"layer_links": [("a/b", LONGER, A, 1)]}),
    (f"{LAYERS}/{slashed(LONG)}/link", A.encode(), {"layer_links": [("a/b", LONG, A, 1)]}),
    (f"{REVISIONS}/{slashed(A)}/link", A.encode(), {"revisions": [("a/b", A, 1)]}),
    (f"{REVISIONS}/{slashed(A)}/signatures/{slashed(B)}/link", B.encode(), {"signatures": [("a/b", A, B, 1)]}),
    (f"{TAGS}/v1/current/link", A.encode(), {"tags": [("a/b", "v1", A, 1)]}),
    (f"{TAGS}/v1/index/{slashed(A)}/link", A.encode(), {"tag_entries": [("a/b", "v1", A, 1)]}),
    (f"{UPLOAD}/data", b"half", {"uploads": [("a/b", "1a2b", "data", 4, 1, None)]}),
    (f"{UPLOAD}/hashstates/sha256/0", b"st", {"uploads": [("a/b", "1a2b", "hashstates/sha256/0", 2, 1, None)]}),
    (
        f"{UPLOAD}/startedat",
        b"2024-01-01T12:00:00Z",
        {"uploads": [("a/b", "1a2b", "startedat", 20, 1, NOON)]},
    ),
]


@pytest.mark.parametrize(("key", "content", "expected"), SAMPLES, ids=[key[:60] for key, _, _ in SAMPLES])
def test_each_kind_of_key_gives_a_row_of_its_table(key: str, content: bytes, expected: dict[str, Table]) -> None:
    assert one(key, content) == expected


AT_ONCE = [
    (f"{LAYERS}/sha256/", ["0" * 64, "1" * 64, "f" * 64], "/link"),
    (f"{REVISIONS}/sha256/", ["0" * 64, "1" * 64, "f" * 64], "/link"),
    ("blobs/sha256/ab/", ["ab" + "0" * 62, "ab" + "f" * 62], "/data"),
    (f"{TAGS}/", ["v1", "latest", "_x", "_layers"], "/current/link"),
    (f"{TAGS}/", ["_layers", "v1"], "/current/link"),
    (f"{TAGS}/", [f"v1/index/sha256/{'0' * 64}", f"_layers/index/sha256/{'1' * 64}"], "/link"),
    (f"{TAGS}/v", ["1", "2"], "/current/link"),
    (f"{TAGS}/v", [f"1/index/sha256/{'0' * 64}", f"2/index/sha256/{'1' * 64}"], "/link"),
    (f"{TAGS}/v1/index/sha256/", ["0" * 64, "1" * 64], "/link"),
    (f"{TAGS}/v1/", [f"index/sha256/{'0' * 64}", f"index/sha256/{'1' * 64}"], "/link"),
    (TAGS.removesuffix("tags"), ["tags/v1", "tags/v2"], "/current/link"),
    ("repositories/a", [f"/_layers/sha256/{'0' * 64}", f"b/_layers/sha256/{'1' * 64}"], "/link"),
    (f"{LAYERS}/sha256/0", ["0" * 63, "1" * 63], "/link"),
    (f"{LAYERS}/", [f"sha256/{'0' * 64}", f"sha512/{'1' * 128}"], "/link"),
]


@pytest.mark.parametrize(("prefix", "names", "suffix"), AT_ONCE)
@pytest.mark.parametrize("brought", [True, False])
def test_keys_give_the_same_rows_however_they_are_put_on_pages(
    prefix: str, names: list[str], suffix: str, *, brought: bool
) -> None:
    keys = [prefix + name + suffix for name in names]
    held: list[bytes | None] = [_named(key).encode() for key in keys]
    contents = {key: content for key, content in zip(keys, held, strict=True) if content is not None}
    together = collected(
        page(*names, prefix=prefix, suffix=suffix, contents=held if brought else None), contents=contents
    )
    apart = [Page(prefix="", names=[key], sizes=[71], modified=[at]) for at, key in enumerate(keys, start=1)]
    assert together == collected(*apart, contents=contents)
    assert sum(map(len, together.values())) == len(keys)
    # A stray among them, and nothing can be taken at once any more.
    mixed = collected(page(*keys, f"{prefix}stray?"), contents=contents)
    del mixed["strays"]
    mixed.pop("doubts", None)
    assert mixed == together


def _named(key: str) -> str:
    digits = key.split("/")[-2]
    return f"sha256:{digits}" if len(digits) == 64 else A


def test_a_page_of_mixed_kinds_gives_what_its_keys_give_apart() -> None:
    keys = [key for key, _, _ in SAMPLES]
    contents = {key: content for key, content, _ in SAMPLES}
    for order in (keys, keys[::-1]):
        mixed = Page(
            prefix="",
            names=order,
            sizes=[len(contents[key]) for key in order],
            modified=[1] * len(order),
        )
        found = collected(mixed, contents=contents)
        expected: dict[str, Table] = {}
        for _, _, one_table in SAMPLES:
            for name, rows in one_table.items():
                expected[name] = sorted([*expected.get(name, []), *rows], key=repr)
        assert {name: sorted(rows, key=repr) for name, rows in found.items()} == expected


MALFORMED = [
    (b"", "empty"),
    (b"sha256:" + b"g" * 64, "no digest"),
    (b"\0" * 71, "no digest"),
    (A.encode() + b"\n", "no digest"),
    (LONGER.encode(), "sha512"),
    (b"x" * 1000, "no digest"),
]
NAMED: list[tuple[str, dict[str, Table]]] = [
    (f"{REVISIONS}/{slashed(A)}/link", {"revisions": [("a/b", A, 1)]}),
    (f"{TAGS}/v1/index/{slashed(A)}/link", {"tag_entries": [("a/b", "v1", A, 1)]}),
    (f"{LAYERS}/{slashed(A)}/link", {"layer_links": [("a/b", A, A, 1)]}),
    (f"{REVISIONS}/{slashed(B)}/signatures/{slashed(A)}/link", {"signatures": [("a/b", B, A, 1)]}),
]


def check_damage(found: dict[str, Table], key: str, problem: str) -> None:
    """See that there is damage of one key, and nothing else left to look at."""
    ((repository, damaged, told),) = found.pop("damage")
    assert (repository, damaged) == ("a/b", key)
    assert problem in str(told)
    assert str(told).isprintable()


@pytest.mark.parametrize(("key", "rows"), NAMED)
@pytest.mark.parametrize(("content", "problem"), [case for case in MALFORMED if len(case[0]) != 71])
def test_a_link_of_another_size_that_holds_no_digest_is_damage_and_its_name_is_believed_and_doubted(
    key: str, rows: dict[str, Table], content: bytes, problem: str
) -> None:
    found = one(key, content)
    check_damage(found, key, problem)
    assert found == {**rows, "doubts": [(A,)]}


@pytest.mark.parametrize(("content", "problem"), [case for case in MALFORMED if len(case[0]) == 71])
def test_a_revision_s_link_of_the_right_size_is_read_all_the_same(content: bytes, problem: str) -> None:
    key = f"{REVISIONS}/{slashed(A)}/link"
    found = one(key, content)
    check_damage(found, key, problem)
    assert found == {"revisions": [("a/b", A, 1)], "doubts": [(A,)]}


@pytest.mark.parametrize(("content", "problem"), MALFORMED)
def test_a_tag_whose_link_holds_no_digest_is_damage_and_no_tag(content: bytes, problem: str) -> None:
    key = f"{TAGS}/v1/current/link"
    found = one(key, content)
    check_damage(found, key, problem)
    assert found == {}


@pytest.mark.parametrize(("content", "problem"), MALFORMED)
def test_one_damaged_link_on_a_page_of_sound_ones_harms_no_other(content: bytes, problem: str) -> None:
    for prefix, suffix, table in (
        (f"{TAGS}/", "/current/link", "tags"),
        (f"{REVISIONS}/sha256/", "/link", "revisions"),
    ):
        names = ["v1", "v2", "v3"] if table == "tags" else ["0" * 64, "1" * 64, "2" * 64]
        keys = [prefix + name + suffix for name in names]
        contents = {key: _named(key).encode() for key in keys} | {keys[1]: content}
        found = collected(page(*names, prefix=prefix, suffix=suffix), contents=contents)
        check_damage(found, keys[1], problem)
        times = [row[-1] for row in found[table]]
        assert times == ([1, 3] if table == "tags" else [1, 2, 3])


def test_a_link_that_holds_another_digest_than_its_own_is_damage_and_both_are_in_doubt() -> None:
    for key, rows in NAMED[:1]:
        found = one(key, B.encode())
        check_damage(found, key, f"holds {B}, not its own digest")
        assert found == {**rows, "doubts": [(A,), (B,)]}


def test_a_revision_named_by_another_algorithm_than_manifests_have_is_damage() -> None:
    key = f"{REVISIONS}/{slashed(LONGER)}/link"
    found = one(key, A.encode())
    check_damage(found, key, "not its own digest")
    assert found == {"revisions": [("a/b", LONGER, 1)], "doubts": [(A,), (LONGER,)]}


def test_a_tag_points_where_its_link_says() -> None:
    found = collected(
        page("v1", "v2", prefix=f"{TAGS}/", suffix="/current/link"),
        contents={f"{TAGS}/v1/current/link": B.encode(), f"{TAGS}/v2/current/link": A.encode()},
    )
    assert found == {"tags": [("a/b", "v1", B, 1), ("a/b", "v2", A, 2)]}


STRAYS = [
    ("blobs/sha256/zz/x", None, []),
    (f"blobs/sha256/00/{A[7:]}/data", None, []),
    (f"{LAYERS}/{slashed(A)}/link.0e1f.tmp", "a/b", [A]),
    (f"{LAYERS}/sha256/{A[7:].upper()}/link", "a/b", []),
    (f"{TAGS}/-bad/index/{slashed(A)}/link", "a/b", [A]),
    (f"{REVISIONS}/{slashed(A)}/signatures/{slashed(B)}/data", "a/b", [A, B]),
    ("repositories/a/b/_extra/file", "a/b", []),
    ("repositories/loose", None, []),
    ("regsweep.lock.old", None, []),
]


@pytest.mark.parametrize(("key", "repository", "doubts"), STRAYS)
def test_what_no_registry_writes_is_a_stray_and_what_it_may_refer_to_is_in_doubt(
    key: str, repository: str | None, doubts: list[str]
) -> None:
    expected: dict[str, Table] = {"strays": [(repository, key, 5)]}
    if doubts:
        expected["doubts"] = [(digest,) for digest in sorted(doubts)]
    assert one(key, b"stray") == expected


def test_strays_are_never_read() -> None:
    store = Pages(page(*(key for key, _, _ in STRAYS)))
    collect_shards(store, ["the shard"])
    assert store.was_read == []


@pytest.mark.parametrize("name", ["\udcff\udcfe", "a\nb", "\x1b[31m", "\u202e"])
def test_names_that_are_more_than_text_are_written_down_escaped(name: str) -> None:
    found = collected(page(f"repositories/{name}/_layers/{name}", f"blobs/{name}"))
    for row in found["strays"]:
        assert all(not isinstance(value, str) or (value.isascii() and value.isprintable()) for value in row)


def test_empty_directories_are_told_apart_from_strays() -> None:
    found = collected(
        page("/", prefix="repositories/a/b/_uploads", size=0),
        page("/", prefix="blobs/sha256/04", size=0),
        page("/", prefix="repositories/odd name", size=0),
        page("/", prefix="repositories/a", size=0),
    )
    assert found == {
        "directories": [
            ("a/b", "repositories/a/b/_uploads/", 1),
            (None, "blobs/sha256/04/", 1),
            (None, "repositories/a/", 1),
        ],
        "strays": [(None, "repositories/odd name/", 0)],
    }


@pytest.mark.parametrize(
    ("text", "started"),
    [
        (b"2024-01-01T12:00:00Z", NOON),
        (b"2024-01-01T12:00:00+00:00", NOON),
        (b"2024-01-01T13:30:00+01:30", NOON),
        (b"2024-01-01T12:00:00.123456789Z", NOON + 123_456),
        (b"2024-01-01T12:00:00Z\n", NOON),
        (b"", None),
        (b"yesterday", None),
        (b"2024-13-01T12:00:00Z", None),
        (b"0000-00-00T00:00:00Z", None),
        (b"\xff\xfe", None),
        ("\u0662\u0660\u0662\u0664".encode() + b"-01-01T12:00:00Z", None),
        (b"2024-01-01T12:00:00Z" + b" junk" * 100, None),
    ],
)
def test_when_an_upload_began_is_known_if_it_says_so(text: bytes, started: int | None) -> None:
    assert one(f"{UPLOAD}/startedat", text)["uploads"] == [("a/b", "1a2b", "startedat", len(text), 1, started)]


@pytest.mark.parametrize("key", [key for key, _, _ in SAMPLES if "/_" in key and not key.startswith(f"{UPLOAD}/")])
@pytest.mark.parametrize("size", [0, 71, 200])
def test_a_link_that_vanished_after_the_listing_is_no_damage(key: str, size: int) -> None:
    found = one(key, None, size=size)
    assert "damage" not in found
    # Where the listing alone proves what it holds, it was there when it was listed.
    proved = size == 71 and "sha256" in key and ("/_layers/" in key or "/index/" in key or "/signatures/" in key)
    assert bool(found) is proved


def test_one_link_that_vanished_from_a_page_takes_no_other_along() -> None:
    names = ["v1", "v2", "v3"]
    contents = {f"{TAGS}/{name}/current/link": A.encode() for name in ("v1", "v3")}
    found = collected(page(*names, prefix=f"{TAGS}/", suffix="/current/link"), contents=contents)
    assert found == {"tags": [("a/b", "v1", A, 1), ("a/b", "v3", A, 3)]}


def test_what_a_page_brings_is_not_read_again() -> None:
    names = ["0" * 64, "1" * 64]
    held: list[bytes | None] = [f"sha256:{names[0]}".encode(), None]
    store = Pages(
        page(*names, prefix=f"{REVISIONS}/sha256/", suffix="/link", contents=held),
        contents={f"{REVISIONS}/sha256/{names[1]}/link": f"sha256:{names[1]}".encode()},
    )
    rows = collect_shards(store, ["the shard"])
    assert store.was_read == [f"{REVISIONS}/sha256/{names[1]}/link"]
    assert len(tables(rows)["revisions"]) == 2


def test_links_whose_content_the_listing_proves_are_not_read() -> None:
    proved = [key for key, _, _ in SAMPLES if "sha256" in key and ("/_layers/" in key or "/index/" in key)]
    assert len(proved) == 2
    store = Pages(*(page(key) for key in [*proved, blob_key(A), f"{UPLOAD}/data"]))
    collect_shards(store, ["the shard"])
    assert store.was_read == []


def test_a_link_that_cannot_be_read_stops_the_scan() -> None:
    class Denied(Pages):
        def read(self, prefix: str, names: Sequence[str], suffix: str, *, limit: int) -> Iterator[bytes | None]:
            raise StorageError(f"denied {limit}", key=prefix + names[0] + suffix)

    with pytest.raises(StorageError):
        collect_shards(Denied(page(f"{TAGS}/v1/current/link")), ["the shard"])


def manifest(text: bytes) -> tuple[str, str, bytes]:
    digits = sha256(text).hexdigest()
    return digits, f"blobs/sha256/{digits[:2]}/{digits}/data", text


GOOD = manifest(b'{"layers":[{"digest":"%s","size":7},{"digest":"%s"}]}' % (A.encode(), LONGER.encode()))
WORD = manifest(b"just a blob")
LYING = ("e" * 64, f"blobs/sha256/ee/{'e' * 64}/data", b"{}")
HUGE = manifest(b" " * (4 * 1024 * 1024) + b"{}")
MISSING = "d" * 64


def manifests(*, maybe: bool) -> dict[str, Table]:
    store = Pages(contents={key: text for _, key, text in (GOOD, WORD, LYING, HUGE)})
    collect = collect_maybe_manifests if maybe else collect_manifests
    return tables(collect(store, [GOOD[0], WORD[0], MISSING, LYING[0], HUGE[0]]))


@pytest.mark.parametrize("maybe", [True, False])
def test_a_manifest_gives_a_row_and_one_for_each_reference(*, maybe: bool) -> None:
    found = manifests(maybe=maybe)
    assert (f"sha256:{GOOD[0]}", "image", "", None) in found["manifests"]
    assert found["manifest_references"] == [
        (f"sha256:{GOOD[0]}", A, 7, 2),
        (f"sha256:{GOOD[0]}", LONGER, -1, 2),
    ]


def test_a_damaged_manifest_gives_a_row_that_says_why_and_a_missing_one_none() -> None:
    problems = {digest: problem for digest, kind, _, problem in manifests(maybe=False)["manifests"] if kind is None}
    assert set(problems) == {f"sha256:{digits}" for digits, _, _ in (WORD, LYING, HUGE)}
    assert "not JSON" in str(problems[f"sha256:{WORD[0]}"])
    assert "hashes to" in str(problems[f"sha256:{LYING[0]}"])
    assert "more than 4194304 bytes" in str(problems[f"sha256:{HUGE[0]}"])


def test_what_need_not_be_a_manifest_and_is_none_gives_no_row() -> None:
    found = {digest for digest, *_ in manifests(maybe=True)["manifests"]}
    assert not found & {f"sha256:{digits}" for digits in (WORD[0], HUGE[0], MISSING)}


def test_what_need_not_be_a_manifest_is_damaged_when_its_bytes_are_not_its_own() -> None:
    problems = {digest: problem for digest, kind, _, problem in manifests(maybe=True)["manifests"] if kind is None}
    assert set(problems) == {f"sha256:{LYING[0]}"}
    assert "hashes to" in str(problems[f"sha256:{LYING[0]}"])


def test_items_are_split_into_runs_of_at_most_a_size() -> None:
    assert list(chunks(["a", "b", "c", "d", "e"], 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(chunks([], 2)) == []
