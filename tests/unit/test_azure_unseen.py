"""Versions of blobs and blocks never committed: told by the adapter, and deleted by its own marks alone."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from uuid import uuid4

import pytest
from azure.storage.blob import BlobBlock, ContainerClient

from fixtures.images import image
from regsweep.errors import DeniedError, StorageError
from regsweep.registry.layout import BASE
from regsweep.storage.ports import Outcome, Request, Result, State, Target, Unseen
from regsweep_backends._azure_listing import BLOCKS, CURRENT, NEVER, VERSION, parse_beside
from regsweep_backends.azure import AzureBucket
from tests.command import regsweep
from tests.real.copies import connection_string
from tests.real.pushed import NOTHING_IS_YOUNG
from tests.servers import azurite
from tests.trees import Tree, blob_key
from tests.unit import azure_stub
from tests.unit.azure_stub import LOST, Answer, Stub, refusal
from tests.unit.azure_versions import Container
from tests.unit.forgotten import forgotten
from tests.unit.test_azure_listing import blob, page

ROOT = f"{BASE}/"
KEY = f"{ROOT}blobs/a b+%/\u00e9&"
"""A name that needs escaping on its way."""
DELETED = Outcome(Result.DELETED)
ABSENT = Outcome(Result.ABSENT)
CHANGED = Outcome(Result.CHANGED, f"{KEY}: changed since it was listed")
BUSY = refusal(503, "ServerBusy", "The server is busy.")
EMPTY = Answer(201, b"", {"ETag": '"0xE"'})
XML = {"Content-Type": "application/xml"}
BLOCK = Answer(
    200,
    b"<BlockList><CommittedBlocks/><UncommittedBlocks><Block><Name>YQ==</Name><Size>5</Size></Block>"
    b"</UncommittedBlocks></BlockList>",
    XML,
)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regsweep_backends._window.time.sleep", lambda _: None)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurite.Server]:
    with azurite.azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture
def container(server: azurite.Server) -> Iterator[ContainerClient]:
    client = server.client(f"r{uuid4().hex}")
    client.create_container()
    yield client
    client.close()


@pytest.fixture
def real(server: azurite.Server, container: ContainerClient) -> Iterator[AzureBucket]:
    made = AzureBucket(server.parameters(container.container_name))
    yield made
    made.close()


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as stub:
        yield stub


@pytest.fixture
def kept(stub: Stub) -> Container:
    """A container that keeps versions, in the stub."""
    made = Container()
    stub.always = made
    return made


@pytest.fixture
def bucket(stub: Stub) -> Iterator[AzureBucket]:
    made = AzureBucket(stub.parameters)
    yield made
    made.close()


def rows(found: Iterator[Unseen]) -> list[tuple[str, int, str, State | None]]:
    return [
        (key, size, mark, one.states[at] if one.states else None)
        for one in found
        for at, (key, size, mark) in enumerate(zip(one.keys, one.sizes, one.versions, strict=True))
    ]


def marked(key: str, mark: str) -> Target:
    return Target(key=key, size=0, modified=0, version=mark)


def results(outcomes: Iterator[Outcome]) -> list[Result]:
    return [outcome.result for outcome in outcomes]


# Versions


def history(container: Container, key: str) -> tuple[str, str, str]:
    """Write a blob twice, delete it, and write it again; return the marks of all three."""
    first, second = (container.put(key, b"x" * size) for size in (1, 2))
    container.remove(key)
    last = container.put(key, b"xxx")
    return f"{VERSION}{first.identifier}", f"{VERSION}{second.identifier}", f"{CURRENT}{last.identifier},{last.etag}"


@pytest.mark.parametrize("where", ["blobs/x", "repositories/x"])
def test_that_versions_are_kept_shows_in_what_is_listed_first(
    where: str, kept: Container, stub: Stub, bucket: AzureBucket
) -> None:
    kept.put(f"{ROOT}{where}", b"x")
    assert bucket.keeps_versions()
    asked = len(stub.requests)
    assert {remark.code for remark in bucket.remarks(ROOT)} == {"versions-kept"}
    # Of the account and the container alone.
    assert len(stub.requests) == asked + 2


def test_that_versions_are_kept_shows_in_whatever_part_of_a_listing_one_stands(
    kept: Container, bucket: AzureBucket
) -> None:
    kept.keeps, kept.part = False, 1
    for name in ("blobs/x", "repositories/x", "repositories/y"):
        kept.put(f"{ROOT}{name}", b"x")
    assert not bucket.keeps_versions()
    assert list(bucket.unfinished(ROOT)) == []
    assert not bucket.keeps_versions()
    kept.keeps = True
    kept.put(f"{ROOT}repositories/z", b"x")
    assert list(bucket.unfinished(ROOT)) == []
    assert bucket.keeps_versions()


def test_the_listing_that_looks_for_uploads_tells_of_versions_too(
    kept: Container, stub: Stub, bucket: AzureBucket
) -> None:
    for keeps in (False, True):
        kept.keeps = keeps
        kept.put(f"{ROOT}blobs/x", b"x")
        assert list(bucket.unfinished(ROOT)) == []
        asked = len(stub.requests)
        assert bucket.keeps_versions() is keeps
        assert len(stub.requests) == asked


def test_where_uploads_and_versions_are_not_listed_at_once_they_are_one_after_the_other(
    kept: Container, stub: Stub, bucket: AzureBucket
) -> None:
    kept.put(f"{ROOT}blobs/x", b"x")
    no = refusal(400, "InvalidQueryParameterValue")
    both = "include=uncommittedblobs,versions"
    stub.always = lambda request: no if both in unquote(request.path) else kept(request)
    assert list(bucket.unfinished(ROOT)) == []
    assert bucket.keeps_versions()
    assert [both in unquote(request.path) for request in stub.requests] == [True, False, False]


def test_versions_that_cannot_be_listed_to_their_end_are_not_none(
    kept: Container, stub: Stub, bucket: AzureBucket
) -> None:
    kept.keeps, kept.part = False, 1
    for name in ("x", "y"):
        kept.put(f"{ROOT}blobs/{name}", b"x")
    denied = refusal(403, "AuthorizationFailure")
    stub.always = lambda request: denied if "marker=" in request.path else kept(request)
    for call in (bucket.keeps_versions, lambda: list(bucket.unfinished(ROOT)), bucket.keeps_versions):
        with pytest.raises(DeniedError):
            call()


def test_versions_of_what_is_gone_show_too(kept: Container, bucket: AzureBucket) -> None:
    kept.put(f"{ROOT}blobs/x", b"x")
    kept.remove(f"{ROOT}blobs/x")
    kept.keeps = False
    kept.put(f"{ROOT}blobs/y", b"y")
    assert bucket.keeps_versions()


def test_an_account_of_a_hierarchical_name_space_keeps_none(stub: Stub, bucket: AzureBucket) -> None:
    stub.always = lambda _: refusal(409, "FeatureNotYetSupportedForHierarchicalNamespaceAccounts")
    assert not bucket.keeps_versions()


def test_an_emulator_that_knows_no_versions_keeps_none(container: ContainerClient, real: AzureBucket) -> None:
    container.upload_blob(KEY, b"x")
    assert not real.keeps_versions()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(403, "AuthorizationPermissionMismatch"), DeniedError),
        (refusal(400, "InvalidQueryParameterValue"), StorageError),
        (Answer(200, b"<html>", XML), StorageError),
        (Answer(200, page("<Blob><Name>k</Name></Blob>"), XML), StorageError),
        (BUSY, StorageError),
        (Answer(200, page(blob().replace(">71<", ">-1<")), XML), StorageError),
    ],
)
def test_what_cannot_be_listed_is_an_error(
    answer: Answer, kind: type[StorageError], stub: Stub, bucket: AzureBucket
) -> None:
    stub.always = lambda _: answer
    with pytest.raises(kind):
        bucket.keeps_versions()
    with pytest.raises(kind):
        list(bucket.versions(ROOT))
    assert [remark.code for remark in bucket.remarks(ROOT)] == ["untold"]


@pytest.mark.parametrize("answer", [refusal(403, "AuthorizationFailure"), Answer(200, b"<html>"), BUSY])
def test_uploads_that_cannot_be_listed_are_an_error(answer: Answer, stub: Stub, bucket: AzureBucket) -> None:
    stub.always = lambda _: answer
    with pytest.raises(StorageError):
        list(bucket.unfinished(ROOT))


def test_every_version_is_told_with_what_it_is_part_by_part(kept: Container, stub: Stub, bucket: AzureBucket) -> None:
    kept.part = 2
    first, second, last = history(kept, KEY)
    kept.put("elsewhere", b"x")
    stub.answers.append(BUSY)
    assert rows(bucket.versions(ROOT)) == [
        (KEY, 1, first, State.NONCURRENT),
        (KEY, 2, second, State.NONCURRENT),
        (KEY, 3, last, State.CURRENT),
    ]
    assert bucket.window.requests == {Request.LIST: 3}


def test_a_current_version_has_the_time_of_the_listing_which_shows_nothing_else(
    kept: Container, bucket: AzureBucket
) -> None:
    history(kept, KEY)
    (listed,) = bucket.listing(ROOT)
    (told,) = bucket.versions(ROOT)
    assert listed.keys == [KEY]
    assert [
        moment for moment, state in zip(told.modified, told.states, strict=True) if state is State.CURRENT
    ] == listed.modified


def test_a_blob_older_than_versions_goes_as_it_is_listed(kept: Container, bucket: AzureBucket) -> None:
    kept.keeps = False
    old = kept.put(KEY, b"x")
    kept.keeps = True
    assert rows(bucket.versions(ROOT)) == [(KEY, 1, old.etag, State.CURRENT)]
    assert list(bucket.delete([marked(KEY, old.etag)])) == [DELETED]
    # It is a version now, and told as one.
    ((_, _, mark, state),) = rows(bucket.versions(ROOT))
    assert state is State.NONCURRENT
    assert list(bucket.delete([marked(KEY, mark)])) == [DELETED]
    assert kept.left() == set()


@pytest.mark.parametrize("batches", [True, False])
def test_versions_go_for_good_and_nothing_else(
    batches: bool,  # noqa: FBT001 - as pytest passes it
    kept: Container,
    bucket: AzureBucket,
) -> None:
    kept.batches = batches
    first, second, last = history(kept, KEY)
    other = kept.put(f"{ROOT}other", b"x")
    plain = kept.put(f"{ROOT}plain", b"x")
    assert results(bucket.delete([marked(KEY, first), marked(f"{ROOT}never", second)])) == [
        Result.DELETED,
        Result.ABSENT,
    ]
    assert {mark for key, _, mark, _ in rows(bucket.versions(KEY))} == {second, last}
    current = f"{CURRENT}{other.identifier},{other.etag}"
    targets = [
        marked(KEY, last),
        marked(f"{ROOT}plain", plain.etag),
        marked(KEY, second),
        marked(f"{ROOT}other", current),
    ]
    assert list(bucket.delete(targets)) == [DELETED] * 4
    assert kept.left() == {(f"{ROOT}plain", plain.identifier)}
    assert kept.current == {}


@pytest.mark.parametrize("batches", [True, False])
def test_a_current_version_that_was_overwritten_stays(
    batches: bool,  # noqa: FBT001 - as pytest passes it
    kept: Container,
    bucket: AzureBucket,
) -> None:
    kept.batches = batches
    *_, last = history(kept, KEY)
    kept.put(KEY, b"newer")
    before = kept.left()
    assert list(bucket.delete([marked(KEY, last)])) == [CHANGED]
    assert kept.left() == before


@pytest.mark.parametrize("batches", [True, False])
def test_what_was_cut_off_between_the_blob_and_its_version_is_brought_to_its_end(
    batches: bool,  # noqa: FBT001 - as pytest passes it
    kept: Container,
    bucket: AzureBucket,
) -> None:
    kept.batches = batches
    last = kept.put(KEY, b"x")
    mark = f"{CURRENT}{last.identifier},{last.etag}"
    kept.remove(KEY)
    assert list(bucket.delete([marked(KEY, mark)])) == [DELETED]
    assert list(bucket.delete([marked(KEY, mark)])) == [ABSENT]


def test_a_version_that_is_the_current_one_meanwhile_stays(kept: Container, bucket: AzureBucket) -> None:
    last = kept.put(KEY, b"x")
    assert list(bucket.delete([marked(KEY, f"{VERSION}{last.identifier}")])) == [CHANGED]
    assert set(kept.current) == {KEY}


def test_who_may_delete_blobs_but_not_versions_is_told_which_role_it_takes(
    kept: Container, stub: Stub, bucket: AzureBucket
) -> None:
    last = kept.put(KEY, b"x")
    kept.batches = False
    denied = refusal(403, "AuthorizationPermissionMismatch", "This request is not authorized.")
    stub.always = lambda request: denied if "versionid" in request.path else kept(request)
    (outcome,) = bucket.delete([marked(KEY, f"{CURRENT}{last.identifier},{last.etag}")])
    assert outcome.result is Result.FAILED
    assert outcome.error.endswith("to delete versions takes the role Storage Blob Data Owner")
    # What is left is told as a version from now on.
    assert kept.left() == {(KEY, last.identifier)}


def test_versions_of_one_key_in_a_batch_have_an_outcome_each(stub: Stub, kept: Container, bucket: AzureBucket) -> None:
    first, second, _ = history(kept, KEY)
    outcomes = results(bucket.delete([marked(KEY, mark) for mark in (first, f"{VERSION}never", second)]))
    assert outcomes == [Result.DELETED, Result.ABSENT, Result.DELETED]
    assert [request.method for request in stub.requests] == ["POST"]
    assert bucket.window.requests == {Request.DELETE: 1}


def test_that_versions_are_kept_is_told(kept: Container, stub: Stub, bucket: AzureBucket) -> None:
    kept.put(KEY, b"x")
    properties = (
        b"<StorageServiceProperties><DeleteRetentionPolicy><Enabled>true</Enabled><Days>9</Days>"
        b"</DeleteRetentionPolicy></StorageServiceProperties>"
    )

    def answer(request: azure_stub.Request) -> Answer:
        if "comp=list" in request.path:
            return kept(request)
        return Answer(200, properties if "restype=service" in request.path else b"", XML)

    stub.always = answer
    told = {remark.code: remark.text for remark in bucket.remarks(ROOT)}
    assert set(told) == {"versions-kept", "soft-delete"}
    assert "without --versions what is deleted stays" in told["versions-kept"]


# Blocks


def stage(container: ContainerClient, key: str, *blocks: bytes) -> None:
    for number, block in enumerate(blocks):
        container.get_blob_client(key).stage_block(f"{number:04}", block)


def staged(container: ContainerClient, key: str) -> list[int]:
    """The sizes of the blocks at a name that were not committed."""
    return [block.size for block in container.get_blob_client(key).get_block_list("all")[1]]


def test_blocks_alone_are_told_with_their_bytes(container: ContainerClient, real: AzureBucket) -> None:
    stage(container, KEY, b"x" * 3, b"y" * 4)
    stage(container, f"{ROOT}more", b"z")
    stage(container, "elsewhere", b"x")
    container.upload_blob(f"{ROOT}blob", b"x")
    stage(container, f"{ROOT}blob", b"half of its next content")
    container.upload_blob(f"{ROOT}empty", b"")
    container.get_blob_client(f"{ROOT}of no blocks").commit_block_list([])
    (found,) = real.unfinished(ROOT)
    assert dict(zip(found.keys, found.sizes, strict=True)) == {KEY: 7, f"{ROOT}more": 1}
    assert all(abs(begun / 1e6 - time.time()) < 60 for begun in found.modified)
    assert len({mark for mark in found.versions if mark.startswith(BLOCKS)}) == 2
    # One for each that was told, and for the one that might have been.
    assert real.window.requests == {Request.LIST: 1, Request.READ: 3}


def uncommitted(name: str, more: str = "") -> str:
    """A blob that was never committed as the service is documented to list it: without time and ETag."""
    return (
        f"<Blob><Name>{name}</Name><Properties>{more}<Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType>"
        "</Properties></Blob>"
    )


def test_blocks_of_which_nothing_tells_the_age_are_younger_than_anything_that_may_go() -> None:
    created = "<Creation-Time>Wed, 25 Nov 2026 01:30:33 GMT</Creation-Time>"
    assert parse_beside(page(uncommitted("k")))[0].uncommitted == [("k", NEVER)]
    assert parse_beside(page(uncommitted("k", created)))[0].uncommitted == [("k", 1_795_570_233_000_000)]


def prefix_of(request: azure_stub.Request) -> str:
    return unquote(request.path.partition("prefix=")[2].partition("&")[0])


def test_uploads_on_every_part_of_a_listing_are_told(stub: Stub, bucket: AzureBucket) -> None:
    def answer(request: azure_stub.Request) -> Answer:
        if "comp=blocklist" in request.path:
            return BLOCK if "k1" in request.path else refusal(404, "BlobNotFound")
        prefix, marker = prefix_of(request), request.path.partition("marker=")[2].partition("&")[0]
        if "sha512" not in prefix:
            return listing("", "more" if prefix == "p/" and "delimiter" not in request.path else "")
        number = int(marker or 0)
        return listing(uncommitted(f"k{number}"), str(number + 1) if number < 2 else "")

    stub.always = answer
    (found,) = bucket.unfinished("p/")
    assert (list(found.keys), list(found.sizes), list(found.modified)) == (["k1"], [5], [NEVER])
    assert bucket.window.requests[Request.READ] == 3


def listing(blob: str, after: str = "") -> Answer:
    body = f"<EnumerationResults><Blobs>{blob}</Blobs><NextMarker>{after}</NextMarker></EnumerationResults>"
    return Answer(200, body.encode(), XML)


def test_uploads_in_a_large_container_are_looked_for_in_many_parts_at_once(stub: Stub, bucket: AzureBucket) -> None:
    beyond = {
        ROOT: [f"{ROOT}blobs/", f"{ROOT}repositories/", f"{ROOT}odd/"],
        f"{ROOT}repositories/": [f"{ROOT}repositories/a/", f"{ROOT}repositories/\u00e9/"],
        f"{ROOT}blobs/": [f"{ROOT}blobs/sha256/", f"{ROOT}blobs/sha512/"],
        f"{ROOT}blobs/sha256/": [f"{ROOT}blobs/sha256/00/", f"{ROOT}blobs/sha256/zz/"],
    }

    def answer(request: azure_stub.Request) -> Answer:
        if "comp=blocklist" in request.path:
            return BLOCK
        prefix = prefix_of(request)
        if "delimiter" in request.path:
            folders = "".join(map("<BlobPrefix><Name>{}</Name></BlobPrefix>".format, beyond[prefix]))
            return listing(folders + (uncommitted(f"{ROOT}odd") if prefix == ROOT else ""))
        if prefix == ROOT:
            return listing("", "more")
        return listing(uncommitted(f"{prefix}x"))

    stub.always = answer
    found = [key for key, *_ in rows(bucket.unfinished(ROOT))]
    assert len(found) == len(set(found)) == bucket.window.requests[Request.READ]
    assert {f"{ROOT}repositories/\u00e9/x", f"{ROOT}odd/x", f"{ROOT}blobs/sha256/zz/x", f"{ROOT}odd"} < set(found)
    assert {f"{ROOT}repositories/ax", f"{ROOT}repositories/0x", f"{ROOT}blobs/sha256/fx"} < set(found)
    # One to see that there are many, four for what begins otherwise, and of what these found one is no folder.
    assert bucket.window.requests[Request.LIST] == 1 + 4 + len(found) - 1


def test_blocks_are_discarded_and_no_blob_is_left_in_their_place(container: ContainerClient, real: AzureBucket) -> None:
    stage(container, KEY, b"xxx")
    stage(container, f"{ROOT}other", b"x")
    marks = {key: mark for key, _, mark, _ in rows(real.unfinished(ROOT))}
    container.upload_blob(f"{ROOT}blob", b"x")
    assert list(real.delete([marked(KEY, marks[KEY]), marked(f"{ROOT}blob", "")])) == [DELETED] * 2
    assert [blob.name for blob in container.list_blobs(include=["uncommittedblobs"])] == [f"{ROOT}other"]
    assert list(real.delete([marked(KEY, marks[KEY])])) == [ABSENT]


def mark_of(bucket: AzureBucket) -> str:
    ((_, _, mark, _),) = rows(bucket.unfinished(KEY))
    return mark


@pytest.mark.parametrize("after", ["committed", "written", "continued", "replaced"])
def test_what_became_of_blocks_meanwhile_stays(after: str, container: ContainerClient, real: AzureBucket) -> None:
    stage(container, KEY, b"xxx")
    mark = mark_of(real)
    blob = container.get_blob_client(KEY)
    if after == "committed":
        blob.commit_block_list([BlobBlock("0000")])
    elif after == "written":
        container.upload_blob(KEY, b"new", overwrite=True)
        stage(container, KEY, b"xxx")
    elif after == "continued":
        blob.stage_block("0001", b"more")
    else:
        blob.stage_block("0000", b"xxxx")
    before = staged(container, KEY)
    assert list(real.delete([marked(KEY, mark)])) == [CHANGED]
    assert staged(container, KEY) == before
    assert blob.exists() == (after in ("committed", "written"))


def test_a_run_that_was_cut_off_before_it_deleted_the_empty_blob_is_brought_to_its_end(
    container: ContainerClient, real: AzureBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(container, KEY, b"xxx")
    mark = mark_of(real)
    with monkeypatch.context() as patched:
        patched.setattr(ContainerClient, "delete_blob", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(real.delete([marked(KEY, mark)]))
    assert [blob.size for blob in container.list_blobs()] == [0]
    assert list(real.delete([marked(KEY, mark)])) == [DELETED]
    assert list(container.list_blobs(include=["uncommittedblobs"])) == []


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_an_empty_blob_of_somebody_else_stays(container: ContainerClient, real: AzureBucket) -> None:
    stage(container, KEY, b"xxx")
    mark = mark_of(real)
    container.get_blob_client(KEY).commit_block_list([], metadata={"regsweep": "another"})
    assert list(real.delete([marked(KEY, mark)])) == [CHANGED]
    assert container.get_blob_client(KEY).exists()


@pytest.fixture
def one_block(stub: Stub, bucket: AzureBucket) -> str:
    """The mark of a block at `k`, of which the stub tells."""
    stub.answers += [listing(uncommitted("k")), BLOCK]
    ((_, _, mark, _),) = rows(bucket.unfinished("k"))
    stub.requests.clear()
    stub.answers.append(BLOCK)
    return mark


def head(mark: str) -> Answer:
    return Answer(200, b"", {"ETag": '"0xE"', "x-ms-meta-regsweep": mark.removeprefix(BLOCKS)})


def test_an_empty_blob_whose_answer_was_lost_is_known_again(stub: Stub, bucket: AzureBucket, one_block: str) -> None:
    stub.answers += [LOST, refusal(409, "BlobAlreadyExists"), head(one_block), Answer(202)]
    assert list(bucket.delete([marked("k", one_block)])) == [DELETED]
    asked = [
        (request.method, request.headers.get("If-None-Match"), request.headers.get("If-Match"))
        for request in stub.requests
    ]
    assert asked == [
        ("GET", None, None),
        ("PUT", "*", None),
        ("PUT", "*", None),
        ("HEAD", None, None),
        ("DELETE", None, '"0xE"'),
    ]


def test_an_empty_blob_that_was_made_without_its_etag_being_told_is_asked_for(
    stub: Stub, bucket: AzureBucket, one_block: str
) -> None:
    stub.answers += [Answer(201), head(one_block), Answer(202)]
    assert list(bucket.delete([marked("k", one_block)])) == [DELETED]
    assert stub.requests[-1].headers["If-Match"] == '"0xE"'


def test_an_empty_blob_of_which_no_etag_is_told_stays_a_failure(
    stub: Stub, bucket: AzureBucket, one_block: str
) -> None:
    stub.answers += [Answer(201)]
    nameless = Answer(200, b"", {"x-ms-meta-regsweep": one_block.removeprefix(BLOCKS)})
    stub.always = lambda request: nameless if request.method == "HEAD" else Answer(202)
    assert results(bucket.delete([marked("k", one_block)])) == [Result.FAILED]
    assert "DELETE" not in {request.method for request in stub.requests}


@pytest.mark.parametrize("block", [b"<Block/>", b"<Block><Name>YQ==</Name></Block>", b"<Block><Size>5</Size></Block>"])
def test_blocks_that_are_told_by_halves_are_an_error(block: bytes, stub: Stub, bucket: AzureBucket) -> None:
    body = b"<BlockList><CommittedBlocks/><UncommittedBlocks>" + block + b"</UncommittedBlocks></BlockList>"
    stub.always = lambda request: Answer(200, body, XML) if "blocklist" in request.path else listing(uncommitted("k"))
    with pytest.raises(StorageError):
        list(bucket.unfinished("k"))
    assert results(bucket.delete([marked("k", f"{BLOCKS}1")])) == [Result.FAILED]


def test_where_versions_are_kept_that_of_the_empty_blob_goes_too(
    stub: Stub, bucket: AzureBucket, one_block: str
) -> None:
    stub.answers += [Answer(201, b"", {"ETag": '"0xE"', "x-ms-version-id": "2026-01-01T00:00:00.0000000Z"})]
    stub.always = lambda _: Answer(202)
    assert list(bucket.delete([marked("k", one_block)])) == [DELETED]
    assert ["versionid" in request.path for request in stub.requests] == [False, False, False, True]


@pytest.mark.parametrize(
    ("answers", "result"),
    [
        ([refusal(409, "BlobAlreadyExists"), refusal(404, "BlobNotFound")], Result.CHANGED),
        ([refusal(412, "ConditionNotMet"), refusal(404, "BlobNotFound")], Result.CHANGED),
        ([refusal(409, "BlobAlreadyExists"), refusal(403, "AuthorizationFailure")], Result.FAILED),
        ([refusal(403, "AuthorizationPermissionMismatch")], Result.FAILED),
        ([refusal(409, "InvalidBlobType")], Result.FAILED),
        ([EMPTY, refusal(412, "ConditionNotMet"), Answer(200, b"", {"ETag": '"0xF"'})], Result.CHANGED),
        ([EMPTY, refusal(403, "AuthorizationFailure")], Result.FAILED),
        ([EMPTY, Answer(202)], Result.DELETED),
    ],
)
def test_every_discarding_has_an_outcome(
    answers: list[Answer], result: Result, stub: Stub, bucket: AzureBucket, one_block: str
) -> None:
    stub.answers += answers
    assert results(bucket.delete([marked("k", one_block)])) == [result]


def test_blocks_that_cannot_be_told_are_not_discarded(stub: Stub, bucket: AzureBucket) -> None:
    stub.always = lambda _: refusal(403, "AuthorizationFailure")
    assert results(bucket.delete([marked("k", f"{BLOCKS}1")])) == [Result.FAILED]
    assert {request.method for request in stub.requests} == {"GET"}


def test_marks_cannot_be_taken_for_what_a_listing_gives() -> None:
    assert not {VERSION[0], CURRENT[0], BLOCKS[0]} & {'"', "W"}


# By the command


def run(cwd: Path, connection: str, *arguments: str) -> str:
    done = regsweep(*arguments, cwd=cwd, env={"AZURE_STORAGE_CONNECTION_STRING": connection})
    assert (done.code, done.err) == (0, "")
    return done.out


def test_versions_are_freed_and_what_is_served_stays(kept: Container, stub: Stub, tmp_path: Path) -> None:
    new = forgotten(
        tmp_path / "tree",
        lambda key, content: kept.put(f"reg/{ROOT}{key}", content),
        lambda key: kept.remove(f"reg/{ROOT}{key}"),
    )
    endpoint = stub.parameters["serviceurl"]
    there = f"DefaultEndpointsProtocol=http;AccountName=account;AccountKey={azure_stub.KEY};BlobEndpoint={endpoint};"
    rules = (f"az://{azure_stub.CONTAINER}/reg", "--uploads", "--versions", "-m", *NOTHING_IS_YOUNG)
    run(tmp_path, there, "plan", *rules, "-o", "the.plan")
    run(tmp_path, there, "apply", "the.plan", "--registry-stopped")
    blobs = sorted(name for name, _ in kept.left() if "/blobs/" in name)
    assert blobs == sorted(f"reg/{ROOT}{blob_key(digest)}" for digest in (*new.named(), new.digest))
    assert set(blobs) < set(kept.current)
    assert "\nNothing to delete.\n" in run(tmp_path, there, "prune", *rules, "--registry-stopped", "--yes")


def test_blocks_are_freed_and_what_is_served_stays(
    server: azurite.Server, container: ContainerClient, tmp_path: Path
) -> None:
    tree = Tree(tmp_path / "tree")
    new, old = image(b"shared", b"new"), image(b"shared", b"old")
    tree.push(new, "team/app", "latest")
    tree.push(old, "team/app")
    for key in sorted(tree.keys()):
        container.upload_blob(f"reg/{ROOT}{key}", (tree.base / key).read_bytes())
    half = [
        f"reg/{ROOT}{key}"
        for key in ("blobs/sha256/00/" + "0" * 64 + "/data", f"repositories/a/_uploads/{uuid4()}/data")
    ]
    for key in half:
        stage(container, key, b"half", b"of it")
    stage(container, "elsewhere", b"half")
    there = connection_string(server.endpoint, azurite.KEY)
    rules = (f"az://{container.container_name}/reg", "--uploads", "--versions", "-m", *NOTHING_IS_YOUNG)
    # The service tells seconds, so what was just begun is not older than no time at all.
    time.sleep(1.1)
    run(tmp_path, there, "plan", *rules, "-o", "the.plan")
    run(tmp_path, there, "apply", "the.plan", "--registry-stopped")
    left = {blob.name for blob in container.list_blobs(include=["uncommittedblobs"])}
    kept = Tree(tmp_path / "kept")
    kept.push(new, "team/app", "latest")
    assert left == {"elsewhere"} | set(map(f"reg/{ROOT}{{}}".format, kept.keys()))
    assert "\nNothing to delete.\n" in run(tmp_path, there, "prune", *rules, "--registry-stopped", "--yes")
