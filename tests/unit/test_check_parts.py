"""Objects are hashed in parts: each is of the same version, and tried again by itself."""

import re
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from regsweep.errors import NotFoundError, StorageError
from regsweep.registry.layout import BASE
from regsweep_backends import _gcs_service, _objects
from regsweep_backends._objects import ObjectStore
from regsweep_backends.azure import AzureBucket
from regsweep_backends.gcs import GcsBucket
from regsweep_backends.s3 import S3Bucket
from tests.unit import azure_stub, gcs_stub
from tests.unit.bucket import MemoryBucket
from tests.unit.s3_scene import in_turn, scripts, set_apart
from tests.unit.s3_stub import HANG_UP, Answer, Request, error, stub

PART: Final = 1000
CONTENT: Final = bytes(range(256)) * 10
HASH: Final = sha256(CONTENT).hexdigest()
NAME: Final = "00/name"
KEY: Final = f"{BASE}/blobs/sha256/{NAME}/data"
ETAG: Final = '"the first"'


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_objects, "PART", PART)


def hashed(store: ObjectStore) -> str | None:
    (found,) = store.hashes("blobs/sha256/", [NAME], "/data", algorithm="sha256")
    return found


def test_an_object_that_ends_with_a_part_is_whole() -> None:
    for size in (0, 1, PART - 1, PART, PART + 1, 2 * PART):
        bucket = MemoryBucket({f"blobs/sha256/{NAME}/data": CONTENT[:size]})
        assert hashed(ObjectStore(bucket, f"{BASE}/")) == sha256(CONTENT[:size]).hexdigest()


# S3


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_apart(monkeypatch, tmp_path)
    monkeypatch.setattr(time, "sleep", lambda _: None)


def s3(answer: Callable[[Request], Answer]) -> tuple[str | None, list[Request]]:
    with stub(answer) as running:
        store = ObjectStore(S3Bucket(running.parameters()), f"{BASE}/")
        try:
            return hashed(store), running.asked
        finally:
            store.close()


def served(request: Request, etag: str = ETAG, content: bytes = CONTENT) -> Answer:
    """What a store answers that knows of ranges and conditions."""
    if request.headers.get("if-match", etag) != etag:
        return error(412, "PreconditionFailed")
    if "range" not in request.headers:
        return Answer(200, content, {"ETag": etag})
    first, last = map(int, re.findall(r"\d+", request.headers["range"]))
    if first >= len(content):
        return error(416, "InvalidRange")
    part = content[first : last + 1]
    where = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
    return Answer(206, part, {"ETag": etag, "Content-Range": where})


@pytest.mark.usefixtures("apart")
def test_every_part_after_the_first_is_asked_for_as_one_of_the_version_that_the_first_was_of() -> None:
    found, asked = s3(served)
    assert found == HASH
    assert [one.headers.get("range") for one in asked] == [None, "bytes=1000-1999", "bytes=2000-2999"]
    assert [one.headers.get("if-match") for one in asked] == [None, ETAG, ETAG]


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize(
    "trouble",
    [
        HANG_UP,
        error(503, "SlowDown"),
        Answer(206, CONTENT[PART : PART + 10], {"ETag": ETAG, "Content-Range": "bytes 1000-1999/2560"}, announced=PART),
    ],
    ids=["hang-up", "slow-down", "cut-off"],
)
def test_a_part_that_fails_is_asked_for_again_and_no_other(trouble: Answer) -> None:
    found, asked = s3(scripts(served, lambda _: trouble, served))
    assert found == HASH
    assert [one.headers.get("range") for one in asked][1:] == ["bytes=1000-1999"] * 2 + ["bytes=2000-2999"]


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize("heeded", [True, False])
def test_an_object_that_is_replaced_meanwhile_is_an_error_whether_or_not_the_store_heeds_conditions(
    *, heeded: bool
) -> None:
    def later(request: Request) -> Answer:
        headers = request.headers if heeded else {"range": request.headers["range"]}
        return served(Request(request.method, request.path, request.query, headers, b""), etag='"another"')

    with pytest.raises(StorageError, match="was replaced while it was read") as caught:
        s3(scripts(served, later))
    assert not isinstance(caught.value, NotFoundError)


@pytest.mark.usefixtures("apart")
def test_a_store_that_gives_no_parts_is_an_error_and_its_whole_object_is_no_part() -> None:
    with pytest.raises(StorageError, match="no parts of objects"):
        s3(lambda _: Answer(200, CONTENT, {"ETag": ETAG}))


@pytest.mark.usefixtures("apart")
def test_the_end_of_an_object_is_believed_only_of_one_that_is_as_long() -> None:
    whole = CONTENT[: 2 * PART]
    found, asked = s3(lambda request: served(request, content=whole))
    assert found == sha256(whole).hexdigest()
    assert asked[-1].method == "HEAD"
    with pytest.raises(StorageError):
        s3(in_turn(Answer(200, CONTENT, {"ETag": ETAG}), error(416, "InvalidRange"), Answer(200, b"", {"ETag": ETAG})))


