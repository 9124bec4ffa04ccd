"""The committed schema is that of the documents written. `python -m tests.unit.test_report_schema` renews it."""

import json
from pathlib import Path

import jsonschema
import msgspec

from fixtures.small import unpack
from regsweep.report.document import Report
from tests.command import regsweep

SCHEMA = Path(__file__).parents[2] / "docs/report.schema.json"


def generated() -> dict[str, object]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `regsweep plan --format json` writes",
        **msgspec.json.schema(Report),
    }


def test_the_committed_schema_is_that_of_the_report() -> None:
    assert json.loads(SCHEMA.read_text()) == generated()


def test_a_report_of_a_real_tree_is_valid_by_it(tmp_path: Path) -> None:
    done = regsweep("plan", unpack(tmp_path), "-m", "--format", "json", cwd=tmp_path)
    document = json.loads(done.out)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert document["format"] == "regsweep-report"
    assert document["version"] == 1


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(generated(), indent=2) + "\n")
