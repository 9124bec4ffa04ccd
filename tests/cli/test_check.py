"""`regsweep check`: how it ends, what it says where, and that it changes nothing."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.images import image, index
from tests.cli.scene import closed, the_error, without_privilege
from tests.command import Finished, regsweep
from tests.trees import Tree, blob_key, slashed

ONE = image(b"base", b"one")
BOTH = index(ONE, image(b"base", b"two", platform="linux/arm64"))
LAYER = ONE.blobs[2]
SCHEMA = Path(__file__).parents[2] / "src/regsweep/report/schemas/check.schema.json"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "registry")
    tree.push(BOTH, "app", "both")
    tree.push(ONE, "app", "one")
    tree.upload("app", "1a2b")
    return tree


def check(tree: Tree, *arguments: str, **env: str) -> Finished:
    return regsweep("check", tree.root, *arguments, cwd=tree.root.parent, env=env)


def document(done: Finished) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.out)
    jsonschema.validate(found, json.loads(SCHEMA.read_text()))
    return found


def state(tree: Tree) -> dict[str, tuple[int, int, int]]:
    paths = [tree.root, *tree.root.rglob("*")]
    return {str(path): (one.st_size, one.st_mtime_ns, one.st_ino) for path in paths for one in [path.lstat()]}


def test_where_nothing_is_damaged_it_ends_well_and_says_so(tree: Tree) -> None:
    done = check(tree)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\n\nNo damage.\n")


def test_damage_ends_with_five_one_line_and_the_findings_on_standard_output(tree: Tree) -> None:
    (tree.base / blob_key(LAYER.digest)).unlink()
    done = check(tree)
    assert the_error(done, 5) == (f"{tree.root}: 1 finding of damage, for which 2 images cannot be pulled whole")
    assert len(done.lines) == 1
    assert f"    {blob_key(LAYER.digest)}: a layer that a manifest needs is not in the storage\n" in done.out
    assert "      not whole: app:both, app:one\n" in done.out


def test_json_holds_the_same(tree: Tree) -> None:
    (tree.base / blob_key(LAYER.digest)).unlink()
    done = check(tree, "--format", "json")
    found = document(done)
    assert (done.code, found["format"], found["version"], found["deep"]) == (5, "regsweep-check", 1, False)
    assert found["store"] == str(tree.root)
    assert found["totals"]["damaged_images"] == 2
    (finding,) = found["findings"]
    assert finding == {
        "code": "missing-blob",
        "severity": "damage",
        "repository": "app",
        "key": blob_key(LAYER.digest),
        "message": "a layer that a manifest needs is not in the storage",
        "bytes": len(LAYER.content),
        "count": 1,
        "images": ["app:both", "app:one"],
    }


def test_notes_alone_end_well(tree: Tree) -> None:
    (tree.base / f"repositories/app/_manifests/revisions/{slashed(BOTH.children[1].digest)}/link").unlink()
    done = check(tree, "--format", "json")
    assert (done.code, done.err) == (0, "")
    assert [one["severity"] for one in document(done)["findings"]] == ["note"]


@pytest.mark.parametrize("cores", [1, 2])
def test_deep_finds_what_sizes_do_not_tell_on_any_number_of_cores(tree: Tree, cores: int) -> None:
    if len(os.sched_getaffinity(0)) < cores:
        pytest.skip("there are fewer")
    tree.put(blob_key(LAYER.digest), bytes(len(LAYER.content)))
    assert check(tree).code == 0
    affinity = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, sorted(affinity)[:cores])
        done = check(tree, "--deep", "--format", "json")
    finally:
        os.sched_setaffinity(0, affinity)
    found = document(done)
    assert (done.code, found["deep"]) == (5, True)
    assert [(one["code"], one["images"]) for one in found["findings"]] == [("wrong-content", ["app:both", "app:one"])]


@pytest.mark.parametrize("options", [(), ("--deep",), ("--no-cache",)])
def test_it_changes_nothing(tree: Tree, options: tuple[str, ...]) -> None:
    tree.put(blob_key(LAYER.digest), b"ruined")
    tree.put(f"repositories/app/_layers/{slashed(LAYER.digest)}/link", b"")
    before = state(tree)
    assert check(tree, *options).code == 5
    assert state(tree) == before


def test_what_a_run_learned_of_manifests_serves_the_next(tree: Tree) -> None:
    cache = tree.root.parent / "cache"
    (tree.base / blob_key(LAYER.digest)).unlink()
    first, second = (document(check(tree, "--cache", str(cache), "--format", "json")) for _ in range(2))
    assert any(cache.rglob("*.parquet"))
    assert first["findings"] == second["findings"]
    assert first["totals"] == second["totals"]


def test_what_cannot_be_read_is_an_error_and_nothing_is_said_of_the_rest(tree: Tree) -> None:
    with closed(tree.base / blob_key(LAYER.digest)):
        done = without_privilege("check", tree.root, "--deep", cwd=tree.root.parent)
    assert blob_key(LAYER.digest) in the_error(done, 1)
    assert done.out == ""


def test_a_symbolic_link_in_place_of_a_blob_is_not_followed(tree: Tree) -> None:
    path = tree.base / blob_key(LAYER.digest)
    path.rename(tree.root.parent / "elsewhere")
    path.symlink_to(tree.root.parent / "elsewhere")
    assert "symbolic link" in the_error(check(tree, "--deep"), 1)


def test_a_storage_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    done = regsweep("check", tmp_path / "none", cwd=tmp_path)
    assert "no such directory" in the_error(done, 2)


def test_of_a_pull_through_cache_what_is_missing_is_a_note(tree: Tree) -> None:
    (tree.base / blob_key(LAYER.digest)).unlink()
    (tree.root / "scheduler-state.json").write_text("{}")
    done = check(tree)
    assert (done.code, done.err) == (0, "")
    assert "Notes\n  missing-blob: " in done.out


def test_of_a_registry_with_a_database_it_says_that_the_storage_does_not_tell_all(tree: Tree) -> None:
    lock = tree.root / "docker/registry/lockfiles/database-in-use"
    lock.parent.mkdir()
    lock.touch()
    done = check(tree)
    assert done.code == 0
    (line,) = done.lines
    assert line.startswith("regsweep: warning: this registry keeps its books in a database (GitLab)")


def test_a_manifest_that_was_read_before_is_believed_until_a_deep_check_hashes_it(tree: Tree) -> None:
    cache = ("--cache", str(tree.root.parent / "cache"), "--format", "json")
    assert check(tree, *cache).code == 0
    path = tree.base / blob_key(ONE.digest)
    before = path.stat()
    path.write_bytes(ONE.blob.content[:-1] + b" ")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert check(tree, *cache).code == 0
    (finding,) = document(check(tree, "--deep", *cache))["findings"]
    assert (finding["code"], finding["images"]) == ("wrong-content", ["app:both", "app:one"])


def test_a_tag_that_leads_nowhere_can_be_removed_as_it_says(tree: Tree) -> None:
    (tree.base / f"repositories/app/_manifests/revisions/{slashed(ONE.digest)}/link").unlink()
    (tree.base / blob_key(ONE.digest)).unlink()
    done = check(tree)
    assert "dangling-tag" in done.out
    assert done.out.endswith("\n\nNext: push these images again, or remove them: regsweep rm STORE NAME:TAG\n")
    rm = regsweep("rm", tree.root, "app:one", "--yes", "--registry-stopped", "-q", cwd=tree.root.parent)
    assert rm.code == 0, rm.err
    # An index that lists what is not there is no damage.
    assert check(tree).code == 0


def test_the_names_of_a_hostile_storage_are_shown_as_text(tree: Tree) -> None:
    tree.put("repositories/app/_manifests/tags/\x1b[31m/current/link", b"")
    tree.put("repositories/app/_manifests/tags/one/current/link", "\u202esha256:evil".encode())
    done = check(tree)
    assert done.code == 5
    assert all(line.isprintable() for line in (done.out + done.err).splitlines())
