"""`rm` from its names to what is left, and what it says on the way."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.images import image, index
from tests.cli.live import on_a_terminal
from tests.cli.scene import failed_unexpectedly, names, the_error
from tests.cli.stub import READ_ONLY, WRITABLE, Stub
from tests.command import Finished, regsweep
from tests.trees import Tree, blob_key

ONE, TWO, AMD64, ARM64 = (image(content) for content in (b"one", b"two", b"amd64", b"arm64"))
MULTI = index(AMD64, ARM64)
GONE = "sha256:" + "0f" * 32


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Two tags of one image, another image, a multi-arch one, and repositories below and beside."""
    tree = Tree(tmp_path / "registry")
    tree.push(ONE, "team/app", "v1")
    tree.tag("team/app", "latest", ONE.digest)
    tree.push(TWO, "team/app", "v2")
    tree.push(MULTI, "team/app", "multi")
    tree.push(ONE, "team/app/sub", "v1")
    tree.push(image(b"lib"), "team/lib", "dev-1")
    tree.push(image(b"other"), "other", "dev-2")
    return tree


@pytest.fixture
def untouched(tree: Tree) -> Iterator[Tree]:
    before = tree.keys()
    yield tree
    assert tree.keys() == before
    assert names(tree.root.parent) <= {"registry", "config.yml"}


def rm(tree: Tree, *arguments: str | Path) -> Finished:
    """Remove without questions from a registry that is stopped."""
    return regsweep("rm", tree.root, *arguments, "-y", "--registry-stopped", "-q", cwd=tree.root.parent)


def removed(tree: Tree, *arguments: str | Path) -> set[str]:
    """What a removal that goes well takes."""
    before = tree.keys()
    done = rm(tree, *arguments)
    assert (done.code, done.err) == (0, "")
    assert "\nDeleted " in done.out
    return before - tree.keys()


def of(keys: set[str], *parts: str) -> set[str]:
    return {key for key in keys if any(part in key for part in parts)}


def test_a_tag_goes_and_the_others_of_its_digest_stay(tree: Tree) -> None:
    gone = removed(tree, "team/app:v1")
    assert gone == of(gone, "team/app/_manifests/tags/v1/")
    assert len(gone) == 2
    assert not (tree.base / "repositories/team/app/_manifests/tags/v1").exists()


def test_what_nothing_else_needs_goes_in_the_same_run(tree: Tree) -> None:
    gone = removed(tree, "team/app:v2", "team/app:multi")
    manifests = (TWO, *MULTI.tree())
    expected = {blob_key(blob.digest) for part in manifests for blob in (part.blob, *part.blobs)}
    assert of(gone, "blobs/") == expected
    assert {one.digest.removeprefix("sha256:") for one in manifests} == {
        key.split("/")[-2] for key in of(gone, "/revisions/")
    }


def test_a_digest_takes_its_tags_along_and_the_report_says_which(tree: Tree) -> None:
    done = rm(tree, f"team/app@{ONE.digest}")
    assert (done.code, done.err) == (0, "")
    for tag in ("latest", "v1"):
        assert f"tag-goes-along: team/app:{tag}: the tag goes too, for it stands at {ONE.digest}\n" in done.out
    assert not of(tree.keys(), "team/app/_manifests/tags/v1/", "team/app/_manifests/tags/latest/")
    assert of(tree.keys(), "team/app/sub/_manifests/tags/v1/current")


def test_a_digest_that_a_kept_index_needs_is_refused_by_name(untouched: Tree) -> None:
    error = the_error(rm(untouched, f"team/app@{ARM64.digest}"), 3)
    assert f"team/app@{ARM64.digest}: the index {MULTI.digest}, which is tagged multi, needs it and stays" in error
    assert "--force" in error


def test_a_digest_that_a_kept_index_needs_goes_by_force(tree: Tree) -> None:
    gone = removed(tree, f"team/app@{ARM64.digest}", "--force")
    assert of(gone, "/revisions/") == of(gone, ARM64.digest.removeprefix("sha256:")) - of(gone, "blobs/")
    assert not any(tree.has(blob.digest) for blob in ARM64.blobs)
    assert all(tree.has(blob.digest) for part in (MULTI, AMD64) for blob in (part.blob, *part.blobs))


def test_a_repository_goes_whole_and_leaves_no_directory_behind(tree: Tree) -> None:
    tree.upload("team/app", "1a2b", age=0)
    tree.layer_link("team/app", tree.blob(b"a layer that waits for its manifest"))
    (tree.base / "repositories/team/app/_layers/sha256/empty").mkdir()
    gone = removed(tree, "team/app")
    own = ("team/app/_manifests/", "team/app/_layers/", "team/app/_uploads/")
    assert of(gone, *own) == of(gone, "repositories/")
    assert not of(tree.keys(), *own)
    assert names(tree.base / "repositories/team/app") == {"sub"}
    assert tree.has(ONE.digest)
    assert not tree.has(TWO.digest)
    removed(tree, "team/app/sub", "team/lib")
    assert names(tree.base / "repositories") == {"other"}


