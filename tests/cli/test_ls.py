"""`regsweep ls`: what it shows of a tree, and what it says of what is not there."""

import csv
import io
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.images import Manifest, artifact, cache_index, image, index
from tests.cli.scene import closed, the_error, without_privilege
from tests.command import Finished, regsweep
from tests.trees import Tree, blob_key, slashed

ARM = image(b"base", b"arm", platform="linux/arm64", created="2024-01-01T00:00:00Z")
AMD = image(b"base", b"amd")
BOTH = index(AMD, ARM)
OLD = image(b"base", b"old", platform="windows/amd64")
SCHEMA = Path(__file__).parents[2] / "src/regsweep/report/schemas/listing.schema.json"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Two teams' repositories, of which one has a history and something untagged."""
    tree = Tree(tmp_path / "registry")
    tree.push(OLD, "team/app", "v1", age=40)
    tree.push(BOTH, "team/app", "v1", age=20)
    tree.push(OLD, "team/app", "v0", age=40)
    tree.push(image(b"base", b"nobody's"), "team/app", age=50)
    tree.push(AMD, "team/tool", "latest", age=10)
    tree.push(AMD, "other", "latest", age=30)
    return tree


def ls(tree: Tree, *arguments: str, **env: str) -> Finished:
    return regsweep("ls", tree.root, *arguments, cwd=tree.root.parent, env=env)


def found(tree: Tree, *arguments: str) -> dict[str, Any]:
    done = ls(tree, *arguments, "--format", "json")
    assert (done.code, done.err) == (0, "")
    document: dict[str, Any] = json.loads(done.out)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    return {one["name"]: one for one in document["repositories"]}


def images(tree: Tree, name: str, *arguments: str) -> list[dict[str, Any]]:
    (repository,) = found(tree, name, *arguments).values()
    shown: list[dict[str, Any]] = repository["images"]
    return shown


def tags(shown: list[dict[str, Any]]) -> list[str]:
    return [one["tag"] for one in shown]


def weight(*manifests: Manifest) -> int:
    return sum(map(len, {blob.content for one in manifests for blob in (one.blob, *one.blobs)}))


def test_a_store_is_listed_by_its_repositories(tree: Tree) -> None:
    done = ls(tree)
    assert (done.code, done.err) == (0, "")
    heading, *rows = (line.split() for line in done.out.splitlines())
    assert heading == ["REPOSITORY", "TAGS", "REVISIONS", "UNTAGGED", "PUSHED", "UTC"]
    assert [row[:4] for row in rows] == [
        ["other", "1", "1", "0"],
        ["team/app", "2", "5", "1"],
        ["team/tool", "1", "1", "0"],
    ]


def test_what_an_index_leads_to_is_not_untagged(tree: Tree) -> None:
    assert {name: one["untagged"] for name, one in found(tree).items()} == {"other": 0, "team/app": 1, "team/tool": 0}
    assert found(tree, "team/app")["team/app"]["untagged"] == 1
    nobodys = image(b"base", b"nobody's").digest
    assert [one["digest"] for one in images(tree, "team/app", "--untagged")] == [nobodys]
    assert [name for name, one in found(tree, "--untagged").items() if one["images"]] == ["team/app"]


def test_a_repository_is_listed_by_its_tags_the_last_push_first(tree: Tree) -> None:
    first, second = images(tree, "team/app")
    assert (first["tag"], first["digest"], first["kind"]) == ("v1", BOTH.digest, "index")
    assert first["platforms"] == ["linux/amd64", "linux/arm64"]
    assert first["bytes"] == weight(BOTH, AMD, ARM)
    assert first["created"] == "2024-01-01T00:00:00Z"
    assert (second["tag"], second["digest"], second["kind"]) == ("v0", OLD.digest, "image")
    assert (second["platforms"], second["bytes"]) == (["windows/amd64"], weight(OLD))
    assert second["pushed"] < first["pushed"]


