"""Listing and reading by S3, from a server that is told what to say."""

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from regsweep.errors import NotFoundError, StorageError
from regsweep_backends import s3
from regsweep_backends._objects import ObjectStore
from regsweep_backends.s3 import S3Bucket
from tests.unit.s3_pages import AWS, Entry
from tests.unit.s3_scene import BLOB, in_turn, set_apart
from tests.unit.s3_stub import HANG_UP, Answer, Request, error, stub


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_apart(monkeypatch, tmp_path)


def test_the_sdk_does_not_read_a_page_that_was_read_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_parsed", lambda _: pytest.fail("the SDK's reading was used"))
    with stub(lambda _: Answer(200, AWS.page([Entry(BLOB)]))) as running:
        (part,) = S3Bucket(running.parameters()).listing("")
    assert part.keys == [BLOB]


def test_a_listing_goes_on_by_its_tokens_to_its_end() -> None:
    def answer(request: Request) -> Answer:
        at = int(request.query.get("continuation-token", ["0"])[0])
        return Answer(200, AWS.page([Entry(f"{at}")], token=str(at + 1) if at < 4 else ""))

    with stub(answer) as running:
        parts = list(S3Bucket(running.parameters()).listing("the prefix"))
    assert [part.keys for part in parts] == [["0"], ["1"], ["2"], ["3"], ["4"]]
    assert [part.more for part in parts] == [True] * 4 + [False]
    assert [one.query["prefix"] for one in running.asked] == [["the prefix"]] * 5


@pytest.mark.parametrize("folders", [False, True])
def test_a_listing_that_goes_on_without_saying_where_is_an_error(folders: bool) -> None:  # noqa: FBT001 - a table
    body = AWS.page([Entry(BLOB)], token="x").replace(b"<NextContinuationToken>x</NextContinuationToken>", b"")  # noqa: S106 - a listing's
    with stub(lambda _: Answer(200, body)) as running, pytest.raises(StorageError):
        list(islice(S3Bucket(running.parameters()).listing("", folders=folders), 5))


def test_a_listing_that_goes_on_where_it_was_is_an_error() -> None:
    body = AWS.page([Entry(BLOB)], token="the same")  # noqa: S106 - a listing's
    with stub(lambda _: Answer(200, body)) as running, pytest.raises(StorageError):
        list(islice(S3Bucket(running.parameters()).listing(""), 5))


@pytest.mark.parametrize(
    "damage",
    [
        (b"<Size>71</Size>", b""),
        (b"<LastModified>2024-05-06T07:08:09.000Z</LastModified>", b""),
        (f"<Key>{BLOB}</Key>".encode(), b""),
        (b"<Size>71<", b"<Size>many<"),
        (b"<LastModified>2024-05-06T07:08:09.000Z<", b"<LastModified>then<"),
        (b"</ListBucketResult>", b""),
        (b"</Contents></ListBucketResult>", b""),
    ],
)
def test_a_page_that_lacks_what_it_must_have_is_an_error_of_the_storage(damage: tuple[bytes, bytes]) -> None:
    body = AWS.page([Entry(BLOB)])
    assert damage[0] in body
    with stub(lambda _: Answer(200, body.replace(*damage))) as running, pytest.raises(StorageError):
        list(S3Bucket(running.parameters()).listing(""))


def test_an_error_in_the_middle_of_a_listing_is_no_end_of_it() -> None:
    first = Answer(200, AWS.page([Entry("0")], token="1"))  # noqa: S106 - a listing's
    for answer in (error(403, "AccessDenied"), error(404, "NoSuchKey"), error(404, "NoSuchBucket"), HANG_UP):
        with stub(in_turn(first, answer)) as running:
            listing = S3Bucket(running.parameters()).listing("")
            assert next(listing).keys == ["0"]
            with pytest.raises(StorageError):
                next(listing)


def test_a_store_that_asks_for_patience_is_asked_again_and_less_at_once() -> None:
    with stub(in_turn(error(503, "SlowDown"), error(503, "SlowDown"), Answer(200, AWS.page([])))) as running:
        bucket = S3Bucket(running.parameters())
        before = bucket.window.size
        list(bucket.listing(""))
    assert len(running.asked) == 3
    assert bucket.window.size == before // 2


