"""The quick reader of pages says what botocore's own parser says, or nothing."""

import re
from dataclasses import replace
from itertools import product
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regsweep_backends._s3_listing import Page, parse
from tests.unit.s3_pages import (
    AWS,
    BODY,
    CONTENTS,
    ENCODERS,
    HASH,
    KEY,
    MINIO,
    OWNED,
    STYLES,
    Entry,
    Style,
    as_it_is,
    by_botocore,
    told,
)

ALL = pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)

ANY: Final = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
AWKWARD: Final = st.text(
    st.sampled_from("a/ +%&<>\"';=*#?\\\t\n\r\0\x01\x7f\u00e9\u2028\U0001f600"), min_size=1, max_size=12
)
LEGAL: Final = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff", include_characters="\t\n\r"
    ),
    min_size=1,
    max_size=12,
)
"""What XML can hold."""


def read(body: bytes) -> Page:
    """A page that must be read at once."""
    found = parse(body)
    assert found is not None
    return found


@ALL
@pytest.mark.parametrize("token", ["", "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=", "a&amp;b%20c+d"])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_page_as_servers_write_it_says_what_botocore_reads_in_it(count: int, token: str, style: Style) -> None:
    entries = [style.example(quote(f"{KEY} {number}"), size=10**number) for number in range(count)]
    body = style.page(entries, token=token)
    found = told(read(body))
    assert found == by_botocore(body)
    assert found.keys == [f"{KEY} {number}" for number in range(count)]
    assert (found.sizes, found.more) == ([10**number for number in range(count)], bool(token))


@ALL
def test_the_hash_is_the_etag_without_its_quotes_and_the_version_is_the_etag_as_it_is(style: Style) -> None:
    quoted = style.etag.format(hash=HASH).startswith(("&", '"'))
    objects = read(style.page([style.example()])).objects
    assert objects.hashes == [HASH]
    assert objects.versions == [f'"{HASH}"' if quoted else HASH]
    assert objects.folders == []


@ALL
@settings(max_examples=40, deadline=None)
@given(keys=st.lists(ANY | AWKWARD, max_size=5), encode=st.sampled_from(ENCODERS[:2]), more=st.booleans())
def test_any_key_that_is_encoded_for_urls_is_read_as_it_was(
    keys: list[str],
    encode: object,
    more: bool,  # noqa: FBT001 - drawn
    style: Style,
) -> None:
    assert callable(encode)
    body = style.page([style.example(encode(key)) for key in keys], token="t" if more else "")
    assert told(read(body)) == by_botocore(body)
    assert read(body).objects.keys == keys


@settings(max_examples=100, deadline=None)
@given(keys=st.lists(LEGAL, min_size=1, max_size=3), encode=st.sampled_from(ENCODERS))
def test_a_server_may_encode_as_little_of_a_key_as_it_likes(keys: list[str], encode: object) -> None:
    assert callable(encode)
    body = AWS.page([Entry(encode(key)) for key in keys])
    assert read(body).objects.keys == keys == by_botocore(body).keys


@ALL
@settings(max_examples=40, deadline=None)
@given(keys=st.lists(LEGAL, max_size=5))
def test_a_key_that_is_not_encoded_is_read_as_it_was(keys: list[str], style: Style) -> None:
    body = style.page([style.example(as_it_is(key)) for key in keys], encoding="")
    assert told(read(body)) == by_botocore(body)
    assert read(body).objects.keys == keys


@pytest.mark.parametrize(
    "key", ["a+b", "a%20b", "%", "100%", "%zz", "a&amp;amp;b", "&amp;quot;", "&amp;#34;", "&amp;lt;"]
)
@pytest.mark.parametrize("encoding", ["", "url"])
def test_what_looks_encoded_is_decoded_as_often_as_it_was_encoded(key: str, encoding: str) -> None:
    body = AWS.page([Entry(key)], encoding=encoding)
    assert told(read(body)) == by_botocore(body)


@pytest.mark.parametrize(
    "modified",
    [
        "2024-05-06T07:08:09Z",
        "2024-05-06T07:08:09.1Z",
        "2024-05-06T07:08:09.999999Z",
        "2024-05-06T07:08:09.123456789Z",
        "1970-01-01T00:00:00.000Z",
        "1969-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00Z",
        "2038-01-19T03:14:08.001Z",
        "2024-02-29T23:59:59.500Z",
    ],
)
def test_a_time_in_utc_is_read_to_the_microsecond(modified: str) -> None:
    body = AWS.page([Entry(KEY, modified=modified)])
    assert told(read(body)) == by_botocore(body)


