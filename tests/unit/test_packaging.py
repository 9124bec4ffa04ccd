import json
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, PROJECT],
        check=True,
        capture_output=True,
    )
    (found,) = folder.glob("*.whl")
    return found


def test_a_wheel_holds_both_packages_typed_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"regsweep/py.typed", "regsweep_backends/py.typed"} <= set(names)
    assert {name.split("/")[0] for name in names} == {"regsweep", "regsweep_backends", "regsweep-0.1.0.dist-info"}


def test_a_wheel_holds_the_schema_of_every_document(wheel: Path) -> None:
    folder = "regsweep/report/schemas/"
    with zipfile.ZipFile(wheel) as archive:
        schemas = {
            name.removeprefix(folder): json.loads(archive.read(name))
            for name in archive.namelist()
            if name.startswith(folder)
        }
    assert set(schemas) == {f"{name}.schema.json" for name in ("check", "diff", "listing", "report", "result")}
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_a_store_can_be_opened_from_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "store/docker/registry/v2").mkdir(parents=True)
    code = (
        "import sys, regsweep, regsweep_backends\n"
        "from regsweep.storage.drivers import connect_location\n"
        "from regsweep.storage.ports import Access\n"
        "assert regsweep.__file__.startswith(sys.argv[1]), regsweep.__file__\n"
        "assert regsweep_backends.__file__.startswith(sys.argv[1])\n"
        "print(connect_location(sys.argv[2], Access()).url)"
    )
    arguments = [str(tmp_path / "site"), str(tmp_path / "store")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": arguments[0]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (arguments[1], "")


def test_the_version_is_the_package_s(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from regsweep.cli.main import main; main()", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "regsweep 0.1.0\n"
