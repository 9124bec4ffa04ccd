import re
from datetime import UTC, datetime

import msgspec
import pytest

from regsweep.plan.by_rule import RuleSummary
from regsweep.plan.kinds import ORDER, Reason
from regsweep.plan.summary import Amount, Blob, Finding, Repository, Share, Sizes, Totals
from regsweep.report.colour import Colour, paint, plain
from regsweep.report.document import Report
from regsweep.report.text import as_text, size

NOTHING = {str(kind): Amount(count=0, bytes=0) for kind in ORDER}
NONE = Share(bytes=0, freed=0)
OPTIONS: dict[str, str | float | list[str]] = {
    "untagged": "delete",
    "min_age": 86_400.0,
    "upload_age": 604_800.0,
    "max_delete": 0.9,
    "allow": [],
}


def totals(
    before: dict[str, Amount] | None = None,
    reasons: dict[str, dict[str, Amount]] | None = None,
    *,
    repositories: int = 1,
    gone: int = 0,
    sizes: Sizes | None = None,
) -> Totals:
    reasons = reasons or {}
    condemned = {
        kind: Amount(
            count=sum(amount.count for amount in amounts.values()),
            bytes=sum(amount.bytes for amount in amounts.values()),
        )
        for kind, amounts in reasons.items()
    }
    return Totals(
        repositories=repositories,
        repositories_gone=gone,
        before=NOTHING | (before or {}),
        condemned=condemned,
        reasons=reasons,
        reachable_blobs=0,
        sizes=sizes or Sizes(exclusive=NONE, shared=NONE, unlinked=NONE),
    )


def repository(name: str, **fields: int | bool) -> Repository:
    numbers = {"tags": 0, "tags_condemned": 0, "revisions": 0, "revisions_condemned": 0, "links": 0}
    numbers |= {"pushed_bytes": 0, "exclusive_bytes": 0, "freed_bytes": 0}
    found = numbers | {"frozen": False, "gone": False} | fields
    return Repository(
        name=name,
        fingerprint="0",
        frozen=bool(found.pop("frozen")),
        gone=bool(found.pop("gone")),
        **found,
    )


BASE = Report(
    version=1,
    regsweep="1.0",
    store="/var/lib/registry",
    created=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
    options=OPTIONS,
    totals=totals(),
    largest=[],
    repositories=[],
    findings=[],
    plan=None,
    refused=None,
)


def text(counted: Totals | None = None, *, next_step: bool = True, **fields: object) -> str:
    """Render a report of an empty registry, but for what is given."""
    report = msgspec.structs.replace(BASE, totals=counted or BASE.totals, **fields)
    return plain(as_text(report, next_step=next_step))


