"""How tags are judged, as docs/policy.md says: each kind of rule, each boundary."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import pytest

from fixtures.images import Manifest, artifact, image, index
from regsweep.plan.by_rule import RuleSummary
from regsweep.plan.kinds import Reason
from regsweep.plan.options import Untagged
from regsweep.registry.layout import Kind
from regsweep.retention.judge import LAST, YOUNG
from tests.trees import blob_key
from tests.unit.ruled import (
    DAY,
    GONE,
    MICROSECOND,
    NOW,
    Shelf,
    app,
    by_rules,
    entry_key,
    keep,
    signature_tag,
    size,
    tags,
)

DELETE, KEEP = Untagged.DELETE, Untagged.KEEP
NONE = "- {repositories: ['**'], keepTags: [{patterns: ['^none$']}], allowEmpty: true}"
"""The rule that keeps no tag."""


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def written(moment: datetime) -> str:
    """A time as image configurations have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def built(name: str, ago: timedelta, *, platform: str = "linux/amd64") -> Manifest:
    """An image that was created so long ago."""
    return image(name.encode(), created=written(NOW - ago), platform=platform)


def undated(name: str) -> Manifest:
    return image(name.encode(), created="0001-01-01T00:00:00Z")


@pytest.mark.parametrize(("count", "left"), [(1, "5"), (2, "45"), (4, "2345"), (5, "12345"), (6, "12345")])
def test_as_many_tags_as_the_count_says_stay_those_that_were_pushed_last(shelf: Shelf, count: int, left: str) -> None:
    for days, tag in enumerate("54321", 40):
        shelf.fill(f"app:{tag}", ago=days * DAY)
    assert keep(shelf, f"{{mostRecentlyPushedCount: {count}}}") == app(*left)


def test_a_count_counts_in_each_repository_and_only_tags_that_match(shelf: Shelf) -> None:
    for days, tag in enumerate(("main-3", "v2", "main-2", "v1", "main-1"), 40):
        shelf.fill(f"app:{tag}", f"app/sub:{tag}", ago=days * DAY)
    left = {f"{repository}:{tag}" for repository in ("app", "app/sub") for tag in ("main-3", "main-2")}
    assert keep(shelf, "{patterns: ['^main-'], mostRecentlyPushedCount: 2}") == left


def test_a_push_time_is_that_of_the_entry_of_what_the_tag_stands_at_and_of_no_other(shelf: Shelf) -> None:
    shelf.fill("app:a", ago=40 * DAY)
    shelf.fill("app:b", ago=41 * DAY)
    # Written later than the current one, as a restored backup has it; and a current link that is newer than its entry.
    shelf.entry("app", "b", shelf.push(image(b"other"), "app"), ago=39 * DAY)
    shelf.put("repositories/app/_manifests/tags/b/current/link", image(b"app:b").digest.encode(), ago=38 * DAY)
    assert keep(shelf, "{mostRecentlyPushedCount: 1}") == app("a")


def test_a_tag_without_an_entry_was_pushed_when_its_link_was_written(shelf: Shelf) -> None:
    shelf.fill("app:a", ago=40 * DAY)
    shelf.fill("app:b", ago=39 * DAY)
    del shelf.store.things[entry_key("app", "b", image(b"app:b").digest)]
    assert keep(shelf, "{mostRecentlyPushedCount: 1}") == app("b")


def test_a_tag_pushed_exactly_so_long_ago_stays_and_one_a_microsecond_older_goes(shelf: Shelf) -> None:
    for tag, ago in (("at", 30 * DAY), ("before", 30 * DAY + MICROSECOND), ("after", 30 * DAY - MICROSECOND)):
        shelf.fill(f"app:{tag}", ago=ago)
    assert keep(shelf, "{pushedWithin: 30d}") == app("at", "after")


def test_an_age_beyond_all_computers_keeps_everything(shelf: Shelf) -> None:
    shelf.fill("app:a", ago=20_000 * DAY)
    assert keep(shelf, "{pushedWithin: 999999w, createdWithin: 999999w}", more="allowEmpty: true") == app("a")


