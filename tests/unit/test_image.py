import json
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regsweep.errors import MalformedError
from regsweep.registry.image import MAX_CONFIG_BYTES, Image, parse, read

BUILT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def of(document: object) -> Image:
    return parse(json.dumps(document).encode())


def refused(content: bytes) -> str:
    with pytest.raises(MalformedError) as caught:
        parse(content)
    return caught.value.detail


def test_a_configuration_says_when_and_for_what_it_was_built_and_how_it_is_labelled() -> None:
    found = of(
        {
            "created": "2023-11-14T22:13:20Z",
            "os": "linux",
            "architecture": "arm",
            "variant": "v7",
            "config": {"Env": ["A=b"], "Labels": {"team": "web", "empty": ""}},
            "rootfs": {"type": "layers", "diff_ids": []},
            "history": [{"created": "2001-01-01T00:00:00Z", "os": "other"}],
        }
    )
    assert found == Image(BUILT, "linux", "arm", "v7", {"team": "web", "empty": ""})


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"created": None, "os": None, "config": None},
        {"config": {}},
        {"config": {"Labels": None}},
        {"name": "a chart", "version": "1.2.3"},
    ],
)
def test_what_a_configuration_does_not_say_is_not_known(document: object) -> None:
    assert of(document) == Image(None, None, None, None, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-14T22:13:20Z", BUILT),
        ("2023-11-14t22:13:20z", BUILT),
        ("2023-11-14T22:13:20.5Z", BUILT.replace(microsecond=500_000)),
        ("2023-11-14T22:13:20.123456789Z", BUILT.replace(microsecond=123_456)),
        ("2023-11-15T00:13:20+02:00", BUILT),
        ("2023-11-14T13:28:20.000000001-08:45", BUILT),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_to_the_microsecond_wherever_its_clock_stood(text: str, expected: datetime) -> None:
    assert of({"created": text}).created == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00",
        "12023-11-14T22:13:20Z",
        "-2023-11-14T22:13:20Z",
        "2023-02-30T22:13:20Z",
        "2023-11-14T25:13:20Z",
        "2023-11-14T22:13:20+25:00",
        "2023-11-14T22:13:20",
        "2023-11-14 22:13:20Z",
        "2023-11-14",
        "2023-11-14T22:13:20Z\n",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20.1234567890Z",
        "٢٠٢٣-11-14T22:13:20Z",
    ],
)
def test_a_time_that_is_none_or_cannot_be_is_not_known_and_harms_nothing_else(text: str) -> None:
    assert of({"created": text, "os": "linux"}) == Image(None, "linux", None, None, {})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{} {}",
        b'{"os": NaN}',
        b'\xef\xbb\xbf{"os": "linux"}',
        b'{"os": "\xff"}',
        rb'{"os": "\ud800"}',
        rb'{"config": {"Labels": {"a": "\udc00"}}}',
        b'{"created": 1700000000}',
        b'{"os": ["linux"]}',
        b'{"architecture": {}}',
        b'{"variant": 7}',
        b'{"config": []}',
        b'{"config": {"Labels": ["a=b"]}}',
        b'{"config": {"Labels": {"a": 1}}}',
        b'{"config": {"Labels": {"a": null}}}',
        b'{"other": %s}' % (b"9" * 10_000),
    ],
)
def test_what_is_no_configuration_is_refused(content: bytes) -> None:
    assert refused(content).startswith("no image configuration: ")


@pytest.mark.parametrize(
    "content",
    [
        b'{"os": "linux", "os": "windows"}',
        rb'{"os": "linux", "\u006fs": "windows"}',
        b'{"config": {"Labels": {"a": "1", "a": "2"}}}',
        b'{"history": [{"created": "a", "created": "b"}]}',
    ],
)
def test_an_object_with_two_fields_of_one_name_is_refused(content: bytes) -> None:
    assert refused(content) == "an object has two fields of one name"


@pytest.mark.parametrize("unit", ['{"a":', "[", '{"config":', '{"history":['])
def test_nesting_without_end_is_refused(unit: str) -> None:
    refused(f'{{"x":{unit * 500_000}'.encode())


def test_a_configuration_of_other_bytes_than_its_digest_says_is_refused() -> None:
    content = b'{"os": "linux"}'
    assert read(content, sha256(content).hexdigest()).os == "linux"
    with pytest.raises(MalformedError, match="not to its digest"):
        read(content + b" ", sha256(content).hexdigest())


def test_a_configuration_larger_than_any_is_refused_before_it_is_hashed() -> None:
    largest = b"{" + b" " * (MAX_CONFIG_BYTES - 2) + b"}"
    assert read(largest, sha256(largest).hexdigest()).os is None
    with pytest.raises(MalformedError, match="more than"):
        read(largest + b" ", sha256(largest + b" ").hexdigest())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["created", "os", "config", "Labels", "a"]), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda document: json.dumps(document).encode()))
def test_whatever_the_bytes_are_the_answer_is_a_configuration_or_that_there_is_none(content: bytes) -> None:
    try:
        found = parse(content)
    except MalformedError:
        return
    texts = [found.os, found.architecture, found.variant, *found.labels, *found.labels.values()]
    assert all(text is None or text.encode() is not None for text in texts)
