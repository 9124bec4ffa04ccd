"""What the service refuses, loses or leaves half done is told from what is not there."""

import json
import pickle
from collections import deque
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from regsweep.errors import DeniedError, NotFoundError, RegsweepError, StorageError, UsageError
from regsweep.registry.layout import LOCK
from regsweep.storage import drivers
from regsweep.storage.ports import Access, Held, Outcome, Result, Target
from regsweep_backends import _gcs_service
from regsweep_backends._objects import ObjectStore
from regsweep_backends._pages import Objects
from regsweep_backends.gcs import GcsBucket, connect
from tests.unit.gcs_stub import BUCKET, CUT, HANG_UP, LOST, NO_BUCKET, TORN, Answer, Fault, Stub, failing, refusal

BASE = "reg/prod/docker/registry/v2/"
LINK = f"{BASE}repositories/a/_layers/sha256/{'1' * 64}/link"
DEEP = b"[" * 100_000
"""JSON that no parser goes into."""
TOKEN = b'{"access_token": "t", "expires_in": '
ELSEWHERE = ["http://[", f"http://{'x' * 70}/", "\xff", "ftp://127.0.0.1/", "http://127.0.0.1:1/"]
OVERLOADED = [408, 429, 500, 502, 503, 504]


@pytest.fixture(autouse=True)
def _short_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = _gcs_service.PATIENCE.with_delay(initial=0.001, maximum=0.01).with_timeout(0.5)
    monkeypatch.setattr(_gcs_service, "PATIENCE", patience)


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests may be signed in; and asking whether this is Google's machine takes seconds."""
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "nothing"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A stub in the place of the service itself, to which requests are signed."""
    with Stub() as stub:
        monkeypatch.setenv("API_ENDPOINT_OVERRIDE", stub.url)
        yield stub


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A stub in the place of an emulator."""
    with Stub() as stub:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", stub.url)
        yield stub


@pytest.fixture
def bucket(stub: Stub) -> GcsBucket:  # noqa: ARG001 - the environment leads there
    return GcsBucket({"bucket": BUCKET, "rootdirectory": "/reg/prod/"})


@pytest.fixture(scope="session")
def private_key() -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - it takes long to import
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as above
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def account(signing: Stub, private_key: str) -> dict[str, object]:
    return {
        "type": "service_account",
        "client_email": "sweeper@example.iam.gserviceaccount.com",
        "private_key": private_key,
        "token_uri": f"{signing.url}/token",
    }


def whole(bucket: GcsBucket, prefix: str = BASE, *, folders: bool = False) -> list[Objects]:
    return list(bucket.listing(prefix, folders=folders))


def listed(**fields: str) -> bytes:
    """A listing of one object, of which some fields may be strange."""
    usual = {"name": LINK, "size": "1", "timeCreated": "2026-01-01T00:00:00Z", "generation": "1"}
    return json.dumps({"kind": "storage#objects", "items": [usual | fields]}).encode()


def target(key: str, version: str = "") -> Target:
    return Target(key=key, size=71, modified=0, version=version)


def failure(call: Any, *arguments: object) -> RegsweepError:  # noqa: ANN401 - of any signature
    with pytest.raises(RegsweepError) as caught:
        call(*arguments)
    assert "\n" not in caught.value.message
    return caught.value


# Finding the bucket


def test_a_registry_is_found_below_its_root_however_the_slashes_stand(stub: Stub) -> None:
    stub.put(LINK, b"x")
    for root in ("reg/prod", "/reg/prod", "//reg/prod//"):
        assert connect({"bucket": BUCKET, "rootdirectory": root}, Access()).url == f"gs://{BUCKET}/reg/prod"


def test_a_registry_at_the_top_of_its_bucket_is_found(stub: Stub) -> None:
    stub.put("docker/registry/v2/blobs/stray", b"x")
    assert connect({"bucket": BUCKET, "rootdirectory": "/"}, Access()).url == f"gs://{BUCKET}"


