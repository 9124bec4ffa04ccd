import re
from collections.abc import Callable, Iterator

import pytest

from regsweep.errors import MalformedError
from regsweep.registry.digest import Digest
from regsweep.registry.layout import (
    LINK_BYTES,
    Key,
    Kind,
    digests_in,
    is_directory,
    is_key,
    is_servable,
    is_tag,
    parse,
    parse_link,
    printable,
    repository_of,
)

HEX = "0123456789abcdef" * 4
OTHER = "f" * 64
ARABIC = "\u0660" * 64
"""Digits, but not hexadecimal ones."""
LONG = "5e" * 64
MIDDLE = "c7" * 48
ONE, TWO = Digest(bytes.fromhex(HEX)), Digest(bytes.fromhex(OTHER))
SHA512, SHA384 = Digest(bytes.fromhex(LONG)), Digest(bytes.fromhex(MIDDLE))
UUID = "1a2b3c4d-0000-4000-8000-00000000000f"
NESTED = ("a", "a/b", "a/b/c", "ab", "a-b", "a.b", "a__b", "0", "library/UPPER")


def examples(name: str) -> Iterator[tuple[str, Key]]:
    """Every key that a registry writes for a repository, spelled out, with what it says."""
    top = f"repositories/{name}"
    manifests = f"{top}/_manifests"
    yield f"{manifests}/tags/v1.0/current/link", Key(kind=Kind.TAG, repository=name, tag="v1.0")
    entry = Key(kind=Kind.TAG_ENTRY, repository=name, tag="v1.0", digest=ONE)
    yield f"{manifests}/tags/v1.0/index/sha256/{HEX}/link", entry
    revision = f"{manifests}/revisions/sha256/{HEX}"
    yield f"{revision}/link", Key(kind=Kind.REVISION, repository=name, digest=ONE)
    signature = Key(kind=Kind.SIGNATURE, repository=name, revision=ONE, digest=TWO)
    yield f"{revision}/signatures/sha256/{OTHER}/link", signature
    yield f"{top}/_layers/sha256/{HEX}/link", Key(kind=Kind.LAYER_LINK, repository=name, digest=ONE)
    yield f"{top}/_layers/sha512/{LONG}/link", Key(kind=Kind.LAYER_LINK, repository=name, digest=SHA512)
    yield f"{top}/_layers/sha384/{MIDDLE}/link", Key(kind=Kind.LAYER_LINK, repository=name, digest=SHA384)
    for part in ("data", "startedat", "hashstates/sha256/0", "hashstates/sha256/1048576"):
        yield f"{top}/_uploads/{UUID}/{part}", Key(kind=Kind.UPLOAD, repository=name, upload=UUID, part=part)


BLOBS = [
    (f"blobs/sha256/01/{HEX}/data", Key(kind=Kind.BLOB, digest=ONE)),
    (f"blobs/sha384/c7/{MIDDLE}/data", Key(kind=Kind.BLOB, digest=SHA384)),
    (f"blobs/sha512/5e/{LONG}/data", Key(kind=Kind.BLOB, digest=SHA512)),
]
ALL = [*BLOBS, *(example for name in NESTED for example in examples(name))]
SPOILED: list[Callable[[str], str]] = [
    lambda key: key + "\n",
    lambda key: key + "/",
    lambda key: key + "\0",
    lambda key: "/" + key,
    lambda key: "./" + key,
    lambda key: "docker/registry/v2/" + key,
    lambda key: key.replace("/", "//", 1),
    lambda key: key[::-1].replace("/", "//", 1)[::-1],
    lambda key: key.replace("/", "/../", 1),
    lambda key: key.replace("/", "/./", 1),
    lambda key: key + "/..",
    lambda key: key.replace("/", "\\", 1),
    lambda key: key.replace("/", "/\0", 1),
    lambda key: key.replace("/", "/\n", 1),
    lambda key: key.replace("/", "/ ", 1),
    lambda key: key.replace("/", "/_", 1),
    lambda key: key.replace("/", "/-", 1),
    lambda key: key.replace("/", "/.", 1),
    lambda key: key.replace("/", "/\u00e9", 1),
    lambda key: key.replace("/", "/\udcff", 1),
    lambda key: key[1:],
    lambda key: key.rpartition("/")[0],
    lambda key: key.upper(),
    lambda key: key + ".1a2b.tmp",
]
ODD_TAGS = ["_", "_layers", "_uploads", "_manifests", "current", "index", "latest", "A" * 128, "sha256-" + HEX + ".sig"]


@pytest.mark.parametrize(("text", "key"), ALL, ids=[text.replace(LONG, "LONG") for text, _ in ALL])
def test_every_key_that_a_registry_writes_is_taken_apart_and_built_back(text: str, key: Key) -> None:
    assert parse(text) == key
    assert str(key) == text
    assert [kind for kind in Kind if is_key(kind, text)] == [key.kind]