SOMETHING = totals({"blob": Amount(count=4, bytes=4000)}, {"blob": {"orphaned": Amount(count=1, bytes=1000)}})


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1550, "1.6 kB"),
        (999_900, "999.9 kB"),
        (5_000_000, "5.0 MB"),
        (7_200_000_000, "7.2 GB"),
        (74_000_000_000_000, "74.0 TB"),
        (84_500_000_000_000_000, "84.5 PB"),
        (10**19, "10000.0 PB"),
    ],
)
def test_bytes_are_shown_in_decimal_units(count: int, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize("unit", range(1, 5))
def test_no_size_is_rounded_up_to_a_thousand_of_its_unit(unit: int) -> None:
    assert not size(1000 ** (unit + 1) - 1).startswith("1000.0")


def test_the_heading_says_what_was_scanned_when_and_by_which_rules() -> None:
    lines = text().splitlines()
    assert lines[:4] == [
        "Storage  /var/lib/registry",
        "Scanned  2024-01-02 03:04:05 UTC",
        "Rules    untagged revisions go; nothing younger than 24h goes, uploads after",
        "         168h",
    ]
    lines = text(options={**OPTIONS, "untagged": "keep", "min_age": 5400.0, "upload_age": 0.0}).splitlines()
    assert lines[2:4] == [
        "Rules    untagged revisions are kept; nothing younger than 1.5h goes, uploads",
        "         after 0h",
    ]


def rows(shown: str, first: str) -> list[str]:
    """A table's lines, from its heading to the next empty line."""
    lines = shown.splitlines()
    start = next(at for at, line in enumerate(lines) if line.strip().startswith(first))
    return lines[start : (*lines, "").index("", start)]


FULL = totals(
    {
        "tag": Amount(count=1234, bytes=0),
        "revision": Amount(count=5000, bytes=0),
        "blob": Amount(count=1_000_000, bytes=6_000_000),
        "upload": Amount(count=3, bytes=2_000_000),
    },
    {
        "tag": {"no-manifest": Amount(count=4, bytes=0)},
        "blob": {"orphaned": Amount(count=20_000, bytes=1_000_000), "unlinked": Amount(count=5, bytes=0)},
        "upload": {"abandoned": Amount(count=2, bytes=1_000_000)},
    },
    repositories=12,
    gone=2,
)


def test_totals_tell_before_condemned_after_and_why() -> None:
    table = rows(text(FULL), "before ")
    assert [" ".join(line.split()) for line in table] == [
        "before condemned after why",
        "repositories 12 2 10 nothing left",
        "tags 1,234 4 1,230 manifest missing",
        "revisions 5,000 0 5,000",
        "upload files 3 2 1 abandoned",
        "blobs 1,000,000 20,005 979,995 20,000 no link leads to it,",
        "5 links condemned",
        "bytes 8.0 MB 2.0 MB 6.0 MB 25% comes free",
    ]


def test_numbers_of_a_table_end_below_each_other_and_names_begin_so() -> None:
    table = rows(text(FULL), "before ")
    end = table[0].index("before") + len("before")
    assert [line[:end].split()[-1] for line in table[1:3]] == ["12", "1,234"]
    assert {line[end] for line in table} == {" "}
    why = table[0].index("why")
    assert table[1][why:] == "nothing left"
    assert table[2][why:] == "manifest missing"
    assert all(line == line.rstrip() for line in table)


@pytest.mark.parametrize("kind", [str(kind) for kind in ORDER])
@pytest.mark.parametrize("reason", list(Reason))
def test_every_kind_and_every_reason_has_words(kind: str, reason: Reason) -> None:
    one = Amount(count=1, bytes=1)
    blob = Blob(digest=f"sha256:{'a' * 64}", bytes=1, reason=reason.value, repositories=[])
    shown = text(totals({kind: one}, {kind: {reason.value: one}}), largest=[blob])
    assert re.fullmatch(r"[a-z1 ]+ 1 1 0 [a-z ]+", " ".join(rows(shown, "before ")[2].split()))
    assert re.fullmatch(r"sha256:a+ 1 B [a-z ]+", " ".join(rows(shown, "largest ")[1].split()))


def _blob(digits: str, *, reason: str = "orphaned", repositories: tuple[str, ...] = ()) -> Blob:
    return Blob(digest=f"sha256:{digits}", bytes=5_000_000, reason=reason, repositories=[*repositories])


def test_a_kind_of_which_there_is_nothing_has_no_row() -> None:
    assert [line.split()[0] for line in rows(text(), "before ")[1:]] == ["repositories", "bytes"]


def test_repositories_come_by_what_comes_free_then_by_what_goes_then_by_name() -> None:
    shown = text(
        repositories=[
            repository("none"),
            repository("alike"),
            repository("revisions", revisions=9, revisions_condemned=3),
            repository(
                "bytes",
                tags=2,
                tags_condemned=1,
                revisions=2,
                pushed_bytes=9_000,
                exclusive_bytes=3_000,
                freed_bytes=2_000,
            ),
            repository("all", freed_bytes=1_000, gone=True),
            repository("frozen", frozen=True),
        ]
    )
    table = rows(shown, "repository")
    assert [" ".join(line.split()) for line in table] == [
        "repository tags go revisions go size not shared comes free",
        "bytes 2 1 2 0 9.0 kB 3.0 kB 2.0 kB",
        "all 0 0 0 0 0 B 0 B 1.0 kB, all",
        "revisions 0 0 9 3 0 B 0 B 0 B",
        "alike 0 0 0 0 0 B 0 B 0 B",
        "frozen 0 0 0 0 0 B 0 B frozen",
        "none 0 0 0 0 0 B 0 B 0 B",
    ]


@pytest.mark.parametrize(("count", "told"), [(20, None), (21, "1 more"), (1500, "1,480 more")])
def test_repositories_that_are_not_shown_are_told(count: int, told: str | None) -> None:
    table = rows(text(repositories=[repository(f"r{number:04}") for number in range(count)]), "repository")
    assert sum(line.startswith("r0") for line in table) == 20
    assert ("more repositories" in table[-1]) is (told is not None)
    assert (told or "") in table[-1]


@pytest.mark.parametrize(("count", "told"), [(20, None), (21, "1 more"), (1500, "1,480 more")])
def test_findings_that_are_not_shown_are_told(count: int, told: str | None) -> None:
    found = [Finding(code="stray", repository=None, key=f"blobs/{number}", message="odd") for number in range(count)]
    table = rows(text(findings=found), "Findings")
    assert sum(line.startswith("  stray: blobs/") for line in table) == 20
    assert (told is not None) is ("more; --format json" in table[-1])
    assert (told or "") in table[-1]


def test_findings_say_what_is_wrong_with_which_key_and_how_often() -> None:
    shown = text(
        findings=[
            Finding(code="damaged-link", repository="a", key="repositories/a/x", message="the link is empty"),
            Finding(code="stray", repository="a", key=None, message="odd", count=1200),
            Finding(code="stray", repository=None, key=None, message="odd"),
        ]
    )
    assert rows(shown, "Findings")[1:] == [
        "  damaged-link: repositories/a/x: the link is empty",
        "  stray: a: odd (1,200 such keys)",
        "  stray: odd",
        "  Damaged repositories are frozen: nothing of theirs goes until they are mended.",
        "  regsweep check names the images that cannot be pulled for it.",
    ]


def test_freezing_is_told_only_where_something_is_damaged() -> None:
    assert "frozen" not in text(findings=[Finding(code="stray", repository=None, key="blobs/x", message="odd")])
    assert "Findings" not in text()


def test_the_largest_blobs_say_why_they_go_and_who_links_them() -> None:
    shown = text(SOMETHING, largest=[_blob("ab" * 32, repositories=("a", "b/c")), _blob("cd" * 32)])
    table = rows(shown, "largest condemned blobs")
    assert [" ".join(line.split()) for line in table[1:]] == [
        "sha256:abababababab 5.0 MB no link leads to it a, b/c",
        "sha256:cdcdcdcdcdcd 5.0 MB no link leads to it",
    ]
    assert "largest" not in text(SOMETHING)


def test_nothing_to_delete_is_said_and_no_next_step_given() -> None:
    assert text().endswith("\n\nNothing to delete.")
    assert "regsweep apply" not in text(plan="a.plan")


def test_the_last_line_says_what_to_type_next() -> None:
    assert text(SOMETHING, plan="tonight.plan").splitlines()[-1] == "  regsweep apply tonight.plan --registry URL"


@pytest.mark.parametrize("odd", ["\x1b[31m", "\r", "\n", "\u202e", "\udcff"])
def test_the_paths_of_store_and_plan_are_shown_escaped(odd: str) -> None:
    shown = text(SOMETHING, store=f"/srv/{odd}registry", plan=f"{odd}tonight.plan")
    shown.encode()
    assert all(line.isprintable() for line in shown.splitlines())
    lines = [line for line in shown.splitlines() if "registry" in line or "tonight.plan" in line]
    escaped = odd.encode("unicode_escape", "surrogatepass").decode()
    assert (lines[0], lines[-1]) == (
        f"Storage  /srv/{escaped}registry",
        f"  regsweep apply {escaped}tonight.plan --registry URL",
    )


def test_no_name_from_the_storage_reaches_the_terminal_as_it_is() -> None:
    hostile = "\x1b[5m\u202e"
    report = msgspec.structs.replace(
        BASE,
        repositories=[repository(hostile)],
        largest=[
            _blob("ab" * 32, repositories=(hostile,)),
            msgspec.structs.replace(_blob("cd" * 32), digest=hostile, reason=hostile),
        ],
        rules=[RuleSummary(rule=1, repositories=[hostile], matched=1, tags=1, tags_condemned=0, bytes=0)],
        findings=[Finding(code=hostile, repository=hostile, key=key, message=hostile) for key in (hostile, None)],
    )
    shown = as_text(report)
    assert shown.count("\\x1b[5m\\u202e") == 11
    assert "\x1b[5m" not in shown
    assert all(line.isprintable() for line in plain(shown).splitlines())


def test_what_comes_free_is_green_and_what_is_damaged_red() -> None:
    report = msgspec.structs.replace(
        BASE,
        totals=FULL,
        repositories=[repository("some", freed_bytes=1_000_000), repository("none"), repository("odd", frozen=True)],
        findings=[
            Finding(code="damaged-link", repository=None, key="x", message="odd"),
            Finding(code="stray", repository=None, key="x", message="odd"),
        ],
    )
    shown = as_text(report)
    for text, colour in (
        ("25% comes free", Colour.GOOD),
        ("1.0 MB", Colour.GOOD),
        ("frozen", Colour.BAD),
        ("damaged-link", Colour.BAD),
        ("stray", Colour.ODD),
    ):
        assert paint(text, colour) in shown
    assert f"  0 B\n{'odd':10}" in shown


def test_columns_stand_below_each_other_painted_or_not() -> None:
    table = rows(text(FULL, repositories=[repository("a", freed_bytes=1_000), repository("b")]), "repository")
    assert len({len(line) for line in table}) == 1


def test_no_next_step_is_given_where_there_is_none() -> None:
    for shown in (
        text(SOMETHING),
        text(SOMETHING, plan="a.plan", next_step=False),
        text(SOMETHING, refused="a brake says no"),
    ):
        assert "Next" not in shown
        assert "Nothing to delete" not in shown


@pytest.mark.parametrize("next_step", [True, False])
def test_a_report_of_what_a_brake_refuses_ends_with_that(next_step: bool) -> None:  # noqa: FBT001 - a case
    report = msgspec.structs.replace(BASE, totals=SOMETHING, refused="a brake\x1b[5m says no")
    shown = as_text(report, next_step=next_step)
    assert shown.splitlines()[-1] == f"{paint('Refused:', Colour.BAD)} a brake\\x1b[5m says no"


def test_a_dry_run_says_how_to_go_on() -> None:
    shown = text(SOMETHING, next_step=False)
    assert shown.splitlines()[-1] == "Nothing was deleted. Next: the same command without --dry-run"


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        (
            {"removal": ["a:b"], "collect": True},
            (
                "what is named goes, whatever its age; of all else, blobs too, nothing younger than 24h goes, uploads "
                "after 168h; untagged revisions go"
            ),
        ),
        ({"removal": ["a:b"], "collect": False}, "what is named goes, whatever its age, and nothing else; blobs stay"),
        ({"removal": []}, "untagged revisions go; nothing younger than 24h goes, uploads after 168h"),
    ],
)
def test_the_heading_tells_the_rules_of_a_removal(options: dict[str, object], rules: str) -> None:
    shown = text(options={**OPTIONS, **options})
    assert " ".join(" ".join(shown.splitlines()[2:]).split("  before")[0].split()) == f"Rules {rules}"
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("untagged", "told"),
    [
        ("keep", "untagged revisions are kept, unless a rule says otherwise; nothing"),
        (
            "delete",
            "untagged revisions go where a rule decides, unless it says otherwise, and are kept elsewhere; nothing",
        ),
    ],
)
def test_the_heading_tells_what_rules_do_to_what_has_no_tag(untagged: str, told: str) -> None:
    rule = RuleSummary(rule=1, repositories=["**"], matched=1, tags=1, tags_condemned=0, bytes=0)
    shown = text(options={**OPTIONS, "untagged": untagged}, rules=[rule])
    assert told in " ".join(shown.split())


