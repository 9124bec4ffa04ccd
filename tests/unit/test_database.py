"""Two lines of work on one inventory at the same time."""

from collections.abc import Callable, Mapping
from threading import Event
from typing import TYPE_CHECKING

import duckdb
import pytest

from regsweep.errors import UsageError
from regsweep.inventory.database import Inventory, create

if TYPE_CHECKING:
    from concurrent.futures import Future

_ENDLESS = "SELECT count(*) FROM range(10_000_000) one, range(10_000_000) two"


def test_work_meanwhile_sees_what_was_written_and_has_written_when_the_body_ends() -> None:
    def double(view: Inventory) -> int:
        view.execute("CREATE TABLE doubled AS SELECT 2 * number AS number FROM numbers")
        return 1

    with create(facts={}) as inventory:
        inventory.execute("CREATE TABLE numbers AS SELECT 21 AS number")
        with inventory.meanwhile(double) as working:
            inventory.execute("CREATE TABLE halved AS SELECT number // 2 AS number FROM numbers")
        assert working.result() == 1
        assert inventory.row("SELECT doubled.number, halved.number FROM doubled, halved") == (42, 10)


def test_an_error_of_work_meanwhile_ends_the_body() -> None:
    def fail(_: Inventory) -> None:
        raise UsageError("no such thing")

    with create(facts={}) as inventory, pytest.raises(UsageError, match="no such thing"), inventory.meanwhile(fail):
        inventory.execute("CREATE TABLE numbers AS SELECT 21 AS number")


@pytest.mark.parametrize("ask", [Inventory.execute, Inventory.row])
def test_where_the_body_is_interrupted_work_meanwhile_is_broken_off(ask: Callable[[Inventory, str], object]) -> None:
    begun = Event()
    kept: list[Future[None]] = []

    def go_on(view: Inventory) -> None:
        begun.set()
        ask(view, _ENDLESS)

    def be_interrupted(inventory: Inventory) -> None:
        with inventory.meanwhile(go_on) as working:
            kept.append(working)
            begun.wait()
            raise KeyboardInterrupt

    with create(facts={}) as inventory:
        with pytest.raises(KeyboardInterrupt):
            be_interrupted(inventory)
        assert isinstance(kept[0].exception(), duckdb.InterruptException)
        assert inventory.row("SELECT 1") == (1,)


def test_what_memory_does_not_suffice_for_at_once_is_inserted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    execute = Inventory.execute
    refused: list[str] = []

    def at_most_one(inventory: Inventory, statement: str, *parameters: Mapping[str, object]) -> None:
        if "UNION ALL" in statement:
            refused.append(statement)
            raise duckdb.OutOfMemoryException
        execute(inventory, statement, *parameters)

    monkeypatch.setattr(Inventory, "execute", at_most_one)
    with create(facts={}) as inventory:
        inventory.execute("CREATE TABLE numbers (number INTEGER)")
        inventory.insert("numbers", ["SELECT 1", "SELECT $two", "SELECT $three"], {"two": 2, "three": 3, "four": 4})
        assert len(refused) == 1
        assert list(inventory.rows("FROM numbers ORDER BY ALL")) == [(1,), (2,), (3,)]