def test_the_text_of_a_repository_fits_into_80_columns(tree: Tree) -> None:
    tree.push(AMD, "team/app", "release-" + "x" * 100, age=1)
    done = ls(tree, "team/app", COLUMNS="80")
    heading, *rows = done.out.splitlines()
    assert heading.split() == ["TAG", "DIGEST", "KIND", "PLATFORMS", "SIZE", "PUSHED", "UTC", "CREATED"]
    assert [row.split()[1] for row in rows] == [one.digest[7:19] for one in (AMD, BOTH, OLD)]
    assert max(map(len, done.out.splitlines())) <= 80
    assert "release-" + "x" * 100 in ls(tree, "team/app").out


def test_tags_pushed_at_the_same_moment_are_in_the_order_of_their_versions(tree: Tree) -> None:
    names = ["1.9", "1.10", "v2", "1.10-rc1", "latest", "1.10.1"]
    for name in names:
        os.utime(tree.base / tree.tag("same", name, AMD.digest), (1_700_000_000, 1_700_000_000))
        entry = tree.base / f"repositories/same/_manifests/tags/{name}/index/{slashed(AMD.digest)}/link"
        os.utime(entry, (1_700_000_000, 1_700_000_000))
    assert tags(images(tree, "same")) == ["v2", "latest", "1.10.1", "1.10", "1.10-rc1", "1.9"]


def test_a_push_counts_from_the_tags_history_not_from_its_current_link(tree: Tree) -> None:
    tree.touch(f"repositories/team/app/_manifests/tags/v0/index/{slashed(OLD.digest)}/link", age=1)
    assert tags(images(tree, "team/app")) == ["v0", "v1"]
    tree.touch("repositories/team/app/_manifests/tags/v1/current/link", age=0.5)
    assert tags(images(tree, "team/app")) == ["v0", "v1"]


@pytest.mark.parametrize("name", ["team/app:v1", f"team/app@{BOTH.digest}"])
def test_one_image_is_listed_with_each_manifest_below_it(tree: Tree, name: str) -> None:
    (shown,) = images(tree, name)
    assert (shown["tag"], shown["digest"], shown["bytes"]) == ("v1", BOTH.digest, weight(BOTH, AMD, ARM))
    assert [(one["digest"], one["platforms"], one["bytes"]) for one in shown["manifests"]] == [
        (AMD.digest, ["linux/amd64"], weight(AMD)),
        (ARM.digest, ["linux/arm64"], weight(ARM)),
    ]
    assert ls(tree, name).out.count("\n") == 4


def test_a_digest_without_a_tag_is_listed_by_itself(tree: Tree) -> None:
    (shown,) = images(tree, f"team/app@{ARM.digest}")
    assert (shown["tag"], shown["digest"], shown["kind"]) == (None, ARM.digest, "image")


def test_a_digest_that_only_a_layer_link_serves_is_listed_unless_it_is_a_layer(tree: Tree) -> None:
    tree.layer_link("other", ARM.digest)
    assert [one["kind"] for one in images(tree, f"other@{ARM.digest}")] == ["image"]
    layer = AMD.blobs[1].digest
    assert "no such manifest" in the_error(ls(tree, f"other@{layer}"), 2)


def test_layers_tell_how_many_repositories_share_them(tree: Tree) -> None:
    base, own = AMD.blobs[1], AMD.blobs[2]
    (shown,) = images(tree, "team/tool", "--layers")
    assert {(one["digest"], one["bytes"], one["repositories"]) for one in shown["layers"]} == {
        (base.digest, len(base.content), 3),
        (own.digest, len(own.content), 3),
    }
    (first, *_) = images(tree, "team/app", "--layers")
    assert {one["digest"]: one["repositories"] for one in first["layers"]} == {
        base.digest: 3,
        own.digest: 3,
        ARM.blobs[2].digest: 1,
    }
    (index_,) = images(tree, "team/app:v1", "--layers")
    assert "layers" not in index_
    assert [len(one["layers"]) for one in index_["manifests"]] == [2, 2]


def test_the_layers_of_a_build_cache_are_told_too(tree: Tree) -> None:
    cache = cache_index(b"one", b"two")
    tree.push(cache, "cache", "all")
    (shown,) = images(tree, "cache", "--layers")
    assert {one["digest"] for one in shown["layers"]} == {blob.digest for blob in cache.blobs}
    assert shown["bytes"] == weight(cache)


