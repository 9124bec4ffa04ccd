"""What an S3 bucket does with what is deleted, and what else fills it: asked once, for the report."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from regsweep.storage.ports import Remark
from regsweep_backends._s3_errors import code_of, said, short

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NONE: Final = frozenset(
    {
        "NoSuchLifecycleConfiguration",
        "ObjectLockConfigurationNotFoundError",
        "NotImplemented",
        "MethodNotAllowed",
        "UnsupportedOperation",
    }
)
"""What a store answers that has no such setting, or does not know what that is."""
_SIZED: Final = 100
"""Uploads whose parts are added up: each takes a request."""

Answer = TypeVar("Answer")


def remarks(client: "S3Client", bucket: str, prefix: str) -> Iterator[Remark]:
    """Tell what keeps bytes in a bucket, and what lies below `prefix` that no listing shows."""
    yield from _told("it keeps versions", lambda: list(_versions(client, bucket, prefix)))
    yield from _told("objects in it are locked", lambda: list(_lock(client, bucket)))
    yield from _told("uploads in it were left unfinished", lambda: list(_uploads(client, bucket, prefix)))


def _told(what: str, ask: Callable[[], list[Remark]]) -> list[Remark]:
    try:
        return ask()
    except ClientError as error:
        if code_of(error) in _NONE:
            return []
        reason = said(error)
    except BotoCoreError as error:
        reason = short(str(error))
    return [Remark(code="untold", text=f"whether {what} cannot be told: {reason}")]


def _versions(client: "S3Client", bucket: str, prefix: str) -> Iterator[Remark]:
    if client.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        return
    days = _noncurrent_days(client, bucket, prefix)
    until = f"for {days} days, by its lifecycle rule" if days else "for ever: no lifecycle rule ends them"
    yield Remark(
        code="versions-kept",
        text=f"the bucket keeps versions: what is deleted stays as noncurrent versions {until}",
    )


def _noncurrent_days(client: "S3Client", bucket: str, prefix: str) -> int | None:
    try:
        rules = client.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", [])
    except ClientError as error:
        if code_of(error) in _NONE:
            return None
        raise
    found = [
        rule["NoncurrentVersionExpiration"].get("NoncurrentDays")
        for rule in rules
        if rule.get("Status") == "Enabled"
        and "NoncurrentVersionExpiration" in rule
        and prefix.startswith(rule.get("Filter", {}).get("Prefix") or rule.get("Prefix") or "")
    ]
    return min((days for days in found if days), default=None)


def _lock(client: "S3Client", bucket: str) -> Iterator[Remark]:
    found = client.get_object_lock_configuration(Bucket=bucket).get("ObjectLockConfiguration", {})
    if found.get("ObjectLockEnabled") == "Enabled":
        yield Remark(
            code="object-lock",
            text="the bucket has object lock: versions under retention or legal hold stay until that ends",
        )


def _uploads(client: "S3Client", bucket: str, prefix: str) -> Iterator[Remark]:
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    found = [upload for page in pages for upload in page.get("Uploads", [])]
    if not found:
        return
    size = 0
    for upload in found[:_SIZED]:
        parts = client.get_paginator("list_parts").paginate(
            Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
        )
        size += sum(part.get("Size", 0) for page in parts for part in page.get("Parts", []))
    least = "at least " if len(found) > _SIZED else ""
    oldest = min(upload["Initiated"] for upload in found)
    yield Remark(
        code="unfinished-uploads",
        text=f"{len(found):,} multipart uploads below the root were never ended, the oldest of {oldest:%Y-%m-%d}; "
        f"their parts take {least}{size:,} bytes, which no listing shows",
    )
