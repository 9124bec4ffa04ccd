"""Pages of ListObjectsV2 as different servers write them, and what botocore itself reads in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import botocore.session
from botocore import handlers
from botocore.model import OperationModel
from botocore.parsers import create_parser

from regsweep_backends._s3_listing import Page

NAMESPACE: Final = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
HASH: Final = "9b2cf535f27731c974343645a3985328"


class Entry(NamedTuple):
    """An object as a page tells of it; all but the size is text as it stands there."""

    key: str
    size: int = 71
    etag: str = f"&quot;{HASH}&quot;"
    modified: str = "2024-05-06T07:08:09.000Z"


class Facts(NamedTuple):
    """What a page says."""

    keys: list[str]
    sizes: list[int]
    etags: list[str]
    modified: list[int]
    more: bool
    token: str


Encode = Callable[[str], str]


def as_it_is(key: str) -> str:
    """Leave a key as it is, where it can stand so in XML."""
    return escape(key).replace("\r", "&#13;")


def minimal(key: str) -> str:
    """Encode no more of a key than is needed to decode it again."""
    return as_it_is(key.replace("%", "%25").replace("+", "%2B"))


ENCODERS: Final[tuple[Encode, ...]] = (quote, quote_plus, minimal, lambda key: quote(key, safe="/*-._~!'()"))
"""How `encoding-type=url` can write a key: with a plus sign for a space or not, with more or less left as it is."""


@dataclass(frozen=True, slots=True)
class Style:
    """How one server writes its pages.

    Attributes:
        head: what stands before the objects; `{fields}` is how the listing goes on.
        entry: one object.
        tail: what stands after the objects.
        token: how the page says where the next begins.
        etag: how it quotes an ETag.
        modified: a time as it writes it.
    """

    head: str
    entry: str
    tail: str = "</ListBucketResult>"
    token: str = "<NextContinuationToken>{token}</NextContinuationToken>"  # noqa: S105 - the name of a field
    etag: str = "&quot;{hash}&quot;"
    modified: str = "2024-05-06T07:08:09.000Z"

    def page(self, entries: Sequence[Entry], *, token: str = "", encoding: str = "url") -> bytes:
        """Write a page."""
        encoding_type = f"<EncodingType>{encoding}</EncodingType>" if encoding else ""
        values = {
            "count": len(entries),
            "truncated": "true" if token else "false",
            "next": self.token.format(token=token) if token else "",
            "encoding": encoding_type,
        }
        rows = [self.entry.format(**one._asdict()) for one in entries]
        return (self.head.format(**values) + "".join(rows) + self.tail.format(**values)).encode()

    def example(self, key: str = "docker/registry/v2/blobs", digits: str = HASH, size: int = 71) -> Entry:
        """An object in this server's words."""
        return Entry(key, size, self.etag.format(hash=digits), self.modified)


