"""What the blob service refuses, loses or leaves half done is told from what is not there."""

import logging
import pickle
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient

from regsweep.errors import DeniedError, NotFoundError, RegsweepError, StorageError, UsageError
from regsweep.storage import drivers
from regsweep.storage.ports import Access, Held, Outcome, Result, Scope, Target
from regsweep.storage.ports import Request as Kind
from regsweep_backends._objects import ObjectStore
from regsweep_backends.azure import AzureBucket, connect
from tests.servers import azurite
from tests.unit.azure_stub import CONTAINER, KEY, LOST, Answer, Request, Stub, batch, refusal

BASE = "docker/registry/v2/"
LINK = f"{BASE}repositories/a/_layers/sha256/{'1' * 64}/link"
CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=theirs;AccountKey={KEY};EndpointSuffix=core.windows.net"
DONE = Answer(202)
DELETED = Outcome(Result.DELETED)
XML = {"Content-Type": "application/xml"}
MULTIPART = {"Content-Type": "multipart/mixed; boundary=b"}
TORN = Answer(200, whole=False)
"""An answer that breaks off among its headers."""
BUSY = refusal(503, "ServerBusy", "The server is busy.")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurite.Server]:
    with azurite.azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture
def container(server: azurite.Server) -> ContainerClient:
    client = server.client(f"r{uuid4().hex}")
    client.create_container()
    return client


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as stub:
        yield stub


