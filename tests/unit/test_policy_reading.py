import textwrap
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from regsweep.errors import UsageError
from regsweep.retention.policy import Keep, Policy, Rule, Semver, parse_policy

HEAD = "version: 1\nrules:\n- repositories: ['**']\n"
KEEP = HEAD + "  keepTags:\n  - "


def refused(text: str) -> tuple[str, str]:
    """The error's message, without the file's name, and its hint."""
    with pytest.raises(UsageError) as caught:
        parse_policy(text, "policy.yml")
    message, hint = caught.value.message, caught.value.hint
    assert message.startswith("policy.yml:")
    assert message.isprintable()
    assert hint.isprintable()
    assert len(message) < 2000
    return message.removeprefix("policy.yml:"), hint


def kept(text: str) -> Keep:
    """The one entry of `keepTags` that a text is."""
    (rule,) = parse_policy(KEEP + text, "policy.yml").rules
    assert rule.keep_tags
    (keep,) = rule.keep_tags
    return keep


def test_a_policy_with_every_word_is_read() -> None:
    text = """
        version: 1
        rules:                            # the first that matches decides
          - repositories: ["team-a/**", 'infra/{x,y}']
            keepTags:
              - patterns: ["^v\\\\d+\\\\.\\\\d+\\\\.\\\\d+$"]
              - patterns: [".*"]
                mostRecentlyPushedCount: 10
                pushedWithin: 30d
                mostRecentlyCreatedCount: 5
                createdWithin: 720h
                semver: {majors: 3, minorsPerMajor: 2, patchesPerMinor: 1, prereleases: keep}
                labels: {team: web, a: b}
                minSize: 10MiB
            neverDelete: ["^latest$"]
            deleteUntagged: true
            untaggedKeepHistory: 2
            deleteReferrers: false
            allowEmpty: true
          - repositories: ["**"]
    """
    first = Keep(patterns=(r"^v\d+\.\d+\.\d+$",))
    second = Keep(
        most_recently_pushed=10,
        pushed_within=timedelta(days=30),
        most_recently_created=5,
        created_within=timedelta(hours=720),
        semver=Semver(majors=3, minors_per_major=2, patches_per_minor=1, prereleases=True),
        labels=(("a", "b"), ("team", "web")),
        min_size=10 << 20,
    )
    rule = Rule(
        repositories=("team-a/**", "infra/{x,y}"),
        keep_tags=(first, second),
        never_delete=("^latest$",),
        delete_untagged=True,
        untagged_keep_history=2,
        delete_referrers=False,
        allow_empty=True,
    )
    policy = parse_policy(textwrap.dedent(text), "policy.yml")
    assert policy == Policy(rules=(rule, Rule(repositories=("**",))), name="policy.yml")
    assert policy.name == "policy.yml"
    assert [rule.line for rule in policy.rules] == [4, 20]


def test_what_is_left_out_keeps() -> None:
    (rule,) = parse_policy(HEAD, "policy.yml").rules
    assert rule == Rule(repositories=("**",))
    assert (rule.keep_tags, rule.delete_untagged, rule.delete_referrers, rule.allow_empty) == (None, None, None, False)


def test_json_is_yaml() -> None:
    text = '{"version": 1, "rules": [{"repositories": ["a"], "keepTags": [{"pushedWithin": "720h"}]}]}'
    assert parse_policy(text, "p").rules[0].keep_tags == (Keep(pushed_within=timedelta(days=30)),)


def test_a_mark_of_byte_order_and_windows_line_ends_are_no_matter() -> None:
    assert parse_policy("\ufeff" + HEAD.replace("\n", "\r\n"), "p").rules == (Rule(repositories=("**",)),)


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ("{team: web, port: 8080, on: yes}", {"team": "web", "port": "8080", "on": "yes"}),
        ("{a: 010, b: 1.0, c: 12:30, d: 2024-01-01}", {"a": "010", "b": "1.0", "c": "12:30", "d": "2024-01-01"}),
        ("{a: null, b: ~, c: '', d: 0x1F, 1: 2}", {"a": "null", "b": "~", "c": "", "d": "0x1F", "1": "2"}),
        ("{org.opencontainers.image.title: 'a b'}", {"org.opencontainers.image.title": "a b"}),
        ("{a: .inf, b: 1_000, 'a b': \"x\"}", {"a": ".inf", "b": "1_000", "a b": "x"}),
    ],
)
def test_labels_are_text_as_it_is_written_whatever_yaml_makes_of_it(written: str, labels: dict[str, str]) -> None:
    assert dict(kept(f"labels: {written}").labels) == labels


