"""Versions and multipart uploads of S3: told by the adapter, and deleted by its own marks alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from regsweep.errors import DeniedError
from regsweep.storage.ports import Outcome, Request, Result, State, Target, Unseen
from regsweep_backends import _s3_unseen
from regsweep_backends.s3 import S3Bucket
from tests.servers import s3
from tests.unit.s3_scene import in_turn, set_apart, target
from tests.unit.s3_stub import Answer, error, stub

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = "reg/"
KEY = f"{ROOT}k"
UPLOAD_AGAIN = f"{ROOT}a b+%\u00e9"
"""A name that needs escaping on its way."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, s3.Server]]:
    with s3.moto() as quick, s3.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as real:
        yield {"moto": quick, "seaweedfs": real}


@pytest.fixture(params=["moto", "seaweedfs"])
def server(request: pytest.FixtureRequest, servers: dict[str, s3.Server]) -> s3.Server:
    return servers[request.param]


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_apart(monkeypatch, tmp_path)


@pytest.fixture
def client(server: s3.Server) -> "Iterator[S3Client]":
    made = server.client()
    yield made
    made.close()


@pytest.fixture
def bucket(server: s3.Server, client: "S3Client") -> Iterator[S3Bucket]:
    name = f"b{uuid4().hex}"
    client.create_bucket(Bucket=name)
    made = S3Bucket(server.parameters(name))
    yield made
    made.close()


def name_of(bucket: S3Bucket) -> str:
    return bucket.url.removeprefix("s3://").partition("?")[0]


def versioned(client: "S3Client", bucket: S3Bucket, status: str = "Enabled") -> str:
    """Make a bucket keep versions, or stop that; return its name."""
    name = name_of(bucket)
    assert status in ("Enabled", "Suspended")
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})  # type: ignore[typeddict-item]  # either
    return name


def begin(client: "S3Client", bucket: S3Bucket, key: str, *parts: bytes) -> str:
    """Begin a multipart upload that nobody will end; return its identifier."""
    name = name_of(bucket)
    upload = client.create_multipart_upload(Bucket=name, Key=key)["UploadId"]
    for number, part in enumerate(parts, start=1):
        client.upload_part(Bucket=name, Key=key, UploadId=upload, PartNumber=number, Body=part)
    return upload


def rows(found: Iterator[Unseen]) -> list[tuple[str, int, str, str]]:
    return [
        (key, size, version, state)
        for one in found
        for key, size, version, state in zip(
            one.keys, one.sizes, one.versions, list(map(str, one.states)) or [""] * len(one.keys), strict=True
        )
    ]


def marked(key: str, mark: str) -> Target:
    return Target(key=key, size=0, modified=0, version=mark)


# Uploads


def test_uploads_are_told_with_the_bytes_of_their_parts(client: "S3Client", bucket: S3Bucket) -> None:
    begin(client, bucket, "elsewhere", b"x")
    marks = {
        f"upload={begin(client, bucket, KEY, b'x' * 3, b'y' * 4)}": (KEY, 7),
        f"upload={begin(client, bucket, KEY)}": (KEY, 0),
        f"upload={begin(client, bucket, UPLOAD_AGAIN, b'z')}": (UPLOAD_AGAIN, 1),
    }
    assert {mark: (key, size) for key, size, mark, _ in rows(bucket.unfinished(ROOT))} == marks
    assert bucket.window.requests[Request.LIST] == 1 + len(marks)


def test_an_upload_is_aborted_by_its_mark_and_the_object_of_that_name_stays(
    client: "S3Client", bucket: S3Bucket
) -> None:
    client.put_object(Bucket=name_of(bucket), Key=KEY, Body=b"stays")
    first, second = (f"upload={begin(client, bucket, KEY, b'x')}" for _ in range(2))
    assert [one.result for one in bucket.delete([marked(KEY, first)])] == [Result.DELETED]
    assert [mark for _, _, mark, _ in rows(bucket.unfinished(ROOT))] == [second]
    assert bucket.get(KEY, 9)[0] == b"stays"


