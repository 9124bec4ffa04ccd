"""The maker of a store in Google Cloud Storage, seen through the SDK's own blobs."""

from typing import Final
from uuid import uuid4

import pytest
from google.cloud.exceptions import NotFound

from regsweep_backends._objects import ObjectStore
from regsweep_backends.gcs import GcsBucket
from tests.conformance.listing import Fact
from tests.conformance.objects import ObjectMaker, microseconds
from tests.servers.gcs import Server
from tests.trees import BASE

_ROOT: Final = "reg/prod/"


class GcsRaw:
    """A `Raw` bucket of a Cloud Storage server."""

    def __init__(self, server: Server, name: str) -> None:
        self._client = server.client()
        self._bucket = self._client.create_bucket(name)

    def put(self, path: str, content: bytes) -> None:
        """See `Raw.put`."""
        self._bucket.blob(path).upload_from_string(content, content_type="application/octet-stream")

    def get(self, path: str) -> bytes | None:
        """See `Raw.get`."""
        try:
            content: bytes = self._bucket.blob(path).download_as_bytes()
        except NotFound:
            return None
        return content

    def remove(self, path: str) -> None:
        """See `Raw.remove`."""
        self._bucket.delete_blob(path)

    def facts(self, prefix: str) -> dict[str, Fact]:
        """See `Raw.facts`."""
        return {
            blob.name: Fact(blob.size, microseconds(blob.time_created))
            for blob in self._bucket.list_blobs(prefix=prefix)
        }

    def close(self) -> None:
        """See `Raw.close`."""
        self._client.close()


def gcs_maker(server: Server, environment: pytest.MonkeyPatch) -> ObjectMaker:
    """A bucket on a running server, which the adapter finds as a user would tell it: by the environment.

    Each has a bucket of its own, for fake-gcs-server takes the longer to write an object the more its bucket holds.
    """
    environment.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
    name = f"registry-{uuid4().hex}"
    return ObjectMaker(
        GcsRaw(server, name),
        _ROOT,
        # Not by `connect`: an object store cannot hold an empty tree, and some tests begin with one.
        lambda: ObjectStore(GcsBucket({"bucket": name, "rootdirectory": f"/{_ROOT}"}), f"{_ROOT}{BASE}/"),
        enforces_versions=False,
        tells_absent=True,
    )
