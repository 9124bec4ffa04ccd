"""The registry's tree in a Google Cloud Storage bucket, by the service's JSON API."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode
from uuid import uuid4

import msgspec

from regsweep.errors import UNREADABLE, DeniedError, NotFoundError, StorageError
from regsweep.storage.ports import UNRESTRICTED, Access, Outcome, Remark, Request, Result, Target, Unseen
from regsweep_backends import _gcs_listing, _gcs_policies
from regsweep_backends._gcs_errors import no_bucket, refused
from regsweep_backends._gcs_listing import GENERATION, Generation, Listed
from regsweep_backends._gcs_service import Answer, Service
from regsweep_backends._objects import ObjectStore, failed, open_store, replaced
from regsweep_backends._pages import Objects
from regsweep_backends._parameters import Parameters

_BATCH: Final = 1000
"""Deletions between two looks for a stop request: about two seconds of them."""
_PAGE: Final = "1000"
"""Objects in one part of a listing: the most that the service gives."""
_GONE: Final = "No such object"
"""How the service's own 404 begins where it is the object that is not there."""
_BUCKET_ACCESS: Final = "the account needs storage.buckets.get on the bucket: the role Storage Legacy Bucket Reader"
_NOTHING: Final = (b"", b"{}", b"null")
"""What may come with the word that a deletion is done; the second and the third from an emulator."""
_NO_BUCKET: Final = "The specified bucket does not exist"
"""How it begins where it is the bucket."""


class _Created(msgspec.Struct):
    generation: Generation


class _Standing(msgspec.Struct):
    generation: Generation
    size: str


