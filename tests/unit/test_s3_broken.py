"""Whatever is asked of S3, what the SDK does not expect of a server is tried again or told in one line."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from botocore.credentials import RefreshableCredentials

from regsweep.errors import DeniedError, NotFoundError, StorageError, UsageError
from regsweep.storage.ports import Result
from regsweep_backends import _s3_client
from regsweep_backends._s3_client import ATTEMPTS
from regsweep_backends.s3 import S3Bucket
from tests.unit.s3_pages import AWS, Entry
from tests.unit.s3_scene import BLOB, CONTENT, LIMIT, WHOLE, in_turn, set_apart, target
from tests.unit.s3_stub import TORN, Answer, Request, error, stub

Work = Callable[[S3Bucket], object]


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_apart(monkeypatch, tmp_path)


def deleted(bucket: S3Bucket, *keys: str) -> list[str]:
    """Delete keys; raise what the outcomes say of failures."""
    outcomes = list(bucket.delete([target(key) for key in keys]))
    for outcome in outcomes:
        if outcome.result is Result.FAILED:
            raise StorageError(outcome.error, key="k")
    return [outcome.result for outcome in outcomes]


def deleted_singly(bucket: S3Bucket) -> list[str]:
    vars(bucket)["_batches"] = False
    return deleted(bucket, "k")


LISTED: Final = Answer(200, AWS.page([Entry(BLOB)]))
NO_MORE: Final = b"<IsTruncated>false</IsTruncated>"
ASKED: Final[dict[str, tuple[Work, Answer]]] = {
    "listing": (lambda bucket: list(bucket.listing("")), LISTED),
    "folders": (lambda bucket: list(bucket.listing("", folders=True)), LISTED),
    "get": (lambda bucket: bucket.get("k", LIMIT), WHOLE),
    "get_more": (
        lambda bucket: bucket.get_more("k", '"e"', 10, LIMIT),
        Answer(206, CONTENT[10:], {"ETag": '"e"', "Content-Range": f"bytes 10-{len(CONTENT) - 1}/{len(CONTENT)}"}),
    ),
    "create": (lambda bucket: bucket.create("k", b"x"), Answer(200, b"", {"ETag": '"e"'})),
    "delete": (
        lambda bucket: deleted(bucket, "k"),
        Answer(200, b"<DeleteResult><Deleted><Key>k</Key></Deleted></DeleteResult>"),
    ),
    "delete one": (deleted_singly, Answer(204)),
    "unfinished": (
        lambda bucket: list(bucket.unfinished("")),
        Answer(200, b"<ListMultipartUploadsResult>" + NO_MORE + b"</ListMultipartUploadsResult>"),
    ),
    "keeps_versions": (S3Bucket.keeps_versions, Answer(200, b"<VersioningConfiguration/>")),
    "versions": (
        lambda bucket: list(bucket.versions("")),
        Answer(200, b"<ListVersionsResult>" + NO_MORE + b"</ListVersionsResult>"),
    ),
}
"""All that is asked, and how a store answers it."""
FEW = pytest.mark.parametrize("name", ["listing", "get", "delete", "versions"])
ALL = pytest.mark.parametrize("name", ASKED)
ANY_CONTENT = ("get", "get_more", "create")
CONTENT_KNOWN = pytest.mark.parametrize("name", [name for name in ASKED if name not in ANY_CONTENT])


def asked_of(parameters: Mapping[str, object], work: Work) -> S3Bucket:
    """A bucket that keeps versions, and knows it unless that is what it will be asked."""
    bucket = S3Bucket(parameters)
    if work is not S3Bucket.keeps_versions:
        vars(bucket)["_status"] = "Enabled"
    return bucket


def failure(work: Work, answer: Callable[[Request], Answer]) -> tuple[StorageError, list[Request]]:
    """What is said where a server never answers otherwise, and how often it was asked."""
    with stub(answer) as running:
        bucket = asked_of(running.parameters(), work)
        with pytest.raises(StorageError) as caught:
            work(bucket)
        bucket.close()
    assert not isinstance(caught.value, NotFoundError)
    assert caught.value.message.isprintable()
    return caught.value, running.asked


def outcome(work: Work, *answers: Answer) -> object:
    with stub(in_turn(*answers)) as running:
        bucket = asked_of(running.parameters(), work)
        try:
            return work(bucket)
        finally:
            bucket.close()


# Sent elsewhere


@ALL
@pytest.mark.parametrize("status", [301, 302, 307])
@pytest.mark.parametrize("code", ["", "PermanentRedirect"])
def test_a_server_that_sends_on_without_saying_where_is_told_with_the_way_out(
    code: str, status: int, name: str
) -> None:
    elsewhere = error(status, code) if code else Answer(status, b"", {"Location": "http://127.0.0.1:9/"})
    told, asked = failure(ASKED[name][0], lambda _: elsewhere)
    assert "another region" in told.message or name.startswith("delete")
    assert len(asked) <= 2


@FEW
@pytest.mark.parametrize("region", ["", "no region", "http://127.0.0.1:9/", "-", "x" * 100])
def test_a_region_that_is_none_is_told_in_one_line(region: str, name: str) -> None:
    elsewhere = replace(error(301, "PermanentRedirect"), headers={"x-amz-bucket-region": region})
    _, asked = failure(ASKED[name][0], lambda _: elsewhere)
    assert len(asked) <= 2


@ALL
def test_a_server_that_sends_on_again_and_again_is_asked_twice(name: str) -> None:
    elsewhere = replace(error(301, "PermanentRedirect"), headers={"x-amz-bucket-region": "eu-west-1"})
    told, asked = failure(ASKED[name][0], lambda _: elsewhere)
    assert "another region" in told.message or name.startswith("delete")
    assert len(asked) <= 3


# Cut off


def cut(status: int, how: str) -> Answer:
    """A refusal of which half is missing."""
    whole = error(status, "NoSuchKey")
    half = replace(whole, body=whole.body[: len(whole.body) // 2])
    return replace(half, chunked=True) if how == "chunked" else replace(half, announced=len(whole.body))


CUT = pytest.mark.parametrize(
    ("status", "how"), [(403, "chunked"), (404, "chunked"), (404, "measured"), (500, "chunked")]
)


@ALL
@CUT
def test_a_refusal_that_breaks_off_is_asked_for_again(status: int, how: str, name: str) -> None:
    work, well = ASKED[name]
    assert outcome(work, cut(status, how), well) == outcome(work, well)


@ALL
@CUT
def test_a_refusal_that_breaks_off_each_time_is_an_error_and_means_nothing(status: int, how: str, name: str) -> None:
    _, asked = failure(ASKED[name][0], lambda _: cut(status, how))
    # Of a refusal of an object the SDK makes an attempt of its own of each.
    assert ATTEMPTS <= len(asked) <= 2 * ATTEMPTS


@CUT
def test_a_later_refusal_that_breaks_off_is_asked_for_again(status: int, how: str) -> None:
    with stub(in_turn(WHOLE, cut(status, how), WHOLE)) as running:
        bucket = S3Bucket(running.parameters())
        for _ in range(2):
            assert bucket.get("k", LIMIT)[0] == CONTENT
        bucket.close()
    assert len(running.asked) == 3


@ALL
def test_an_answer_that_breaks_off_among_its_headers_is_asked_for_again(name: str) -> None:
    work, well = ASKED[name]
    assert outcome(work, TORN, TORN, well) == outcome(work, well)


@ALL
def test_an_answer_that_breaks_off_among_its_headers_each_time_is_an_error(name: str) -> None:
    _, asked = failure(ASKED[name][0], lambda _: TORN)
    assert len(asked) == ATTEMPTS


@CONTENT_KNOWN
def test_a_page_for_people_is_no_answer_of_s3(name: str) -> None:
    failure(ASKED[name][0], lambda _: Answer(200, b"<html><body>Please sign in</body></html>"))


def test_pages_that_lead_in_a_circle_are_an_error() -> None:
    turns = {"": "a", "a": "b", "b": "a"}

    def page(request: Request) -> Answer:
        (marker,) = request.query.get("key-marker", [""])
        following = f"<IsTruncated>true</IsTruncated><NextKeyMarker>{turns[marker]}</NextKeyMarker>"
        return Answer(200, f"<ListVersionsResult>{following}</ListVersionsResult>".encode())

    failure(ASKED["versions"][0], page)


# Credentials


def expired(monkeypatch: pytest.MonkeyPatch, refresh: Callable[[], dict[str, str]], *, first: timedelta) -> None:
    """Take credentials that have to be renewed, after a while or at once."""
    credentials = RefreshableCredentials(
        "AKIDSTUB", "hidden", "hidden", datetime.now(UTC) + first, refresh, method="a test"
    )
    made = _s3_client.make_session

    def session(*given: object) -> object:
        found = made(*given)  # type: ignore[arg-type]  # passed on
        monkeypatch.setattr(found, "_credentials", credentials)  # as a role's would stand there
        return found

    monkeypatch.setattr("regsweep_backends.s3.make_session", session)


def renewed(until: timedelta) -> dict[str, str]:
    until_then = (datetime.now(UTC) + until).isoformat()
    return {"access_key": "AKIDNEW", "secret_key": "hidden", "token": "hidden", "expiry_time": until_then}


def broken() -> dict[str, str]:
    raise ValueError("hidden is no JSON")


@ALL
@pytest.mark.parametrize("refresh", [lambda: renewed(-timedelta(hours=1)), broken], ids=["still expired", "broken"])
def test_credentials_that_cannot_be_renewed_are_a_denial_with_the_way_out(
    refresh: Callable[[], dict[str, str]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired(monkeypatch, refresh, first=-timedelta(hours=1))
    told, asked = failure(ASKED[name][0], lambda _: WHOLE)
    assert "credentials" in told.message
    assert "hidden" not in told.message
    assert isinstance(told, DeniedError) or name.startswith("delete")
    assert asked == []


def test_credentials_that_expire_between_two_reads_are_a_denial(monkeypatch: pytest.MonkeyPatch) -> None:
    expired(monkeypatch, lambda: renewed(-timedelta(hours=1)), first=timedelta(hours=1))
    with stub(lambda _: WHOLE) as running:
        bucket = S3Bucket(running.parameters())
        assert bucket.get("k", LIMIT)[0] == CONTENT
        monkeypatch.setattr(bucket._reader._credentials, "_expiry_time", datetime.now(UTC))  # noqa: SLF001 - time passes
        with pytest.raises(DeniedError, match="credentials cannot be had"):
            bucket.get("k", LIMIT)
        bucket.close()
    assert len(running.asked) == 1


@FEW
@pytest.mark.parametrize(
    "setting",
    [
        "[profile p]\ncredential_process = /nonexistent/of/this/name\n",
        "[profile p]\ncredential_process = echo hidden\n",
        "[profile p]\ncredential_process = echo {}\n",
        "[profile p]\nrole_arn = x\nsource_profile = nobody\n",
        "[profile other]\n",
        "[profile p\n",
    ],
)
def test_a_profile_that_gives_no_credentials_is_told_in_one_line(
    setting: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(setting, encoding="utf-8")
    monkeypatch.setenv("AWS_PROFILE", "p")
    with stub(lambda _: WHOLE) as running:
        bucket = S3Bucket(running.parameters(accesskey="", secretkey=""))
        with pytest.raises(StorageError) as caught:
            ASKED[name][0](bucket)
    assert "hidden" not in caught.value.message
    assert caught.value.message.isprintable()
    assert running.asked == []


@FEW
def test_an_address_from_the_environment_that_is_none_is_told_in_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "user:hidden@no address")
    bucket = S3Bucket({"bucket": "b", "region": "us-east-1", "accesskey": "a", "secretkey": "b"})
    with pytest.raises(UsageError, match="no address") as caught:
        ASKED[name][0](bucket)
    assert "hidden" not in caught.value.message
    assert "AWS_ENDPOINT_URL" in caught.value.hint
