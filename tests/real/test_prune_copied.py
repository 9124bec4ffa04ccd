"""The whole way in Cloud Storage and in Azure: what a registry wrote to a filesystem is copied there, and pruned.

No registry that Debian has can work there itself. So one over the original, which is read-only, stands for it as the
proof, and one over what is left, copied back, tells what it would serve.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from fixtures.client import pull, serves
from fixtures.ledger import Ledger, Outcome
from fixtures.registry import Registry
from tests.command import Finished, regsweep
from tests.real.books import condemned_keys, contents, files, session, split
from tests.real.copies import SERVERS, Way
from tests.real.pushed import NOT_BY_SKOPEO, NOTHING_IS_YOUNG, OLD, push_everything

pytestmark = pytest.mark.registry

RULES: Final = ("-m", *NOTHING_IS_YOUNG)
OF_A_STORE: Final = frozenset({"store", "created", "cost", "modified", "version", "fingerprint", "directory"})
"""The fields of a plan that depend on where the tree lies, and on when it was written there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A tree that a registry wrote, its books, and what a prune of a copy on the same filesystem does."""

    root: Path
    ledger: Ledger
    pruned: Path
    plan: Path

    @property
    def outcome(self) -> Outcome:
        return self.ledger.outcome(untagged="delete")

    def files(self) -> dict[str, bytes]:
        return {key: content for key, content in contents(self.root).items() if content is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A copy after its prune, and a registry over what is left."""

    cwd: Path
    way: Way
    planned: Finished
    done: Finished
    again: Finished
    after: set[str]
    registry: Registry


def decisions(plan: Path) -> list[dict[str, object]]:
    """The records of a plan: no directories, which object stores do not have, no picture of times, no checksum."""
    records = (json.loads(line, object_hook=anywhere) for line in plan.read_text().splitlines())
    return [
        record for record in records if record["record"] not in ("picture", "end") and record.get("kind") != "directory"
    ]


def anywhere(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name not in OF_A_STORE}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    cwd, ledger = tmp_path_factory.mktemp("original"), Ledger()
    root, pruned = cwd / "registry", cwd / "pruned"
    with session(root, ledger) as to:
        push_everything(to)
    shutil.copytree(root, pruned)
    with Registry(root, readonly=True) as readonly:
        options = (*RULES, "-o", "the.plan", "--registry", readonly.url, "--yes")
        done = regsweep("prune", pruned, *options, cwd=cwd)
    assert (done.code, done.err) == (0, "")
    return Original(root=root, ledger=ledger, pruned=pruned, plan=cwd / "the.plan")


@pytest.fixture(scope="module", params=[(name, way) for name in SERVERS for way in ("config", "url")], ids="-by-".join)
def pruned(
    request: pytest.FixtureRequest, original: Original, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pruned]:
    name, by = request.param
    cwd = tmp_path_factory.mktemp("pruned")
    with SERVERS[name](tmp_path_factory.mktemp(name)) as copy:
        copy.fill(original.files())
        way = copy.ways[by]
        with Registry(original.root, readonly=True) as readonly:
            planned = way.run("plan", *RULES, "-o", "the.plan", "--inventory", "the.db", cwd=cwd)
            done = way.run("apply", "the.plan", "--registry", readonly.url, cwd=cwd)
            again = way.run("prune", *RULES, "--registry", readonly.url, "--yes", cwd=cwd)
        with Registry(copy.copied_back(tmp_path_factory.mktemp("back"))) as registry:
            yield Pruned(
                cwd=cwd, way=way, planned=planned, done=done, again=again, after=copy.keys(), registry=registry
            )


def test_what_is_left_is_what_the_books_say(pruned: Pruned, original: Original) -> None:
    assert (pruned.planned.code, pruned.planned.err) == (0, "")
    assert (pruned.done.code, pruned.done.err) == (0, "")
    assert pruned.after == original.ledger.keys() - condemned_keys(original.outcome)


def test_the_same_is_left_as_on_a_filesystem(pruned: Pruned, original: Original) -> None:
    assert pruned.after == files(original.pruned)


def test_the_plan_is_the_same_as_on_a_filesystem(pruned: Pruned, original: Original) -> None:
    there, here = decisions(pruned.cwd / "the.plan"), decisions(original.plan)
    assert {record["record"] for record in here} == {"plan", "repository", "delete"}
    assert [pair for pair in zip(there, here, strict=True) if pair[0] != pair[1]] == []


def test_no_secret_is_told_or_written(pruned: Pruned) -> None:
    said = "".join(run.out + run.err for run in (pruned.planned, pruned.done, pruned.again))
    folders = (pruned.cwd, pruned.cwd.with_name(f"{pruned.cwd.name}.cache"))
    written = {path.name: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    assert pruned.way.url in said
    assert {"the.plan", "the.plan.journal", "the.db"} < set(written)
    assert pruned.way.telltale not in said
    assert [name for name, content in written.items() if pruned.way.telltale.encode() in content] == []


def test_a_second_prune_finds_nothing_to_do(pruned: Pruned) -> None:
    assert (pruned.again.code, pruned.again.err) == (0, "")
    assert pruned.again.out.endswith("\nNothing to delete.\n")


def test_every_image_that_should_live_can_be_pulled(pruned: Pruned, original: Original, tmp_path: Path) -> None:
    live = original.outcome.live
    assert {"team/app:latest", "team/app/plugin:v1", "multi:stable", "docker:v1", "mounted:v1"} < set(live)
    pullable = [name for name in live if not name.startswith(NOT_BY_SKOPEO)]
    problems = [pull(pruned.registry.address, name, tmp_path / str(n)) for n, name in enumerate(pullable)]
    assert problems == [None] * len(pullable)
    assert [problem for name in live for problem in serves(pruned.registry.url, *split(name))] == []


def test_every_image_that_should_not_live_is_unknown(pruned: Pruned, original: Original, tmp_path: Path) -> None:
    outcome = original.outcome
    dead = [*outcome.condemned_tags, *outcome.condemned_revisions, *sorted(original.ledger.deleted)]
    assert f"team/app@{OLD.digest}" in dead
    errors = [pull(pruned.registry.address, name, tmp_path / str(n)) or "it was pulled" for n, name in enumerate(dead)]
    assert [error for error in errors if "manifest unknown" not in error] == []
