"""Versions and multipart uploads of S3: told by the adapter, and deleted by its own marks alone."""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest

from regsweep.errors import DeniedError, StorageError
from regsweep.storage.ports import Outcome, Request, Result, State, Target, Unseen
from regsweep_backends import _s3_unseen
from regsweep_backends._objects import ObjectStore
from regsweep_backends.s3 import S3Bucket
from tests.servers import s3
from tests.unit.s3_scene import in_turn, set_apart, target
from tests.unit.s3_stub import Answer, error, stub
from tests.unit.s3_stub import Request as Asked

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


def test_a_bucket_is_asked_once_whether_it_keeps_versions() -> None:
    asked = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    with stub(lambda one: Answer(200, asked) if "versioning" in one.query else error(501, "NotImplemented")) as running:
        bucket = S3Bucket(running.parameters())
        assert [remark.code for remark in bucket.remarks("")] == ["versions-kept"]
        assert bucket.keeps_versions()
    assert ["versioning" in one.query for one in running.asked].count(True) == 1


@pytest.mark.parametrize("code", ["AccessDenied", "InternalError"])
def test_a_bucket_that_does_not_tell_whether_it_keeps_versions_is_told_of_and_stops_whoever_needs_to_know(
    code: str,
) -> None:
    with stub(lambda _: error(403, code)) as running:
        bucket = S3Bucket(running.parameters())
        assert {remark.code for remark in bucket.remarks("")} == {"untold"}
        with pytest.raises(StorageError, match=code):
            bucket.keeps_versions()


# Locks


def test_a_lock_leaves_no_version_behind_that_its_run_made(client: "S3Client", bucket: S3Bucket) -> None:
    name = versioned(client, bucket)
    store = ObjectStore(bucket, ROOT)
    for content in (b"first", b"second"):
        held = store.create_lock(content)
        assert held is not None
        assert store.remove_lock(held)
        assert store.read_lock() is None
    assert not {"Versions", "DeleteMarkers"} & client.list_object_versions(Bucket=name).keys()


def test_of_a_lock_that_another_run_replaced_the_version_that_stands_stays(
    client: "S3Client", bucket: S3Bucket
) -> None:
    name = versioned(client, bucket)
    store = ObjectStore(bucket, ROOT)
    mine = store.create_lock(b"the same")
    assert mine is not None
    client.put_object(Bucket=name, Key=f"{ROOT}regsweep.lock", Body=b"theirs")
    assert not store.remove_lock(mine)
    standing = store.read_lock()
    assert standing is not None
    assert standing.content == b"theirs"
    # The other's goes as it would have without us: only its own run knows its version.
    assert store.remove_lock(standing)
    assert store.read_lock() is None


class Versioned:
    """A store of one object that keeps versions, and what it was asked to delete."""

    def __init__(self, *, version: str = "1", deletes_versions: bool = True, heeds: bool = True) -> None:
        self.content = b""
        self.deleted: list[str] = []
        self._deletes_versions = deletes_versions
        self._heeds = heeds
        self._version = version

    def __call__(self, asked: Asked) -> Answer:
        if asked.method == "PUT":
            if self.content and self._heeds:
                return error(412, "PreconditionFailed")
            self.content = asked.body
            return Answer(200, b"", {"ETag": '"e"', "x-amz-version-id": self._version})
        if asked.method == "GET":
            return Answer(200, self.content, {"ETag": '"e"'}) if self.content else error(404, "NoSuchKey")
        named = re.findall(b"<VersionId>(.*?)</VersionId>", asked.body)
        self.deleted.append(named[0].decode() if named else "the key")
        if named and not self._deletes_versions:
            return Answer(
                200,
                b"<DeleteResult><Error><Key>regsweep.lock</Key><VersionId>1</VersionId><Code>AccessDenied</Code></Error>"
                b"</DeleteResult>",
            )
        self.content = b""
        version = b"<VersionId>1</VersionId>" if named else b""
        return Answer(200, b"<DeleteResult><Deleted><Key>regsweep.lock</Key>" + version + b"</Deleted></DeleteResult>")


@pytest.mark.parametrize(
    ("store", "deleted"),
    [
        (Versioned(), ["1"]),
        (Versioned(deletes_versions=False), ["1", "the key"]),
        (Versioned(version="null"), ["the key"]),
        (Versioned(version=""), ["the key"]),
        (Versioned(heeds=False), ["the key"]),
    ],
    ids=["all is well", "versions may not be deleted", "suspended", "none told", "the lock was written twice"],
)
def test_a_lock_goes_by_its_version_where_that_is_certain_and_else_by_its_key(
    store: Versioned, deleted: list[str]
) -> None:
    with stub(store) as running:
        locks = ObjectStore(S3Bucket(running.parameters()), "")
        held = locks.create_lock(b"mine")
        assert held is not None
        assert locks.remove_lock(held)
    assert store.deleted == deleted


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


