"""By the command, on buckets that keep versions: with --uploads and --versions nothing is left of what goes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from fixtures.images import image
from fixtures.registry import write_config
from regsweep.registry.layout import LOCK
from tests.command import Finished, regsweep
from tests.real.pushed import NOTHING_IS_YOUNG
from tests.servers import s3
from tests.trees import BASE, Tree, blob_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET: Final = "keeps-versions"
"""A name of its own: what one process runs of moto shares its buckets."""
RULES: Final = ("-m", *NOTHING_IS_YOUNG, "--no-cache", "-q")
UPLOAD: Final = f"{BASE}/repositories/a/_uploads/5e7a1c7e/data"

Start = Callable[[Path], AbstractContextManager[s3.Server]]


def quick(_folder: Path) -> AbstractContextManager[s3.Server]:
    return s3.moto()


@pytest.fixture(params=[quick, s3.seaweedfs], ids=["moto", "seaweedfs"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[s3.Server]:
    start: Start = request.param
    with start(tmp_path / "server") as running:
        yield running


def left(client: "S3Client") -> dict[str, list[bool]]:
    """Of each key there ever was, but for the lock, every version and marker: whether it is the current one."""
    found: dict[str, list[bool]] = {}
    for page in client.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
        for one in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
            found.setdefault(one["Key"].removeprefix(f"{BASE}/"), []).append(one["IsLatest"])
    return {key: latest for key, latest in found.items() if key != LOCK}


@pytest.fixture
def client(server: s3.Server) -> "Iterator[S3Client]":
    made = server.client()
    yield made
    made.close()


def test_nothing_is_left_of_what_goes_and_no_link_comes_back(
    server: s3.Server, client: "S3Client", tmp_path: Path
) -> None:
    tree = Tree(tmp_path / "tree")
    tree.push(image(b"shared", b"kept"), "a", "v1")
    tree.push(image(b"shared", b"gone"), "a")
    tree.tag("b", "dangling", tree.blob(b"no manifest"))
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for key in sorted(tree.keys()) * 2:
        client.put_object(Bucket=BUCKET, Key=f"{BASE}/{key}", Body=(tree.base / key).read_bytes())
    went = blob_key(f"sha256:{'0' * 64}")
    client.put_object(Bucket=BUCKET, Key=f"{BASE}/{went}", Body=b"went before")
    client.delete_object(Bucket=BUCKET, Key=f"{BASE}/{went}")
    client.create_multipart_upload(Bucket=BUCKET, Key=UPLOAD)
    config = write_config(tmp_path / "config.yml", {"s3": server.parameters(BUCKET)})

    def run(*arguments: str) -> Finished:
        return regsweep(*arguments, cwd=tmp_path)

    planned = run("plan", "--config", str(config), *RULES, "--uploads", "--versions", "-o", "the.plan")
    assert (planned.code, planned.err) == (0, "")
    done = run("apply", "the.plan", "--config", str(config), "--registry-stopped", "-q")
    assert (done.code, done.err) == (0, "")

    images = Tree(tmp_path / "kept")
    images.push(image(b"shared", b"kept"), "a", "v1")
    assert {key: sorted(latest) for key, latest in left(client).items()} == {
        key: [False, True] for key in sorted(images.keys())
    }
    assert client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    again = run("plan", "--config", str(config), *RULES, "--uploads", "--versions")
    assert (again.code, again.err) == (0, "")
    assert "Nothing to delete" in again.out
