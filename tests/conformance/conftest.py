"""The stores that the suite runs over: an adapter joins by its maker."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.azure import azure_maker
from tests.conformance.gcs import gcs_maker
from tests.conformance.makers import FilesystemMaker, Maker
from tests.conformance.objects import moto_maker, s3_maker
from tests.servers import azurite as azure
from tests.servers import gcs, s3
from tests.trees import Tree

MAKERS: Final[Mapping[str, Callable[[pytest.FixtureRequest], Maker]]] = {
    "azurite": lambda request: azure_maker(request.getfixturevalue("azurite")),
    "filesystem": lambda request: FilesystemMaker(request.getfixturevalue("tmp_path") / "store"),
    "gcs": lambda request: gcs_maker(request.getfixturevalue("fake_gcs"), request.getfixturevalue("monkeypatch")),
    "moto": lambda request: moto_maker(request.getfixturevalue("moto")),
    "seaweedfs": lambda request: s3_maker(request.getfixturevalue("seaweedfs")),
}


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azure.Server]:
    with azure.azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gcs.Server]:
    with gcs.fake_gcs(tmp_path_factory.mktemp("gcs")) as server:
        yield server


@pytest.fixture(scope="session")
def moto() -> Iterator[s3.Server]:
    with s3.moto() as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Server]:
    with s3.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(params=sorted(MAKERS))
def maker(request: pytest.FixtureRequest) -> Iterator[Maker]:
    made = MAKERS[request.param](request)
    yield made
    made.close()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")
