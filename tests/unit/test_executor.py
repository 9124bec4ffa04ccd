from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.images import image, index
from regsweep.apply.journal import Journal
from regsweep.apply.stop import StopRequest
from regsweep.errors import LockedError, ReadOnlyError, RefusedError, StoppedError
from regsweep.plan.file import Plan
from regsweep.storage.ports import Held, Outcome, Result, Scope, Target
from tests.trees import Tree, slashed
from tests.unit.executor_scene import ORDER, Scene
from tests.unit.memory import MemoryStore, Thing, moment, plan_of

NEW = "sha256:" + "0e" * 32


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryStore, Plan]:
    folder = tmp_path_factory.mktemp("executor")
    tree = Tree(folder / "tree")
    tree.push(image(b"shared", b"kept"), "a", "v1")
    for name in ("b", "b/c"):
        old = tree.push(index(image(b"shared", name.encode()), image(b"more", name.encode())), name)
        tree.tag_entry(name, "v1", old)
        tree.tag(name, "dangling", NEW)
        signature = tree.blob(b"signature")
        revision = f"repositories/{name}/_manifests/revisions/{slashed(old)}"
        tree.put(f"{revision}/signatures/{slashed(signature)}/link", signature.encode())
        tree.upload(name, "1a2b")
    (tree.base / "repositories/b/_empty").mkdir()
    tree.blob(b"orphan")
    store = MemoryStore.of(tree)
    return store, plan_of(store, folder / "a.plan")


@pytest.fixture
def scene(made: tuple[MemoryStore, Plan], tmp_path: Path) -> Scene:
    store, plan = made
    return Scene(MemoryStore(things=dict(store.things)), plan, tmp_path / "a.journal")


def test_a_run_deletes_what_the_plan_lists_and_nothing_else(scene: Scene) -> None:
    before = set(scene.store.things)
    scene.run()
    assert before - set(scene.store.things) == set(scene.listed())
    assert set(scene.store.deleted()) == set(scene.listed())
    assert scene.is_done()


def test_each_kind_goes_after_those_that_lead_to_it(scene: Scene) -> None:
    scene.run()
    kinds = {deletion.key: deletion.kind for deletion in scene.plan.deletions()}
    order = [kinds[key] for key in scene.store.deleted()]
    assert order == sorted(order, key=ORDER.index)
    assert set(order) == set(ORDER) - {"directory"}


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_no_batch_is_larger_than_the_store_takes_or_mixes_kinds(scene: Scene, batch: int) -> None:
    scene.run(batch=batch)
    kinds = {deletion.key: deletion.kind for deletion in scene.plan.deletions()}
    batches = scene.batches()
    assert max(map(len, batches)) <= batch
    assert all(len({kinds[key] for key in keys}) == 1 for keys in batches)
    assert scene.store.deleted() == scene.listed()


def test_targets_are_as_they_were_when_the_plan_was_made(scene: Scene) -> None:
    before = dict(scene.store.things)
    seen: list[Target] = []

    class Watching(MemoryStore):
        def _delete(self, target: Target) -> Outcome:
            seen.append(target)
            return super()._delete(target)

    scene.store = Watching(things=scene.store.things)
    scene.run()
    assert seen == [
        Target(key=key, size=len(before[key].content), modified=before[key].modified) for key in scene.listed()
    ]


def test_directories_go_last_the_deepest_first_and_never_the_branches_themselves(scene: Scene) -> None:
    scene.run()
    assert scene.store.called("delete", "remove_directories")[-1] == "remove_directories"
    ((_, *removed),) = [call for call in scene.store.calls if call[0] == "remove_directories"]
    depths = [key.count("/") for key in removed]
    assert depths == sorted(depths, reverse=True)
    assert min(depths) == 1
    assert {"repositories/b", "repositories/b/c", "repositories/b/_empty", "repositories/b/_layers/sha256"} <= {
        *removed
    }
    assert not {"repositories", "blobs", ""} & {*removed}


def test_directories_are_asked_for_only_where_something_was_deleted(scene: Scene) -> None:
    scene.run()
    ((_, *removed),) = [call for call in scene.store.calls if call[0] == "remove_directories"]
    listed = [deletion.key for deletion in scene.plan.deletions()]
    assert all(any(key.startswith(f"{folder}/") for key in listed) for folder in removed)


def test_guard_and_lock_are_asked_before_every_batch(scene: Scene) -> None:
    scene.run(batch=2)
    calls = scene.store.called("proof", "read_lock", "delete", "remove_directories")
    deletions = [at for at, name in enumerate(calls) if name in ("delete", "remove_directories")]
    assert len(deletions) > 20
    for at in deletions:
        assert calls[at - 2 : at] == ["read_lock", "proof"]