def test_a_url_leads_to_the_driver(stub: Stub) -> None:
    stub.put(LINK, b"x")
    store = drivers.connect_location(f"gs://{BUCKET}/reg/prod", Access())
    assert store.has(LINK.removeprefix("reg/prod/"))
    assert not store.has("scheduler-state.json")


def test_an_emulator_may_be_named_without_a_scheme(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", stub.url.removeprefix("http://"))
    stub.put(LINK, b"x")
    assert connect({"bucket": BUCKET, "rootdirectory": "reg/prod"}, Access()).has(LINK.removeprefix("reg/prod/"))


def test_a_bucket_must_be_named() -> None:
    assert isinstance(failure(connect, {"rootdirectory": "/"}, Access()), UsageError)


@pytest.mark.usefixtures("stub")
def test_a_bucket_that_does_not_exist_is_named() -> None:
    error = failure(connect, {"bucket": "elsewhere"}, Access())
    assert isinstance(error, UsageError)
    assert error.message == "gs://elsewhere: there is no such bucket"


def test_a_bucket_without_a_registry_is_told_from_one_that_does_not_exist(stub: Stub) -> None:
    stub.put("docker/registry/v1/blobs/stray", b"x")
    error = failure(connect, {"bucket": BUCKET}, Access())
    assert isinstance(error, UsageError)
    assert "holds no registry" in error.message


# Signing in


def test_without_an_emulator_or_credentials_it_says_where_to_give_them() -> None:
    error = failure(connect, {"bucket": BUCKET}, Access())
    assert isinstance(error, DeniedError)
    assert "no credentials" in error.message
    assert "GOOGLE_APPLICATION_CREDENTIALS" in error.hint


@pytest.mark.parametrize("way", ["keyfile", "credentials", "environment"])
def test_a_service_account_signs_each_request(
    way: str, signing: Stub, account: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing.put(LINK, b"x")
    path = tmp_path / "key.json"
    path.write_text(json.dumps(account), encoding="utf-8")
    given: dict[str, object] = {"keyfile": str(path)} if way == "keyfile" else {}
    if way == "credentials":
        given = {"credentials": account}
    if way == "environment":
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    store = connect({"bucket": BUCKET, "rootdirectory": "reg/prod", **given}, Access())
    assert {asked.authorization for asked in signing.asked if asked.path != "/token"} == {"Bearer token-of-the-stub"}
    assert store.url == f"gs://{BUCKET}/reg/prod" + (f"?keyfile={path}" if way == "keyfile" else "")


def test_a_token_that_is_not_taken_any_more_is_replaced(signing: Stub, account: dict[str, object]) -> None:
    generation = signing.put(LINK, b"x")
    bucket = GcsBucket({"bucket": BUCKET, "credentials": account})
    assert bucket.get(LINK, 10) == (b"x", generation)
    signing.faults.append(failing(401, "Invalid Credentials"))
    assert bucket.get(LINK, 10) == (b"x", generation)
    assert [asked.path for asked in signing.asked].count("/token") == 2


def test_a_url_that_names_a_keyfile_finds_the_bucket_again(
    signing: Stub, account: dict[str, object], tmp_path: Path
) -> None:
    signing.put(LINK, b"x")
    path = tmp_path / "a key & more.json"
    path.write_text(json.dumps(account), encoding="utf-8")
    store = connect({"bucket": BUCKET, "rootdirectory": "reg/prod", "keyfile": path}, Access())
    assert drivers.connect_location(store.url, Access()).url == store.url


def test_credentials_that_google_refuses_are_said_to_be(signing: Stub, account: dict[str, object]) -> None:
    signing.always = Fault(Answer(400, b'{"error":"invalid_grant","error_description":"Invalid JWT Signature."}'))
    error = failure(connect, {"bucket": BUCKET, "credentials": account}, Access())
    assert isinstance(error, DeniedError)
    assert error.message == f"gs://{BUCKET}: the credentials are refused: invalid_grant: Invalid JWT Signature."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        ("no JSON", "holds no key"),
        ("[]", "holds no key"),
        ("{}", "cannot be used"),
        ('{"client_email": "a@b", "token_uri": "http://x", "private_key": "hush"}', "cannot be used"),
    ],
)
def test_a_keyfile_that_is_no_service_account_s_is_named_and_not_repeated(
    content: str | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    error = failure(connect, {"bucket": BUCKET, "keyfile": str(path)}, Access())
    assert isinstance(error, UsageError)
    assert str(path) in error.message
    assert reason in error.message
    assert "hush" not in error.message


@pytest.mark.parametrize("given", [{"private_key": "hush"}, {"private_key": 7}, "hush"])
def test_inline_credentials_are_not_repeated(given: object) -> None:
    error = failure(connect, {"bucket": BUCKET, "credentials": given}, Access())
    assert isinstance(error, UsageError)
    assert "credentials" in error.message
    assert "hush" not in error.message


@pytest.mark.parametrize(
    "body", [b"", b"<html>Sign in</html>", b"[]", b"null", b"\xff", DEEP, TOKEN + b"1e300}", TOKEN + b'"soon"}']
)
@pytest.mark.parametrize("status", [200, 400])
def test_a_token_that_makes_no_sense_is_an_error(
    status: int, body: bytes, signing: Stub, account: dict[str, object]
) -> None:
    signing.always = Fault(Answer(status, body))
    failure(connect, {"bucket": BUCKET, "credentials": account}, Access())


def test_a_token_that_cannot_be_sent_is_an_error_that_does_not_repeat_it(
    signing: Stub, account: dict[str, object]
) -> None:
    for token in ("hush\nhush", "hush\u20ac"):
        signing.always = Fault(Answer(200, json.dumps({"access_token": token, "expires_in": 3600}).encode()))
        assert "hush" not in failure(connect, {"bucket": BUCKET, "credentials": account}, Access()).message


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"null", DEEP, b'{"type": "impersonated_service_account"}', None]
)
def test_credentials_of_the_environment_that_cannot_be_read_are_denied(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    error = failure(connect, {"bucket": BUCKET}, Access())
    assert isinstance(error, DeniedError)
    assert "GOOGLE_APPLICATION_CREDENTIALS" in error.hint


def test_certificates_that_are_not_there_are_named(
    account: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account["token_uri"] = "https://127.0.0.1:1/token"  # noqa: S105 - an address
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    assert "none.pem" in failure(connect, {"bucket": BUCKET, "credentials": account}, Access()).message


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "Anonymous caller does not have storage.objects.list access"),
        (403, "sweeper does not have storage.objects.list access"),
    ],
)
def test_a_user_who_may_not_list_is_denied_and_told_why(status: int, said: str, stub: Stub) -> None:
    stub.always = failing(status, said)
    error = failure(connect, {"bucket": BUCKET}, Access())
    assert isinstance(error, DeniedError)
    assert said in error.message
    assert error.hint