_decode_standing: Final = msgspec.json.Decoder(_Standing).decode
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
        query = {"prefix": prefix, "fields": _gcs_listing.FIELDS} | ({"delimiter": "/"} if folders else {})
        for page in self._pages(query):
            with self._sense(prefix):
                objects = _gcs_listing.objects_of(page)
            yield objects

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

    def get_more(self, path: str, version: str, start: int, limit: int) -> bytes:
        """See `Bucket.get_more`."""
        query = {"alt": "media", "ifGenerationMatch": version}
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{start + limit - 1}"}
        answer = self._service.ask(
            "GET", self._at(path), query, kind=Request.READ, key=path, headers=headers, limit=limit
        )
        if answer.status == HTTPStatus.PRECONDITION_FAILED:
            # What is not there is not of that generation either.
            self.get(path, 1)
            raise replaced(path)
        if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if self._standing(path) != _Standing(generation=version, size=str(start)):
                raise replaced(path)
            return b""
        if answer.status == HTTPStatus.OK:
            # Of what was stored compressed there are no parts; what does not know of parts gives all of it too.
            raise StorageError(f"{path}: cannot be read in parts", key=path)
        if answer.status != HTTPStatus.PARTIAL_CONTENT:
            raise self._refused(answer, path)
        if answer.generation != version:
            raise replaced(path)
        return answer.body

    def create(self, path: str, content: bytes) -> tuple[str, bool] | None:
        """See `Bucket.create`."""
        answer = self._insert(path, content)
        if answer.status == HTTPStatus.PRECONDITION_FAILED:
            return None
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
            found = list(self._policies.remarks())
        except (StorageError, ValueError) as error:
            yield Remark(code="untold", text=f"whether it keeps what is deleted cannot be told: {error}")
            return
        yield from found

    def unfinished(self, prefix: str) -> Iterator[Unseen]:  # noqa: ARG002 - whatever it is
        """See `Bucket.unfinished`. None are told.

        A registry uploads in resumable sessions. The service lists none of them: only who began one knows of it, and
        a week later it is over. Multipart uploads, which can be listed, are another API's, by which no registry writes.
        """
        return iter(())

    def keeps_versions(self) -> bool:
        """See `Bucket.keeps_versions`."""
        return self._policies.may_keep_versions

    def versions(self, prefix: str) -> Iterator[Unseen]:
        """See `Bucket.versions`. There are no markers: what was deleted has no live generation."""
        query = {"prefix": prefix, "versions": "true", "fields": _gcs_listing.GENERATION_FIELDS}
        for page in self._pages(query):
            with self._sense(prefix):
                found = _gcs_listing.generations_of(page)
            yield found

    def close(self) -> None:
        """See `Bucket.close`."""
        self._service.close()

    @cached_property
    def _policies(self) -> _gcs_policies.Policies:
        """The bucket's own words, asked for once.

        Raises:
            StorageError: it does not tell.
        """
        answer = self._service.ask("GET", self._about, {"fields": _gcs_policies.FIELDS}, kind=Request.READ, key="")
        if answer.status == HTTPStatus.NOT_FOUND:
            raise no_bucket(key="", bucket=self._where)
        if answer.status == HTTPStatus.FORBIDDEN:
            raise DeniedError(f"{self._where}: {answer.said}", key="", hint=_BUCKET_ACCESS)
        if answer.status != HTTPStatus.OK:
            raise refused(answer.status, answer.said, key="", bucket=self._where)
        try:
            return _gcs_policies.decode(answer.body)
        except UNREADABLE as error:
            raise StorageError(f"{self._where}: what it tells of itself makes no sense: {error}", key="") from error

    def _pages(self, query: Mapping[str, str]) -> Iterator[Listed]:
        """The parts of a listing, one after the other."""
        token = ""
        while True:
            page = self._page({**query, "maxResults": _PAGE} | ({"pageToken": token} if token else {}))
            yield page
            if not page.next_page_token:
                return
            token = page.next_page_token

    def _page(self, query: Mapping[str, str]) -> Listed:
        prefix = query["prefix"]
        answer = self._service.ask("GET", self._objects, query, kind=Request.LIST, key=prefix)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise no_bucket(key=prefix, bucket=self._where)
        if answer.status != HTTPStatus.OK:
            raise refused(answer.status, answer.said, key=prefix, bucket=self._where)
        with self._sense(prefix):
            return _gcs_listing.decode(answer.body)

    @contextmanager
    def _sense(self, prefix: str) -> Iterator[None]:
        try:
            yield
        except UNREADABLE as error:
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
        except UNREADABLE as error:
            raise StorageError(f"{path}: the answer to writing it makes no sense: {error}", key=path) from error

    def _delete_one(self, target: Target) -> Outcome:
        key = target.key
        if target.version.startswith(GENERATION):
            # Whoever names the generation deletes it for good, live or not, and nothing else.
            condition = {"generation": target.version.removeprefix(GENERATION)}
        else:
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
            if answer.body.strip() not in _NOTHING:
                return Outcome(Result.FAILED, f"{key}: the answer to deleting it makes no sense")
        except StorageError as error:
            return failed(error)
        return Outcome(Result.DELETED)

    def _standing(self, path: str) -> _Standing:
        query = {"fields": "generation,size"}
        answer = self._service.ask("GET", self._at(path), query, kind=Request.READ, key=path)
        if answer.status != HTTPStatus.OK:
            raise self._refused(answer, path)
        try:
            return _decode_standing(answer.body)
        except UNREADABLE as error:
            raise StorageError(f"{path}: what is told of it makes no sense: {error}", key=path) from error

    def _refused(self, answer: Answer, path: str) -> StorageError:
        """The error for an answer about one object; of a 404 that does not tell, it finds out what is not there."""
        if answer.status != HTTPStatus.NOT_FOUND:
            return refused(answer.status, answer.said, key=path, bucket=self._where)
        if answer.said.startswith(_NO_BUCKET):
            return no_bucket(key=path, bucket=self._where)
        if not answer.said.startswith(_GONE):
            self._page({"prefix": path, "maxResults": "1", "fields": _gcs_listing.FIELDS})
        return NotFoundError(f"{path}: not found", key=path)

    def _at(self, path: str) -> str:
        return f"{self._objects}/{quote(path, safe='')}"
