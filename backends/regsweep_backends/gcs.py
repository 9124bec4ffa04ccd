"""The registry's tree in a Google Cloud Storage bucket, by the service's JSON API."""

import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Literal
from urllib.parse import quote, urlencode
from uuid import uuid4

import msgspec

from regsweep.errors import NotFoundError, StorageError
from regsweep.storage.ports import UNRESTRICTED, Access, Outcome, Remark, Request, Result, Target
from regsweep_backends._gcs_errors import no_bucket, refused
from regsweep_backends._gcs_service import Answer, Service
from regsweep_backends._objects import ObjectStore, open_store
from regsweep_backends._pages import Objects
from regsweep_backends._parameters import Parameters

_BATCH: Final = 1000
"""Deletions between two looks for a stop request: about two seconds of them."""
_PAGE: Final = "1000"
"""Objects in one part of a listing: the most that the service gives."""
_FIELDS: Final = "kind,nextPageToken,prefixes,items(name,size,timeCreated,generation,md5Hash)"
_POLICIES: Final = "versioning,softDeletePolicy,retentionPolicy"
_GONE: Final = "No such object"
"""How the service's own 404 begins where it is the object that is not there."""
_NO_BUCKET: Final = "The specified bucket does not exist"
"""How it begins where it is the bucket."""


class _Item(msgspec.Struct, rename="camel", gc=False):
    name: str
    size: str
    time_created: Annotated[datetime, msgspec.Meta(tz=True)]
    generation: str
    md5_hash: str = ""


class _Listed(msgspec.Struct, rename="camel"):
    # It must be there: an answer of somebody else's that is any JSON at all is no empty bucket.
    kind: Literal["storage#objects"]
    items: list[_Item] = []
    prefixes: list[str] = []
    next_page_token: str = ""


class _Versioning(msgspec.Struct, frozen=True):
    enabled: bool = False


class _SoftDelete(msgspec.Struct, rename="camel", frozen=True):
    retention_duration_seconds: str = "0"


class _Policies(msgspec.Struct, rename="camel"):
    versioning: _Versioning = _Versioning()
    soft_delete_policy: _SoftDelete = _SoftDelete()
    retention_policy: dict[str, object] | None = None


class _Created(msgspec.Struct):
    generation: str


_decode_list: Final = msgspec.json.Decoder(_Listed).decode
_decode_policies: Final = msgspec.json.Decoder(_Policies).decode
_decode_created: Final = msgspec.json.Decoder(_Created).decode


def connect(parameters: Mapping[str, object], access: Access) -> ObjectStore:
    """Open the store in the bucket that distribution's gcs driver would use.

    Raises:
        UsageError: a parameter makes no sense, there is no such bucket, or no registry's tree in it.
        StorageError: the bucket cannot be reached or listed.
    """
    bucket = GcsBucket(parameters, access)
    return open_store(bucket, bucket.root)


