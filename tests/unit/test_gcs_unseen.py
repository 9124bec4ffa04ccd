"""Generations of Cloud Storage's objects: told by the adapter, and deleted by its own marks alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from regsweep.errors import DeniedError, StorageError
from regsweep.storage.ports import Outcome, Request, Result, State, Target, Unseen
from regsweep_backends import _gcs_service
from regsweep_backends._objects import NoBucketError
from regsweep_backends.gcs import GcsBucket
from tests.command import regsweep
from tests.real.pushed import NOTHING_IS_YOUNG
from tests.servers import gcs
from tests.trees import BASE, blob_key
from tests.unit.forgotten import forgotten
from tests.unit.gcs_stub import BUCKET, NO_BUCKET, Answer, Fault, Stub, failing

ROOT = "reg/"
KEY = f"{ROOT}a b+%/\u00e9"
"""A name that needs escaping on its way."""
DELETED = Outcome(Result.DELETED)


@pytest.fixture(autouse=True)
def _short_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = _gcs_service.PATIENCE.with_delay(initial=0.001, maximum=0.01).with_timeout(0.5)
    monkeypatch.setattr(_gcs_service, "PATIENCE", patience)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A bucket that keeps versions."""
    with Stub() as stub:
        stub.versioning = True
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", stub.url)
        yield stub


@pytest.fixture
def bucket(stub: Stub) -> Iterator[GcsBucket]:  # noqa: ARG001 - the environment leads there
    made = GcsBucket({"bucket": BUCKET})
    yield made
    made.close()


def rows(found: Iterator[Unseen]) -> list[tuple[str, int, str, State]]:
    return [row for one in found for row in zip(one.keys, one.sizes, one.versions, one.states, strict=True)]


def marked(key: str, mark: str) -> Target:
    return Target(key=key, size=0, modified=0, version=mark)


def history(stub: Stub, key: str) -> tuple[str, str, str]:
    """Write an object twice, delete it, and write it again; return the marks of all three."""
    first, second = (stub.put(key, b"x" * size) for size in (1, 2))
    stub.remove(key)
    return f"generation={first}", f"generation={second}", f"generation={stub.put(key, b'xxx')}"


# What there is


@pytest.mark.parametrize(("versioning", "may"), [(None, False), (True, True), (False, True)])
def test_a_bucket_that_ever_kept_versions_may_hold_some(
    versioning: bool | None,  # noqa: FBT001 - as pytest passes it
    may: bool,  # noqa: FBT001 - as above
    stub: Stub,
    bucket: GcsBucket,
) -> None:
    stub.versioning = versioning
    assert bucket.keeps_versions() is may
    assert [remark.code for remark in bucket.remarks(ROOT)] == (["versions-kept"] if versioning else [])


def test_the_bucket_is_asked_once_for_what_it_does(stub: Stub, bucket: GcsBucket) -> None:
    assert bucket.keeps_versions()
    (remark,) = bucket.remarks(ROOT)
    assert "without --versions what is deleted stays" in remark.text
    assert len(stub.asked) == 1
    assert bucket.window.requests == {Request.READ: 1}


@pytest.mark.parametrize(
    ("answer", "kind", "hint"),
    [
        (failing(403, "does not have storage.buckets.get access"), DeniedError, "storage.buckets.get"),
        (failing(401, "Invalid Credentials"), DeniedError, "GOOGLE_APPLICATION_CREDENTIALS"),
        (Fault(NO_BUCKET), NoBucketError, "see its name"),
        (failing(400, "no"), StorageError, ""),
        (Fault(Answer(200, b"<html>")), StorageError, ""),
        (Fault(Answer(200, b'{"kind": "storage#bucket", "versioning": 1}')), StorageError, ""),
        (Fault(Answer(200, b"{}")), StorageError, ""),
        (Fault(Answer(200, b"[" * 100_000)), StorageError, ""),
    ],
)
def test_a_bucket_that_does_not_tell_keeps_nobody_knows_what(
    answer: Fault, kind: type[StorageError], hint: str, stub: Stub, bucket: GcsBucket
) -> None:
    stub.always = answer
    with pytest.raises(kind) as caught:
        bucket.keeps_versions()
    assert hint in caught.value.hint
    assert [remark.code for remark in bucket.remarks(ROOT)] == ["untold"]


def test_every_generation_is_told_with_what_it_is_part_by_part(stub: Stub, bucket: GcsBucket) -> None:
    stub.part = 2
    first, second, last = history(stub, KEY)
    stub.put("elsewhere", b"x")
    stub.faults.append(failing(503))
    assert rows(bucket.versions(ROOT)) == [
        (KEY, 1, first, State.NONCURRENT),
        (KEY, 2, second, State.NONCURRENT),
        (KEY, 3, last, State.CURRENT),
    ]
    assert bucket.window.requests == {Request.LIST: 3}