def test_an_upload_that_was_ended_meanwhile_is_absent() -> None:
    with stub(lambda _: error(404, "NoSuchUpload")) as running:
        bucket = S3Bucket(running.parameters())
        assert list(bucket.delete([marked("k", "upload=1")])) == [Outcome(Result.ABSENT)]
    assert running.asked[0].query == {"uploadId": ["1"]}


def test_an_upload_that_was_ended_while_its_parts_were_counted_is_not_told() -> None:
    listed = (
        b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>k</Key><UploadId>1</UploadId>"
        b"<Initiated>2024-01-01T00:00:00Z</Initiated></Upload></ListMultipartUploadsResult>"
    )
    with stub(in_turn(Answer(200, listed), error(404, "NoSuchUpload"))) as running:
        assert rows(S3Bucket(running.parameters()).unfinished("")) == []


def test_a_store_that_knows_no_multipart_uploads_has_none() -> None:
    with stub(lambda _: error(501, "NotImplemented")) as running:
        assert list(S3Bucket(running.parameters()).unfinished("")) == []


def test_who_may_not_list_uploads_is_told_so() -> None:
    with stub(lambda _: error(403, "AccessDenied")) as running, pytest.raises(DeniedError):
        list(S3Bucket(running.parameters()).unfinished(""))


# Versions


def test_a_bucket_that_never_kept_versions_has_none(bucket: S3Bucket) -> None:
    assert not bucket.keeps_versions()


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_a_bucket_may_hold_versions_from_before(status: str, client: "S3Client", bucket: S3Bucket) -> None:
    versioned(client, bucket, status)
    assert bucket.keeps_versions()


def test_a_store_that_knows_no_versions_keeps_none() -> None:
    with stub(lambda _: error(501, "NotImplemented")) as running:
        assert not S3Bucket(running.parameters()).keeps_versions()


def history(client: "S3Client", bucket: S3Bucket, key: str) -> list[str]:
    """Write an object twice, delete it, and write it again; return the marks of all that is left of it."""
    name = versioned(client, bucket)
    marks = [client.put_object(Bucket=name, Key=key, Body=b"x" * size)["VersionId"] for size in (1, 2)]
    marks.append(client.delete_object(Bucket=name, Key=key)["VersionId"])
    marks.append(client.put_object(Bucket=name, Key=key, Body=b"x" * 3)["VersionId"])
    return [f"version={mark}" for mark in marks]


def test_every_version_is_told_with_what_it_is(client: "S3Client", bucket: S3Bucket) -> None:
    first, second, marker, last = history(client, bucket, UPLOAD_AGAIN)
    client.put_object(Bucket=name_of(bucket), Key="elsewhere", Body=b"x")
    assert sorted(rows(bucket.versions(ROOT)), key=repr) == sorted(
        [
            (UPLOAD_AGAIN, 1, first, State.NONCURRENT),
            (UPLOAD_AGAIN, 2, second, State.NONCURRENT),
            (UPLOAD_AGAIN, 0, marker, State.MARKER),
            (UPLOAD_AGAIN, 3, last, State.CURRENT),
        ],
        key=repr,
    )


def test_the_time_of_a_current_version_is_that_of_the_listing(client: "S3Client", bucket: S3Bucket) -> None:
    history(client, bucket, KEY)
    (listed,) = bucket.listing(ROOT)
    told = [
        moment
        for one in bucket.versions(ROOT)
        for moment, state in zip(one.modified, one.states, strict=True)
        if state is State.CURRENT
    ]
    assert told == listed.modified


