"""Deleting and locking by S3, in a server that is told what to say."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from regsweep.errors import DeniedError, StorageError
from regsweep.storage.ports import Result
from regsweep_backends._objects import ObjectStore
from regsweep_backends.s3 import S3Bucket
from tests.unit.s3_scene import Script, results, scripts, set_apart, target
from tests.unit.s3_stub import HANG_UP, Answer, Request, error, stub


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_apart(monkeypatch, tmp_path)


def deleted(*errors: tuple[str, str], message: str = "as told", names: Sequence[str] = ()) -> Answer:
    """An answer to a deletion of many: which keys failed, by which code, and which did not, if it says so."""
    parts = [f"<Error><Key>{key}</Key><Code>{code}</Code><Message>{message}</Message></Error>" for key, code in errors]
    parts += [f"<Deleted><Key>{name}</Key></Deleted>" for name in names]
    return Answer(200, f"<?xml version='1.0'?><DeleteResult>{''.join(parts)}</DeleteResult>".encode())


def keys_of(request: Request) -> list[str]:
    return re.findall(r"<Key>(.*?)</Key>", request.body.decode())


def honest(*errors: tuple[str, str], message: str = "as told") -> Script:
    """A store that says of each key what became of it, also of those that it deleted."""
    failed = [key for key, _ in errors]
    return lambda request: deleted(
        *errors,
        message=message,
        names=[] if b"<Quiet>true" in request.body else [key for key in keys_of(request) if key not in failed],
    )


def test_each_key_has_the_outcome_that_the_store_told_of_it() -> None:
    answer = honest(("b", "AccessDenied"), ("c", "PreconditionFailed"), ("d", "NoSuchKey"), ("e", "Unknown"))
    with stub(answer) as running:
        outcomes = list(S3Bucket(running.parameters()).delete([target(key) for key in "abcdef"]))
    assert [outcome.result for outcome in outcomes] == [
        Result.DELETED,
        Result.FAILED,
        Result.CHANGED,
        Result.ABSENT,
        Result.FAILED,
        Result.DELETED,
    ]
    assert outcomes[1].error == "b: as told"
    assert "c" in outcomes[2].error
    assert (outcomes[0].error, outcomes[3].error) == ("", "")


def test_what_a_key_was_when_it_was_listed_is_told_to_the_store() -> None:
    with stub(honest()) as running:
        assert results(S3Bucket(running.parameters()), target("a", '"hash"'), target("b")) == [Result.DELETED] * 2
    body = running.asked[0].body.decode()
    assert re.findall(r"<Key>a</Key>\s*<ETag>(.*?)</ETag>", body) in (['"hash"'], ["&quot;hash&quot;"])
    assert body.count("<ETag>") == 1
    assert "content-md5" in running.asked[0].headers


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_a_key_that_the_store_was_too_busy_for_is_asked_for_again_alone(code: str) -> None:
    with stub(scripts(honest(("b", code)), honest(("b", code)), honest())) as running:
        bucket = S3Bucket(running.parameters())
        assert results(bucket, *map(target, "abc")) == [Result.DELETED] * 3
    assert [keys_of(request) for request in running.asked] == [["a", "b", "c"], ["b"], ["b"]]


def test_a_key_that_the_store_is_too_busy_for_each_time_fails() -> None:
    def answer(request: Request) -> Answer:
        return honest(*[("b", "InternalError")] * ("b" in keys_of(request)))(request)

    with stub(answer) as running:
        assert results(S3Bucket(running.parameters()), *map(target, "abc")) == [
            Result.DELETED,
            Result.FAILED,
            Result.DELETED,
        ]
    assert 2 <= len(running.asked) <= 10


@pytest.mark.parametrize("answer", [error(403, "AccessDenied"), HANG_UP, error(500, "InternalError")])
def test_where_the_whole_request_fails_each_key_does(answer: Answer) -> None:
    with stub(lambda _: answer) as running:
        outcomes = list(S3Bucket(running.parameters()).delete([target("a"), target("b")]))
    assert [outcome.result for outcome in outcomes] == [Result.FAILED] * 2
    assert all(outcome.error.isprintable() and outcome.error for outcome in outcomes)


def test_what_was_deleted_before_the_store_failed_is_told_as_deleted() -> None:
    with stub(scripts(honest(("b", "InternalError")), lambda _: error(403, "AccessDenied"))) as running:
        assert results(S3Bucket(running.parameters()), *map(target, "abc")) == [
            Result.DELETED,
            Result.FAILED,
            Result.DELETED,
        ]


@pytest.mark.parametrize("named", ["", "elsewhere", "/b"])
def test_an_error_of_no_key_that_was_asked_for_is_not_swallowed(named: str) -> None:
    with stub(lambda _: deleted((named, "AccessDenied"))) as running:
        assert Result.FAILED in results(S3Bucket(running.parameters()), target("a"), target("b"))


@pytest.mark.parametrize(
    "body", [b"", b"<html><body>sign in</body></html>", b"<Other/>", b"<?xml version='1.0'?><Deleted/>"]
)
def test_an_answer_that_says_nothing_of_a_deletion_is_none(body: bytes) -> None:
    with stub(lambda _: Answer(200, body)) as running:
        assert results(S3Bucket(running.parameters()), target("a"), target("b")) == [Result.FAILED] * 2


def test_what_the_store_says_of_a_key_is_one_short_line() -> None:
    said = "first&#10;second \x7f\u202e" + "x" * 5_000
    with stub(honest(("a", "AccessDenied"), message=said)) as running:
        (outcome,) = S3Bucket(running.parameters()).delete([target("a")])
    assert outcome.result is Result.FAILED
    assert outcome.error.startswith("a: ")
    assert outcome.error.isprintable()
    assert len(outcome.error) < 600


@pytest.mark.parametrize(
    "refusal", [error(501, "NotImplemented"), error(405, "MethodNotAllowed"), error(400, "MalformedXML")]
)
def test_a_store_that_knows_no_deletion_of_many_is_asked_for_one_at_a_time(refusal: Answer) -> None:
    def answer(request: Request) -> Answer:
        if request.method == "POST":
            return refusal
        return error(412, "PreconditionFailed") if request.path.endswith("/b") else Answer(204)

    with stub(answer) as running:
        bucket = S3Bucket(running.parameters())
        given = [target("a", '"hash"'), target("b", '"hash"'), target("c")]
        assert results(bucket, *given) == [Result.DELETED, Result.CHANGED, Result.DELETED]
        assert results(bucket, *given) == [Result.DELETED, Result.CHANGED, Result.DELETED]
    assert sorted(running.methods()) == ["DELETE"] * 6 + ["DELETE*"]
    conditions = {request.path[-1]: request.headers.get("if-match") for request in running.asked}
    assert (conditions["a"], conditions["c"]) == ('"hash"', None)


def test_what_fails_one_at_a_time_names_its_key_once() -> None:
    answers = {"POST": error(501, "NotImplemented"), "DELETE": error(403, "AccessDenied", "not you")}
    with stub(lambda request: answers[request.method]) as running:
        (outcome,) = S3Bucket(running.parameters()).delete([target("the/key")])
    assert outcome.result is Result.FAILED
    assert outcome.error.count("the/key") == 1
    assert "not you" in outcome.error


def test_a_bucket_that_is_gone_is_no_absent_key() -> None:
    answers = {"POST": error(501, "NotImplemented"), "DELETE": error(404, "NoSuchBucket")}
    with stub(lambda request: answers[request.method]) as running:
        assert results(S3Bucket(running.parameters()), target("k")) == [Result.FAILED]
    with stub(lambda _: error(404, "NoSuchBucket")) as running:
        assert results(S3Bucket(running.parameters()), target("k")) == [Result.FAILED]


class Shelf:
    """A store of one object, which honours a condition or not, and can lose answers."""

    def __init__(self, *, honours: bool = True, loses: Sequence[int] = ()) -> None:
        self.content: bytes | None = None
        self._honours = honours
        self._loses = loses
        self._puts = 0

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        match request.method:
            case "PUT":
                return self._put(request)
            case "GET" if self.content is not None:
                return Answer(200, self.content, {"ETag": self._etag()})
            case "POST":
                self.content = None
                return deleted(names=keys_of(request))
            case _:
                return error(404, "NoSuchKey")

    def _etag(self) -> str:
        return f'"{self.content!r}"'.replace(" ", "-")

    def _put(self, request: Request) -> Answer:
        self._puts += 1
        if self._honours and "if-none-match" in request.headers and self.content is not None:
            return error(412, "PreconditionFailed")
        self.content = request.body
        return HANG_UP if self._puts in self._loses else Answer(200, b"", {"ETag": self._etag()})


def test_an_object_is_created_only_if_there_is_none() -> None:
    with stub(Shelf()) as running:
        bucket = S3Bucket(running.parameters())
        created = bucket.create("lock", b"mine")
        assert created is not None
        assert created[1]
        assert bucket.create("lock", b"yours") is None
        assert bucket.get("lock", 10) == (b"mine", created[0])


def test_a_store_that_takes_no_notice_of_the_condition_is_not_sure() -> None:
    with stub(Shelf(honours=False)) as running:
        bucket = S3Bucket(running.parameters())
        created = bucket.create("lock", b"mine")
        assert created is not None
        assert not created[1]
        assert bucket.get("lock", 10) == (b"mine", created[0])


def test_a_store_that_refuses_the_condition_is_not_sure() -> None:
    shelf = Shelf()
    with stub(lambda one: error(501, "NotImplemented") if "if-none-match" in one.headers else shelf(one)) as running:
        created = S3Bucket(running.parameters()).create("lock", b"mine")
    assert created is not None
    assert not created[1]
    assert shelf.content == b"mine"


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_either_word_for_a_condition_that_does_not_hold_means_that_there_is_one(code: str) -> None:
    with stub(lambda _: error(409, code)) as running:
        assert S3Bucket(running.parameters()).create("lock", b"mine") is None


def test_what_may_not_be_written_is_a_denial() -> None:
    with stub(lambda _: error(403, "AccessDenied")) as running, pytest.raises(DeniedError):
        S3Bucket(running.parameters()).create("lock", b"mine")


def test_a_lock_whose_creation_was_answered_too_late_is_still_its_creator_s() -> None:
    # The SDK asks again when no answer comes, and finds what it wrote itself.
    with stub(Shelf(loses=[1])) as running:
        held = ObjectStore(S3Bucket(running.parameters()), "").create_lock(b"mine")
        assert held is not None
        assert held.content == b"mine"


@pytest.mark.parametrize("code", ["AccessDenied", "SlowDown", "InvalidRequest"])
def test_a_lock_that_was_created_is_not_left_behind_by_an_error(code: str) -> None:
    shelf, puts = Shelf(), 0

    def answer(request: Request) -> Answer:
        nonlocal puts
        puts += request.method == "PUT"
        return error(400, code) if puts > 1 and request.method == "PUT" else shelf(request)

    with stub(answer) as running:
        held = None
        with suppress(StorageError):
            held = ObjectStore(S3Bucket(running.parameters()), "").create_lock(b"mine")
    assert (held is None) is (shelf.content is None)


def test_the_lock_is_encrypted_as_the_registry_s_own_objects_are() -> None:
    with stub(Shelf()) as running:
        S3Bucket(running.parameters(encrypt=True)).create("lock", b"mine")
        S3Bucket(running.parameters(encrypt=True, keyid="the-key")).create("other", b"mine")
    told = [
        (
            one.headers.get("x-amz-server-side-encryption"),
            one.headers.get("x-amz-server-side-encryption-aws-kms-key-id"),
        )
        for one in running.asked
    ]
    assert told[0] == ("AES256", None)
    assert ("aws:kms", "the-key") in told
