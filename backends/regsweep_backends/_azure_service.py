"""Requests to a container of the blob service: tried again where that helps, and noted in the window."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from regsweep.errors import MalformedError, StorageError
from regsweep.storage.ports import Access, Request
from regsweep_backends._azure_account import Account
from regsweep_backends._azure_answers import GOOD, Abridged
from regsweep_backends._azure_errors import SDK_ERRORS, passes, throttles, translate
from regsweep_backends._window import Window

if TYPE_CHECKING:
    from azure.core.paging import PageIterator
    from azure.core.pipeline import PipelineResponse
    from azure.storage.blob import BlobProperties, ContainerClient

ATTEMPTS: Final = 6
_PAGE: Final = 5000
"""Blobs that one part of a listing has at most."""

Answer = TypeVar("Answer")


class Service:
    """The blob service as far as it is about one container."""

    def __init__(self, account: Account, container: str, access: Access) -> None:
        self.where = f"az://{container}"
        self.window = Window(access.concurrency, access.rate)
        self._account = account
        self._container = container

    @cached_property
    def client(self) -> "ContainerClient":
        """The SDK's client of the container."""
        # Made when first used: each process has its own. Threads that list and threads that read share its connections.
        return self._account.client(self._container, 2 * self.window.most)

    def asked(self, work: Callable[[], Answer], key: str, kind: Request) -> Answer:
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
                if attempt == ATTEMPTS or not passes(error):
                    raise translate(error, key=key, container=self.where) from error
                self.window.pause(attempt, throttled=throttled)
            else:
                self.window.answered()
                return answer

    def head(self, path: str) -> "BlobProperties":
        """Ask for what is known of a blob.

        Raises:
            NotFoundError: there is none.
            StorageError: it is not told.
        """
        return self.asked(self.client.get_blob_client(path).get_blob_properties, path, Request.READ)

    def listed(
        self,
        prefix: str,
        read: Callable[[bytes], tuple[Answer, bytes]],
        *,
        folders: bool = False,
        include: Sequence[str] = (),
    ) -> Iterator[tuple[Answer, bool]]:
        """List what begins with a prefix, part by part: what `read` finds in each, and whether there is another.

        Raises:
            StorageError: it cannot be listed.
        """
        marker = ""
        while True:
            before = marker
            page = partial(self._page, prefix, read, marker, folders=folders, include=include)
            part, marker = self.asked(page, prefix, Request.LIST)
            yield part, bool(marker)
            if not marker:
                return
            if marker == before:
                raise StorageError(f"{self.where}: does not say how its listing goes on", key=prefix)

    def close(self) -> None:
        """Close the connections; the next request opens others."""
        if "client" in vars(self):
            self.client.close()
            del self.client

    def _page(
        self,
        prefix: str,
        read: Callable[[bytes], tuple[Answer, bytes]],
        marker: str,
        *,
        folders: bool,
        include: Sequence[str],
    ) -> tuple[Answer, str]:
        """One part of a listing, and where the next begins, if there is one."""
        taken: list[Answer] = []

        def take(response: "PipelineResponse[Any, Any]") -> None:
            """Read the answer, and leave to the SDK what remains of it."""
            if response.http_response.status_code not in GOOD:
                return
            try:
                part, rest = read(response.http_response.body())
            except MalformedError as error:
                raise StorageError(f"{self.where}: cannot be listed: {error.detail}", key=prefix) from error
            taken.append(part)
            response.http_response = Abridged(response.http_response, rest)

        ask = self.client.walk_blobs if folders else self.client.list_blobs
        found = ask(
            name_starts_with=prefix or None,
            include=list(include) or None,
            results_per_page=_PAGE,
            raw_response_hook=take,
        )
        pages = cast("PageIterator[object]", found.by_page(marker or None))
        next(pages)
        return taken[-1], pages.continuation_token or ""
