"""Whatever form a page has, it is read as XML means it."""

import pytest

from regsweep.errors import MalformedError
from regsweep_backends._azure_listing import _read, _scan, parse

HEAD = (
    b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><EnumerationResults '
    b'ServiceEndpoint="https://account.blob.core.windows.net/" ContainerName="registries"><Prefix>a</Prefix>'
)
VERSIONED = "</Name><VersionId>2026-11-25T01:30:33.6598461Z</VersionId><IsCurrentVersion>true</IsCurrentVersion>"
TAIL = b"<NextMarker>2!88!MDAw</NextMarker></EnumerationResults>"


def blob(name: str = "a/b", *, md5: str = "<Content-MD5>3ccOQxhuc0msyYSqnB/mSg==</Content-MD5>", more: str = "") -> str:
    return (
        f"<Blob><Name>{name}</Name><Properties><Creation-Time>Tue, 24 Nov 2026 01:30:33 GMT</Creation-Time>"
        "<Last-Modified>Wed, 25 Nov 2026 01:30:33 GMT</Last-Modified><Etag>0x8DE2BC1</Etag>"
        "<Content-Length>71</Content-Length><Content-Type>application/octet-stream</Content-Type><Content-Encoding />"
        f"<Content-Language />{md5}<Cache-Control /><BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus>"
        f"{more}</Properties><OrMetadata /></Blob>"
    )


def page(*blobs: str) -> bytes:
    return HEAD + b"<Blobs>" + "".join(blobs).encode() + b"</Blobs>" + TAIL


def test_a_page_gives_each_blob_with_its_size_time_hash_and_version() -> None:
    found, rest = parse(page(blob("a/b"), blob("a/c")))
    assert found.keys == ["a/b", "a/c"]
    assert found.sizes == [71, 71]
    assert found.modified == [1_795_570_233_000_000] * 2
    assert found.hashes == ["ddc70e43186e7349acc984aa9c1fe64a"] * 2
    assert found.versions == ['"0x8DE2BC1"'] * 2
    assert found.folders == []
    assert rest == page()


@pytest.mark.parametrize(
    "blobs",
    [
        [],
        [blob()],
        [blob(md5=""), blob("c"), blob(md5="<Content-MD5 />"), blob("d", md5="<Content-MD5></Content-MD5>")],
        [blob("ümlaut 100% + more")],
        ["<BlobPrefix><Name>a/</Name></BlobPrefix>", blob(), "<BlobPrefix><Name>b/</Name></BlobPrefix>"],
        [blob().replace("><", ">\n  <").replace("<BlobType>", "\n<BlobType>")],
        [blob(more="<AccessTier>Hot</AccessTier>"), blob("c", more="<ResourceType>file</ResourceType>")],
        [blob().replace("</Name>", VERSIONED), blob("older than versions")],
        [blob().replace("<Creation-Time>Tue, 24 Nov 2026 01:30:33 GMT</Creation-Time>", "")],
    ],
)
def test_the_fast_way_reads_what_the_other_one_reads(blobs: list[str]) -> None:
    quick = _scan("".join(blobs).encode())
    assert quick is not None
    assert quick == _read(page(*blobs))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a&amp;b", "a&b"),
        ("a&#xA;b", "a\nb"),
        ("<![CDATA[a<b]]>", "a<b"),
        ("a<!-- </Blob> -->b", "ab"),
    ],
)
def test_a_name_that_xml_writes_otherwise_is_read_as_meant(written: str, meant: str) -> None:
    assert parse(page(blob(), blob(written), blob("c"))).objects.keys == ["a/b", meant, "c"]


def test_a_name_that_xml_cannot_hold_is_decoded() -> None:
    odd = blob("a%EF%BF%BE%25").replace("<Name>", '<Name Encoded="true">')
    assert parse(page(blob("b%25"), odd)).objects.keys == ["b%25", "a\ufffe%"]


def test_directories_of_a_hierarchical_name_space_are_no_objects() -> None:
    directory = blob("a/folder", more="<ResourceType>directory</ResourceType>")
    file = blob("a/folder/file", more="<ResourceType>file</ResourceType>")
    assert parse(page(directory, file)).objects.keys == ["a/folder/file"]


def test_an_empty_page_in_one_tag_has_nothing() -> None:
    body = HEAD + b"<Blobs />" + TAIL
    found, rest = parse(body)
    assert found.keys == []
    assert rest == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Sign in</body></html>",
        page(blob())[:-20],
        page(blob())[:400],
        page(blob()[:-7]),
        page(blob().replace("<Etag>0x8DE2BC1</Etag>", "")),
        page(blob().replace("<Content-Length>71</Content-Length>", "")),
        page(blob().replace(">71<", ">many<")),
        page(blob().replace(">71<", ">-1<")),
        page(blob("a&amp;b").replace(">71<", f">{'9' * 30}<")),
        page(blob().replace("Nov 2026 01:30:33 GMT</Last", "Nov 2026 01:30:33 CET</Last")),
        page(blob().replace("Nov 2026 01:30:33 GMT</Last", "Now 2026 01:30:33 GMT</Last")),
        page(blob("")),
        page("<Blob><Properties /></Blob>"),
        page(blob("\x00")),
        page(blob()).replace(b"a/b", b"a\xff"),
        HEAD + TAIL,
    ],
)
def test_what_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(body)
