import csv
import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fixtures.images import image
from fixtures.small import unpack
from tests.cli.scene import the_error
from tests.command import regsweep
from tests.trees import Tree

Gauges = dict[str, dict[str, float]]


def gauges(text: str) -> Gauges:
    """The metrics by name, each by its label beside the store's, or by nothing."""
    found: Gauges = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            label = "".join(value for name, value in sample.labels.items() if name != "store")
            found.setdefault(sample.name, {})[label] = sample.value
    return found


def test_a_plan_is_told_again_as_it_was_told_when_it_was_made(tmp_path: Path) -> None:
    made = regsweep("plan", unpack(tmp_path), "-m", "-o", "the.plan", cwd=tmp_path)
    assert regsweep("report", "the.plan", cwd=tmp_path).out == made.out
    again = json.loads(regsweep("report", "the.plan", "--format", "json", cwd=tmp_path).out)
    first = json.loads(regsweep("plan", "registry", "-m", "--format", "json", cwd=tmp_path).out)
    assert again["totals"] == first["totals"]
    assert again["plan"] == "the.plan"


def test_a_storage_is_told_without_a_plan(tmp_path: Path) -> None:
    root = unpack(tmp_path)
    told = regsweep("report", root, "-m", cwd=tmp_path)
    assert told.code == 0
    assert "comes free" in told.out
    assert not list(tmp_path.glob("*.plan"))


def test_a_plan_that_is_damaged_is_not_taken_for_a_storage(tmp_path: Path) -> None:
    regsweep("plan", unpack(tmp_path), "-m", "-o", "the.plan", cwd=tmp_path)
    plan = tmp_path / "the.plan"
    plan.write_bytes(plan.read_bytes()[:-100])
    assert "the.plan" in the_error(regsweep("report", "the.plan", cwd=tmp_path), 2)


def test_a_storage_that_a_brake_would_refuse_is_told_all_the_same(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    tree.push(image(b"untagged"), "app")
    told = regsweep("report", "registry", "-m", cwd=tmp_path)
    assert told.code == 0
    assert "a plan would be refused" in told.err


def test_sizes_add_up(tmp_path: Path) -> None:
    root = unpack(tmp_path)
    report = json.loads(regsweep("report", root, "-m", "--format", "json", cwd=tmp_path).out)
    totals, repositories = report["totals"], report["repositories"]
    sizes = totals["sizes"]
    on_disk = sum(path.stat().st_size for path in root.glob("docker/registry/v2/blobs/**/data"))
    assert sum(share["bytes"] for share in sizes.values()) == totals["before"]["blob"]["bytes"] == on_disk
    assert sum(one["exclusive_bytes"] for one in repositories) == sizes["exclusive"]["bytes"]
    assert sum(one["freed_bytes"] for one in repositories) == sizes["exclusive"]["freed"]
    assert sum(share["freed"] for share in sizes.values()) == totals["condemned"]["blob"]["bytes"]
    assert sizes["shared"]["bytes"] > 0
    assert sizes["unlinked"]["bytes"] > 0


def test_csv_has_a_row_for_each_repository(tmp_path: Path) -> None:
    root = unpack(tmp_path)
    rows = list(csv.DictReader(regsweep("report", root, "--format", "csv", cwd=tmp_path).out.splitlines()))
    report = json.loads(regsweep("report", root, "--format", "json", cwd=tmp_path).out)
    assert [(row["name"], int(row["pushed_bytes"])) for row in rows] == [
        (one["name"], one["pushed_bytes"]) for one in report["repositories"]
    ]


def test_metrics_of_a_plan_are_its_totals(tmp_path: Path) -> None:
    root = unpack(tmp_path)
    found = gauges(regsweep("plan", root, "-m", "--format", "prometheus", cwd=tmp_path).out)
    totals = json.loads(regsweep("report", root, "-m", "--format", "json", cwd=tmp_path).out)["totals"]
    assert found["regsweep_stored"]["blob"] == totals["before"]["blob"]["count"]
    assert found["regsweep_condemned_bytes"]["blob"] == totals["condemned"]["blob"]["bytes"]
    assert found["regsweep_repositories"][""] == totals["repositories"]
    assert found["regsweep_plan_outcome"] == {"planned": 1, "refused": 0}
    assert 0 < found["regsweep_plan_duration_seconds"][""] < 60


def test_metrics_tell_of_a_plan_that_was_refused(tmp_path: Path) -> None:
    Tree(tmp_path / "registry").push(image(b"untagged"), "app")
    refused = regsweep("plan", "registry", "-m", "--format", "prometheus", cwd=tmp_path)
    assert refused.code == 3
    assert gauges(refused.out)["regsweep_plan_outcome"] == {"planned": 0, "refused": 1}


@pytest.mark.parametrize("command", ["apply", "prune"])
def test_metrics_tell_what_was_done(command: str, tmp_path: Path) -> None:
    root = unpack(tmp_path)
    report = json.loads(regsweep("plan", root, "-m", "-o", "the.plan", "--format", "json", cwd=tmp_path).out)
    where = ["the.plan"] if command == "apply" else [root, "-m", "--yes"]
    done = regsweep(command, *where, "--registry-stopped", "--format", "prometheus", cwd=tmp_path)
    assert done.code == 0
    found = gauges(done.out)
    going = {kind: amount for kind, amount in report["totals"]["condemned"].items() if kind != "directory"}
    assert found["regsweep_apply_outcome"] == {"done": 1, "stopped": 0}
    assert found["regsweep_deleted"][""] + found["regsweep_absent"][""] >= sum(one["count"] for one in going.values())
    assert found["regsweep_left"][""] == 0


def test_metrics_tell_of_a_run_that_stopped(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    tree.push(image(b"old"), "app")
    tree.push(image(b"new"), "app", "v1")
    regsweep("plan", "registry", "-m", "-o", "the.plan", cwd=tmp_path)
    stopped = regsweep(
        "apply", "the.plan", "--registry-stopped", "--time-limit", "0.000001s", "--format", "prometheus", cwd=tmp_path
    )
    assert stopped.code == 4
    assert gauges(stopped.out)["regsweep_apply_outcome"] == {"done": 0, "stopped": 1}


def test_a_result_is_one_row_of_csv(tmp_path: Path) -> None:
    regsweep("plan", unpack(tmp_path), "-m", "-o", "the.plan", cwd=tmp_path)
    done = regsweep("apply", "the.plan", "--registry-stopped", "--format", "csv", cwd=tmp_path)
    (row,) = csv.DictReader(done.out.splitlines())
    assert int(row["deletions"]) >= int(row["deleted"]) > 0
    assert row["finished"].endswith("Z")