# Answers that are not as they should be

Tell = Callable[[S3Bucket], Iterator[Unseen]]

MOMENT = "<LastModified>2024-01-01T00:00:00Z</LastModified>"
OBJECT = f"<Key>{KEY}</Key><VersionId>1</VersionId><IsLatest>true</IsLatest>{MOMENT}<Size>1</Size>"
GONE = f"<Key>{KEY}</Key><VersionId>2</VersionId><IsLatest>false</IsLatest>{MOMENT}"
BEGUN = f"<Key>{KEY}</Key><UploadId>1</UploadId><Initiated>2024-01-01T00:00:00Z</Initiated>"


def page(kind: str, content: str, more: str = "") -> Answer:
    """A page of a listing, and how it goes on where it does."""
    truncated = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}"
    return Answer(200, f"<{kind}>{truncated}{content}</{kind}>".encode())


def of_versions(content: str, more: str = "") -> Answer:
    return page("ListVersionsResult", content, more)


def of_uploads(content: str = f"<Upload>{BEGUN}</Upload>", more: str = "") -> Answer:
    return page("ListMultipartUploadsResult", content, more)


def of_parts(content: str, more: str = "") -> Answer:
    return page("ListPartsResult", content, more)


def without(field: str, content: str) -> str:
    left = re.sub(f"<{field}>.*?</{field}>", "", content)
    assert left != content
    return left


def emptied(field: str, content: str) -> str:
    left = re.sub(f"<{field}>.*?</{field}>", f"<{field}></{field}>", content)
    assert left != content
    return left


def failure(tell: Tell, answer: Callable[[Asked], Answer]) -> str:
    """What is said where what is told comes to no end; nothing of it may be taken for all."""
    with stub(answer) as running, pytest.raises(StorageError) as caught:
        list(islice(tell(S3Bucket(running.parameters())), 9))
    assert caught.value.message.isprintable()
    return caught.value.message


def versions(bucket: S3Bucket) -> Iterator[Unseen]:
    vars(bucket)["_status"] = "Enabled"
    return bucket.versions(ROOT)


def uploads(bucket: S3Bucket) -> Iterator[Unseen]:
    return bucket.unfinished(ROOT)


@pytest.mark.parametrize("field", ["Key", "VersionId", "IsLatest", "LastModified", "Size"])
def test_a_version_of_which_something_is_not_told_is_an_error(field: str) -> None:
    message = failure(versions, in_turn(of_versions(f"<Version>{without(field, OBJECT)}</Version>")))
    assert "s3://registries" in message
    assert field in message


@pytest.mark.parametrize("field", ["Key", "VersionId", "LastModified"])
def test_a_marker_of_which_something_is_not_told_is_an_error(field: str) -> None:
    message = failure(versions, in_turn(of_versions(f"<DeleteMarker>{without(field, GONE)}</DeleteMarker>")))
    assert "s3://registries" in message
    assert field in message


@pytest.mark.parametrize("field", ["Key", "UploadId", "Initiated"])
def test_an_upload_of_which_something_is_not_told_is_an_error(field: str) -> None:
    message = failure(uploads, in_turn(of_uploads(f"<Upload>{without(field, BEGUN)}</Upload>"), of_parts("")))
    assert "s3://registries" in message
    assert field in message


def test_a_part_without_its_size_is_an_error() -> None:
    message = failure(uploads, in_turn(of_uploads(), of_parts("<Part><PartNumber>1</PartNumber></Part>")))
    assert "s3://registries" in message
    assert "Size" in message


@pytest.mark.parametrize(
    ("tell", "answer"),
    [
        (versions, of_versions(f"<Version>{emptied('VersionId', OBJECT)}</Version>")),
        (versions, of_versions(f"<DeleteMarker>{emptied('VersionId', GONE)}</DeleteMarker>")),
        (uploads, of_uploads(f"<Upload>{emptied('UploadId', BEGUN)}</Upload>")),
    ],
)
def test_a_mark_that_would_name_the_key_itself_is_an_error(tell: Tell, answer: Answer) -> None:
    assert "Id" in failure(tell, in_turn(answer, of_parts("")))


