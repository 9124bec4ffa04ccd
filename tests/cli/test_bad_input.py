"""A store, a configuration or a value that makes no sense: one line that says so, and the right exit code."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.scene import closed, failed_unexpectedly, names, small, the_error, without_privilege
from tests.command import regsweep
from tests.trees import BASE

FILESYSTEM = "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {root}\n"


def made(*directories: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        for directory in directories:
            (root / directory).mkdir(parents=True)

    return make


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(made(), "no such directory", id="missing"),
        pytest.param(made("."), f"there is no {BASE} below it", id="empty"),
        pytest.param(made("docker/registry"), f"there is no {BASE} below it", id="no-v2"),
        pytest.param(lambda root: root.write_text("x"), "is not a directory", id="a-file"),
    ],
)
def test_a_store_that_is_none_is_refused_by_name(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    root = tmp_path / "the store"
    make(root)
    error = the_error(regsweep("plan", root, cwd=tmp_path), 2)
    assert error.startswith(f"{root}: ")
    assert says in error
    assert "rootdirectory" in error
    assert not list(tmp_path.glob("*.plan"))


@pytest.mark.parametrize("url", ["s4://bucket/root", "://"])
def test_a_url_without_a_driver_is_refused_by_its_scheme(tmp_path: Path, url: str) -> None:
    assert url.partition(":")[0] + "://" in the_error(regsweep("plan", url, cwd=tmp_path), 2)


@pytest.mark.parametrize("denied", ["", f"{BASE}/repositories/app", f"{BASE}/blobs/sha256"])
def test_a_store_that_this_user_cannot_read_fails_and_names_what_is_denied(tmp_path: Path, denied: str) -> None:
    tree = small(tmp_path / "registry")
    with closed(tree.root / denied):
        error = the_error(without_privilege("plan", tree.root, cwd=tmp_path), 1)
    assert "Permission denied" in error
    assert denied.removeprefix(f"{BASE}/") in error
    assert "run as the user that the registry runs as" in error
    assert not list(tmp_path.glob("*.plan"))


def test_a_store_below_a_directory_that_this_user_cannot_enter_fails_alike(tmp_path: Path) -> None:
    tree = small(tmp_path / "between/registry")
    with closed(tree.root.parent):
        error = the_error(without_privilege("plan", tree.root, cwd=tmp_path), 1)
    assert str(tree.root) in error
    assert "Permission denied" in error


def test_the_storage_is_named_in_one_way_and_not_in_two_or_none(tmp_path: Path) -> None:
    assert "no storage was named" in the_error(regsweep("plan", cwd=tmp_path), 2)
    both = the_error(regsweep("prune", "--dry-run", tmp_path, "--config", "config.yml", cwd=tmp_path), 2)
    assert "STORE and --config were both given" in both


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("version: 0.1\nstorage: {swift: {}}", "'swift'", id="unknown-driver"),
        pytest.param("version: 0.1\nstorage: {filesystem: {}, s3: {}}", "filesystem and s3", id="two-drivers"),
        pytest.param("version: 0.2\nstorage: filesystem", "version is 0.2", id="other-version"),
        pytest.param("version: 0.1\nstorage: {", "config.yml, line 2: is not valid YAML", id="not-yaml"),
        pytest.param("just words", "config.yml: is not a map", id="no-map"),
        pytest.param("version: 0.1\nstorage: {filesystem: [/srv]}", "storage.filesystem: is not a map", id="a-list"),
        pytest.param("a: &a [x, x]\nb: [*a, *a]", "aliases", id="aliases"),
    ],
)
def test_a_configuration_that_names_no_storage_we_know_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "config.yml").write_text(text)
    assert says in the_error(regsweep("plan", "--config", "config.yml", cwd=tmp_path), 2)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_configuration_that_cannot_be_read_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "config.yml").write_bytes(content)
    assert "config.yml: cannot be read" in the_error(regsweep("plan", "--config", "config.yml", cwd=tmp_path), 2)


def test_the_environment_overrides_the_configuration_as_it_does_for_the_registry(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    (tmp_path / "config.yml").write_text(FILESYSTEM.format(root=tmp_path / "nowhere"))
    error = the_error(regsweep("plan", "--config", "config.yml", cwd=tmp_path), 2)
    assert error.startswith(f"{tmp_path / 'nowhere'}: no such directory")
    override = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tree.root)}
    done = regsweep("plan", "--config", "config.yml", cwd=tmp_path, env=override)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Storage  {tree.root}\n")


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--min-age", "1x", "--min-age 1x"),
        ("--min-age", "-1h", "--min-age -1h"),
        ("--min-age", "\uff11h", "--min-age"),
        ("--upload-age", "soon", "--upload-age soon"),
        ("--max-delete", "101%", "--max-delete 101%"),
        ("--memory", "lots", "--memory lots"),
        ("--untagged", "maybe", "maybe"),
        ("--allow", "everything", "everything"),
        ("--colour", "red", "--colour"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_option(
    tmp_path: Path, option: str, value: str, says: str
) -> None:
    (tmp_path / BASE).mkdir(parents=True)
    error = the_error(regsweep("plan", tmp_path, f"{option}={value}", cwd=tmp_path), 2)
    assert says in error
    assert option in error


@pytest.mark.parametrize("option", ["--min-age", "--upload-age"])
def test_an_age_beyond_the_calendar_is_an_age_or_is_refused(tmp_path: Path, option: str) -> None:
    (tmp_path / BASE).mkdir(parents=True)
    done = regsweep("plan", tmp_path, option, "999999w", cwd=tmp_path)
    assert not failed_unexpectedly(done), done.err
    assert done.code in (0, 2)


def test_short_m_and_untagged_keep_contradict_each_other(tmp_path: Path) -> None:
    (tmp_path / BASE).mkdir(parents=True)
    assert "-m and --untagged keep" in the_error(regsweep("plan", tmp_path, "-m", "--untagged=keep", cwd=tmp_path), 2)


def test_too_little_memory_is_said_to_be_that(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    done = regsweep("plan", tree.root, "--memory", "1KB", cwd=tmp_path)
    assert "memory" in the_error(done, 1)
    assert not list(tmp_path.glob("*.plan"))


def test_an_inventory_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    (tmp_path / "inventory.db").write_text("precious")
    error = the_error(regsweep("plan", tree.root, "--inventory", "inventory.db", cwd=tmp_path), 2)
    assert error.startswith("inventory.db: exists already")
    assert (tmp_path / "inventory.db").read_text() == "precious"
    assert not list(tmp_path.glob("*.plan"))


@pytest.mark.parametrize("option", ["--output", "--inventory"])
def test_a_file_in_a_directory_that_does_not_exist_is_refused(tmp_path: Path, option: str) -> None:
    tree = small(tmp_path / "registry")
    before = names(tmp_path)
    error = the_error(regsweep("plan", tree.root, option, "nowhere/file", cwd=tmp_path), 2)
    assert "nowhere/file" in error
    assert names(tmp_path) == before


def test_prune_without_a_terminal_wants_yes_or_dry_run(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    before = tree.keys()
    error = the_error(regsweep("prune", tree.root, "--registry-stopped", cwd=tmp_path, stdin="y\n"), 2)
    assert "standard input is no terminal" in error
    assert "--yes" in error
    assert tree.keys() == before
    assert not list(tmp_path.glob("*.plan"))
