"""The committed schemas are those of the documents written. `python -m tests.unit.test_report_schema` renews two."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from fixtures.small import unpack
from regsweep.report.document import Report
from regsweep.report.result import Result
from tests.command import regsweep

PROJECT = Path(__file__).parents[2]
SCHEMAS = PROJECT / "src/regsweep/report/schemas"
SCHEMA = SCHEMAS / "report.schema.json"
RESULT = SCHEMAS / "result.schema.json"


def generated(document: type[msgspec.Struct], commands: str) -> dict[str, object]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What {commands} --format json` writes",
        **msgspec.json.schema(document),
    }


def of_report() -> dict[str, object]:
    return generated(Report, "`regsweep plan")


def of_result() -> dict[str, object]:
    return generated(Result, "`regsweep apply")


def valid(text: str, schema: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    jsonschema.validate(document, json.loads(schema.read_text()))
    assert document["format"] == f"regsweep-{schema.name.partition('.')[0]}"
    assert document["version"] == 1
    return document


def test_the_committed_schema_is_that_of_the_report() -> None:
    assert json.loads(SCHEMA.read_text()) == of_report()


def test_the_committed_schema_is_that_of_the_result() -> None:
    assert json.loads(RESULT.read_text()) == of_result()


@pytest.mark.parametrize("command", ["plan", "report", "prune --dry-run"])
@pytest.mark.parametrize("rules", ["-m", "--keep-last 1 --keep-within 1d"])
def test_a_report_of_a_real_tree_is_valid_by_it(tmp_path: Path, command: str, rules: str) -> None:
    done = regsweep(*command.split(), unpack(tmp_path), *rules.split(), "--format", "json", cwd=tmp_path)
    document = valid(done.out, SCHEMA)
    assert bool(document["rules"]) is (rules != "-m")


def test_what_is_told_of_a_plan_and_of_its_end_is_valid_too(tmp_path: Path) -> None:
    unpack(tmp_path)
    made = valid(regsweep("plan", "registry", "-m", "-o", "a.plan", "--format", "json", cwd=tmp_path).out, SCHEMA)
    told = valid(regsweep("report", "a.plan", "--format", "json", cwd=tmp_path).out, SCHEMA)
    assert told == {**made, "finished": None}
    done = valid(regsweep("apply", "a.plan", "--registry-stopped", "--format", "json", cwd=tmp_path).out, RESULT)
    assert done["deletions"] >= done["deleted"] > 0


def test_prune_writes_a_report_and_then_a_result(tmp_path: Path) -> None:
    options = ("-m", "--yes", "--registry-stopped", "--format", "json")
    done = regsweep("prune", unpack(tmp_path), *options, cwd=tmp_path)
    first, then = done.out.split("\n}\n")[:2]
    assert valid(f"{first}\n}}", SCHEMA)["plan"] == valid(f"{then}\n}}", RESULT)["plan"]


@pytest.mark.parametrize(
    ("document", "pages"),
    [
        ("report", ("plan-format", "report", "sizes")),
        ("result", ("plan-format",)),
        ("check", ("check",)),
        ("diff", ("diff",)),
        ("listing", ("listing",)),
    ],
)
def test_every_field_of_a_document_is_described(document: str, pages: tuple[str, ...]) -> None:
    schema = json.loads((SCHEMAS / f"{document}.schema.json").read_text())
    told = "\n".join((PROJECT / f"docs/{page}.md").read_text() for page in pages)
    told = re.sub(r"^```.*?^```", "", told, flags=re.DOTALL | re.MULTILINE)
    words = {word for code in re.findall(r"`([^`]+)`", told) for word in re.findall(r"\w+", code)}
    fields = {field for one in schema["$defs"].values() for field in one.get("properties", {})}
    assert len(fields) > 5
    assert fields - words == set()


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(of_report(), indent=2) + "\n")
    RESULT.write_text(json.dumps(of_result(), indent=2) + "\n")
