"""The adapter for S3: how a store is opened, what it is asked, and what a real one does."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.httpsession import URLLib3Session
from hypothesis import given, settings
from hypothesis import strategies as st

from regsweep.errors import DeniedError, NotFoundError, StorageError, UsageError
from regsweep.registry.layout import BASE
from regsweep.storage.drivers import connect_location
from regsweep.storage.ports import Access, Result, Scope
from regsweep_backends import _s3_listing
from regsweep_backends._objects import ObjectStore
from regsweep_backends.s3 import S3Bucket, connect
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, Server, moto
from tests.unit.bucket import rows
from tests.unit.s3_pages import AWS, Entry
from tests.unit.s3_scene import BLOB, results, set_apart, target
from tests.unit.s3_stub import HANG_UP, Answer, error, stub

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET: Final = "registries"


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_apart(monkeypatch, tmp_path)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with moto() as running:
        client = running.client()
        for bucket in (BUCKET, "empty"):
            client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=BUCKET, Key=BLOB, Body=b"at the top")
        client.close()
        yield running


@pytest.fixture
def client(server: Server) -> Iterator["S3Client"]:
    made = server.client()
    yield made
    made.close()


@pytest.fixture
def root(client: "S3Client") -> str:
    """A root directory of its own for each test, with a blob below it."""
    root = f"roots/{uuid4().hex}"
    client.put_object(Bucket=BUCKET, Key=f"{root}/{BLOB}", Body=b"a blob")
    return root


def found(store: ObjectStore) -> list[str]:
    """The keys of a store."""
    return sorted(key for shard in store.shards(Scope.ALL) for key, *_ in rows(store.pages(shard)))


def test_a_store_is_opened_where_its_tree_stands(server: Server, root: str) -> None:
    for written in (root, f"/{root}", f"{root}/", f"/{root}/"):
        assert found(connect(server.parameters(BUCKET, written), Access())) == [BLOB.removeprefix(f"{BASE}/")]
    assert found(connect(server.parameters(BUCKET), Access())) == [BLOB.removeprefix(f"{BASE}/")]


@pytest.mark.parametrize(("bucket", "where"), [("empty", "s3://empty"), (BUCKET, "nothing/here")])
def test_where_there_is_no_tree_it_says_so(bucket: str, where: str, server: Server) -> None:
    with pytest.raises(UsageError) as caught:
        connect(server.parameters(bucket, "" if bucket == "empty" else where), Access())
    assert where in caught.value.message
    assert "holds no registry" in caught.value.message
    assert "rootdirectory" in caught.value.hint
    assert SECRET_KEY not in caught.value.message + caught.value.hint


def test_part_of_the_tree_s_path_is_no_tree(server: Server, client: "S3Client") -> None:
    client.put_object(Bucket=BUCKET, Key="near/docker/registry/v2", Body=b"")
    client.put_object(Bucket=BUCKET, Key="near/docker/registry/v20/blobs/x", Body=b"")
    with pytest.raises(UsageError, match="holds no registry"):
        connect(server.parameters(BUCKET, "near"), Access())


def test_a_bucket_that_does_not_exist_is_a_usage_error_that_names_it(server: Server) -> None:
    with pytest.raises(UsageError) as caught:
        connect(server.parameters("nowhere"), Access())
    assert "s3://nowhere" in caught.value.message
    assert "no such bucket" in caught.value.message
    assert "region" in caught.value.hint


def test_no_bucket_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="bucket is missing"):
        connect({}, Access())


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_what_the_store_denies_is_no_empty_store(code: str) -> None:
    with stub(lambda _: error(403, code)) as running, pytest.raises(DeniedError) as caught:
        connect(running.parameters(), Access())
    assert "hidden" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html><body>sign in here</body></html>"),
        Answer(200, b""),
        Answer(200, b"<ListBucketResult></ListBucketResult>"),
        Answer(404, b"<html>no such page</html>"),
        Answer(302, b"", {"Location": "http://127.0.0.1:9/"}),
        error(500, "InternalError"),
        error(503, "SlowDown"),
        error(200, "InternalError"),
        HANG_UP,
    ],
    ids=[
        "a page for people",
        "nothing",
        "nothing said",
        "404",
        "elsewhere",
        "500",
        "503",
        "200 with an error",
        "no answer",
    ],
)
def test_what_answers_as_no_store_does_is_an_error_and_no_empty_store(answer: Answer) -> None:
    with stub(lambda _: answer) as running, pytest.raises(StorageError) as caught:
        connect(running.parameters(), Access())
    assert not isinstance(caught.value, NotFoundError)
    assert "\n" not in caught.value.message


def test_a_server_that_nobody_runs_is_told_with_its_address() -> None:
    with stub(lambda _: HANG_UP) as running:
        parameters = running.parameters()
    with pytest.raises(StorageError) as caught:
        connect(parameters, Access())
    assert "cannot be reached" in caught.value.message
    assert "regionendpoint" in caught.value.hint


def test_no_credentials_are_told_with_where_to_put_them() -> None:
    with stub(lambda _: HANG_UP) as running, pytest.raises(DeniedError) as caught:
        connect(running.parameters(accesskey="", secretkey=""), Access())
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint
    assert running.asked == []


def test_a_session_token_with_the_end_of_its_line_is_an_error_that_does_not_repeat_it() -> None:
    with stub(lambda _: HANG_UP) as running, pytest.raises(StorageError) as caught:
        connect(running.parameters(sessiontoken="hidden-token\n"), Access())
    assert "hidden" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://user:hidden@127.0.0.1:1",
        "user:hidden@127.0.0.1:1",
        "ftp://127.0.0.1",
        "https://:9000",
        "://host",
        "http://[::1",
        "http://bad host:9000",
        "http://host:port",
        "http://host:99999",
    ],
)
def test_an_endpoint_that_is_none_is_refused_and_not_repeated(endpoint: str) -> None:
    with pytest.raises(UsageError) as caught:
        connect({"bucket": "b", "regionendpoint": endpoint, "accesskey": "a", "secretkey": "b"}, Access())
    assert "regionendpoint" in caught.value.message
    assert "hidden" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "flag", ["skipverify", "v4auth", "forcepathstyle", "usedualstack", "accelerate", "encrypt", "secure"]
)
def test_a_flag_that_is_neither_true_nor_false_is_refused_before_anything_is_asked(flag: str) -> None:
    with stub(lambda _: Answer(200, AWS.page([Entry(BLOB)]))) as running, pytest.raises(UsageError, match=flag):
        connect(running.parameters(**{flag: "maybe"}), Access())
    assert running.asked == []


class Line:
    """The line to the store, cut: what would be sent is noted, and answered by an empty listing."""

    def __init__(self) -> None:
        self.sent: list[AWSPreparedRequest] = []

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Note a request, and answer it."""
        self.sent.append(request)
        return Listing(request.url)


