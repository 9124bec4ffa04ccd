"""Reading by requests that the SDK did not make: what goes wrong is told by the SDK, and what is unusual left to it."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from weakref import ref

import pytest
from botocore.config import Config

from regsweep.errors import DeniedError, NotFoundError, StorageError
from regsweep.storage import ports
from regsweep_backends import _s3_client
from regsweep_backends._s3_client import ATTEMPTS
from regsweep_backends.s3 import S3Bucket
from tests.unit.s3_scene import CONTENT, LIMIT, ODD, WHOLE, in_turn, quick, scripts, set_apart
from tests.unit.s3_stub import HANG_UP, HOST, Answer, Request, Stub, error, stub


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_apart(monkeypatch, tmp_path)


@contextmanager
def begun(answer: Callable[[Request], Answer], **parameters: object) -> Iterator[tuple[S3Bucket, Stub]]:
    """A bucket of which one object was read already, so that there may be a pattern, and a server that notes others."""
    with stub(lambda _: WHOLE) as running:
        bucket = S3Bucket(running.parameters(**parameters))
        assert bucket.get("the first", LIMIT) == (CONTENT, '"the hash"')
        assert not any(map(quick, running.asked))
        running.asked.clear()
        running.answer = answer
        bucket.window.requests.clear()
        yield bucket, running
        # Each request is counted once, whoever sends it.
        assert bucket.window.requests[ports.Request.READ] == len(running.asked)
        bucket.close()


# Requests


def test_all_but_the_first_object_is_asked_for_without_the_sdk() -> None:
    with begun(lambda _: WHOLE) as (bucket, running):
        for key in ODD:
            assert bucket.get(key, LIMIT) == (CONTENT, '"the hash"')
    assert [one.path for one in running.asked] == [f"/registries/{key}" for key in ODD]
    assert all(map(quick, running.asked))
    assert {one.headers["user-agent"].split()[-1] for one in running.asked} == {"regsweep"}


def test_an_answer_as_it_should_be_lets_more_be_asked_at_once() -> None:
    with begun(lambda _: WHOLE) as (bucket, _):
        before = bucket.window.size
        bucket.get("k", LIMIT)
        assert bucket.window.size == before + 1


def test_a_bucket_may_be_part_of_the_host_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *more, **named: found(HOST, *more, **named))
    with stub(lambda _: WHOLE) as running:
        port = running.endpoint.rpartition(":")[2]
        where = {"regionendpoint": f"http://Store.example:{port}", "forcepathstyle": False}
        bucket = S3Bucket(running.parameters(**where))
        for key in ODD:
            assert bucket.get(key, LIMIT)[0] == CONTENT
        bucket.close()
    assert [one.path for one in running.asked] == [f"/{key}" for key in ODD]
    assert {one.headers["host"].lower() for one in running.asked} == {f"registries.store.example:{port}"}
    assert list(map(quick, running.asked)) == [False] + [True] * (len(ODD) - 1)


# What the SDK has to see


@pytest.mark.parametrize("code", ["NoSuchBucket", "AccessDenied", "InvalidObjectState", "Unknown", ""])
@pytest.mark.parametrize("status", [403, 404])
def test_only_the_store_s_own_word_for_it_means_absent(code: str, status: int) -> None:
    with begun(lambda _: error(status, code)) as (bucket, running):
        with pytest.raises(StorageError) as caught:
            bucket.get("k", LIMIT)
        assert not isinstance(caught.value, NotFoundError)
        assert len(running.asked) == 1


@pytest.mark.parametrize("answer", [Answer(404), Answer(404, b"<html>not here</html>"), Answer(404, b"not here")])
def test_a_page_that_is_not_found_by_something_in_between_is_no_absent_object(answer: Answer) -> None:
    with begun(lambda _: answer) as (bucket, _), pytest.raises(StorageError) as caught:
        bucket.get("k", LIMIT)
    assert not isinstance(caught.value, NotFoundError)


def test_an_absent_object_is_asked_for_once() -> None:
    with begun(lambda _: error(404, "NoSuchKey")) as (bucket, running):
        for key in ("k", "l"):
            with pytest.raises(NotFoundError):
                bucket.get(key, LIMIT)
        running.answer = lambda _: WHOLE
        assert bucket.get("m", LIMIT)[0] == CONTENT
    assert [one.path[-1] for one in running.asked] == ["k", "l", "m"]
    assert all(map(quick, running.asked))


@pytest.mark.parametrize("answer", [error(503, "SlowDown"), error(429, "TooManyRequests"), error(500, "InternalError")])
def test_a_store_that_asks_for_patience_is_asked_again_by_the_sdk_and_less_at_once(answer: Answer) -> None:
    with begun(in_turn(answer, answer, WHOLE)) as (bucket, running):
        before = bucket.window.size
        assert bucket.get("k", LIMIT)[0] == CONTENT
        assert bucket.window.size == before // 2
        assert list(map(quick, running.asked)) == [True, False, False]
        assert bucket.get("k", LIMIT)[0] == CONTENT
        assert quick(running.asked[-1])


@pytest.mark.parametrize("answer", [error(503, "SlowDown"), HANG_UP])
def test_no_more_tries_are_made_than_the_sdk_makes(answer: Answer) -> None:
    with begun(lambda _: answer) as (bucket, running):
        with pytest.raises(StorageError) as caught:
            bucket.get("the/key", LIMIT)
        assert not isinstance(caught.value, NotFoundError)
        assert len(running.asked) == ATTEMPTS


def test_a_connection_that_broke_is_tried_again() -> None:
    with begun(in_turn(HANG_UP, WHOLE)) as (bucket, running):
        before = bucket.window.size
        assert bucket.get("k", LIMIT)[0] == CONTENT
        assert bucket.window.size == before // 2
        assert len(running.asked) == 2


def test_a_server_that_went_away_is_told_with_its_address() -> None:
    with stub(lambda _: Answer(200, CONTENT, {"Connection": "close"})) as running:
        bucket = S3Bucket(running.parameters())
        for _ in range(2):
            bucket.get("k", LIMIT)
    assert list(map(quick, running.asked)) == [False, True]
    with pytest.raises(StorageError, match="cannot be reached"):
        bucket.get("k", LIMIT)
    bucket.close()


def test_an_answer_that_does_not_come_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(_: Request) -> Answer:
        time.sleep(0.8)
        return WHOLE

    monkeypatch.setattr(_s3_client, "Config", lambda **more: Config(**{**more, "read_timeout": 0.2}))
    with begun(scripts(late, lambda _: WHOLE)) as (bucket, running):
        assert bucket.get("k", LIMIT)[0] == CONTENT
        assert list(map(quick, running.asked)) == [True, False]


@pytest.mark.parametrize("lengths", [[0], [1], [10, 9_000, 0, len(CONTENT) - 1]])
def test_an_object_that_was_cut_off_is_read_again_from_its_beginning(lengths: list[int]) -> None:
    cut = [Answer(200, CONTENT[:length], {"ETag": '"the hash"'}, announced=len(CONTENT)) for length in lengths]
    with begun(in_turn(*cut, WHOLE)) as (bucket, running):
        assert bucket.get("k", LIMIT) == (CONTENT, '"the hash"')
        assert len(running.asked) == len(lengths) + 1


def test_an_object_that_is_cut_off_each_time_is_an_error_and_not_its_beginning() -> None:
    with begun(lambda _: Answer(200, CONTENT[:100], announced=len(CONTENT))) as (bucket, running):
        with pytest.raises(StorageError) as caught:
            bucket.get("the/key", LIMIT)
        assert "the/key" in caught.value.message
        assert len(running.asked) == ATTEMPTS


@pytest.mark.parametrize("limit", [1, 71, len(CONTENT), len(CONTENT) + 1])
def test_no_more_than_the_limit_is_read_of_an_object(limit: int) -> None:
    with begun(lambda _: WHOLE) as (bucket, _):
        assert bucket.get("k", limit) == (CONTENT[:limit], '"the hash"')


@pytest.mark.parametrize("status", [301, 307])
def test_another_region_is_told_in_one_line(status: int) -> None:
    elsewhere = error(status, "PermanentRedirect", "must be addressed elsewhere")
    with (
        begun(lambda asked: elsewhere if asked.method == "GET" else Answer(404)) as (bucket, _),
        pytest.raises(StorageError) as caught,
    ):
        bucket.get("k", LIMIT)
    assert "another region" in caught.value.message
    assert "AWS_REGION" in caught.value.hint


def test_where_the_sdk_is_sent_on_to_another_region_all_others_follow() -> None:
    def answer(request: Request) -> Answer:
        moved = replace(error(301, "PermanentRedirect"), headers={"x-amz-bucket-region": "eu-west-1"})
        return WHOLE if "/eu-west-1/s3/aws4_request" in request.headers["authorization"] else moved

    with begun(answer) as (bucket, running):
        for _ in range(3):
            assert bucket.get("k", LIMIT)[0] == CONTENT
    assert list(map(quick, running.asked)) == [True, False, True, True]


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_credentials_that_are_refused_later_are_a_denial_that_shows_none(code: str) -> None:
    with begun(lambda _: error(403, code, "no"), sessiontoken="hidden-token") as (bucket, running):
        with pytest.raises(DeniedError) as caught:
            bucket.get("k", LIMIT)
        assert "hidden" not in caught.value.message + caught.value.hint
        assert len(running.asked) == 1


# What is no pattern


def test_requests_that_are_signed_otherwise_are_the_sdk_s() -> None:
    with begun(lambda _: WHOLE, v4auth=False) as (bucket, running):
        for key in ODD:
            assert bucket.get(key, LIMIT)[0] == CONTENT
    assert not any(map(quick, running.asked))


def test_a_header_that_we_know_nothing_of_leaves_requests_to_the_sdk() -> None:
    with stub(lambda _: WHOLE) as running:
        bucket = S3Bucket(running.parameters())
        bucket._client.meta.events.register(  # noqa: SLF001 - as a plugin of the SDK's would
            "before-sign.s3.GetObject",
            lambda request, **_: request.headers.add_header("x-amz-request-payer", "requester"),
        )
        for _ in range(3):
            bucket.get("k", LIMIT)
        bucket.close()
    assert {one.headers["x-amz-request-payer"] for one in running.asked} == {"requester"}
    assert not any(map(quick, running.asked))


def test_a_proxy_leaves_requests_to_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    with stub(lambda _: WHOLE) as running:
        monkeypatch.setenv("http_proxy", running.endpoint)
        bucket = S3Bucket(running.parameters(regionendpoint="http://store.example:9000"))
        for _ in range(3):
            assert bucket.get("k", LIMIT)[0] == CONTENT
        bucket.close()
    assert [one.headers["host"] for one in running.asked] == ["store.example:9000"] * 3
    assert not any(map(quick, running.asked))


def test_a_bucket_that_was_closed_has_no_connection_and_begins_anew() -> None:
    with stub(lambda _: WHOLE) as running:
        bucket = S3Bucket(running.parameters())
        for _ in range(2):
            bucket.get("k", LIMIT)
            bucket.get("k", LIMIT)
            pattern = bucket._reader._pattern  # noqa: SLF001 - whose connections they are
            assert pattern is not None
            pool = ref(pattern.pool)
            del pattern
            assert pool() is not None
            bucket.close()
            assert pool() is None
    assert list(map(quick, running.asked)) == [False, True] * 2
