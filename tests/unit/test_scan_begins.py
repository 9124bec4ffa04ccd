"""What a scan does before its first listing is in hand."""

from collections.abc import Iterator
from threading import Event, Thread

import pytest

from regsweep.errors import DeniedError
from regsweep.inventory.scan import begin
from regsweep.inventory.workers import Workers
from regsweep.storage.ports import Scope
from tests.unit.memory import MemoryStore


class Silent(MemoryStore):
    """Does not answer where its blobs are to be split until it is told to; fails where the links are asked for."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error
        self.answer = Event()

    def shards(self, scope: Scope) -> Iterator[str]:
        """See `Lists.shards`."""
        if Scope.BLOBS in scope:
            self.answer.wait()
            return iter(["blobs/"])
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DeniedError("links: denied", key="links")])
def test_a_run_ends_without_waiting_for_a_store_that_does_not_answer(error: BaseException) -> None:
    store = Silent(error)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            with Workers(store, 1) as workers:
                begin(store, workers)
        except BaseException as one:  # noqa: BLE001 - held against what was raised
            raised.append(one)

    running = Thread(target=run, daemon=True)
    running.start()
    running.join(timeout=30)
    still_running = running.is_alive()
    store.answer.set()
    assert not still_running
    assert raised == [error]