LONG = "a-team/with-a-long-name/and-a-service/with-an-even-longer-name/for-the-backend/of-its-frontend"


def test_a_long_name_stands_alone_and_leaves_the_table_within_80_columns() -> None:
    shown = text(repositories=[repository("short"), repository(LONG, freed_bytes=1_000_000), repository("b" * 25)])
    table = rows(shown, "repository")
    assert table[1] == LONG
    assert table[2].split() == ["0", "0", "0", "0", "0", "B", "0", "B", "1.0", "MB"]
    assert [line[:25].strip() for line in table[2:]] == ["", "b" * 25, "short"]
    others = [table[0], *table[2:]]
    assert max(map(len, others)) == 80
    assert {line.rindex("B") for line in others[1:] if line.endswith("B")} == {len(table[0]) - 1}


def test_what_is_said_last_in_a_table_goes_on_below_itself() -> None:
    reasons = ("no-manifest", "no-revision", "no-tag", "untagged")
    counted = totals(
        {"tag-entry": Amount(count=9_000, bytes=0)},
        {"tag-entry": {reason: Amount(count=1_000, bytes=0) for reason in reasons}},
    )
    shown = text(counted, largest=[_blob("ab" * 32, repositories=(LONG[:50], LONG[:40], LONG[:30]))])
    table = rows(shown, "before ")
    why = table[0].index("why")
    assert [line[why:] for line in table[2:-1]] == [
        "1,000 manifest missing,",
        "1,000 revision deleted,",
        "1,000 tag deleted, 1,000 untagged",
    ]
    assert table[3][:why].strip() == ""
    largest = rows(shown, "largest")
    linked = largest[0].index("linked from")
    assert [line[linked:] for line in largest[1:]] == [f"{LONG[:50]},", f"{LONG[:40]},", LONG[:30]]


def test_a_store_of_no_bytes_has_no_share() -> None:
    one = Amount(count=1, bytes=0)
    assert "%" not in text(totals({"blob": one}, {"blob": {"orphaned": one}}))
