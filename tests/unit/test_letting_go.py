"""What follows from a tag that a rule lets go, as docs/policy.md says."""

import json

import pytest

from fixtures.images import Manifest, artifact, image, index
from regsweep.plan.by_rule import RuleSummary
from regsweep.plan.kinds import Reason
from regsweep.plan.options import Untagged
from regsweep.registry.layout import Kind
from tests.trees import blob_key
from tests.unit.ruled import (
    DAY,
    GONE,
    Shelf,
    app,
    by_rules,
    entry_key,
    signature_tag,
    size,
)

DELETE, KEEP = Untagged.DELETE, Untagged.KEEP
NONE = "- {repositories: ['**'], keepTags: [{patterns: ['^none$']}], allowEmpty: true}"
"""The rule that keeps no tag."""


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_of_several_tags_of_one_digest_only_those_go_that_nothing_keeps(shelf: Shelf) -> None:
    one = shelf.push(image(b"one"), "app:v1")
    shelf.tag("app:latest", one)
    shelf.tag("app:nightly", one)
    found = by_rules(shelf, "- {repositories: ['**'], keepTags: [{patterns: ['^v']}]}", untagged=DELETE)
    assert {one.key for one in found.deletions if one.kind != "directory"} == {
        *(f"repositories/app/_manifests/tags/{tag}/current/link" for tag in ("latest", "nightly")),
        *(entry_key("app", tag, one) for tag in ("latest", "nightly")),
    }
    assert {one.reason for one in found.of(Kind.TAG)} == {Reason.RULE}


def test_a_manifest_goes_with_its_last_tag_even_where_untagged_ones_are_kept(shelf: Shelf) -> None:
    shelf.fill("app:v1", "app:v2", "app")
    earlier = shelf.push(image(b"earlier"), "app")
    shelf.entry("app", "v1", earlier)
    found = by_rules(shelf, "- {repositories: ['**'], keepTags: [{patterns: [v2]}]}")
    gone = image(b"app:v1")
    assert found.revisions == {f"app@{gone.digest}"}
    assert found.blobs == {gone.digest, *(blob.digest for blob in gone.blobs)}
    # What was pushed to the tag before had lost it already: the manifest stays, the tag's history does not.
    assert {one.key for one in found.of(Kind.TAG_ENTRY)} == {
        entry_key("app", "v1", gone.digest),
        entry_key("app", "v1", earlier),
    }


def test_layers_that_something_kept_needs_stay(shelf: Shelf) -> None:
    old, new, elsewhere = image(b"base", b"old"), image(b"base", b"new"), image(b"lent", b"old")
    shelf.push(old, "app:v1")
    shelf.push(new, "app:v2")
    shelf.push(elsewhere, "other:v1")
    found = by_rules(shelf, "- {repositories: [app], keepTags: [{patterns: [v2]}]}")
    assert found.blobs == {old.digest, old.blobs[0].digest}
    links = {one.digest for one in found.of(Kind.LAYER_LINK)}
    assert links == {old.blobs[0].digest, old.blobs[2].digest}


def test_an_image_that_another_repository_has_too_stays_there(shelf: Shelf) -> None:
    for name in ("app:v1", "other:v1", "third"):
        shelf.push(image(b"one"), name)
    shelf.fill("app:v2")
    found = by_rules(shelf, "- {repositories: [app], keepTags: [{patterns: [v2]}]}")
    assert found.revisions == {f"app@{image(b'one').digest}"}
    assert found.blobs == set()


@pytest.mark.parametrize("untagged", Untagged)
def test_an_index_takes_its_images_along_but_for_those_that_something_kept_needs(
    shelf: Shelf, untagged: Untagged
) -> None:
    alone, shared, tagged = image(b"alone"), image(b"shared"), image(b"tagged")
    gone, kept = index(alone, shared, tagged), index(shared)
    shelf.push(gone, "app:gone")
    shelf.push(kept, "app:kept")
    shelf.tag("app:kept-too", tagged.digest)
    found = by_rules(shelf, "- {repositories: ['**'], keepTags: [{patterns: [kept]}]}", untagged=untagged)
    assert found.revisions == {f"app@{gone.digest}", f"app@{alone.digest}"}
    assert found.blobs == {gone.digest, alone.digest, *(blob.digest for blob in alone.blobs)}


