from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.images import Manifest, image, index
from regsweep.plan import summary
from regsweep.plan.options import Options, Untagged
from regsweep.plan.summary import Amount, Finding, Repository
from regsweep.registry.layout import LINK_BYTES
from tests.trees import Tree, blob_key, slashed
from tests.unit.memory import decided

GONE = "sha256:" + "0f" * 32
KEEP = Options(untagged=Untagged.KEEP)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def size(*manifests: Manifest) -> int:
    """The bytes of all that some images consist of, each blob once."""
    blobs = {
        blob.digest: blob for manifest in manifests for part in manifest.tree() for blob in (*part.blobs, part.blob)
    }
    return sum(len(blob.content) for blob in blobs.values())


def layer(manifest: Manifest) -> int:
    """The bytes of an image's first layer: its config comes first."""
    return len(manifest.blobs[1].content)


def links(count: int) -> Amount:
    return Amount(count=count, bytes=count * LINK_BYTES)


def repositories(tree: Tree, options: Options | None = None) -> dict[str, Repository]:
    with decided(tree, *([options] if options else [])) as found:
        listed = list(summary.repositories(found.inventory))
    assert [one.name for one in listed] == sorted(one.name for one in listed)
    return {one.name: one for one in listed}


def findings(tree: Tree) -> list[Finding]:
    with decided(tree) as found:
        return list(summary.findings(found.inventory))


def test_an_empty_registry_counts_nothing(tree: Tree) -> None:
    with decided(tree) as found:
        assert (found.totals.repositories, found.totals.repositories_gone, found.totals.reachable_blobs) == (0, 0, 0)
        assert set(found.totals.before.values()) == {Amount(count=0, bytes=0)}
        assert (found.totals.condemned, found.totals.reasons) == ({}, {})
        assert (list(summary.repositories(found.inventory)), summary.largest(found.inventory)) == ([], [])


def test_totals_count_each_kind_before_and_condemned(tree: Tree) -> None:
    kept, old = image(b"shared", b"kept"), image(b"shared", b"old")
    tree.push(kept, "a", "v1")
    tree.tag_entry("a", "v1", tree.push(old, "a"))
    tree.tag("a", "dangling", GONE)
    tree.upload("a", "1a2b", b"half an upload")
    orphan = tree.blob(b"orphan")
    with decided(tree) as found:
        totals = found.totals
    assert (totals.repositories, totals.repositories_gone) == (1, 0)
    assert totals.before["tag"] == links(2)
    assert totals.before["tag-entry"] == links(3)
    assert totals.before["revision"] == links(2)
    assert totals.before["layer-link"] == links(5)
    assert totals.before["blob"] == Amount(count=8, bytes=size(kept, old) + len(b"orphan"))
    assert totals.before["upload"] == Amount(count=2, bytes=len(b"half an upload") + len("2024-01-01T12:00:00Z"))
    assert totals.condemned["tag"] == links(1)
    assert totals.condemned["tag-entry"] == links(2)
    assert totals.condemned["revision"] == links(1)
    assert totals.condemned["layer-link"] == links(2)
    assert totals.condemned["upload"] == totals.before["upload"]
    gone = size(kept, old) - size(kept)
    assert totals.condemned["blob"] == Amount(count=4, bytes=gone + len(b"orphan"))
    assert totals.reasons["blob"] == {
        "unlinked": Amount(count=3, bytes=gone),
        "orphaned": Amount(count=1, bytes=len(b"orphan")),
    }
    assert totals.reasons["tag"] == {"no-revision": links(1)}
    assert totals.reachable_blobs == 4
    assert tree.has(orphan)


def test_reasons_of_a_kind_add_up_to_it(tree: Tree) -> None:
    tree.push(image(b"kept"), "a", "v1")
    tree.tag("a", "lost", tree.manifest({"layers": []}, "a"))
    (tree.base / blob_key(tree.manifest({"layers": [], "x": 1}, "a", "missing"))).unlink()
    tree.tag("a", "deleted", GONE)
    tree.push(image(b"old"), "b")
    with decided(tree) as found:
        totals = found.totals
    assert set(totals.reasons) == set(totals.condemned)
    assert set(totals.reasons["tag"]) == {"no-revision", "no-manifest"}
    for kind, reasons in totals.reasons.items():
        assert sum(amount.count for amount in reasons.values()) == totals.condemned[kind].count
        assert sum(amount.bytes for amount in reasons.values()) == totals.condemned[kind].bytes


def test_a_repository_s_sizes_count_each_of_its_blobs_once(tree: Tree) -> None:
    first, second = image(b"base", b"first"), image(b"base", b"second")
    tree.push(first, "a", "v1")
    tree.push(second, "a", "v2")
    one = repositories(tree)["a"]
    assert one.pushed_bytes == one.exclusive_bytes == size(first, second)
    assert one.freed_bytes == 0
    assert (one.tags, one.revisions, one.frozen, one.gone) == (2, 2, False, False)


