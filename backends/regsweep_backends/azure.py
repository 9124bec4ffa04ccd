"""The registry's tree in a container of Azure Blob Storage."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import quote, urlencode

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, IncompleteReadError

from regsweep.errors import DeniedError, MalformedError, NotFoundError, StorageError, UsageError
from regsweep.storage.ports import UNRESTRICTED, Access, Outcome, Remark, Request, Result, Target
from regsweep_backends import _azure_listing
from regsweep_backends._azure_account import Account
from regsweep_backends._azure_answers import GOOD, Abridged, Part, parts_of
from regsweep_backends._azure_errors import (
    SDK_ERRORS,
    ChangedError,
    ExistsError,
    RejectedError,
    passes,
    throttles,
    transient,
    translate,
)
from regsweep_backends._objects import NoBucketError, ObjectStore, find_base, no_registry
from regsweep_backends._pages import Objects
from regsweep_backends._parameters import Parameters
from regsweep_backends._window import Window

if TYPE_CHECKING:
    from azure.core.paging import PageIterator
    from azure.core.pipeline import PipelineResponse
    from azure.storage.blob import ContainerClient

_PAGE: Final = 5000
"""Blobs that one part of a listing has at most."""
_REQUEST: Final = 256
"""Blobs that one batch request deletes at most."""
_CALL: Final = 4 * _REQUEST
"""Blobs that one call deletes at most: requests beside each other, for the service takes its time over each."""
_ATTEMPTS: Final = 6
_PUBLIC: Final = ("realm", "serviceurl", "skipverify")
"""The parameters that a URL repeats beside the account: what is needed to find the container again, and no secret."""
_EMPTY: Final = 416

Answer = TypeVar("Answer")


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
    deletions_in_request = _REQUEST

    def __init__(self, values: Mapping[str, object], access: Access = UNRESTRICTED) -> None:
        self._values = dict(values)
        self._access = access
        parameters = Parameters("azure", values)
        self._name = parameters.needed("container", "write az://container/root, or set storage.azure.container")
        self._account = Account(parameters)
        root = parameters.text("rootdirectory").strip("/")
        legacy = _legacy(parameters)
        below = f"{root}/" if root else ""
        self.roots = [prefix + below for prefix, asked in (("", False), ("/", True)) if legacy in (asked, None)]
        self._where = f"az://{self._name}"
        public = {"accountname": self._account.name} | {name: parameters.text(name) for name in _PUBLIC}
        if legacy is not None:
            public["legacyrootprefix"] = str(legacy).lower()
        query = urlencode({name: value for name, value in public.items() if value}, safe=":/")
        self.url = f"{self._where}/{quote(root)}".rstrip("/") + (f"?{query}" if query else "")
        self._batches = True
        self.window = Window(access.concurrency, access.rate)

    def __reduce__(self) -> tuple[object, ...]:
        return AzureBucket, (self._values, self._access)

    def listing(self, prefix: str, *, folders: bool = False) -> Iterator[Objects]:
        """See `Bucket.listing`. Neither snapshots nor earlier versions nor deleted blobs are objects."""
        marker = ""
        while True:
            before = marker
            objects, marker = self._asked(partial(self._page, prefix, marker, folders=folders), prefix, Request.LIST)
            yield objects
            if not marker:
                return
            if marker == before:
                raise StorageError(f"{self._where}: does not say how its listing goes on", key=prefix)

    def get(self, path: str, limit: int) -> tuple[bytes, str]:
        """See `Bucket.get`."""
        return self._asked(partial(self._read, path, limit), path, Request.READ)

    def create(self, path: str, content: bytes) -> tuple[str, bool] | None:
        """See `Bucket.create`. The service always makes sure."""
        attempts = 0

        def put() -> str:
            nonlocal attempts
            attempts += 1
            return str(self._client.get_blob_client(path).upload_blob(content, overwrite=False)["etag"])

        try:
            return self._asked(put, path, Request.WRITE), True
        except ExistsError:
            if attempts == 1:
                return None
        # An attempt that was never answered may have been the one that succeeded.
        try:
            standing, version = self.get(path, len(content) + 1)
        except NotFoundError:
            return None
        return (version, True) if standing == content else None

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """See `Bucket.delete`."""
        if not self._batches:
            yield from self.window.each(self._delete_one, targets)
            return
        parts = [targets[at : at + _REQUEST] for at in range(0, len(targets), _REQUEST)]
        for part, errors in zip(parts, self.window.each(self._delete_batch, parts), strict=True):
            if errors is None:
                self._batches = False
                yield from self.window.each(self._delete_one, part)
            else:
                yield from self.window.each(self._outcome, errors)

    def remarks(self, prefix: str) -> Iterator[Remark]:  # noqa: ARG002 - what is asked is the account's and the container's
        """See `Bucket.remarks`."""
        try:
            kept = self._asked(self._account_properties, "", Request.READ)["delete_retention_policy"]
            own = self._asked(self._client.get_container_properties, "", Request.READ)
        except StorageError as error:
            yield Remark(code="untold", text=f"whether it keeps what is deleted cannot be told: {error.message}")
            return
        if kept.enabled:
            yield Remark(
                code="soft-delete",
                text=f"the account keeps what is deleted for {kept.days} days; its bytes are paid for until then",
            )
        if own.has_immutability_policy or own.has_legal_hold:
            yield Remark(
                code="object-lock",
                text="the container has an immutability policy or a legal hold: what it covers cannot be deleted",
            )

    def _account_properties(self) -> dict[str, Any]:
        with self._client._get_blob_service_client() as service:  # noqa: SLF001 - of the same credentials
            return service.get_service_properties()

    def close(self) -> None:
        """See `Bucket.close`."""
        if "_client" in vars(self):
            self._client.close()
            del self._client

    @cached_property
    def _client(self) -> "ContainerClient":
        # Made when first used: each process has its own. Threads that list and threads that read share its connections.
        return self._account.client(self._name, 2 * self.window.most)

    def _asked(self, work: Callable[[], Answer], key: str, kind: Request) -> Answer:
        """Do what makes one request, again and again while the service or the network is in trouble.

        Raises:
            StorageError: it did not succeed.
        """
        attempt = 0
        while True:
            attempt += 1
            self.window.sent(kind)
            try:
                answer = work()
            except SDK_ERRORS as error:
                throttled = throttles(error)
                if throttled:
                    self.window.throttled()
                if attempt == _ATTEMPTS or not passes(error):
                    raise translate(error, key=key, container=self._where) from error
                time.sleep(_pause(attempt, throttled=throttled))
            else:
                self.window.answered()
                return answer

    def _page(self, prefix: str, marker: str, *, folders: bool) -> tuple[Objects, str]:
        """One part of a listing, and where the next begins, if there is one."""
        taken: list[Objects] = []

        def take(response: "PipelineResponse[Any, Any]") -> None:
            """Read the answer, and leave to the SDK what remains of it."""
            if response.http_response.status_code not in GOOD:
                return
            try:
                objects, rest = _azure_listing.parse(response.http_response.body())
            except MalformedError as error:
                raise StorageError(f"{self._where}: cannot be listed: {error.detail}", key=prefix) from error
            taken.append(objects)
            response.http_response = Abridged(response.http_response, rest)

        ask = self._client.walk_blobs if folders else self._client.list_blobs
        found = ask(name_starts_with=prefix or None, results_per_page=_PAGE, raw_response_hook=take)
        pages = cast("PageIterator[object]", found.by_page(marker or None))
        next(pages)
        marker = pages.continuation_token or ""
        return taken[-1]._replace(more=bool(marker)), marker

    def _read(self, path: str, limit: int) -> tuple[bytes, str]:
        answers: list[PipelineResponse[Any, Any]] = []
        try:
            body = self._client.download_blob(path, offset=0, length=limit, raw_response_hook=answers.append)
            content = body.read(limit)
        except HttpResponseError as error:
            if error.status_code != _EMPTY:
                raise
            # Of nothing there is no part, so there should be nothing.
            self.window.sent(Request.READ)
            empty = self._client.get_blob_client(path).get_blob_properties()
            if empty.size:
                raise IncompleteReadError("it changed while it was read") from error
            return b"", empty.etag
        finally:
            # The SDK leaves some open: those that it refuses, and those of which it reads nothing.
            for answer in answers:
                answer.http_response.internal_response.close()
        if len(content) != min(limit, body.size):
            raise IncompleteReadError(f"{len(content)} bytes of {body.size}")
        return content, body.properties.etag

    def _delete_one(self, target: Target) -> Outcome:
        condition: Any = (
            {"etag": target.version, "match_condition": MatchConditions.IfNotModified} if target.version else {}
        )
        try:
            self._asked(partial(self._client.delete_blob, target.key, **condition), target.key, Request.DELETE)
        except StorageError as error:
            return self._outcome(error)
        return Outcome(Result.DELETED)

    def _outcome(self, error: StorageError | None) -> Outcome:
        """The outcome of a deletion."""
        if isinstance(error, ChangedError):
            # What is gone is not of the version asked for either.
            try:
                self.get(error.key, 1)
            except StorageError as found:
                error = found
        match error:
            case None:
                return Outcome(Result.DELETED)
            case NotFoundError():
                return Outcome(Result.ABSENT)
            case ChangedError():
                return Outcome(Result.CHANGED, error.message)
            case _:
                return Outcome(Result.FAILED, error.message)

    def _delete_batch(self, targets: Sequence[Target]) -> list[StorageError | None] | None:
        """Delete by one request; `None` where the service does not do so, or not understandably."""
        errors: dict[str, StorageError | None] = {}
        left = targets
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                parts = self._asked(partial(self._send_batch, left), "", Request.DELETE)
            except StorageError as error:
                errors |= dict.fromkeys((target.key for target in left), error)
                break
            if parts is None:
                return None
            answered = list(zip(left, parts, strict=True))
            errors |= {target.key: part.error(target.key, self._where) for target, part in answered}
            left = [target for target, part in answered if transient(part.status)]
            if not left:
                break
            self.window.throttled()
            if attempt < _ATTEMPTS:
                time.sleep(_pause(attempt, throttled=True))
        # Where not one answer is about a blob, it is the request that is not liked.
        if all(isinstance(error, RejectedError | DeniedError | NoBucketError) for error in errors.values()):
            return None
        return [errors[target.key] for target in targets]

    def _send_batch(self, targets: Sequence[Target]) -> list[Part] | None:
        """The answers to one batch request, in the order of the targets; `None` if that cannot be told."""
        bodies: list[bytes] = []
        try:
            answers = self._client.delete_blobs(
                *({"name": target.key, "etag": target.version or None} for target in targets),
                raise_on_any_failure=False,
                raw_response_hook=lambda response: bodies.append(response.http_response.body()),
            )
            return parts_of(answers, bodies[-1], len(targets))
        except ValueError:
            return None


def _legacy(parameters: Parameters) -> bool | None:
    """Whether keys begin with a slash, if the user says so in either of GitLab's two ways."""
    legacy, trimmed = parameters.flag("legacyrootprefix"), parameters.flag("trimlegacyrootprefix")
    return not trimmed if legacy is None and trimmed is not None else legacy


def _pause(attempt: int, *, throttled: bool) -> float:
    """Seconds to wait before another try: longer each time, and never the same for all who wait."""
    return random.uniform(0, min(20.0, (0.5 if throttled else 0.1) * 2**attempt))  # noqa: S311 - no secret