@pytest.mark.parametrize("tag", ODD_TAGS)
def test_a_tag_may_have_any_name_that_a_registry_takes(tag: str) -> None:
    assert is_tag(tag)
    tags = f"repositories/a/_manifests/tags/{tag}"
    assert parse(f"{tags}/current/link") == Key(kind=Kind.TAG, repository="a", tag=tag)
    entry = Key(kind=Kind.TAG_ENTRY, repository="a", tag=tag, digest=ONE)
    assert parse(f"{tags}/index/sha256/{HEX}/link") == entry
    assert str(entry) == f"{tags}/index/sha256/{HEX}/link"


@pytest.mark.parametrize("text", [text for text, _ in [*BLOBS, *examples("a/b")]])
@pytest.mark.parametrize("spoil", SPOILED)
def test_a_key_that_is_only_nearly_one_is_none(text: str, spoil: Callable[[str], str]) -> None:
    spoiled = spoil(text)
    assert spoiled != text
    assert parse(spoiled) is None
    assert not any(is_key(kind, spoiled) for kind in Kind)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "blobs",
        "repositories/",
        "regsweep.lock",
        f"blobs/sha256/{HEX}/data",
        f"blobs/sha256/02/{HEX}/data",
        f"blobs/sha256/01/{HEX.upper()}/data",
        f"blobs/sha256/01/{HEX[:-1]}/data",
        f"blobs/sha256/01/{HEX}0/data",
        f"blobs/sha512/01/{HEX}/data",
        f"blobs/sha256/5e/{LONG}/data",
        f"blobs/md5/01/{HEX[:32]}/data",
        f"blobs/sha256/01/{HEX}/link",
        "blobs/sha256/01/" + ARABIC + "/data",
        f"repositories/_layers/sha256/{HEX}/link",
        f"repositories/a/_b/_layers/sha256/{HEX}/link",
        f"repositories/_a/_layers/sha256/{HEX}/link",
        f"repositories/../_layers/sha256/{HEX}/link",
        f"repositories/a/../../_layers/sha256/{HEX}/link",
        f"repositories/a//_layers/sha256/{HEX}/link",
        f"repositories//_layers/sha256/{HEX}/link",
        f"repositories/a/_layers/sha256/{HEX.upper()}/link",
        f"repositories/a/_layers/sha512/{HEX}/link",
        f"repositories/a/_layers/sha256:{HEX}/link",
        f"repositories/a/_layers/{HEX}/link",
        f"repositories/a/_layers/sha256/{HEX}/data",
        f"repositories/a/_manifests/revisions/sha256/{HEX}/signatures/link",
        f"repositories/a/_manifests/revisions/sha256/{HEX}/signatures/sha256/{OTHER[1:]}/link",
        f"repositories/a/_manifests/revisions/{HEX}/link",
        f"repositories/a/_manifests/sha256/{HEX}/link",
        "repositories/a/_manifests/tags/v1/link",
        "repositories/a/_manifests/tags/v1/current",
        "repositories/a/_manifests/tags//current/link",
        "repositories/a/_manifests/tags/../current/link",
        "repositories/a/_manifests/tags/.hidden/current/link",
        "repositories/a/_manifests/tags/-x/current/link",
        "repositories/a/_manifests/tags/a/b/current/link",
        f"repositories/a/_manifests/tags/{'a' * 129}/current/link",
        f"repositories/a/_manifests/tags/v1/index/{HEX}/link",
        f"repositories/a/_uploads/{UUID}",
        f"repositories/a/_uploads/{UUID}/other",
        f"repositories/a/_uploads/{UUID}/data/data",
        f"repositories/a/_uploads/{UUID}/hashstates/sha256/",
        f"repositories/a/_uploads/{UUID}/hashstates/sha256/-1",
        f"repositories/a/_uploads/{UUID}/hashstates/../0",
        "repositories/a/_uploads/../data",
        "repositories/a/_uploads/_x/data",
        "repositories/a/_uploads//data",
        f"repositories/a/_uploads/{'a' * 129}/data",
        f"uploads/a/_uploads/{UUID}/data",
        f"repositories/a/_manifests/revisions/sha256/{HEX}/link.0e1f.tmp",
    ],
)
def test_what_no_registry_writes_is_no_key(key: str) -> None:
    assert parse(key) is None
    assert not any(is_key(kind, key) for kind in Kind)


def test_a_link_s_repository_is_all_of_its_name_and_no_more() -> None:
    found = {key.repository for name in NESTED for text, _ in examples(name) if (key := parse(text))}
    assert found == set(NESTED)


@pytest.mark.parametrize(
    ("key", "repository"),
    [
        (f"repositories/a/b/_layers/sha256/{HEX}/link", "a/b"),
        ("repositories/a/b/_layers", "a/b"),
        ("repositories/a/_what/_layers/x", "a"),
        ("repositories/a/_manifests/tags/_layers/current/link", "a"),
        ("repositories/a/b/", ""),
        ("repositories/_layers/x", ""),
        ("repositories/", ""),
        ("blobs/sha256/_x/a", ""),
        ("elsewhere/a/_layers/x", ""),
        ("repositories/\udcff/_layers/x", "\udcff"),
        ("", ""),
    ],
)
def test_the_repository_that_a_key_lies_in_is_told_of_strays_too(key: str, repository: str) -> None:
    assert repository_of(key) == repository