@pytest.mark.parametrize(
    "modified",
    [
        "2024-05-06T07:08:09",
        "2024-05-06T07:08:09+00:00",
        "2024-05-06T07:08:09.000+02:00",
        "2024-05-06T07:08:09+02:00Z",
        "Mon, 06 May 2024 07:08:09 GMT",
        "Mon, 06 May 2024 07:08:09 Z",
        "1714979289",
        "2024-02-30T00:00:00Z",
        "2024-05-06Z",
        "Z",
        "",
        " 2024-05-06T07:08:09Z",
        "2024-05-06T07:08:09\u00b2Z",
    ],
)
def test_a_time_that_is_written_in_any_other_way_is_left_to_botocore(modified: str) -> None:
    assert parse(AWS.page([Entry(KEY), Entry(KEY, modified=modified)])) is None


@pytest.mark.parametrize("size", ["", "-1", "1.0", " 1", "1e3", "0x10", "\u0663", "1_000", "+1"])
def test_a_size_that_is_no_number_of_bytes_is_left_to_botocore(size: str) -> None:
    body = AWS.page([Entry(KEY, size=7)]).replace(b"<Size>7<", f"<Size>{size}<".encode())
    assert parse(body) is None


def test_a_size_of_more_digits_than_python_reads_is_left_to_botocore() -> None:
    assert parse(AWS.page([Entry(KEY, size=7)]).replace(b"<Size>7<", b"<Size>%b<" % (b"9" * 5000))) is None


@pytest.mark.parametrize("size", [0, 1, 2**31, 2**63 - 1, 5 * 2**40])
def test_any_size_is_read(size: int) -> None:
    assert read(AWS.page([Entry(KEY, size=size)])).objects.sizes == [size]


