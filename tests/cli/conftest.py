"""A tree and a plan of it for each test, of which only the first costs a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.scene import Planned, copied, planned


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return planned(tmp_path_factory.mktemp("template"), "-m")


@pytest.fixture
def it(template: Planned, tmp_path: Path) -> Planned:
    return copied(template, tmp_path)


@pytest.fixture
def untouched(it: Planned) -> Iterator[Planned]:
    """As `it`, of which nothing may be deleted."""
    before = it.tree.keys()
    yield it
    assert it.tree.keys() == before
