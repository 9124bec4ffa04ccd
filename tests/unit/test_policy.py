from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from regsweep.errors import UsageError
from regsweep.retention.ages import parse_sum, write_age
from regsweep.retention.policy import Keep, Policy, Rule, Semver, check_pattern, from_options, parse_policy

DAYS = timedelta(days=30)


def options(
    *,
    keep_last: int | None = None,
    keep_within: timedelta | None = None,
    keep_tags: tuple[str, ...] = (),
    only_repos: tuple[str, ...] = (),
) -> Policy | None:
    return from_options(keep_last=keep_last, keep_within=keep_within, keep_tags=keep_tags, only_repos=only_repos)


def rule_of(policy: Policy | None) -> Rule:
    assert policy
    (rule,) = policy.rules
    return rule


def test_no_option_is_no_policy() -> None:
    assert options() is None


def test_keep_last_and_keep_within_are_one_entry_whose_conditions_are_ored() -> None:
    rule = rule_of(options(keep_last=10, keep_within=DAYS))
    assert rule == Rule(repositories=("**",), keep_tags=(Keep(most_recently_pushed=10, pushed_within=DAYS),))
    assert rule.line == 0


def test_keep_tags_are_an_entry_of_their_own_that_always_keeps() -> None:
    rule = rule_of(options(keep_last=3, keep_tags=("^v", "latest"), only_repos=("team/**", "infra/*")))
    assert rule.repositories == ("team/**", "infra/*")
    assert rule.keep_tags == (Keep(patterns=("^v", "latest")), Keep(most_recently_pushed=3))
    assert [keep.always for keep in rule.keep_tags] == [True, False]


