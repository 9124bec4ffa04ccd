"""The same comparison on an object store: SeaweedFS, with and without a longer way to it."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

import urllib3

from fixtures.generate import Shape, generate
from regsweep.apply.journal import Journal
from regsweep.storage.ports import Target
from regsweep_backends._objects import ObjectStore
from regsweep_backends.s3 import S3Bucket
from tests.benchmarks.measure import in_turn, run, tell
from tests.command import REGSWEEP
from tests.servers import s3
from tests.servers.started import HOST
from tests.trees import BASE

_SHAPE: Final = Shape(repositories=10, tags=20)
_BUCKET: Final = "registry"
_KEYS: Final = 10_000
_FASTER, _FASTER_FAR_AWAY, _FEWER_REQUESTS = 6, 50, 8
_LONGER_THAN_LISTING: Final = 1.5
_MILLISECONDS: Final = 20


def against_the_peer(folder: Path) -> None:
    """Plan against the registry's own dry run, near and far away, and count the requests of both."""
    with s3.seaweedfs(folder / "near") as server:
        objects = _fill(server, folder / "tree")
        tell(f"s3: {objects:,} objects")
        plan, peer = _commands(folder, server.endpoint)
        commands = ([*plan, "--no-cache"], [*plan, "--cache", str(folder / "cache")], _sdk(server), peer)
        cold, warm, sdk, theirs = in_turn(*(partial(run, command, folder) for command in commands))
        tell(
            f"s3: plan {cold.median:.2f} s, registry {theirs.median:.2f} s: {theirs.median / cold.median:.1f} times "
            f"faster (wanted: {_FASTER}); with a warm cache {warm.median:.2f} s, {theirs.median / warm.median:.1f} "
            f"times, {warm.median / sdk.median:.2f} times the SDK's listing alone (at most {_LONGER_THAN_LISTING})"
        )
        taken: list[float] = []
        requests: list[int] = []
        for command in (0, 1):
            with _far_away(server) as (endpoint, count):
                far = ([*_commands(folder, endpoint)[0], "--no-cache"], _commands(folder, endpoint)[1])
                taken.append(run(far[command], folder))
                requests.append(count())
        tell(
            f"s3: {_MILLISECONDS} ms a round trip: plan {taken[0]:.2f} s, registry {taken[1]:.1f} s: "
            f"{taken[1] / taken[0]:.0f} times faster (wanted: {_FASTER_FAR_AWAY}); {requests[0]:,} requests and "
            f"{requests[1]:,}: {requests[1] / requests[0]:.1f} times fewer (wanted: {_FEWER_REQUESTS})"
        )


def listing(folder: Path) -> None:
    """Compare the processor's time that listing takes with the SDK's paginator's."""
    with s3.seaweedfs(folder / "listing") as server:
        client = server.client()
        client.create_bucket(Bucket=_BUCKET)
        store = _blobs(server)

        def paginate() -> float:
            begin = time.process_time()
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET)
            assert sum(len(page.get("Contents", [])) for page in pages) == _KEYS
            return time.process_time() - begin

        def pages() -> float:
            begin = time.process_time()
            assert sum(len(page.names) for page in store.pages("blobs/")) == _KEYS
            return time.process_time() - begin

        ours, theirs = in_turn(pages, paginate)
        million = 1_000_000 / _KEYS
        tell(
            f"s3 listing: a million keys take {ours.median * million:.1f} s of the processor, boto3's paginator "
            f"{theirs.median * million:.1f} s: {theirs.median / ours.median:.1f} times less (wanted: 10)"
        )