def test_a_real_server_s_generations_are_told_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gcs.fake_gcs(tmp_path) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        raw = server.client()
        kept = raw.bucket("kept")
        kept.versioning_enabled = True
        raw.create_bucket(kept)
        for content in (b"1", b"22"):
            kept.blob(KEY).upload_from_string(content)
        kept.blob(f"{ROOT}gone").upload_from_string(b"333")
        kept.delete_blob(f"{ROOT}gone")
        bucket = GcsBucket({"bucket": "kept"})
        assert bucket.keeps_versions()
        found = {(key, size, state) for key, size, _, state in rows(bucket.versions(ROOT))}
        assert found == {
            (KEY, 1, State.NONCURRENT),
            (KEY, 2, State.CURRENT),
            (f"{ROOT}gone", 3, State.NONCURRENT),
        }
        bucket.close()
        raw.close()


def test_the_time_of_a_live_generation_is_that_of_the_listing(stub: Stub, bucket: GcsBucket) -> None:
    history(stub, KEY)
    (listed,) = bucket.listing(ROOT)
    (told,) = bucket.versions(ROOT)
    assert [
        moment for moment, state in zip(told.modified, told.states, strict=True) if state is State.CURRENT
    ] == listed.modified


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (failing(403), DeniedError),
        (Fault(NO_BUCKET), NoBucketError),
        (Fault(Answer(200, b"{}")), StorageError),
        (
            Fault(
                Answer(
                    200,
                    b'{"kind":"storage#objects","items":[{"name":"k","size":"much","generation":"1",'
                    b'"timeCreated":"2026-01-01T00:00:00Z"}]}',
                )
            ),
            StorageError,
        ),
    ],
)
def test_generations_that_cannot_be_listed_are_an_error(
    answer: Fault, kind: type[StorageError], stub: Stub, bucket: GcsBucket
) -> None:
    stub.always = answer
    with pytest.raises(kind):
        list(bucket.versions(ROOT))


def test_uploads_are_not_told_for_the_service_lists_none(stub: Stub, bucket: GcsBucket) -> None:
    assert list(bucket.unfinished(ROOT)) == []
    assert stub.asked == []


# What goes


def test_a_generation_goes_for_good_and_nothing_else(stub: Stub, bucket: GcsBucket) -> None:
    first, second, last = history(stub, KEY)
    assert list(bucket.delete([marked(KEY, first)])) == [DELETED]
    assert [mark for _, _, mark, _ in rows(bucket.versions(ROOT))] == [second, last]
    assert list(bucket.delete([marked(KEY, last), marked(KEY, second)])) == [DELETED] * 2
    assert stub.generations() == []
    assert bucket.window.requests == {Request.DELETE: 3, Request.LIST: 1}


def test_a_live_generation_that_was_overwritten_meanwhile_goes_without_its_successor(
    stub: Stub, bucket: GcsBucket
) -> None:
    *_, last = history(stub, KEY)
    newer = stub.put(KEY, b"xxxx")
    assert list(bucket.delete([marked(KEY, last)])) == [DELETED]
    assert bucket.get(KEY, 9) == (b"xxxx", newer)


def test_a_generation_that_is_gone_is_absent(stub: Stub, bucket: GcsBucket) -> None:
    first, *_ = history(stub, KEY)
    assert list(bucket.delete([marked(KEY, first)])) == [DELETED]
    assert list(bucket.delete([marked(KEY, first)])) == [Outcome(Result.ABSENT)]
    stub.always = Fault(NO_BUCKET)
    (outcome,) = bucket.delete([marked(KEY, first)])
    assert outcome.result is Result.FAILED


def test_without_the_mark_of_a_generation_one_is_kept(stub: Stub, bucket: GcsBucket) -> None:
    *_, last = history(stub, KEY)
    (listed,) = bucket.listing(ROOT)
    assert list(bucket.delete([marked(KEY, listed.versions[0])])) == [DELETED]
    assert last in {mark for _, _, mark, _ in rows(bucket.versions(ROOT))}


def test_what_is_tried_again_after_an_answer_was_lost_is_gone(stub: Stub, bucket: GcsBucket) -> None:
    first, *_ = history(stub, KEY)
    stub.faults.append(Fault(lost=True))
    (outcome,) = bucket.delete([marked(KEY, first)])
    assert outcome.result is Result.ABSENT


# By the command


def test_what_is_hidden_is_freed_and_what_is_served_stays(stub: Stub, tmp_path: Path) -> None:
    new = forgotten(
        tmp_path / "tree",
        lambda key, content: stub.put(f"{ROOT}{BASE}/{key}", content),
        lambda key: stub.remove(f"{ROOT}{BASE}/{key}"),
    )

    def run(*arguments: str) -> str:
        done = regsweep(*arguments, cwd=tmp_path, env={"STORAGE_EMULATOR_HOST": stub.url})
        assert (done.code, done.err) == (0, "")
        return done.out

    rules = (f"gs://{BUCKET}/reg", "--uploads", "--versions", "-m", *NOTHING_IS_YOUNG)
    run("plan", *rules, "-o", "the.plan")
    run("apply", "the.plan", "--registry-stopped")
    blobs = [name for name, _ in stub.generations() if "/blobs/" in name]
    assert blobs == sorted(f"{ROOT}{BASE}/{blob_key(digest)}" for digest in (*new.named(), new.digest))
    assert set(blobs) < set(stub.objects)
    assert "\nNothing to delete.\n" in run("prune", *rules, "--registry-stopped", "--yes")