def test_keep_tags_alone_let_all_others_go() -> None:
    assert rule_of(options(keep_tags=("^v",))).keep_tags == (Keep(patterns=("^v",)),)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (lambda: options(only_repos=("team/**",)), "--only-repos: nothing says"),
        (lambda: options(keep_last=0), "--keep-last 0: keeps nothing"),
        (lambda: options(keep_last=1_000_000_000), "--keep-last 1000000000: is more than 999,999,999"),
        (lambda: options(keep_last=int("9" * 40)), "--keep-last 9{40}: is more than 999,999,999"),
        (lambda: options(keep_last=-1), "--keep-last -1: keeps nothing"),
        (lambda: options(keep_within=timedelta(0)), "--keep-within 0: keeps nothing"),
        (lambda: options(keep_last=1, only_repos=("a", "Team")), "--only-repos: 'Team' matches no repository's name"),
        (lambda: options(keep_last=1, only_repos=("",)), "--only-repos: '' names no repository"),
        (lambda: options(keep_tags=("a", "(")), r"--keep-tags: '\(' is no regular expression: missing \)"),
        (lambda: options(keep_tags=("",)), "--keep-tags: is empty"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_their_names(policy: object, told: str) -> None:
    assert callable(policy)
    with pytest.raises(UsageError, match=told) as caught:
        policy()
    assert caught.value.hint


@pytest.mark.parametrize(
    "pattern", ["a", ".*", r"^v\d+\.\d+\.\d+$", "(?i)rc", r"\pL", "(?P<n>a)", "é", "(a|aa)*b", "(((((a*)*)*)*)*)*b"]
)
def test_re2_s_patterns_are_patterns(pattern: str) -> None:
    check_pattern(pattern, "--tags-matching")


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(", r"missing \)"),
        ("[a", "missing ]"),
        ("*a", "no argument for repetition operator"),
        ("\\", "trailing"),
        ("(?=a)", "invalid perl operator"),
        ("(?!a)", "invalid perl operator"),
        ("(?<=a)b", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("a{1001}", "invalid repetition size"),
        (r"(?:\pL?){800}", "too large"),
        ("", "is empty, and would match every tag"),
        ("a\n", "no tag has"),
        ("a\x00", "no tag has"),
        ("\u202ea", "no tag has"),
        ("\ud800", "no tag has"),
        ("a" * 1001, "more than 1000 characters"),
        ("\n" * 100_000, "more than 1000 characters"),
    ],
)
def test_what_is_none_is_refused_with_its_option_in_one_line(pattern: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        check_pattern(pattern, "--tags-matching")
    assert caught.value.message.startswith("--tags-matching: ")
    assert caught.value.message.isprintable()
    assert caught.value.hint


def test_the_hint_for_a_look_around_says_whose_syntax_it_is() -> None:
    with pytest.raises(UsageError) as caught:
        check_pattern("^(?!latest)", "--keep-tags")
    assert "RE2" in caught.value.hint
    assert "look-around" in caught.value.hint


@settings(deadline=None)
@given(pattern=st.text())
def test_any_text_is_a_pattern_or_refused_in_one_line(pattern: str) -> None:
    said = ""
    try:
        check_pattern(pattern, "--keep-tags")
    except UsageError as error:
        said = error.message + error.hint
    assert said.isprintable()


def test_checking_patterns_leaves_no_thread_behind_for_a_fork_to_trip_over() -> None:
    before = len(list(Path("/proc/self/task").iterdir()))
    check_pattern("a", "--keep-tags")
    with pytest.raises(UsageError):
        check_pattern("(", "--keep-tags")
    assert len(list(Path("/proc/self/task").iterdir())) <= before


@pytest.mark.parametrize(
    "keep",
    [
        Keep(most_recently_pushed=1),
        Keep(pushed_within=DAYS),
        Keep(most_recently_created=1),
        Keep(created_within=DAYS),
        Keep(semver=Semver()),
        Keep(labels=(("a", "b"),)),
        Keep(min_size=1),
    ],
)
def test_any_condition_makes_an_entry_one_that_does_not_always_keep(keep: Keep) -> None:
    assert not keep.always
    assert replace(keep, patterns=("x",)).always is False
    assert Keep(patterns=("x",), not_patterns=("y",)).always


@pytest.mark.parametrize(
    ("keep", "needed"),
    [
        (Keep(), False),
        (Keep(most_recently_pushed=1, pushed_within=DAYS, semver=Semver(), min_size=1), False),
        (Keep(most_recently_created=1), True),
        (Keep(created_within=DAYS), True),
        (Keep(labels=(("a", "b"),)), True),
    ],
)
def test_images_are_needed_only_where_a_rule_asks_for_what_stands_in_them(keep: Keep, *, needed: bool) -> None:
    before = Rule(repositories=("a",))
    policy = Policy(rules=(before, Rule(repositories=("**",), keep_tags=(Keep(), keep))), name="p")
    assert policy.needs_images is needed


def test_neither_its_file_nor_its_line_makes_a_policy_another() -> None:
    rule = Rule(repositories=("a",), line=7)
    assert Policy(rules=(rule,), name="one") == Policy(rules=(replace(rule, line=8),), name="two")
    with pytest.raises(FrozenInstanceError):
        rule.line = 9  # type: ignore[misc]


def test_a_document_speaks_the_file_s_own_vocabulary() -> None:
    keep = Keep(
        patterns=("^v",),
        not_patterns=("-rc",),
        most_recently_pushed=10,
        pushed_within=DAYS,
        most_recently_created=5,
        created_within=timedelta(hours=36),
        semver=Semver(majors=3, patches_per_minor=1, prereleases=True),
        labels=(("team", "web"),),
        min_size=10_485_760,
    )
    rule = Rule(
        repositories=("team/**",),
        keep_tags=(keep,),
        never_delete=("^latest$",),
        delete_untagged=False,
        untagged_keep_history=2,
        delete_referrers=True,
        allow_empty=True,
        line=3,
    )
    assert Policy(rules=(rule, Rule(repositories=("**",))), name="p").document() == [
        {
            "repositories": ["team/**"],
            "keepTags": [
                {
                    "patterns": ["^v"],
                    "notPatterns": ["-rc"],
                    "mostRecentlyPushedCount": 10,
                    "pushedWithin": "30d",
                    "mostRecentlyCreatedCount": 5,
                    "createdWithin": "1d12h",
                    "semver": {"majors": 3, "patchesPerMinor": 1, "prereleases": "keep"},
                    "labels": {"team": "web"},
                    "minSize": 10_485_760,
                }
            ],
            "neverDelete": ["^latest$"],
            "deleteUntagged": False,
            "untaggedKeepHistory": 2,
            "deleteReferrers": True,
            "allowEmpty": True,
        },
        {"repositories": ["**"]},
    ]


LONGEST = timedelta(weeks=999_999)
COUNTS = st.none() | st.integers(1, 999_999_999)
AGES = st.timedeltas(min_value=timedelta(microseconds=1), max_value=LONGEST)
WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(str.isprintable)
PATTERNS = st.lists(
    st.sampled_from([".*", "^v\\d+$", "on", "1.0", "'", "#", "*", "~", "é"]).filter(lambda p: p != "*"), min_size=1
).map(tuple)
SEMVERS = st.builds(Semver, majors=COUNTS, minors_per_major=COUNTS, patches_per_minor=COUNTS, prereleases=st.booleans())
KEEPS = st.builds(
    Keep,
    patterns=PATTERNS,
    not_patterns=st.just(()) | PATTERNS,
    most_recently_pushed=COUNTS,
    pushed_within=st.none() | AGES,
    most_recently_created=COUNTS,
    created_within=st.none() | AGES,
    semver=st.none() | SEMVERS,
    labels=st.dictionaries(WORDS, WORDS, max_size=3).map(lambda labels: tuple(sorted(labels.items()))),
    min_size=st.none() | st.integers(1, 10**18 - 1),
)
RULES = st.builds(
    Rule,
    repositories=st.lists(st.sampled_from(["**", "team/**", "a", "1.0", "null", "{a,b}"]), min_size=1).map(tuple),
    keep_tags=st.none() | st.lists(KEEPS, min_size=1, max_size=3).map(tuple),
    never_delete=st.just(()) | PATTERNS,
    delete_untagged=st.none() | st.booleans(),
    untagged_keep_history=st.integers(0, 999_999_999),
    delete_referrers=st.none() | st.booleans(),
    allow_empty=st.booleans(),
)
POLICIES = st.builds(Policy, rules=st.lists(RULES, min_size=1, max_size=3).map(tuple), name=st.just("p"))


@settings(deadline=None)
@given(policy=POLICIES, flow=st.none() | st.booleans())
def test_a_policy_s_document_written_as_yaml_is_read_as_the_same_policy(policy: Policy, *, flow: bool | None) -> None:
    text = yaml.safe_dump({"version": 1, "rules": policy.document()}, default_flow_style=flow, allow_unicode=True)
    again = parse_policy(text, "again.yml")
    assert again == policy
    assert again.document() == policy.document()


@settings(deadline=None)
@given(policy=POLICIES)
def test_what_options_or_files_make_can_be_told_of_in_json_s_types(policy: Policy) -> None:
    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(below) for key, below in value.items())
        return all(map(plain, value)) if isinstance(value, list) else isinstance(value, str | int | bool)

    assert plain(policy.document())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", timedelta(hours=24)),
        ("720h", timedelta(days=30)),
        ("720h0m0s", timedelta(days=30)),
        ("1h30m", timedelta(minutes=90)),
        ("1d12h", timedelta(hours=36)),
        ("1.5h", timedelta(minutes=90)),
        ("0", timedelta(0)),
        ("0s", timedelta(0)),
        ("999999w", LONGEST),
        *[(bad, None) for bad in ("", "30", "h", "1h30", "-1h", "1h 30m", "300ms", "1y", "999999w1s", "999999.9w")],
        ("1h" * 6, None),
    ],
)
def test_several_ages_in_a_row_are_their_sum_as_go_writes_them(text: str, expected: timedelta | None) -> None:
    assert parse_sum(text) == expected


@settings(deadline=None)
@given(age=st.just(timedelta(0)) | AGES)
def test_an_age_that_is_written_is_read_as_the_same(age: timedelta) -> None:
    assert parse_sum(write_age(age)) == age


def test_the_page_s_examples_are_policies() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    examples = [block.partition("```")[0] for block in page.split("```yaml\n")[1:]]
    assert len(examples) >= 3
    for example in examples:
        assert parse_policy(example, "docs/policy.md").rules


def test_the_page_names_every_word_of_the_vocabulary() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    for word in (
        *("version", "rules", "repositories", "keepTags", "neverDelete", "deleteUntagged", "untaggedKeepHistory"),
        *("deleteReferrers", "allowEmpty", "patterns", "mostRecentlyPushedCount", "pushedWithin", "createdWithin"),
        *("mostRecentlyCreatedCount", "semver", "majors", "minorsPerMajor", "patchesPerMinor", "prereleases"),
        *("labels", "minSize"),
    ):
        assert f"`{word}`" in page