def test_what_two_repositories_share_is_exclusive_to_neither(tree: Tree) -> None:
    mine, theirs = image(b"base", b"mine"), image(b"base", b"theirs")
    tree.push(mine, "a", "v1")
    tree.push(theirs, "a/b", "v1")
    found = repositories(tree)
    for name, manifest in (("a", mine), ("a/b", theirs)):
        assert found[name].pushed_bytes == size(manifest)
        assert found[name].exclusive_bytes == size(manifest) - layer(mine)


def test_only_what_no_other_repository_links_comes_free(tree: Tree) -> None:
    kept, old = image(b"base", b"kept"), image(b"base", b"old")
    tree.push(kept, "a", "v1")
    tree.push(old, "b")
    tree.push(image(b"both"), "c")
    tree.push(image(b"both"), "d")
    found = repositories(tree)
    assert found["b"].freed_bytes == found["b"].exclusive_bytes == size(old) - layer(old)
    assert found["b"].pushed_bytes == size(old)
    # They go, but not because of one repository or the other.
    assert (found["c"].exclusive_bytes, found["c"].freed_bytes) == (0, 0)
    assert found["a"].freed_bytes == 0


def test_nothing_comes_free_of_a_blob_that_is_linked_but_not_there(tree: Tree) -> None:
    old = image(b"old")
    tree.push(old, "a")
    (tree.base / blob_key(old.blobs[1].digest)).unlink()
    one = repositories(tree)["a"]
    assert one.pushed_bytes == one.freed_bytes == size(old) - layer(old)


def test_tags_and_revisions_are_counted_with_those_that_go(tree: Tree) -> None:
    tree.push(index(image(b"one"), image(b"two")), "a", "v1")
    tree.push(image(b"old"), "a")
    tree.tag("a", "dangling", GONE)
    one = repositories(tree)["a"]
    assert (one.tags, one.tags_condemned, one.revisions, one.revisions_condemned) == (2, 1, 4, 1)


def test_untagged_revisions_stay_unless_they_are_to_go(tree: Tree) -> None:
    tree.push(image(b"old"), "a")
    assert repositories(tree, KEEP)["a"].revisions_condemned == 0
    assert repositories(tree)["a"].revisions_condemned == 1


def test_a_repository_with_nothing_left_is_gone(tree: Tree) -> None:
    tree.push(image(b"old"), "a")
    tree.push(image(b"kept"), "a/b", "v1")
    found = repositories(tree)
    assert (found["a"].gone, found["a"].links, found["a/b"].gone) == (True, 0, False)
    with decided(tree) as decision:
        assert (decision.totals.repositories, decision.totals.repositories_gone) == (2, 1)


def test_a_repository_with_a_stray_a_young_upload_or_a_young_link_is_not_gone(tree: Tree) -> None:
    for name in ("stray", "upload", "link", "none"):
        tree.push(image(b"old"), name)
    tree.put("repositories/stray/_layers/note", b"")
    tree.upload("upload", "1a2b", age=0.1)
    tree.layer_link("link", tree.blob(b"young"), age=0.1)
    assert {name: one.gone for name, one in repositories(tree).items()} == {
        "stray": False,
        "upload": False,
        "link": False,
        "none": True,
    }


def test_a_frozen_repository_loses_nothing_and_is_not_gone(tree: Tree) -> None:
    tree.push(image(b"old"), "a")
    tree.put("repositories/a/_manifests/tags/v1/current/link", b"")
    one = repositories(tree)["a"]
    assert (one.frozen, one.gone, one.revisions_condemned, one.freed_bytes) == (True, False, 0, 0)


def test_a_blob_that_a_frozen_repository_shares_stays(tree: Tree) -> None:
    tree.push(image(b"shared"), "a")
    tree.push(image(b"shared"), "b")
    tree.put("repositories/a/_manifests/tags/v1/current/link", b"")
    with decided(tree) as found:
        assert "blob" not in found.totals.condemned


def test_the_links_that_stay_are_counted_and_marked(tree: Tree) -> None:
    tree.push(image(b"kept"), "a", "v1")
    tree.push(image(b"old"), "a")
    one = repositories(tree)["a"]
    assert one.links == 5
    assert one.fingerprint not in ("", "0")
    tree.push(image(b"older"), "a")
    assert repositories(tree)["a"].fingerprint == one.fingerprint
    tree.tag("a", "v2", tree.push(image(b"kept"), "a"))
    assert repositories(tree)["a"].fingerprint != one.fingerprint


def test_the_largest_condemned_blobs_come_first_and_say_who_links_them(tree: Tree) -> None:
    big, small = tree.blob(b"x" * 5000), tree.blob(b"y" * 100)
    for name in ("e", "d", "c", "b", "a"):
        tree.layer_link(name, big)
    tree.layer_link("a", small)
    orphan = tree.blob(b"z" * 1000)
    tree.push(image(b"kept" * 10_000), "a", "v1")
    with decided(tree) as found:
        largest = summary.largest(found.inventory)
    assert [(blob.digest, blob.bytes, blob.reason, blob.repositories) for blob in largest] == [
        (big, 5000, "unlinked", ["a", "b", "c"]),
        (orphan, 1000, "orphaned", []),
        (small, 100, "unlinked", ["a"]),
    ]


