"""A bucket that is not the registry's, or credentials that are not its owner's: one line, and nothing is touched."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from fixtures.images import image
from tests.cli.scene import names, the_error
from tests.real.copies import SERVERS, Copy, Way
from tests.trees import Tree

STRANGER: Final = "c29tZWJvZHkgZWxzZSdzIGtleXMs"
NO_BUCKET: Final = {
    "gcs": "gs://elsewhere: there is no such bucket",
    "azure": "az://elsewhere: there is no such container",
}
RULES: Final = ("-m", "--min-age", "0s")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    tree = Tree(tmp_path_factory.mktemp("tree"))
    tree.push(image(b"shared", b"kept"), "app", "v1")
    tree.push(image(b"shared", b"old"), "app")
    return tree


@pytest.fixture(scope="module")
def copies(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Copy]]:
    files = {key: (tree.base / key).read_bytes() for key in sorted(tree.keys())}
    with (
        SERVERS["gcs"](tmp_path_factory.mktemp("gcs")) as gcs,
        SERVERS["azure"](tmp_path_factory.mktemp("azure")) as azure,
    ):
        for copy in (gcs, azure):
            copy.fill(files)
        yield {"gcs": gcs, "azure": azure}


def overridden(way: Way, **variables: str) -> Way:
    """The same way in an environment that has more in it, `storage_gcs_bucket` for `REGISTRY_STORAGE_GCS_BUCKET`."""
    more = {f"REGISTRY_{name.upper()}": value for name, value in variables.items()}
    return replace(way, environment={**way.environment, **more})


def strange(way: Way) -> Way:
    """The same way with somebody else's key to Azurite."""
    if way.config:
        return overridden(way, storage_azure_accountkey=STRANGER)
    return replace(
        way, environment={name: value.replace(way.secret, STRANGER) for name, value in way.environment.items()}
    )


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("by", ["config", "url"])
def test_a_bucket_that_does_not_exist_is_named(copies: Mapping[str, Copy], name: str, by: str, tmp_path: Path) -> None:
    way, holder = copies[name].ways[by], {"gcs": "bucket", "azure": "container"}[name]
    if by == "config":
        way = overridden(way, **{f"storage_{name}_{holder}": "elsewhere"})
    way = replace(way, url=f"{way.url.partition(':')[0]}://elsewhere/reg/prod")
    assert the_error(way.run("plan", cwd=tmp_path), 2).startswith(f"{NO_BUCKET[name]}\n")
    assert names(tmp_path) == set()


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("by", ["config", "url"])
def test_a_bucket_without_a_registry_where_it_should_be_is_said_to_have_none(
    copies: Mapping[str, Copy], name: str, by: str, tmp_path: Path
) -> None:
    way = copies[name].ways[by]
    if by == "config":
        way = overridden(way, **{f"storage_{name}_rootdirectory": "/reg"})
    error = the_error(replace(way, url=way.url.removesuffix("/prod")).run("plan", cwd=tmp_path), 2)
    place, _, said = error.partition(": holds no registry: there is no docker/registry/v2 below it\n")
    assert place.partition("?")[0] == way.url.removesuffix("/prod")
    assert "rootdirectory" in said
    assert way.telltale not in error
    assert names(tmp_path) == set()


@pytest.mark.parametrize("by", ["config", "url"])
def test_a_wrong_key_is_denied_and_not_repeated(copies: Mapping[str, Copy], by: str, tmp_path: Path) -> None:
    way = strange(copies["azure"].ways[by])
    error = the_error(way.run("plan", cwd=tmp_path), 1)
    assert error.startswith("az://registries: the credentials are refused: ")
    assert "AZURE_STORAGE_KEY" in error
    assert STRANGER not in error
    assert names(tmp_path) == set()


def test_a_plan_goes_on_from_a_wrong_key_with_the_right_one_whichever_way_it_is_given(
    copies: Mapping[str, Copy], tmp_path: Path
) -> None:
    copy = copies["azure"]
    way, before = copy.ways["config"], copy.keys()
    assert way.run("plan", *RULES, "-q", "-o", "the.plan", cwd=tmp_path).code == 0
    apply = ("apply", "the.plan", "--registry-stopped", "-q")
    denied = the_error(strange(way).run(*apply, cwd=tmp_path), 1)
    assert "the credentials are refused" in denied
    without = replace(way, config=None)
    assert "set AZURE_STORAGE_KEY" in the_error(without.run(*apply, cwd=tmp_path), 2)
    assert copy.keys() == before
    done = replace(without, environment={"AZURE_STORAGE_KEY": way.secret}).run(*apply, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert copy.keys() < before
