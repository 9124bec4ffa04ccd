import hashlib
import json
import os
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest

from fixtures.images import image, index
from regsweep.errors import RegsweepError, UsageError
from regsweep.inventory.database import Inventory
from regsweep.plan import file, summary
from regsweep.plan.file import read
from regsweep.plan.options import Options, Untagged
from tests.trees import Tree, blob_key, slashed
from tests.unit.memory import decided

GONE = "sha256:" + "0f" * 32
ORDER = ["tag", "tag-entry", "signature", "revision", "layer-link", "upload", "blob", "directory"]


def everything(tree: Tree) -> None:
    """Fill a tree so that its plan lists every kind, and keeps something."""
    kept = image(b"shared", b"kept")
    tree.push(kept, "a", "v1")
    old = tree.push(index(image(b"shared", b"old")), "a/b", None)
    tree.tag("a/b", "v1", GONE)
    tree.tag_entry("a", "v1", old)
    signature = tree.blob(b"signature")
    tree.put(
        f"repositories/a/b/_manifests/revisions/{slashed(old)}/signatures/{slashed(signature)}/link", signature.encode()
    )
    tree.put(f"repositories/a/_layers/sha512/{'5e' * 64}/link", signature.encode())
    tree.upload("a", "1a2b")
    tree.put("repositories/a/stray", b"")
    (tree.base / "repositories/a/empty").mkdir()


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("plan")
    tree = Tree(folder / "tree")
    everything(tree)
    with decided(tree) as found:
        found.write(folder / "a.plan")
    return (folder / "a.plan").read_bytes()


def put(folder: Path, content: bytes) -> Path:
    path = folder / "a.plan"
    path.write_bytes(content)
    return path