AWS: Final = Style(
    head='<?xml version="1.0" encoding="UTF-8"?>\n'
    f"<ListBucketResult{NAMESPACE}><Name>b</Name><Prefix>docker/registry/v2/</Prefix>{{next}}"
    "<KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys>{encoding}<IsTruncated>{truncated}</IsTruncated>",
    entry="<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag>"
    "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
    "<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>",
)
OWNED: Final = Style(
    head=AWS.head,
    entry="<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{size}</Size>"
    "<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID><DisplayName>me</DisplayName>"
    "</Owner><StorageClass>STANDARD</StorageClass></Contents>",
)
MINIO: Final = Style(
    head='<?xml version="1.0" encoding="UTF-8"?>\n'
    f"<ListBucketResult{NAMESPACE}><Name>b</Name><Prefix>docker/registry/v2/</Prefix><KeyCount>{{count}}</KeyCount>"
    "<MaxKeys>1000</MaxKeys><IsTruncated>{truncated}</IsTruncated>{next}",
    entry="<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{size}</Size>"
    "<StorageClass>STANDARD</StorageClass></Contents>",
    tail="{encoding}</ListBucketResult>",
    etag="&#34;{hash}&#34;",
    modified="2024-05-06T07:08:09.123Z",
)
CEPH: Final = Style(
    head='<?xml version="1.0" encoding="UTF-8"?>'
    f"<ListBucketResult{NAMESPACE}><Name>b</Name><Prefix>docker/registry/v2/</Prefix><MaxKeys>1000</MaxKeys>"
    "{encoding}<IsTruncated>{truncated}</IsTruncated>{next}<KeyCount>{count}</KeyCount>",
    entry="<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{size}</Size>"
    "<StorageClass>STANDARD</StorageClass><Owner><ID>u</ID><DisplayName>U V</DisplayName></Owner>"
    "<Type>Normal</Type></Contents>",
)
SEAWEEDFS: Final = Style(
    head='<?xml version="1.0" encoding="UTF-8"?>\n'
    f"<ListBucketResult{NAMESPACE}><Name>b</Name><Prefix>docker/registry/v2/</Prefix><MaxKeys>1000</MaxKeys>"
    "<Delimiter></Delimiter><IsTruncated>{truncated}</IsTruncated>",
    entry="<Contents><ETag>{etag}</ETag><Key>{key}</Key><LastModified>{modified}</LastModified><Owner>"
    "<DisplayName></DisplayName><ID></ID></Owner><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>",
    tail="{next}{encoding}<KeyCount>{count}</KeyCount><StartAfter></StartAfter></ListBucketResult>",
    etag="&#34;{hash}&#34;",
    modified="2024-05-06T07:08:09Z",
)
MOTO: Final = Style(
    head=f'<?xml version="1.0" encoding="utf-8"?>\n<ListBucketResult{NAMESPACE}>\n  <Name>b</Name>\n'
    "  <Prefix>docker/registry/v2/</Prefix>\n  <MaxKeys>1000</MaxKeys>\n  <KeyCount>{count}</KeyCount>\n"
    "  <IsTruncated>{truncated}</IsTruncated>\n  {next}\n  {encoding}\n",
    entry="  <Contents>\n    <Key>{key}</Key>\n    <LastModified>{modified}</LastModified>\n    <ETag>{etag}</ETag>\n"
    "    <Size>{size}</Size>\n    <StorageClass>STANDARD</StorageClass>\n    <Owner>\n      <ID>75aa</ID>\n"
    "      <DisplayName>webfile</DisplayName>\n    </Owner>\n  </Contents>\n",
    tail="</ListBucketResult>\n",
    etag='"{hash}"',
)
PLAIN: Final = Style(
    head="<ListBucketResult>\r\n\t<IsTruncated>{truncated}</IsTruncated>\r\n\t{next}\r\n\t{encoding}<Prefix/>\r\n",
    entry="\t<Contents>\r\n\t\t<Size>{size}</Size><ETag>{etag}</ETag>\r\n\t\t<LastModified>{modified}</LastModified>"
    "<Key>{key}</Key>\r\n\t</Contents>\r\n",
    etag="{hash}",
)
STYLES: Final = {
    "aws": AWS,
    "owned": OWNED,
    "minio": MINIO,
    "ceph": CEPH,
    "seaweedfs": SEAWEEDFS,
    "moto": MOTO,
    "plain": PLAIN,
}

KEY: Final = "docker/registry/v2/repositories/a/_layers/sha256/" + "5e" * 32 + "/link"
BODY: Final = AWS.page([Entry(f"{KEY}{number}") for number in range(3)], token="next")  # noqa: S106 - a listing's token
CONTENTS: Final = BODY[BODY.index(b"<Contents>") : BODY.index(b"</Contents>") + len(b"</Contents>")]
"""An object of that page."""


def by_botocore(body: bytes) -> Facts:
    """What botocore reads in a page.

    Raises:
        ResponseParserError: it is no XML.
        ValueError: a number or a time is none.
        KeyError: an object lacks something.
    """
    answer = {"status_code": 200, "headers": {}, "body": body}
    shape = _model().output_shape
    assert shape is not None
    parsed: dict[str, Any] = create_parser("rest-xml").parse(answer, shape)
    handlers.decode_list_object_v2(parsed, {"encoding_type_auto_set": True})
    found = parsed.get("Contents", [])
    return Facts(
        [one["Key"] for one in found],
        [one["Size"] for one in found],
        [one["ETag"] for one in found],
        [round(one["LastModified"].timestamp() * 1_000_000) for one in found],
        parsed["IsTruncated"],
        parsed.get("NextContinuationToken", ""),
    )


def told(page: Page) -> Facts:
    """What a page that was read says."""
    columns = page.objects
    return Facts(columns.keys, columns.sizes, columns.versions, columns.modified, columns.more, page.token)


@lru_cache
def _model() -> OperationModel:
    return botocore.session.get_session().get_service_model("s3").operation_model("ListObjectsV2")
