"""What differs between two inventories. `python -m tests.unit.test_differences` renews its JSON Schema."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import jsonschema
import msgspec
import pytest

from fixtures.images import Manifest, image, index
from regsweep.errors import UsageError
from regsweep.inventory.database import create
from regsweep.inventory.differences import compare, compared
from regsweep.inventory.scan import begin, scan
from regsweep.inventory.workers import Workers
from regsweep.plan.make import decide
from regsweep.plan.options import Options, Untagged
from regsweep.report.differences import (
    Blob,
    Differences,
    Turnover,
    as_json,
    differences,
)
from tests.trees import Tree, blob_key
from tests.unit.memory import SILENT, MemoryStore
from tests.unit.test_differences_shown import document, full

SCHEMA = Path(__file__).parents[2] / "src/regsweep/report/schemas/diff.schema.json"
NOON = datetime(2024, 6, 1, 12, 0, 59, tzinfo=UTC)
HEADERS = 12_288
"""Where the first of a DuckDB database's blocks begins."""
BLOCK = 262_144
A = image(b"base", b"a")
B = image(b"base", b"b")
C = image(b"base", b"c" * 9000)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Two repositories that share a layer."""
    tree = Tree(tmp_path / "registry")
    tree.push(A, "team/app", "v1")
    tree.push(B, "team/tool", "latest")
    return tree


class Kept:
    """Inventories of a tree, kept one after another."""

    def __init__(self, tree: Tree, folder: Path) -> None:
        self.tree = tree
        self.folder = folder
        self.files: list[Path] = []
        self.keep()

    def keep(self, options: Options | None = None) -> Path:
        """Keep one more."""
        options = options or Options(untagged=Untagged.KEEP)
        file = self.folder / f"{len(self.files)}.db"
        scanned = NOON + timedelta(days=len(self.files))
        facts: dict[str, object] = {"store": "/registry", "scanned": scanned.isoformat(), "options": options.document()}
        store = MemoryStore.of(self.tree)
        with Workers(store, 1) as workers, create(file, facts=facts) as inventory:
            scan(begin(store, workers, uploads=False, versions=False), workers, inventory, SILENT)
            decide(inventory, options, workers, SILENT, now=datetime.now(UTC))
        self.files.append(file)
        return file

    def since(self) -> Differences:
        """Keep one more, and tell what differs from the first."""
        return between(self.files[0], self.keep())


@pytest.fixture
def kept(tree: Tree, tmp_path: Path) -> Kept:
    return Kept(tree, tmp_path)


def between(older: Path, newer: Path, *, tags: int | None = None) -> Differences:
    with create(facts={}) as inventory, compared(inventory, older, newer) as facts:
        compare(inventory)
        document = differences(inventory, (older, newer), facts, tags=tags)
    for name in ("repositories", "tags", "revisions", "blobs", "bytes"):
        one: Turnover = getattr(document.totals, name)
        assert one.after - one.before == one.difference
        assert one.came - one.went == one.difference or (document.totals.blobs_resized and name == "bytes")
    return document


def sizes(*manifests: Manifest) -> dict[str, int]:
    """Every blob of some images, with its bytes."""
    return {
        blob.digest: len(blob.content)
        for manifest in manifests
        for part in manifest.tree()
        for blob in (*part.blobs, part.blob)
    }


def turnovers(document: Differences) -> dict[str, tuple[int, int]]:
    """How many of each came and went, without those of which none did."""
    totals = {name: getattr(document.totals, name) for name in ("repositories", "tags", "revisions", "blobs", "bytes")}
    return {name: (one.came, one.went) for name, one in totals.items() if one.came or one.went}


def repositories(document: Differences) -> dict[str, tuple[str, int, int, int, int]]:
    """How each changed: tags, revisions, bytes, exclusive bytes."""
    return {
        one.name: (
            one.change,
            one.tags.difference,
            one.revisions.difference,
            one.bytes.difference,
            one.exclusive_bytes.difference,
        )
        for one in document.repositories
    }


def tags(document: Differences) -> list[tuple[str, str, str | None, str | None]]:
    return [(f"{one.repository}:{one.tag}", one.change, one.before, one.after) for one in document.tags]


def findings(document: Differences) -> list[tuple[str, str, str | None, int]]:
    return [(one.change, one.code, one.repository, one.count) for one in document.findings]


def nothing(document: Differences) -> bool:
    totals = document.totals
    return not (
        turnovers(document)
        or totals.tags_moved
        or totals.blobs_resized
        or document.repositories
        or document.tags
        or document.largest_came
        or document.largest_went
        or document.findings
    )


@pytest.mark.parametrize("another", [None, os.symlink, os.link, shutil.copy])
def test_between_an_inventory_and_itself_by_whatever_name_nothing_differs(
    kept: Kept, another: Callable[[Path, Path], object] | None
) -> None:
    (file,) = kept.files
    other = file.with_name("other.db") if another else file
    if another:
        another(file, other)
    document = between(file, other)
    assert nothing(document)
    assert document.totals.blobs.before == document.totals.blobs.after == len(sizes(A, B))
    assert document.totals.bytes.before == document.totals.bytes.after == sum(sizes(A, B).values())


def test_between_two_inventories_of_the_same_tree_nothing_differs(kept: Kept) -> None:
    assert nothing(kept.since())


def test_a_push_brings_a_tag_a_revision_and_the_blobs_that_were_not_there(kept: Kept) -> None:
    kept.tree.push(C, "team/app", "v2")
    document = kept.since()
    new = {digest: size for digest, size in sizes(C).items() if digest not in sizes(A, B)}
    assert turnovers(document) == {
        "tags": (1, 0),
        "revisions": (1, 0),
        "blobs": (len(new), 0),
        "bytes": (sum(new.values()), 0),
    }
    assert tags(document) == [("team/app:v2", "came", None, C.digest)]
    assert repositories(document) == {"team/app": ("changed", 1, 1, sum(new.values()), sum(new.values()))}
    assert {blob.digest: blob.bytes for blob in document.largest_came} == new
    assert {tuple(blob.repositories) for blob in document.largest_came} == {("team/app",)}


def test_a_push_to_a_tag_that_is_there_moves_it(kept: Kept) -> None:
    kept.tree.push(B, "team/app", "v1")
    document = kept.since()
    assert tags(document) == [("team/app:v1", "moved", A.digest, B.digest)]
    assert document.totals.tags_moved == 1
    assert turnovers(document) == {"revisions": (1, 0)}


def test_what_another_repository_begins_to_link_is_no_longer_exclusive_though_nothing_grew(kept: Kept) -> None:
    kept.tree.push(B, "team/copy", "latest")
    found = repositories(kept.since())
    own = sum(size for digest, size in sizes(B).items() if digest not in sizes(A))
    assert found["team/copy"] == ("came", 1, 1, sum(sizes(B).values()), 0)
    assert found["team/tool"] == ("changed", 0, 0, 0, -own)
    assert set(found) == {"team/copy", "team/tool"}


def test_repositories_are_told_apart_by_name_whatever_their_number(kept: Kept) -> None:
    kept.tree.push(B, "a/first", "v1")
    document = kept.since()
    assert {one.name: one.change for one in document.repositories if one.bytes.difference} == {"a/first": "came"}
    assert tags(document) == [("a/first:v1", "came", None, B.digest)]


def test_a_repository_that_is_gone_went_with_all_its_tags(kept: Kept) -> None:
    shutil.rmtree(kept.tree.base / "repositories/team/tool")
    document = kept.since()
    assert tags(document) == [("team/tool:latest", "went", B.digest, None)]
    assert repositories(document)["team/tool"][:3] == ("went", -1, -1)
    # Its blobs are there still, for nothing has collected them.
    assert turnovers(document) == {"repositories": (0, 1), "tags": (0, 1), "revisions": (0, 1)}


def test_blobs_that_were_deleted_went_with_those_who_linked_them(kept: Kept) -> None:
    lost = B.blobs[2]
    (kept.tree.base / blob_key(lost.digest)).unlink()
    document = kept.since()
    assert document.largest_went == [Blob(digest=lost.digest, bytes=len(lost.content), repositories=["team/tool"])]
    assert turnovers(document) == {"blobs": (0, 1), "bytes": (0, len(lost.content))}


def test_the_largest_blobs_come_first_and_name_at_most_three_repositories(kept: Kept) -> None:
    for name in "edcba":
        kept.tree.push(C, name, "v1")
    kept.tree.push(image(*(bytes([n]) * n for n in range(100, 120))), "many")
    largest = kept.since().largest_came
    assert len(largest) == 10
    assert [blob.bytes for blob in largest] == sorted((blob.bytes for blob in largest), reverse=True)
    assert next(blob for blob in largest if blob.digest == C.digest).repositories == ["a", "b", "c"]


def test_the_repository_that_grew_most_comes_first_and_the_one_that_shrank_most_last(kept: Kept) -> None:
    kept.tree.push(image(b"small"), "team/small")
    kept.tree.push(index(A, B, C), "team/big")
    shutil.rmtree(kept.tree.base / "repositories/team/tool")
    growth = [one.bytes.difference for one in kept.since().repositories]
    assert growth == sorted(growth, reverse=True)
    assert growth[0] > 0 > growth[-1]


def test_a_blob_of_another_size_neither_came_nor_went(kept: Kept) -> None:
    layer = A.blobs[2]
    kept.tree.put(blob_key(layer.digest), layer.content[:-5])
    document = kept.since()
    assert turnovers(document) == {}
    assert (document.totals.blobs_resized, document.totals.bytes.difference) == (1, -5)


def test_damage_that_was_not_there_is_new_and_mended_it_is_gone(kept: Kept) -> None:
    link = kept.tree.base / "repositories/team/app/_manifests/tags/v1/current/link"
    content = link.read_bytes()
    link.write_bytes(b"")
    document = kept.since()
    assert findings(document) == [("new", "damaged-link", "team/app", 1), ("new", "frozen", "team/app", 1)]
    assert tags(document) == [("team/app:v1", "went", A.digest, None)]
    link.write_bytes(content)
    mended = between(kept.files[1], kept.keep())
    assert findings(mended) == [("gone", "damaged-link", "team/app", 1), ("gone", "frozen", "team/app", 1)]
    assert nothing(between(kept.files[0], kept.files[2]))


def test_a_manifest_that_was_damaged_is_new_damage(kept: Kept) -> None:
    kept.tree.put(blob_key(A.digest), b"{" * len(A.blob.content))
    found = kept.since().findings
    assert [(one.change, one.code, one.repository, one.key) for one in found] == [
        ("new", "damaged-manifest", "team/app", blob_key(A.digest)),
        ("new", "frozen", "team/app", None),
    ]


def test_manifests_that_are_missing_are_counted_and_the_first_is_named(kept: Kept) -> None:
    for number in range(3):
        kept.tree.revision("team/app", f"sha256:{number:064x}")
    (one,) = kept.since().findings
    assert (one.change, one.code, one.repository, one.count) == ("new", "missing-manifest", "team/app", 3)
    assert one.key == blob_key(f"sha256:{0:064x}")


def test_what_came_one_way_went_the_other(kept: Kept) -> None:
    kept.tree.push(C, "team/app", "v1")
    kept.tree.push(C, "team/new", "v1")
    shutil.rmtree(kept.tree.base / "repositories/team/tool")
    there = kept.since()
    back = between(kept.files[1], kept.files[0])
    other = {"came": "went", "went": "came", "moved": "moved", "changed": "changed"}
    assert turnovers(back) == {name: (went, came) for name, (came, went) in turnovers(there).items()}
    assert tags(back) == [(name, other[change], after, before) for name, change, before, after in tags(there)]
    assert repositories(back) == {
        name: (other[change], *(-number for number in numbers))
        for name, (change, *numbers) in repositories(there).items()
    }
    assert (back.largest_came, back.largest_went) == (there.largest_went, there.largest_came)


def test_of_the_tags_of_each_change_so_many_are_told_as_are_asked_for(kept: Kept) -> None:
    for number in range(5):
        kept.tree.push(C, "team/app", f"new{number}")
    shutil.rmtree(kept.tree.base / "repositories/team/tool")
    kept.tree.push(C, "team/app", "v1")
    newer = kept.keep()
    document = between(kept.files[0], newer, tags=2)
    assert [(one.tag, one.change) for one in document.tags] == [
        ("new0", "came"),
        ("new1", "came"),
        ("v1", "moved"),
        ("latest", "went"),
    ]
    assert (document.totals.tags.came, document.totals.tags.went, document.totals.tags_moved) == (5, 1, 1)
    assert len(between(kept.files[0], newer).tags) == 7


def test_the_options_in_which_the_two_runs_differ_are_named_and_change_nothing_else(kept: Kept) -> None:
    newer = kept.keep(Options(untagged=Untagged.DELETE, min_age=timedelta(0)))
    document = between(kept.files[0], newer)
    assert document.options_changed == ["min_age", "untagged"]
    assert (document.older.options["untagged"], document.newer.options["untagged"]) == ("keep", "delete")
    assert nothing(document)


def test_a_view_in_an_inventory_reads_no_file_of_this_machine(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with duckdb.connect(str(kept.files[0])) as database:
        database.execute("DROP TABLE damage")
        read = "SELECT 0 AS repository, 'k' AS key, content AS problem FROM read_text('{}')"
        database.execute(f"CREATE VIEW damage AS {read.format(tmp_path / 'secret')}")
    with pytest.raises(UsageError, match="cannot be read: Permission Error"):
        between(kept.files[0], kept.keep())


def test_of_two_inventories_the_one_with_a_damaged_block_is_named(kept: Kept) -> None:
    kept.tree.push(C, "team/app", "v1")
    content = kept.keep().read_bytes()
    damaged = kept.folder / "damaged.db"
    found = 0
    # What is hit is known to DuckDB alone: a table that is compared, another one, or the list of them all.
    for at in range(HEADERS + 1000, len(content), BLOCK):
        broken = bytearray(content)
        broken[at] ^= 0xFF
        damaged.write_bytes(broken)
        try:
            between(kept.files[0], damaged)
        except UsageError as error:
            assert str(error).startswith(f"{damaged}: cannot be read: ")  # noqa: PT017 - not every block raises
            found += 1
    assert found


def generated() -> dict[str, object]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `regsweep diff --format json` writes",
        **msgspec.json.schema(Differences),
    }


def test_the_committed_schema_is_that_of_the_document() -> None:
    assert json.loads(SCHEMA.read_text()) == generated()


def test_a_document_is_valid_by_its_schema(kept: Kept) -> None:
    kept.tree.push(C, "team/app", "v1")
    (kept.tree.base / blob_key(B.digest)).unlink()
    for found in (kept.since(), document(), full("team/app")):
        written = json.loads(as_json(found))
        jsonschema.validate(written, json.loads(SCHEMA.read_text()))
        assert (written["format"], written["version"]) == ("regsweep-diff", 1)


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(generated(), indent=2) + "\n")