def test_an_index_that_was_untagged_before_keeps_its_images_where_untagged_ones_are_kept(shelf: Shelf) -> None:
    child = image(b"child")
    shelf.push(index(child), "app")
    shelf.tag("app:v1", child.digest)
    shelf.fill("app:v2")
    found = by_rules(shelf, "- {repositories: ['**'], keepTags: [{patterns: [v2]}]}")
    assert found.tags == app("v1")
    assert (found.revisions, found.blobs) == (set(), set())


def test_indexes_of_indexes_go_to_the_bottom(shelf: Shelf) -> None:
    deep = image(b"deep")
    nested = index(index(deep))
    shelf.push(nested, "app:v1")
    shelf.fill("app:v2")
    found = by_rules(shelf, "- {repositories: ['**'], keepTags: [{patterns: [v2]}]}")
    assert found.revisions == {f"app@{part.digest}" for part in nested.tree()}


@pytest.mark.parametrize(
    ("rule", "untagged", "goes"),
    [
        ("true", KEEP, True),
        ("true", DELETE, True),
        ("false", KEEP, False),
        ("false", DELETE, False),
        ("", KEEP, False),
        ("", DELETE, True),
    ],
)
def test_what_a_rule_says_of_untagged_manifests_goes_before_the_option(
    shelf: Shelf, rule: str, untagged: Untagged, *, goes: bool
) -> None:
    shelf.fill("app:v1", "app")
    more = f", deleteUntagged: {rule}" if rule else ""
    found = by_rules(shelf, f"- {{repositories: ['**']{more}}}", untagged=untagged)
    assert found.revisions == ({f"app@{image(b'app').digest}"} if goes else set())


def history(shelf: Shelf, *names: str, tag: str = "v1") -> list[str]:
    """Push to a tag, each a day after the one before; return the digests."""
    pushes = [image(name.encode()) for name in names]
    return [
        shelf.push(pushed, f"app:{tag}", ago=(50 - day) * DAY)
        if pushed is pushes[-1]
        else _earlier(shelf, pushed, tag, day)
        for day, pushed in enumerate(pushes)
    ]


def _earlier(shelf: Shelf, pushed: Manifest, tag: str, day: int) -> str:
    digest = shelf.push(pushed, "app")
    shelf.entry("app", tag, digest, ago=(50 - day) * DAY)
    return digest


@pytest.mark.parametrize(("count", "kept"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3)])
def test_of_each_tag_as_many_earlier_digests_stay_as_the_rule_says_with_their_entries(
    shelf: Shelf, count: int, kept: int
) -> None:
    digests = history(shelf, "1", "2", "3", "4")
    found = by_rules(shelf, f"- {{repositories: ['**'], deleteUntagged: true, untaggedKeepHistory: {count}}}")
    gone = digests[: 3 - kept]
    assert found.revisions == {f"app@{digest}" for digest in gone}
    assert {one.key for one in found.of(Kind.TAG_ENTRY)} == {entry_key("app", "v1", digest) for digest in gone}
    assert {blob_key(digest) for digest in gone} <= found.keys


def test_history_is_that_of_each_tag_and_what_cannot_be_served_any_more_does_not_count(shelf: Shelf) -> None:
    first = history(shelf, "a1", "a2", "a3", tag="a")
    second = history(shelf, "b1", "b2", tag="b")
    shelf.entry("app", "a", GONE, ago=DAY)
    lost = shelf.push(image(b"lost"), "app")
    shelf.entry("app", "a", lost, ago=DAY)
    del shelf.store.things[blob_key(lost)]
    found = by_rules(shelf, "- {repositories: ['**'], deleteUntagged: true, untaggedKeepHistory: 1}")
    assert found.revisions == {f"app@{first[0]}", f"app@{lost}"}
    assert {second[0], first[1]}.isdisjoint({one.digest for one in found.deletions})


def test_a_tag_that_goes_takes_its_history_along(shelf: Shelf) -> None:
    digests = history(shelf, "1", "2")
    shelf.fill("app:kept")
    rules = "- {repositories: ['**'], keepTags: [{patterns: [kept]}], deleteUntagged: true, untaggedKeepHistory: 1}"
    found = by_rules(shelf, rules)
    assert found.revisions == {f"app@{digest}" for digest in digests}
    assert len(found.of(Kind.TAG_ENTRY)) == 2


