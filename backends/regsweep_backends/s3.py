"""The registry's tree in an S3 bucket, or in any store that speaks S3's protocol."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import urllib3
from botocore.exceptions import BotoCoreError, ClientError, ResponseStreamingError

from regsweep.errors import NotFoundError, StorageError
from regsweep.storage.ports import UNRESTRICTED, Access, Outcome, Remark, Request, Result, Target
from regsweep_backends import _s3_listing
from regsweep_backends._objects import ObjectStore, open_store
from regsweep_backends._pages import Objects
from regsweep_backends._parameters import Parameters
from regsweep_backends._s3_client import ATTEMPTS, PAGE, endpoint_of, make_client
from regsweep_backends._s3_errors import code_of, said, short, translate
from regsweep_backends._s3_remarks import remarks
from regsweep_backends._window import Window

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        DeleteObjectRequestTypeDef,
        GetObjectOutputTypeDef,
        ListObjectsV2OutputTypeDef,
        ObjectIdentifierTypeDef,
        PutObjectRequestTypeDef,
    )

_BATCH: Final = 1000
"""Keys that one DeleteObjects takes."""
_FLAGS: Final = ("skipverify", "v4auth", "forcepathstyle", "usedualstack", "accelerate", "encrypt")
_PUBLIC: Final = (
    "regionendpoint",
    "region",
    "secure",
    "skipverify",
    "v4auth",
    "forcepathstyle",
    "usedualstack",
    "accelerate",
    "encrypt",
    "keyid",
)
"""The parameters that a URL repeats: what is needed to find the bucket again, and no secret."""
_REQUESTS: Final = {
    "ListObjectsV2": Request.LIST,
    "PutObject": Request.WRITE,
    "DeleteObject": Request.DELETE,
    "DeleteObjects": Request.DELETE,
}
"""What is counted as a reading otherwise: `GetObject`, and what the SDK asks by itself."""
_CHANGED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
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
_NO_S3: Final = "see regionendpoint: what answers there is no S3"
_TRANSIENT: Final = frozenset({"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "Throttling"})


def connect(parameters: Mapping[str, object], access: Access) -> ObjectStore:
    """Open the store in the bucket that distribution's s3 driver would use.

    Raises:
        UsageError: a parameter makes no sense, there is no such bucket, or no registry's tree in it.
        StorageError: the bucket cannot be reached or listed.
    """
    bucket = S3Bucket(parameters, access)
    return open_store(bucket, bucket.root)


class S3Bucket:
    """A `Bucket` by boto3."""

    batch = deletions_in_request = _BATCH

    def __init__(self, values: Mapping[str, object], access: Access = UNRESTRICTED) -> None:
        self._values = dict(values)
        self._access = access
        parameters = Parameters("s3", values)
        self._name = parameters.needed("bucket", "write s3://bucket/root, or set storage.s3.bucket in config.yml")
        root = parameters.text("rootdirectory").strip("/")
        self.root = f"{root}/" if root else ""
        self._parameters = parameters
        public = {name: parameters.text(name) for name in _PUBLIC if parameters.text(name)}
        self.url = f"s3://{self._name}/{quote(root)}".rstrip("/") + (
            f"?{urlencode(public, safe=':/')}" if public else ""
        )
        self._where = f"s3://{self._name}"
        self._endpoint = endpoint_of(parameters)
        for name in _FLAGS:
            parameters.flag(name)
        self._batches = True
        self.window = Window(access.concurrency, access.rate)

    def __reduce__(self) -> tuple[object, ...]:
        return S3Bucket, (self._values, self._access)

    def listing(self, prefix: str, *, folders: bool = False) -> Iterator[Objects]:
        """See `Bucket.listing`."""
        wanted: dict[str, Any] = {"Bucket": self._name, "Prefix": prefix} | ({"Delimiter": "/"} if folders else {})
        while True:
            answer = self._list(wanted, prefix)
            page = answer.get(PAGE)
            if not isinstance(page, _s3_listing.Page):
                try:
                    page = _parsed(answer)
                except (KeyError, TypeError) as error:
                    raise StorageError(f"{self._where}: does not list as S3 does", key=prefix, hint=_NO_S3) from error
            yield page.objects
            if not page.objects.more:
                return
            if page.token in ("", wanted.get("ContinuationToken")):
                raise StorageError(f"{self._where}: does not say how its listing goes on", key=prefix)
            wanted["ContinuationToken"] = page.token

    def get(self, path: str, limit: int) -> tuple[bytes, str]:
        """See `Bucket.get`."""
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._client.get_object(Bucket=self._name, Key=path)
            except (ClientError, BotoCoreError) as error:
                raise translate(error, key=path, bucket=self._where) from error
            try:
                content = _read(answer, limit)
            except BotoCoreError as error:
                # The SDK tries again only until the answer begins.
                if attempt == ATTEMPTS:
                    raise translate(error, key=path, bucket=self._where) from error
                self.window.throttled()
                time.sleep(_pause(attempt))
            else:
                self._noted(answer["ResponseMetadata"])
                return content, answer.get("ETag", "")

    def create(self, path: str, content: bytes) -> tuple[str, bool] | None:
        """See `Bucket.create`."""
        try:
            created = self._put(path, content, "*")
        except ClientError as error:
            if code_of(error) in _CHANGED:
                return self._own(path, content, error)
            if code_of(error) != "NotImplemented":
                raise translate(error, key=path, bucket=self._where) from error
        except BotoCoreError as error:
            raise translate(error, key=path, bucket=self._where) from error
        else:
            return created, self._honours(path, content)
        try:
            return self._put(path, content), False
        except (ClientError, BotoCoreError) as error:
            raise translate(error, key=path, bucket=self._where) from error

    def _honours(self, path: str, content: bytes) -> bool:
        """Whether the store heeds a condition that does not hold; if not, it wrote the same once more."""
        try:
            self._put(path, content, "*")
        except ClientError as error:
            return code_of(error) in _CHANGED
        except BotoCoreError:
            return False
        return False

    def _own(self, path: str, content: bytes, error: ClientError) -> tuple[str, bool] | None:
        """An object that stood there already, if it is of this very call: the SDK asked again for want of an answer."""
        if not error.response["ResponseMetadata"].get("RetryAttempts"):
            return None
        try:
            standing, version = self.get(path, len(content) + 1)
        except NotFoundError:
            return None
        return (version, True) if standing == content else None

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """See `Bucket.delete`."""
        if self._batches:
            outcomes = self._delete_batch(targets)
            if outcomes is not None:
                return iter(outcomes)
            self._batches = False
        return self.window.each(self._delete_one, targets)

    def remarks(self, prefix: str) -> Iterator[Remark]:
        """See `Bucket.remarks`."""
        return remarks(self._client, self._name, prefix)

    def close(self) -> None:
        """See `Bucket.close`."""
        if "_client" in vars(self):
            self._client.close()
            del self._client

    @cached_property
    def _client(self) -> "S3Client":
        # Made when first used: each process has its own.
        return make_client(self._parameters, self._endpoint, concurrency=self.window.most, sending=self._sending)

    def _sending(self, event_name: str, **_: object) -> None:
        """Note each request, those that the SDK sends again included."""
        self.window.sent(_REQUESTS.get(event_name.rpartition(".")[2], Request.READ))

    def _list(self, wanted: dict[str, Any], prefix: str) -> "ListObjectsV2OutputTypeDef":
        try:
            answer = self._client.list_objects_v2(**wanted)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, key=prefix, bucket=self._where) from error
        except (ValueError, KeyError, RecursionError) as error:
            # The SDK's own, of numbers and times that are none.
            raise StorageError(f"{self._where}: does not list as S3 does", key=prefix, hint=_NO_S3) from error
        self._noted(answer["ResponseMetadata"])
        return answer

    def _put(self, path: str, content: bytes, condition: str = "") -> str:
        request: PutObjectRequestTypeDef = {"Bucket": self._name, "Key": path, "Body": content}
        if condition:
            request["IfNoneMatch"] = condition
        if self._parameters.flag("encrypt"):
            key = self._parameters.text("keyid")
            request["ServerSideEncryption"] = "aws:kms" if key else "AES256"
            if key:
                request["SSEKMSKeyId"] = key
        return self._client.put_object(**request)["ETag"]

    def _delete_batch(self, targets: Sequence[Target]) -> list[Outcome] | None:
        """Delete by one request; `None` where the store knows none such."""
        left = {target.key: target for target in targets}
        outcomes: dict[str, Outcome] = {}
        attempt = 0
        while left:
            attempt += 1
            try:
                answer = self._client.delete_objects(
                    Bucket=self._name,
                    # Not quietly: what the store does not name as deleted is not.
                    Delete={"Objects": [_identified(target) for target in left.values()]},
                )
            except ClientError as error:
                if code_of(error) in _NO_BATCHES:
                    return None
                failed = _failed(translate(error, key="", bucket=self._where))
                outcomes |= dict.fromkeys(left, failed)
                break
            except BotoCoreError as error:
                failed = _failed(translate(error, key="", bucket=self._where))
                outcomes |= dict.fromkeys(left, failed)
                break
            self._noted(answer["ResponseMetadata"])
            outcomes |= {one.get("Key", ""): Outcome(Result.DELETED) for one in answer.get("Deleted", [])}
            again: dict[str, Target] = {}
            for trouble in answer.get("Errors", []):
                key, code = trouble.get("Key", ""), trouble.get("Code", "")
                if code in _TRANSIENT and attempt < ATTEMPTS and key in left:
                    again[key] = left[key]
                else:
                    outcomes[key] = _outcome(key, code, trouble.get("Message", ""))
            if again:
                self.window.throttled()
                time.sleep(_pause(attempt))
            left = again
        untold = Outcome(Result.FAILED, f"{self._where}: did not say what became of it")
        return [outcomes.get(target.key, untold) for target in targets]

    def _delete_one(self, target: Target) -> Outcome:
        request: DeleteObjectRequestTypeDef = {"Bucket": self._name, "Key": target.key}
        if target.version:
            request["IfMatch"] = target.version
        try:
            answer = self._client.delete_object(**request)
        except ClientError as error:
            return _outcome(target.key, code_of(error), said(error))
        except BotoCoreError as error:
            return _failed(translate(error, key=target.key, bucket=self._where))
        self._noted(answer["ResponseMetadata"])
        return Outcome(Result.DELETED)

    def _noted(self, metadata: Mapping[str, Any]) -> None:
        """Take a lesson from how often the SDK had to ask."""
        if metadata.get("RetryAttempts"):
            self.window.throttled()
        else:
            self.window.answered()


def _read(answer: "GetObjectOutputTypeDef", limit: int) -> bytes:
    """Read at most `limit` bytes of an answer, and close it.

    Raises:
        BotoCoreError: it is shorter than was announced, or nothing tells how long it should be.
    """
    body: StreamingBody = answer["Body"]
    parts = []
    # Not as its own context manager, which gives what lies below: that notices nothing of an answer cut off.
    with closing(body):
        if not {"content-length", "transfer-encoding"} & answer["ResponseMetadata"]["HTTPHeaders"].keys():
            # What was cut off among its headers looks like an answer without a body.
            raise ResponseStreamingError(error="the answer ended among its headers")
        try:
            while limit > 0 and (part := body.read(limit)):
                parts.append(part)
                limit -= len(part)
        except urllib3.exceptions.HTTPError as error:
            raise ResponseStreamingError(error=error) from error
    return b"".join(parts)


def _parsed(answer: "ListObjectsV2OutputTypeDef") -> _s3_listing.Page:
    """A page as the SDK's parser gives it."""
    found = answer.get("Contents", [])
    etags = [one.get("ETag", "") for one in found]
    objects = Objects(
        [one["Key"] for one in found],
        [one["Size"] for one in found],
        [round(one["LastModified"].timestamp() * 1_000_000) for one in found],
        [etag.strip('"') for etag in etags],
        etags,
        [one["Prefix"] for one in answer.get("CommonPrefixes", [])],
        answer["IsTruncated"],
    )
    return _s3_listing.Page(objects, answer.get("NextContinuationToken", ""))


def _identified(target: Target) -> "ObjectIdentifierTypeDef":
    return {"Key": target.key, "ETag": target.version} if target.version else {"Key": target.key}


def _outcome(key: str, code: str, message: str) -> Outcome:
    if code == "NoSuchKey":
        return Outcome(Result.ABSENT)
    if code in _CHANGED:
        return Outcome(Result.CHANGED, f"{key}: changed since it was listed")
    return Outcome(Result.FAILED, f"{key}: {short(message) or code}")


def _failed(error: StorageError) -> Outcome:
    if isinstance(error, NotFoundError):
        return Outcome(Result.ABSENT)
    return Outcome(Result.FAILED, error.message)


def _pause(attempt: int) -> float:
    """Seconds to wait before another try: longer each time, and never the same for all who wait."""
    return random.uniform(0, min(20.0, 0.1 * 2**attempt))  # noqa: S311 - no secret
