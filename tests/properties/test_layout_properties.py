import posixpath
import string
from contextlib import suppress
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from regsweep.errors import MalformedError
from regsweep.registry import layout
from regsweep.registry.digest import HEX_LENGTHS, Digest
from regsweep.registry.layout import Key, Kind

ALNUM: Final = string.ascii_letters + string.digits
RESERVED: Final = ("blobs", "current", "data", "index", "link", "repositories", "revisions", "sha256", "tags", "a" * 64)
HIDDEN: Final = ("_layers", "_manifests", "_uploads")
ANY_CHARACTER: Final = st.characters(exclude_categories=())
"""Names that are not UTF-8 come with surrogates in them."""


def words(first: str, rest: str, longest: int) -> st.SearchStrategy[str]:
    return st.builds(str.__add__, st.sampled_from(first), st.text(rest, max_size=longest - 1))


COMPONENTS = st.one_of(st.sampled_from(RESERVED), words(ALNUM, f"{ALNUM}._-", 9))
REPOSITORIES = st.lists(COMPONENTS, min_size=1, max_size=4).map("/".join)
TAGS = st.one_of(st.sampled_from(HIDDEN), st.sampled_from(RESERVED), words(f"{ALNUM}_", f"{ALNUM}_.-", 128))
DIGESTS = st.sampled_from(sorted(HEX_LENGTHS.values())).flatmap(
    lambda length: st.builds(Digest, st.binary(min_size=length // 2, max_size=length // 2))
)
UPLOADS = st.one_of(st.sampled_from(("data", "startedat")), words(ALNUM, f"{ALNUM}_-", 128))
PARTS = st.one_of(
    st.sampled_from(("data", "startedat")), st.builds("hashstates/sha256/{}".format, st.integers(min_value=0))
)
KEYS = st.one_of(
    st.builds(Key, kind=st.just(Kind.TAG), repository=REPOSITORIES, tag=TAGS),
    st.builds(Key, kind=st.just(Kind.TAG_ENTRY), repository=REPOSITORIES, tag=TAGS, digest=DIGESTS),
    st.builds(Key, kind=st.just(Kind.REVISION), repository=REPOSITORIES, digest=DIGESTS),
    st.builds(Key, kind=st.just(Kind.SIGNATURE), repository=REPOSITORIES, revision=DIGESTS, digest=DIGESTS),
    st.builds(Key, kind=st.just(Kind.LAYER_LINK), repository=REPOSITORIES, digest=DIGESTS),
    st.builds(Key, kind=st.just(Kind.UPLOAD), repository=REPOSITORIES, upload=UPLOADS, part=PARTS),
    st.builds(Key, kind=st.just(Kind.BLOB), digest=DIGESTS),
)


@st.composite
def nearly_keys(draw: st.DrawFn) -> str:
    """A key with a part replaced: by nothing, by another key's part, or by what has no place in one."""
    key = str(draw(KEYS))
    if draw(st.booleans()):
        parts = key.split("/")
        place = draw(st.integers(0, len(parts)))
        other = st.sampled_from(("", ".", "..", *RESERVED, *HIDDEN, *str(draw(KEYS)).split("/"), "\n", "\x00"))
        parts[place : place + draw(st.integers(0, 2))] = draw(st.lists(other, max_size=2))
        return "/".join(parts)
    place = draw(st.integers(0, len(key)))
    return key[:place] + draw(st.text(ANY_CHARACTER, max_size=3)) + key[place + draw(st.integers(0, 2)) :]


TEXTS = st.one_of(KEYS.map(str), nearly_keys(), nearly_keys(), st.text(ANY_CHARACTER))


@given(KEYS)
@example(Key(kind=Kind.TAG, repository="a", tag="_layers"))
def test_every_key_that_can_be_built_is_read_back_as_it_was(key: Key) -> None:
    assert layout.parse(str(key)) == key


@given(KEYS)
def test_every_key_is_of_one_kind_alone(key: Key) -> None:
    assert [kind for kind in Kind if layout.is_key(kind, str(key))] == [key.kind]


@given(KEYS)
def test_every_key_lies_in_the_repository_that_it_names(key: Key) -> None:
    assert layout.repository_of(str(key)) == key.repository


@given(KEYS)
def test_every_sha256_digest_of_a_key_is_found_in_its_text(key: Key) -> None:
    named = {digest for digest in (key.digest, key.revision) if digest and digest.algorithm == "sha256"}
    assert named <= set(layout.digests_in(str(key)))


@given(TEXTS)
def test_what_is_read_as_a_key_is_written_the_same_again(text: str) -> None:
    key = layout.parse(text)
    assert key is None or str(key) == text


@given(TEXTS)
def test_what_is_read_as_a_key_is_what_can_be_deleted_as_its_kind(text: str) -> None:
    key = layout.parse(text)
    assert [kind for kind in Kind if layout.is_key(kind, text)] == ([] if key is None else [key.kind])


@given(st.one_of(TEXTS, TEXTS.map(lambda text: f"{text}/")))
def test_nothing_that_could_be_deleted_climbs_out_of_the_tree(text: str) -> None:
    if layout.parse(text) is None and not layout.is_directory(text):
        return
    path = f"/base/{text.removesuffix('/')}"
    assert posixpath.normpath(path) == path
    assert text.partition("/")[0] in {"blobs", "repositories"}
    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set("\\ '\"<>&;|$`*?")


@given(TEXTS)
def test_no_text_raises(text: str) -> None:
    layout.parse(text)
    layout.repository_of(text)
    layout.digests_in(text)
    layout.is_tag(text)
    layout.is_directory(text)
    layout.is_servable(text)
    assert layout.printable(text).isprintable()


@given(
    st.one_of(
        st.binary(),
        DIGESTS.map(lambda digest: str(digest).encode()),
        TEXTS.map(lambda text: text.encode(errors="surrogatepass")),
    )
)
def test_no_bytes_in_a_link_raise_anything_but_a_malformed_error(content: bytes) -> None:
    with suppress(MalformedError):
        assert str(layout.parse_link(content)).encode() == content
