"""The stores that the suite runs over: an adapter joins by its maker."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.conformance.makers import FilesystemMaker, Maker
from tests.trees import Tree

MAKERS: Mapping[str, Callable[[Path], Maker]] = {"filesystem": FilesystemMaker}


@pytest.fixture(params=sorted(MAKERS))
def maker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Maker]:
    made = MAKERS[request.param](tmp_path / "store")
    yield made
    made.close()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")
