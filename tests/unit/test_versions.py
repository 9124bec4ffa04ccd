"""How names are ordered as versions, and which of them a rule about versions keeps."""

import random
from collections.abc import Iterator, Sequence

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regsweep.retention import versions
from regsweep.retention.policy import Semver
from tests.unit.ruled import Shelf, keep

HUGE = "9" * 100
LONG = "1" + "0" * 99
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        yield connection


def ordered(database: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[str]:
    query = f"SELECT name FROM (SELECT unnest($names) AS name) ORDER BY {versions.ORDER.format('name')}, name"  # noqa: S608 - regsweep's own words
    return [name for (name,) in database.execute(query, {"names": list(names)}).fetchall()]


def newest(database: duckdb.DuckDBPyConnection, names: Sequence[str], semver: Semver) -> set[str]:
    """Of the tags of one repository those that are among the newest."""
    query, limits = versions.newest("SELECT 1 AS repository, unnest($names) AS tag", semver)
    return {tag for (tag,) in database.execute(f"SELECT tag {query}", {**limits, "names": list(names)}).fetchall()}


@pytest.mark.parametrize(
    "names",
    [
        ["1.9", "1.10-rc1", "1.10"],
        ["v1.9.9", "v1.10.0-alpha", "v1.10.0-alpha.1", "v1.10.0-beta", "v1.10.0-rc2", "v1.10.0-rc10", "v1.10.0"],
        ["1", "1.0", "1.0.1", "1.1", "2", "10"],
        ["build-9", "build-10", "build-100"],
        ["20240131", "20240201", "20240201.1"],
        ["main-7", "main", "main2"],
        ["a", "ab", "b"],
        ["1.2-alpine3.9", "1.2-alpine3.10", "1.2"],
        ["0", "1", "9", "10", LONG, HUGE, f"{LONG}0"],
        ["v0.0", "v0.1", "v1"],
        ["7f3a", "7f12a", "8"],
    ],
)
def test_names_are_ordered_as_versions(database: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    shuffled = random.Random(7).sample(names, len(names))  # noqa: S311 - it guards no secret
    assert ordered(database, shuffled) == names
    assert ordered(database, names[::-1]) == names


def test_names_that_differ_in_leading_zeros_alone_have_an_order_too(database: duckdb.DuckDBPyConnection) -> None:
    names = ["1.01", "1.1", "1.001"]
    assert ordered(database, names) == ordered(database, names[::-1]) == ["1.001", "1.01", "1.1"]


@given(st.lists(TAGS, unique=True, max_size=12), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_that_of_the_names(
    database: duckdb.DuckDBPyConnection, names: list[str], chance: random.Random
) -> None:
    assert ordered(database, chance.sample(names, len(names))) == ordered(database, names)


@given(st.integers(0, 10**90), st.integers(0, 10**90), TAGS)
def test_numbers_are_ordered_by_what_they_are_worth(
    database: duckdb.DuckDBPyConnection, one: int, other: int, before: str
) -> None:
    names = [f"{before}.{number}" for number in sorted({one, other})]
    assert ordered(database, names[::-1]) == names


RELEASES = ["1.0.0", "2.0.0", "2.1.0", "3.4.0", "3.5.0", "3.6.0", "3.6.1", "4.0.0-rc1", "4.0.0"]


def test_the_page_s_example_is_true(database: duckdb.DuckDBPyConnection) -> None:
    semver = Semver(majors=3, minors_per_major=2, patches_per_minor=1)
    assert newest(database, RELEASES, semver) == {"2.0.0", "2.1.0", "3.5.0", "3.6.1", "4.0.0"}


@pytest.mark.parametrize(
    ("semver", "left"),
    [
        (Semver(majors=1), {"4.0.0"}),
        (Semver(majors=2), {"3.4.0", "3.5.0", "3.6.0", "3.6.1", "4.0.0"}),
        (Semver(majors=4), {*RELEASES} - {"4.0.0-rc1"}),
        (Semver(majors=5), {*RELEASES} - {"4.0.0-rc1"}),
        (Semver(minors_per_major=1), {"1.0.0", "2.1.0", "3.6.0", "3.6.1", "4.0.0"}),
        (Semver(minors_per_major=1, patches_per_minor=1), {"1.0.0", "2.1.0", "3.6.1", "4.0.0"}),
        (Semver(patches_per_minor=1), {*RELEASES} - {"3.6.0", "4.0.0-rc1"}),
        (Semver(prereleases=False), {*RELEASES} - {"4.0.0-rc1"}),
        (Semver(prereleases=True), {*RELEASES}),
        (Semver(majors=1, patches_per_minor=1, prereleases=True), {"4.0.0"}),
        (Semver(majors=1, patches_per_minor=2, prereleases=True), {"4.0.0", "4.0.0-rc1"}),
    ],
)
def test_as_many_versions_are_kept_as_each_word_says(
    database: duckdb.DuckDBPyConnection, semver: Semver, left: set[str]
) -> None:
    assert newest(database, RELEASES, semver) == left


def test_a_major_that_has_only_prereleases_counts_only_where_they_are_kept(database: duckdb.DuckDBPyConnection) -> None:
    names = ["1.0.0", "2.0.0-rc1"]
    assert newest(database, names, Semver(majors=1)) == {"1.0.0"}
    assert newest(database, names, Semver(majors=1, prereleases=True)) == {"2.0.0-rc1"}


def test_prereleases_are_ordered_as_semver_org_says(database: duckdb.DuckDBPyConnection) -> None:
    names = [
        *("1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta"),
        *("1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"),
    ]
    for count in range(1, len(names) + 1):
        semver = Semver(patches_per_minor=count, prereleases=True)
        assert newest(database, names, semver) == set(names[-count:])


def test_a_leading_v_makes_no_other_version_and_tags_of_one_version_stay_together(
    database: duckdb.DuckDBPyConnection,
) -> None:
    names = ["v2.0.0", "2.0.0", "2.0.0_build.5", "v1.9.0", "1.9.0", "v1.8.0"]
    assert newest(database, names, Semver(majors=1)) == {"v2.0.0", "2.0.0", "2.0.0_build.5"}
    assert newest(database, names, Semver(majors=2, minors_per_major=1)) == {*names} - {"v1.8.0"}


@pytest.mark.parametrize(
    "tag",
    [
        *("latest", "1.2", "v1", "1.2.3.4", "01.2.3", "1.02.3", "1.2.3-", "release-1.2.3", "V1.2.3", "vv1.2.3"),
        *("1.2.x", "1.2.3-rc..1", "1.2.3-.rc", "1.2.3-rc.", "1.2.3-01", "1.2.3-rc.007", "1.2.3-rc_.1", "1.2.3_"),
        *("1.2.3_a..b", "1.2.3_a.", "1.2.3-rc.1_a_b"),
    ],
)
def test_what_is_no_version_is_not_kept_and_takes_no_version_s_place(
    database: duckdb.DuckDBPyConnection, tag: str
) -> None:
    assert newest(database, [tag, "0.1.0"], Semver(majors=1)) == {"0.1.0"}
    assert newest(database, [tag], Semver(prereleases=True)) == set()


@pytest.mark.parametrize(
    "tag",
    [
        *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-0.3.7", "1.0.0-x.7.z.92", "1.0.0-x-y-z.--", "1.0.0--", "1.0.0-0a.01b"),
        *("1.0.0-alpha_001", "1.0.0-beta_exp.sha.5114f85", "1.0.0_20130313144700", "1.0.0_21AF26D3---117B344092BD"),
        *("1.0.0-rc.1_build.007", "v1.0.0-0"),
    ],
)
def test_each_form_that_semver_org_has_is_a_version(database: duckdb.DuckDBPyConnection, tag: str) -> None:
    assert newest(database, [tag], Semver(prereleases=True)) == {tag}


def test_build_metadata_makes_no_version_higher(database: duckdb.DuckDBPyConnection) -> None:
    names = ["1.0.0_9", "1.0.0-rc.1_99", "1.0.0", "1.0.0-rc.2", "1.0.0-rc.2_1"]
    assert newest(database, names, Semver(patches_per_minor=1)) == {"1.0.0", "1.0.0_9"}
    assert newest(database, names, Semver(patches_per_minor=2, prereleases=True)) == {*names} - {"1.0.0-rc.1_99"}


@pytest.mark.parametrize("part", range(3))
def test_a_version_of_a_hundred_digits_is_the_highest_of_all(database: duckdb.DuckDBPyConnection, part: int) -> None:
    def version(number: str) -> str:
        return ".".join(number if at == part else "0" for at in range(3))

    names = [version("9"), version(LONG), version(HUGE), version("10")]
    semver = Semver(majors=1, minors_per_major=1, patches_per_minor=1)
    assert newest(database, names, semver) == {version(HUGE)}
    assert newest(database, names[:2], semver) == {version(LONG)}


def test_prereleases_of_a_hundred_digits_are_ordered_by_what_they_are_worth(
    database: duckdb.DuckDBPyConnection,
) -> None:
    names = ["1.0.0-9", f"1.0.0-{HUGE}", f"1.0.0-{LONG}"]
    assert newest(database, names, Semver(patches_per_minor=1, prereleases=True)) == {f"1.0.0-{HUGE}"}


def test_each_repository_has_versions_of_its_own_and_only_those_that_match_count() -> None:
    shelf = Shelf()
    shelf.fill("a:1.0.0", "a:2.0.0", "b:1.0.0", "a:3.0.0-debug", "a:9.0.0_old", "a:latest")
    assert keep(shelf, "{patterns: ['^[0-9.]+$'], semver: {majors: 1}}") == {"a:2.0.0", "b:1.0.0"}


@pytest.mark.parametrize(("word", "left"), [("keep", {"a:2.0.0-rc1"}), ("drop", {"a:1.0.0"})])
def test_a_rule_says_whether_prereleases_count(word: str, left: set[str]) -> None:
    shelf = Shelf()
    shelf.fill("a:1.0.0", "a:2.0.0-rc1")
    assert keep(shelf, f"{{semver: {{majors: 1, prereleases: {word}}}}}") == left
