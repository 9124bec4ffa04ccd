"""Brakes: what goes too far, or is no registry of the kind that this collects, must be asked for by name."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from fixtures.images import image
from regsweep.errors import RefusedError
from regsweep.plan.brakes import check_plan
from regsweep.plan.kinds import ORDER
from regsweep.plan.options import Options, Untagged
from regsweep.plan.summary import Amount, Share, Sizes, Totals
from regsweep.report.document import VERSION
from tests.cli.scene import names, small, the_error
from tests.command import regsweep
from tests.trees import Tree


def harbor(tree: Tree) -> None:
    for number in range(3):
        tree.push(image(b"%d" % number), "library/app", None)


def gitlab(tree: Tree) -> None:
    small_in(tree)
    (tree.root / "docker/registry/lockfiles").mkdir()
    (tree.root / "docker/registry/lockfiles/database-in-use").touch()


def cache(tree: Tree) -> None:
    small_in(tree)
    (tree.root / "scheduler-state.json").write_text("{}")


def orphans(tree: Tree) -> None:
    tree.blob(b"one")
    tree.blob(b"two")


def mostly_orphans(tree: Tree) -> None:
    small_in(tree)
    for number in range(100):
        tree.blob(b"%d" % number)


def small_in(tree: Tree) -> None:
    tree.push(image(b"kept"), "app", "v1")
    tree.blob(b"orphan")


def partly_lost(tree: Tree) -> None:
    """Take the first half of the shards away, as when a part of `blobs/` is not mounted."""
    for number in range(40):
        tree.push(image(b"%d" % number), "app", f"v{number}")
    for digit in "01234567":
        for shard in (tree.base / "blobs/sha256").glob(f"{digit}*"):
            shutil.rmtree(shard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    make: Callable[[Tree], None]
    says: str
    override: tuple[str, str]
    scanned: bool = True
    """Whether it takes a scan to know."""

    def others(self) -> list[str]:
        """Every other override: each releases one brake alone."""
        every = {
            "--allow": ("database", "cache", "no-tags", "nothing-kept", "missing-manifests"),
            "--max-delete": ("100%",),
        }
        return [f"{name}={value}" for name in every for value in every[name] if (name, value) != self.override]


CASES = [
    pytest.param(
        Case(
            make=harbor,
            says="3 revisions and not one tag",
            override=("--allow", "no-tags"),
        ),
        id="no-tags",
    ),
    pytest.param(
        Case(
            make=orphans,
            says="not one blob is in use",
            override=("--allow", "nothing-kept"),
        ),
        id="nothing-kept",
    ),
    pytest.param(
        Case(make=mostly_orphans, says="101 of 104 blobs would be deleted", override=("--max-delete", "100%")),
        id="max-delete",
    ),
    pytest.param(
        Case(
            make=partly_lost,
            says="of 40 revisions would go because their manifest is not there: is all of the storage here?",
            override=("--allow", "missing-manifests"),
        ),
        id="missing-manifests",
    ),
    pytest.param(Case(make=gitlab, says="GitLab", override=("--allow", "database"), scanned=False), id="database"),
    pytest.param(
        Case(make=cache, says="scheduler-state.json", override=("--allow", "cache"), scanned=False), id="cache"
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_a_brake_refuses_and_names_the_override_that_releases_it(tmp_path: Path, case: Case) -> None:
    tree = Tree(tmp_path / "registry")
    case.make(tree)
    keys = tree.keys()
    plan = ("plan", "registry", "-m", "-o", "the.plan", *case.others())
    refused = regsweep(*plan, cwd=tmp_path)
    error = the_error(refused, 3)
    assert case.says in error
    assert " ".join(case.override) in error
    assert names(tmp_path) == {"registry"}
    assert refused.out.startswith("Storage ") is case.scanned
    assert "Next:" not in refused.out
    assert tree.keys() == keys
    released = regsweep(*plan, *case.override, cwd=tmp_path)
    assert (released.code, released.err) == (0, "")
    assert tree.keys() == keys
    assert names(tmp_path) == {"registry", "the.plan"}


@pytest.mark.parametrize("case", CASES[:1])
def test_a_brake_stops_prune_even_when_told_not_to_ask(tmp_path: Path, case: Case) -> None:
    tree = Tree(tmp_path / "registry")
    case.make(tree)
    keys = tree.keys()
    done = regsweep("prune", "registry", "-m", "--yes", "--registry-stopped", *case.others(), cwd=tmp_path)
    assert case.says in the_error(done, 3)
    assert names(tmp_path) == {"registry"}
    assert tree.keys() == keys


def test_harbors_registry_without_m_loses_no_revision(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    harbor(tree)
    done = regsweep("plan", "registry", cwd=tmp_path)
    assert done.code == 0
    assert done.out.endswith("Nothing to delete.\n")


def test_a_refused_report_in_json_says_why(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    harbor(tree)
    done = regsweep("plan", "registry", "-m", "--format", "json", cwd=tmp_path)
    document = json.loads(done.out)
    assert document["version"] == VERSION
    assert document["plan"] is None
    assert document["refused"] in the_error(done, 3)
    assert "not one tag" in document["refused"]


def test_a_configuration_of_a_cache_is_a_brake_too(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    config = tmp_path / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tree.root}}}}}\n"
        "proxy: {remoteurl: 'https://mirrored.example', username: u, password: secret}\n"
    )
    refused = regsweep("plan", "--config", config, "-o", "the.plan", cwd=tmp_path)
    error = the_error(refused, 3)
    assert "pull-through cache of https://mirrored.example" in error
    assert "--allow cache" in error
    assert "secret" not in error
    assert not (tmp_path / "the.plan").exists()
    assert regsweep("plan", "--config", config, "-o", "the.plan", "--allow", "cache", cwd=tmp_path).code == 0


def test_the_environment_can_name_the_cache_as_well(tmp_path: Path) -> None:
    tree = small(tmp_path / "registry")
    config = tmp_path / "config.yml"
    config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tree.root}}}}}\n")
    proxy = {"REGISTRY_PROXY_REMOTEURL": "https://user:secret@mirrored.example"}
    error = the_error(regsweep("plan", "--config", config, cwd=tmp_path, env=proxy), 3)
    assert "mirrored.example" in error
    assert "secret" not in error


def test_as_much_as_the_share_may_go(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    tree.push(image(b"kept"), "app", "v1")
    tree.blob(b"orphan")
    assert regsweep("plan", "registry", "--max-delete", "25%", "-o", "the.plan", cwd=tmp_path).code == 0
    error = the_error(regsweep("plan", "registry", "--max-delete", "24.9%", cwd=tmp_path), 3)
    assert "1 of 4 blobs would be deleted, more than --max-delete 24.9%" in error


def lost(revisions: int, of: int) -> Totals:
    """What a plan counts that takes revisions because their manifests are missing, and nothing else."""
    nothing = Amount(count=0, bytes=0)
    gone = Amount(count=revisions, bytes=0)
    return Totals(
        repositories=1,
        repositories_gone=0,
        before={**dict.fromkeys(map(str, ORDER), nothing), "revision": Amount(count=of, bytes=0)},
        condemned={"revision": gone} if revisions else {},
        reasons={"revision": {"no-manifest": gone}} if revisions else {},
        reachable_blobs=of,
        sizes=Sizes(
            exclusive=Share(bytes=0, freed=0), shared=Share(bytes=0, freed=0), unlinked=Share(bytes=0, freed=0)
        ),
    )


@pytest.mark.parametrize(("revisions", "of"), [(0, 0), (0, 42_000), (9, 10), (10, 1000), (420, 42_000)])
def test_a_few_missing_manifests_are_what_a_registrys_life_leaves_behind(revisions: int, of: int) -> None:
    check_plan(lost(revisions, of), Options())


@pytest.mark.parametrize(("revisions", "of"), [(10, 10), (10, 999), (11, 1000), (421, 42_000)])
@pytest.mark.parametrize("untagged", list(Untagged))
def test_many_missing_manifests_are_a_brake_whatever_becomes_of_the_untagged(
    revisions: int, of: int, untagged: Untagged
) -> None:
    allow = frozenset({"no-tags"})
    with pytest.raises(RefusedError, match=f"^{revisions} of {of:,} ") as caught:
        check_plan(lost(revisions, of), Options(untagged=untagged, allow=allow))
    assert "--allow missing-manifests" in str(caught.value.hint)
    check_plan(lost(revisions, of), Options(untagged=untagged, allow=allow | {"missing-manifests"}))


def test_revisions_that_go_for_another_reason_are_no_sign_of_loss() -> None:
    totals = lost(500, 1000)
    reasons = {"revision": {"untagged": Amount(count=491, bytes=0), "no-manifest": Amount(count=9, bytes=0)}}
    check_plan(msgspec.structs.replace(totals, reasons=reasons), Options())


def test_a_storage_whose_blobs_are_not_there_is_refused(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    tree.push(image(b"kept"), "app", "v1")
    # As when `blobs/` is a file system of its own that nobody mounted.
    shutil.rmtree(tree.base / "blobs")
    error = the_error(regsweep("plan", "registry", cwd=tmp_path), 3)
    assert "not one blob is in use: is all of the storage here?" in error
    assert list(tmp_path.glob("*.plan")) == []
