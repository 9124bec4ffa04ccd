"""How the result of a check is written. `python -m tests.unit.test_check_text` renews its JSON Schema."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import msgspec
import pytest

from regsweep.inventory.checks import Code, Finding, Severity, Totals
from regsweep.report.colour import Colour, paint, plain
from regsweep.report.damage import VERSION, Check, as_json
from regsweep.report.damage_text import as_text

SCHEMA = Path(__file__).parents[2] / "src/regsweep/report/schemas/check.schema.json"
KEY = f"blobs/sha256/ab/{'ab' * 32}/data"
PAINTED = re.compile("(\x1b\\[3\\dm)([^\x1b]*)\x1b\\[0m")
NOON = datetime(2024, 6, 1, 12, 0, 59, tzinfo=UTC)
HOSTILE = "\x1b[5m\u202e"


def finding(code: Code = Code.MISSING_BLOB, *images: str, **more: object) -> Finding:
    usual = Finding(
        code=code,
        severity=Severity.DAMAGE,
        repository="team/app",
        key=KEY,
        message="a layer that a manifest needs is not in the storage",
        bytes=12_300_000,
        count=1,
        images=list(images),
    )
    return msgspec.structs.replace(usual, **more)


def check(*findings: Finding, deep: bool = False, store: str = "/r") -> Check:
    damaged = {image for one in findings if one.severity is Severity.DAMAGE for image in one.images}
    totals = Totals(
        repositories=2, tags=3, manifests=1234, blobs=5678, bytes=9_000_000, images=40, damaged_images=len(damaged)
    )
    return Check(
        version=VERSION, regsweep="0", store=store, checked=NOON, deep=deep, totals=totals, findings=list(findings)
    )


def plain_text(document: Check) -> str:
    return plain(as_text(document))


def generated() -> dict[str, object]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `regsweep check --format json` writes",
        **msgspec.json.schema(Check),
    }


def test_the_committed_schema_is_that_of_a_check() -> None:
    assert json.loads(SCHEMA.read_text()) == generated()


def test_the_json_of_a_check_is_valid_by_it_and_read_again_is_the_same() -> None:
    document = check(finding(Code.WRONG_CONTENT, "a:b"), finding(repository=None, bytes=None), deep=True)
    written = as_json(document)
    jsonschema.validate(json.loads(written), json.loads(SCHEMA.read_text()))
    assert json.loads(written)["format"] == "regsweep-check"
    assert msgspec.json.decode(written, type=Check) == document


def test_where_nothing_is_damaged_what_was_looked_at_is_said() -> None:
    assert plain_text(check()) == (
        "Storage  /r\n"
        "Checked  2024-06-01 12:00:59 UTC; blobs by their sizes; --deep hashes them too\n"
        "         5,678 blobs of 9.0 MB, 1,234 manifests, 3 tags in 2 repositories\n"
        "         40 images (tags, and revisions without one)\n"
        "\n"
        "No damage."
    )
    assert "every blob was read and hashed\n" in plain_text(check(deep=True))


def parts(*findings: Finding, deep: bool = False) -> list[str]:
    """What is written below the totals."""
    return plain_text(check(*findings, deep=deep)).split("\n\n")[1:]


def test_damage_is_told_by_its_kind_with_the_images_it_spoils() -> None:
    damage, then = parts(finding(Code.MISSING_BLOB, "team/app:v1", "team/app:v2"))
    assert damage.splitlines() == [
        "Damage",
        "  missing-blob: blobs that manifests need and that are missing",
        f"    {KEY}: a layer that a manifest needs is not in the storage",
        "      in team/app",
        "      not whole: team/app:v1, team/app:v2",
    ]
    assert then == "Next: push these images again, or remove them: regsweep rm STORE NAME:TAG"


def test_notes_come_after_damage_and_alone_are_none() -> None:
    note = finding(Code.SPARSE_INDEX, "a:b", severity=Severity.NOTE, key="repositories/team/app/_manifests/x")
    damage, notes, _ = parts(finding(), note)
    assert (damage.splitlines()[0], notes.splitlines()[0]) == ("Damage", "Notes")
    # A key below the repository names it.
    assert len(notes.splitlines()) == 4
    assert parts(note) == [notes, "No damage."]


def test_long_lists_are_cut_and_counted() -> None:
    (damage, _) = parts(*(finding(Code.MISSING_BLOB, *(f"a:{at}" for at in range(12))) for _ in range(23)))
    lines = damage.splitlines()
    assert lines[4] == "      not whole: a:0, a:1, a:2, a:3, a:4 and 7 more"
    assert lines[-1] == "    ... and 3 more; --format json lists them all"
    assert len(lines) == 2 + 3 * 20 + 1


def test_links_that_stand_for_many_are_counted() -> None:
    note = finding(Code.DANGLING_LINK, severity=Severity.NOTE, key="repositories/team/app/_layers/x", count=1234)
    assert parts(note)[0].splitlines()[-1].endswith(" (1,234 such keys)")


@pytest.mark.parametrize("code", [Code.WRONG_CONTENT, Code.WRONG_SIZE, Code.DAMAGED_LINK, Code.DAMAGED_MANIFEST])
def test_what_a_push_would_keep_has_to_be_removed_before(code: Code) -> None:
    assert parts(finding(), finding(code))[-1].startswith("Next: remove the damaged files by hand")


def test_of_a_wrong_size_a_deep_check_tells_what_is_wrong() -> None:
    assert "--deep tells which is wrong" in parts(finding(Code.WRONG_SIZE))[0]
    assert "--deep" not in parts(finding(Code.WRONG_SIZE), deep=True)[0]


def test_what_is_said_in_sentences_stays_within_80_columns() -> None:
    many = Totals(
        repositories=12_345, tags=123_456, manifests=1_234_567, blobs=12_345_678, bytes=74 * 10**12, images=1_234_567,
        damaged_images=123_456,
    )  # fmt: skip
    document = msgspec.structs.replace(check(finding(Code.WRONG_SIZE)), totals=many)
    lines = plain_text(document).splitlines()
    assert max(len(line) for line in lines if KEY not in line) <= 80
    assert " ".join(" ".join(lines[2:5]).split()) == (
        "12,345,678 blobs of 74.0 TB, 1,234,567 manifests, 123,456 tags in 12,345 repositories "
        "1,234,567 images (tags, and revisions without one), 123,456 damaged"
    )
    assert " ".join(plain_text(document).split("\n\n")[-1].split()) == (
        "Next: remove the damaged files by hand, for a push keeps what is there; then push the images again."
    )


def test_every_kind_has_a_heading() -> None:
    for code in Code:
        assert f"  {code}: " in parts(finding(code))[0]


def test_nothing_from_the_storage_reaches_the_terminal_as_it_is() -> None:
    text = as_text(
        check(
            finding(Code.DAMAGED_LINK, f"a:{HOSTILE}", key=HOSTILE, message=HOSTILE, repository=HOSTILE), store=HOSTILE
        )
    )
    assert HOSTILE[:4] not in text
    assert all(line.isprintable() for line in plain(text).splitlines())


def test_damage_is_red_notes_are_yellow_and_none_of_it_is_green() -> None:
    note = finding(Code.SPARSE_INDEX, severity=Severity.NOTE)
    shown = as_text(check(finding(Code.MISSING_BLOB, "a:b"), note))
    painted = ("1 damaged", "Damage", "missing-blob", "Notes", "sparse-index")
    red, yellow = Colour.BAD, Colour.ODD
    assert [f"{colour}{text}" for colour, text in PAINTED.findall(shown)] == [
        f"{colour}{text}" for colour, text in zip((red, red, red, yellow, yellow), painted, strict=True)
    ]
    assert as_text(check()).endswith(paint("No damage.", Colour.GOOD))


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(generated(), indent=2) + "\n")