def test_history_is_what_was_pushed_to_a_tag_before(tree: Tree) -> None:
    tree.tag_entry("team/app", "v1", AMD.digest, age=60)
    (first, second) = images(tree, "team/app", "--history")
    assert [(one["tag"], one["digest"]) for one in first["history"]] == [("v1", OLD.digest), ("v1", AMD.digest)]
    assert second["history"] == []
    assert "  before " in ls(tree, "team/app:v1", "--history").out


def test_history_shows_what_is_gone(tree: Tree) -> None:
    (tree.base / f"repositories/team/app/_manifests/revisions/{slashed(OLD.digest)}/link").unlink()
    (first, _) = images(tree, "team/app", "--history")
    assert [(one["kind"], one["bytes"]) for one in first["history"]] == [("missing", None)]


def test_a_glob_lists_the_tags_of_each_repository_that_it_matches(tree: Tree) -> None:
    assert set(found(tree, "team/*")) == {"team/app", "team/tool"}
    assert set(found(tree, "**")) == {"team/app", "team/tool", "other"}
    assert ls(tree, "team/*").out.splitlines()[0] == "team/app:"
    matching = found(tree, "team/*:latest")
    assert {name: tags(one["images"]) for name, one in matching.items()} == {"team/app": [], "team/tool": ["latest"]}


def test_a_repository_whose_name_is_anothers_beginning_is_not_that_one(tree: Tree) -> None:
    tree.push(AMD, "team/app/deeper", "v9")
    tree.push(AMD, "team/app2", "v9")
    assert tags(images(tree, "team/app")) == ["v1", "v0"]


def test_of_one_repository_no_other_is_read(tree: Tree) -> None:
    with closed(tree.base / "repositories/other"), closed(tree.base / "repositories/team/tool"):
        done = without_privilege("ls", tree.root, "team/app", cwd=tree.root.parent)
        assert (done.code, done.err) == (0, "")
        assert the_error(without_privilege("ls", tree.root, cwd=tree.root.parent), 1)


def test_tags_that_dangle_and_manifests_that_are_damaged_are_shown_as_such(tree: Tree) -> None:
    tree.tag("team/app", "elsewhere", tree.push(image(b"x"), "other"), age=3)
    lost = tree.push(image(b"lost"), "team/app", "lost", age=2)
    (tree.base / blob_key(lost)).unlink()
    broken = tree.push(image(b"broken"), "team/app", "broken", age=1)
    (tree.base / blob_key(broken)).write_bytes(b"{}")
    empty = "repositories/team/app/_manifests/tags/empty/current/link"
    tree.put(empty, b"")
    shown = {one["tag"]: one for one in images(tree, "team/app")}
    assert {tag: one["kind"] for tag, one in shown.items()} == {
        "broken": "damaged",
        "lost": "missing",
        "elsewhere": "missing",
        "v1": "index",
        "v0": "image",
        "empty": "damaged",
    }
    assert shown["broken"]["problem"] == f"content hashes to sha256:{sha256(b'{}').hexdigest()}, not to its digest"
    assert shown["lost"]["problem"] == "its manifest is not in the storage"
    assert shown["elsewhere"]["problem"] == "its manifest is not linked in this repository"
    assert (shown["empty"]["digest"], shown["empty"]["problem"]) == (None, "the link is empty")
    text = ls(tree, "team/app").out
    assert "team/app:lost: its manifest is not in the storage" in text
    assert f"{empty}: the link is empty" in text
    assert f"{empty}: the link is empty" in ls(tree).out
    assert tags(images(tree, "team/app:empty")) == ["empty"]


def test_an_image_without_its_configuration_is_listed_without_what_that_says(tree: Tree) -> None:
    (tree.base / blob_key(OLD.blobs[0].digest)).unlink()
    (_, shown) = images(tree, "team/app")
    assert (shown["platforms"], shown["created"], shown["bytes"]) == ([], None, weight(OLD))


def test_an_artifact_has_no_platform_and_no_date(tree: Tree) -> None:
    tree.push(artifact(b"a bill", kind="application/spdx+json"), "team/app", "sbom", age=1)
    shown = images(tree, "team/app")[0]
    assert (shown["tag"], shown["platforms"], shown["created"]) == ("sbom", [], None)