OWNER: Final = b"<Owner><ID>i</ID></Owner>"
SPOILED: Final = {
    "folders": (b"</ListBucketResult>", b"<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes></ListBucketResult>"),
    "folders without end": (b"</ListBucketResult>", b"<CommonPrefixes/></ListBucketResult>"),
    "folders among the objects": (CONTENTS, CONTENTS + b"<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"),
    "character data": (b"<Key>", b"<Key><![CDATA[x]]>"),
    "character data around": (b"<KeyCount>3<", b"<KeyCount><![CDATA[3]]><"),
    "a comment": (b"<Key>", b"<Key><!-- x -->"),
    "a comment between": (b"<Contents>", b"<!-- x --><Contents>"),
    "a comment at the end": (b"</ListBucketResult>", b"</ListBucketResult><!-- x -->"),
    "a comment that hides an object": (CONTENTS, b"<!--" + CONTENTS + b"-->"),
    "a declaration": (b"<ListBucketResult", b"<!DOCTYPE x><ListBucketResult"),
    "an entity": (b"<ListBucketResult", b'<!DOCTYPE x [<!ENTITY y "z">]><ListBucketResult'),
    "an entity of its own": (b"<Key>", b"<Key>&y;"),
    "a number it does not know": (b"<Key>", b"<Key>&#65;"),
    "a hexadecimal number": (b"<Key>", b"<Key>&#x41;"),
    "the end of a text by number": (b"<Key>", b"<Key>&#0;"),
    "a number with nulls before it": (b"<Key>", b"<Key>&#034;"),
    "an entity that does not end": (b"<Key>", b"<Key>&amp"),
    "an ampersand": (b"<Key>", b"<Key>a&b"),
    "an entity in another case": (b"<Key>", b"<Key>&AMP;"),
    "an instruction in a key": (b"<Key>", b"<Key><?x y?>"),
    "a page in a page": (b"<Name>b</Name>", b"<ListBucketResult><Name>b</Name></ListBucketResult>"),
    "a key in a key": (b"<Key>docker", b"<Key><Key>x</Key>docker"),
    "a key in an owner": (b"<Size>", b"<Owner><Key>x</Key></Owner><Size>"),
    "an object in an object": (b"<Size>", CONTENTS + b"<Size>"),
    "an object in something else": (CONTENTS, b"<Wrapper>" + CONTENTS + b"</Wrapper>"),
    "all objects in something else": (
        BODY[BODY.index(b"<Contents>") : -len(b"</ListBucketResult>")],
        b"<Wrapper>" + CONTENTS + b"</Wrapper>",
    ),
    "all objects in a field": (
        BODY[BODY.index(b"<Contents>") :],
        b"<Wrapper>" + CONTENTS + b"x</Wrapper></ListBucketResult>",
    ),
    "an object without anything": (CONTENTS, b"<Contents></Contents>" + CONTENTS),
    "an object that is only a mark": (CONTENTS, b"<Contents/>" + CONTENTS),
    "only a mark of an object": (BODY[BODY.index(b"<Contents>") :], b"<Contents/></ListBucketResult>"),
    "only a mark of an object, with a space": (BODY[BODY.index(b"<Contents>") :], b"<Contents /></ListBucketResult>"),
    "an object with an attribute": (b"<Contents>", b'<Contents a="b">'),
    "a key with an attribute": (b"<Key>", b'<Key a="b">'),
    "an object in a name space": (b"<Contents>", b'<Contents xmlns="urn:x">'),
    "two keys": (b"<Key>", b"<Key>x</Key><Key>"),
    "two sizes": (b"<Size>", b"<Size>1</Size><Size>"),
    "no key": (re.findall(b"<Key>.*?</Key>", BODY)[1], b""),
    "no time": (b"<LastModified>2024-05-06T07:08:09.000Z</LastModified>", b""),
    "no hash": (f"<ETag>&quot;{HASH}&quot;</ETag>".encode(), b""),
    "no size": (b"<Size>71</Size>", b""),
    "a key that does not end": (b"</Key>", b""),
    "a key that ends in itself": (re.findall(b"<Key>.*?</Key>", BODY)[0], b"<Key/>"),
    "an object that does not end": (b"</Contents>", b""),
    "one field more": (b"<Size>", OWNER + b"<Size>"),
    "one field less": (b"<StorageClass>STANDARD</StorageClass>", b""),
    "another order": (
        b"<Size>71</Size><StorageClass>STANDARD</StorageClass>",
        b"<StorageClass>STANDARD</StorageClass><Size>71</Size>",
    ),
    "text in an object": (b"<Contents>", b"<Contents>x"),
    "text between fields": (b"<Size>", b"x<Size>"),
    "text between objects": (CONTENTS, CONTENTS + b"x"),
    "text at the end": (b"</ListBucketResult>", b"x</ListBucketResult>"),
    "text after the end": (b"</ListBucketResult>", b"</ListBucketResult>x"),
    "a field between objects": (CONTENTS, CONTENTS + b"<EncodingType>url</EncodingType>"),
    "the encoding between objects": (
        b"<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>" + CONTENTS,
        b"<IsTruncated>true</IsTruncated>" + CONTENTS + b"<EncodingType>url</EncodingType>",
    ),
    "no word of the end": (b"<IsTruncated>true</IsTruncated>", b""),
    "an empty word of the end": (b"<IsTruncated>true</IsTruncated>", b"<IsTruncated/>"),
    "the end in other letters": (b"<IsTruncated>true<", b"<IsTruncated>True<"),
    "the end in a number": (b"<IsTruncated>true<", b"<IsTruncated>1<"),
    "the end twice": (
        b"<IsTruncated>true</IsTruncated>",
        b"<IsTruncated>true</IsTruncated><IsTruncated>false</IsTruncated>",
    ),
    "no token": (b"<NextContinuationToken>next</NextContinuationToken>", b""),
    "an empty token": (b"<NextContinuationToken>next<", b"<NextContinuationToken><"),
    "another version's token": (b"NextContinuationToken", b"NextMarker"),
    "an encoding it does not know": (b"<EncodingType>url<", b"<EncodingType>base64<"),
    "another root": (b"ListBucketResult", b"ListVersionsResult"),
    "an error": (BODY[BODY.index(b"<ListBucketResult") :], b"<Error><Code>InternalError</Code></Error>"),
    "names with their space": (b"<Contents>", b"<s:Contents>"),
    "bytes that are not UTF-8": (b"<Key>docker", b"<Key>\xff"),
    "half of a surrogate": (b"<Key>docker", b"<Key>\xed\xa0\x80"),
    "a zero byte": (b"<Key>docker", b"<Key>\0"),
    "UTF-16": (BODY, BODY.decode().encode("utf-16")),
    "nothing": (BODY, b""),
    "only the root": (BODY, b"<ListBucketResult></ListBucketResult>"),
    "only an empty root": (BODY, b"<ListBucketResult/>"),
    "a page for people": (BODY, b"<!DOCTYPE html><html><body>sign in</body></html>"),
    "JSON": (BODY, b'{"IsTruncated": false}'),
}
"""What is replaced, once or everywhere, by what."""


@pytest.mark.parametrize("spoiled", SPOILED.values(), ids=SPOILED)
@pytest.mark.parametrize("times", [1, -1], ids=["once", "everywhere"])
def test_what_is_not_as_s3_documents_it_is_left_to_botocore(spoiled: tuple[bytes, bytes], times: int) -> None:
    assert parse(BODY) is not None
    body = BODY.replace(*spoiled, times)
    assert body != BODY
    found = parse(body)
    # What is spoiled in all objects alike may make a page of another form, if botocore reads the same in it.
    assert found is None or (times == -1 and told(found) == by_botocore(body))


