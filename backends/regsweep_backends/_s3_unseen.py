"""What an S3 bucket holds that no listing of its objects shows: earlier versions, and multipart uploads never ended."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from regsweep.storage.ports import State, Unseen
from regsweep_backends._s3_errors import code_of, translate
from regsweep_backends._window import Window

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import MultipartUploadTypeDef

VERSION: Final = "version="
"""How the mark of a version begins; its identifier follows. An ETag begins with a quotation mark."""
UPLOAD: Final = "upload="
"""How the mark of a multipart upload begins; its identifier follows."""

UNKNOWN: Final = frozenset({"NotImplemented", "MethodNotAllowed", "UnsupportedOperation"})
"""What a store answers that does not know what it is asked for."""


def unfinished(client: "S3Client", bucket: str, prefix: str, window: Window) -> Iterator[Unseen]:
    """See `Bucket.unfinished`."""

    def size(upload: "MultipartUploadTypeDef") -> int | None:
        pages = client.get_paginator("list_parts").paginate(
            Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
        )
        try:
            return sum(part["Size"] for page in pages for part in page.get("Parts", []))
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                # Ended since it was listed.
                return None
            if code_of(error) in UNKNOWN:
                return 0
            raise

    with _translated(bucket, prefix, unknown=True):
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
            listed = page.get("Uploads", [])
            found = [
                (upload, parts)
                for upload, parts in zip(listed, window.each(size, listed), strict=True)
                if parts is not None
            ]
            yield Unseen(
                keys=[upload["Key"] for upload, _ in found],
                sizes=[parts for _, parts in found],
                modified=[_microseconds(upload["Initiated"]) for upload, _ in found],
                versions=[UPLOAD + upload["UploadId"] for upload, _ in found],
            )


def versioning(client: "S3Client", bucket: str) -> str:
    """Whether versions are kept: `Enabled`, `Suspended`, or nothing where they never were.

    Raises:
        StorageError: the bucket does not tell.
    """
    told: Mapping[str, Any] = {}
    with _translated(bucket, "", unknown=True):
        told = client.get_bucket_versioning(Bucket=bucket)
    return str(told.get("Status", ""))


def versions(client: "S3Client", bucket: str, prefix: str, *, suspended: bool) -> Iterator[Unseen]:
    """See `Bucket.versions`.

    Where versions are suspended whatever is written next takes the identifier `null`. That names nothing certain, and
    what has it is not told.
    """
    with _translated(bucket, prefix):
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            objects = [one for one in page.get("Versions", []) if not (suspended and one["VersionId"] == "null")]
            markers = [one for one in page.get("DeleteMarkers", []) if not (suspended and one["VersionId"] == "null")]
            yield Unseen(
                keys=[one["Key"] for one in objects] + [one["Key"] for one in markers],
                sizes=[one["Size"] for one in objects] + [0] * len(markers),
                modified=[_microseconds(one["LastModified"]) for one in (*objects, *markers)],
                versions=[VERSION + one["VersionId"] for one in (*objects, *markers)],
                states=[State.CURRENT if one["IsLatest"] else State.NONCURRENT for one in objects]
                + [State.MARKER] * len(markers),
            )


def _microseconds(moment: "datetime") -> int:
    return round(moment.timestamp() * 1_000_000)


@contextmanager
def _translated(bucket: str, prefix: str, *, unknown: bool = False) -> Iterator[None]:
    """Raise the ports' errors; with `unknown`, end the block where the store does not know what it is asked for."""
    try:
        yield
    except ClientError as error:
        if unknown and code_of(error) in UNKNOWN:
            return
        raise translate(error, key=prefix, bucket=f"s3://{bucket}") from error
    except BotoCoreError as error:
        raise translate(error, key=prefix, bucket=f"s3://{bucket}") from error