def test_patterns_are_text_as_it_is_written_too() -> None:
    assert kept("patterns: [1.0, on, 010, 2024-01-01, '#', 'null']").patterns == (
        *("1.0", "on", "010", "2024-01-01", "#", "null"),
    )


@pytest.mark.parametrize(
    ("written", "size"),
    [
        *[("1", 1), ("'1024'", 1024), ("10B", 10), ("10kB", 10_000), ("10KB", 10_000), ("10KiB", 10_240)],
        *[("10MB", 10_000_000), ("10MiB", 10 << 20), ("1.5GB", 1_500_000_000), ("1 TiB", 1 << 40)],
    ],
)
def test_a_size_is_bytes_or_has_its_unit(written: str, size: int) -> None:
    assert kept(f"minSize: {written}").min_size == size


@pytest.mark.parametrize("word", ["true", "True", "yes", "on"])
def test_yes_can_be_said_in_yaml_s_ways(word: str) -> None:
    assert parse_policy(f"{HEAD}  allowEmpty: {word}\n", "p").rules[0].allow_empty


def test_no_can_be_said_and_is_not_the_same_as_nothing() -> None:
    (rule,) = parse_policy(f"{HEAD}  deleteUntagged: no\n  deleteReferrers: false\n", "p").rules
    assert (rule.delete_untagged, rule.delete_referrers) == (False, False)


def test_prereleases_are_dropped_unless_the_rule_says_otherwise() -> None:
    assert kept("semver: {majors: 1}").semver == Semver(majors=1, prereleases=False)
    assert kept("semver: {prereleases: drop}").semver == Semver()
    assert kept("semver: {prereleases: keep}").semver == Semver(prereleases=True)


WRONG_VALUES = [
    ("pushedWithin: 30", "pushedWithin: '30' is no age", "30d"),
    ("pushedWithin: [30d]", "pushedWithin: is a list, and not text", ""),
    ("pushedWithin: 0", "pushedWithin: '0' keeps nothing", "leave it out"),
    ("createdWithin: 1 month", "createdWithin: '1 month' is no age", "30d"),
    ("createdWithin:", "createdWithin: is nothing, and not text", "leave it out"),
    ("mostRecentlyPushedCount: 0", "mostRecentlyPushedCount: is 0, which keeps nothing", "1 or more"),
    ("mostRecentlyPushedCount: true", "mostRecentlyPushedCount: 'true' is no number of 1 or more", "10"),
    ("mostRecentlyPushedCount: '3'", "mostRecentlyPushedCount: '3' is text, and not a number", "quotes"),
    ("mostRecentlyPushedCount: -1", "mostRecentlyPushedCount: '-1' is no number", "10"),
    ("mostRecentlyPushedCount: 1.5", "mostRecentlyPushedCount: '1.5' is no number", "10"),
    ("mostRecentlyPushedCount: 010", "mostRecentlyPushedCount: '010' is no number", "10"),
    ("mostRecentlyPushedCount: ~", "mostRecentlyPushedCount: is nothing", "leave it out"),
    ("mostRecentlyCreatedCount: 1_0", "mostRecentlyCreatedCount: '1_0' is no number", "10"),
    ("mostRecentlyCreatedCount: 9999999999", "mostRecentlyCreatedCount: '9999999999' is more than 999,999,999", "10"),
    (f"mostRecentlyPushedCount: {'9' * 5000}", f"mostRecentlyPushedCount: '{'9' * 60}…' is more than", "10"),
    ("semver: {majors: 1000000000}", "semver.majors: '1000000000' is more than 999,999,999", "10"),
    ("patterns: .*", "patterns: is '.*', and not a list", "[...]"),
    ("patterns: []", "patterns: is empty", "leave it out"),
    ("patterns: [null]", "patterns[0]: is nothing, and not text", "leave it out"),
    ("patterns: [[a]]", "patterns[0]: is a list, and not text", ""),
    ("patterns: [{a: b}]", "patterns[0]: is a map, and not text", ""),
    ("patterns: [a, '']", "patterns[1]: is empty, and would match every tag", "'.*'"),
    ("patterns: [a, (]", "patterns[1]: '(' is no regular expression: missing )", "RE2"),
    ("patterns: ['^(?!v)']", "patterns[0]: '^(?!v)' is no regular expression: invalid perl operator: (?!", "RE2"),
    ('patterns: ["a\\n"]', "patterns[0]: 'a\\n' has a character that cannot be shown", "one line"),
    ("semver: 3", "semver: is '3', and not a map", ""),
    ("semver: {}", "semver: is empty", "leave it out"),
    ("semver: {majors: 0}", "semver.majors: is 0, which keeps nothing", "leave it out"),
    ("semver: {minors: 2}", "semver.minors: is not known here", "majors"),
    ("semver: {prereleases: true}", "semver.prereleases: is 'true', and not keep or drop", "keep or drop"),
    ("labels: {}", "labels: is empty", "leave it out"),
    ("labels: [team]", "labels: is a list, and not a map", ""),
    ("labels: {team: }", "labels.team: is nothing, and not text", "leave it out"),
    ("labels: {team: [web]}", "labels.team: is a list, and not text", ""),
    ("minSize: 10 apples", "minSize: '10 apples' is no size", "10MiB"),
    ("minSize: 1.5", "minSize: '1.5' is no size", "10MiB"),
    ("minSize: 0", "minSize: '0' keeps everything", "leave it out"),
    ("minSize: 999999999999999TB", "minSize: '999999999999999TB' is more than any storage holds", "10MiB"),
    ("{}", ": is empty", "leave it out"),
    ("pulledWithin: 30d", "pulledWithin: is not known here", "when an image was pulled"),
    ("mostRecentlyPulledCount: 3", "mostRecentlyPulledCount: is not known here", "when an image was pulled"),
    ("mostRecentlyPushed: 3", "mostRecentlyPushed: is not known here", "mostRecentlyPushedCount?"),
    ("pushedwithin: 3d", "pushedwithin: is not known here", "did you mean pushedWithin?"),
]