class Listing(AWSResponse):
    """An answer that lists one blob."""

    def __init__(self, url: str) -> None:
        super().__init__(url, 200, HTTPHeaders(), None)

    @property
    def content(self) -> bytes:
        """The page."""
        return AWS.page([Entry(BLOB)])


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    line = Line()
    monkeypatch.setattr(URLLib3Session, "send", line.send)
    return line


def asked(line: Line, **parameters: object) -> str:
    """The address that a listing is asked of, with its path."""
    values = {"bucket": "my-bucket", "accesskey": "a", "secretkey": "b"} | parameters
    connect(values, Access())
    url = urlsplit(line.sent[-1].url)
    return f"{url.scheme}://{url.netloc}{url.path}"


@pytest.mark.parametrize(
    ("parameters", "address"),
    [
        ({"region": "eu-west-1"}, "https://my-bucket.s3.eu-west-1.amazonaws.com/"),
        ({"region": "eu-west-1", "forcepathstyle": True}, "https://s3.eu-west-1.amazonaws.com/my-bucket"),
        ({"region": "eu-west-1", "usedualstack": "true"}, "https://my-bucket.s3.dualstack.eu-west-1.amazonaws.com/"),
        ({"region": "eu-west-1", "accelerate": True}, "https://my-bucket.s3-accelerate.amazonaws.com/"),
        ({"regionendpoint": "https://store.example"}, "https://store.example/my-bucket"),
        ({"regionendpoint": "http://store.example:9000"}, "http://store.example:9000/my-bucket"),
        ({"regionendpoint": "http://store.example:9000/"}, "http://store.example:9000/my-bucket"),
        ({"regionendpoint": "http://[::1]:9000"}, "http://[::1]:9000/my-bucket"),
        ({"regionendpoint": "store.example"}, "https://store.example/my-bucket"),
        ({"regionendpoint": "store.example:9000", "secure": True}, "https://store.example:9000/my-bucket"),
        ({"regionendpoint": "store.example:9000", "secure": "false"}, "http://store.example:9000/my-bucket"),
        ({"regionendpoint": "https://store.example", "secure": False}, "https://store.example/my-bucket"),
        ({"regionendpoint": "https://store.example", "forcepathstyle": False}, "https://my-bucket.store.example/"),
        ({"regionendpoint": "https://store.example", "bucket": "My.Bucket"}, "https://store.example/My.Bucket"),
    ],
)
def test_the_store_is_asked_at_the_address_that_the_registry_uses(
    parameters: dict[str, object], address: str, line: Line
) -> None:
    assert asked(line, **parameters) == address


