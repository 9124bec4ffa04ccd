"""What an S3 bucket does with what is deleted: asked once, for the report."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from regsweep.storage.ports import Remark
from regsweep_backends._remarks import versions_kept
from regsweep_backends._s3_errors import code_of, said, short
from regsweep_backends._s3_unseen import UNKNOWN, versioning

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NONE: Final = UNKNOWN | {"NoSuchLifecycleConfiguration", "ObjectLockConfigurationNotFoundError"}
"""What a store answers that has no such setting, or does not know what that is."""

Answer = TypeVar("Answer")


def remarks(
    client: "S3Client", bucket: str, prefix: str, versions: Callable[[], str] | None = None
) -> Iterator[Remark]:
    """Tell what keeps bytes in a bucket of what is deleted below `prefix`.

    Whether it keeps versions is told by `versions`, as by `_s3_unseen.versioning`, where another needs to know it too.
    """
    status = versions or partial(versioning, client, bucket)
    yield from _told("it keeps versions", lambda: list(_versions(client, bucket, prefix, status)))
    yield from _told("objects in it are locked", lambda: list(_lock(client, bucket)))


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


def _versions(client: "S3Client", bucket: str, prefix: str, status: Callable[[], str]) -> Iterator[Remark]:
    if status() != "Enabled":
        return
    days = _noncurrent_days(client, bucket, prefix)
    until = f"for {days} days, by its lifecycle rule" if days else "for ever: no lifecycle rule ends them"
    yield versions_kept("bucket", until)


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
