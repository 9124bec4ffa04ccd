import json
from collections.abc import Callable
from typing import Final

from hypothesis import HealthCheck, Phase, event, given, note, settings
from hypothesis import strategies as st

from regsweep.plan.options import Options, Untagged
from tests.properties.applying import apply, cut_off, empty_directories, everything, left
from tests.properties.books import Files, take_apart
from tests.properties.collecting import CHOICES, condemned, planned, written
from tests.properties.documents import Made
from tests.properties.oracle import must_go, subject_of
from tests.properties.registries import NOW, registries
from tests.properties.serving import dangling, pulls
from tests.properties.shelf import YOUNG, Shelf
from tests.trees import slashed

# Each example takes a database and files of its own: too long for Hypothesis to shrink it, hence `fewest`.
UNHURRIED: Final = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

MINUS_M: Final = Options(untagged=Untagged.DELETE)


def oracle(files: Files, options: Options) -> set[str]:
    return must_go(files, NOW, untagged=options.untagged, min_age=options.min_age, upload_age=options.upload_age)


def assert_safe(files: Files, gone: set[str], options: Options) -> None:
    """Nothing that can still be pulled may have lost a part, and what is kept for certain must still be there."""
    before, after = pulls(files), pulls({key: file for key, file in files.items() if key not in gone})
    assert after == {name: before[name] for name in after}
    certain = {name for name in before if options.untagged is Untagged.KEEP or not _may_go(name)}
    assert certain <= after.keys()


def _may_go(name: str) -> bool:
    return "@" in name or subject_of(name.partition(":")[2]) is not None


def tell(files: Files, gone: set[str]) -> None:
    """Note what an example has, for `--hypothesis-show-statistics`."""
    for kind in ("current", "index", "revisions", "signatures", "_layers", "_uploads", "blobs"):
        for word, keys in (("goes", gone), ("stays", files.keys() - gone)):
            if any(kind in key.split("/") for key in keys):
                event(f"{kind} {word}")
    books = take_apart(files)
    event("damaged links" if books.damaged else "no damaged links")


def fewest(files: Files, fail: Callable[[Files], bool]) -> Files:
    """Leave out what is not needed for a failure."""
    for key in sorted(files):
        fewer = {other: file for other, file in files.items() if other != key}
        files = fewer if fail(fewer) else files
    return files


@settings(UNHURRIED, max_examples=100)
@given(registries(), CHOICES)
def test_what_is_condemned_is_what_must_go(files: Files, options: Options) -> None:
    gone = condemned(files, options)
    tell(files, gone)
    if gone != oracle(files, options):
        files = fewest(files, lambda some: condemned(some, options) != oracle(some, options))
        note("\n".join(f"{key} {file}" for key, file in sorted(files.items())))
        gone = condemned(files, options)
    assert gone == oracle(files, options)


@settings(UNHURRIED, max_examples=40)
@given(registries(), CHOICES)
def test_nothing_that_can_be_pulled_afterwards_has_lost_a_part(files: Files, options: Options) -> None:
    assert_safe(files, condemned(files, options), options)


@settings(UNHURRIED, max_examples=200)
@given(registries(), CHOICES)
def test_nor_would_it_by_what_the_oracle_says(files: Files, options: Options) -> None:
    assert_safe(files, oracle(files, options), options)


@settings(UNHURRIED, max_examples=20)
@given(registries(), CHOICES, st.integers(1, 3), st.data())
def test_a_run_cut_off_anywhere_and_resumed_ends_as_one_that_was_not(
    files: Files, options: Options, batch: int, data: st.DataObject
) -> None:
    with written(files) as whole, written(files) as cut:
        plan = planned(whole, options, whole.with_name("the.plan"))
        keys = {deletion.key for deletion in plan.deletions()}
        apply(plan, whole)
        for _ in range(data.draw(st.integers(1, 2))):
            cut_off(plan, cut, batch=batch, deletions=data.draw(st.integers(0, len(keys) + 3)))
            there = left(files, cut)
            assert files.keys() - there.keys() <= keys
            assert not dangling(there, files)
        apply(plan, cut, batch=batch)
        assert left(files, cut).keys() == files.keys() - keys
        assert everything(cut) == everything(whole)


