import hashlib
import json
from contextlib import suppress

import pytest

from regsweep.errors import MalformedError
from regsweep.registry.manifest import MAX_MANIFEST_BYTES, Kind, Manifest, Reference, Role, parse, read

A, B, C = ("sha256:" + digit * 64 for digit in "abc")
LONG = "sha512:" + "5" * 128
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
PAYLOAD = "application/vnd.docker.distribution.manifest.v1+json"
ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"


def of(document: object) -> Manifest:
    return parse(json.dumps(document).encode())


def digests(document: object) -> list[str]:
    return sorted(reference.digest for reference in of(document).references)


def filled(template: str) -> bytes:
    for name, value in {"<oci>": OCI, "<a>": A, "<b>": B, "<hex>": "a" * 64}.items():
        template = template.replace(name, value)
    return template.encode()


def refused(content: bytes) -> str:
    with pytest.raises(MalformedError) as caught:
        parse(content)
    return caught.value.detail


def descriptor(digest: str, **fields: object) -> dict[str, object]:
    return {"digest": digest, "size": 7, **fields}


def test_an_image_refers_to_its_config_and_its_layers() -> None:
    layers = [descriptor(B, mediaType="application/vnd.oci.image.layer.v1.tar"), {"digest": LONG}]
    found = of({"schemaVersion": 2, "mediaType": OCI, "config": descriptor(A), "layers": layers})
    assert found[:2] == (Kind.IMAGE, OCI)
    assert found.references == [
        Reference(A, 7, Role.CONFIG),
        Reference(B, 7, Role.LAYER),
        Reference(LONG, -1, Role.LAYER),
    ]
    assert type(found) is Manifest


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"mediaType": OCI}, Kind.IMAGE),
        ({"mediaType": DOCKER, "manifests": []}, Kind.IMAGE),
        ({"mediaType": INDEX}, Kind.INDEX),
        ({"mediaType": DOCKER_LIST, "layers": []}, Kind.INDEX),
        ({"mediaType": PAYLOAD}, Kind.SCHEMA1),
        ({"mediaType": ARTIFACT}, Kind.ARTIFACT),
        ({"mediaType": "application/vnd.cncf.oras.artifact.manifest.v1+json"}, Kind.ARTIFACT),
        ({"manifests": [], "layers": []}, Kind.INDEX),
        ({"fsLayers": []}, Kind.SCHEMA1),
        ({"layers": []}, Kind.IMAGE),
        ({"config": {"digest": A}}, Kind.IMAGE),
        ({"blobs": []}, Kind.ARTIFACT),
        ({"mediaType": "application/vnd.example+json", "manifests": []}, Kind.INDEX),
        ({"mediaType": None, "subject": {"digest": A}}, Kind.UNKNOWN),
        ({}, Kind.UNKNOWN),
    ],
)
def test_the_kind_follows_the_media_type_if_known_and_else_the_fields(document: object, kind: Kind) -> None:
    assert of(document).kind is kind


@pytest.mark.parametrize("media_type", [OCI, INDEX, DOCKER, PAYLOAD, ARTIFACT, "application/vnd.example+json", ""])
def test_every_known_field_is_read_whatever_the_media_type_says(media_type: str) -> None:
    entries = ["sha256:" + digit * 64 for digit in "123456"]
    config, layer, child, blob, old, subject = entries
    found = of(
        {
            "mediaType": media_type,
            "config": {"digest": config},
            "layers": [{"digest": layer}],
            "manifests": [{"digest": child}],
            "blobs": [{"digest": blob}],
            "fsLayers": [{"blobSum": old}],
            "subject": {"digest": subject},
        }
    )
    assert {reference.digest: reference.role for reference in found.references} == {
        config: Role.CONFIG,
        layer: Role.LAYER,
        child: Role.CHILD,
        blob: Role.LAYER,
        old: Role.LAYER,
        subject: Role.SUBJECT,
    }


def test_a_schema_1_manifest_refers_to_its_layers_those_that_repeat_several_times() -> None:
    history = [{"v1Compatibility": json.dumps({"id": "1" * 64, "cmd": 'echo "a" && b', "Image": C})}]
    found = of({"schemaVersion": 1, "fsLayers": [{"blobSum": A}, {"blobSum": A}], "history": history})
    assert found == Manifest(Kind.SCHEMA1, "", [A, A], [-1, -1], [Role.LAYER, Role.LAYER])


def test_signatures_left_in_a_schema_1_manifest_do_not_matter() -> None:
    signatures = [{"header": {"jwk": {"kty": "EC"}, "alg": "ES256"}, "signature": "x", "protected": "y"}]
    assert digests({"schemaVersion": 1, "fsLayers": [{"blobSum": A}], "signatures": signatures}) == [A]