@pytest.mark.parametrize(
    ("key", "digests"),
    [
        (f"repositories/a/_layers/sha256/{HEX}/link.tmp", [ONE]),
        (f"repositories/a/{HEX}/{OTHER}", [ONE, TWO]),
        (f"repositories/a/{HEX}.{OTHER}_{HEX}", [ONE, TWO, ONE]),
        (f"repositories/sha256-{HEX}.sig", [ONE]),
        (f"repositories/a/_layers/sha512/{LONG}/link", []),
        (f"repositories/a/{HEX[1:]}/{HEX}0", []),
        (f"repositories/a/{HEX.upper()}", []),
        ("", []),
    ],
)
def test_every_digest_that_a_key_spells_is_found(key: str, digests: list[Digest]) -> None:
    assert digests_in(key) == digests


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("repositories/a/", True),
        ("repositories/a/_uploads/", True),
        ("blobs/sha256/04/", True),
        (f"repositories/a/_layers/sha256/{HEX}/", True),
        ("repositories/", False),
        ("blobs/", False),
        ("repositories/a", False),
        ("repositories//", False),
        ("repositories/a//", False),
        ("repositories/../", False),
        ("repositories/./", False),
        ("repositories/a/../", False),
        ("repositories/.a/", False),
        ("repositories/a\n/", False),
        ("repositories/a/\n", False),
        ("repositories/a b/", False),
        ("repositories/\u00e9/", False),
        ("/repositories/a/", False),
        ("elsewhere/a/", False),
        ("", False),
    ],
)
def test_a_directory_is_one_below_the_two_branches_in_plain_letters(key: str, expected: bool) -> None:  # noqa: FBT001 - the expectation of a table
    assert is_directory(key) is expected


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a/b", "a b", "a\n", "a:b", "a\0", "\u00e9", "a" * 129])
def test_what_a_registry_takes_for_no_tag_is_none(tag: str) -> None:
    assert not is_tag(tag)


@pytest.mark.parametrize("name", ["a", "a/b", "0a", "a.b_c__d-e--f", "library/ubuntu", "a" * 255, "a/" * 127 + "a"])
def test_a_name_that_clients_can_write_is_servable(name: str) -> None:
    assert is_servable(name)


@pytest.mark.parametrize(
    "name",
    ["", "A", "a/B", "a/", "/a", "a//b", "-a", "a-", "a..b", "a___b", "a.", "_a", "a b", "a\n", "\u00e9", "a" * 256],
)
def test_a_name_that_no_client_can_write_is_not_servable(name: str) -> None:
    assert not is_servable(name)


@pytest.mark.parametrize("text", ["", "plain/text-1.2_3:sha256@x", "caf\u00e9 \u65e5\u672c", "a\\b"])
def test_what_is_only_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\rb\tc\0", "a\\rb\\tc\\x00"),
        ("\x7f\x85\x9b", "\\x7f\\x85\\x9b"),
        ("\u202egnp.exe\u2066\u200b", "\\u202egnp.exe\\u2066\\u200b"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        ("caf\u00e9\n", "caf\u00e9\\n"),
    ],
)
def test_what_a_terminal_could_take_for_more_than_text_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]*", shown)


def test_a_link_holds_a_sha256_digest_and_nothing_else() -> None:
    content = f"sha256:{HEX}".encode()
    assert len(content) == LINK_BYTES
    assert parse_link(content) == ONE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (f"sha256:{HEX}\n".encode(), "no digest"),
        (f" sha256:{HEX}".encode(), "no digest"),
        (f"sha256:{HEX.upper()}".encode(), "no digest"),
        (f"sha256:{HEX[1:]}".encode(), "no digest"),
        (f"sha256:{HEX}0".encode(), "no digest"),
        (f"sha256:{HEX[:-1]}\xff".encode("latin-1"), "no digest"),
        (f"sha256:{ARABIC}".encode(), "no digest"),
        (f"SHA256:{HEX}".encode(), "no digest"),
        (f"sha256/{HEX}".encode(), "no digest"),
        (f"sha1:{HEX[:40]}".encode(), "no digest"),
        (HEX.encode(), "no digest"),
        (b"\0" * 71, "no digest"),
        (b"../../../../etc/passwd", "no digest"),
        (b"\xef\xbb\xbf" + f"sha256:{HEX}".encode(), "no digest"),
        (f"sha512:{LONG}".encode(), "sha512"),
        (f"sha384:{MIDDLE}".encode(), "sha384"),
        (f"sha512:{HEX}".encode(), "no digest"),
    ],
)
def test_a_link_that_holds_anything_else_is_malformed(content: bytes, reason: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_link(content)
    assert reason in caught.value.detail


def test_a_malformed_link_is_told_in_one_short_printable_line() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_link(b"\x1b]0;title\x07\n" * 1000)
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) < 500
