"""How differences are shown: as text, and as CSV."""

import csv
import io
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from regsweep.report.differences import (
    VERSION,
    Blob,
    Change,
    Differences,
    Finding,
    Repository,
    Side,
    Tag,
    Totals,
    Turnover,
    as_csv,
)
from regsweep.report.differences_text import SHOWN, as_text

NOON = datetime(2024, 6, 1, 12, 0, 59, tzinfo=UTC)


def digest(number: int) -> str:
    return f"sha256:{number << 240:064x}"


def change(before: int, after: int) -> Change:
    return Change(before=before, after=after, difference=after - before)


def turnover(before: int = 0, came: int = 0, went: int = 0) -> Turnover:
    return Turnover(before=before, after=before + came - went, difference=came - went, came=came, went=went)


def repository(name: str, growth: int = 0, how: str = "changed") -> Repository:
    before, after = (0, growth) if how == "came" else (-growth, 0) if how == "went" else (10_000, 10_000 + growth)
    same = change(5 if before else 0, 5 if after else 0)
    bytes_, exclusive = change(before, after), change(before // 2, after // 2)
    return msgspec.convert(
        {"name": name, "change": how, "tags": same, "revisions": same, "bytes": bytes_, "exclusive_bytes": exclusive},
        Repository,
    )


def tag(name: str = "v1", where: str = "team/app", before: int | None = 1, after: int | None = 2) -> Tag:
    return Tag(
        repository=where,
        tag=name,
        change="came" if before is None else "went" if after is None else "moved",
        before=None if before is None else digest(before),
        after=None if after is None else digest(after),
    )


def finding(how: str = "new", **more: object) -> Finding:
    usual = {"code": "damaged-link", "repository": "team/app", "key": "repositories/team/app/x", "message": "is empty"}
    return msgspec.convert({"change": how, "count": 1, **usual, **more}, Finding)


def document(**more: object) -> Differences:
    count = turnover(1000)
    usual = Differences(
        version=VERSION,
        regsweep="0",
        older=Side(file="older.db", store="/r", scanned=NOON, options={}),
        newer=Side(file="newer.db", store="/r", scanned=NOON + timedelta(days=1), options={}),
        options_changed=[],
        totals=Totals(
            repositories=count, tags=count, tags_moved=0, revisions=count, blobs=count, bytes=count, blobs_resized=0
        ),
        repositories=[],
        tags=[],
        largest_came=[],
        largest_went=[],
        findings=[],
    )
    return msgspec.structs.replace(usual, **more)


def totals(**more: object) -> Totals:
    return msgspec.structs.replace(document().totals, **more)


def lines(found: Differences, *, width: int | None = None) -> list[str]:
    return as_text(found, width=width).splitlines()


def rows(found: Differences) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(found))))


def test_where_nothing_differs_the_text_says_so_below_the_totals() -> None:
    assert lines(document()) == [
        "Storage  /r",
        "Older    older.db, scanned 2024-06-01 12:00:59 UTC",
        "Newer    newer.db, scanned 2024-06-02 12:00:59 UTC",
        "",
        "              before   after  came  went  difference",
        "repositories   1,000   1,000     0     0           0",
        "tags           1,000   1,000     0     0           0",
        "revisions      1,000   1,000     0     0           0",
        "blobs          1,000   1,000     0     0           0",
        "bytes         1.0 kB  1.0 kB   0 B   0 B         0 B",
        "",
        "Nothing came, went or changed.",
    ]


def test_repositories_stand_by_what_became_of_them_their_changes_with_a_sign() -> None:
    found = lines(
        document(
            repositories=[
                repository("team/new", 3000, "came"),
                repository("team/grew", 2000),
                repository("team/same"),
                repository("team/shrank", -2000),
                repository("team/old", -4000, "went"),
            ]
        )
    )
    assert found[11:] == [
        "Repositories that came: 1",
        "repository  tags  revisions    size  not shared",
        "team/new       5          5  3.0 kB      1.5 kB",
        "",
        "Repositories that went: 1",
        "repository  tags  revisions    size  not shared",
        "team/old       5          5  4.0 kB      2.0 kB",
        "",
        "Repositories that changed: 3",
        "repository   tags  revisions   growth  not shared  size now",
        "team/grew       0          0  +2.0 kB     +1.0 kB   12.0 kB",
        "team/same       0          0      0 B         0 B   10.0 kB",
        "team/shrank     0          0  -2.0 kB     -1.0 kB    8.0 kB",
    ]


def test_of_many_repositories_those_that_changed_most_either_way_are_shown_and_the_others_counted() -> None:
    many = [repository(f"r{growth}", growth) for growth in range(1500, -1501, -100)]
    found = lines(document(repositories=many))
    shown = [line.split()[0] for line in found if line.startswith("r") and line.split()[0][1:].lstrip("-").isdigit()]
    assert len(shown) == SHOWN
    assert (shown[0], shown[-1]) == ("r1500", "r-1500")
    assert "r0" not in shown
    assert found[-1] == "... and 11 more; --format json lists them all"


def test_of_many_tags_the_first_are_shown_and_the_others_counted() -> None:
    many = [tag(f"v{number:02}") for number in range(30)]
    found = lines(document(tags=many[:SHOWN], totals=totals(tags_moved=1234)))
    assert found[11:14] == [
        "Tags that moved: 1,234",
        "tag           from          to",
        "team/app:v00  000100000000  000200000000",
    ]
    assert found[-2:] == [
        "team/app:v19  000100000000  000200000000",
        "... and 1,214 more; --format json lists them all",
    ]