def test_a_repository_that_was_pushed_just_now_goes_and_its_blobs_stay_until_later(tree: Tree) -> None:
    new = image(b"new")
    tree.push(new, "new", "v1", age=0)
    gone = removed(tree, "new")
    assert gone == of(gone, "repositories/new/")
    assert not (tree.base / "repositories/new").exists()
    assert tree.has(new.digest)
    later = regsweep("prune", tree.root, "-y", "--registry-stopped", "-q", "--min-age", "0", cwd=tree.root.parent)
    assert (later.code, later.err) == (0, "")
    assert not tree.has(new.digest)


def test_globs_and_patterns_name_many_tags(tree: Tree) -> None:
    gone = removed(tree, "team/*", "other", "--tags-matching", "^dev-", "--tags-matching", "^v2$")
    assert {key.split("/_manifests/tags/")[-1].split("/")[0] for key in of(gone, "current")} == {"dev-1", "dev-2", "v2"}


def test_names_that_do_not_exist_are_all_told_and_nothing_happens(untouched: Tree) -> None:
    done = rm(untouched, "team/app:v1", "team/ap", "team/lib:v9", f"other@{GONE}", "nobody/*")
    error = the_error(done, 2)
    for told in ("team/ap (no such repository", "team/lib:v9 (no such tag)", f"other@{GONE} (no such revision)"):
        assert told in error
    assert "nobody/* (no such repository" in error
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "nothing was named"),
        (["team/app:"], "team/app:: is no name that a registry takes"),
        (["team/app:v1", "localhost:5000/team/app"], "localhost:5000/team/app: is no name that a registry takes"),
        (["team/app@sha256:abc"], "team/app@sha256:abc: "),
        (["team/app\x1b]0;x\a"], r"team/app\x1b]0;x\x07: is no name that a registry takes"),
        (["team/\x1b[31m"], r"'team/\x1b[31m' matches no repository's name"),
        (["Team/*"], "'Team/*' matches no repository's name: T is upper case"),
        (["team/app", "--tags-matching", "("], "--tags-matching: '(' is no regular expression"),
        (["team/app", "--tags-matching", ""], "--tags-matching: is empty"),
        (["team/app:v1", "--tags-matching", "v2"], "--tags-matching: no repository was named"),
        (["team/app", "--tags-matching", "^none$"], "no tag matches --tags-matching"),
        (["team/app:v1", "--no-collect", "--versions"], "--versions and --no-collect contradict each other"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_happens(untouched: Tree, arguments: list[str], told: str) -> None:
    done = rm(untouched, *arguments)
    assert told in the_error(done, 2)
    assert done.out == ""


def test_a_frozen_repository_is_refused(tree: Tree) -> None:
    tree.put("repositories/team/lib/_manifests/tags/damaged/current/link", b"")
    keys = tree.keys()
    assert "team/lib: nothing is removed from it" in the_error(rm(tree, "team/lib:dev-1"), 3)
    assert "team/lib: nothing is removed from it" in the_error(rm(tree, "team/l*"), 3)
    assert tree.keys() == keys
    assert removed(tree, "team/app:v1")


def test_without_collecting_what_was_named_goes_alone_and_a_prune_takes_the_rest(tree: Tree) -> None:
    tree.blob(b"orphan")
    before = tree.keys()
    gone = removed(tree, "team/app:v2", "--no-collect")
    assert gone == of(gone, "/tags/v2/", f"/revisions/sha256/{TWO.digest.removeprefix('sha256:')}/")
    assert len(gone) == 3
    done = regsweep("prune", tree.root, "-y", "--registry-stopped", "-q", cwd=tree.root.parent)
    assert (done.code, done.err) == (0, "")
    pruned = before - tree.keys() - gone
    assert {blob_key(blob.digest) for blob in (TWO.blob, *TWO.blobs)} < pruned
    assert not of(pruned, "/_manifests/")


def test_a_dry_run_shows_and_writes_nothing(untouched: Tree) -> None:
    done = regsweep("rm", untouched.root, "team/app", "--dry-run", cwd=untouched.root.parent)
    assert (done.code, done.err) == (0, "regsweep: among what goes:\n  team/app: all of it\n")
    assert "removed by name" in done.out
    assert "Deleted" not in done.out


def test_the_report_in_json_says_what_was_named_and_what_goes_with_it(untouched: Tree) -> None:
    done = regsweep(
        *("rm", untouched.root, f"team/app@{TWO.digest}", "team/lib", "--dry-run", "--format", "json"),
        cwd=untouched.root.parent,
    )
    report = json.loads(done.out)
    assert report["options"]["removal"] == [f"team/app@{TWO.digest}", "team/lib"]
    assert report["totals"]["reasons"]["tag"] == {"removed": {"count": 2, "bytes": 142}}
    assert [(one["code"], one["key"]) for one in report["findings"]] == [("tag-goes-along", "team/app:v2")]
    assert [one["name"] for one in report["repositories"] if one["gone"]] == ["team/lib"]


@pytest.mark.parametrize("typed", ["n\n", "\x04"], ids=["no", "end-of-input"])
def test_it_asks_and_whatever_is_not_yes_deletes_nothing(tree: Tree, typed: str) -> None:
    keys = tree.keys()
    arguments = ("rm", tree.root, "team/app:v1", "--registry-stopped", "-q")
    done = on_a_terminal(*arguments, cwd=tree.root.parent, typed=typed)
    assert (done.code, tree.keys()) == (1, keys)
    assert not failed_unexpectedly(done)
    assert "nothing was deleted" in done.err


def test_it_removes_when_the_answer_is_yes(tree: Tree) -> None:
    arguments = ("rm", tree.root, "team/app:v1", "--registry-stopped", "-q")
    done = on_a_terminal(*arguments, cwd=tree.root.parent, typed="y\n")
    assert done.code == 0, done.err
    assert not of(tree.keys(), "team/app/_manifests/tags/v1/")


def test_before_it_asks_it_names_the_tags_and_digests_that_go_by_repository(tree: Tree) -> None:
    keys = tree.keys()
    nobodys = image(b"nobody's")
    tree.push(nobodys, "other", None)
    digests = (f"team/app@{ONE.digest}", f"other@{nobodys.digest}", f"other@{nobodys.digest}")
    named = ("team/app:v2", *digests, "team/lib")
    done = on_a_terminal("rm", tree.root, *named, "--registry-stopped", "-q", cwd=tree.root.parent, typed="n\n")
    asked = done.err.replace("\r\n", "\n").partition("regsweep: Delete this? [y/N]")[0]
    assert asked == (
        "regsweep: among what goes:\n"
        f"  other: {nobodys.digest}\n"
        f"  team/app: latest, v1, v2,\n    {ONE.digest}\n"
        "  team/lib: all of it\n"
    )
    assert keys < tree.keys()
    rehearsed = regsweep("rm", tree.root, *named, "--dry-run", "-q", cwd=tree.root.parent)
    assert (rehearsed.code, rehearsed.err) == (0, asked)


def test_of_many_tags_it_names_the_first_and_counts_the_others(tree: Tree, tmp_path: Path) -> None:
    for number in range(60):
        for name in (f"pr-{number:02}", f"stays-{number}"):
            tree.tag("other", name, image(b"other").digest)
    command = ("rm", tree.root, "other", "--tags-matching", "^pr-", "--registry-stopped", "-q", "-o", "the.plan")
    done = on_a_terminal(*command, cwd=tmp_path, typed="n\n")
    lines = done.err.replace("\r\n", "\n").splitlines()
    assert lines[1].startswith("  other: pr-00, pr-01, ")
    assert re.findall(r"pr-\d+", done.err) == [f"pr-{number:02}" for number in range(50)]
    assert max(map(len, lines)) <= 80
    assert "  and 10 more: see the plan the.plan" in lines


def test_it_does_not_remove_what_it_cannot_ask_about(untouched: Tree) -> None:
    done = regsweep("rm", untouched.root, "team/app:v1", "--registry-stopped", cwd=untouched.root.parent)
    assert "rm cannot ask: standard input is no terminal" in the_error(done, 2)


def test_it_goes_no_further_than_the_registry_is_read_only(tree: Tree) -> None:
    keys = tree.keys()
    command = ("rm", tree.root, "team/app:v1", "-y", "-q", "--registry")
    with Stub(WRITABLE) as writable:
        assert "read-only" in the_error(regsweep(*command, writable.url, cwd=tree.root.parent), 3)
    assert tree.keys() == keys
    with Stub(READ_ONLY) as readonly:
        assert regsweep(*command, readonly.url, cwd=tree.root.parent).code == 0
    assert tree.keys() < keys


def test_a_storage_can_be_named_by_its_configuration(tree: Tree, tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tree.root}}}}}\n")
    command = ("--config", config, "-y", "--registry-stopped", "-q")
    done = regsweep("rm", "team/app:v1", *command, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert not of(tree.keys(), "team/app/_manifests/tags/v1/")
    # With --config every name is one of what is to be removed, and a path is none.
    both = regsweep("rm", tree.root, "team/app:v2", *command, cwd=tmp_path)
    assert "STORE and --config were both given" in the_error(both, 2)


def test_to_remove_the_last_repository_takes_its_brakes_names(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    tree.push(ONE, "app", "v1")
    keys = tree.keys()
    given: list[str] = []
    for brake in ("--allow no-tags", "--allow nothing-kept", "--max-delete 100%"):
        assert brake in the_error(rm(tree, "app", *given), 3)
        given += brake.split()
    assert tree.keys() == keys
    assert removed(tree, "app", *given) == keys
    assert names(tree.base) == {"blobs", "repositories"}
    assert names(tree.base / "repositories") == names(tree.base / "blobs") == set()


def test_a_tag_that_does_not_exist_is_told_with_the_nearest_that_do(untouched: Tree) -> None:
    assert "team/app:latst (no such tag; there is latest)" in the_error(rm(untouched, "team/app:latst"), 2)


def test_a_second_removal_of_the_same_name_is_told_that_it_is_gone(tree: Tree) -> None:
    assert removed(tree, "team/lib:dev-1")
    assert "team/lib (no such repository" in the_error(rm(tree, "team/lib:dev-1"), 2)