def test_nothing_but_the_named_fields_of_an_image_is_a_reference() -> None:
    annotations = {"org.opencontainers.image.base.digest": B, "note": f"see {C}"}
    assert digests({"mediaType": OCI, "config": descriptor(A, data="e30=", annotations=annotations)}) == [A]


def test_null_is_an_empty_list_or_no_descriptor_at_all() -> None:
    document = dict.fromkeys(["config", "layers", "manifests", "blobs", "fsLayers", "subject", "mediaType"])
    assert of(document) == Manifest(Kind.UNKNOWN, "", [], [], [])
    assert of({**document, "mediaType": OCI}) == Manifest(Kind.IMAGE, OCI, [], [], [])


@pytest.mark.parametrize(
    "document",
    [
        {"mediaType": "application/vnd.example+json", "parts": [{"deep": {"digest": A}}], "digest": B},
        {"parts": {"digest": A, "parts": {"Digest": B}}},
        {"mediaType": OCI, "layers": [{"digest": A, "base": {"digest": B}}]},
        {"fsLayers": [{"blobSum": A, "digest": B}]},
        {"layers": [{"digest": A, "x": {"digest": A}}], "more": [[{"digest": B}]]},
    ],
)
def test_a_digest_in_an_unknown_place_is_kept_as_such(document: object) -> None:
    assert {A, B} == set(digests(document))
    assert Role.OTHER in {reference.role for reference in of(document).references}


def test_an_escaped_digest_in_an_unknown_place_is_kept_too() -> None:
    content = filled('{"mediaType":"<oci>","more":{"digest":"\\u0073ha256:<hex>"}}')
    assert parse(content).references == [Reference(A, -1, Role.OTHER)]


def test_a_subject_that_is_also_referred_to_elsewhere_is_both() -> None:
    found = of({"mediaType": OCI, "subject": {"digest": A}, "extra": {"digest": A}})
    assert sorted(found.references) == [Reference(A, -1, Role.SUBJECT), Reference(A, -1, Role.OTHER)]


@pytest.mark.parametrize(
    "content",
    [
        '{"mediaType":"<oci>","Layers":[{"DIGEST":"<a>"}]}',
        '{"mediaType":"<oci>","layer\u017f":[{"dige\u017ft":"<a>"}]}',
        '{"FSLAYERS":[{"blobSUM":"<a>"}]}',
        '{"mediaType":"<oci>","\\u006cayers":[{"digest":"<a>"}]}',
        '{"mediaType":"<oci>","layers":[{"digest":"\\u0073ha256:<hex>"}]}',
    ],
)
def test_fields_are_found_however_go_would_find_them(content: str) -> None:
    assert [(found.digest, found.role) for found in parse(filled(content)).references] == [(A, Role.LAYER)]


@pytest.mark.parametrize(
    "content",
    [
        '{"layers":[{"digest":"<a>"}],"layers":[]}',
        '{"layers":[{"digest":"<a>"}],"Layers":[{"digest":"<b>"}]}',
        '{"layers":[{"digest":"<a>","digest":"<b>"}]}',
        '{"layers":[{"digest":"<a>","diGest":"<b>"}]}',
        '{"config":{"digest":"<a>"},"config":null,"mediaType":"<oci>"}',
        '{"config":{"digest":"<a>"},"config":{"digest":"<a>"}}',
        '{"config":{"digest":"<a>"},"\\u0063onfig":{"size":1}}',
        '{"mediaType":"<oci>","layers":[{"digest":"\\u0073ha256:<hex>"}],"layers":[]}',
    ],
)
def test_two_fields_of_one_name_are_refused_where_a_digest_could_hide(content: str) -> None:
    assert "two fields" in refused(filled(content))


@pytest.mark.parametrize(
    "value",
    [
        "../../../../etc/passwd",
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        A + "a",
        A + A,
        "a" * 64,
        "",
        f" {A}",
        f"{A}\n",
        "md5:" + "a" * 32,
        "sha512:" + "a" * 64,
        f"sha256:{A}",
        5,
        None,
        True,
        [A],
        {"digest": A},
    ],
)
@pytest.mark.parametrize("media_type", [OCI, "", "application/vnd.example+json"])
def test_a_descriptor_without_a_valid_digest_is_refused(value: object, media_type: str) -> None:
    for field in ("layers", "manifests", "blobs"):
        refused(json.dumps({"mediaType": media_type, field: [{"digest": A}, {"digest": value}]}).encode())
    for field in ("config", "subject"):
        refused(json.dumps({"mediaType": media_type, field: {"digest": value}}).encode())
    refused(json.dumps({"mediaType": media_type, "fsLayers": [{"blobSum": value}]}).encode())


