"""The registry's tree in a container of Azure Blob Storage."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, IncompleteReadError
from requests.exceptions import RequestException

from regsweep.errors import UsageError
from regsweep.registry.layout import BASE
from regsweep.storage.ports import UNRESTRICTED, Access, Outcome, Remark, Request, Target, Unseen
from regsweep_backends import _azure_listing, _azure_unseen
from regsweep_backends._azure_account import Account
from regsweep_backends._azure_deleting import REQUEST, Deleter
from regsweep_backends._azure_errors import ChangedError, ExistsError
from regsweep_backends._azure_remarks import remarks
from regsweep_backends._azure_service import Service
from regsweep_backends._objects import ObjectStore, find_base, no_registry, replaced
from regsweep_backends._pages import Objects
from regsweep_backends._parameters import Parameters

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse

_CALL: Final = 4 * REQUEST
"""Blobs that one call deletes at most: requests beside each other, for the service takes its time over each."""


def connect(parameters: Mapping[str, object], access: Access) -> ObjectStore:
    """Open the store in the container that distribution's azure driver would use.

    Distribution 2.x begins each key with a slash, 3.x does not, and neither sees what the other wrote. Where a
    container holds a tree of both kinds, the user has to say which of them is meant: a guess could report on the
    wrong one. The words for that are those of GitLab's registry, which has both layouts.

    Raises:
        UsageError: a parameter makes no sense, there is no such container, or no registry's tree in it, or two.
        StorageError: the container cannot be reached or listed.
    """
    bucket = AzureBucket(parameters, access)
    bases = [base for root in bucket.roots if (base := find_base(bucket, root)) is not None]
    if not bases:
        raise no_registry(
            bucket, "give the rootdirectory of the registry's config.yml after the container; version 2 ignores it"
        )
    if len(bases) > 1:
        raise UsageError(
            f"{bucket.url}: holds two registries: keys of version 2, which begin with a slash, and keys of version 3",
            hint="add legacyrootprefix to the URL or config.yml: true for those with the slash, false for the others",
        )
    (base,) = bases
    if base.startswith("/"):
        bucket = AzureBucket({**parameters, "legacyrootprefix": True}, access)
    return ObjectStore(bucket, base)


class AzureBucket:
    """A `Bucket` by azure-storage-blob."""

    batch = _CALL
    deletions_in_request = REQUEST

    def __init__(self, values: Mapping[str, object], access: Access = UNRESTRICTED) -> None:
        self._values = dict(values)
        self._access = access
        parameters = Parameters("azure", values)
        name = parameters.needed("container", "write az://container/root, or set storage.azure.container")
        account = Account(parameters)
        self._service = Service(account, name, access)
        root = parameters.text("rootdirectory").strip("/")
        legacy = _legacy(parameters)
        below = f"{root}/" if root else ""
        self.roots = [prefix + below for prefix, asked in (("", False), ("/", True)) if legacy in (asked, None)]
        # What it takes to find the container again, and to tell it from any other, and no secret.
        public = {"accountname": account.name, "realm": account.realm, "serviceurl": account.service}
        public["skipverify"] = parameters.text("skipverify")
        if legacy is not None:
            public["legacyrootprefix"] = str(legacy).lower()
        query = urlencode({name: value for name, value in public.items() if value}, safe=":/")
        self.url = f"{self._service.where}/{quote(root)}".rstrip("/") + (f"?{query}" if query else "")
        self._deleter = Deleter(self._service)
        self._kept: bool | None = None
        self.window = self._service.window

    def __reduce__(self) -> tuple[object, ...]:
        return AzureBucket, (self._values, self._access)

    def listing(self, prefix: str, *, folders: bool = False) -> Iterator[Objects]:
        """See `Bucket.listing`. Neither snapshots nor earlier versions nor deleted blobs are objects."""
        for objects, more in self._service.listed(prefix, _azure_listing.parse, folders=folders):
            yield objects._replace(more=more)

    def get(self, path: str, limit: int) -> tuple[bytes, str]:
        """See `Bucket.get`."""
        return self._service.asked(partial(self._read, path, limit), path, Request.READ)

    def get_more(self, path: str, version: str, start: int, limit: int) -> bytes:
        """See `Bucket.get_more`."""
        try:
            return self._service.asked(partial(self._read, path, limit, start, version), path, Request.READ)[0]
        except ChangedError as error:
            # What is not there is not of that version either.
            self.get(path, 1)
            raise replaced(path) from error

    def create(self, path: str, content: bytes) -> tuple[str, bool] | None:
        """See `Bucket.create`. The service always makes sure."""

        def put() -> str:
            made = self._service.client.get_blob_client(path).upload_blob(content, overwrite=False)
            return _told(made["etag"])

        try:
            return self._service.asked(put, path, Request.WRITE), True
        except ExistsError:
            return None

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """See `Bucket.delete`."""
        return self._deleter.delete(targets)

    def remarks(self, prefix: str) -> Iterator[Remark]:  # noqa: ARG002 - what is asked is the account's and the container's
        """See `Bucket.remarks`."""
        return remarks(self._service, self.keeps_versions)

    def unfinished(self, prefix: str) -> Iterator[Unseen]:
        """See `Bucket.unfinished`."""
        # Each scan begins with this, so each asks anew whether versions are kept.
        self._kept = None
        self._kept = yield from _azure_unseen.unfinished(self._service, prefix)

    def keeps_versions(self) -> bool:
        """See `Bucket.keeps_versions`."""
        if self._kept is None:
            base = f"{self.roots[0]}{BASE}/"
            self._kept = _azure_unseen.keep_versions(self._service, [f"{base}blobs/", f"{base}repositories/"])
        return self._kept

    def versions(self, prefix: str) -> Iterator[Unseen]:
        """See `Bucket.versions`."""
        return _azure_unseen.versions(self._service, prefix)

    def close(self) -> None:
        """See `Bucket.close`."""
        self._service.close()

    def _read(self, path: str, limit: int, start: int = 0, version: str = "") -> tuple[bytes, str]:
        """Read from `start` on, of a version if one is given."""
        same: dict[str, Any] = {"etag": version, "match_condition": MatchConditions.IfNotModified} if version else {}
        answers: list[PipelineResponse[Any, Any]] = []

        def take(answer: "PipelineResponse[Any, Any]") -> None:
            answers.append(answer)
            if answer.http_response.status_code == HTTPStatus.PARTIAL_CONTENT:
                # At once: where the SDK reads a body it makes a request that broke off again by itself, unnoticed.
                try:
                    answer.http_response.internal_response.content  # noqa: B018 - it is kept there
                except RequestException as error:
                    raise IncompleteReadError(error, error=error) from error

        try:
            body = self._service.client.download_blob(path, offset=start, length=limit, raw_response_hook=take, **same)
            content = body.read(limit)
        except HttpResponseError as error:
            if error.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            # Of nothing there is no part, so there should be nothing.
            self.window.sent(Request.READ)
            empty = self._service.client.get_blob_client(path).get_blob_properties(**same)
            if empty.size != start:
                raise IncompleteReadError("it changed while it was read") from error
            return b"", _told(empty.etag)
        finally:
            # The SDK leaves some open: those that it refuses, and those of which it reads nothing.
            for answer in answers:
                answer.http_response.internal_response.close()
        if len(content) != min(limit, body.size):
            raise IncompleteReadError(f"{len(content)} bytes of {body.size}")
        return content, _told(body.properties.etag)


def _told(etag: str | None) -> str:
    """An ETag, without which nothing can be done on the condition that it is still the same."""
    if not etag:
        raise IncompleteReadError("no ETag")
    return etag


def _legacy(parameters: Parameters) -> bool | None:
    """Whether keys begin with a slash, if the user says so in either of GitLab's two ways."""
    legacy, trimmed = parameters.flag("legacyrootprefix"), parameters.flag("trimlegacyrootprefix")
    return not trimmed if legacy is None and trimmed is not None else legacy