@pytest.mark.parametrize(
    ("tell", "answers"),
    [
        (versions, [of_versions(f"<Version>{OBJECT.replace('<Size>1<', '<Size>many<')}</Version>")]),
        (versions, [of_versions(f"<Version>{OBJECT.replace('>2024-01-01T00:00:00Z<', '>then<')}</Version>")]),
        (uploads, [of_uploads(f"<Upload>{BEGUN.replace('>2024-01-01T00:00:00Z<', '>then<')}</Upload>")]),
        (uploads, [of_uploads(), of_parts("<Part><Size>many</Size></Part>")]),
    ],
)
def test_a_number_or_a_time_that_is_none_is_an_error(tell: Tell, answers: list[Answer]) -> None:
    assert "s3://registries" in failure(tell, in_turn(*answers))


@pytest.mark.parametrize(
    ("tell", "answers"),
    [
        (versions, [Answer(200, b"<ListVersionsResult/>")]),
        (versions, [Answer(200, b"<html><body>sign in here</body></html>")]),
        (uploads, [Answer(200, b"<ListMultipartUploadsResult/>")]),
        (uploads, [of_uploads(), Answer(200, b"<ListPartsResult/>")]),
    ],
)
def test_a_page_that_does_not_say_whether_it_is_the_last_is_an_error(tell: Tell, answers: list[Answer]) -> None:
    assert "IsTruncated" in failure(tell, in_turn(*answers))


ON: Final[dict[Tell, str]] = {
    versions: "<NextKeyMarker>a</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>",
    uploads: "<NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>",
}
PAGES: Final[dict[Tell, Callable[[str, str], Answer]]] = {versions: of_versions, uploads: of_uploads}
EITHER = pytest.mark.parametrize("tell", [versions, uploads])


@EITHER
def test_pages_are_asked_for_by_their_markers_to_the_last(tell: Tell) -> None:
    more = ["<NextKeyMarker>a</NextKeyMarker>", ON[tell], ON[tell].replace(">1<", ">2<"), ""]
    with stub(in_turn(*(PAGES[tell]("", one) for one in more))) as running:
        assert rows(tell(S3Bucket(running.parameters()))) == []
    markers = [{name: given for name, given in one.query.items() if "marker" in name} for one in running.asked]
    other = "version-id-marker" if tell is versions else "upload-id-marker"
    assert markers == [{}, {"key-marker": ["a"]}, *({"key-marker": ["a"], other: [at]} for at in "12")]
    assert {one.query["prefix"][0] for one in running.asked} == {ROOT}


@EITHER
@pytest.mark.parametrize("wrong", ["nowhere", "where it was"])
def test_pages_that_go_on_nowhere_or_where_they_were_are_an_error(wrong: str, tell: Tell) -> None:
    more = "<NextKeyMarker></NextKeyMarker>" if wrong == "nowhere" else ON[tell]
    assert "s3://registries" in failure(tell, in_turn(PAGES[tell]("", more)))


def test_parts_are_counted_to_the_last_page_and_not_over_and_over() -> None:
    part, more = "<Part><Size>3</Size></Part>", "<NextPartNumberMarker>1</NextPartNumberMarker>"
    with stub(in_turn(of_uploads(), of_parts(part, more), of_parts(part))) as running:
        assert [size for _, size, _, _ in rows(uploads(S3Bucket(running.parameters())))] == [6]
    assert "s3://registries" in failure(uploads, in_turn(of_uploads(), of_parts(part, more)))


@pytest.mark.parametrize("code", ["NotImplemented", "MethodNotAllowed", "UnsupportedOperation"])
def test_only_the_first_page_can_mean_that_a_store_knows_no_such_thing(code: str) -> None:
    refused = error(501, code)
    assert code in failure(uploads, in_turn(of_uploads("", ON[uploads]), refused))
    more = "<NextPartNumberMarker>1</NextPartNumberMarker>"
    assert code in failure(uploads, in_turn(of_uploads(), of_parts("", more), refused))


def test_what_lies_elsewhere_is_not_told_though_the_store_lists_it() -> None:
    elsewhere = BEGUN.replace(KEY, "elsewhere"), OBJECT.replace(KEY, "elsewhere"), GONE.replace(KEY, "elsewhere")
    listed = of_uploads(f"<Upload>{elsewhere[0]}</Upload><Upload>{BEGUN}</Upload>")
    with stub(in_turn(listed, of_parts(""))) as running:
        assert [key for key, *_ in rows(uploads(S3Bucket(running.parameters())))] == [KEY]
    listed = of_versions(
        f"<Version>{elsewhere[1]}</Version><Version>{OBJECT}</Version><DeleteMarker>{elsewhere[2]}</DeleteMarker>"
    )
    with stub(in_turn(listed)) as running:
        assert [key for key, *_ in rows(versions(S3Bucket(running.parameters())))] == [KEY]
