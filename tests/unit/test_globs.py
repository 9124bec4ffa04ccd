from collections.abc import Iterator
from itertools import product

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regsweep.errors import UsageError
from regsweep.registry.layout import is_servable
from regsweep.retention.globs import as_regex, takes_in


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        yield connection


def matches(database: duckdb.DuckDBPyConnection, glob: str, name: str) -> bool:
    """As RE2 has it, asked both for a full match and for one anywhere."""
    row = database.execute(
        "SELECT regexp_full_match($1, $2), regexp_matches($1, $2)", [name, as_regex(glob)]
    ).fetchone()
    assert row in {(True, True), (False, False)}
    return row == (True, True)


@pytest.mark.parametrize(
    ("glob", "those", "not_those"),
    [
        ("team/app", ["team/app"], ["team/app2", "xteam/app", "team", "team/app/x", "team-app"]),
        ("team/*", ["team/a", "team/a-b.c_d"], ["team", "team/a/b", "x/team/a", "team2/a"]),
        ("*", ["a", "team"], ["a/b"]),
        ("*/*", ["a/b"], ["a", "a/b/c"]),
        ("team/app-*", ["team/app-", "team/app-1"], ["team/app", "team/app-1/x"]),
        ("team/*-app", ["team/x-app", "team/a-b-app"], ["team/app", "team/x/y-app"]),
        ("**", ["a", "a/b", "a/b/c"], []),
        ("team/**", ["team", "team/a", "team/a/b"], ["team2", "team2/a", "x/team", "x/team/a"]),
        ("**/app", ["app", "a/app", "a/b/app"], ["xapp", "a/xapp", "app/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a", "b", "ab", "a/xb", "ax/b"]),
        ("a/**/*", ["a/b", "a/b/c"], ["a", "b"]),
        ("a/**/**", ["a", "a/b", "a/b/c"], ["ab"]),
        ("**/**", ["a", "a/b"], []),
        ("**/a/**", ["a", "x/a", "a/x", "x/a/x"], ["xa", "ax"]),
        ("v?", ["v1", "va"], ["v", "v12", "v/"]),
        ("a?b", ["axb", "a-b"], ["a/b", "ab"]),
        ("[a-c]x", ["ax", "bx", "cx"], ["dx", "x", "abx"]),
        ("[!a-c]x", ["dx", "1x"], ["ax", "x", "/x"]),
        ("[^a]", ["b"], ["a", "/"]),
        ("x[._-]y", ["x.y", "x_y", "x-y"], ["xay"]),
        ("x[a-c-]y", ["xay", "x-y"], ["xdy"]),
        ("{a,b}", ["a", "b"], ["c", "ab", "{a,b}"]),
        ("team-{a,b}/**", ["team-a", "team-b/x"], ["team-c", "team-/x"]),
        ("{a,{b,c}/x}", ["a", "b/x", "c/x"], ["a/x", "b"]),
        ("a{,-b}", ["a", "a-b"], ["a-c"]),
        ("{a/**,**/b}", ["a", "a/x", "b", "x/b"], ["x"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_a_glob_matches_as_doublestar_has_it(
    database: duckdb.DuckDBPyConnection, glob: str, those: list[str], not_those: list[str]
) -> None:
    assert [name for name in those + not_those if matches(database, glob, name)] == those


@pytest.mark.parametrize(
    ("glob", "told"),
    [
        ("", "names no repository"),
        ("/", "empty component"),
        ("/team", "empty component"),
        ("team/", "empty component"),
        ("team//app", "empty component"),
        ("{a,}", "names no repository|empty component"),
        ("{team,}/app", "empty component"),
        ("Team/*", "T is upper case"),
        ("team/É", "upper case"),
        ("registry.example:5000/app", "':'"),
        ("app@sha256", "'@'"),
        ("team app", "' '"),
        ("team\\*", r"'\\\\'"),
        ("é", "'é'"),
        ("a\nb", r"'\\n'"),
        ("a\x00", r"'\\x00'"),
        ("\ud800", r"'\\ud800'"),
        ("a,b", "comma outside"),
        ("{a,b", "unbalanced {"),
        ("a}", "unbalanced }"),
        ("{a,{b}", "unbalanced {"),
        ("}{", "unbalanced"),
        ("[a", r"a \["),
        ("a]", "a ]"),
        ("[]", r"a \["),
        ("[!]", r"a \["),
        ("[A-Z]", r"a \["),
        ("[a/b]", r"a \["),
        ("[z-a]", "range z-a"),
        ("team**", "beside other characters"),
        ("**team/x", "beside other characters"),
        ("***", "beside other characters"),
        ("_catalog", "component _catalog"),
        ("team/-*", "component -"),
        ("team/*.", "component"),
        ("a..b", "component a..b"),
        ("a/../b", "component .."),
        ("a" * 301, "more than 300 characters"),
        ("{a,b}" * 30, "more than 64 alternatives"),
    ],
)
def test_what_matches_no_repository_s_name_is_refused(glob: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        as_regex(glob)
    assert caught.value.message.startswith(repr(glob)[:50])
    assert caught.value.message.isprintable()
    assert caught.value.hint


@settings(deadline=None)
@given(glob=st.text() | st.text("ab/*?[]{},!-z._", max_size=20))
def test_any_text_is_a_glob_that_re2_takes_or_is_refused_in_one_line(
    database: duckdb.DuckDBPyConnection, glob: str
) -> None:
    try:
        regex, said = as_regex(glob), ""
    except UsageError as error:
        regex, said = "", error.message + error.hint
    database.execute("SELECT regexp_full_match('a', $1)", [regex])
    assert said.isprintable()


@pytest.mark.parametrize(
    "glob", ["?" * 300, "*?" * 150, "[!a]" * 75, "{a,b}" * 6 + "?" * 270, "{" + "?," * 63 + "?}" + "?" * 170]
)
def test_the_largest_globs_are_small_enough_for_re2(database: duckdb.DuckDBPyConnection, glob: str) -> None:
    assert not matches(database, glob, "a/b")


NAMES = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4)
GLOBS = st.lists(st.just("**") | st.text("ab*?", min_size=1, max_size=3).filter(lambda c: "**" not in c), min_size=1)


def matches_by_definition(glob: list[str], name: list[str]) -> bool:
    if not glob:
        return not name
    if glob[0] == "**":
        return any(matches_by_definition(glob[1:], name[at:]) for at in range(len(name) + 1))
    return bool(name) and in_component(glob[0], name[0]) and matches_by_definition(glob[1:], name[1:])


def in_component(glob: str, name: str) -> bool:
    if not glob:
        return not name
    if glob[0] == "*":
        return any(in_component(glob[1:], name[at:]) for at in range(len(name) + 1))
    return bool(name) and glob[0] in ("?", name[0]) and in_component(glob[1:], name[1:])


@settings(deadline=None)
@given(glob=GLOBS, name=NAMES)
def test_the_regular_expression_says_what_the_definition_says(
    database: duckdb.DuckDBPyConnection, glob: list[str], name: list[str]
) -> None:
    assert matches(database, "/".join(glob), "/".join(name)) == matches_by_definition(glob, name)


@settings(deadline=None)
@given(name=st.text("ab1/-_.", min_size=1, max_size=12).filter(is_servable))
def test_every_name_is_a_glob_for_itself(database: duckdb.DuckDBPyConnection, name: str) -> None:
    assert matches(database, name, name)
    assert matches(database, f"{name}/**", name)
    assert not matches(database, name, f"{name}x")


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("team/web", "team/web"),
        ("team/**", "team/web"),
        ("team/**", "team"),
        ("team/**", "team/*/x/**"),
        ("team/*", "team/w*b"),
        ("team/*", "team/[a-z]"),
        ("**/app", "a/**/app"),
        ("**", "a"),
        ("a/**/b", "a/{b,c/b}"),
        ("{a,b}/**", "b/c"),
        ("w?b", "w[ab]b"),
        ("w*", "w??"),
        ("*-*", "a-*b"),
        ("[ab]*", "[ab]c"),
    ],
)
def test_a_glob_takes_in_another_whose_names_are_all_among_its_own(wide: str, narrow: str) -> None:
    assert takes_in(wide, narrow)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("team/web", "team/**"),
        ("team/*", "team/**"),
        ("team/*", "team/a/b"),
        ("team/*", "team"),
        ("team/**", "team*/a"),
        ("*", "**"),
        ("**/app", "**/*"),
        ("w?", "w*"),
        ("w?*", "w*"),
        ("{a,b}", "{a,c}"),
        # They do, but it takes more than a look at what stands in them to see it.
        ("[a-z]", "b"),
        ("{*a*,*b*}/**", "[ab]"),
    ],
)
def test_a_glob_is_not_said_to_take_in_what_it_does_not_or_may_not(wide: str, narrow: str) -> None:
    assert not takes_in(wide, narrow)


FEW = st.lists(
    st.just("**") | st.text("ab*?", min_size=1, max_size=3).filter(lambda c: "**" not in c), min_size=1, max_size=3
)
ALL = [name for length in (1, 2, 3) for name in product(("a", "b", "aa", "ab", "ba", "aba"), repeat=length)]


@settings(deadline=None)
@given(wide=FEW, narrow=FEW)
def test_what_a_glob_takes_in_matches_no_name_that_it_does_not(wide: list[str], narrow: list[str]) -> None:
    if takes_in("/".join(wide), "/".join(narrow)):
        those = [list(name) for name in ALL if matches_by_definition(narrow, list(name))]
        assert all(matches_by_definition(wide, name) for name in those)


def test_the_most_ambiguous_globs_are_compared_at_once() -> None:
    assert not takes_in("*a" * 140 + "b", "*a" * 140)
    assert takes_in("**/" * 90 + "*", "**/" * 90 + "*")