def test_a_service_that_cannot_be_reached_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with Stub() as gone:
        url = gone.url
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    error = failure(connect, {"bucket": BUCKET}, Access())
    assert "cannot be reached" in error.message
    assert "Connection refused" in error.message
    assert "prefix=" not in error.message


def test_credentials_of_another_cloud_lead_to_its_service_by_the_proxy_of_the_environment(
    signing: Stub, account: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("API_ENDPOINT_OVERRIDE")
    monkeypatch.setenv("HTTPS_PROXY", signing.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    account["universe_domain"] = "cloud.invalid"
    error = failure(connect, {"bucket": BUCKET, "credentials": account}, Access())
    assert "cannot be reached" in error.message
    assert signing.asked[-1].path == "storage.cloud.invalid:443"


# Listing


def test_a_listing_goes_on_until_the_service_says_that_it_ends(bucket: GcsBucket, stub: Stub) -> None:
    names = [f"{BASE}{number:03}" for number in range(7)]
    generations = [stub.put(name, b"%d" % len(name) * number) for number, name in enumerate(names)]
    stub.part = 3
    stub.faults.append(Fault(Answer(200, b'{"kind": "storage#objects", "nextPageToken": "0"}')))
    parts = whole(bucket)
    assert [len(part.keys) for part in parts] == [0, 3, 3, 1]
    assert [part.more for part in parts] == [True, True, True, False]
    assert [key for part in parts for key in part.keys] == names
    assert [version for part in parts for version in part.versions] == generations
    assert [size for part in parts for size in part.sizes] == [len(stub.objects[name].content) for name in names]


def test_only_what_is_needed_is_asked_for(bucket: GcsBucket, stub: Stub) -> None:
    whole(bucket)
    (asked,) = stub.asked
    assert asked.query == {
        "prefix": BASE,
        "maxResults": "1000",
        "fields": "kind,nextPageToken,prefixes,items(name,size,timeCreated,generation,md5Hash)",
    }


def test_times_are_those_of_the_writing_and_hashes_are_hex_where_there_are_any(bucket: GcsBucket, stub: Stub) -> None:
    generation = int(stub.put(f"{BASE}a", b"x"))
    stub.put(f"{BASE}b", b"x", composite=True)
    (part,) = whole(bucket)
    assert part.modified[0] == generation // 1000 * 1000
    assert part.hashes == [md5(b"x", usedforsecurity=False).hexdigest(), ""]


def test_folders_are_told_from_objects(bucket: GcsBucket, stub: Stub) -> None:
    for name in ("blobs/sha256/a", "blobs/sha256/b", "stray", "repositories/r"):
        stub.put(BASE + name, b"x")
    (part,) = whole(bucket, folders=True)
    assert part.folders == [f"{BASE}blobs/", f"{BASE}repositories/"]
    assert part.keys == [f"{BASE}stray"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>sign in</html>",
        b'{"kind": "storage#objects", "items": [{}]}',
        listed(size="much"),
        listed(timeCreated="2026-01-01T00:00:00"),
        listed(md5Hash="x"),
        listed(size="-1"),
        listed(size="9" * 30),
        listed(generation=""),
        DEEP,
    ],
)
def test_a_listing_that_somebody_else_wrote_is_no_empty_one(body: bytes, bucket: GcsBucket, stub: Stub) -> None:
    stub.always = Fault(Answer(200, body))
    assert type(failure(whole, bucket)) is StorageError


# Reading


def test_an_object_is_read_with_its_generation_up_to_the_limit(bucket: GcsBucket, stub: Stub) -> None:
    generation = stub.put(LINK, b"0123456789")
    assert bucket.get(LINK, 100) == (b"0123456789", generation)
    assert bucket.get(LINK, 10) == (b"0123456789", generation)
    assert bucket.get(LINK, 4) == (b"0123", generation)
    assert [asked.method for asked in stub.asked] == ["GET"] * 3


@pytest.mark.parametrize("name", ["a b", "a%2Fb", "a?b#c", "ä/€", "a+b", "../x", "a//b"])
def test_a_name_is_taken_as_it_stands(name: str, bucket: GcsBucket, stub: Stub) -> None:
    generation = stub.put(BASE + name, b"x")
    assert bucket.get(BASE + name, 10) == (b"x", generation)
    assert whole(bucket)[0].keys == [BASE + name]
    assert list(bucket.delete([target(BASE + name, generation)])) == [Outcome(Result.DELETED)]


def test_a_body_that_breaks_off_is_read_again(bucket: GcsBucket, stub: Stub) -> None:
    generation = stub.put(LINK, b"sha256:" + b"1" * 64)
    stub.faults += [CUT, HANG_UP]
    assert bucket.get(LINK, 1000) == (b"sha256:" + b"1" * 64, generation)


def test_a_body_that_always_breaks_off_is_an_error(bucket: GcsBucket, stub: Stub) -> None:
    stub.put(LINK, b"sha256:" + b"1" * 64)
    stub.always = CUT
    assert type(failure(bucket.get, LINK, 1000)) is StorageError


def test_an_answer_that_breaks_off_among_its_headers_is_asked_for_again(bucket: GcsBucket, stub: Stub) -> None:
    generation = stub.put(LINK, b"x")
    stub.faults += [TORN, TORN]
    assert [part.keys for part in whole(bucket)] == [[LINK]]
    stub.faults += [TORN, TORN]
    assert bucket.get(LINK, 10) == (b"x", generation)
    assert len(stub.asked) == 6
    stub.always = TORN
    assert failure(whole, bucket).message == f"{BASE}: the answer broke off among its headers"


@pytest.mark.parametrize("location", ELSEWHERE)
def test_an_answer_that_leads_nowhere_is_an_error(location: str, bucket: GcsBucket, stub: Stub) -> None:
    generation = stub.put(LINK, b"x")
    stub.always = Fault(Answer(302, b"", location=location))
    for call in (whole, lambda one: one.get(LINK, 10), lambda one: one.create(LINK, b"x"), GcsBucket.keeps_versions):
        assert isinstance(failure(call, bucket), StorageError)
    assert [outcome.result for outcome in bucket.delete([target(LINK, generation)])] == [Result.FAILED]


def test_a_page_for_people_is_no_word_that_a_deletion_is_done(bucket: GcsBucket, stub: Stub) -> None:
    stub.always = Fault(Answer(200, b"<html>Please sign in</html>"))
    (outcome,) = bucket.delete([Target(key="k", size=1, modified=0, version="1")])
    assert (outcome.result, outcome.error) == (Result.FAILED, "k: the answer to deleting it makes no sense")


def test_a_deletion_that_leads_elsewhere_is_not_done(bucket: GcsBucket, stub: Stub) -> None:
    generation = stub.put(LINK, b"x")
    stub.faults.append(Fault(Answer(302, b"", location=f"/storage/v1/b/{BUCKET}")))
    assert [outcome.result for outcome in bucket.delete([target(LINK, generation)])] == [Result.FAILED]


def test_a_reason_that_cannot_be_read_is_none(bucket: GcsBucket, stub: Stub) -> None:
    stub.always = Fault(Answer(400, DEEP))
    assert len(failure(whole, bucket).message) < 400


@pytest.mark.parametrize("body", [b"", DEEP, b"{}", b'{"generation": ""}'])
def test_what_was_created_without_a_generation_is_an_error(body: bytes, bucket: GcsBucket, stub: Stub) -> None:
    stub.always = Fault(Answer(200, body))
    assert type(failure(bucket.create, LINK, b"mine")) is StorageError


def test_an_answer_without_a_generation_is_an_error(bucket: GcsBucket, stub: Stub) -> None:
    stub.always = Fault(Answer(200, b"sign in"))
    assert type(failure(bucket.get, LINK, 1000)) is StorageError


def test_an_object_that_the_service_says_is_not_there_is_not_found(bucket: GcsBucket, stub: Stub) -> None:
    assert isinstance(failure(bucket.get, LINK, 1000), NotFoundError)
    assert len(stub.asked) == 1


def test_of_a_404_that_does_not_tell_what_is_missing_the_bucket_is_asked_for(bucket: GcsBucket, stub: Stub) -> None:
    stub.faults.append(Fault(Answer(404, b"Not Found\n")))
    assert isinstance(failure(bucket.get, LINK, 1000), NotFoundError)
    stub.faults += [Fault(Answer(404, b"Not Found\n")), Fault(NO_BUCKET)]
    assert not isinstance(failure(bucket.get, LINK, 1000), NotFoundError)


@pytest.mark.parametrize("answer", [NO_BUCKET, refusal(403, "no"), refusal(400, "no"), refusal(503, "no")])
def test_nothing_else_means_that_an_object_is_not_there(answer: Answer, bucket: GcsBucket, stub: Stub) -> None:
    stub.put(LINK, b"x")
    stub.always = Fault(answer)
    error = failure(bucket.get, LINK, 1000)
    assert isinstance(error, StorageError)
    assert not isinstance(error, NotFoundError)
    assert isinstance(error, DeniedError) == (answer.status == 403)


# Trying again


@pytest.mark.parametrize("fault", [*map(failing, OVERLOADED), HANG_UP])
def test_what_may_be_over_soon_is_tried_again_and_slows_the_rest_down(
    fault: Fault, bucket: GcsBucket, stub: Stub
) -> None:
    generation = stub.put(LINK, b"x")
    before = bucket.window.size
    stub.faults += [fault, fault]
    assert bucket.get(LINK, 10) == (b"x", generation)
    assert len(stub.asked) == 3
    assert bucket.window.size == before // 4


def test_good_answers_speed_the_rest_up(bucket: GcsBucket, stub: Stub) -> None:
    stub.put(LINK, b"x")
    before = bucket.window.size
    bucket.get(LINK, 10)
    assert bucket.window.size == before + 1


@pytest.mark.parametrize("status", [400, 403, 405, 409, 501])
def test_a_refusal_is_not_tried_again(status: int, bucket: GcsBucket, stub: Stub) -> None:
    stub.always = failing(status)
    failure(bucket.get, LINK, 10)
    assert len(stub.asked) == 1


def test_the_last_reason_is_told_when_patience_ends(bucket: GcsBucket, stub: Stub) -> None:
    stub.always = failing(429, "The rate of\nrequests is too high.")
    assert failure(whole, bucket).message == f"{BASE}: The rate of requests is too high."
    stub.always = Fault(Answer(502, b"<!DOCTYPE html>\n<title>Error</title>"))
    assert failure(whole, bucket).message == f"{BASE}: HTTP 502 Bad Gateway"


# Locks


def test_what_is_created_is_sure_to_have_been_absent(bucket: GcsBucket, stub: Stub) -> None:
    created = bucket.create(LINK, b"mine")
    assert created == (stub.objects[LINK].generation, True)
    assert stub.objects[LINK].content == b"mine"


def test_what_exists_is_not_created(bucket: GcsBucket, stub: Stub) -> None:
    stub.put(LINK, b"yours")
    assert bucket.create(LINK, b"mine") is None
    assert stub.objects[LINK].content == b"yours"


def test_a_store_that_takes_no_notice_of_conditions_is_found_out(bucket: GcsBucket, stub: Stub) -> None:
    stub.conditional = False
    assert bucket.create(LINK, b"mine") == (stub.objects[LINK].generation, False)


def test_what_was_created_by_a_request_whose_answer_was_lost_is_ours(bucket: GcsBucket, stub: Stub) -> None:
    stub.faults += [None, LOST]
    held = ObjectStore(bucket, "").create_lock(b"mine")
    assert held == Held(content=b"mine", token=stub.objects[LOCK].generation)


def test_what_another_created_meanwhile_is_not_ours(bucket: GcsBucket, stub: Stub) -> None:
    stub.put(LOCK, b"yours")
    stub.faults += [failing(404, f"No such object: {BUCKET}/{LOCK}"), HANG_UP]
    assert ObjectStore(bucket, "").create_lock(b"mine") is None
    assert stub.faults == deque()


@pytest.mark.parametrize(("answer", "kind"), [(refusal(403, "no"), DeniedError), (NO_BUCKET, StorageError)])
def test_what_cannot_be_written_is_an_error(
    answer: Answer, kind: type[StorageError], bucket: GcsBucket, stub: Stub
) -> None:
    stub.always = Fault(answer)
    error = failure(bucket.create, LINK, b"mine")
    assert isinstance(error, kind)
    assert not isinstance(error, NotFoundError)


def test_a_lock_is_removed_only_if_it_is_the_one_given(bucket: GcsBucket, stub: Stub) -> None:
    old = stub.put(BASE + LOCK, b"old")
    new = stub.put(BASE + LOCK, b"new")
    store = ObjectStore(bucket, BASE)
    assert not store.remove_lock(Held(content=b"old", token=old))
    assert stub.objects[BASE + LOCK].content == b"new"
    assert store.remove_lock(Held(content=b"new", token=new))
    assert not store.remove_lock(Held(content=b"new", token=new))


def test_a_lock_that_cannot_be_removed_is_an_error(bucket: GcsBucket, stub: Stub) -> None:
    generation = stub.put(BASE + LOCK, b"mine")
    stub.always = failing(403, "no")
    store = ObjectStore(bucket, BASE)
    assert isinstance(failure(store.remove_lock, Held(content=b"mine", token=generation)), StorageError)


# Deleting


def test_each_target_has_its_outcome_in_order(bucket: GcsBucket, stub: Stub) -> None:
    listed = {f"{BASE}{number:03}": stub.put(f"{BASE}{number:03}", b"x") for number in range(90)}
    for number in range(0, 90, 3):
        del stub.objects[f"{BASE}{number:03}"]
        stub.put(f"{BASE}{number + 1:03}", b"y")
    found = [outcome.result for outcome in bucket.delete([target(*one) for one in listed.items()])]
    assert found == [Result.ABSENT, Result.CHANGED, Result.DELETED] * 30
    assert sorted(stub.objects) == [f"{BASE}{number:03}" for number in range(1, 90, 3)]


def test_what_was_listed_without_a_version_is_deleted_whatever_it_is(bucket: GcsBucket, stub: Stub) -> None:
    stub.put(LINK, b"x")
    assert list(bucket.delete([target(LINK), target(f"{BASE}gone")])) == [
        Outcome(Result.DELETED),
        Outcome(Result.ABSENT),
    ]


def test_a_deletion_whose_answer_was_lost_is_as_good_as_done(bucket: GcsBucket, stub: Stub) -> None:
    generation = stub.put(LINK, b"x")
    stub.faults.append(LOST)
    assert list(bucket.delete([target(LINK, generation)])) == [Outcome(Result.ABSENT)]
    assert not stub.objects


@pytest.mark.parametrize(
    "answer", [refusal(403, "Object is under active Temporary hold."), refusal(503, "busy"), NO_BUCKET]
)
def test_what_cannot_be_deleted_fails_by_itself(answer: Answer, bucket: GcsBucket, stub: Stub) -> None:
    generation = stub.put(LINK, b"x")
    other = stub.put(f"{BASE}other", b"x")
    stub.always = Fault(answer)
    (failed,) = bucket.delete([target(LINK, generation)])
    assert failed.result is Result.FAILED
    assert failed.error
    assert "\n" not in failed.error
    stub.always = None
    assert list(bucket.delete([target(f"{BASE}other", other)])) == [Outcome(Result.DELETED)]
    assert list(stub.objects) == [LINK]


def test_what_cannot_be_deleted_says_what_to_do_about_it(bucket: GcsBucket, stub: Stub) -> None:
    stub.always = failing(403, "no")
    (outcome,) = bucket.delete([target(LINK, "1")])
    assert "Storage Object User" in outcome.error
    assert "\n" not in outcome.error


def test_whether_a_changed_object_is_still_there_must_be_known(bucket: GcsBucket, stub: Stub) -> None:
    stub.put(LINK, b"x")
    stub.faults += [None, failing(403, "no")]
    (outcome,) = bucket.delete([target(LINK, "1")])
    assert outcome.result is Result.FAILED


# Processes


def test_a_copy_in_another_process_opens_connections_of_its_own(bucket: GcsBucket, stub: Stub) -> None:
    generation = stub.put(LINK, b"x")
    bucket.get(LINK, 10)
    copy = pickle.loads(pickle.dumps(bucket))  # noqa: S301 - written by the test
    assert copy.url == bucket.url
    assert copy.get(LINK, 10) == (b"x", generation)