def test_history_keeps_what_an_index_in_it_needs(shelf: Shelf) -> None:
    old = index(image(b"amd64"), image(b"arm64", platform="linux/arm64"))
    shelf.push(old, "app")
    shelf.push(image(b"now"), "app:v1", ago=40 * DAY)
    shelf.entry("app", "v1", old.digest, ago=50 * DAY)
    found = by_rules(shelf, "- {repositories: ['**'], deleteUntagged: true, untaggedKeepHistory: 1}")
    assert found.deletions == ()


def test_an_earlier_digest_that_a_rule_lets_go_under_another_tag_stays_as_history(shelf: Shelf) -> None:
    old, _ = history(shelf, "old", "new")
    shelf.tag("app:other", old)
    rules = "- {repositories: ['**'], keepTags: [{patterns: [v1]}], untaggedKeepHistory: 1}"
    found = by_rules(shelf, rules)
    assert found.tags == app("other")
    assert (found.revisions, found.blobs) == (set(), set())


def signed(shelf: Shelf) -> tuple[dict[str, str], dict[str, str]]:
    """Push two images, and for each a signature as cosign tags it, and an SBOM that refers to it."""
    signatures, sboms = {}, {}
    for tag in ("kept", "gone"):
        subject = image(tag.encode())
        shelf.push(subject, f"app:{tag}")
        signature = artifact(f"signature of {tag}".encode(), kind="application/x")
        signatures[tag] = shelf.push(signature, f"app:{signature_tag(subject)}")
        sboms[tag] = shelf.push(artifact(f"sbom of {tag}".encode(), kind="application/x", subject=subject), "app")
    return signatures, sboms


@pytest.mark.parametrize(
    ("rule", "untagged", "go"),
    [
        ("true", KEEP, True),
        ("true", DELETE, True),
        ("", DELETE, True),
        ("", KEEP, False),
        ("false", KEEP, False),
        ("false", DELETE, False),
    ],
)
def test_signatures_and_referrers_go_with_their_image_where_the_rule_or_else_the_option_says_so(
    shelf: Shelf, rule: str, untagged: Untagged, *, go: bool
) -> None:
    signatures, sboms = signed(shelf)
    more = f"\n  deleteReferrers: {rule}" if rule else ""
    found = by_rules(shelf, f"- repositories: ['**']\n  keepTags: [{{patterns: [kept]}}]{more}", untagged=untagged)
    image_gone = image(b"gone")
    follow = {signatures["gone"], sboms["gone"]} if go else set()
    assert found.revisions == {f"app@{digest}" for digest in {image_gone.digest, *follow}}
    about = {f"app:{signature_tag(image_gone)}"} if go else set()
    assert found.tags == app("gone") | about
    assert {one.reason for one in found.of(Kind.TAG)} == {Reason.RULE, *([Reason.NO_SUBJECT] if go else [])}


@pytest.mark.parametrize("untagged", ["true", "false"])
def test_referrers_that_stay_do_not_depend_on_what_becomes_of_untagged_manifests(shelf: Shelf, untagged: str) -> None:
    signatures, sboms = signed(shelf)
    rules = f"""
        - repositories: ['**']
          keepTags: [{{patterns: [kept]}}]
          deleteReferrers: false
          deleteUntagged: {untagged}
    """
    found = by_rules(shelf, rules)
    assert found.revisions == {f"app@{image(b'gone').digest}"}
    assert {*signatures.values(), *sboms.values()}.isdisjoint({one.digest for one in found.deletions})


@pytest.mark.parametrize(("referrers", "untagged"), [("true", "false"), ("false", "true")])
def test_a_referrer_whose_image_went_before_goes_where_referrers_go_whatever_becomes_of_untagged_manifests(
    shelf: Shelf, referrers: str, untagged: str
) -> None:
    shelf.fill("app:v1", "app")
    sbom = shelf.push(artifact(b"sbom", kind="application/x", subject=image(b"gone")), "app")
    rules = f"- {{repositories: ['**'], deleteReferrers: {referrers}, deleteUntagged: {untagged}}}"
    gone = sbom if referrers == "true" else image(b"app").digest
    assert by_rules(shelf, rules).revisions == {f"app@{gone}"}


