"""Between an adapter and a real server requests get lost, answers are cut off, and a store says what stores say."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from azure.core.pipeline.transport import RequestsTransport
from botocore.config import Config

from fixtures.images import image, index
from regsweep.errors import DeniedError, NotFoundError, StorageError
from regsweep.inventory.database import create
from regsweep.inventory.scan import begin, scan
from regsweep.inventory.workers import Workers
from regsweep.plan.options import Untagged
from regsweep.storage.ports import Outcome, Request, Result, Store, Target
from regsweep_backends import _azure_account, _gcs_service, _objects, _s3_client
from regsweep_backends._window import Window
from tests.conformance.azure import AzureRaw, azure_maker
from tests.conformance.content import digest
from tests.conformance.gcs import gcs_maker
from tests.conformance.listing import files
from tests.conformance.objects import ObjectMaker, moto_maker, s3_maker
from tests.conformance.test_deleting import as_listed, results
from tests.conformance.test_plans import ALL_OLD, decision
from tests.servers import azurite as azure_server
from tests.servers import gcs as gcs_server
from tests.servers import s3 as s3_server
from tests.servers.faults import Asked, Cut, Fault, Late, Proxy, faults
from tests.servers.refusals import AZURE, GCS, S3
from tests.trees import BASE, Tree, slashed
from tests.unit.memory import SILENT

LOCK: Final = "regsweep.lock"
RULES: Final = replace(ALL_OLD, untagged=Untagged.DELETE)
WORDS: Final[Mapping[str, Mapping[str, Fault]]] = {"azurite": AZURE, "gcs": GCS, "moto": S3, "seaweedfs": S3}
BROKEN: Final = {cut.value: cut for cut in Cut}
PASSING: Final = ("busy", "throttled", "failing", "before", "after", "head", "within")
LASTING: Final = ("failing", "denied", "vanished", "before", "head", "within")
IN_A_BATCH: Final = 3
NO_MORE_THAN: Final = 0.3
"""Seconds that the adapters wait for an answer, where a test is about that."""


class Behind:
    """A store of a provider, and the proxy that stands before it."""

    def __init__(self, name: str, proxy: Proxy, maker: ObjectMaker) -> None:
        self.proxy = proxy
        self.maker = maker
        self.name = name

    def fault(self, name: str) -> Fault:
        return BROKEN.get(name) or WORDS[self.name][name]


def opened(name: str, address: str, request: pytest.FixtureRequest) -> ObjectMaker:
    if name == "azurite":
        return azure_maker(azure_server.Server(address))
    if name == "gcs":
        return gcs_maker(gcs_server.Server(address), request.getfixturevalue("monkeypatch"))
    return (moto_maker if name == "moto" else s3_maker)(s3_server.Server(address))


@pytest.fixture(params=["azurite", "gcs", "moto"])
def behind(request: pytest.FixtureRequest) -> Iterator[Behind]:
    server = request.getfixturevalue({"gcs": "fake_gcs"}.get(request.param, request.param))
    with faults(server.endpoint) as proxy:
        maker = opened(request.param, proxy.address, request)
        yield Behind(request.param, proxy, maker)
        maker.close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Window, "pause", lambda *_, **__: None)
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda **_: 0)
    # Of a download that breaks off the SDK tries twice more by itself.
    monkeypatch.setattr("azure.storage.blob._download.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(_objects, "_SETTLING_SECONDS", 0.0)
    monkeypatch.setattr(_gcs_service, "PATIENCE", _gcs_service.PATIENCE.with_delay(initial=0.001, maximum=0.005))


@pytest.fixture
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """For faults that last: the one adapter that counts seconds and not tries gives up soon."""
    monkeypatch.setattr(_gcs_service, "PATIENCE", _gcs_service.PATIENCE.with_timeout(0.02))


def small(root: Path) -> Tree:
    """Something of all that is listed and read: tags, an index, what is not tagged, links that must be read."""
    tree = Tree(root)
    tree.push(image(b"kept"), "a", "v1")
    tree.push(index(image(b"inner")), "a/b", "all")
    tree.push(image(b"gone"), "a")
    orphan = tree.blob(b"nothing links to this")
    tree.put(f"repositories/damaged/_layers/{slashed(digest(9))}/link", orphan.encode())
    tree.put(f"repositories/damaged/_layers/{slashed(digest(8))}/link", b"not a digest")
    return tree


def of_the_tree(asked: Asked) -> bool:
    """What a plan depends on; of what is asked about the bucket itself it is only told that it cannot be."""
    return asked.kind is Request.LIST or BASE in asked.path


def once_each() -> Callable[[Asked], bool]:
    """The first time that anything is asked for."""
    seen: set[Asked] = set()

    def first(asked: Asked) -> bool:
        new = asked not in seen
        seen.add(asked)
        return new

    return first


def alternately(kind: Request | None = None) -> Callable[[Asked], bool]:
    """The first of a kind, the third, and so on."""
    numbers = count()
    return lambda asked: kind in (None, asked.kind) and next(numbers) % 2 == 0


def the_same(as_before: Asked) -> Callable[[Asked], bool]:
    return lambda asked: (asked.method, asked.target) == (as_before.method, as_before.target)


def of(kind: Request) -> Callable[[Asked], bool]:
    return lambda asked: asked.kind is kind


def reads(asked: Asked) -> bool:
    return asked.kind is Request.READ and of_the_tree(asked)


def requests_of(behind: Behind, work: Callable[[], object]) -> list[Asked]:
    """What some work asks for in the tree when nothing goes wrong, each once."""
    behind.proxy.mend()
    work()
    return list({(one.method, one.target): one for one in behind.proxy.asked if of_the_tree(one)}.values())


def failure(work: Callable[[], object]) -> StorageError:
    with pytest.raises(StorageError) as caught:
        work()
    assert not isinstance(caught.value, NotFoundError)
    assert "\n" not in caught.value.message
    return caught.value


# Planning


@pytest.mark.parametrize("name", PASSING)
def test_a_plan_is_the_same_though_each_request_fails_at_first(name: str, behind: Behind, tmp_path: Path) -> None:
    behind.maker.fill(small(tmp_path))
    expected = decision(behind.maker.open(), RULES)
    assert expected.condemned
    behind.proxy.mend()
    first = once_each()
    behind.proxy.fail(behind.fault(name), lambda asked: of_the_tree(asked) and first(asked))
    assert decision(behind.maker.open(), RULES) == expected
    assert {one.kind for one in behind.proxy.suffered} == {Request.LIST, Request.READ}
    assert any(one.target.endswith(("link", "link?alt=media")) for one in behind.proxy.suffered)


@pytest.mark.usefixtures("_no_patience")
@pytest.mark.parametrize("name", LASTING)
def test_whichever_request_of_a_plan_fails_for_good_there_is_no_plan(name: str, behind: Behind, tmp_path: Path) -> None:
    behind.maker.fill(small(tmp_path))
    store = behind.maker.open()
    requests = sorted(requests_of(behind, lambda: decision(store, RULES)), key=lambda one: (one.method, one.target))
    # Each is denied. Of the five other ways to fail each meets one or two: every third of them meets the same.
    some = requests if name == "denied" else requests[LASTING.index(name) % 3 :: 3]
    assert some
    for request in some:
        behind.proxy.mend()
        behind.proxy.fail(behind.fault(name), the_same(request))
        error = failure(lambda: decision(store, RULES))
        assert isinstance(error, DeniedError) is (name == "denied")
        assert name != "vanished" or "there is no such" in error.message
    behind.proxy.mend()
    assert decision(store, RULES).condemned


@pytest.mark.usefixtures("_no_patience")
def test_a_store_that_goes_away_while_a_plan_is_made_leaves_none(behind: Behind, tmp_path: Path) -> None:
    behind.maker.fill(small(tmp_path))
    store = behind.maker.open()
    for number in range(len(requests_of(behind, lambda: decision(store, RULES)))):
        behind.proxy.mend()
        behind.proxy.fail(Cut.BEFORE, of_the_tree, after=number)
        assert "cannot be reached" in failure(lambda: decision(store, RULES)).message


def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gcs_service, "_TIMEOUTS", (10.0, NO_MORE_THAN))
    for module, name, made in (
        (_s3_client, "Config", Config),
        (_azure_account, "RequestsTransport", RequestsTransport),
    ):
        monkeypatch.setattr(module, name, lambda made=made, **more: made(**{**more, "read_timeout": NO_MORE_THAN}))


def test_an_answer_that_takes_its_time_is_waited_for(behind: Behind, tmp_path: Path) -> None:
    behind.maker.fill(small(tmp_path))
    expected = decision(behind.maker.open(), RULES)
    behind.proxy.mend()
    behind.proxy.fail(Late(0.2), of(Request.LIST), times=1)
    behind.proxy.fail(Late(0.2), reads, times=1)
    assert decision(behind.maker.open(), RULES) == expected
    assert len(behind.proxy.suffered) == 2
    assert not {one for one in behind.proxy.suffered if behind.proxy.asked.count(one) > 2}


def test_an_answer_that_does_not_come_is_asked_for_again(
    behind: Behind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind.maker.fill(small(tmp_path))
    expected = decision(behind.maker.open(), RULES)
    hasty(monkeypatch)
    behind.proxy.mend()
    behind.proxy.fail(Late(4 * NO_MORE_THAN), of(Request.LIST), times=1)
    behind.proxy.fail(Late(4 * NO_MORE_THAN), reads, times=1)
    assert decision(behind.maker.open(), RULES) == expected
    assert len(behind.proxy.suffered) == 2


@pytest.mark.usefixtures("_no_patience")
def test_an_answer_that_never_comes_is_an_error(
    behind: Behind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind.maker.fill(small(tmp_path))
    hasty(monkeypatch)
    behind.proxy.fail(Late(4 * NO_MORE_THAN), of(Request.LIST))
    assert "cannot be reached" in failure(lambda: decision(behind.maker.open(), RULES)).message


# What ends on the way


@pytest.mark.parametrize("name", ["expired", "skewed"])
def test_credentials_that_are_not_taken_any_more_are_an_error_with_the_way_out(
    name: str, behind: Behind, tmp_path: Path
) -> None:
    behind.maker.fill(small(tmp_path))
    behind.proxy.mend()
    behind.proxy.fail(behind.fault(name), of_the_tree, after=6)
    error = failure(lambda: decision(behind.maker.open(), RULES))
    if (behind.name, name) == ("moto", "skewed"):
        assert error.hint == "set this machine's clock"
    else:
        assert isinstance(error, DeniedError)
        assert "the credentials are refused" in error.message
        assert "config.yml" in error.hint


@pytest.fixture
def _bucket_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    # In moto each has.
    monkeypatch.setattr(AzureRaw, "name", f"doomed-{uuid4().hex}")


def vanish(behind: Behind) -> str:
    """Take the bucket away from the server; return its name."""
    name = urlsplit(behind.maker.open().url).netloc
    address = behind.proxy.address
    if behind.name == "azurite":
        azure_server.Server(address).client(name).delete_container()
    elif behind.name == "gcs":
        gcs_server.Server(address).client().bucket(name).delete(force=True)
    else:
        for key in behind.maker.facts():
            behind.maker.remove(key)
        s3_server.Server(address).client().delete_bucket(Bucket=name)
    return name


@pytest.mark.usefixtures("_bucket_of_its_own")
def test_a_bucket_that_vanishes_is_named_and_nothing_in_it_is_absent(behind: Behind, tmp_path: Path) -> None:
    tree = small(tmp_path)
    behind.maker.fill(tree)
    store = behind.maker.open()
    targets = as_listed(behind.maker, store, sorted(tree.keys()))
    held = store.create_lock(b"mine")
    assert held is not None
    with Workers(store, 1) as workers, create(facts={}) as inventory:
        begun = begin(store, workers)
        name = vanish(behind)
        errors = [failure(lambda: scan(begun, workers, inventory, SILENT))]
    blob = next(key for key in tree.keys() if key.startswith("blobs/"))  # noqa: SIM118 - a tree is no dictionary
    errors += [
        failure(lambda: list(store.read("", [blob], "", limit=1))),
        failure(lambda: store.has("docker/registry/lockfiles/database-in-use")),
        failure(store.read_lock),
        failure(lambda: store.create_lock(b"mine")),
        failure(lambda: store.remove_lock(held)),
    ]
    outcomes = list(store.delete(targets))
    assert results(outcomes) == [Result.FAILED] * len(targets)
    for message in [error.message for error in errors] + [outcome.error for outcome in outcomes]:
        assert name in message
        assert "there is no such" in message


# Deleting


def condemned(behind: Behind, tmp_path: Path) -> tuple[Store, list[Target], set[str]]:
    """A store, what to delete of it, and what is to remain."""
    tree = small(tmp_path)
    doomed = [tree.layer_link("gone", digest(number)) for number in range(12)]
    behind.maker.fill(tree)
    store = behind.maker.open()
    targets = as_listed(behind.maker, store, doomed)
    behind.proxy.mend()
    return store, targets, tree.keys() - set(doomed)


def deleted(store: Store, targets: list[Target]) -> list[Outcome]:
    """Delete in batches, as a run does."""
    parts = [targets[at : at + IN_A_BATCH] for at in range(0, len(targets), IN_A_BATCH)]
    return [outcome for part in parts for outcome in store.delete(part)]


def refuse_batches(behind: Behind) -> None:
    """Be a store that deletes one by one alone."""
    behind.proxy.fail(behind.fault("no batches"), lambda asked: asked.kind is Request.DELETE and asked.method == "POST")


def deletes_one(asked: Asked) -> bool:
    return asked.method == "DELETE"


def goes_though_each_deletion_fails_at_first(name: str, behind: Behind, tmp_path: Path, *, batches: bool) -> None:
    store, targets, others = condemned(behind, tmp_path)
    if not batches:
        refuse_batches(behind)
    behind.proxy.fail(behind.fault(name), alternately(Request.DELETE))
    outcomes = deleted(store, targets)
    assert len(behind.proxy.suffered) >= len(targets) // IN_A_BATCH
    behind.proxy.mend()
    assert set(results(outcomes)) <= {Result.DELETED, Result.ABSENT}
    assert files(behind.maker.facts()) == others


@pytest.mark.parametrize("name", PASSING)
def test_everything_goes_though_each_deletion_fails_at_first(name: str, behind: Behind, tmp_path: Path) -> None:
    goes_though_each_deletion_fails_at_first(name, behind, tmp_path, batches=True)


@pytest.mark.parametrize("behind", ["azurite", "moto"], indirect=True)
@pytest.mark.parametrize("name", ["busy", "after"])
def test_everything_goes_one_by_one_though_each_deletion_fails_at_first(
    name: str, behind: Behind, tmp_path: Path
) -> None:
    goes_though_each_deletion_fails_at_first(name, behind, tmp_path, batches=False)


def is_told_from_what_failed(name: str, behind: Behind, tmp_path: Path, match: Callable[[Asked], bool]) -> None:
    store, targets, others = condemned(behind, tmp_path)
    if match is deletes_one:
        refuse_batches(behind)
    behind.proxy.fail(behind.fault(name), match, after=2)
    outcomes = deleted(store, targets)
    assert behind.proxy.suffered
    behind.proxy.mend()
    left = files(behind.maker.facts()) - others
    failed = {target.key: outcome for target, outcome in zip(targets, outcomes, strict=True) if is_failure(outcome)}
    assert set(results(outcomes)) <= {Result.DELETED, Result.ABSENT, Result.FAILED}
    assert left <= failed.keys()
    if name not in ("after", "head", "within"):
        # The store never heard of them.
        assert left == failed.keys()
        assert 0 < len(failed) < len(targets)
    assert all(outcome.error and "\n" not in outcome.error for outcome in failed.values())
    again = deleted(store, targets)
    assert set(results(again)) <= {Result.DELETED, Result.ABSENT}
    assert files(behind.maker.facts()) == others


def is_failure(outcome: Outcome) -> bool:
    return outcome.result is Result.FAILED


@pytest.mark.usefixtures("_no_patience")
@pytest.mark.parametrize("name", [*LASTING, "after", "expired"])
def test_what_is_not_known_to_be_deleted_has_failed_and_goes_another_time(
    name: str, behind: Behind, tmp_path: Path
) -> None:
    is_told_from_what_failed(name, behind, tmp_path, of(Request.DELETE))


@pytest.mark.parametrize("behind", ["azurite", "moto"], indirect=True)
@pytest.mark.parametrize("name", ["failing", "denied", "after"])
def test_what_is_not_known_to_be_deleted_one_by_one_has_failed_and_goes_another_time(
    name: str, behind: Behind, tmp_path: Path
) -> None:
    is_told_from_what_failed(name, behind, tmp_path, deletes_one)


# Locking


# Without two: one SDK does not notice that the store's word for "there is none" was cut off, and gives up.
@pytest.mark.parametrize("name", [name for name in PASSING if name not in ("head", "within")])
def test_a_lock_is_taken_once_and_given_back_though_each_request_fails_at_first(
    name: str, behind: Behind, tmp_path: Path
) -> None:
    behind.maker.fill(small(tmp_path))
    store, other = behind.maker.open(), behind.maker.open()
    behind.proxy.fail(behind.fault(name), alternately())
    held = store.create_lock(b"mine")
    assert held is not None
    assert other.create_lock(b"yours") is None
    assert other.read_lock() == held
    store.remove_lock(held)
    assert store.read_lock() is None
    assert other.create_lock(b"yours") is not None
    assert len(behind.proxy.suffered) > 6


@pytest.mark.usefixtures("_no_patience")
@pytest.mark.parametrize("name", ["failing", "denied", "before", "after", "head", "within"])
def test_a_lock_that_could_not_be_taken_or_given_back_is_never_two_runs_at_once(
    name: str, behind: Behind, tmp_path: Path
) -> None:
    behind.maker.fill(small(tmp_path))
    store, other = behind.maker.open(), behind.maker.open()
    for number in range(3):
        behind.proxy.mend()
        behind.proxy.fail(behind.fault(name), after=number)
        try:
            held = store.create_lock(b"mine")
        except StorageError as error:
            assert not isinstance(error, NotFoundError)  # noqa: PT017 - it may also succeed
            held = None
        behind.proxy.mend()
        standing = other.read_lock()
        assert held is None or (standing is not None and standing.token == held.token)
        assert (other.create_lock(b"yours") is None) is (standing is not None)
        if held:
            behind.proxy.fail(behind.fault(name), of(Request.READ))
            failure(store.read_lock)
            behind.proxy.mend()
            behind.proxy.fail(behind.fault(name), of(Request.DELETE))
            with suppress(StorageError):
                store.remove_lock(held)
            behind.proxy.mend()
            found = store.read_lock()
            assert found is None or store.remove_lock(found)
            assert other.create_lock(b"yours") is not None
        behind.maker.remove(LOCK)


@pytest.mark.usefixtures("_no_patience")
@pytest.mark.parametrize("name", ["failing", "denied", "before"])
def test_a_lock_that_was_created_is_held_whatever_is_written_after_it(
    name: str, behind: Behind, tmp_path: Path
) -> None:
    behind.maker.fill(small(tmp_path))
    store = behind.maker.open()
    behind.proxy.fail(behind.fault(name), of(Request.WRITE), after=1)
    held = store.create_lock(b"mine")
    assert held is not None
    assert store.read_lock() == held
    assert store.remove_lock(held)


def test_of_many_that_come_at_once_one_gets_the_lock_though_their_answers_are_lost(
    behind: Behind, tmp_path: Path
) -> None:
    behind.maker.fill(small(tmp_path))
    stores = [behind.maker.open() for _ in range(6)]
    barrier = Barrier(len(stores))
    first = once_each()
    behind.proxy.fail(Cut.AFTER, lambda asked: asked.kind is Request.WRITE and first(asked))

    def take(number: int) -> bool:
        barrier.wait(10)
        return stores[number].create_lock(b"%d" % number) is not None

    with ThreadPoolExecutor(len(stores)) as pool:
        won = list(pool.map(take, range(len(stores))))
    assert behind.proxy.suffered
    behind.proxy.mend()
    assert sum(won) == 1
    assert behind.maker.get(LOCK) == b"%d" % won.index(True)


# A store that checks signatures, of which the server's address is a part


@pytest.mark.parametrize("behind", ["seaweedfs"], indirect=True)
def test_a_store_that_checks_signatures_is_planned_and_deleted_from_like_the_others(
    behind: Behind, tmp_path: Path
) -> None:
    store, targets, others = condemned(behind, tmp_path)
    expected = decision(store, RULES)
    behind.proxy.mend()
    behind.proxy.fail(Cut.BEFORE, alternately())
    assert decision(store, RULES) == expected
    assert results(deleted(store, targets)) == [Result.DELETED] * len(targets)
    behind.proxy.mend()
    assert files(behind.maker.facts()) == others