@pytest.mark.parametrize(("written", "told", "way_out"), WRONG_VALUES, ids=[one[0][:80] for one in WRONG_VALUES])
def test_what_is_wrong_in_an_entry_is_told_by_line_and_field(written: str, told: str, way_out: str) -> None:
    message, hint = refused(f"{HEAD}  keepTags:\n  - patterns: [a]\n  - {written}\n")
    joint = "" if told.startswith(":") else "."
    assert message.startswith(f"6: rules[0].keepTags[1]{joint}{told}")
    assert way_out in hint


WRONG_RULES = [
    ("keepTags: []", "4: rules[0].keepTags: is empty: nothing would be kept", "leave keepTags out"),
    ("keepTags:", "4: rules[0].keepTags: is nothing, and not a list", "[...]"),
    ("keepTags: {patterns: [a]}", "4: rules[0].keepTags: is a map, and not a list", "dash"),
    ("keeptags: [{}]", "4: rules[0].keeptags: is not known here", "did you mean keepTags?"),
    ("keep_tags: [{}]", "4: rules[0].keep_tags: is not known here", "did you mean keepTags?"),
    ("colour: red", "4: rules[0].colour: is not known here", "what is known: repositories, keepTags"),
    ("neverDelete: ['[']", "4: rules[0].neverDelete[0]: '[' is no regular expression: missing ]", "RE2"),
    ("neverDelete: latest", "4: rules[0].neverDelete: is 'latest', and not a list", "[...]"),
    ("deleteUntagged: 1", "4: rules[0].deleteUntagged: '1' is neither true nor false", "true or false"),
    ("deleteUntagged: 'true'", "4: rules[0].deleteUntagged: 'true' is neither true nor false", "without quotes"),
    ("deleteReferrers: ", "4: rules[0].deleteReferrers: is nothing", "leave it out"),
    ("allowEmpty: maybe", "4: rules[0].allowEmpty: 'maybe' is neither true nor false", "true or false"),
    ("untaggedKeepHistory: 1000000000", "4: rules[0].untaggedKeepHistory: '1000000000' is more than", "10"),
    ("untaggedKeepHistory: -1", "4: rules[0].untaggedKeepHistory: '-1' is no number of 0 or more", "10"),
    ("repositories: ['a']", "4: rules[0].repositories: stands here for the second time, after line 3", ""),
    ("<<: {allowEmpty: true}", "4: rules[0].<<: is not known here", "what is known"),
]


@pytest.mark.parametrize(("written", "told", "way_out"), WRONG_RULES, ids=[written for written, _, _ in WRONG_RULES])
def test_what_is_wrong_in_a_rule_is_told_by_line_and_field(written: str, told: str, way_out: str) -> None:
    message, hint = refused(f"{HEAD}  {written}\n")
    assert message.startswith(told)
    assert way_out in hint