def test_csv_holds_what_the_text_does_and_nothing_shortened(tree: Tree) -> None:
    done = ls(tree, "team/*", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [(row["repository"], row["row"], row["tag"], row["digest"]) for row in rows] == [
        ("team/app", "tag", "v1", BOTH.digest),
        ("team/app", "tag", "v0", OLD.digest),
        ("team/tool", "tag", "latest", AMD.digest),
    ]
    assert ls(tree, "--format", "csv").out.splitlines()[0] == "repository,tags,revisions,untagged,pushed"


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("team/ap", "team/ap: no such repository", "there is team/app"),
        ("xyz", "xyz: no such repository", "regsweep ls lists what there is"),
        ("team", "team: no such repository", ""),
        ("team/app:v7", "team/app:v7: no such tag", "there is v1, v0"),
        ("team/app:quite-different", "team/app:quite-different: no such tag", "regsweep ls lists what there is"),
        (f"team/app@{'sha256:' + BOTH.digest[7:20]:0<71}", "no such manifest", f"there is {BOTH.digest}"),
        (f"team/tool@{BOTH.digest}", "no such manifest", "regsweep ls lists what there is"),
        ("team/app@sha256:123", "not a digest", ""),
        ("", "is no name that a registry takes", ""),
        ("../../etc", "is no name that a registry takes", ""),
        ("team/_layers", "is no name that a registry takes", ""),
        ("team/app:", "is no name that a registry takes", ""),
        ("Team/**", "matches no repository's name", ""),
    ],
)
def test_what_does_not_exist_is_named_with_what_it_may_have_meant(tree: Tree, name: str, says: str, hint: str) -> None:
    for form in ("text", "json"):
        done = ls(tree, name, "--format", form)
        error = the_error(done, 2)
        assert says in error
        assert hint in error
        assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none/*",), "nothing matches none/*"),
        (("team/*:gone",), "nothing matches team/*:gone"),
        (("tagless",), "no tag in tagless"),
        (("other", "--untagged"), "no untagged revision in other"),
    ],
)
def test_a_listing_of_nothing_says_so_beside_the_result(tree: Tree, arguments: tuple[str, ...], says: str) -> None:
    tree.push(AMD, "tagless")
    done = ls(tree, *arguments)
    assert (done.code, done.out, done.err) == (0, "", f"regsweep: {says}\n")
    document = ls(tree, *arguments, "--format", "json")
    assert document.err == done.err
    assert json.loads(document.out)["format"] == "regsweep-listing"
    assert ls(tree, *arguments, "--format", "csv").out.count("\n") == 1


def test_a_store_without_a_repository_says_so(tmp_path: Path) -> None:
    empty = Tree(tmp_path / "registry")
    assert ls(empty).err == "regsweep: no repository\n"
    assert ls(empty, "--layers").err == "regsweep: no tag\n"
    assert ls(empty, "--untagged").err == "regsweep: no untagged revision\n"


@pytest.mark.parametrize("arguments", [("team/app", "--untagged", "--history"), ("team/app:v1", "--untagged")])
def test_options_that_contradict_each_other_are_refused(tree: Tree, arguments: tuple[str, ...]) -> None:
    assert "--untagged" in the_error(ls(tree, *arguments), 2)


def test_with_a_configuration_the_only_argument_is_the_name(tree: Tree) -> None:
    config = tree.root.parent / "config.yml"
    config.write_text(f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {tree.root}\n")
    done = regsweep("ls", "--config", config, "team/app", cwd=tree.root.parent)
    assert (done.code, done.out) == (0, ls(tree, "team/app").out)
    assert regsweep("ls", "--config", config, cwd=tree.root.parent).out == ls(tree).out


def test_listing_leaves_everything_as_it_was(tree: Tree) -> None:
    before = {key: (tree.base / key).stat().st_mtime_ns for key in tree.keys()}  # noqa: SIM118 - a tree is no dictionary
    ls(tree, "**", "--layers", "--history")
    assert {key: (tree.base / key).stat().st_mtime_ns for key in tree.keys()} == before  # noqa: SIM118 - as above
    assert {path.name for path in tree.root.parent.iterdir()} == {"registry"}