def test_tags_pushed_at_the_same_time_are_ordered_as_versions(shelf: Shelf) -> None:
    shelf.fill("app:1.9", "app:1.10-rc1", "app:1.10", "app:1.2")
    order = [keep(shelf, f"{{mostRecentlyPushedCount: {count}}}") for count in (1, 2, 3, 4)]
    expected = ["1.10", "1.10-rc1", "1.9", "1.2"]
    assert order == [app(*expected[:count]) for count in (1, 2, 3, 4)]


def test_dates_of_creation_count_and_not_those_of_pushes(shelf: Shelf) -> None:
    for tag, created, pushed in (("new", 10, 50), ("middle", 20, 40), ("old", 30, 45)):
        shelf.push(built(tag, created * DAY), f"app:{tag}", ago=pushed * DAY)
    assert keep(shelf, "{mostRecentlyCreatedCount: 1}") == app("new")
    assert keep(shelf, "{mostRecentlyCreatedCount: 2}") == app("new", "middle")
    assert keep(shelf, "{mostRecentlyCreatedCount: 3}") == app("new", "middle", "old")


def test_an_image_created_exactly_so_long_ago_stays_and_one_a_microsecond_older_goes(shelf: Shelf) -> None:
    for tag, ago in (("at", 30 * DAY), ("before", 30 * DAY + MICROSECOND), ("after", 30 * DAY - MICROSECOND)):
        shelf.push(built(tag, ago), f"app:{tag}")
    assert keep(shelf, "{createdWithin: 30d}") == app("at", "after")


def test_images_created_at_the_same_time_are_ordered_as_versions(shelf: Shelf) -> None:
    for days, tag in enumerate(("1.9", "1.10-rc1", "1.10"), 40):
        shelf.push(image(tag.encode()), f"app:{tag}", ago=days * DAY)
    assert keep(shelf, "{mostRecentlyCreatedCount: 1}") == app("1.10")
    assert keep(shelf, "{mostRecentlyCreatedCount: 2}") == app("1.10", "1.10-rc1")


def test_an_index_was_created_with_the_youngest_of_its_images(shelf: Shelf) -> None:
    shelf.push(index(built("amd64", 50 * DAY), built("arm64", 10 * DAY, platform="linux/arm64")), "app:multi")
    shelf.push(index(index(built("deep", 15 * DAY))), "app:nested")
    shelf.push(built("single", 20 * DAY), "app:single")
    assert keep(shelf, "{mostRecentlyCreatedCount: 1}") == app("multi")
    assert keep(shelf, "{createdWithin: 15d}") == app("multi", "nested")


@pytest.mark.parametrize("entry", ["{mostRecentlyCreatedCount: 1}", "{createdWithin: 15d}"])
def test_an_unknown_date_of_creation_keeps_and_is_not_counted(shelf: Shelf, entry: str) -> None:
    shelf.push(built("new", 10 * DAY), "app:new")
    shelf.push(built("old", 20 * DAY), "app:old")
    shelf.push(undated("undated"), "app:undated")
    lost = built("lost", 20 * DAY)
    shelf.push(lost, "app:lost")
    del shelf.store.things[blob_key(lost.blobs[0].digest)]
    damaged = built("damaged", 20 * DAY)
    shelf.push(damaged, "app:damaged")
    shelf.put(blob_key(damaged.blobs[0].digest), b"{}")
    shelf.push(artifact(b"chart", kind="application/x-chart"), "app:chart")
    assert keep(shelf, entry) == app("new", "undated", "lost", "damaged", "chart")


@pytest.mark.parametrize("entry", ["{mostRecentlyCreatedCount: 1}", "{createdWithin: 15d}"])
def test_an_index_of_whose_images_one_cannot_be_dated_may_be_younger_than_the_others_and_stays(
    shelf: Shelf, entry: str
) -> None:
    lost = built("lost", 20 * DAY)
    shelf.push(index(built("dated", 20 * DAY), lost), "app:multi")
    del shelf.store.things[blob_key(lost.blobs[0].digest)]
    shelf.push(built("new", 10 * DAY), "app:new")
    shelf.push(built("old", 30 * DAY), "app:old")
    assert keep(shelf, entry) == app("multi", "new")


