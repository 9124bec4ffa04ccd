from pathlib import Path

import pytest

from fixtures.images import image
from regsweep.cli.values import limit
from regsweep.errors import StoppedError, UsageError
from regsweep.plan.cost import AS_OF, PRICES, Cost, cost, parse_prices
from regsweep.plan.file import Deletion
from regsweep.plan.options import Options, Untagged
from regsweep.storage.ports import Request
from tests.trees import Tree
from tests.unit.executor_scene import Scene
from tests.unit.memory import DELETE, MemoryStore, decided, plan_of

TAKEN = {Request.LIST: 3, Request.READ: 40}


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    tree = Tree(tmp_path / "tree")
    tree.push(image(b"shared", b"kept"), "a", "v1")
    for number in range(4):
        tree.push(image(b"shared", b"gone" * (number + 1)), "a")
    return MemoryStore.of(tree)


def told(store: MemoryStore, url: str = "s3://b", prices: str | None = None, options: Options = DELETE) -> Cost | None:
    store.url = url
    with decided(store, options) as found:
        return cost(store, found.inventory, found.totals, shards=2, prices=parse_prices(prices))


def test_a_store_without_requests_costs_nothing(store: MemoryStore) -> None:
    assert told(store, "/var/lib/registry") is None


def test_what_was_sent_is_told_and_priced(store: MemoryStore) -> None:
    store.requests = TAKEN
    found = told(store)
    assert found is not None
    assert (found.taken.list, found.taken.read, found.taken.write, found.taken.delete) == (3, 40, 0, 0)
    assert found.taken.dollars == pytest.approx(3 * 0.005 / 1000 + 40 * 0.0004 / 1000)
    assert found.prices == f"S3 Standard, us-east-1, {AS_OF}"


@pytest.mark.parametrize("in_request", [1, 3, 1000])
def test_what_applying_will_send_is_told(store: MemoryStore, in_request: int) -> None:
    store.requests, store.batch, store.deletions_in_request = TAKEN, 3, in_request
    found = told(store)
    assert found is not None
    # Four revisions, four links and a configuration's each, four manifests and as many blobs: 4, 8 and 12 deletions.
    deletions = {1: 24, 3: 2 + 3 + 4, 1000: 3}[in_request]
    assert (found.to_come.list, found.to_come.write, found.to_come.delete) == (2 * (1 + 2), 2, 1 + deletions)
    assert found.to_come.read == 3 + 2 + 3 + 4


def test_where_nothing_goes_nothing_is_to_come(store: MemoryStore) -> None:
    store.requests = TAKEN
    found = told(store, options=Options(untagged=Untagged.KEEP))
    assert found is not None
    assert (found.to_come.list, found.to_come.read, found.to_come.write, found.to_come.delete) == (0, 0, 0, 0)


def test_prices_can_be_given_and_are_not_made_up(store: MemoryStore) -> None:
    store.requests = TAKEN
    given, unknown = told(store, prices="list=1,read=0.5"), told(store, "swift://c")
    assert given is not None
    assert unknown is not None
    assert given.prices == "as given"
    assert given.taken.dollars == pytest.approx(0.003 + 0.02)
    assert (unknown.prices, unknown.taken.dollars) == ("", None)


def test_every_provider_has_a_price_for_each_kind_of_request() -> None:
    assert set(PRICES) == {"s3", "gs", "az"}
    assert all(set(prices) == set(Request) for _, prices in PRICES.values())


@pytest.mark.parametrize("text", ["", "list", "list=", "list=x", "list=-1", "put=1", "list=1;read=2"])
def test_prices_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="makes no sense"):
        parse_prices(text)


def blobs(store: MemoryStore, path: Path, *, largest_first: bool) -> list[Deletion]:
    plan = plan_of(store, path, Options(untagged=Untagged.DELETE, largest_first=largest_first))
    return [deletion for deletion in plan.deletions() if deletion.kind == "blob"]


def test_the_largest_blobs_go_first_if_that_is_wanted(store: MemoryStore, tmp_path: Path) -> None:
    found = blobs(store, tmp_path / "the.plan", largest_first=True)
    sizes = [deletion.bytes for deletion in found]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) > 1
    usual = blobs(store, tmp_path / "another.plan", largest_first=False)
    assert sorted(usual, key=lambda deletion: deletion.key) == usual
    assert {deletion.key for deletion in usual} == {deletion.key for deletion in found}


def test_a_run_that_reaches_its_time_limit_stops_and_another_completes_it(store: MemoryStore, tmp_path: Path) -> None:
    scene = Scene(store, plan_of(store, tmp_path / "the.plan"), tmp_path / "the.journal")
    scene.time_limit = 0.0
    with pytest.raises(StoppedError, match="time limit"):
        scene.run()
    assert store.deleted() == []
    scene.time_limit = 3600.0
    scene.run()
    assert scene.is_done()


@pytest.mark.parametrize(("text", "seconds"), [(None, None), ("2h", 7200), ("90m", 5400), ("30s", 30)])
def test_a_time_limit_is_typed_like_an_age(text: str | None, seconds: float | None) -> None:
    assert limit(text, "--time-limit") == seconds


@pytest.mark.parametrize("text", ["0", "0s", "soon", "-1h"])
def test_a_time_limit_that_leaves_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--time-limit"):
        limit(text, "--time-limit")