def test_the_guard_is_asked_and_the_storage_shown_to_be_writable_before_it_is_locked(scene: Scene) -> None:
    scene.run()
    assert scene.store.called("proof", "prepare", "create_lock", "list", "delete")[:4] == [
        "proof",
        "prepare",
        "create_lock",
        "list",
    ]
    assert scene.store.calls[-1] == ("remove_lock",)


def test_links_are_listed_again_before_links_go_and_before_blobs_go(scene: Scene) -> None:
    scene.run(batch=1000)
    calls = [
        name if name == "list" else str(keys[0]).split("/")[0]
        for name, *keys in scene.store.calls
        if name in ("list", "delete")
    ]
    assert calls == ["list", *["repositories"] * 6, "list", "blobs"]
    assert {call[1:] for call in scene.store.calls if call[0] == "list"} == {(str(Scope.LINKS),)}


def test_nothing_is_deleted_or_locked_where_the_guard_refuses(scene: Scene) -> None:
    before = dict(scene.store.things)
    with pytest.raises(RefusedError, match="writable"):
        scene.run(holds=0)
    assert scene.store.called("create_lock", "delete") == []
    assert scene.store.things == before
    assert scene.journal.read_bytes() == b""


@pytest.mark.parametrize("batches", [0, 1, 5, 12])
def test_a_registry_that_turns_writable_stops_the_run_at_the_next_batch(scene: Scene, batches: int) -> None:
    error = scene.stopped("it is writable", holds=1 + batches)
    assert error.hint == "make it read-only; then run the same command again to resume"
    assert len(scene.batches()) == batches
    assert scene.resume_at == len(scene.store.deleted())


def test_a_lock_that_was_taken_away_stops_the_run_at_the_next_batch(scene: Scene) -> None:
    theirs = Held(content=b"theirs", token=99)

    def take(_: list[str]) -> None:
        scene.store.lock = theirs

    scene.store.before_delete = take
    with pytest.raises(StoppedError, match="taken away"):
        scene.run()
    assert len(scene.batches()) == 1
    assert scene.store.lock is theirs


def test_a_locked_storage_is_refused(scene: Scene) -> None:
    scene.store.lock = Held(content=b"", token=99)
    with pytest.raises(LockedError):
        scene.run()
    assert scene.store.deleted() == []
    assert not scene.is_done()
    scene.run(break_lock=True)
    assert scene.is_done()


def test_a_storage_that_cannot_be_written_is_refused_before_anything_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only() -> None:
        raise ReadOnlyError("read-only", key="")

    monkeypatch.setattr(scene.store, "prepare", read_only)
    with pytest.raises(ReadOnlyError):
        scene.run()
    assert scene.store.called("create_lock", "list", "delete") == []


def test_a_storage_that_changed_since_the_plan_is_refused_whole(scene: Scene) -> None:
    scene.store.things[f"repositories/a/_layers/{slashed(NEW)}/link"] = Thing(NEW.encode(), moment(0))
    with pytest.raises(RefusedError, match="has changed"):
        scene.run()
    assert scene.store.deleted() == []
    assert scene.store.lock is None
    assert scene.journal.read_bytes() == b""


def test_a_link_that_came_while_links_went_saves_the_blobs(scene: Scene) -> None:
    def push(_: list[str]) -> None:
        scene.store.things[f"repositories/a/_layers/{slashed(NEW)}/link"] = Thing(NEW.encode(), moment(0))

    scene.store.before_delete = push
    scene.stopped("has changed")
    assert scene.store.deleted() == [key for key in scene.listed() if not key.startswith("blobs/")]
    assert not scene.is_done()


def test_a_resumed_run_that_finds_the_storage_changed_says_that_it_stopped(scene: Scene) -> None:
    scene.stopped("writable", holds=3)
    scene.store.things[f"repositories/a/_layers/{slashed(NEW)}/link"] = Thing(NEW.encode(), moment(0))
    scene.stopped("has changed")
    assert scene.store.deleted() == []


TROUBLES = [Outcome(Result.FAILED, "permission denied"), Outcome(Result.CHANGED, "changed since it was listed")]


@pytest.mark.parametrize("kind", ORDER[:-1])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_cannot_be_deleted_stops_the_run_and_is_in_the_journal(scene: Scene, kind: str, trouble: Outcome) -> None:
    key = scene.listed(kind)[0]
    scene.store.outcomes[key] = trouble
    scene.stopped(trouble.error)
    assert key in scene.batches()[-1]
    assert f'"key":"{key}","result":"{trouble.result}","error":"{trouble.error}"' in scene.journal.read_text()
    assert scene.resume_at <= scene.listed().index(key)
    scene.store.outcomes.clear()
    scene.run()
    assert scene.is_done()
    assert not set(scene.listed()) & set(scene.store.things)


def test_several_troubles_of_a_batch_are_counted(scene: Scene) -> None:
    for key in scene.listed("blob"):
        scene.store.outcomes[key] = TROUBLES[0]
    scene.stopped("permission denied, and 2 more")