@pytest.mark.parametrize("batches", [True, False])
def test_versions_and_markers_go_for_good_and_nothing_else(
    batches: bool,  # noqa: FBT001 - as pytest passes it
    client: "S3Client",
    bucket: S3Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bucket, "_batches", batches)
    first, second, marker, last = history(client, bucket, KEY)
    outcomes = list(bucket.delete([marked(KEY, mark) for mark in (first, marker)]))
    assert outcomes == [Outcome(Result.DELETED)] * 2
    assert {mark for _, _, mark, _ in rows(bucket.versions(ROOT))} == {second, last}
    assert list(bucket.delete([marked(KEY, mark) for mark in (last, second)])) == [Outcome(Result.DELETED)] * 2
    assert rows(bucket.versions(ROOT)) == []


def test_a_key_without_a_mark_of_a_version_leaves_its_versions(client: "S3Client", bucket: S3Bucket) -> None:
    marks = history(client, bucket, KEY)
    (listed,) = bucket.listing(ROOT)
    assert list(bucket.delete([marked(KEY, listed.versions[0])])) == [Outcome(Result.DELETED)]
    assert set(marks) < {mark for _, _, mark, _ in rows(bucket.versions(ROOT))}


def test_of_each_version_of_one_key_there_is_an_outcome() -> None:
    answer = (
        b"<DeleteResult><Deleted><Key>k</Key><VersionId>1</VersionId></Deleted>"
        b"<Error><Key>k</Key><VersionId>2</VersionId><Code>AccessDenied</Code><Message>locked</Message></Error>"
        b"<Error><Key>k</Key><VersionId>3</VersionId><Code>NoSuchVersion</Code><Message>none</Message></Error>"
        b"<Deleted><Key>other</Key><VersionId>null</VersionId></Deleted></DeleteResult>"
    )
    with stub(lambda _: Answer(200, answer)) as running:
        bucket = S3Bucket(running.parameters())
        targets = [*(marked("k", f"version={number}") for number in (1, 2, 3)), target("other")]
        outcomes = list(bucket.delete(targets))
    assert [one.result for one in outcomes] == [Result.DELETED, Result.FAILED, Result.ABSENT, Result.DELETED]
    assert outcomes[1].error == "k: locked"


def test_who_may_not_list_versions_is_told_so() -> None:
    with stub(lambda _: error(403, "AccessDenied")) as running:
        bucket = S3Bucket(running.parameters())
        with pytest.raises(DeniedError):
            bucket.keeps_versions()
        with pytest.raises(DeniedError):
            list(bucket.versions(""))


def test_marks_cannot_be_taken_for_what_a_listing_gives() -> None:
    assert not (_s3_unseen.VERSION + _s3_unseen.UPLOAD).startswith(('"', "W/"))


@pytest.mark.parametrize(("status", "told"), [("Suspended", ["version=1"]), ("Enabled", ["version=1", "version=null"])])
def test_a_version_that_the_next_write_replaces_is_not_told(status: str, told: list[str]) -> None:
    asked = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>".encode()
    moment = "<LastModified>2024-01-01T00:00:00Z</LastModified>"
    listed = "".join(
        f"<Version><Key>k</Key><VersionId>{name}</VersionId><IsLatest>false</IsLatest>{moment}<Size>1</Size></Version>"
        for name in ("1", "null")
    )
    answer = f"<ListVersionsResult><IsTruncated>false</IsTruncated>{listed}</ListVersionsResult>".encode()
    with stub(in_turn(Answer(200, asked), Answer(200, answer))) as running:
        assert [mark for _, _, mark, _ in rows(S3Bucket(running.parameters()).versions(""))] == told


def test_an_upload_whose_parts_the_store_cannot_list_is_told_all_the_same() -> None:
    listed = (
        b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>k</Key><UploadId>1</UploadId>"
        b"<Initiated>2024-01-01T00:00:00Z</Initiated></Upload></ListMultipartUploadsResult>"
    )
    with stub(in_turn(Answer(200, listed), error(501, "NotImplemented"))) as running:
        assert [mark for _, _, mark, _ in rows(S3Bucket(running.parameters()).unfinished(""))] == ["upload=1"]