def test_labels_keep_images_that_have_them_all_by_their_whole_values(shelf: Shelf) -> None:
    for tag, labels in {
        "both": {"team": "web", "tier": "1", "more": "x"},
        "one": {"team": "web"},
        "other": {"team": "web2", "tier": "1"},
        "none": {},
    }.items():
        shelf.push(image(tag.encode(), labels=labels), f"app:{tag}")
    assert keep(shelf, "{labels: {team: web}}") == app("both", "one")
    assert keep(shelf, "{labels: {team: web, tier: 1}}") == app("both")


def test_labels_are_found_through_indexes(shelf: Shelf) -> None:
    labelled = image(b"arm64", platform="linux/arm64", labels={"team": "web"})
    shelf.push(index(image(b"amd64"), labelled), "app:multi")
    shelf.push(index(index(labelled)), "app:nested")
    shelf.push(index(image(b"amd64")), "app:plain")
    assert keep(shelf, "{labels: {team: web}}") == app("multi", "nested")


def test_labels_that_cannot_be_read_keep_and_those_of_artifacts_are_known_to_be_none(shelf: Shelf) -> None:
    shelf.push(image(b"labelled", labels={"team": "web"}), "app:labelled")
    unread, damaged = image(b"unread"), image(b"damaged", labels={"team": "db"})
    shelf.push(unread, "app:unread")
    del shelf.store.things[blob_key(unread.blobs[0].digest)]
    shelf.push(damaged, "app:damaged")
    shelf.put(blob_key(damaged.blobs[0].digest), b'{"config":{"Labels":7}}')
    shelf.push(artifact(b"chart", kind="application/x-chart"), "app:chart")
    assert keep(shelf, "{labels: {team: web}}") == app("labelled", "unread", "damaged")