def test_a_directory_that_cannot_be_removed_stops_the_run_and_one_that_is_not_empty_does_not(scene: Scene) -> None:
    scene.store.outcomes["repositories/b"] = Outcome(Result.FAILED, "denied there")
    scene.stopped("denied there")
    assert '"key":"repositories/b","result":"failed"' in scene.journal.read_text()
    assert not scene.is_done()
    scene.store.outcomes = {
        "repositories/b": Outcome(Result.CHANGED, "not empty"),
        "repositories/b/c": Outcome(Result.DELETED),
    }
    scene.run()
    with Journal(scene.journal, scene.plan.identity) as journal:
        assert (journal.directories, journal.done is not None) == (1, True)


def test_a_run_resumes_where_the_last_one_ended(scene: Scene) -> None:
    scene.stopped("writable", holds=4)
    first = scene.store.deleted()
    scene.run()
    assert first + scene.store.deleted() == scene.listed()
    assert scene.is_done()


def test_a_run_may_be_cut_off_before_any_batch_and_after_each(scene: Scene) -> None:
    deleted: list[str] = []
    runs = 0
    while not scene.is_done():
        runs += 1
        assert runs < 100
        try:
            scene.run(holds=2, batch=4)
        except StoppedError:
            assert len(scene.batches()) == 1
        deleted += scene.store.deleted()
    assert deleted == scene.listed()
    assert runs > 10


def test_a_batch_that_is_not_in_the_journal_is_done_again_and_counts_as_gone(scene: Scene) -> None:
    scene.stopped("writable", holds=3)
    lines = scene.journal.read_bytes().splitlines(keepends=True)
    scene.journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    again = scene.listed()[scene.resume_at :]
    scene.run()
    assert scene.store.deleted() == again
    with Journal(scene.journal, scene.plan.identity) as journal:
        assert journal.absent == 3
        assert journal.deleted + journal.absent == len(scene.listed())


def test_a_resumed_run_tries_the_directories_of_earlier_runs_too(scene: Scene) -> None:
    scene.stopped("writable", holds=8)
    scene.run()
    ((_, *removed),) = [call for call in scene.store.calls if call[0] == "remove_directories"]
    assert {"repositories/b/_manifests/tags/dangling", "repositories/b/c"} <= set(removed)


def test_a_run_whose_deletions_are_all_done_deletes_nothing_more(scene: Scene) -> None:
    scene.store.outcomes["repositories/b"] = TROUBLES[0]
    scene.stopped("permission denied")
    scene.store.outcomes.clear()
    scene.run()
    assert scene.store.deleted() == []
    assert scene.is_done()


def interrupt(stop: StopRequest) -> None:
    stop._handle(2, None)  # noqa: SLF001 - what a signal's arrival calls


def test_a_request_to_stop_waits_for_the_batch_in_hand(scene: Scene) -> None:
    scene.store.before_delete = lambda _: interrupt(scene.stop)
    scene.stopped("on request")
    assert scene.store.deleted() == scene.listed()[: len(scene.store.deleted())]
    assert scene.resume_at == len(scene.store.deleted()) > 0
    assert not set(scene.store.deleted()) & set(scene.store.things)


def test_a_second_request_to_stop_does_not_wait_and_the_next_run_does_the_batch_again(scene: Scene) -> None:
    def twice(_: list[str]) -> None:
        interrupt(scene.stop)
        interrupt(scene.stop)

    scene.store.before_delete = twice
    with pytest.raises(KeyboardInterrupt):
        scene.run()
    assert scene.store.lock is None
    assert scene.resume_at == 0
    scene.store.before_delete = None
    scene.stop = StopRequest(lambda _: None)
    scene.run()
    assert scene.is_done()


class Counting:
    """A `Progress` that adds up what each stage is told."""

    def __init__(self) -> None:
        self.stages: list[list[object]] = []
        self._done = 0
        self._bytes = 0

    @contextmanager
    def stage(self, name: str, *, unit: str, total: int | None = None) -> Iterator["Counting"]:
        """See `Progress.stage`. No stage of a run stands inside another but in that of the deletions."""
        before, self._done, self._bytes = (self._done, self._bytes), 0, 0
        yield self
        self.stages.append([name, unit, total, self._done, self._bytes])
        self._done, self._bytes = before

    def advance(self, done: int, *, size: int = 0) -> None:
        """See `Bar.advance`."""
        self._done += done
        self._bytes += size


def test_progress_counts_every_deletion_once_also_those_of_earlier_runs(scene: Scene) -> None:
    scene.stopped("writable", holds=4)
    counting = Counting()
    scene.progress = counting
    scene.run()
    size = sum(deletion.bytes for deletion in scene.plan.deletions())
    assert counting.stages[-1] == ["deleting", "keys", scene.plan.length, scene.plan.length, size]
