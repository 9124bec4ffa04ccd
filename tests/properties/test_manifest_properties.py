import json
import random
import re
from collections.abc import Iterator
from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from regsweep.errors import MalformedError
from regsweep.registry import manifest
from regsweep.registry.digest import DIGEST_PATTERN, HEX_LENGTHS, Digest
from regsweep.registry.manifest import Kind, parse

DIGESTS = st.sampled_from(sorted(HEX_LENGTHS)).flatmap(
    lambda name: st.binary(min_size=HEX_LENGTHS[name] // 2, max_size=HEX_LENGTHS[name] // 2).map(
        lambda raw: f"{name}:{raw.hex()}"
    )
)
STRAY = st.one_of(DIGESTS, DIGESTS.map(lambda text: f"x@{text}"), st.sampled_from(["", "sha256:", "../x"]), st.text())
NAMES = st.sampled_from(
    ["config", "layers", "manifests", "blobs", "fsLayers", "blobSum", "subject", "digest", "size", "mediaType", "data"]
)
SPELLINGS = NAMES.flatmap(lambda name: st.sampled_from([name, name, name, name.upper(), name.replace("s", "\u017f")]))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), STRAY),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(SPELLINGS, st.text(max_size=3)), inner, max_size=5),
        st.fixed_dictionaries({"digest": DIGESTS}, optional={"x": inner, "size": st.integers(min_value=-1)}),
    ),
    max_leaves=20,
)
DESCRIPTORS = st.fixed_dictionaries(
    {"digest": DIGESTS},
    optional={
        "size": st.integers(0, 2**63 - 1),
        "mediaType": st.text(max_size=5),
        "annotations": st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=2),
    },
)
MANIFESTS = st.fixed_dictionaries(
    {"schemaVersion": st.integers(1, 2)},
    optional={
        "mediaType": st.sampled_from(["", *manifest._MEDIA_TYPES]),  # noqa: SLF001 — to meet every known one
        "config": st.none() | DESCRIPTORS,
        "layers": st.none() | st.lists(DESCRIPTORS, max_size=4),
        "manifests": st.none() | st.lists(DESCRIPTORS, max_size=4),
        "blobs": st.none() | st.lists(DESCRIPTORS, max_size=2),
        "fsLayers": st.none() | st.lists(st.fixed_dictionaries({"blobSum": DIGESTS}), max_size=4),
        "subject": st.none() | DESCRIPTORS,
        "annotations": st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=2),
    },
)
DOCUMENTS = st.one_of(
    MANIFESTS,
    st.dictionaries(SPELLINGS, JSON, max_size=6),
    st.builds(dict.__or__, MANIFESTS, st.dictionaries(NAMES, JSON)),
)


def in_digest_fields(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from in_digest_fields(entry)
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from in_digest_fields(entry)
            if name.casefold() == "digest" and isinstance(entry, str) and is_digest(entry):
                yield entry


def is_digest(text: str) -> bool:
    try:
        Digest.parse(text)
    except MalformedError:
        return False
    return True


def parsed(content: bytes) -> manifest.Manifest | None:
    try:
        return parse(content)
    except MalformedError:
        return None


@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_raise_anything_but_a_malformed_error(content: bytes) -> None:
    parsed(content)


@given(JSON | DOCUMENTS, st.booleans())
def test_no_document_raises_anything_but_a_malformed_error(document: object, ascii_only: bool) -> None:  # noqa: FBT001 — drawn
    parsed(json.dumps(document, ensure_ascii=ascii_only).encode(errors="surrogatepass"))


@given(MANIFESTS, st.data())
def test_no_damage_raises_anything_but_a_malformed_error(document: object, data: st.DataObject) -> None:
    content = bytearray(json.dumps(document).encode())
    start = data.draw(st.integers(0, len(content)))
    content[start : start + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    parsed(bytes(content))


@given(DOCUMENTS, st.booleans())
@example({"x": {"digest": "sha256:" + "a" * 64}}, True)  # noqa: FBT003 — as drawn
def test_every_digest_in_a_digest_field_is_a_reference(document: object, ascii_only: bool) -> None:  # noqa: FBT001 — drawn
    found = parsed(json.dumps(document, ensure_ascii=ascii_only).encode(errors="surrogatepass"))
    if found:
        assert set(in_digest_fields(document)) <= {reference.digest for reference in found.references}


@given(DOCUMENTS)
def test_every_reference_is_a_digest_with_a_possible_size(document: object) -> None:
    found = parsed(json.dumps(document).encode())
    for reference in found.references if found else ():
        assert str(Digest.parse(reference.digest)) == reference.digest
        assert -1 <= reference.size < 2**63


@given(DOCUMENTS)
def test_the_quick_way_agrees_with_the_thorough_one(document: object) -> None:
    content = json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")
    quick = manifest._parse_quickly(content)  # noqa: SLF001 — the two ways are what is compared
    if quick is None:
        return
    everywhere = re.findall(DIGEST_PATTERN, content.decode())
    assert sorted(reference.digest for reference in quick.references) == sorted(everywhere)
    with suppress(MalformedError):
        thorough = manifest._parse_fully(content)  # noqa: SLF001 — as above
        assert quick[:2] == thorough[:2]
        assert sorted(quick.references) == sorted(thorough.references)


@given(MANIFESTS)
def test_a_plain_manifest_is_parsed_and_by_the_quick_way(document: dict[str, object]) -> None:
    content = json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")
    found = parsed(content)
    if found and found.kind is not Kind.UNKNOWN and b"\\u" not in content:
        assert manifest._parse_quickly(content) == found  # noqa: SLF001 — only the speed tells the two ways apart


@given(MANIFESTS, st.randoms(use_true_random=False))
def test_the_order_of_fields_does_not_matter(document: dict[str, object], chance: random.Random) -> None:
    def shuffled(value: object) -> object:
        if isinstance(value, list):
            return [shuffled(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        names = list(value)
        chance.shuffle(names)
        return {name: shuffled(value[name]) for name in names}

    one, other = (parsed(json.dumps(each).encode()) for each in (document, shuffled(document)))
    assert one is not None
    assert other is not None
    assert sorted(one.references) == sorted(other.references)
    assert one[:2] == other[:2]