class GcsBucket:
    """A `Bucket` of Google Cloud Storage.

    Objects are deleted one by one, many at once. The service also takes batches, of 100 at most, but each deletion in
    them counts against the same rate, which begins at 1,000 a second; its own tools use none, for they found little to
    gain. One by one, each deletion is tried again by itself, and none is in doubt because of another.
    """

    batch = _BATCH
    deletions_in_request = 1

    def __init__(self, values: Mapping[str, object], access: Access = UNRESTRICTED) -> None:
        self._values = dict(values)
        self._access = access
        parameters = Parameters("gcs", values)
        self._name = parameters.needed("bucket", "write gs://bucket/root, or set storage.gcs.bucket in config.yml")
        root = parameters.text("rootdirectory").strip("/")
        self.root = f"{root}/" if root else ""
        self._where = f"gs://{self._name}"
        keyfile = parameters.text("keyfile")
        # The path of the key is no secret, and is needed to find the bucket again.
        public = f"?{urlencode({'keyfile': keyfile}, safe='/')}" if keyfile else ""
        self.url = f"{self._where}/{root}".rstrip("/") + public
        self._about = f"/storage/v1/b/{quote(self._name, safe='')}"
        self._objects = f"{self._about}/o"
        self._service = Service(parameters, self._where, access)
        self.window = self._service.window

    def __reduce__(self) -> tuple[object, ...]:
        return GcsBucket, (self._values, self._access)

    def listing(self, prefix: str, *, folders: bool = False) -> Iterator[Objects]:
        """See `Bucket.listing`.

        An object's time is when it was created: every write makes a new one, while the time of its last update moves
        with its storage class too. An upload session that distribution left is an object as any other, at `data` below
        `_uploads`.
        """
        query = {"prefix": prefix, "maxResults": _PAGE, "fields": _FIELDS} | ({"delimiter": "/"} if folders else {})
        while True:
            objects, token = self._list(query, prefix)
            yield objects
            if not token:
                return
            query["pageToken"] = token

    def get(self, path: str, limit: int) -> tuple[bytes, str]:
        """See `Bucket.get`."""
        # As the registry reads it: what was stored compressed is given as it was before.
        headers = {"Accept-Encoding": "identity"}
        answer = self._service.ask(
            "GET", self._at(path), {"alt": "media"}, kind=Request.READ, key=path, headers=headers, limit=limit
        )
        if answer.status != HTTPStatus.OK:
            raise self._refused(answer, path)
        if not answer.generation:
            raise StorageError(f"{path}: the answer does not tell its generation", key=path)
        return answer.body, answer.generation

    def create(self, path: str, content: bytes) -> tuple[str, bool] | None:
        """See `Bucket.create`."""
        answer = self._insert(path, content)
        if answer.status == HTTPStatus.PRECONDITION_FAILED:
            # Where the answer to an earlier try was lost, the object may be the one that this try wrote.
            if not answer.repeated:
                return None
            standing, created = self.get(path, len(content) + 1)
            if standing != content:
                return None
        else:
            created = self._generation(answer, path)
        try:
            again = self._insert(path, content)
            if again.status == HTTPStatus.PRECONDITION_FAILED:
                return created, True
            return self._generation(again, path), False
        except StorageError:
            # It was created, and must not be left behind.
            return created, False

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """See `Bucket.delete`."""
        return self.window.each(self._delete_one, targets)

    def remarks(self, prefix: str) -> Iterator[Remark]:  # noqa: ARG002 - what is asked is the bucket's
        """See `Bucket.remarks`."""
        try:
            answer = self._service.ask("GET", self._about, {"fields": _POLICIES}, kind=Request.READ, key="")
            if answer.status != HTTPStatus.OK:
                raise refused(answer.status, answer.said, key="", bucket=self._where)
            found = _decode_policies(answer.body)
        except (StorageError, ValueError) as error:
            yield Remark(code="untold", text=f"whether it keeps what is deleted cannot be told: {error}")
            return
        if found.versioning.enabled:
            yield Remark(
                code="versions-kept",
                text="the bucket keeps versions: what is deleted stays as noncurrent versions until a lifecycle rule "
                "ends them; its bytes come free then",
            )
        if days := int(found.soft_delete_policy.retention_duration_seconds) // 86_400:
            yield Remark(
                code="soft-delete",
                text=f"the bucket keeps what is deleted for {days} days; its bytes are paid for until then",
            )
        if found.retention_policy:
            yield Remark(
                code="object-lock",
                text="the bucket has a retention policy: what is younger than it asks for cannot be deleted",
            )

    def close(self) -> None:
        """See `Bucket.close`."""
        self._service.close()

    def _list(self, query: Mapping[str, str], prefix: str) -> tuple[Objects, str]:
        """A part of a listing, and the token of the next; empty where there is none."""
        answer = self._service.ask("GET", self._objects, query, kind=Request.LIST, key=prefix)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise no_bucket(key=prefix, bucket=self._where)
        if answer.status != HTTPStatus.OK:
            raise refused(answer.status, answer.said, key=prefix, bucket=self._where)
        try:
            return _columns(_decode_list(answer.body))
        except ValueError as error:
            raise StorageError(f"{self._where}: its listing makes no sense: {error}", key=prefix) from error

    def _insert(self, path: str, content: bytes) -> Answer:
        """Create an object if there is none of this name; the answer may be that there is."""
        boundary = uuid4().hex
        about = json.dumps({"name": path, "contentType": "application/octet-stream"}).encode()
        parts = [(b"application/json", about), (b"application/octet-stream", content)]
        mark = b"--" + boundary.encode()
        body = b"".join(b"%b\r\nContent-Type: %b\r\n\r\n%b\r\n" % (mark, kind, part) for kind, part in parts)
        return self._service.ask(
            "POST",
            f"/upload{self._objects}",
            {"uploadType": "multipart", "ifGenerationMatch": "0", "fields": "generation"},
            kind=Request.WRITE,
            key=path,
            headers={"Content-Type": f"multipart/related; boundary={boundary}"},
            content=body + mark + b"--",
        )

    def _generation(self, answer: Answer, path: str) -> str:
        if answer.status != HTTPStatus.OK:
            # There is nothing yet that could not be found, but for the bucket.
            if answer.status == HTTPStatus.NOT_FOUND:
                raise no_bucket(key=path, bucket=self._where)
            raise refused(answer.status, answer.said, key=path, bucket=self._where)
        try:
            return _decode_created(answer.body).generation
        except ValueError as error:
            raise StorageError(f"{path}: the answer to writing it makes no sense: {error}", key=path) from error

    def _delete_one(self, target: Target) -> Outcome:
        key = target.key
        condition = {"ifGenerationMatch": target.version} if target.version else {}
        try:
            answer = self._service.ask("DELETE", self._at(key), condition, kind=Request.DELETE, key=key)
            if answer.status == HTTPStatus.PRECONDITION_FAILED:
                # What is not there is not of that generation either.
                answer = self._service.ask("GET", self._at(key), {"fields": "generation"}, kind=Request.READ, key=key)
                if answer.status == HTTPStatus.OK:
                    return Outcome(Result.CHANGED, f"{key}: changed since it was listed")
            if answer.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
                raise self._refused(answer, key)
        except NotFoundError:
            return Outcome(Result.ABSENT)
        except StorageError as error:
            return Outcome(Result.FAILED, error.message)
        return Outcome(Result.DELETED)

    def _refused(self, answer: Answer, path: str) -> StorageError:
        """The error for an answer about one object; of a 404 that does not tell, it finds out what is not there."""
        if answer.status != HTTPStatus.NOT_FOUND:
            return refused(answer.status, answer.said, key=path, bucket=self._where)
        if answer.said.startswith(_NO_BUCKET):
            return no_bucket(key=path, bucket=self._where)
        if not answer.said.startswith(_GONE):
            self._list({"prefix": path, "maxResults": "1", "fields": _FIELDS}, path)
        return NotFoundError(f"{path}: not found", key=path)

    def _at(self, path: str) -> str:
        return f"{self._objects}/{quote(path, safe='')}"


def _columns(page: _Listed) -> tuple[Objects, str]:
    items = page.items
    objects = Objects(
        [item.name for item in items],
        [int(item.size) for item in items],
        [round(item.time_created.timestamp() * 1_000_000) for item in items],
        [_hex(item.md5_hash) for item in items],
        [item.generation for item in items],
        page.prefixes,
        more=bool(page.next_page_token),
    )
    return objects, page.next_page_token


def _hex(encoded: str) -> str:
    """A hash as hex digits, from base64; objects that were put together from others have none."""
    return binascii.a2b_base64(encoded).hex()
