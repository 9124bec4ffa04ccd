"""What retention rules and names let go: the laws, and the other opinion on what follows from a choice."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from regsweep.plan.options import Options, Untagged
from regsweep.retention.names import Name
from regsweep.retention.policy import Keep, Policy, Rule
from regsweep.retention.removal import Removal
from tests.properties.books import Files, take_apart
from tests.properties.collecting import CHOICES, condemned
from tests.properties.oracle import Choice, Collection, Pair, must_go_by, repositories
from tests.properties.registries import MIN_AGE, NOW, registries
from tests.properties.serving import pulls
from tests.properties.test_collecting import UNHURRIED

NOTHING: Final = Choice()
PATTERNS: Final = st.sampled_from([".*", "^v1$", "2", "^sha256-", "^$"])
FLAGS: Final = st.sampled_from([None, True, False])
KEEPS: Final = st.builds(
    Keep,
    patterns=st.lists(PATTERNS, min_size=1, max_size=2).map(tuple),
    not_patterns=st.lists(PATTERNS, max_size=1).map(tuple),
    most_recently_pushed=st.none() | st.integers(1, 2),
    pushed_within=st.none() | st.sampled_from([MIN_AGE, timedelta(days=30), timedelta(days=29)]),
)
RULES: Final = st.builds(
    Rule,
    repositories=st.lists(st.sampled_from(["**", "a", "a/*", "a/**", "ab", "other"]), min_size=1, max_size=2).map(
        tuple
    ),
    keep_tags=st.none() | st.lists(KEEPS, min_size=1, max_size=2).map(tuple),
    never_delete=st.lists(PATTERNS, max_size=1).map(tuple),
    delete_untagged=FLAGS,
    delete_referrers=FLAGS,
    allow_empty=st.booleans(),
)
POLICIES: Final = st.lists(RULES, min_size=1, max_size=3).map(lambda rules: Policy(rules=tuple(rules), name="policy"))


def tags_gone(files: Files, gone: set[str]) -> set[Pair]:
    return {(link.repository, link.tag) for link in take_apart(files).tags if link.key in gone}


def judged(files: Files, options: Options) -> list[Pair]:
    """The tags that rules are for: those that can be served, are about nothing, and are in no frozen repository."""
    all_referrers = Choice(referrers_go=repositories(files))
    registry = Collection(files, all_referrers, min_age=options.min_age)
    return [
        (link.repository, link.tag)
        for link in registry.books.tags
        if (link.repository, link.digest) in registry.served
        and not registry.about(link)
        and link.repository not in registry.frozen
    ]


def assert_oracle(files: Files, options: Options, choose: Callable[[set[str]], Choice]) -> None:
    gone = condemned(files, options)
    wanted = must_go_by(choose(gone), files, NOW, min_age=options.min_age, upload_age=options.upload_age)
    note("\n".join(f"{key} {file.age}" for key, file in sorted(files.items())))
    assert gone == wanted


def ruled(files: Files, policy: Policy) -> dict[str, Rule]:
    """The rule of each repository, by what the globs of these tests mean."""
    means: dict[str, Callable[[str], bool]] = {
        "**": lambda _: True,
        "a/*": lambda name: name.startswith("a/") and name.count("/") == 1,
        "a/**": lambda name: name == "a" or name.startswith("a/"),
    }
    found: dict[str, Rule] = {}
    for name in repositories(files):
        for rule in policy.rules:
            if any(means[glob](name) if glob in means else glob == name for glob in rule.repositories):
                found.setdefault(name, rule)
    return found


def choice_of(files: Files, policy: Policy, untagged: Untagged) -> Callable[[set[str]], Choice]:
    """What follows from a policy must follow from the tags that it lets go; which these are, other tests say."""
    rules = ruled(files, policy)
    default = untagged is Untagged.DELETE

    def choose(gone: set[str]) -> Choice:
        referrers = frozenset(
            name
            for name, rule in rules.items()
            if (default if rule.delete_referrers is None else rule.delete_referrers)
        )
        vetoed = frozenset(
            (link.repository, link.tag)
            for link in take_apart(files).tags
            if link.repository in rules
            and any(re.search(pattern, link.tag) for pattern in rules[link.repository].never_delete)
        )
        registry = Collection(files, Choice(referrers_go=referrers, vetoed=vetoed), min_age=MIN_AGE)
        dangling = {
            (link.repository, link.tag)
            for link in registry.books.tags
            if (link.repository, link.digest) not in registry.served or registry.about(link)
        }
        return Choice(
            let_go=frozenset(tags_gone(files, gone) - dangling),
            untagged_goes=frozenset(
                name
                for name, rule in rules.items()
                if (default if rule.delete_untagged is None else rule.delete_untagged)
            ),
            referrers_go=referrers,
            vetoed=vetoed,
        )

    return choose


@settings(UNHURRIED, max_examples=40)
@given(registries(), CHOICES, POLICIES)
def test_what_follows_from_a_policy_is_what_must_go(files: Files, options: Options, policy: Policy) -> None:
    options = replace(options, policy=policy)
    assert_oracle(files, options, choice_of(files, policy, options.untagged))


@settings(UNHURRIED, max_examples=20)
@given(registries(), CHOICES, POLICIES)
def test_no_tag_that_a_policy_keeps_loses_a_part(files: Files, options: Options, policy: Policy) -> None:
    gone = condemned(files, replace(options, policy=policy))
    before, after = pulls(files), pulls({key: file for key, file in files.items() if key not in gone})
    assert after == {name: before[name] for name in after}
    left = {f"{repository}:{tag}" for repository, tag in {*judged(files, options)} - tags_gone(files, gone)}
    assert left & before.keys() <= after.keys()


@settings(UNHURRIED, max_examples=15)
@given(registries(), CHOICES, POLICIES)
def test_after_a_policy_was_applied_there_is_nothing_left_for_it(
    files: Files, options: Options, policy: Policy
) -> None:
    options = replace(options, policy=policy)
    gone = condemned(files, options)
    assert condemned({key: file for key, file in files.items() if key not in gone}, options) == set()


@settings(UNHURRIED, max_examples=20)
@given(registries(), CHOICES, RULES, KEEPS)
def test_another_reason_to_keep_never_condemns_more(files: Files, options: Options, rule: Rule, keep: Keep) -> None:
    # Without allowEmpty one more tag that is kept may be the one for whose lack another one stayed.
    rule = replace(rule, keep_tags=rule.keep_tags or (Keep(patterns=("^$",)),), allow_empty=True)
    more = replace(rule, keep_tags=(*(rule.keep_tags or ()), keep))
    few, many = (
        condemned(files, replace(options, policy=Policy(rules=(each,), name="policy"))) for each in (more, rule)
    )
    assert few <= many


@settings(UNHURRIED, max_examples=20)
@given(registries(), CHOICES, POLICIES)
def test_never_delete_always_wins(files: Files, options: Options, policy: Policy) -> None:
    kept = Policy(rules=tuple(replace(rule, never_delete=("^v1$",)) for rule in policy.rules), name="policy")
    gone = tags_gone(files, condemned(files, replace(options, policy=kept)))
    assert not {(repository, tag) for repository, tag in judged(files, options) if tag == "v1"} & gone


@settings(UNHURRIED, max_examples=15)
@given(registries(), CHOICES, RULES, RULES)
def test_the_order_of_rules_matters_only_where_both_match(
    files: Files, options: Options, one: Rule, other: Rule
) -> None:
    one, other = replace(one, repositories=("a/**",)), replace(other, repositories=("ab",))
    first, second = (
        condemned(files, replace(options, policy=Policy(rules=rules, name="policy")))
        for rules in ((one, other), (other, one))
    )
    assert first == second


@settings(UNHURRIED, max_examples=15)
@given(registries(), CHOICES, RULES, RULES)
def test_the_first_rule_that_matches_decides_alone(files: Files, options: Options, one: Rule, other: Rule) -> None:
    one, other = replace(one, repositories=("**",)), replace(other, repositories=("**",))
    alone, both = (
        condemned(files, replace(options, policy=Policy(rules=rules, name="policy")))
        for rules in ((one,), (one, other))
    )
    assert alone == both


@settings(UNHURRIED, max_examples=20)
@given(registries(), CHOICES, st.data())
def test_a_tag_removed_by_name_goes_as_one_that_a_policy_lets_go(
    files: Files, options: Options, data: st.DataObject
) -> None:
    # The age of what is named is no matter, and of what a policy lets go it is.
    options = replace(options, min_age=timedelta())
    tags = judged(files, options)
    assume(tags)
    repository, tag = data.draw(st.sampled_from(sorted(tags)))
    keep = Keep(patterns=tuple(f"^{other}$" for _, other in tags if other != tag) or ("^$",))
    rules = (
        Rule(repositories=(repository,), keep_tags=(keep,), allow_empty=True),
        Rule(repositories=("**",)),
    )
    by_policy = condemned(files, replace(options, policy=Policy(rules=rules, name="policy")))
    removal = Removal(names=(Name(repository=repository, tag=tag),))
    assert condemned(files, replace(options, removal=removal)) == by_policy


@settings(UNHURRIED, max_examples=35)
@given(registries(), CHOICES, st.data())
def test_what_follows_from_the_removal_of_tags_is_what_must_go(
    files: Files, options: Options, data: st.DataObject
) -> None:
    registry = Collection(files, NOTHING, min_age=options.min_age)
    tags = sorted((link.repository, link.tag) for link in registry.books.tags if link.repository not in registry.frozen)
    assume(tags)
    named = data.draw(st.lists(st.sampled_from(tags), min_size=1, max_size=3, unique=True))
    removal = Removal(names=tuple(Name(repository=repository, tag=tag) for repository, tag in named))
    everywhere = repositories(files) if options.untagged is Untagged.DELETE else frozenset[str]()
    choice = Choice(let_go=frozenset(named), untagged_goes=everywhere, referrers_go=everywhere, named=True)
    assert_oracle(files, replace(options, removal=removal), lambda _: choice)


@settings(UNHURRIED, max_examples=20)
@given(registries(), CHOICES, st.data())
def test_a_repository_removed_by_name_goes_whole_and_nothing_of_others_loses_a_part(
    files: Files, options: Options, data: st.DataObject
) -> None:
    registry = Collection(files, NOTHING, min_age=options.min_age)
    names = sorted(repositories(files) - registry.frozen)
    assume(names)
    name = data.draw(st.sampled_from(names))
    options = replace(options, removal=Removal(names=(Name(repository=name),)))
    gone = condemned(files, options)
    links = {link.key for link in registry.books.links() if link.repository == name}
    uploads = {key for (repository, _), keys in registry.books.uploads.items() if repository == name for key in keys}
    assert links | uploads <= gone
    # As if nobody had ever pushed there, but that what is young keeps its blob.
    rest = {key: file for key, file in files.items() if key not in links | uploads}
    without = condemned(rest, replace(options, removal=None))
    young = {link.target for link in registry.books.links() if link.repository == name and registry.young(link.key)}
    blobs = {key for digest, key in registry.books.blobs.items() if digest in young}
    assert gone - links - uploads == without - blobs
