"""`regsweep diff`: two inventories that were kept, and whatever else may be given in their place."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import jsonschema
import pytest

from fixtures.images import image
from tests.cli.scene import NEW, OLD, closed, names, small, the_error, without_privilege
from tests.command import Finished, regsweep
from tests.trees import Tree

SCHEMA = Path(__file__).parents[2] / "src/regsweep/report/schemas/diff.schema.json"
PUSHED = image(b"pushed")


def keep(tree: Tree, name: str) -> None:
    """Keep an inventory beside the tree."""
    place = tree.root.parent
    done = regsweep("plan", tree.root, "-m", "-q", "-o", f"{name}.plan", "--inventory", name, cwd=place)
    assert done.code == 0, done.err


@pytest.fixture(scope="session")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an inventory from before, `1.db`, and one from after a prune and a push, `2.db`."""
    folder = tmp_path_factory.mktemp("inventories")
    tree = small(folder / "registry")
    keep(tree, "1.db")
    assert regsweep("apply", "1.db.plan", "--registry-stopped", cwd=folder).code == 0
    tree.push(PUSHED, "app", "v2")
    keep(tree, "2.db")
    return folder


@pytest.fixture
def here(pruned: Path, tmp_path: Path) -> Path:
    """A folder with the two, and nothing else."""
    for name in ("1.db", "2.db"):
        shutil.copy2(pruned / name, tmp_path / name)
    return tmp_path


def diff(here: Path, *arguments: str) -> Finished:
    return regsweep("diff", *arguments, cwd=here, env={"TMPDIR": str(here.parent)})


def changed(here: Path, statement: str) -> None:
    """Change the first inventory."""
    with duckdb.connect(str(here / "1.db")) as database:
        database.execute(statement)


def test_what_was_deleted_and_what_was_pushed_stands_in_the_text(here: Path) -> None:
    done = diff(here, "1.db", "2.db")
    assert (done.code, done.err) == (0, "")
    found = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "repositories 1 1 0 0 0" in found
    assert "tags 1 2 1 0 +1" in found
    assert "revisions 2 2 1 1 0" in found
    # The image that the tag pointed at before and the orphan went, one image came.
    assert "blobs 7 6 3 4 -1" in found
    assert f"app:v2 {PUSHED.digest[7:19]}" in found
    assert any(line.startswith(OLD.digest[7:19]) and line.endswith(" B app") for line in found)
    assert not any(NEW.digest[7:19] in line for line in found)
    assert max(map(len, done.out.splitlines())) <= 80


def test_json_is_valid_by_its_schema_and_names_the_tags_in_full(here: Path) -> None:
    done = diff(here, "1.db", "2.db", "--format", "json")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert (document["format"], document["version"]) == ("regsweep-diff", 1)
    assert document["tags"] == [
        {"repository": "app", "tag": "v2", "change": "came", "before": None, "after": PUSHED.digest}
    ]
    assert (document["older"]["file"], document["newer"]["file"]) == ("1.db", "2.db")
    went = sum(len(blob.content) for blob in (OLD.blob, *OLD.blobs)) + len(b"nothing links to this")
    assert document["totals"]["bytes"]["went"] == went


def test_csv_has_the_same(here: Path) -> None:
    done = diff(here, "1.db", "2.db", "--format", "csv")
    assert (done.code, done.err) == (0, "")
    heads, *rows = done.out.splitlines()
    assert heads == "row,change,repository,name,before,after"
    assert f"tag,came,app,v2,,{PUSHED.digest}" in rows


def test_neither_file_nor_their_folder_is_changed(here: Path) -> None:
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in here.iterdir()}
    folder = here.stat().st_mtime_ns
    assert diff(here, "1.db", "2.db").code == 0
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in here.iterdir()} == before
    assert here.stat().st_mtime_ns == folder