def noted(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that are read from now on."""
    read: list[str] = []
    inner = shelf.store.read

    def noting(prefix: str, names: Sequence[str], suffix: str, *, limit: int) -> Iterator[bytes | None]:
        read.extend(prefix + name + suffix for name in names)
        return inner(prefix, names, suffix, limit=limit)

    monkeypatch.setattr(shelf.store, "read", noting)
    return read


def test_only_tags_that_a_question_is_about_have_their_configuration_read(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, weighed, other = image(b"asked"), image(b"weighed"), image(b"other")
    shelf.push(asked, "app:pr-1")
    shelf.push(weighed, "app:v1")
    shelf.push(other, "other:pr-1")
    read = noted(shelf, monkeypatch)
    entries = "{patterns: ['^pr-'], createdWithin: 1d}, {minSize: 1}"
    by_rules(
        shelf,
        f"- {{repositories: [app], keepTags: [{entries}]}}\n- {{repositories: [other], keepTags: [{{minSize: 1}}]}}",
    )
    configs = {blob_key(manifest.blobs[0].digest) for manifest in (asked, weighed, other)}
    assert [key for key in read if key in configs] == [blob_key(asked.blobs[0].digest)]


def test_no_configuration_is_read_unless_a_rule_with_tags_to_judge_asks(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, other = image(b"wanted"), image(b"other")
    shelf.push(wanted, "dated:v1")
    shelf.push(other, "app:v1")
    read = noted(shelf, monkeypatch)
    configs = {blob_key(manifest.blobs[0].digest) for manifest in (wanted, other)}
    by_rules(shelf, "- {repositories: ['**'], keepTags: [{minSize: 1}, {pushedWithin: 1d}]}")
    assert not configs & set(read)
    by_rules(shelf, "- {repositories: [app]}\n- {repositories: ['**'], keepTags: [{createdWithin: 1d}]}")
    assert [key for key in read if key in configs] == [blob_key(wanted.blobs[0].digest)]


def test_an_image_of_exactly_the_size_stays_and_one_a_byte_smaller_goes(shelf: Shelf) -> None:
    small, large = image(b"x"), index(image(b"one"), image(b"two" * 1000))
    shelf.push(small, "app:small")
    shelf.push(large, "app:large")
    assert keep(shelf, f"{{minSize: {size(large)}}}") == app("large")
    assert keep(shelf, f"{{minSize: {size(large) + 1}}}", more="allowEmpty: true") == set()
    assert keep(shelf, f"{{minSize: {size(small)}}}") == app("small", "large")
    assert keep(shelf, f"{{minSize: {size(small) + 1}}}") == app("large")


def test_a_pattern_without_a_condition_keeps_wherever_it_is_found(shelf: Shelf) -> None:
    shelf.fill("app:v1", "app:dev12", "app:v2")
    assert keep(shelf, "{patterns: ['v1']}") == app("v1", "dev12")
    assert keep(shelf, "{patterns: ['^v1$', '2$']}") == app("v1", "v2", "dev12")
    assert keep(shelf, "{patterns: ['V1']}, {patterns: ['(?i)V2']}") == app("v2")


def test_an_entry_is_not_for_what_one_of_its_other_patterns_is_found_in(shelf: Shelf) -> None:
    for days, tag in enumerate(("main-rc", "main-3", "main-2", "main-1", "v1", "latest"), 40):
        shelf.fill(f"app:{tag}", ago=days * DAY)
    assert keep(shelf, "{patterns: ['^main-'], notPatterns: [rc, '1$']}") == app("main-2", "main-3")
    # What it is not for is not counted either.
    assert keep(shelf, "{patterns: ['^main-'], notPatterns: [rc], mostRecentlyPushedCount: 1}") == app("main-3")
    assert keep(shelf, "{notPatterns: [main]}") == app("v1", "latest")
    assert keep(shelf, "{notPatterns: [main]}, {patterns: ['rc$']}") == app("v1", "latest", "main-rc")


def test_any_condition_of_an_entry_and_any_entry_keeps(shelf: Shelf) -> None:
    for tag, pushed in (("a", 5), ("b", 10), ("c", 40), ("d", 50)):
        shelf.fill(f"app:{tag}", ago=pushed * DAY)
    assert keep(shelf, "{mostRecentlyPushedCount: 1, pushedWithin: 10d}") == app("a", "b")
    assert keep(shelf, "{mostRecentlyPushedCount: 3, pushedWithin: 1d}") == app("a", "b", "c")
    assert keep(shelf, "{mostRecentlyPushedCount: 1}, {patterns: [d]}") == app("a", "d")
    big = size(image(b"app:a"))
    assert keep(shelf, f"{{patterns: [c], mostRecentlyPushedCount: 1, minSize: {big}}}") == app("c")


def test_the_first_rule_that_matches_decides_whatever_a_later_one_would_keep_or_let_go(shelf: Shelf) -> None:
    shelf.fill("team/app:v1", "team/app:v2", "team/lib:v1", "team/lib:v2", "other:v1", "other:v2")
    rules = """
        - repositories: ['team/app']
          keepTags: [{patterns: [v1]}]
        - repositories: ['team/*']
        - repositories: ['**']
          keepTags: [{patterns: [v2]}]
    """
    found = by_rules(shelf, rules)
    assert found.tags == {"team/app:v2", "other:v1"}
    assert [(rule.matched, rule.tags) for rule in found.header.rules] == [(1, 2), (1, 2), (1, 2)]


def test_where_no_rule_matches_everything_stays_even_with_untagged_delete(shelf: Shelf) -> None:
    shelf.fill("app:v1", "other:v1", "app", "other")
    shelf.push(artifact(b"about nothing", kind="application/x"), f"other:{signature_tag(image(b'never pushed'))}")
    found = by_rules(shelf, "- {repositories: [app], keepTags: [{pushedWithin: 1d}]}", untagged=DELETE)
    assert found.revisions == {f"app@{image(b'app').digest}"}
    assert not [key for key in found.keys if "repositories/other/" in key]


def test_never_delete_keeps_whatever_else_is_said(shelf: Shelf) -> None:
    shelf.fill("app:latest", "app:v1", "app:v2")
    rules = """
        - repositories: ['**']
          keepTags: [{patterns: ['^v1$']}]
          neverDelete: ['^latest$', '^stable$']
          allowEmpty: true
    """
    found = by_rules(shelf, rules)
    assert tags(shelf) - found.tags == app("latest", "v1")
    assert found.why == {"app:latest": ["neverDelete"], "app:v1": ["keepTags[0]: match ^v1$"]}


def test_what_never_delete_keeps_counts_among_the_last_all_the_same(shelf: Shelf) -> None:
    shelf.fill("app:latest", ago=40 * DAY)
    shelf.fill("app:v1", ago=41 * DAY)
    assert keep(shelf, "{mostRecentlyPushedCount: 1}", more="neverDelete: [latest]") == app("latest")


def test_a_rule_without_keep_tags_keeps_all_tags(shelf: Shelf) -> None:
    shelf.fill("app:v1", "app:v2", "app")
    found = by_rules(shelf, "- {repositories: ['**'], deleteUntagged: true}")
    assert (found.tags, found.revisions) == (set(), {f"app@{image(b'app').digest}"})
    assert found.why["app:v1"] == ["the rule has no keepTags"]


def test_every_reason_that_keeps_a_tag_is_known_in_order(shelf: Shelf) -> None:
    shelf.push(built("x", DAY), "app:v1.0.0", ago=DAY - MICROSECOND)
    rules = """
        - repositories: ['**']
          neverDelete: [v]
          keepTags:
            - mostRecentlyPushedCount: 2
              pushedWithin: 30d
              mostRecentlyCreatedCount: 1
              createdWithin: 36h
              minSize: 1
              semver: {majors: 1}
            - patterns: ['^v', x]
    """
    assert by_rules(shelf, rules).why == {
        "app:v1.0.0": [
            "neverDelete",
            "keepTags[0]: among the 2 most recently pushed",
            "keepTags[0]: pushed within 30d",
            "keepTags[0]: among the newest versions",
            "keepTags[0]: among the 1 most recently created",
            "keepTags[0]: created within 1d12h",
            "keepTags[0]: of 1 bytes or more",
            "keepTags[1]: match ^v or x",
            YOUNG,
        ]
    }


@pytest.mark.parametrize("what", ["the tag", "its entry", "an earlier entry", "its revision"])
def test_a_tag_that_is_younger_than_the_least_age_by_anything_stays(shelf: Shelf, what: str) -> None:
    shelf.fill("app:v1", "app:v2")
    one = image(b"app:v1").digest

    def write(ago: timedelta) -> None:
        match what:
            case "the tag":
                shelf.put("repositories/app/_manifests/tags/v1/current/link", one.encode(), ago=ago)
            case "its entry":
                shelf.entry("app", "v1", one, ago=ago)
            case "an earlier entry":
                shelf.entry("app", "v1", image(b"app:v2").digest, ago=ago)
            case _:
                shelf.revision("app", one, ago=ago)

    write(DAY)
    assert by_rules(shelf, NONE).tags == app("v1", "v2")
    write(DAY - MICROSECOND)
    found = by_rules(shelf, NONE)
    assert found.tags == app("v2")
    assert found.why == {"app:v1": [YOUNG]}
    assert f"app@{one}" not in found.revisions


def test_a_young_push_does_not_make_the_other_tags_of_its_digest_young(shelf: Shelf) -> None:
    shelf.fill("app:v1")
    shelf.tag("app:v2", image(b"app:v1").digest, ago=timedelta())
    found = by_rules(shelf, NONE)
    assert found.tags == app("v1")
    assert (found.revisions, found.blobs) == (set(), set())


def test_the_last_tag_of_a_repository_stays_and_is_reported(shelf: Shelf) -> None:
    shelf.fill("app:v2", ago=41 * DAY)
    shelf.fill("app:v1", ago=40 * DAY)
    shelf.fill("app/sub:1.9", "app/sub:1.10")
    found = by_rules(shelf, NONE.replace("true", "false"))
    assert tags(shelf) - found.tags == {"app:v1", "app/sub:1.10"}
    assert found.findings == (
        ("last-tag-kept", "app", "app:v1"),
        ("last-tag-kept", "app/sub", "app/sub:1.10"),
    )
    assert found.why == {"app:v1": [LAST], "app/sub:1.10": [LAST]}


@pytest.mark.parametrize("untagged", Untagged)
def test_a_repository_may_lose_its_last_tag_where_the_rule_says_so(shelf: Shelf, untagged: Untagged) -> None:
    shelf.fill("app:v1", "app:v2", "kept:v1")
    found = by_rules(shelf, "- {repositories: [kept]}\n" + NONE, untagged=untagged)
    assert found.tags == app("v1", "v2")
    assert found.findings == ()
    assert found.repositories["app"].gone
    assert not found.repositories["kept"].gone
    assert {key for key in shelf.keys if "/app/" in key} < found.keys


def test_a_young_tag_is_enough_to_let_all_others_go(shelf: Shelf) -> None:
    shelf.fill("app:v1")
    shelf.fill("app:v2", ago=timedelta())
    found = by_rules(shelf, NONE.replace("true", "false"))
    assert (found.tags, found.findings) == (app("v1"), ())


def test_what_is_never_to_be_deleted_stays_also_where_it_is_not_judged(shelf: Shelf) -> None:
    shelf.fill("app:v1")
    shelf.tag("app:dangling", GONE, ago=40 * DAY)
    signature = shelf.push(image(b"signature"), f"app:{signature_tag(image(b'elsewhere'))}")
    rules = "- {repositories: ['**'], neverDelete: [ing, '[.]sig$'], deleteUntagged: true, deleteReferrers: true}"
    found = by_rules(shelf, rules, untagged=DELETE)
    assert (found.tags, found.revisions) == (set(), set())
    assert signature not in found.blobs


def test_tags_that_lead_nowhere_are_neither_judged_nor_counted(shelf: Shelf) -> None:
    shelf.fill("app:v1", ago=50 * DAY)
    shelf.tag("app:dangling", GONE, ago=40 * DAY)
    missing = shelf.push(image(b"missing"), "app:missing", ago=40 * DAY)
    del shelf.store.things[blob_key(missing)]
    found = by_rules(shelf, "- {repositories: ['**'], keepTags: [{mostRecentlyPushedCount: 1}]}")
    assert {(one.tag, one.reason) for one in found.of(Kind.TAG)} == {
        ("dangling", Reason.NO_REVISION),
        ("missing", Reason.NO_MANIFEST),
    }
    assert set(found.why) == app("v1")
    assert found.header.rules[0].tags == 1


def test_a_tag_that_leads_nowhere_does_not_stand_in_for_the_last(shelf: Shelf) -> None:
    shelf.fill("app:v1")
    shelf.tag("app:dangling", GONE, ago=timedelta())
    found = by_rules(shelf, NONE.replace("true", "false"))
    assert (found.tags, found.findings) == (set(), (("last-tag-kept", "app", "app:v1"),))


@pytest.mark.parametrize("suffix", [".sig", ".att", ".sbom", ""])
def test_tags_about_other_images_are_neither_judged_nor_counted(shelf: Shelf, suffix: str) -> None:
    shelf.fill("app:v1", ago=50 * DAY)
    signature = artifact(b"signature", kind="application/x", subject=image(b"app:v1"))
    about = f"app:{signature_tag(image(b'app:v1'), suffix)}"
    shelf.push(signature if suffix else index(signature), about, ago=40 * DAY)
    found = by_rules(shelf, "- {repositories: ['**'], keepTags: [{mostRecentlyPushedCount: 1}]}")
    assert found.deletions == ()
    assert set(found.why) == app("v1")
    assert found.header.rules[0].tags == 1


def test_an_image_of_such_a_name_is_judged_like_any_other(shelf: Shelf) -> None:
    shelf.fill("app:v1", f"app:{signature_tag(image(b'x'), '')}")
    assert keep(shelf, "{patterns: [v1]}") == app("v1")


def damage_a_link(shelf: Shelf) -> None:
    shelf.put("repositories/app/_manifests/tags/v3/current/link", b"")


def damage_a_manifest(shelf: Shelf) -> None:
    shelf.put(blob_key(image(b"app:v2").digest), b"{}")


@pytest.mark.parametrize("damage", [damage_a_link, damage_a_manifest])
def test_a_frozen_repository_is_left_alone(shelf: Shelf, damage: Callable[[Shelf], None]) -> None:
    shelf.fill("app:v1", "app:v2", "other:v1", "other:v2", "app")
    damage(shelf)
    found = by_rules(shelf, NONE.replace("none", "v1") + "\n", untagged=DELETE)
    assert found.tags == {"other:v2"}
    assert not [key for key in found.keys if "/app/" in key]
    assert found.header.rules == [
        RuleSummary(rule=1, repositories=["**"], matched=1, tags=2, tags_condemned=1, bytes=size(image(b"other:v2")))
    ]
