"""What goes with what a user names: tags, manifests, repositories."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.images import artifact, image, index
from regsweep.errors import MalformedError, RefusedError, UsageError
from regsweep.inventory.database import Inventory, Parameters
from regsweep.plan.kinds import DIRECTORY, Reason
from regsweep.plan.options import Options, Untagged
from regsweep.registry.digest import Digest
from regsweep.registry.layout import Kind
from regsweep.retention.names import Name, parse_name
from regsweep.storage.ports import Outcome, Target
from tests.trees import blob_key, revision_key
from tests.unit.executor_scene import Scene
from tests.unit.memory import MemoryStore, plan_of
from tests.unit.ruled import (
    GONE,
    Decision,
    Shelf,
    by_name,
    by_rules,
    decision,
    entry_key,
    removing,
    tag_key,
)

YOUNG = timedelta(hours=1)
ONE = image(b"one")
TWO = image(b"two")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def below(shelf: Shelf, *repositories: str) -> set[str]:
    """Every key of some repositories, those below them left out."""
    own = ("_manifests", "_layers", "_uploads")
    return {
        key
        for key in shelf.keys
        for repository in repositories
        if key.startswith(tuple(f"repositories/{repository}/{folder}/" for folder in own))
    }


def links(found: Decision) -> set[str]:
    """All that goes but blobs."""
    return {one.key for one in found.deletions if one.kind != Kind.BLOB}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app", Name(repository="app")),
        ("team/app:v1", Name(repository="team/app", tag="v1")),
        (f"team/app@{GONE}", Name(repository="team/app", digest=Digest.parse(GONE))),
        ("team/*", Name(repository="team/*")),
        ("{a,b}/**:v1", Name(repository="{a,b}/**", tag="v1")),
        ("Old/Name", Name(repository="Old/Name")),
    ],
)
def test_a_name_is_a_repository_a_tag_or_a_digest(text: str, name: Name) -> None:
    assert parse_name(text) == name
    assert str(name) == text
    assert name.whole is not any(sign in text for sign in ":@")


@pytest.mark.parametrize(
    "text",
    [
        *("", ":v1", "app:", "app:v 1", "app@", "app@sha256:abc", f"@{GONE}", f"app@{GONE}x", "app@v1"),
        *("localhost:5000/app", "localhost:5000/app:v1", f"app:v1@{GONE}", "/app", "app/", "a//b", "../app", "app\x1b"),
        *("docker://app", "_uploads", "app/_layers", "app:" + "x" * 129, "app:.v1", f"app@{GONE.upper()}"),
    ],
)
def test_what_no_registry_takes_for_a_name_is_refused_in_one_printable_line(text: str) -> None:
    with pytest.raises((UsageError, MalformedError)) as caught:
        parse_name(text)
    assert isinstance(caught.value, UsageError)
    assert caught.value.message.isprintable()
    assert "write REPO" in caught.value.hint


def test_a_tag_leaves_the_others_of_its_digest_alone(shelf: Shelf) -> None:
    one = shelf.push(ONE, "app:v1")
    shelf.tag("app:latest", one)
    found = by_name(shelf, "app:v1")
    assert found.keys == {tag_key("app:v1"), entry_key("app", "v1", one)}
    assert {deletion.reason for deletion in found.of(Kind.TAG)} == {Reason.REMOVED}


@pytest.mark.parametrize("untagged", Untagged)
def test_a_manifest_goes_with_its_last_tag_and_what_was_untagged_before_only_if_told(
    shelf: Shelf, untagged: Untagged
) -> None:
    shelf.push(ONE, "app:v1")
    earlier = shelf.push(image(b"earlier"), "app")
    shelf.entry("app", "v1", earlier)
    shelf.push(TWO, "app:v2")
    found = by_name(shelf, "app:v1", untagged=untagged)
    assert found.tags == {"app:v1"}
    gone = {ONE.digest, *([earlier] if untagged is Untagged.DELETE else [])}
    assert found.revisions == {f"app@{digest}" for digest in gone}
    assert {one.key for one in found.of(Kind.TAG_ENTRY)} == {
        entry_key("app", "v1", ONE.digest),
        entry_key("app", "v1", earlier),
    }
    assert found.blobs >= gone


def test_a_tag_and_a_policy_that_lets_it_go_take_the_same_keys(shelf: Shelf) -> None:
    child = image(b"child")
    shelf.push(index(child, image(b"another")), "app:v1")
    shelf.push(index(child), "app:v2")
    shelf.push(artifact(b"sbom", kind="application/x", subject=child), "app")
    shelf.entry("app", "v1", shelf.push(image(b"earlier"), "app"))
    for untagged in Untagged:
        named = by_name(shelf, "app:v1", untagged=untagged)
        ruled = by_rules(shelf, "- {repositories: [app], keepTags: [{patterns: [v2]}]}", untagged=untagged)
        assert named.keys == ruled.keys
        assert named.revisions >= {f"app@{image(b'another').digest}"}


def test_a_young_tag_that_is_named_goes_and_its_blobs_stay_until_later(shelf: Shelf) -> None:
    shelf.push(TWO, "app:v2")
    shelf.push(ONE, "app:v1", ago=YOUNG)
    shelf.revision("app", ONE.digest, ago=YOUNG)
    for key in (blob_key(ONE.digest), *(blob_key(blob.digest) for blob in ONE.blobs)):
        shelf.put(key, shelf.store.things[key].content, ago=YOUNG)
    found = by_name(shelf, "app:v1")
    assert found.keys == {
        tag_key("app:v1"),
        entry_key("app", "v1", ONE.digest),
        revision_key("app", ONE.digest),
    }
    later = decision(carried_out(shelf, found), Options(min_age=timedelta()))
    assert later.blobs == {ONE.digest, *(blob.digest for blob in ONE.blobs)}
    assert {blob_key(digest) for digest in later.blobs if digest} < later.keys


def test_a_tag_that_leads_nowhere_can_be_named(shelf: Shelf) -> None:
    shelf.push(TWO, "app:v2")
    shelf.tag("app:dangling", GONE, ago=YOUNG)
    assert by_name(shelf, "app:dangling").keys == {tag_key("app:dangling"), entry_key("app", "dangling", GONE)}


def test_an_image_that_a_kept_index_has_stays_with_it_when_its_tag_goes(shelf: Shelf) -> None:
    shelf.push(index(ONE), "app:multi")
    shelf.tag("app:v1", ONE.digest)
    assert by_name(shelf, "app:v1").keys == {tag_key("app:v1"), entry_key("app", "v1", ONE.digest)}


def test_an_index_takes_its_images_along(shelf: Shelf) -> None:
    multi = index(ONE, TWO)
    shelf.push(multi, "app:multi")
    shelf.tag("app:two", TWO.digest)
    found = by_name(shelf, f"app@{multi.digest}")
    assert found.tags == {"app:multi"}
    assert found.revisions == {f"app@{multi.digest}", f"app@{ONE.digest}"}


def test_a_digest_takes_its_tags_along_and_the_plan_says_which(shelf: Shelf) -> None:
    one = shelf.push(ONE, "app:v1")
    shelf.tag("app:latest", one)
    shelf.push(ONE, "other:v1")
    shelf.push(TWO, "app:v2")
    found = by_name(shelf, f"app@{one}")
    assert found.tags == {"app:v1", "app:latest"}
    assert found.findings == (
        ("tag-goes-along", "app", "app:latest"),
        ("tag-goes-along", "app", "app:v1"),
    )
    assert {(deletion.key, deletion.reason) for deletion in found.of(Kind.REVISION)} == {
        (revision_key("app", one), Reason.REMOVED)
    }
    assert found.blobs == set()


def test_a_digest_without_tags_can_be_named_and_goes_whatever_its_age(shelf: Shelf) -> None:
    shelf.push(TWO, "app:v2")
    one = shelf.push(ONE, "app")
    shelf.revision("app", one, ago=YOUNG)
    found = by_name(shelf, f"app@{one}")
    assert found.revisions == {f"app@{one}"}
    assert found.findings == ()


@pytest.mark.parametrize("tag", [":multi", ""])
def test_a_digest_that_a_kept_index_needs_is_refused_by_name_unless_forced(shelf: Shelf, tag: str) -> None:
    multi = index(ONE, TWO)
    shelf.push(multi, f"app{tag}")
    shelf.push(index(multi), "app:nested")
    with pytest.raises(RefusedError) as caught:
        by_name(shelf, f"app@{ONE.digest}")
    which = f"the index {multi.digest}, which is tagged multi," if tag else f"the index {multi.digest}"
    assert caught.value.message == f"app@{ONE.digest}: {which} needs it and stays"
    assert "--force" in caught.value.hint
    found = by_name(shelf, f"app@{ONE.digest}", force=True)
    assert found.revisions == {f"app@{ONE.digest}"}
    assert found.tags == set()


def test_a_digest_goes_together_with_the_index_that_needs_it(shelf: Shelf) -> None:
    multi = index(ONE)
    shelf.push(multi, "app:multi")
    shelf.push(index(ONE), "other:multi")
    shelf.push(TWO, "app:v2")
    for index_s_name in (f"app@{multi.digest}", "app:multi"):
        found = by_name(shelf, f"app@{ONE.digest}", index_s_name)
        assert found.revisions == {f"app@{ONE.digest}", f"app@{multi.digest}"}


def test_a_repository_goes_whole_and_those_below_and_beside_it_stay(shelf: Shelf) -> None:
    shelf.push(ONE, "app:v1", ago=YOUNG)
    shelf.push(image(b"untagged"), "app")
    shelf.push(index(ONE, TWO), "app:multi")
    shelf.tag("app:dangling", GONE)
    shelf.tag("app:sha256-" + "0" * 64 + ".sig", shelf.push(artifact(b"s", kind="application/x"), "app"))
    shelf.upload("app", "1a2b", ago=YOUNG)
    shelf.layer_link("app", shelf.blob(b"lonely layer", ago=YOUNG), ago=YOUNG)
    mounted = shelf.blob(b"mounted just now")
    shelf.layer_link("app", mounted, ago=YOUNG)
    shelf.store.empty_directories = ["repositories/app/_uploads/", "repositories/app/sub/_uploads/"]
    for name in ("app/sub", "app/sub/deep", "app2", "ap"):
        shelf.push(ONE, f"{name}:v1")
    found = by_name(shelf, "app")
    assert links(found) == below(shelf, "app") | {"repositories/app/_uploads/"}
    assert {name for name, one in found.repositories.items() if one.gone} == {"app"}
    gone = {TWO.digest, image(b"untagged").digest}
    assert gone < found.blobs
    # A push under way elsewhere may have found the blob through the young link.
    assert found.blobs.isdisjoint({mounted, ONE.digest, *(blob.digest for blob in ONE.blobs)})


def test_a_repository_goes_when_it_is_young_and_its_young_blobs_later(shelf: Shelf) -> None:
    shelf.push(ONE, "app:v1", ago=YOUNG)
    for key in shelf.keys:
        shelf.put(key, shelf.store.things[key].content, ago=YOUNG)
    shelf.push(TWO, "other:v1")
    found = by_name(shelf, "app")
    assert found.keys == below(shelf, "app")
    assert found.repositories["app"].gone


def test_a_repository_of_which_only_traces_are_left_can_be_named(shelf: Shelf) -> None:
    shelf.push(TWO, "other:v1")
    shelf.entry("traces", "v1", GONE, ago=YOUNG)
    shelf.store.empty_directories = ["repositories/empty/_uploads/"]
    found = by_name(shelf, "traces", "empty")
    assert found.keys == {entry_key("traces", "v1", GONE), "repositories/empty/_uploads/"}
    assert {name for name, one in found.repositories.items() if one.gone} == {"traces", "empty"}


def test_globs_name_repositories_whole_or_in_part(shelf: Shelf) -> None:
    shelf.fill("team/a:v1", "team/b:v1", "team/b:v2", "team/b/c:v1", "team:v1", "other:v1")
    assert by_name(shelf, "team/*").tags == {"team/a:v1", "team/b:v1", "team/b:v2"}
    assert by_name(shelf, "team/**:v1").tags == {"team/a:v1", "team/b:v1", "team/b/c:v1", "team:v1"}
    assert by_name(shelf, "{team,other}").tags == {"team:v1", "other:v1"}
    # A glob's repositories need not all have the tag.
    assert by_name(shelf, "team/*:v2").tags == {"team/b:v2"}
    digest = image(b"team/b/c:v1").digest
    assert by_name(shelf, f"**@{digest}").revisions == {f"team/b/c@{digest}"}


def test_tags_that_match_go_and_not_the_repositories_that_are_named(shelf: Shelf) -> None:
    shelf.fill("team/a:v1", "team/a:dev-1", "team/b:dev-2", "team/b:v2", "other:dev-3", "other:v4")
    assert by_name(shelf, "team/*", matching=("^dev-",)).tags == {"team/a:dev-1", "team/b:dev-2"}
    assert by_name(shelf, "team/a", matching=("dev", "1$")).tags == {"team/a:dev-1", "team/a:v1"}
    both = by_name(shelf, "team/a", "other:v4", matching=("dev",))
    assert both.tags == {"team/a:dev-1", "other:v4"}


def test_tags_that_match_nowhere_are_an_error(shelf: Shelf) -> None:
    shelf.fill("app:v1")
    with pytest.raises(UsageError, match="no tag matches --tags-matching"):
        by_name(shelf, "app", matching=("^dev",))


def test_everything_that_does_not_exist_is_told_at_once(shelf: Shelf) -> None:
    shelf.fill("team/app:v1", "other:v1")
    names = ("team/ap", "team/app:v2", f"other@{GONE}", "nobody/*", "other:v1", "team/app")
    with pytest.raises(UsageError) as caught:
        by_name(shelf, *names)
    assert caught.value.message == (
        "not in the storage: team/ap (no such repository; there is team/app), "
        "team/app:v2 (no such tag; there is v1), "
        f"other@{GONE} (no such revision), nobody/* (no such repository)"
    )
    assert "nothing was removed" in caught.value.hint


def test_of_many_that_do_not_exist_some_are_told_and_the_rest_counted(shelf: Shelf) -> None:
    shelf.fill("app:latest")
    with pytest.raises(UsageError, match=r"app:0 \(no such tag\), .*app:4 \(no such tag\), and 35 more$"):
        by_name(shelf, *(f"app:{number}" for number in range(40)))


def test_near_names_are_told_of_a_tag_and_of_a_repository_three_at_most(shelf: Shelf) -> None:
    shelf.fill("app:latest", "app:v1", "other:latset", *(f"many:v{number}" for number in range(9)))
    shelf.fill("team/web:v1", "team/wep:v1", "team/wet:v1", "team/wer:v1")
    with pytest.raises(UsageError) as caught:
        by_name(shelf, "app:lates", "many:v", "app:rc", "*:latests", "team/we:v1")
    assert caught.value.message == (
        "not in the storage: app:lates (no such tag; there is latest), many:v (no such tag; there is v8, v7, v6), "
        "app:rc (no such tag), *:latests (no such tag), "
        "team/we (no such repository; there is team/wet, team/wer, team/wep)"
    )


def test_many_names_take_as_many_queries_as_two(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for method in ("execute", "batches"):
        _counted(monkeypatch, method, asked)
    counts = []
    tags = [f"app{number}:v{number}" for number in range(40)]
    shelf.fill(*tags, "app:stays")
    digests = [f"other@{shelf.push(image(b'%d' % number), 'other')}" for number in range(40)]
    whole = [f"app{number}" for number in range(40)]
    for names in (tags, digests, whole):
        for named in (names[:2], names):
            asked.clear()
            by_name(shelf, *named)
            counts.append(len(asked))
        assert counts[-1] == counts[-2]


def _counted(monkeypatch: pytest.MonkeyPatch, method: str, asked: list[str]) -> None:
    original = getattr(Inventory, method)

    def counted(self: Inventory, query: str, parameters: Parameters = ()) -> object:
        asked.append(query)
        return original(self, query, parameters)

    monkeypatch.setattr(Inventory, method, counted)


def test_a_digest_that_is_there_as_a_layer_alone_is_no_revision(shelf: Shelf) -> None:
    shelf.push(ONE, "app:v1")
    with pytest.raises(UsageError, match="no such revision"):
        by_name(shelf, f"app@{ONE.blobs[1].digest}")


@pytest.mark.parametrize("name", ["app:v1", "app", "ap?", f"app@{ONE.digest}", "app:nothing"])
def test_a_frozen_repository_is_refused(shelf: Shelf, name: str) -> None:
    shelf.push(ONE, "app:v1")
    shelf.fill("app/sub:v1", "other:v1")
    shelf.put(tag_key("app:damaged"), b"")
    with pytest.raises(RefusedError, match=r"^app: nothing is removed from it, .* the link is empty"):
        by_name(shelf, name)


def test_a_glob_leaves_a_frozen_repository_alone_and_says_so(shelf: Shelf) -> None:
    shelf.push(ONE, "app:v1")
    shelf.fill("app/sub:v1", "other:v1")
    shelf.put(tag_key("app:damaged"), b"")
    found = by_name(shelf, "**")
    assert found.tags == {"app/sub:v1", "other:v1"}
    assert ("left-alone", "app", None) in found.findings


def test_signatures_and_referrers_of_what_was_removed_go_only_with_untagged_delete(shelf: Shelf) -> None:
    shelf.push(ONE, "app:v1")
    shelf.push(TWO, "app:v2")
    signature = shelf.push(artifact(b"s", kind="application/x"), f"app:{ONE.digest.replace(':', '-')}.sig")
    sbom = shelf.push(artifact(b"sbom", kind="application/x", subject=ONE), "app")
    assert by_name(shelf, "app:v1").revisions == {f"app@{ONE.digest}"}
    found = by_name(shelf, "app:v1", untagged=Untagged.DELETE)
    assert found.revisions == {f"app@{digest}" for digest in (ONE.digest, signature, sbom)}


@pytest.mark.parametrize(
    "twice", [["app@{0}"] * 2, ["app", "app@{0}"], ["a*", "app"], ["app:v1", "app@{0}"], ["app:v1"] * 2]
)
def test_what_is_named_twice_goes_once(shelf: Shelf, twice: list[str]) -> None:
    shelf.push(ONE, "app:v1")
    shelf.push(TWO, "other:v1")
    found = by_name(shelf, *(name.format(ONE.digest) for name in twice))
    keys = [deletion.key for deletion in found.deletions]
    assert sorted(keys) == sorted(set(keys))
    assert found.revisions == {f"app@{ONE.digest}"}
    assert found.header.totals.condemned["revision"].count == 1
    assert len(set(found.findings)) == len(found.findings)


def test_without_collecting_only_what_was_named_goes_and_the_rest_later(shelf: Shelf) -> None:
    shelf.push(ONE, "app:v1")
    shelf.push(TWO, "app:v2")
    shelf.push(image(b"third"), "third:v1")
    orphan = shelf.blob(b"orphan")
    shelf.entry("app", "deleted", GONE)
    shelf.tag("third:dangling", GONE)
    shelf.upload("app", "1a2b")
    shelf.layer_link("third", shelf.blob(b"unneeded"))
    shelf.store.empty_directories = ["repositories/third/_layers/sha256/empty/", "repositories/app/_layers/sha256/x/"]
    found = by_name(shelf, "app:v1", collect=False)
    assert found.keys == {tag_key("app:v1"), entry_key("app", "v1", ONE.digest), revision_key("app", ONE.digest)}
    assert (by_name(shelf, "app:v1").keys - found.keys) == decision(carried_out(shelf, found), Options()).keys
    assert orphan in by_name(shelf, "app:v1").blobs


def test_a_repository_goes_whole_without_collecting_too_and_its_blobs_stay(shelf: Shelf) -> None:
    shelf.push(ONE, "app:v1")
    shelf.push(image(b"untagged"), "app")
    shelf.upload("app", "1a2b")
    shelf.layer_link("app", shelf.blob(b"lonely layer"))
    shelf.push(TWO, "other:v1")
    found = by_name(shelf, "app", collect=False)
    assert found.keys == below(shelf, "app")
    assert found.repositories["app"].gone
    later = decision(carried_out(shelf, found), Options())
    assert ONE.digest in later.blobs
    assert TWO.digest not in later.blobs


def test_a_run_that_is_cut_off_after_any_deletion_and_resumed_ends_as_one_that_was_not(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.push(index(ONE, TWO), "app:v1")
    shelf.push(ONE, "other:v1")
    shelf.upload("app", "1a2b")
    shelf.entry("app", "v1", shelf.push(image(b"earlier"), "app"))
    found = by_name(shelf, "app")
    doomed = [deletion for deletion in found.deletions if deletion.kind != DIRECTORY]
    plan = plan_of(shelf.store, tmp_path / "the.plan", removing("app"))
    for cut in range(1, len(doomed) + 1):
        store = Cut(things=dict(shelf.store.things), left=cut)
        scene = Scene(store, plan, tmp_path / f"{cut}.journal")
        with pytest.raises(CutOffError):
            scene.run(batch=1)
        assert len(store.things) == len(shelf.keys) - cut
        assert not dangling(store)
        scene.run(batch=1)
        assert set(store.things) == shelf.keys - found.keys
        assert scene.is_done()


class CutOffError(Exception):
    """The storage is gone."""


@dataclass
class Cut(MemoryStore):
    """A store that fails once, after so many deletions, and tells nobody of the last."""

    left: int = 0

    def _delete(self, target: Target) -> Outcome:
        outcome = super()._delete(target)
        self.left -= 1
        if not self.left:
            raise CutOffError
        return outcome


def dangling(store: MemoryStore) -> set[str]:
    """The links that lead to no blob."""
    links = {key: thing.content.decode() for key, thing in store.things.items() if key.endswith("/link")}
    return {key for key, digest in links.items() if blob_key(digest) not in store.things}


def carried_out(shelf: Shelf, found: Decision) -> Shelf:
    """The storage after all that was decided was done."""
    after = Shelf()
    after.store.things = {key: thing for key, thing in shelf.store.things.items() if key not in found.keys}
    after.store.empty_directories = [key for key in shelf.store.empty_directories if key not in found.keys]
    return after