@pytest.fixture
def bucket(stub: Stub) -> AzureBucket:
    return AzureBucket(stub.parameters)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were asked for, which are not made."""
    asked: list[float] = []
    monkeypatch.setattr(time, "sleep", asked.append)
    return asked


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY"):
        monkeypatch.delenv(name, raising=False)


def target(key: str, version: str = "") -> Target:
    return Target(key=key, size=71, modified=0, version=version)


def failure(call: Any, *arguments: object) -> RegsweepError:  # noqa: ANN401 - of any signature
    with pytest.raises(RegsweepError) as caught:
        call(*arguments)
    assert "\n" not in caught.value.message
    assert KEY not in caught.value.message + caught.value.hint
    return caught.value


def first(bucket: AzureBucket) -> object:
    return next(bucket.listing(BASE))


# Finding the registry


@pytest.mark.parametrize("written", ["reg/prod", "/reg/prod", "//reg/prod/"])
def test_a_registry_is_found_below_its_root_however_the_slashes_stand(
    written: str, server: azurite.Server, container: ContainerClient
) -> None:
    container.upload_blob(f"reg/prod/{LINK}", b"x")
    store = connect(server.parameters(container.container_name, written), Access())
    assert [page.prefix for shard in store.shards(Scope.ALL) for page in store.pages(shard)] == [
        "repositories/a/_layers/sha256/"
    ]


def test_a_tree_whose_keys_begin_with_a_slash_is_worked_with_like_any_other(
    server: azurite.Server, container: ContainerClient
) -> None:
    container.upload_blob(f"/{LINK}", b"x")
    container.upload_blob("/scheduler-state.json", b"{}")
    store = connect(server.parameters(container.container_name), Access())
    folder, _, name = LINK.removeprefix(BASE).rpartition("/")
    assert list(store.read(f"{folder}/", [name, "other"], "", limit=9)) == [b"x", None]
    assert store.has("scheduler-state.json")
    held = store.create_lock(b"mine")
    assert held is not None
    assert store.create_lock(b"yours") is None
    assert store.remove_lock(held)
    (page,) = [page for shard in store.shards(Scope.ALL) for page in store.pages(shard)]
    assert page.versions is not None
    versioned = target(f"{folder}/{name}", page.versions[0])
    assert list(store.delete([versioned, target("never/was")])) == [DELETED, Outcome(Result.ABSENT)]
    assert [blob.name for blob in container.list_blobs()] == ["/scheduler-state.json"]


def test_of_two_trees_in_one_container_the_user_has_to_choose(
    server: azurite.Server, container: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    container.upload_blob(f"r/{LINK}", b"new")
    container.upload_blob(f"/r/{LINK}", b"old")
    parameters = server.parameters(container.container_name, "r")
    error = failure(connect, parameters, Access())
    assert isinstance(error, UsageError)
    assert "legacyrootprefix" in error.hint
    monkeypatch.setenv("AZURE_STORAGE_KEY", azurite.KEY)
    for choice, content in (
        ({"legacyrootprefix": True}, b"old"),
        ({"trimlegacyrootprefix": "false"}, b"old"),
        ({"legacyrootprefix": "false"}, b"new"),
        ({"trimlegacyrootprefix": True}, b"new"),
    ):
        chosen = connect(parameters | choice, Access())
        # The choice stands in the URL, with everything else that it takes to come back.
        for store in (chosen, drivers.connect_location(chosen.url, Access())):
            assert list(store.read(LINK.removeprefix(BASE), [""], "", limit=9)) == [content]


def test_the_url_of_a_tree_with_the_slash_leads_there_even_when_another_one_came(
    server: azurite.Server, container: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    container.upload_blob(f"/{LINK}", b"old")
    url = connect(server.parameters(container.container_name), Access()).url
    container.upload_blob(LINK, b"new")
    monkeypatch.setenv("AZURE_STORAGE_KEY", azurite.KEY)
    store = drivers.connect_location(url, Access())
    assert list(store.read(LINK.removeprefix(BASE), [""], "", limit=9)) == [b"old"]


def test_a_container_without_a_registry_is_refused(server: azurite.Server, container: ContainerClient) -> None:
    container.upload_blob("docker/registry/v1/x", b"x")
    error = failure(connect, server.parameters(container.container_name), Access())
    assert isinstance(error, UsageError)
    assert "holds no registry" in error.message


def test_a_container_that_does_not_exist_is_refused(server: azurite.Server) -> None:
    error = failure(connect, server.parameters("never-was"), Access())
    assert isinstance(error, UsageError)
    assert "no such container" in error.message


def test_a_wrong_key_is_told(server: azurite.Server, container: ContainerClient) -> None:
    error = failure(connect, server.parameters(container.container_name) | {"accountkey": KEY}, Access())
    assert isinstance(error, DeniedError)
    assert "credentials are refused" in error.message


def test_nobody_at_the_address_is_told(stub: Stub) -> None:
    nobody = AzureBucket(stub.parameters | {"serviceurl": "http://127.0.0.1:1/account"})
    error = failure(first, nobody)
    assert error.message == f"az://{CONTAINER}: cannot be reached: Connection refused"


# Where to go, and as whom


def test_a_store_tells_its_account_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", CONNECTION)
    given = {"container": "c", "rootdirectory": "/a b/", "realm": "core.chinacloudapi.cn", "accountname": "theirs"}
    assert AzureBucket(given).url == "az://c/a%20b?accountname=theirs&realm=core.chinacloudapi.cn"
    elsewhere = CONNECTION.replace("windows.net", "usgovcloudapi.net")
    given = {"container": "c", "connectionstring": elsewhere}
    assert AzureBucket(given).url == "az://c?accountname=theirs&realm=core.usgovcloudapi.net"
    identity = {"type": "client_secret", "tenantid": "t", "clientid": "u", "secret": KEY}
    for name, secret in (("accountkey", KEY), ("connectionstring", CONNECTION), ("credentials", identity)):
        assert AzureBucket({"container": "c", "accountname": "theirs", name: secret}).url == "az://c?accountname=theirs"


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("https://one.example/", "https://one.example"),
        (f"https://u:{KEY}@two.example:8/a?sig={KEY}#{KEY}", "https://two.example:8/a"),
        ("three.example:10000/a/", "https://three.example:10000/a"),
        ("http://[", ""),
        (KEY, ""),
    ],
)
def test_a_store_tells_which_service_its_connection_string_leads_to(endpoint: str, told: str) -> None:
    for name in ("AccountName=a;", ""):
        connection = f"BlobEndpoint={endpoint};{name}SharedAccessSignature=sig={KEY}"
        query = "&".join([*["accountname=a"] * bool(name), *[f"serviceurl={told}"] * bool(told)])
        assert AzureBucket({"container": "c", "connectionstring": connection}).url == "az://c" + f"?{query}" * bool(
            query
        )


def test_a_connection_string_of_another_account_than_the_one_that_is_named_is_refused() -> None:
    with pytest.raises(UsageError, match="accountname is ours, and the connection string is of theirs"):
        AzureBucket({"container": "c", "accountname": "ours", "connectionstring": CONNECTION})


def test_the_service_of_a_connection_string_is_found_again_by_that_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = f"BlobEndpoint=https://one.example/;AccountName=a;AccountKey={KEY}"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
    found = {"container": "c", "accountname": "a", "serviceurl": "https://one.example"}
    assert AzureBucket({"container": "c"}).url == AzureBucket(found).url
    assert AzureBucket(found)._service.client.credential.account_key == KEY  # noqa: SLF001 - as below
    other = found | {"serviceurl": "https://two.example"}
    client = AzureBucket(other)._service.client  # noqa: SLF001 - as below
    assert (client.primary_hostname, type(client.credential).__name__) == ("two.example", "DefaultAzureCredential")


@pytest.mark.parametrize(
    ("environment", "parameters", "host"),
    [
        ({"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}, {}, "theirs.blob.core.windows.net"),
        ({"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}, {"accountname": "theirs"}, "theirs.blob.core.windows.net"),
        (
            {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION, "AZURE_STORAGE_KEY": KEY},
            {"accountname": "theirs", "realm": "core.usgovcloudapi.net"},
            "theirs.blob.core.usgovcloudapi.net",
        ),
        (
            {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION, "AZURE_STORAGE_KEY": KEY},
            {"accountname": "ours"},
            "ours.blob.core.windows.net",
        ),
        ({"AZURE_STORAGE_ACCOUNT": "ours", "AZURE_STORAGE_KEY": KEY}, {}, "ours.blob.core.windows.net"),
        ({"AZURE_STORAGE_ACCOUNT": "theirs"}, {"connectionstring": CONNECTION}, "theirs.blob.core.windows.net"),
        ({}, {"accountname": "ours", "accountkey": KEY, "realm": "example.org"}, "ours.blob.example.org"),
        ({}, {"accountname": "ours", "accountkey": KEY, "serviceurl": "https://x.example/"}, "x.example"),
        (
            {},
            {"accountname": "ours", "accountkey": KEY, "credentials": {"type": "shared_key"}},
            "ours.blob.core.windows.net",
        ),
    ],
)
def test_the_account_is_the_one_given_else_that_of_the_environment(
    environment: dict[str, str], parameters: dict[str, object], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = AzureBucket({"container": "c"} | parameters)._service.client  # noqa: SLF001 - nothing else tells where it would go
    assert client.primary_hostname == host
    assert client.credential.account_name == host.partition(".")[0].replace("x", "ours")


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [
        ({}, "DefaultAzureCredential"),
        ({"credentials": {"type": "default_credentials"}, "accountkey": KEY}, "DefaultAzureCredential"),
        (
            {"credentials": {"type": "client_secret", "tenantid": "t", "clientid": "u", "secret": KEY}},
            "ClientSecretCredential",
        ),
    ],
)
def test_without_a_key_an_identity_signs_in(parameters: dict[str, object], kind: str) -> None:
    client = AzureBucket({"container": "c", "accountname": "ours"} | parameters)._service.client  # noqa: SLF001 - as above
    assert type(client.credential).__name__ == kind


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({}, "accountname"),
        ({"accountname": "a", "container": ""}, "container"),
        ({"accountname": "a", "accountkey": "no key"}, "accountkey"),
        ({"accountkey": KEY, "serviceurl": "https://a.example"}, "accountname"),
        ({"accountname": "a", "credentials": "secret"}, "credentials"),
        ({"accountname": "a", "credentials": {"type": "magic"}}, "credentials.type"),
        ({"accountname": "a", "credentials": {"type": "client_secret", "secret": KEY}}, "tenantid"),
        ({"accountname": "a", "credentials": {"type": "shared_key"}}, "accountkey"),
        ({"accountname": "a", "serviceurl": "a.example"}, "serviceurl"),
        ({"accountname": "a", "serviceurl": f"https://a.example/?sig={KEY}"}, "serviceurl"),
        ({"accountname": "a", "serviceurl": f"https://a:{KEY}@a.example"}, "serviceurl"),
        ({"accountname": "a", "serviceurl": "http://a.example"}, "https://"),
        ({"accountname": "a", "legacyrootprefix": "perhaps"}, "legacyrootprefix"),
    ],
)
def test_parameters_that_make_no_sense_are_named(parameters: dict[str, object], word: str) -> None:
    error = failure(AzureBucket, {"container": "c"} | parameters)
    assert isinstance(error, UsageError)
    assert word in error.message


@pytest.mark.parametrize(
    "connection", [f"AccountKey={KEY}", f"BlobEndpoint=http://[;AccountName=a;AccountKey={KEY}", f"{KEY};{KEY}", "="]
)
def test_a_connection_string_that_makes_no_sense_is_not_repeated(connection: str) -> None:
    error = failure(first, AzureBucket({"container": "c", "connectionstring": connection}))
    assert isinstance(error, UsageError)


def test_a_tenant_that_can_be_none_is_the_user_s_to_mend() -> None:
    identity = {"type": "client_secret", "tenantid": "no tenant", "clientid": "u", "secret": KEY}
    error = failure(first, AzureBucket({"container": "c", "accountname": "ours", "credentials": identity}))
    assert isinstance(error, UsageError)
    assert "tenantid" in error.hint


def test_credentials_do_not_belong_into_a_url() -> None:
    for name in ("accountkey", "connectionstring", "credentials"):
        assert isinstance(failure(drivers.connect_location, f"az://c/r?{name}={KEY}", Access()), UsageError)


def test_a_copy_of_a_used_store_opens_connections_of_its_own(stub: Stub, bucket: AzureBucket) -> None:
    stub.always = lambda _: _content(b"x")
    bucket.get("k", 9)
    copy = pickle.loads(pickle.dumps(bucket))  # noqa: S301 - made on the spot
    assert (copy.url, copy.get("k", 9)) == (bucket.url, bucket.get("k", 9))
    assert copy._service.client is not bucket._service.client  # noqa: SLF001 - what the test is about


# Reading


def _content(content: bytes, *, whole: bool = True) -> Answer:
    headers = {"Content-Range": f"bytes 0-{len(content) - 1}/{len(content)}", "ETag": '"0x1"'}
    return Answer(206, content, headers, whole=whole)


def test_an_empty_object_holds_nothing(server: azurite.Server, container: ContainerClient) -> None:
    made = container.upload_blob("empty", b"").get_blob_properties()
    assert AzureBucket(server.parameters(container.container_name)).get("empty", 100) == (b"", made.etag)


def test_an_object_that_was_filled_while_it_was_read_is_read_again(stub: Stub, bucket: AzureBucket) -> None:
    filled = Answer(200, b"content", {"ETag": '"0x1"'})
    stub.answers += [refusal(416, "InvalidRange"), filled, _content(b"content")]
    assert bucket.get("k", 100) == (b"content", '"0x1"')
    assert [request.method for request in stub.requests] == ["GET", "HEAD", "GET"]


def test_only_the_beginning_that_was_asked_for_is_fetched(stub: Stub, bucket: AzureBucket) -> None:
    stub.always = lambda _: _content(b"0123")
    assert bucket.get("k", 4) == (b"0123", '"0x1"')
    assert [request.headers["x-ms-range"] for request in stub.requests] == ["bytes=0-3"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(404, "ContainerNotFound"), StorageError),
        (refusal(404, "ResourceNotFound"), StorageError),
        (Answer(404), StorageError),
        (refusal(409, "BlobArchived"), StorageError),
        (refusal(403, "AuthorizationPermissionMismatch"), DeniedError),
        (refusal(403, "AuthorizationFailure"), DeniedError),
        (refusal(403, "AuthenticationFailed"), DeniedError),
        (refusal(401, "NoAuthenticationInformation"), DeniedError),
        (Answer(200), StorageError),
        (Answer(502, b"<html>"), StorageError),
        (Answer(201, b"", {"x-ms-error-code": "BlobNotFound"}), StorageError),
        (Answer(403, b"", {"x-ms-error-code": "BlobNotFound"}), DeniedError),
        (Answer(404, b"<Error><Code/></Error>", XML), StorageError),
        (Answer(404, b"<Error><Code>BlobNotFound</Code></Error>", XML), StorageError),
        (Answer(200, b"", {"x-ms-error-code": "BlobNotFound"}), StorageError),
        (Answer(206, b"x", {"Content-Range": "bytes 0-0/1"}), StorageError),
    ],
)
def test_only_the_service_s_own_word_means_absent(
    answer: Answer, kind: type[StorageError], stub: Stub, bucket: AzureBucket
) -> None:
    stub.always = lambda _: answer
    error = failure(bucket.get, LINK, 100)
    assert isinstance(error, kind)
    assert not isinstance(error, NotFoundError)
    stub.always = lambda _: refusal(404, "BlobNotFound")
    assert isinstance(failure(bucket.get, LINK, 100), NotFoundError)


@pytest.mark.parametrize(
    "trouble",
    [LOST, TORN, _content(b"cont", whole=False), BUSY, refusal(500, "InternalError"), refusal(429, "Throttled")],
)
def test_what_was_lost_is_asked_for_again(trouble: Answer, stub: Stub, bucket: AzureBucket) -> None:
    stub.answers += [trouble, trouble, _content(b"content")]
    assert bucket.get("k", 100) == (b"content", '"0x1"')


def test_a_body_that_always_breaks_off_is_an_error(stub: Stub, bucket: AzureBucket) -> None:
    stub.always = lambda _: _content(b"content", whole=False)
    assert not isinstance(failure(bucket.get, "k", 100), NotFoundError)


@pytest.mark.parametrize("trouble", [LOST, TORN, _content(b"content", whole=False), BUSY])
def test_no_trouble_is_tried_more_often_than_any_other(trouble: Answer, stub: Stub, bucket: AzureBucket) -> None:
    stub.always = lambda _: trouble
    failure(bucket.get, "k", 100)
    assert len(stub.requests) == bucket.window.requests[Kind.READ] == 6


def test_trouble_that_does_not_end_is_told_after_pauses_that_grow(
    stub: Stub, bucket: AzureBucket, pauses: list[float]
) -> None:
    stub.always = lambda _: BUSY
    assert "The server is busy. (ServerBusy)" in failure(bucket.get, "k", 100).message
    assert len(stub.requests) == len(pauses) + 1 == 6
    assert all(0 <= pause <= min(20.0, 0.5 * 2**attempt) for attempt, pause in enumerate(pauses, start=1))


def test_a_busy_service_gets_fewer_requests_at_once_and_more_again_later(stub: Stub, bucket: AzureBucket) -> None:
    before = bucket.window.size
    stub.answers += [BUSY]
    stub.always = lambda _: _content(b"x")
    bucket.get("k", 9)
    assert bucket.window.size < before
    for _ in range(100):
        bucket.get("k", 9)
    assert bucket.window.size >= before


def test_nothing_of_all_that_reaches_the_terminal(
    stub: Stub, bucket: AzureBucket, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As it is without a test runner, whose own handler would hide that there is no other.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    stub.answers += [BUSY, LOST, Answer(404, b"?")]
    stub.always = lambda _: _content(b"content", whole=False)
    for _ in range(3):
        failure(bucket.get, "k", 100)
    assert capfd.readouterr() == ("", "")


# Listing


@pytest.mark.parametrize("folders", [False, True])
@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"", b"<EnumerationResults/>"])
def test_a_listing_that_makes_no_sense_is_an_error(
    body: bytes, stub: Stub, bucket: AzureBucket, *, folders: bool
) -> None:
    stub.always = lambda _: Answer(200, body, {"Content-Type": "application/xml"})
    error = failure(next, bucket.listing(BASE, folders=folders))
    assert "cannot be listed" in error.message


def test_a_listing_that_breaks_off_among_its_headers_is_asked_for_again(stub: Stub, bucket: AzureBucket) -> None:
    body = b"<EnumerationResults><Blobs></Blobs><NextMarker/></EnumerationResults>"
    stub.answers += [TORN, TORN, Answer(200, body, XML)]
    assert [part.keys for part in bucket.listing(BASE)] == [[]]
    stub.always = lambda _: TORN
    failure(list, bucket.listing(BASE))
    assert len(stub.requests) == 3 + 6


def test_a_listing_in_letters_that_nobody_knows_is_an_error(stub: Stub, bucket: AzureBucket) -> None:
    body = b'<?xml version="1.0" encoding="nonsense"?><EnumerationResults><Blobs /></EnumerationResults>'
    stub.always = lambda _: Answer(200, body, XML)
    failure(list, bucket.listing(BASE))


def test_a_listing_goes_on_where_a_page_ended(server: azurite.Server, container: ContainerClient) -> None:
    names = [f"p/{number:05}" for number in range(3)]
    for name in names:
        container.upload_blob(name, b"x")
    found = list(AzureBucket(server.parameters(container.container_name)).listing("p/"))
    assert [(part.keys, part.more) for part in found] == [(names, False)]


def test_every_page_is_listed(stub: Stub, bucket: AzureBucket) -> None:
    def page(request: Request) -> Answer:
        number = int(request.path.partition("marker=")[2].partition("&")[0] or 0)
        body = f"<EnumerationResults><Blobs><BlobPrefix><Name>{number}/</Name></BlobPrefix></Blobs>"
        body += f"<NextMarker>{number + 1 if number < 3 else ''}</NextMarker></EnumerationResults>"
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})

    stub.always = page
    stub.answers += [BUSY]
    found = list(bucket.listing("", folders=True))
    assert [(part.folders, part.more) for part in found] == [
        (["0/"], True),
        (["1/"], True),
        (["2/"], True),
        (["3/"], False),
    ]


def test_a_listing_that_goes_round_in_circles_is_an_error(stub: Stub, bucket: AzureBucket) -> None:
    body = b"<EnumerationResults><Blobs></Blobs><NextMarker>1</NextMarker></EnumerationResults>"
    stub.always = lambda _: Answer(200, body, {"Content-Type": "application/xml"})
    error = failure(list, bucket.listing(BASE))
    assert "does not say how its listing goes on" in error.message


def test_snapshots_and_earlier_versions_are_no_objects(server: azurite.Server, container: ContainerClient) -> None:
    container.upload_blob("p/k", b"1").create_snapshot()
    container.upload_blob("p/k", b"12", overwrite=True)
    (part,) = AzureBucket(server.parameters(container.container_name)).listing("p/")
    assert (part.keys, part.sizes) == (["p/k"], [2])


@pytest.mark.parametrize(
    "name", ["a b", "a+b", "a%2Fb", "a&b", "a?b#c", "ümläut", 'a"b', "a'b", "a<b>", "a//b", "a\\b"]
)
def test_a_name_is_listed_read_and_deleted_whatever_it_is_made_of(
    name: str, server: azurite.Server, container: ContainerClient
) -> None:
    container.upload_blob(f"p/{name}", b"x")
    container.upload_blob("p/other", b"x")
    bucket = AzureBucket(server.parameters(container.container_name))
    (part,) = bucket.listing("p/")
    stored = next(key for key in part.keys if key != "p/other")
    assert bucket.get(stored, 9)[0] == b"x"
    assert list(bucket.delete([target(stored, part.versions[part.keys.index(stored)])])) == [DELETED]
    assert [blob.name for blob in container.list_blobs()] == ["p/other"]


# Deleting


def test_each_blob_of_a_batch_has_an_outcome_of_its_own(server: azurite.Server, container: ContainerClient) -> None:
    for name in ("plain", "same", "other", "leased", "snapped"):
        with suppress(ResourceExistsError):
            container.upload_blob(name, b"x")
    container.get_blob_client("leased").acquire_lease()
    container.get_blob_client("snapped").create_snapshot()
    bucket = AzureBucket(server.parameters(container.container_name))
    same = bucket.get("same", 1)[1]
    asked = [
        target("snapped"),
        target("same", same),
        target("gone", same),
        target("other", '"0x1"'),
        target("leased"),
        target("gone"),
        target("plain"),
    ]
    expected = [
        Outcome(Result.FAILED, "snapped: it has snapshots, which would go with it"),
        DELETED,
        Outcome(Result.ABSENT),
        Outcome(Result.CHANGED, "other: changed since it was listed"),
        Outcome(Result.FAILED, "leased: somebody holds a lease on it"),
        Outcome(Result.ABSENT),
        DELETED,
    ]
    assert list(bucket.delete(asked)) == expected
    assert {blob.name for blob in container.list_blobs()} == {"leased", "other", "snapped"}


def test_answers_of_a_batch_are_told_apart_by_their_numbers(stub: Stub, bucket: AzureBucket) -> None:
    stub.answers += [batch((2, DONE), (0, refusal(404, "BlobNotFound")), (1, refusal(409, "SnapshotsPresent")))]
    found = [outcome.result for outcome in bucket.delete([target("a"), target("b"), target("c")])]
    assert found == [Result.ABSENT, Result.FAILED, Result.DELETED]
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        refusal(400, "UnsupportedHttpVerb"),
        refusal(405, "UnsupportedHttpVerb"),
        refusal(409, "FeatureNotSupportedForAccount"),
        refusal(501, "NotImplemented"),
        refusal(403, "AuthorizationFailure"),
        Answer(404),
        Answer(202, b"done", {"Content-Type": "text/plain"}),
        batch(),
        batch((None, refusal(403, "AuthenticationFailed"))),
        batch((0, DONE)),
        batch((0, DONE), (0, DONE)),
        batch((0, DONE), (2, DONE)),
        batch((None, DONE), (None, DONE)),
        batch((0, refusal(404, "ResourceNotFound")), (1, refusal(404, "ContainerNotFound"))),
        Answer(202, b"<", MULTIPART),
        Answer(202, b"--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nnonsense\r\n--b--\r\n", MULTIPART),
        Answer(202, b"--b\r\nContent-Type: text/plain\r\nContent-ID: 0\r\n\r\nnonsense\r\n--b--\r\n", MULTIPART),
    ],
)
def test_where_batches_do_not_work_blobs_are_deleted_one_by_one(
    answer: Answer, stub: Stub, bucket: AzureBucket
) -> None:
    absent = refusal(404, "BlobNotFound")
    stub.always = lambda request: answer if request.method == "POST" else absent if "first" in request.path else DONE
    for _ in range(2):
        outcomes = list(bucket.delete([target("first"), target("second")]))
        assert outcomes == [Outcome(Result.ABSENT), DELETED]
    assert [request.method for request in stub.requests] == ["POST", *["DELETE"] * 4]


def test_only_what_was_too_much_for_the_service_is_sent_again(stub: Stub, bucket: AzureBucket) -> None:
    before = bucket.window.size
    stub.answers += [
        batch((0, BUSY), (1, DONE), (2, refusal(500, "InternalError"))),
        batch((0, DONE), (1, refusal(404, "BlobNotFound"))),
    ]
    found = [outcome.result for outcome in bucket.delete([target("a"), target("b"), target("c")])]
    assert found == [Result.DELETED, Result.DELETED, Result.ABSENT]
    assert [[path.rpartition("/")[2] for path in request.deletes()] for request in stub.requests] == [
        ["a", "b", "c"],
        ["a", "c"],
    ]
    assert bucket.window.size < before


def test_trouble_with_a_whole_batch_is_the_outcome_of_each(stub: Stub, bucket: AzureBucket) -> None:
    stub.always = lambda _: BUSY
    (outcome, other) = bucket.delete([target("a"), target("b")])
    assert outcome == other
    assert outcome.result is Result.FAILED
    assert "The server is busy." in outcome.error
    assert len(stub.requests) == 6


@pytest.mark.parametrize("batches", [True, False])
def test_what_cannot_be_deleted_says_what_to_do_about_it(stub: Stub, bucket: AzureBucket, *, batches: bool) -> None:
    denied = refusal(403, "AuthorizationPermissionMismatch")
    stub.answers += [batch((0, DONE), (1, denied)) if batches else refusal(501, "NotImplemented")]
    stub.always = lambda _: denied
    *_, outcome = bucket.delete([target("a"), target("b")])
    assert outcome.result is Result.FAILED
    assert "Storage Blob Data Contributor" in outcome.error
    assert "\n" not in outcome.error


def test_a_blob_that_stays_too_much_fails_alone(stub: Stub, bucket: AzureBucket) -> None:
    stub.answers += [batch((0, DONE), (1, BUSY))]
    stub.always = lambda _: batch((0, BUSY))
    outcomes = list(bucket.delete([target("a"), target("b")]))
    assert outcomes == [DELETED, Outcome(Result.FAILED, "b: The server is busy. (ServerBusy)")]


def test_more_blobs_than_a_batch_holds_are_sent_in_several(stub: Stub, bucket: AzureBucket) -> None:
    stub.always = lambda request: batch(*((number, DONE) for number in range(len(request.deletes()))))
    assert list(bucket.delete([target(f"k{number}") for number in range(bucket.batch)])) == [DELETED] * bucket.batch
    assert [len(request.deletes()) for request in stub.requests] == [256] * 4


def test_whether_a_changed_blob_is_still_there_is_never_guessed(stub: Stub, bucket: AzureBucket) -> None:
    stub.answers += [batch((0, refusal(412, "ConditionNotMet")))]
    stub.always = lambda _: refusal(403, "AuthorizationFailure")
    (outcome,) = bucket.delete([target("a", '"0x1"')])
    assert outcome.result is Result.FAILED


# The lock


def test_a_lock_whose_creation_was_answered_too_late_is_one_s_own(stub: Stub, bucket: AzureBucket) -> None:
    stub.answers += [refusal(404, "BlobNotFound"), LOST, refusal(409, "BlobAlreadyExists"), _content(b"mine")]
    assert ObjectStore(bucket, "").create_lock(b"mine") == Held(content=b"mine", token='"0x1"')  # noqa: S106 - an ETag
    assert [request.headers.get("If-None-Match") for request in stub.requests] == [None, "*", "*", None]


def test_a_lock_whose_creation_was_answered_without_its_etag_is_one_s_own(stub: Stub, bucket: AzureBucket) -> None:
    stub.answers += [refusal(404, "BlobNotFound"), Answer(201), refusal(409, "BlobAlreadyExists"), _content(b"mine")]
    assert ObjectStore(bucket, "").create_lock(b"mine") == Held(content=b"mine", token='"0x1"')  # noqa: S106 - an ETag


@pytest.mark.parametrize("standing", [_content(b"yours"), refusal(404, "BlobNotFound")])
def test_a_lock_of_somebody_else_is_not_one_s_own(standing: Answer, stub: Stub, bucket: AzureBucket) -> None:
    stub.answers += [refusal(404, "BlobNotFound"), LOST, refusal(409, "BlobAlreadyExists"), standing]
    assert ObjectStore(bucket, "").create_lock(b"mine") is None


def test_a_lock_that_cannot_be_written_or_removed_is_an_error(stub: Stub, bucket: AzureBucket) -> None:
    stub.always = lambda _: refusal(403, "AuthorizationPermissionMismatch", "This request is not authorized.")
    held = Held(content=b"mine", token='"0x1"')  # noqa: S106 - an ETag
    for call in (lambda: bucket.create("lock", b"mine"), lambda: ObjectStore(bucket, "").remove_lock(held)):
        assert "This request is not authorized." in failure(call).message