WRONG_GLOBS = [
    ("[]", "3: rules[0].repositories: names no repository", "['**']"),
    ("team", "3: rules[0].repositories: is 'team', and not a list", "[...]"),
    ("['team/*', 'Team/*']", "3: rules[0].repositories[1]: 'Team/*' matches no repository's name", "lower case"),
    ("['/team']", "3: rules[0].repositories[0]: '/team' has an empty component", "catalog"),
    ("['']", "3: rules[0].repositories[0]: '' names no repository", "catalog"),
    ("\n  - a\n  - 'team**'", "5: rules[0].repositories[1]: 'team**' has ** beside", "team-*/**"),
    ("[null]", "3: rules[0].repositories[0]: is nothing", "leave it out"),
]


@pytest.mark.parametrize(("written", "told", "way_out"), WRONG_GLOBS, ids=[written for written, _, _ in WRONG_GLOBS])
def test_a_glob_that_matches_nothing_is_told_by_its_place(written: str, told: str, way_out: str) -> None:
    message, hint = refused(f"version: 1\nrules:\n- repositories: {written}\n")
    assert message.startswith(told)
    assert way_out in hint


WRONG_FILES = [
    ("", "1: is empty"),
    ("\n# nothing\n", "1: is empty"),
    ("---\n...\n", "1: is nothing, and not a map"),
    ("null", "1: is nothing, and not a map"),
    ("text", "1: is 'text', and not a map"),
    ("- a", "1: is a list, and not a map"),
    ("{}", "1: is empty"),
    ("rules: []", "1: version: is missing"),
    ("\nversions: 1\nrules: []", "1: version: is missing"),
    ("version: 2\nrulez: []", "1: version: is 2, and only 1 is known"),
    ("version: 1.0", "1: version: is 1.0, and only 1 is known"),
    ("version: true", "1: version: is true, and only 1 is known"),
    ("version: [1]", "1: version: is a list, and not text"),
    ("version:\nrules: []", "1: version: is nothing"),
    ("version: 1", "1: rules: is missing"),
    ("version: 1\nrules: []", "2: rules: has no rule"),
    ("version: 1\nrules:", "2: rules: is nothing, and not a list"),
    ("version: 1\nrules: {repositories: [a]}", "2: rules: is a map, and not a list"),
    ("version: 1\nrules: [a]", "2: rules[0]: is 'a', and not a map"),
    ("version: 1\nrules:\n- {allowEmpty: true}", "3: rules[0].repositories: is missing"),
    ("version: 1\nversion: 1", "2: version: stands here for the second time, after line 1"),
    ("version: 1\npolicies: []\nrules: []", "2: policies: is not known here"),
    (f"{HEAD}---\n{HEAD}", "4: begins another document"),
    ("version: 1\nrules:\n- repositories: &all ['**']", "3: rules[0].repositories: has an anchor or an alias"),
    ("version: 1\nrules:\n- repositories: [*]", "3: is not valid YAML"),
    ("version: 1\nrules:\n- repositories: [*all]", "3: rules[0].repositories[0]: has an anchor or an alias"),
    ("version: 1\nrules:\n- *rule : x", "3: rules[0]: has an anchor or an alias"),
    ("version: 1\nrules: !!python/object/apply:os.getcwd []", "2: rules: has a tag"),
    ("version: !!int 1", "1: version: has a tag"),
    ("version: ! 1", "1: version: has a tag"),
    ("!!map {version: 1}", "1: has a tag"),
    ("!!str version: 1", "1: has a tag"),
    ("version: 1\nrules: !x!y []", "2: is not valid YAML: found undefined tag handle '!x!'"),
    ("? [version]\n: 1", "1: has a name that is no text"),
    ("? {version: 1}\n: 1", "1: has a name that is no text"),
    ("'': 1", "1: has a name that is no text"),
    ('"a\\nb": 1', "1: a\\nb: has a character that cannot be shown"),
    ('version: 1\n"rules\\u202e": 1', "2: rules\\u202e: has a character that cannot be shown"),
    ("version: 1\nrules:\n\t- a", "3: is not valid YAML: found character '\\t'"),
    ('version: 1\nrules: ["\\d"]', "2: is not valid YAML: found unknown escape character 'd'"),
    ("version: 1\nrules: [", "2: is not valid YAML"),
    ("version: 1\nrules: 'a", "2: is not valid YAML"),
    ('version: "\\UFFFFFFFF"', "1: is not valid YAML"),
    ('version: "\\U00110000"', "1: is not valid YAML"),
    ('version: 1\nrules: [{repositories: ["\\ud800"]}]', "2: rules[0].repositories[0]: '\\ud800' has a character"),
    ("%YAML 1." + "9" * 5000 + "\n---\nversion: 1", "1: is not valid YAML"),
    ("%YAML 3.0\n---\nversion: 1", "1: is not valid YAML"),
    ("version: 1\nrules:\x00", "2: has the character '\\x00'"),
    ("version: 1\nrules: \udcff", "2: has the character '\\udcff'"),
    ("version: 1\n" + "#" * (1 << 20), "1: is larger than 1 MiB"),
    ("version: 1 #" + "é" * (1 << 19), "1: is larger than 1 MiB"),
    ("version: 1\nrules: " + "[" * 100_000, "2: rules[0][0][0][0][0][0][0][0][0][0]: is nested deeper"),
    ("version: 1\nrules: " + "{a: " * 100_000, "2: rules.a.a.a.a.a.a.a.a.a.a: is nested deeper"),
    ("- " * 100_000, "1: [0][0][0][0][0][0][0][0][0][0][0]: is nested deeper"),
    ("? " * 100_000, "1: has a name that is no text"),
    ("a" * 100_000 + ": 1", "1: is not valid YAML"),
    ("version: " + "2" * 100_000, "1: version: is 22222222222222222222, and only 1"),
    (f"version: 1\n? {'a' * 100_000}\n: 1", "2: aaaa"),
]