@pytest.mark.parametrize(
    ("value", "scheme"), [(None, "AWS4-HMAC-SHA256 "), (True, "AWS4-HMAC-SHA256 "), (False, "AWS ")]
)
def test_requests_are_signed_as_the_registry_signs_them(value: object, scheme: str, line: Line) -> None:
    asked(line, regionendpoint="https://store.example", region="us-east-1", v4auth=value)
    signed = line.sent[-1].headers["Authorization"]
    assert (signed.decode() if isinstance(signed, bytes) else signed).startswith(scheme)


def test_the_environment_gives_what_the_parameters_do_not(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDFROMTHERE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    assert asked(line, accesskey="", secretkey="") == "https://my-bucket.s3.ap-south-1.amazonaws.com/"
    assert b"AKIDFROMTHERE" in bytes(str(line.sent[-1].headers["Authorization"]), "ascii")
    for part in ("accesskey", "secretkey"):
        asked(line, **{part: ""})
        assert b"AKIDFROMTHERE" in bytes(str(line.sent[-1].headers["Authorization"]), "ascii")
    assert asked(line, region="eu-west-1") == "https://my-bucket.s3.eu-west-1.amazonaws.com/"
    assert "AKIDFROMTHERE" not in str(line.sent[-1].headers["Authorization"])


roots = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=6), max_size=3)


@settings(max_examples=150, deadline=None)
@given(
    root=roots.map("/".join),
    public=st.dictionaries(st.sampled_from(["region", "keyid"]), st.text(min_size=1, max_size=6)),
)
def test_a_url_opens_the_same_store_again(root: str, public: dict[str, str]) -> None:
    opened: list[S3Bucket] = []

    def connects(parameters: dict[str, object], _: Access) -> object:
        opened.append(S3Bucket(parameters))
        return opened[-1]

    first = S3Bucket({"bucket": "b", "rootdirectory": root, **public})
    assert first.url.isprintable()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("regsweep.storage.drivers.connect", lambda _, parameters, access: connects(parameters, access))
        connect_location(first.url, Access())
    assert (opened[0].root, opened[0].url) == (first.root, first.url)