@pytest.mark.parametrize("value", [{}, {"digest": A}, "x", 1, True, [None], [1], ["x"], [[]], [{}], [{"size": 1}]])
@pytest.mark.parametrize("field", ["layers", "manifests", "blobs", "fsLayers", "LAYERS"])
def test_a_list_of_anything_but_descriptors_is_refused(field: str, value: object) -> None:
    refused(json.dumps({"mediaType": "", field: value}).encode())


@pytest.mark.parametrize("value", [[], [{"digest": A}], "x", 1, True, {}])
@pytest.mark.parametrize("field", ["config", "subject"])
def test_a_single_descriptor_of_another_type_is_refused(field: str, value: object) -> None:
    refused(json.dumps({"mediaType": OCI, field: value}).encode())


@pytest.mark.parametrize("size", [-1, 2**63, 1.0, "7", True, [], 10**30])
def test_an_impossible_size_is_refused(size: object) -> None:
    assert "size" in refused(json.dumps({"mediaType": OCI, "config": {"digest": A, "size": size}}).encode())


@pytest.mark.parametrize("size", [0, 2**63 - 1])
def test_a_size_at_the_limits_is_kept(size: int) -> None:
    assert of({"mediaType": OCI, "config": {"digest": A, "size": size}}).references[0].size == size


@pytest.mark.parametrize("media_type", [1, [], {}, True, "a\nb", "\ud800", "a\x1b[31m", "a\u202eb"])
@pytest.mark.parametrize("fields", [{}, {"layers": [{"digest": A}]}])
def test_a_media_type_that_no_terminal_should_see_is_refused(media_type: object, fields: dict[str, object]) -> None:
    refused(json.dumps({"mediaType": media_type, **fields}).encode())
    if media_type != "\ud800" and isinstance(media_type, str):
        refused(json.dumps({"mediaType": media_type, **fields}, ensure_ascii=False).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b"{}{}",
        b"{} x",
        b"\x00",
        b"\xef\xbb\xbf{}",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":"\xff"}',
        b'{"layers":[],"\xff":1}',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":1,}',
        "{}".encode("utf-16"),
        "{}".encode("utf-32"),
        b'{"a":' * 100000,
        b'{"layers":' + b"[" * 2000000,
        b'{"layers":[],"a":' + b"[" * 100000 + b"]" * 100000 + b"}",
        b'{"a":' + b"9" * 100000 + b"}",
    ],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_not_one_json_object_in_utf_8_is_refused(content: bytes) -> None:
    refused(content)


def test_what_a_refusal_quotes_is_short_and_escaped() -> None:
    detail = refused(json.dumps({"layers": [{"digest": "\x1b[2J" * 1000}]}).encode())
    assert len(detail) < 500
    assert detail.isprintable()


def test_a_digest_may_stand_a_hundred_levels_deep_and_no_deeper() -> None:
    def nested(levels: int, inside: str) -> bytes:
        return f'{{"layers":[{{"digest":"{A}"}}],"a":{"[" * levels}{inside}{"]" * levels},"a]\\"[{{":"[[["}}'.encode()

    found = f'{{"digest":"{B}"}}'
    assert sorted(reference.digest for reference in parse(nested(98, found)).references) == [A, B]
    assert "deeply" in refused(nested(99, found))


def test_measuring_the_depth_takes_no_time_that_grows_with_the_square_of_the_length() -> None:
    refused(b'{"layers":{},"a":"' + b'\\"' * 1_000_000)


@pytest.mark.parametrize("template", ['{"layers":[{"digest":%}]}', '{"digest":%}', '{"mediaType":%}', '{"config":%}'])
def test_no_depth_of_nesting_breaks_the_parser(template: str) -> None:
    for depth in range(500, 1500, 7):
        with suppress(MalformedError):
            parse(template.replace("%", "[" * depth + "]" * depth).encode())


def test_text_in_any_language_is_no_obstacle() -> None:
    document = {"mediaType": OCI, "config": {"digest": A}, "annotations": {"author": "J\u00fcrgen \u5f20 \U0001f600"}}
    assert digests(document) == [A]
    assert parse(json.dumps(document, ensure_ascii=False).encode()) == of(document)


def test_reading_checks_that_the_bytes_are_the_ones_that_the_digest_names() -> None:
    content = json.dumps({"mediaType": OCI, "config": {"digest": A}}).encode()
    assert read(content, hashlib.sha256(content).hexdigest()) == parse(content)
    with pytest.raises(MalformedError, match="hashes to sha256:"):
        read(content + b" ", hashlib.sha256(content).hexdigest())


def test_reading_takes_the_largest_manifest_there_is_and_none_larger() -> None:
    largest = b"{}".ljust(MAX_MANIFEST_BYTES)
    assert read(largest, hashlib.sha256(largest).hexdigest()).references == []
    with pytest.raises(MalformedError, match="more than"):
        read(largest + b" ", hashlib.sha256(largest + b" ").hexdigest())