@pytest.mark.usefixtures("apart")
def test_an_object_that_vanishes_between_its_parts_is_absent() -> None:
    assert s3(scripts(served, lambda _: error(404, "NoSuchKey")))[0] is None


@pytest.mark.usefixtures("apart")
def test_where_access_to_a_part_is_denied_nothing_is_absent() -> None:
    with pytest.raises(StorageError) as caught:
        s3(scripts(served, lambda _: error(403, "AccessDenied")))
    assert not isinstance(caught.value, NotFoundError)


# Google


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[gcs_stub.Stub]:
    patience = _gcs_service.PATIENCE.with_delay(initial=0.001, maximum=0.01).with_timeout(0.5)
    monkeypatch.setattr(_gcs_service, "PATIENCE", patience)
    with gcs_stub.Stub() as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.url)
        yield running


def gcs(running: gcs_stub.Stub, *answers: gcs_stub.Answer) -> str | None:
    """Hash the object that stands there, whose first part is answered as it is, and those after it so."""
    running.faults.append(None)
    running.faults.extend(gcs_stub.Fault(answer) for answer in answers)
    store = ObjectStore(GcsBucket({"bucket": gcs_stub.BUCKET}), f"{BASE}/")
    try:
        return hashed(store)
    finally:
        store.close()


def test_of_google_each_part_is_of_the_first_one_s_generation(google: gcs_stub.Stub) -> None:
    generation = google.put(KEY, CONTENT)
    parts = [gcs_stub.Answer(206, CONTENT[start : start + PART], generation) for start in (PART, 2 * PART)]
    assert gcs(google, gcs_stub.refusal(503, "Try again"), *parts) == HASH
    assert [one.query.get("ifGenerationMatch") for one in google.asked] == [None, *[generation] * 3]


def test_of_google_another_generation_is_another_object(google: gcs_stub.Stub) -> None:
    google.put(KEY, CONTENT)
    with pytest.raises(StorageError, match="was replaced while it was read"):
        gcs(google, gcs_stub.Answer(206, CONTENT[PART : 2 * PART], "1"))
    with pytest.raises(StorageError, match="was replaced while it was read"):
        gcs(google, gcs_stub.refusal(412, "At least one of the pre-conditions you specified did not hold."))


def test_what_google_gives_whole_is_no_part(google: gcs_stub.Stub) -> None:
    generation = google.put(KEY, CONTENT)
    with pytest.raises(StorageError, match="cannot be read in parts"):
        gcs(google, gcs_stub.Answer(200, CONTENT, generation))


def test_the_end_of_google_s_object_is_believed_only_of_one_that_is_as_long(google: gcs_stub.Stub) -> None:
    google.put(KEY, CONTENT[:PART])
    assert gcs(google, gcs_stub.refusal(416, "no such range")) == sha256(CONTENT[:PART]).hexdigest()
    google.put(KEY, CONTENT)
    with pytest.raises(StorageError, match="was replaced while it was read"):
        gcs(google, gcs_stub.refusal(416, "no such range"))


# Azure


def azure(*answers: azure_stub.Answer) -> tuple[str | None, list[azure_stub.Request]]:
    with azure_stub.Stub() as running:
        running.answers.extend(answers)
        store = ObjectStore(AzureBucket(running.parameters), f"{BASE}/")
        try:
            return hashed(store), running.requests
        finally:
            store.close()


def part(start: int, *, whole: bool = True) -> azure_stub.Answer:
    content = CONTENT[start : start + PART]
    where = f"bytes {start}-{start + len(content) - 1}/{len(CONTENT)}"
    headers = {"ETag": ETAG, "Content-Range": where, "x-ms-blob-type": "BlockBlob"}
    return azure_stub.Answer(206, content, headers, whole=whole)


def test_of_azure_each_part_is_of_the_first_one_s_version_and_tried_again_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    found, asked = azure(part(0), part(PART, whole=False), part(PART), part(2 * PART))
    assert found == HASH
    assert [one.headers.get("If-Match") for one in asked] == [None, ETAG, ETAG, ETAG]
    assert [one.headers.get("x-ms-range") for one in asked] == [
        "bytes=0-999",
        *["bytes=1000-1999"] * 2,
        "bytes=2000-2999",
    ]


def test_of_azure_a_condition_that_does_not_hold_means_another_blob_or_none() -> None:
    changed = azure_stub.refusal(412, "ConditionNotMet")
    with pytest.raises(StorageError, match="was replaced while it was read"):
        azure(part(0), changed, part(0))
    assert azure(part(0), changed, azure_stub.refusal(404, "BlobNotFound"))[0] is None