def test_a_url_never_has_a_secret_and_opens_the_store_with_those_of_the_environment(
    server: Server, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = connect({**server.parameters(BUCKET, root), "sessiontoken": "hidden-token", "skipverify": False}, Access())
    assert SECRET_KEY not in store.url
    assert ACCESS_KEY not in store.url
    assert "hidden" not in store.url
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    again = connect_location(store.url, Access())
    assert again.url == store.url
    assert isinstance(again, ObjectStore)
    assert found(again) == [BLOB.removeprefix(f"{BASE}/")]


@pytest.mark.parametrize(
    ("parameters", "url"),
    [
        ({}, "s3://b"),
        ({"rootdirectory": "/"}, "s3://b"),
        ({"rootdirectory": "/a/b/"}, "s3://b/a/b"),
        ({"region": "eu-1", "regionendpoint": "http://h:9"}, "s3://b?regionendpoint=http://h:9&region=eu-1"),
        ({"secure": False, "rootdirectory": "a"}, "s3://b/a?secure=False"),
        ({"accesskey": "A", "secretkey": "S", "sessiontoken": "T", "storageclass": "X"}, "s3://b"),
    ],
)
def test_a_url_says_where_the_store_is_and_how_to_get_there(parameters: dict[str, object], url: str) -> None:
    assert S3Bucket({"bucket": "b", **parameters}).url == url


def test_nothing_that_can_be_seen_of_a_store_shows_a_secret(server: Server, root: str) -> None:
    store = connect(server.parameters(BUCKET, root), Access())
    assert SECRET_KEY not in repr(store) + str(store) + repr(vars(store))


def test_a_store_that_was_pickled_opens_a_connection_of_its_own(server: Server, root: str) -> None:
    store = connect(server.parameters(BUCKET, root), Access())
    before = found(store)
    again = pickle.loads(pickle.dumps(store))  # noqa: S301 - it was pickled here
    assert isinstance(again, ObjectStore)
    assert found(again) == before
    assert (again.url, again.batch, again.lanes) == (store.url, store.batch, store.lanes)
    assert list(again.read("", [BLOB.removeprefix(f"{BASE}/")], "", limit=10)) == [b"a blob"]


def test_pages_are_read_by_the_quick_reader_and_folders_by_the_sdk(
    server: Server, client: "S3Client", root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        client.put_object(Bucket=BUCKET, Key=f"{root}/a +%/{number}&<\u00e9", Body=b"x" * number)
    bucket = S3Bucket(server.parameters(BUCKET))
    (quick,) = bucket.listing(f"{root}/a +%/")
    monkeypatch.setattr(_s3_listing, "parse", lambda _: None)
    (slow,) = bucket.listing(f"{root}/a +%/")
    assert quick == slow
    assert quick.keys == [f"{root}/a +%/{number}&<\u00e9" for number in range(3)]
    assert quick.sizes == [0, 1, 2]
    (folders,) = bucket.listing(f"{root}/", folders=True)
    assert (folders.folders, folders.keys) == ([f"{root}/a +%/", f"{root}/docker/"], [])


def test_an_absent_object_is_none_among_the_others(server: Server, client: "S3Client", root: str) -> None:
    for name in ("a", "c"):
        client.put_object(Bucket=BUCKET, Key=f"{root}/{BASE}/x/{name}/link", Body=name.encode())
    client.put_object(Bucket=BUCKET, Key=f"{root}/{BASE}/x/e/link", Body=b"")
    store = connect(server.parameters(BUCKET, root), Access())
    assert list(store.read("x/", ["a", "b", "c", "d", "e"], "/link", limit=9)) == [b"a", None, b"c", None, b""]
    assert store.has(BLOB)
    assert not store.has("scheduler-state.json")
    client.put_object(Bucket=BUCKET, Key=f"{root}/scheduler-state.json", Body=b"")
    assert store.has("scheduler-state.json")


def test_a_whole_batch_is_deleted_by_one_request(server: Server, client: "S3Client", root: str) -> None:
    bucket = S3Bucket(server.parameters(BUCKET))
    for number in range(20):
        client.put_object(Bucket=BUCKET, Key=f"{root}/x/{number}", Body=b"")
    asked: list[str] = []
    bucket._client.meta.events.register("before-call.s3.*", lambda model, **_: asked.append(model.name))  # noqa: SLF001 - to count
    given = [target(f"{root}/x/{number}") for number in range(bucket.batch)]
    assert results(bucket, *given) == [Result.DELETED] * bucket.batch
    assert asked == ["DeleteObjects"]
    assert [part.keys for part in bucket.listing(f"{root}/x/")] == [[]]


def test_a_lock_that_another_run_replaced_is_not_removed(server: Server, client: "S3Client", root: str) -> None:
    store = connect(server.parameters(BUCKET, root), Access())
    held = store.create_lock(b"mine")
    assert held is not None
    client.put_object(Bucket=BUCKET, Key=f"{root}/{BASE}/regsweep.lock", Body=b"theirs")
    assert not store.remove_lock(held)
    standing = store.read_lock()
    assert standing is not None
    assert store.remove_lock(standing)
    assert store.read_lock() is None
