"""The maker of a store in Azure Blob Storage, seen through the SDK alone."""

from contextlib import suppress
from uuid import uuid4

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from regsweep_backends._objects import ObjectStore
from regsweep_backends.azure import AzureBucket
from tests.conformance.listing import Fact
from tests.conformance.objects import ObjectMaker, microseconds
from tests.servers.azurite import Server
from tests.trees import BASE


class AzureRaw:
    """A `Raw` container of a blob service."""

    name = "registries"

    def __init__(self, server: Server) -> None:
        self._client = server.client(self.name)
        with suppress(ResourceExistsError):
            self._client.create_container()

    def put(self, path: str, content: bytes) -> None:
        """See `Raw.put`."""
        self._client.upload_blob(path, content, overwrite=True)

    def get(self, path: str) -> bytes | None:
        """See `Raw.get`."""
        try:
            return self._client.download_blob(path).readall()
        except ResourceNotFoundError:
            return None

    def remove(self, path: str) -> None:
        """See `Raw.remove`."""
        self._client.delete_blob(path)

    def facts(self, prefix: str) -> dict[str, Fact]:
        """See `Raw.facts`."""
        return {
            blob.name: Fact(blob.size, microseconds(blob.last_modified))
            for blob in self._client.list_blobs(name_starts_with=prefix)
        }

    def close(self) -> None:
        """See `Raw.close`."""
        self._client.close()


def azure_maker(server: Server) -> ObjectMaker:
    """A root directory on a running server."""
    raw = AzureRaw(server)
    root = f"reg/{uuid4().hex}/"
    return ObjectMaker(
        raw,
        root,
        # Not by `connect`: an object store cannot hold an empty tree, and some tests begin with one.
        lambda: ObjectStore(AzureBucket(server.parameters(raw.name, f"/{root}")), f"{root}{BASE}/"),
        enforces_versions=True,
        tells_absent=True,
        # A part of Azurite's listings holds 5,000, which it takes minutes to write; tests/unit/test_azure.py has parts.
        many=200,
    )