def sealed(*lines: dict[str, object] | bytes) -> bytes:
    """Put a plan together from its lines, with an end whose number and checksum are right."""
    body = b"".join(
        (line if isinstance(line, bytes) else json.dumps(line, separators=(",", ":")).encode()) + b"\n"
        for line in lines
    )
    deletions = sum(line.startswith(b'{"record":"delete"') for line in body.splitlines())
    end = {"record": "end", "deletions": deletions, "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(end).encode() + b"\n"


def documents(content: bytes) -> list[dict[str, object]]:
    """All lines but the last."""
    return [json.loads(line) for line in content.splitlines()[:-1]]


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(path) in caught.value.message
    return caught.value.message


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    everything(tree)
    created = datetime(2024, 1, 2, 3, 4, 5, 678, UTC)
    with decided(tree) as found:
        header = file.header("memory", found.options, found.inventory, found.totals, created=created)
        path = tmp_path / "a.plan"
        file.write(path, found.inventory, file.describe(found.inventory, header))
        plan = read(path)
        assert (plan.header, plan.header.created) == (header, created)
        assert plan.repositories == list(summary.repositories(found.inventory))
        assert plan.findings == list(summary.findings(found.inventory))
        assert plan.findings
        expected = {
            (str(kind), str(key), size, modified, str(reason))
            for kind, key, size, modified, reason in found.inventory.rows(
                "SELECT kind, key, bytes, epoch_us(modified), reason FROM condemned"
            )
        }
    deletions = list(plan.deletions())
    assert {(one.kind, one.key, one.bytes, one.modified, one.reason) for one in deletions} == expected
    assert plan.length == len(deletions) == len(expected)
    assert {one.kind for one in deletions} == set(ORDER)
    assert plan.identity in path.read_text()


def test_a_deletion_says_whose_it_is_and_by_which_digest(tmp_path: Path, content: bytes) -> None:
    deletions = list(read(put(tmp_path, content)).deletions())
    for deletion in deletions:
        if deletion.kind == "blob":
            assert deletion.repository is None
            assert deletion.digest is not None
            assert deletion.key == blob_key(deletion.digest)
        elif deletion.kind not in ("upload", "directory"):
            assert f"repositories/{deletion.repository}/_" in deletion.key
            assert (slashed(deletion.digest or "no digest") in deletion.key) == (deletion.kind != "tag")
            assert (deletion.tag != "") == (deletion.kind in ("tag", "tag-entry"))
    assert any((deletion.digest or "").startswith("sha512:") for deletion in deletions)


def test_deletions_are_listed_in_the_one_safe_order(tmp_path: Path, content: bytes) -> None:
    kinds = [deletion.kind for deletion in read(put(tmp_path, content)).deletions()]
    assert kinds == sorted(kinds, key=ORDER.index)


def test_each_line_is_an_object_that_says_what_it_is(content: bytes) -> None:
    records = [json.loads(line)["record"] for line in content.splitlines()]
    assert (records[0], records[-1]) == ("plan", "end")
    assert records == sorted(records, key=["plan", "repository", "finding", "delete", "end"].index)


def test_a_plan_cut_off_at_any_line_is_noticed(tmp_path: Path, content: bytes) -> None:
    lines = content.splitlines(keepends=True)
    for count in range(len(lines)):
        message = refused(put(tmp_path, b"".join(lines[:count])))
        assert "truncated" in message or "not a plan" in message


def test_a_plan_cut_off_inside_a_line_is_noticed(tmp_path: Path, content: bytes) -> None:
    end = len(content) - 1
    for count in [*range(0, end, 97), *range(end - 150, end)]:
        refused(put(tmp_path, content[:count]))


def test_a_plan_with_a_line_taken_out_doubled_or_moved_is_noticed(tmp_path: Path, content: bytes) -> None:
    lines = content.splitlines(keepends=True)
    for at, line in enumerate(lines):
        before, after = lines[:at], lines[at + 1 :]
        refused(put(tmp_path, b"".join([*before, *after])))
        refused(put(tmp_path, b"".join([*before, line, line, *after])))
        if after:
            refused(put(tmp_path, b"".join([*before, after[0], line, *after[1:]])))


@pytest.mark.parametrize("change", [lambda byte: byte ^ 1, lambda byte: byte ^ 0x20, lambda byte: byte ^ 0x80])
def test_any_changed_byte_is_noticed(tmp_path: Path, content: bytes, change: Callable[[int], int]) -> None:
    path = put(tmp_path, content)
    with path.open("r+b", buffering=0) as handle:
        # The newline at the end says nothing, so nothing rests on it.
        for at in range(0, len(content) - 1, 3):
            os.pwrite(handle.fileno(), bytes([change(content[at])]), at)
            refused(path)
            os.pwrite(handle.fileno(), content[at : at + 1], at)
    assert read(path).length


def test_a_plan_sealed_again_after_a_harmless_edit_is_another_plan(tmp_path: Path, content: bytes) -> None:
    before = read(put(tmp_path, content))
    lines = content.splitlines()[:-1]
    after = read(put(tmp_path, sealed(*lines[:-1])))
    assert after.length == before.length - 1
    assert after.identity != before.identity


def test_a_plan_of_a_newer_version_says_which_regsweep_wrote_it(tmp_path: Path, content: bytes) -> None:
    header, *others = documents(content)
    newer = sealed({**header, "version": 2, "regsweep": "9.8.7", "totals": "in another form"}, *others)
    message = refused(put(tmp_path, newer))
    assert "9.8.7" in message
    assert "version 2" in message


@pytest.mark.parametrize("version", [None, "1", 0, [1], {}])
def test_a_version_that_is_none_is_refused(tmp_path: Path, content: bytes, version: object) -> None:
    header, *others = documents(content)
    refused(put(tmp_path, sealed({**header, "version": version}, *others)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"null\n",
        b"\xff\xfe\n",
        b"\x00" * 1000,
        b"text\n" * 100,
        b'{"record":"plan"' + b"[" * 100_000,
        b'{"record":"plan"}\n',
        b'{"record":"start","plan":"x","at":"2024-01-01T00:00:00Z"}\n',
        b'{"record":"end","deletions":0,"sha256":"' + hashlib.sha256(b"").hexdigest().encode() + b'"}\n',
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, content: bytes) -> None:
    refused(put(tmp_path, content))


def test_no_plan_no_permission_and_a_directory_are_told_apart(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "missing.plan")
    assert "directory" in refused(tmp_path)


@pytest.mark.parametrize(
    ("first", "second"), [(first, second) for at, first in enumerate(ORDER) for second in ORDER[at + 1 :]]
)
def test_deletions_out_of_order_are_refused_even_with_a_right_checksum(
    tmp_path: Path, content: bytes, first: str, second: str
) -> None:
    lines = documents(content)
    rest = [line for line in lines if line["record"] != "delete"]
    earlier, later = (next(line for line in lines if line.get("kind") == kind) for kind in (first, second))
    assert read(put(tmp_path, sealed(*rest, earlier, later))).length == 2
    assert "never deletes" in refused(put(tmp_path, sealed(*rest, later, earlier)))


KEYS = [
    ("blob", "blobs/sha256/0f/" + "0f" * 32 + "/data\n"),
    ("blob", "blobs/sha256/00/" + "0f" * 32 + "/data"),
    ("blob", "blobs/sha256/0f/../data"),
    ("blob", "/etc/passwd"),
    ("blob", "../../../../etc/passwd"),
    ("blob", "repositories/a/_layers/sha256/" + "0f" * 32 + "/link"),
    ("blob", ""),
    ("layer-link", "blobs/sha256/0f/" + "0f" * 32 + "/data"),
    ("layer-link", "repositories/a/../_layers/sha256/" + "0f" * 32 + "/link"),
    ("revision", "repositories/a/_manifests/revisions/sha256/" + "0F" * 32 + "/link"),
    ("tag", "repositories/a/_manifests/tags/../current/link"),
    ("tag", "repositories/a/_manifests/tags/v1/index/sha256/" + "0f" * 32 + "/link"),
    ("upload", "repositories/a/_uploads/../data"),
    ("upload", "repositories/a/_uploads/x/data/"),
    ("directory", "repositories/a"),
    ("directory", "repositories/"),
    ("directory", "repositories/../"),
    ("directory", "blobs/"),
    ("directory", "/"),
    ("directory", "etc/"),
    ("Blob", "blobs/sha256/0f/" + "0f" * 32 + "/data"),
    ("", ""),
    ("lock", "regsweep.lock"),
    ("tag", "regsweep.lock"),
]


@pytest.mark.parametrize(("kind", "key"), KEYS)
def test_a_key_outside_the_grammar_is_refused_even_with_a_right_checksum(
    tmp_path: Path, content: bytes, kind: str, key: str
) -> None:
    lines = documents(content)
    edited = next(line for line in lines if line.get("kind") == "blob") | {"kind": kind, "key": key}
    message = refused(put(tmp_path, sealed(*(line for line in lines if line["record"] != "delete"), edited)))
    assert "never deletes" in message
    assert message.isprintable()


@pytest.mark.parametrize(
    "edit",
    [{"key": None}, {"key": 7}, {"bytes": "7"}, {"bytes": 1.5}, {"modified": None}, {"kind": None}, {"repository": 7}],
)
def test_a_field_of_another_type_is_refused_even_with_a_right_checksum(
    tmp_path: Path, content: bytes, edit: dict[str, object]
) -> None:
    *others, last = documents(content)
    assert "damaged" in refused(put(tmp_path, sealed(*others, last | edit)))


def test_a_plan_changed_between_reading_and_applying_is_refused(tmp_path: Path, content: bytes) -> None:
    path = put(tmp_path, content)
    plan = read(path)
    *others, last = documents(content)
    put(tmp_path, sealed(*others, last | {"key": "../etc/passwd"}))
    with pytest.raises(UsageError, match="never deletes"):
        list(plan.deletions())


def test_deletions_are_streamed_not_held(tmp_path: Path, content: bytes) -> None:
    lines = content.splitlines()
    described = [line for line in lines[:-1] if not line.startswith(b'{"record":"delete"')]
    deletion = next(line for line in lines if b'"kind":"blob"' in line)
    path = put(tmp_path, sealed(*described, *[deletion] * 30_000))
    tracemalloc.start()
    try:
        plan = read(path)
        assert sum(1 for _ in plan.deletions()) == 30_000
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 3
    finally:
        tracemalloc.stop()


def test_a_few_deletions_can_be_read_without_the_rest(tmp_path: Path, content: bytes) -> None:
    plan = read(put(tmp_path, content))
    assert [one.kind for one in islice(plan.deletions(), 1)] == ["tag"]
    assert len(list(plan.deletions())) == len(list(plan.deletions())) == plan.length


def test_a_plan_that_deletes_nothing_can_be_written_and_read(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    tree.push(image(b"kept"), "a", "v1")
    with decided(tree, Options(untagged=Untagged.KEEP)) as found:
        plan = found.write(tmp_path / "a.plan")
    assert (plan.length, list(plan.deletions())) == (0, [])
    assert [repository.name for repository in plan.repositories] == ["a"]


def test_a_new_plan_replaces_the_old_one_whole(tmp_path: Path, content: bytes) -> None:
    path = put(tmp_path, content)
    tree = Tree(tmp_path / "tree")
    tree.push(image(b"kept"), "a", "v1")
    with decided(tree) as found:
        found.write(path)
    assert read(path).length == 0
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["a.plan"]


def test_a_plan_that_cannot_be_finished_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path, content)
    tree = Tree(tmp_path / "tree")
    everything(tree)

    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    with decided(tree) as found:
        monkeypatch.setattr(Inventory, "lines", full)
        with pytest.raises(RegsweepError, match="No space left") as caught:
            found.write(path)
    assert str(path) in caught.value.message
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["a.plan"]


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_disk_that_is_full_at_whichever_lines_leaves_the_old_plan_and_nothing_else(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    path = put(tmp_path, content)
    numbers = iter((1, 2, 3))

    class Checksum:
        """What meets each part of a plan before the disk does."""

        def update(self, part: bytes | memoryview) -> None:
            if bytes(part) == b"some lines\n" and next(numbers) == at:
                raise OSError(28, "No space left on device")

        def hexdigest(self) -> str:
            return ""

    with decided(Tree(tmp_path / "tree")) as found:
        monkeypatch.setattr(Inventory, "lines", lambda *_: iter([(1, memoryview(b"some lines\n"))] * 3))
        monkeypatch.setattr("regsweep.plan.file.hashlib", SimpleNamespace(sha256=Checksum))
        with pytest.raises(RegsweepError, match="No space left"):
            found.write(path)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["a.plan"]


@pytest.mark.parametrize("place", ["missing/a.plan", "file/a.plan"])
def test_a_place_where_no_plan_can_be_written_is_refused_before_the_work(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no plan can be written"):
        file.check_place(tmp_path / place)
    file.check_place(tmp_path / "a.plan")


def test_a_file_that_takes_the_plan_s_name_meanwhile_changes_nothing(tmp_path: Path, content: bytes) -> None:
    plan = read(put(tmp_path, content))
    before = [deletion.key for deletion in plan.deletions()]
    plan.path.unlink()
    assert [deletion.key for deletion in plan.deletions()] == before
    put(tmp_path, b"another plan")
    assert [deletion.key for deletion in plan.deletions()] == before


def test_a_plan_cut_short_meanwhile_is_noticed(tmp_path: Path, content: bytes) -> None:
    plan = read(put(tmp_path, content))
    os.truncate(plan.path, content.rindex(b'{"record":"delete"'))
    with pytest.raises(UsageError, match="changed"):
        list(plan.deletions())
