"""Delete from an S3 bucket: objects and their versions by the thousand, where the store can, and multipart uploads."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from regsweep.storage.ports import Outcome, Result, Target
from regsweep_backends._objects import failed
from regsweep_backends._s3_client import ATTEMPTS
from regsweep_backends._s3_errors import CHANGED, code_of, said, short, translate
from regsweep_backends._s3_unseen import UPLOAD, VERSION
from regsweep_backends._window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        AbortMultipartUploadOutputTypeDef,
        DeleteObjectOutputTypeDef,
        ObjectIdentifierTypeDef,
    )

_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload"})
_NO_BATCHES: Final = frozenset(
    {
        "NotImplemented",
        "MethodNotAllowed",
        "MalformedXML",
        "InvalidRequest",
        "InvalidArgument",
        "InvalidDigest",
        "405",
        "501",
    }
)
"""What stores answer that know no DeleteObjects, or none with a checksum that the SDK sends."""
_TRANSIENT: Final = frozenset({"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "Throttling"})


def delete_batch(client: "S3Client", bucket: str, targets: Sequence[Target], window: Window) -> list[Outcome] | None:
    """Delete by one request; `None` where the store knows none such."""
    where = f"s3://{bucket}"
    # Of one key several versions may go.
    left = {(target.key, _version_of(target)): target for target in targets}
    outcomes: dict[tuple[str, str], Outcome] = {}
    attempt = 0
    while left:
        attempt += 1
        try:
            answer = client.delete_objects(
                Bucket=bucket,
                # Not quietly: what the store does not name as deleted is not.
                Delete={"Objects": [_identified(target) for target in left.values()]},
            )
        except ClientError as error:
            if code_of(error) in _NO_BATCHES:
                return None
            outcomes |= dict.fromkeys(left, failed(translate(error, key="", bucket=where)))
            break
        except BotoCoreError as error:
            outcomes |= dict.fromkeys(left, failed(translate(error, key="", bucket=where)))
            break
        window.noted(answer["ResponseMetadata"].get("RetryAttempts", 0))
        outcomes |= {_named(one, left): Outcome(Result.DELETED) for one in answer.get("Deleted", [])}
        again: dict[tuple[str, str], Target] = {}
        for trouble in answer.get("Errors", []):
            name, code = _named(trouble, left), trouble.get("Code", "")
            if code in _TRANSIENT and attempt < ATTEMPTS and name in left:
                again[name] = left[name]
            else:
                outcomes[name] = _outcome(name[0], code, trouble.get("Message", ""))
        if again:
            window.throttled()
            window.pause(attempt)
        left = again
    untold = Outcome(Result.FAILED, f"{where}: did not say what became of it")
    return [outcomes.get((target.key, _version_of(target)), untold) for target in targets]


def delete_one(client: "S3Client", bucket: str, window: Window, target: Target) -> Outcome:
    """Delete by a request of its own."""
    answer: DeleteObjectOutputTypeDef | AbortMultipartUploadOutputTypeDef
    try:
        if target.version.startswith(UPLOAD):
            upload = target.version.removeprefix(UPLOAD)
            answer = client.abort_multipart_upload(Bucket=bucket, Key=target.key, UploadId=upload)
        elif version := _version_of(target):
            answer = client.delete_object(Bucket=bucket, Key=target.key, VersionId=version)
        elif target.version:
            answer = client.delete_object(Bucket=bucket, Key=target.key, IfMatch=target.version)
        else:
            answer = client.delete_object(Bucket=bucket, Key=target.key)
    except ClientError as error:
        return _outcome(target.key, code_of(error), said(error))
    except BotoCoreError as error:
        return failed(translate(error, key=target.key, bucket=f"s3://{bucket}"))
    window.noted(answer["ResponseMetadata"].get("RetryAttempts", 0))
    return Outcome(Result.DELETED)


def _version_of(target: Target) -> str:
    """The identifier of the one version that is to go, or nothing where a key is."""
    known = target.version.startswith(VERSION)
    return target.version.removeprefix(VERSION) if known else ""


def _named(told: Mapping[str, Any], targets: Mapping[tuple[str, str], Target]) -> tuple[str, str]:
    """Which of the targets a store tells of.

    SeaweedFS names a marker that went as one that came; and some name a version where none was asked for.
    """
    key = told.get("Key", "")
    names = [(key, told.get(field, "")) for field in ("VersionId", "DeleteMarkerVersionId")]
    return next((name for name in names if name in targets), (key, ""))


def _identified(target: Target) -> "ObjectIdentifierTypeDef":
    if version := _version_of(target):
        return {"Key": target.key, "VersionId": version}
    return {"Key": target.key, "ETag": target.version} if target.version else {"Key": target.key}


def _outcome(key: str, code: str, message: str) -> Outcome:
    if code in _GONE:
        return Outcome(Result.ABSENT)
    if code in CHANGED:
        return Outcome(Result.CHANGED, f"{key}: changed since it was listed")
    return Outcome(Result.FAILED, f"{key}: {short(message) or code}")
