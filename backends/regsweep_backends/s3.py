"""The registry's tree in an S3 bucket, or in any store that speaks S3's protocol."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import urllib3
from botocore.exceptions import BotoCoreError, ClientError, ResponseStreamingError

from regsweep.errors import StorageError
from regsweep.storage.ports import UNRESTRICTED, Access, Outcome, Remark, Request, Result, Target, Unseen
from regsweep_backends import _s3_listing, _s3_unseen
from regsweep_backends._objects import ObjectStore, open_store, replaced
from regsweep_backends._pages import Objects
from regsweep_backends._parameters import Parameters
from regsweep_backends._s3_client import ATTEMPTS, PAGE, endpoint_of, make_client, make_session
from regsweep_backends._s3_deleting import delete_batch, delete_one
from regsweep_backends._s3_errors import CHANGED, NO_S3, code_of, translate
from regsweep_backends._s3_reading import Answer, Reader
from regsweep_backends._s3_remarks import remarks
from regsweep_backends._window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        ListObjectsV2OutputTypeDef,
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
    "ListObjectVersions": Request.LIST,
    "ListMultipartUploads": Request.LIST,
    "ListParts": Request.LIST,
    "PutObject": Request.WRITE,
    "DeleteObject": Request.DELETE,
    "DeleteObjects": Request.DELETE,
    "AbortMultipartUpload": Request.DELETE,
}
"""What is counted as a reading otherwise: `GetObject`, and what the SDK asks by itself."""


def connect(parameters: Mapping[str, object], access: Access) -> ObjectStore:
    """Open the store in the bucket that distribution's s3 driver would use.

    Raises:
        UsageError: a parameter makes no sense, there is no such bucket, or no registry's tree in it.
        StorageError: the bucket cannot be reached or listed.
    """
    bucket = S3Bucket(parameters, access)
    return open_store(bucket, bucket.root)


class S3Bucket:
    """A `Bucket` by boto3's botocore."""

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
        self._created: dict[tuple[str, str], str] = {}
        """The identifiers of the versions that were created here, by their objects' names and ETags."""
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
                    raise StorageError(f"{self._where}: does not list as S3 does", key=prefix, hint=NO_S3) from error
            yield page.objects
            if not page.objects.more:
                return
            if page.token in ("", wanted.get("ContinuationToken")):
                raise StorageError(f"{self._where}: does not say how its listing goes on", key=prefix)
            wanted["ContinuationToken"] = page.token

    def get(self, path: str, limit: int) -> tuple[bytes, str]:
        """See `Bucket.get`."""
        return self._got(path, limit, partial(self._reader.get, path))

    def get_more(self, path: str, version: str, start: int, limit: int) -> bytes:
        """See `Bucket.get_more`. What a store makes of conditions and ranges that it does not know, is looked at."""
        content, standing = self._got(path, limit, partial(self._reader.get_more, path, version, start, limit))
        if standing != version:
            raise replaced(path)
        return content

    def _got(self, path: str, limit: int, ask: Callable[[], Answer]) -> tuple[bytes, str]:
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = ask()
            except (ClientError, BotoCoreError) as error:
                if code_of(error) in CHANGED:
                    raise replaced(path) from error
                raise translate(error, key=path, bucket=self._where) from error
            except urllib3.exceptions.HTTPError as error:
                cut: BotoCoreError = ResponseStreamingError(error=error)
            else:
                try:
                    content = _read(answer, limit)
                except BotoCoreError as error:
                    cut = error
                else:
                    self.window.noted(answer.tries)
                    return content, answer.version
            # The SDK tries again only until the answer begins.
            if attempt == ATTEMPTS:
                raise translate(cut, key=path, bucket=self._where) from cut
            self.window.throttled()
            self.window.pause(attempt)

    def create(self, path: str, content: bytes) -> tuple[str, bool] | None:
        """See `Bucket.create`."""
        try:
            created, identifier = self._put(path, content, "*")
        except ClientError as error:
            if code_of(error) in CHANGED:
                return None
            if code_of(error) != "NotImplemented":
                raise translate(error, key=path, bucket=self._where) from error
        except BotoCoreError as error:
            raise translate(error, key=path, bucket=self._where) from error
        else:
            sure = self._honours(path, content)
            if sure and identifier not in ("", "null"):
                self._created[path, created] = identifier
            return created, sure
        try:
            return self._put(path, content)[0], False
        except (ClientError, BotoCoreError) as error:
            raise translate(error, key=path, bucket=self._where) from error

    def _honours(self, path: str, content: bytes) -> bool:
        """Whether the store heeds a condition that does not hold; if not, it wrote the same once more."""
        try:
            self._put(path, content, "*")
        except ClientError as error:
            return code_of(error) in CHANGED
        except BotoCoreError:
            return False
        return False

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """See `Bucket.delete`. Of what was created here no version is left, if this user may delete versions."""
        if len(targets) == 1 and (identifier := self._created.get((targets[0].key, targets[0].version))):
            (outcome,) = self._delete([replace(targets[0], version=_s3_unseen.VERSION + identifier)])
            if outcome.result is not Result.FAILED:
                return iter([outcome])
        return self._delete(targets)

    def _delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        if self._batches and not any(target.version.startswith(_s3_unseen.UPLOAD) for target in targets):
            outcomes = delete_batch(self._client, self._name, targets, self.window)
            if outcomes is not None:
                return iter(outcomes)
            self._batches = False
        return self.window.each(partial(delete_one, self._client, self._name, self.window), targets)

    def remarks(self, prefix: str) -> Iterator[Remark]:
        """See `Bucket.remarks`."""
        return remarks(self._client, self._name, prefix, lambda: self._status)

    def unfinished(self, prefix: str) -> Iterator[Unseen]:
        """See `Bucket.unfinished`."""
        return _s3_unseen.unfinished(self._client, self._name, prefix, self.window)

    def keeps_versions(self) -> bool:
        """See `Bucket.keeps_versions`."""
        # Where they are suspended there may be some from before.
        return self._versioning in ("Enabled", "Suspended")

    def versions(self, prefix: str) -> Iterator[Unseen]:
        """See `Bucket.versions`."""
        return _s3_unseen.versions(self._client, self._name, prefix, suspended=self._versioning == "Suspended")

    def close(self) -> None:
        """See `Bucket.close`."""
        if "_reader" in vars(self):
            self._reader.close()
            del self._reader

    @cached_property
    def _status(self) -> str:
        return _s3_unseen.versioning(self._client, self._name)

    @property
    def _versioning(self) -> str:
        try:
            return self._status
        except (ClientError, BotoCoreError) as error:
            raise translate(error, key="", bucket=self._where) from error

    @property
    def _client(self) -> "S3Client":
        return self._reader.client

    @cached_property
    def _reader(self) -> Reader:
        # Made when first used: each process has its own.
        try:
            session = make_session(self._parameters)
            client = make_client(session, self._parameters, self._endpoint, concurrency=self.window.most)
        except BotoCoreError as error:
            raise translate(error, key="", bucket=self._where) from error
        return Reader(client, session.get_credentials(), self._name, self._sending)

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
            raise StorageError(f"{self._where}: does not list as S3 does", key=prefix, hint=NO_S3) from error
        self.window.noted(answer["ResponseMetadata"].get("RetryAttempts", 0))
        return answer

    def _put(self, path: str, content: bytes, condition: str = "") -> tuple[str, str]:
        """Write an object; give its ETag, and the identifier of its version where the bucket keeps versions."""
        request: PutObjectRequestTypeDef = {"Bucket": self._name, "Key": path, "Body": content}
        if condition:
            request["IfNoneMatch"] = condition
        if self._parameters.flag("encrypt"):
            key = self._parameters.text("keyid")
            request["ServerSideEncryption"] = "aws:kms" if key else "AES256"
            if key:
                request["SSEKMSKeyId"] = key
        answer = self._client.put_object(**request)
        return answer["ETag"], answer.get("VersionId", "")


def _read(answer: Answer, limit: int) -> bytes:
    """Read at most `limit` bytes of an answer, and close it.

    Raises:
        BotoCoreError: it is shorter than was announced, or nothing tells how long it should be.
    """
    parts = []
    # Not as its own context manager, which gives what lies below: that notices nothing of an answer cut off.
    with closing(answer.body):
        if not answer.known:
            # What was cut off among its headers looks like an answer without a body.
            raise ResponseStreamingError(error="the answer ended among its headers")
        try:
            while limit > 0 and (part := answer.body.read(limit)):
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