@settings(UNHURRIED, max_examples=20)
@given(registries(), CHOICES)
def test_after_a_run_there_is_nothing_left_to_plan(files: Files, options: Options) -> None:
    with written(files) as root:
        apply(planned(root, options, root.with_name("first.plan")), root)
        assert not empty_directories(root)
        again = planned(root, options, root.with_name("second.plan"))
        assert [deletion.key for deletion in again.deletions()] == []


def test_a_tag_may_be_named_as_a_directory_of_the_registrys_own() -> None:
    shelf = Shelf()
    for tag in ("_layers", "_manifests", "_uploads", "current", "index"):
        shelf.push("app", Made(json.dumps({"tag": tag}).encode()), tag)
    assert condemned(shelf.files, MINUS_M) == set()


def test_a_young_signature_keeps_its_blob() -> None:
    shelf = Shelf()
    shelf.signature("app", f"sha256:{'0' * 64}", shelf.blob(b"a signature"), YOUNG)
    assert condemned(shelf.files, MINUS_M) == set()


def test_a_push_to_a_tag_that_is_under_way_keeps_what_the_tag_still_stands_at() -> None:
    shelf = Shelf()
    image = Made(json.dumps({"layers": [{"digest": shelf.blob(b"layer")}]}).encode(), (b"layer",))
    # Nothing has this digest, so that nothing but the push keeps the tag.
    shelf.push("app", image, f"sha256-{'0' * 64}.sig")
    shelf.entry("app", f"sha256-{'0' * 64}.sig", f"sha256:{'1' * 64}", YOUNG)
    assert condemned(shelf.files, MINUS_M) == set()


def test_a_push_under_way_keeps_the_blob_that_its_tag_stands_at_without_a_revision() -> None:
    shelf = Shelf()
    shelf.current("app", "v1", shelf.blob(b'{"layers":[]}'))
    shelf.entry("app", "v1", f"sha256:{'1' * 64}", YOUNG)
    assert condemned(shelf.files, MINUS_M) == set()


def test_a_tag_of_a_frozen_repository_is_a_root_whatever_it_is_about() -> None:
    shelf = Shelf()
    layer = shelf.blob(b"nothing links to this layer")
    image = Made(json.dumps({"layers": [{"digest": layer}]}).encode())
    # As old registries serve it: linked as a layer alone.
    shelf.layer("app", shelf.blob(image.content))
    shelf.current("app", f"sha256-{'0' * 64}.sig", image.digest)
    shelf.put(f"repositories/app/_layers/sha256/{'1' * 64}/link", "")
    assert condemned(shelf.files, MINUS_M) == set()


def test_what_an_unknown_manifest_leads_to_does_not_depend_on_who_else_knows_it() -> None:
    shelf = Shelf()
    image = Made(b'{"layers":[]}')
    shelf.push("app", image)
    index = Made(json.dumps({"manifests": [{"digest": image.digest}]}).encode())
    shelf.layer("app", shelf.blob(index.content))
    shelf.push("app", Made(json.dumps({"mediaType": "unknown", "next": {"digest": index.digest}}).encode()), "v1")
    assert condemned(shelf.files, MINUS_M) == set()
    # In another repository the index is a revision, which goes.
    shelf.revision("other", index.digest)
    assert condemned(shelf.files, MINUS_M) == {f"repositories/other/_manifests/revisions/{slashed(index.digest)}/link"}


def test_what_is_kept_of_a_repository_does_not_depend_on_what_goes_from_another() -> None:
    shelf = Shelf()
    image = Made(b'{"layers":[]}')
    signature = Made(json.dumps({"layers": [], "subject": {"digest": image.digest}}).encode())
    shelf.push("app", image, "v1")
    shelf.push("other", signature)
    # As a layer alone it refers to nothing: nobody says that it is a manifest but the other repository's revision.
    shelf.layer("app", signature.digest)
    gone = condemned(shelf.files, MINUS_M)
    assert condemned({key: file for key, file in shelf.files.items() if key not in gone}, MINUS_M) == set()
