"""Makers of object stores: a root directory of its own for each test, seen through the provider's SDK alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from botocore.exceptions import ClientError

from regsweep_backends._objects import ObjectStore
from regsweep_backends.s3 import S3Bucket
from tests.conformance.listing import Fact
from tests.servers.s3 import Server, put_into_moto
from tests.trees import BASE, Tree


class Raw(Protocol):
    """A bucket by its SDK. Paths are whole object names."""

    def put(self, path: str, content: bytes) -> None:
        """Write an object."""
        ...

    def get(self, path: str) -> bytes | None:
        """Read an object; `None` if there is none."""
        ...

    def remove(self, path: str) -> None:
        """Remove an object."""
        ...

    def facts(self, prefix: str) -> dict[str, Fact]:
        """Every object below a prefix."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class ObjectMaker:
    """A `Maker` of objects below a root directory."""

    has_directories = False

    def __init__(  # noqa: PLR0913 - one for each way in which stores differ
        self,
        raw: Raw,
        root: str,
        connect: Callable[[], ObjectStore],
        *,
        enforces_versions: bool,
        tells_absent: bool,
        many: int = 1_050,
    ) -> None:
        self.many = many
        self.enforces_versions = enforces_versions
        self.tells_absent = tells_absent
        self._raw = raw
        self._root = root
        self._connect = connect
        self._opened: list[ObjectStore] = []

    def fill(self, tree: Tree) -> None:
        """See `Maker.fill`."""
        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(lambda key: self.put(key, (tree.base / key).read_bytes()), sorted(tree.keys())):
                pass

    def open(self) -> ObjectStore:
        """See `Maker.open`."""
        store = self._connect()
        self._opened.append(store)
        return store

    def close(self) -> None:
        """See `Maker.close`. The server ends with the tests, and its buckets with it."""
        for store in self._opened:
            store.close()
        self._raw.close()

    def facts(self) -> dict[str, Fact]:
        """See `Maker.facts`."""
        base = f"{self._root}{BASE}/"
        return {path.removeprefix(base): fact for path, fact in self._raw.facts(base).items()}

    def put(self, key: str, content: bytes) -> None:
        """See `Maker.put`."""
        self.put_at_root(f"{BASE}/{key}", content)

    def put_at_root(self, path: str, content: bytes) -> None:
        """See `Maker.put_at_root`."""
        self._raw.put(self._root + path, content)

    def get(self, key: str) -> bytes | None:
        """See `Maker.get`."""
        return self._raw.get(f"{self._root}{BASE}/{key}")

    def remove(self, key: str) -> None:
        """See `Maker.remove`."""
        self._raw.remove(f"{self._root}{BASE}/{key}")


class S3Raw:
    """A `Raw` bucket of an S3 server."""

    def __init__(self, server: Server, name: str) -> None:
        self.name = name
        self._client = server.client()
        with suppress(ClientError):
            self._client.create_bucket(Bucket=self.name)

    def put(self, path: str, content: bytes) -> None:
        """See `Raw.put`."""
        self._client.put_object(Bucket=self.name, Key=path, Body=content)

    def get(self, path: str) -> bytes | None:
        """See `Raw.get`."""
        try:
            return self._client.get_object(Bucket=self.name, Key=path)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None

    def remove(self, path: str) -> None:
        """See `Raw.remove`."""
        self._client.delete_object(Bucket=self.name, Key=path)

    def facts(self, prefix: str) -> dict[str, Fact]:
        """See `Raw.facts`."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return {
            one["Key"]: Fact(one["Size"], microseconds(one["LastModified"]))
            for page in pages
            for one in page.get("Contents", [])
        }

    def close(self) -> None:
        """See `Raw.close`."""
        self._client.close()


class MotoRaw(S3Raw):
    """As `S3Raw`, of a moto that runs in this process."""

    def put(self, path: str, content: bytes) -> None:
        """See `Raw.put`."""
        put_into_moto(self.name, path, content)


def microseconds(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return round(moment.timestamp() * 1_000_000)


def s3_maker(server: Server) -> ObjectMaker:
    """A root directory on a running server. It is one bucket for all, for SeaweedFS sets aside much for each."""
    return _s3_maker(server, S3Raw(server, "registries"))


def moto_maker(server: Server) -> ObjectMaker:
    """A root directory in a bucket of its own, for moto looks through all of a bucket to list a part of it."""
    return _s3_maker(server, MotoRaw(server, f"registry-{uuid4().hex}"))


def _s3_maker(server: Server, raw: S3Raw) -> ObjectMaker:
    root = f"reg/{uuid4().hex}/"
    return ObjectMaker(
        raw,
        root,
        # Not by `connect`: an object store cannot hold an empty tree, and some tests begin with one.
        lambda: ObjectStore(S3Bucket(server.parameters(raw.name, f"/{root}")), f"{root}{BASE}/"),
        enforces_versions=False,
        tells_absent=False,
    )