def test_a_signature_whose_image_another_repository_keeps_stays(shelf: Shelf) -> None:
    subject = image(b"one")
    shelf.push(subject, "app:v1")
    shelf.push(subject, "copy:v1")
    shelf.fill("app:kept")
    shelf.push(artifact(b"signature", kind="application/x"), f"app:{signature_tag(subject)}")
    found = by_rules(shelf, "- {repositories: [app], keepTags: [{patterns: [kept]}], deleteReferrers: true}")
    assert found.tags == app("v1")
    assert found.revisions == {f"app@{subject.digest}"}


def test_a_signature_whose_image_went_before_goes_whole(shelf: Shelf) -> None:
    shelf.fill("app:v1")
    signature = shelf.push(artifact(b"signature", kind="application/x"), f"app:{signature_tag(image(b'gone'))}")
    found = by_rules(shelf, "- {repositories: ['**'], deleteReferrers: true}")
    assert found.tags == app(signature_tag(image(b"gone")))
    # The plan takes its last tag: without that nobody would ever find it again.
    assert found.revisions == {f"app@{signature}"}


def test_signatures_of_an_index_s_images_go_with_them(shelf: Shelf) -> None:
    child = image(b"child")
    shelf.push(index(child), "app:v1")
    signature = shelf.push(artifact(b"signature", kind="application/x"), f"app:{signature_tag(child)}")
    shelf.fill("app:kept")
    found = by_rules(shelf, "- {repositories: ['**'], keepTags: [{patterns: [kept]}], deleteReferrers: true}")
    assert f"app@{signature}" in found.revisions
    assert found.tags == app("v1", signature_tag(child))


def test_a_signature_of_a_signature_goes_along(shelf: Shelf) -> None:
    subject, signature = image(b"one"), artifact(b"signature", kind="application/x")
    again = artifact(b"again", kind="application/x", subject=signature)
    shelf.push(subject, "app:v1")
    shelf.push(signature, f"app:{signature_tag(subject)}")
    shelf.push(again, "app")
    shelf.fill("app:kept")
    found = by_rules(shelf, "- {repositories: ['**'], keepTags: [{patterns: [kept]}], deleteReferrers: true}")
    assert found.revisions == {f"app@{one.digest}" for one in (subject, signature, again)}


def test_a_rule_s_numbers_are_in_the_plan(shelf: Shelf) -> None:
    shared = image(b"base", b"one")
    shelf.push(shared, "team/app:v1")
    shelf.push(image(b"base", b"two"), "team/app:v2")
    shelf.push(index(image(b"three")), "team/lib:v1")
    shelf.fill("team/lib:v2", "team/lib", "other:v1", "other:v2")
    shelf.tag("other:dangling", GONE)
    rules = """
        - repositories: ['team/*', 'teams/**']
          keepTags: [{patterns: [v2]}]
        - repositories: ['nobody/*']
          keepTags: [{patterns: [v2]}]
        - repositories: ['other']
    """
    gone = size(shared) - len(shared.blobs[1].content) + size(index(image(b"three")))
    assert by_rules(shelf, rules, untagged=DELETE).header.rules == [
        RuleSummary(rule=1, repositories=["team/*", "teams/**"], matched=2, tags=4, tags_condemned=2, bytes=gone),
        RuleSummary(rule=2, repositories=["nobody/*"], matched=0, tags=0, tags_condemned=0, bytes=0),
        RuleSummary(rule=3, repositories=["other"], matched=1, tags=2, tags_condemned=0, bytes=0),
    ]


def test_a_plan_tells_the_policy_it_was_made_by(shelf: Shelf) -> None:
    shelf.fill("app:v1")
    told = by_rules(shelf, "- {repositories: ['**'], keepTags: [{pushedWithin: 720h}]}").header.options["policy"]
    assert json.loads(str(told)) == [
        {"repositories": ["**"], "keepTags": [{"patterns": [".*"], "pushedWithin": "30d"}]}
    ]


def test_a_second_plan_by_the_same_rules_lets_nothing_go(shelf: Shelf) -> None:
    signed(shelf)
    history(shelf, "1", "2", "3")
    shelf.fill("app:old", "app")
    rules = """
        - repositories: ['**']
          keepTags: [{patterns: [kept, v1]}]
          untaggedKeepHistory: 1
          deleteUntagged: true
          deleteReferrers: true
    """
    for key in by_rules(shelf, rules).keys:
        del shelf.store.things[key]
    assert by_rules(shelf, rules).deletions == ()