def test_no_request_is_given_up_because_others_were_tried_again() -> None:
    failures: Counter[str] = Counter()

    def answer(request: Request) -> Answer:
        failures[request.path] += 1
        return error(503, "SlowDown") if failures[request.path] <= 4 else WHOLE

    with stub(answer) as running:
        bucket = S3Bucket(running.parameters())
        found = list(bucket.window.each(lambda number: bucket.get(f"k{number}", 5 << 20)[0], range(150)))
        bucket.close()
    assert found == [CONTENT] * 150


def test_a_store_that_answers_well_is_asked_more_at_once() -> None:
    with stub(lambda _: Answer(200, AWS.page([]))) as running:
        bucket = S3Bucket(running.parameters())
        before = bucket.window.size
        list(bucket.listing(""))
    assert bucket.window.size == before + 1


CONTENT: Final = bytes(range(256)) * 40


WHOLE: Final = Answer(200, CONTENT, {"ETag": '"the hash"'})


def cut(length: int) -> Answer:
    """An answer that ends too early."""
    return Answer(200, CONTENT[:length], {"ETag": '"the hash"'}, announced=len(CONTENT))


@pytest.mark.parametrize("limit", [1, 71, len(CONTENT) - 1, len(CONTENT), len(CONTENT) + 1, 5 << 20])
def test_no_more_than_the_limit_is_read_of_an_object(limit: int) -> None:
    with stub(lambda _: WHOLE) as running:
        assert S3Bucket(running.parameters()).get("k", limit) == (CONTENT[:limit], '"the hash"')


@pytest.mark.parametrize("limit", [len(CONTENT), len(CONTENT) + 1, 5 << 20])
@pytest.mark.parametrize("lengths", [[0], [1], [5_000], [10, 9_000, 0, len(CONTENT) - 1]])
def test_an_object_that_was_cut_off_is_read_again_from_its_beginning(lengths: list[int], limit: int) -> None:
    with stub(in_turn(*map(cut, lengths), WHOLE)) as running:
        assert S3Bucket(running.parameters()).get("k", limit) == (CONTENT, '"the hash"')
    assert len(running.asked) == len(lengths) + 1


@pytest.mark.parametrize("length", [0, 100, len(CONTENT) - 1])
def test_an_object_that_is_cut_off_each_time_is_an_error_and_not_its_beginning(length: int) -> None:
    with stub(lambda _: cut(length)) as running, pytest.raises(StorageError) as caught:
        S3Bucket(running.parameters()).get("the/key", 5 << 20)
    assert not isinstance(caught.value, NotFoundError)
    assert caught.value.key == "the/key"
    assert "the/key" in caught.value.message
    assert caught.value.message.isprintable()
    assert 2 <= len(running.asked) <= 10


def test_a_server_that_never_answers_is_asked_no_more_often_than_the_sdk_does() -> None:
    with stub(lambda _: HANG_UP) as running, pytest.raises(StorageError):
        S3Bucket(running.parameters()).get("k", 10)
    assert len(running.asked) <= 6


def test_what_is_cut_off_after_the_limit_is_read_as_far_as_that() -> None:
    with stub(lambda _: cut(100)) as running:
        assert S3Bucket(running.parameters()).get("k", 71)[0] == CONTENT[:71]
    assert len(running.asked) == 1


@pytest.mark.parametrize("code", ["NoSuchBucket", "AccessDenied", "InvalidObjectState", "Unknown", ""])
@pytest.mark.parametrize("status", [403, 404])
def test_only_the_store_s_own_word_for_it_means_absent(code: str, status: int) -> None:
    with stub(lambda _: error(status, code)) as running:
        bucket = S3Bucket(running.parameters())
        with pytest.raises(StorageError) as caught:
            bucket.get("k", 10)
        assert not isinstance(caught.value, NotFoundError)
        with pytest.raises(StorageError):
            list(ObjectStore(bucket, "").read("", ["k"], "", limit=10))


@pytest.mark.parametrize("answer", [Answer(404), Answer(404, b"<html>not here</html>"), Answer(404, b"not here")])
def test_a_page_that_is_not_found_by_something_in_between_is_no_absent_object(answer: Answer) -> None:
    with stub(lambda _: answer) as running, pytest.raises(StorageError) as caught:
        S3Bucket(running.parameters()).get("k", 10)
    assert not isinstance(caught.value, NotFoundError)