def deleting(folder: Path) -> None:
    """Compare deleting with the SDK's own call."""
    with s3.seaweedfs(folder / "deleting") as server:
        client = server.client()
        client.create_bucket(Bucket=_BUCKET)

        def ours() -> float:
            store = _blobs(server)
            targets = [
                Target(key=key, size=size, modified=modified, version=version)
                for page in store.pages("blobs/")
                for key, size, modified, version in zip(
                    (page.prefix + name + page.suffix for name in page.names),
                    page.sizes,
                    page.modified,
                    page.versions or [],
                    strict=True,
                )
            ]
            begin = time.perf_counter()
            with Journal(folder / f"{uuid4()}.journal", "a benchmark") as journal:
                journal.start()
                for start in range(0, _KEYS, store.batch):
                    batch = targets[start : start + store.batch]
                    journal.record(start, batch, list(store.delete(batch)))
                journal.finish()
            return time.perf_counter() - begin

        def theirs() -> float:
            _blobs(server)
            names = [f"{BASE}/{key}" for key in _names()]
            begin = time.perf_counter()
            for start in range(0, _KEYS, 1000):
                some = [{"Key": name} for name in names[start : start + 1000]]
                client.delete_objects(Bucket=_BUCKET, Delete={"Objects": some, "Quiet": True})  # type: ignore[typeddict-item]  # keys
            return time.perf_counter() - begin

        one, other = in_turn(ours, theirs)
        tell(
            f"s3 deleting: {_KEYS:,} objects {one.median:.2f} s, delete_objects alone {other.median:.2f} s: "
            f"{one.median / other.median:.2f} times (at most 1.3)"
        )


def _names() -> list[str]:
    digests = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(_KEYS)]
    return [f"blobs/sha256/00/{digest}/data" for digest in digests]


def _blobs(server: s3.Server) -> ObjectStore:
    """A store of blobs alone, of a byte each."""
    client = server.client()
    with ThreadPoolExecutor(8) as pool:
        put = partial(client.put_object, Bucket=_BUCKET, Body=b"x")
        list(pool.map(lambda name: put(Key=f"{BASE}/{name}"), _names()))
    return ObjectStore(S3Bucket(server.parameters(_BUCKET)), f"{BASE}/")


def _fill(server: s3.Server, tree: Path) -> int:
    generate(tree, _SHAPE)
    client = server.client()
    client.create_bucket(Bucket=_BUCKET)
    files = [path for path in tree.rglob("*") if path.is_file()]

    def put(path: Path) -> None:
        client.put_object(Bucket=_BUCKET, Key=path.relative_to(tree).as_posix(), Body=path.read_bytes())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, files))
    shutil.rmtree(tree)
    return len(files)


def _sdk(server: s3.Server) -> list[str]:
    """A program that lists the bucket by the SDK's paginator, and no more."""
    keys = {"aws_access_key_id": s3.ACCESS_KEY, "aws_secret_access_key": s3.SECRET_KEY, "region_name": s3.REGION}
    lines = (
        "import boto3",
        f"client = boto3.client('s3', endpoint_url={server.endpoint!r}, **{keys!r})",
        f"pages = client.get_paginator('list_objects_v2').paginate(Bucket={_BUCKET!r})",
        "assert sum(len(page['Contents']) for page in pages)",
    )
    return [sys.executable, "-c", "; ".join(lines)]


def _commands(folder: Path, endpoint: str) -> tuple[list[str], list[str]]:
    storage = s3.Server(endpoint).parameters(_BUCKET) | {"secure": False, "v4auth": True}
    config = folder / "config.yml"
    config.write_text(f"version: 0.1\nstorage: {{s3: {json.dumps(storage)}}}\n")
    return (
        [*REGSWEEP, "plan", "--quiet", "-o", str(folder / "the.plan"), "--config", str(config)],
        ["docker-registry", "garbage-collect", "--dry-run", str(config)],
    )


@contextmanager
def _far_away(server: s3.Server) -> Iterator[tuple[str, Callable[[], int]]]:
    port = server.endpoint.rpartition(":")[2]
    command = [sys.executable, "-m", "tests.servers.proxy", port, str(_MILLISECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            endpoint = f"http://{HOST}:{int(process.stdout.readline())}"
            yield endpoint, lambda: int(urllib3.request("GET", f"{endpoint}/count").data)
        finally:
            process.kill()