def test_the_text_names_blobs_findings_and_what_else_one_should_know() -> None:
    found = lines(
        document(
            options_changed=["min_age", "untagged"],
            totals=totals(blobs_resized=2),
            largest_came=[Blob(digest=digest(1), bytes=5000, repositories=["a", "b"])],
            findings=[
                finding(),
                finding("gone", code="missing-manifest", repository="b", key="blobs/x", count=1234),
                finding("gone", code="frozen", key=None),
            ],
        )
    )
    assert found[3] == "Options  of the two runs differ in min_age, untagged"
    assert "Blobs of another size than before, damaged then or now: 2" in found
    assert found[13:] == [
        "Largest blobs that came",
        "blob            size  linked from",
        "000100000000  5.0 kB  a, b",
        "",
        "New findings: 1",
        "  damaged-link: repositories/team/app/x: is empty",
        "",
        "Findings that are gone: 2",
        "  missing-manifest: b: blobs/x: is empty (1,234 such keys)",
        "  frozen: team/app: is empty",
    ]


def test_inventories_of_two_stores_are_each_told_with_theirs() -> None:
    other = Side(file="n.db", store="s3://bucket", scanned=NOON, options={})
    assert lines(document(newer=other))[:2] == [
        "Older    older.db, scanned 2024-06-01 12:00:59 UTC, of /r",
        "Newer    n.db, scanned 2024-06-01 12:00:59 UTC, of s3://bucket",
    ]


def full(name: str, number: int = 10**15) -> Differences:
    """A document in which everything is there, and long."""
    count = turnover(number, number, number // 2)
    return document(
        older=Side(file="older.db", store="/r", scanned=NOON, options={}),
        totals=Totals(
            repositories=turnover(10**6, 10**5, 5),
            tags=turnover(10**7, 10**6, 5),
            tags_moved=99,
            revisions=turnover(10**7, 10**6, 5),
            blobs=turnover(10**7, 10**6, 5),
            bytes=count,
            blobs_resized=1,
        ),
        repositories=[
            repository(name, number, "came"),
            repository(name, -number, "went"),
            repository(name, number),
            repository("b", -number),
        ],
        tags=[tag(name, name), tag(name, name, None), tag(name, name, 1, None)],
        largest_came=[Blob(digest=digest(1), bytes=number, repositories=[name, name, name])],
        largest_went=[Blob(digest=digest(1), bytes=number, repositories=[name])],
    )


@pytest.mark.parametrize("width", [1, 80, 100, 200])
def test_names_too_long_for_the_terminal_are_shortened_to_fit(width: int) -> None:
    found = lines(full("team/" + "x" * 120 + "/end"), width=width)
    assert max(map(len, found)) <= max(width, 80)
    assert sum(line.startswith("team/") for line in found) == 6


def test_in_a_pipe_names_are_whole() -> None:
    name = "team/" + "x" * 120
    assert any(line.startswith(f"{name}:{name}  ") for line in lines(full(name)))


def test_no_name_reaches_the_terminal_as_anything_but_text() -> None:
    tricky = "v1\x1b[31m\u202e\n"
    found = msgspec.structs.replace(
        full(tricky),
        older=Side(file=tricky, store=tricky, scanned=NOON, options={}),
        options_changed=[tricky],
        findings=[finding(repository=tricky, key=tricky, message=tricky)],
    )
    for text in (as_text(found, width=None), as_text(found, width=80), as_csv(found)):
        assert all(line.isprintable() for line in text.splitlines())
        assert "v1\\x1b[31m\\u202e\\n" in text


def test_csv_has_a_row_for_each_number_tag_blob_and_finding() -> None:
    found = rows(
        document(
            totals=totals(bytes=turnover(1000, 5, 2)),
            repositories=[repository("new", 10, "came"), repository("team/app", -5)],
            tags=[tag("v2", before=None)],
            largest_came=[Blob(digest=digest(1), bytes=5, repositories=["a", "b"])],
            largest_went=[Blob(digest=digest(2), bytes=2, repositories=[])],
            findings=[finding(), finding("gone", key=None)],
        )
    )
    assert [tuple(row.values()) for row in found[12:]] == [
        ("total", "", "", "bytes", "1000", "1003"),
        ("total", "came", "", "bytes", "", "5"),
        ("total", "went", "", "bytes", "2", ""),
        ("repository", "came", "new", "tags", "0", "5"),
        ("repository", "came", "new", "revisions", "0", "5"),
        ("repository", "came", "new", "bytes", "0", "10"),
        ("repository", "came", "new", "exclusive_bytes", "0", "5"),
        ("repository", "changed", "team/app", "bytes", "10000", "9995"),
        ("repository", "changed", "team/app", "exclusive_bytes", "5000", "4997"),
        ("tag", "came", "team/app", "v2", "", digest(2)),
        ("blob", "came", "a b", digest(1), "", "5"),
        ("blob", "went", "", digest(2), "2", ""),
        ("finding", "new", "team/app", "damaged-link", "", "repositories/team/app/x: is empty"),
        ("finding", "gone", "team/app", "damaged-link", "is empty", ""),
    ]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@"])
def test_no_cell_of_csv_is_a_formula(begin: str) -> None:
    text = f'{begin}HYPERLINK("http://x","y")'
    found = rows(
        document(
            repositories=[repository(text, 5)],
            tags=[tag(text, text)],
            findings=[finding(repository=text, key=text, message=text, code=text)],
        )
    )
    assert all(not cell.startswith(begin) for row in found for cell in row.values())
    assert sum(cell.startswith(f"'{begin}") for row in found for cell in row.values()) == 7