@pytest.mark.parametrize(("text", "told"), WRONG_FILES, ids=[told for _, told in WRONG_FILES])
def test_what_is_no_policy_is_told_in_one_line_with_its_place(text: str, told: str) -> None:
    message, _ = refused(text)
    assert message.startswith(told)


def test_a_yaml_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, after in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert refused(bomb)[0].startswith("1: a: has an anchor")


def test_a_file_of_the_largest_size_is_read() -> None:
    text = HEAD + "#" * ((1 << 20) - len(HEAD))
    assert parse_policy(text, "p").rules


def test_quotes_are_recommended_where_yaml_trips_over_a_glob_or_a_pattern() -> None:
    for written in ("[**]", "[*a]", '["\\d"]'):
        assert "single quotes" in refused(f"version: 1\nrules:\n- repositories: {written}")[1]


def test_a_file_s_name_is_shown_as_what_it_is() -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy("", "a\n\x1b[31m.yml")
    assert caught.value.message == "a\\n\\x1b[31m.yml:1: is empty"


def test_a_bad_pattern_that_stands_in_several_rules_is_told_where_it_stands_first() -> None:
    text = HEAD + "  neverDelete: ['(']\n- repositories: [a]\n  neverDelete: ['(']\n"
    assert refused(text)[0].startswith("4: rules[0].neverDelete[0]")


WORDS = st.sampled_from(
    [
        *("version", "rules", "repositories", "keepTags", "patterns", "mostRecentlyPushedCount", "pushedWithin"),
        *("semver", "majors", "labels", "minSize", "neverDelete", "deleteUntagged", "allowEmpty"),
        *("1", "10", "30d", "true", "null", "'**'", "team/*", "'.*'", "(", "10MB", "&a", "*a", "!!x", "<<", "|", ">"),
        *(
            ": ",
            ":\n",
            "\n",
            "\n  ",
            "\n    ",
            "\n- ",
            "\n  - ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "? ",
            "'",
            '"',
            "#",
            "---\n",
        ),
        *("\t", "\x00", "\ufeff", "\u2028", "\ud800", "\\", "%YAML 1.1\n", "\r"),
    ]
)
SCRAPS = st.lists(WORDS, max_size=20).map("".join)


@settings(deadline=None)
@given(text=st.text(st.characters()) | SCRAPS | SCRAPS.map(HEAD.__add__) | SCRAPS.map(KEEP.__add__))
@example(text="version: 1\nrules: [{repositories: [a]}]")
@example(text="%TAG ! !\n--- !a\n")
def test_any_text_is_a_policy_or_is_refused_in_one_printable_line(text: str) -> None:
    try:
        rules, said = parse_policy(text, "policy.yml").rules, "policy.yml:"
    except UsageError as error:
        rules, said = (), error.message + error.hint
    assert said.startswith("policy.yml:")
    assert said.isprintable()
    assert rules or said != "policy.yml:"