def test_no_more_than_ten_of_the_largest_are_told(tree: Tree) -> None:
    blobs = [tree.blob(b"x" * count) for count in range(30)]
    with decided(tree) as found:
        largest = summary.largest(found.inventory)
    assert [blob.digest for blob in largest] == blobs[:-11:-1]


def test_a_blob_of_another_algorithm_is_told_by_it(tree: Tree) -> None:
    digest = "sha512:" + "5e" * 64
    tree.put(blob_key(digest), b"content")
    with decided(tree) as found:
        assert [blob.digest for blob in summary.largest(found.inventory)] == [digest]


def test_a_registry_as_it_should_be_has_no_findings(tree: Tree) -> None:
    tree.push(index(image(b"one"), image(b"two")), "a", "v1")
    tree.push(image(b"old"), "a")
    tree.upload("a", "1a2b")
    assert findings(tree) == []


def test_a_damaged_link_is_found(tree: Tree) -> None:
    key = "repositories/a/_manifests/tags/v1/current/link"
    tree.put(key, b"")
    assert findings(tree) == [
        Finding(code="damaged-link", repository="a", key=key, message="the link is empty", count=1)
    ]


def test_a_damaged_manifest_is_found_in_each_repository_that_links_it(tree: Tree) -> None:
    digest = tree.blob(b"no manifest")
    for name in ("a", "b"):
        tree.revision(name, digest)
        tree.tag(name, "v1", digest)
    found = findings(tree)
    assert [(one.code, one.repository, one.key) for one in found] == [
        ("damaged-manifest", name, blob_key(digest)) for name in ("a", "b")
    ]
    assert all("not JSON" in one.message for one in found)


def test_a_damaged_child_is_found_also_where_it_is_linked_as_a_layer_alone(tree: Tree) -> None:
    child = image(b"child")
    for name in ("a", "b"):
        tree.push(index(child), name, "v1")
        key = f"repositories/{name}/_manifests/revisions/{slashed(child.digest)}/link"
        (tree.base / key).unlink()
        tree.layer_link(name, child.digest)
    # Nothing says here that it is a manifest.
    tree.layer_link("c", child.digest)
    tree.put(blob_key(child.digest), b"{}")
    found = findings(tree)
    assert [(one.code, one.repository, one.key) for one in found] == [
        ("damaged-manifest", name, blob_key(child.digest)) for name in ("a", "b")
    ]
    assert all("hashes to" in one.message for one in found)
    assert {name: one.frozen for name, one in repositories(tree).items()} == {"a": True, "b": True, "c": False}


def test_missing_manifests_are_found_and_counted(tree: Tree) -> None:
    others = ["sha256:" + digit * 64 for digit in "21"]
    for digest in others:
        tree.revision("a", digest)
    (one,) = findings(tree)
    assert (one.code, one.repository, one.key, one.count) == ("missing-manifest", "a", blob_key(others[1]), 2)


def test_strays_are_found_and_counted_by_repository(tree: Tree) -> None:
    for key in ("repositories/a/_layers/note", "repositories/a/_layers/a", "blobs/sha256/note", "repositories/note"):
        tree.put(key, b"")
    tree.put(f"repositories/b/_layers/{slashed(GONE)}/link.tmp", b"")
    found = [(one.code, one.repository, one.key, one.count) for one in findings(tree)]
    assert sorted(found, key=repr) == [
        ("stray", "a", "repositories/a/_layers/a", 2),
        ("stray", "b", f"repositories/b/_layers/{slashed(GONE)}/link.tmp", 1),
        ("stray", None, "blobs/sha256/note", 2),
    ]


def test_a_repository_that_no_client_can_name_is_found_and_frozen(tree: Tree) -> None:
    tree.push(image(b"old"), "Bad/Name")
    (one,) = findings(tree)
    assert (one.code, one.repository, one.key) == ("damaged-link", "Bad/Name", "repositories/Bad/Name/")
    assert "no client can name" in one.message
    assert repositories(tree)["Bad/Name"].frozen


def test_the_header_says_what_it_was_made_from(tree: Tree, tmp_path: Path) -> None:
    tree.push(image(b"old"), "a")
    before = datetime.now(UTC)
    with decided(tree) as found:
        header = found.write(tmp_path / "a.plan").header
    assert before <= header.created <= datetime.now(UTC)
    assert (header.version, header.store, header.totals) == (1, "memory", found.totals)
    assert header.options == {
        "untagged": "delete",
        "min_age": 86_400,
        "upload_age": 604_800,
        "max_delete": 0.9,
        "largest_first": False,
        "uploads": False,
        "versions": False,
        "allow": [],
        "policy": "",
        "removal": [],
        "tags_matching": [],
        "force": False,
        "collect": True,
    }