def test_files_and_a_folder_that_may_only_be_read_are_enough(
    here: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for path in (here / "1.db", here / "2.db", here):
        path.chmod(0o555)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = without_privilege("diff", here / "1.db", here / "2.db", cwd=elsewhere)
    here.chmod(0o755)
    assert (done.code, done.err) == (0, "")
    assert names(elsewhere) == set()


def test_what_a_killed_program_left_beside_an_inventory_stays_there(here: Path) -> None:
    change = "import duckdb, os; held = duckdb.connect('1.db'); held.execute('CREATE TABLE mine AS SELECT 1')"
    subprocess.run([sys.executable, "-c", f"{change}; os.kill(os.getpid(), 9)"], cwd=here, check=False)
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    assert "1.db.wal" in before
    assert diff(here, "1.db", "2.db").code == 0
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


def test_an_inventory_and_itself_differ_in_nothing(here: Path) -> None:
    done = diff(here, "1.db", "1.db")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\nNothing came, went or changed.\n")


def test_a_name_with_a_quote_and_a_space_is_a_name(here: Path) -> None:
    (here / "1.db").rename(here / "o'clock; .db")
    assert diff(here, "o'clock; .db", "2.db").code == 0


def test_the_later_one_given_first_is_remarked_and_compared(here: Path) -> None:
    done = diff(here, "2.db", "1.db")
    assert done.code == 0
    assert done.lines == ["regsweep: warning: 2.db was scanned later than 1.db; the older one is to be given first"]
    assert f"app:v2  {PUSHED.digest[7:19]}" in done.out


def test_inventories_of_two_stores_are_compared_only_if_that_is_meant(here: Path) -> None:
    changed(here, "UPDATE facts SET value = '\"s3://bucket/root\"' WHERE name = 'store'")
    error = the_error(diff(here, "1.db", "2.db"), 2)
    assert "1.db is of the storage s3://bucket/root" in error
    assert "--other-store" in error
    done = diff(here, "1.db", "2.db", "--other-store")
    assert (done.code, done.err) == (0, "")
    assert "of s3://bucket/root\n" in done.out


@pytest.mark.parametrize("first", [True, False])
def test_a_file_that_is_not_there_is_named(here: Path, first: bool) -> None:  # noqa: FBT001 - as pytest gives it
    files = ("gone.db", "2.db") if first else ("1.db", "gone.db")
    error = the_error(diff(here, *files), 2)
    assert error.startswith("gone.db: there is no such file")
    assert "regsweep plan STORE --inventory FILE" in error


def no_database(path: Path) -> None:
    path.write_text("once upon a time")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def another_database(path: Path) -> None:
    path.unlink()
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE TABLE accounts AS SELECT 1 AS id")


def other_facts(path: Path) -> None:
    path.unlink()
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE TABLE facts AS SELECT 'sky' AS name, 'blue' AS value")


def no_scan(path: Path) -> None:
    with duckdb.connect(str(path)) as database:
        database.execute("UPDATE facts SET value = '\"noon\"' WHERE name = 'scanned'")


def half(path: Path) -> None:
    with duckdb.connect(str(path)) as database:
        database.execute("DROP TABLE repository_summary")


def newer_schema(path: Path) -> None:
    with duckdb.connect(str(path)) as database:
        database.execute("UPDATE facts SET value = '2' WHERE name = 'schema_version'")
        database.execute("DELETE FROM facts WHERE name = 'scanned'")
        database.execute("DROP TABLE blobs")


def newer_duckdb(path: Path) -> None:
    """Say in the first header that a later version wrote it, with the checksum that then fits."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<Q", content, 12, 1_000_000)
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", content[8:4096]):
        checksum ^= word * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
    struct.pack_into("<Q", content, 0, checksum)
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, 100_000)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_database, "is no inventory, nor any DuckDB database"),
        (empty, "is no inventory, nor any DuckDB database"),
        (pipe, "is no inventory, nor any DuckDB database"),
        (folder, "is a directory"),
        (loop, "cannot be read: "),
        (another_database, "is a DuckDB database, but no inventory"),
        (other_facts, "is a DuckDB database, but no inventory"),
        (no_scan, "is a DuckDB database, but no inventory"),
        (half, "was not written to its end"),
        (newer_schema, "is an inventory of schema version 2, and this regsweep reads up to 1"),
        (newer_duckdb, "was made with a newer DuckDB than"),
        (cut, "cannot be read: "),
    ],
)
def test_what_is_no_inventory_is_refused_with_its_name_and_a_way_out(
    here: Path, make: Callable[[Path], None], said: str
) -> None:
    make(here / "1.db")
    before = names(here)
    for files in (("1.db", "2.db"), ("2.db", "1.db")):
        error = the_error(diff(here, *files), 2)
        assert error.startswith(f"1.db: {said}"), error
        assert error.count("\n") == 1
    assert names(here) == before


def test_a_plan_in_place_of_an_inventory_is_refused(here: Path, pruned: Path) -> None:
    shutil.copy(pruned / "1.db.plan", here)
    assert "1.db.plan: is no inventory" in the_error(diff(here, "1.db", "1.db.plan"), 2)


def test_a_file_that_may_not_be_read_is_refused(here: Path) -> None:
    with closed(here / "1.db"):
        assert the_error(without_privilege("diff", "1.db", "2.db", cwd=here), 2).startswith(
            "1.db: cannot be read: Perm"
        )


def test_a_name_that_is_no_utf_8_is_refused(here: Path) -> None:
    (here / "1.db").rename(os.fsdecode(os.fsencode(here) + b"/\xff.db"))
    done = without_privilege("diff", os.fsdecode(b"\xff.db"), "2.db", cwd=here)
    assert "its name is not UTF-8" in the_error(done, 2)


def test_an_inventory_that_a_process_writes_to_is_refused_by_that_processs_number(here: Path) -> None:
    code = "import duckdb, sys; held = duckdb.connect('1.db'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        error = the_error(diff(here, "1.db", "2.db"), 2)
        process.send_signal(signal.SIGKILL)
    assert error.startswith(f"1.db: process {process.pid} has it open to write to it")


def test_an_inventory_that_another_reads_is_compared(here: Path) -> None:
    with duckdb.connect(str(here / "1.db"), read_only=True):
        assert diff(here, "1.db", "2.db").code == 0


def test_a_limit_that_is_too_small_and_one_that_is_none_are_said_to_be_that(here: Path) -> None:
    assert "not enough memory" in the_error(diff(here, "1.db", "2.db", "--memory", "1KB"), 1)
    assert "--memory much" in the_error(diff(here, "1.db", "2.db", "--memory", "much"), 2)


def test_one_inventory_alone_is_refused(here: Path) -> None:
    assert "NEWER" in the_error(diff(here, "1.db"), 2)