@pytest.mark.parametrize(
    "odd",
    [
        (b"<?xml", b"\xef\xbb\xbf<?xml"),
        (b"<Contents>", b"<?x y?><Contents>"),
        (b"UTF-8", b"ISO-8859-1"),
        (b'<?xml version="1.0" encoding="UTF-8"?>', b"<?xml version='1.0' standalone='yes' ?>"),
        (b'<?xml version="1.0" encoding="UTF-8"?>\n', b""),
        (b"<Name>b</Name>", b"<Name>&#x41;&#66;</Name>"),
        (b"<Name>b</Name>", b"<Name a=\"b\" c='d'>b</Name>"),
        (b"<StorageClass>STANDARD</StorageClass>", b"<StorageClass/>"),
        (b"<StorageClass>STANDARD</StorageClass>", b"<StorageClass />"),
        (b"</Contents>", b"</Contents\n>"),
        (b"</Key>", b"</Key >"),
        (b"><", b">\r\n\t <"),
        (b"</ListBucketResult>", b"<Name/></ListBucketResult>"),
        (b"</ListBucketResult>", b"<New><With><A>field</A></With></New></ListBucketResult>"),
        (b"<Size>", b"<New><With><A>field</A></With><With/></New><Size>"),
        (b"docker", b"caf\xc3\xa9\xe2\x80\xa8"),
        (b"docker", b"a\rb\r\nc"),
        (b"docker", b"a>b'c\"d"),
        (b"docker", b"%00%zz"),
        (b"<Size>", b"<Owner><ID>a &amp; b</ID></Owner><Size>"),
    ],
)
def test_what_is_only_unusual_is_read_as_botocore_reads_it_or_left_to_it(odd: tuple[bytes, bytes]) -> None:
    body = BODY.replace(*odd)
    assert body != BODY
    found = parse(body)
    assert found is None or told(found) == by_botocore(body)


@ALL
def test_a_page_that_was_cut_off_anywhere_is_left_to_botocore(style: Style) -> None:
    body = style.page([style.example("a"), style.example("b")], token="next").rstrip()  # noqa: S106 - a listing's token
    assert parse(body) is not None
    assert [end for end in range(len(body)) if parse(body[:end]) is not None] == []


@ALL
def test_a_page_that_lost_a_piece_says_what_botocore_says_of_it_or_nothing(style: Style) -> None:
    body = uncounted(style).page([style.example("a"), style.example("b")])
    cuts = [body[:start] + body[start + length :] for start, length in product(range(len(body)), (1, 17))]
    assert [cut for cut in cuts if (found := parse(cut)) and told(found) != by_botocore(cut)] == []


def uncounted(style: Style) -> Style:
    """A style without the numbers that botocore reads as such and nobody needs."""
    return replace(
        style,
        head=re.sub(r"<(MaxKeys|KeyCount)>.*?</\1>", "", style.head),
        tail=re.sub(r"<KeyCount>.*?</KeyCount>", "", style.tail),
    )


def test_bytes_of_a_key_that_are_no_text_are_kept_apart() -> None:
    keys = read(AWS.page([Entry("a%ff"), Entry("a%fe"), Entry("a%EF%BF%BD")])).objects.keys
    assert keys == ["a\udcff", "a\udcfe", "a\ufffd"]


PIECES: Final = [
    b"<Contents>",
    b"</Contents>",
    b"<Contents/>",
    CONTENTS,
    CONTENTS.replace(b"docker", b"other"),
    b"<Key>x</Key>",
    b"<Key>",
    b"</Key>",
    b"<Size>1</Size>",
    b"<Owner>",
    b"</Owner>",
    OWNER,
    b"<A/>",
    b"<IsTruncated>true</IsTruncated>",
    b"<NextContinuationToken>t</NextContinuationToken>",
    b"<EncodingType>url</EncodingType>",
    b"</ListBucketResult>",
    b"<ListBucketResult>",
    b" ",
    b"x",
    b"&amp;",
    b"&#10;",
    b"%41",
]


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_a_page_whose_parts_were_moved_about_says_what_botocore_says_of_it_or_nothing(data: st.DataObject) -> None:
    style = data.draw(st.sampled_from([AWS, OWNED, MINIO]))
    body = uncounted(style).page([Entry("a"), Entry("b")], token=data.draw(st.sampled_from(["", "t"])))
    parts = re.findall(rb"<[^>]*>|[^<]+", body)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(1, len(parts) - 1))
        match data.draw(st.sampled_from(["insert", "remove", "repeat", "move"])):
            case "insert":
                parts.insert(at, data.draw(st.sampled_from(PIECES)))
            case "remove":
                del parts[at]
            case "repeat":
                parts.insert(at, parts[at])
            case "move":
                parts.insert(data.draw(st.integers(1, len(parts) - 1)), parts.pop(at))
    body = b"".join(parts)
    found = parse(body)
    if found:
        assert told(found) == by_botocore(body)
