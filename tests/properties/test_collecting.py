import json
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, event, given, note, settings
from hypothesis import strategies as st

from regsweep.plan.options import Options, Untagged
from tests.properties.applying import apply, cut_off, empty_directories, everything, left
from tests.properties.books import File, Files, take_apart, understand
from tests.properties.collecting import CHOICES, condemned, planned, written
from tests.properties.documents import Made
from tests.properties.oracle import must_go, subject_of
from tests.properties.registries import NOW, registries
from tests.properties.serving import dangling, pulls
from tests.properties.shelf import OLD, YOUNG, Shelf
from tests.trees import blob_key, slashed

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
    certain = set(before)
    if options.untagged is Untagged.DELETE:
        certain = {name for name in before if "@" not in name} - _about_others(files)
    assert certain <= after.keys()


def _about_others(files: Files) -> set[str]:
    books = take_apart(files)
    contents = {digest: files[key].content for digest, key in books.blobs.items()}
    return {
        f"{link.repository}:{link.tag}"
        for link in books.tags
        if subject_of(link.tag, understand(contents.get(link.digest, b""), link.digest))
    }


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


@settings(UNHURRIED, max_examples=70)
@given(registries(), CHOICES)
def test_what_is_condemned_is_what_must_go(files: Files, options: Options) -> None:
    gone = condemned(files, options)
    tell(files, gone)
    if gone != oracle(files, options):
        files = fewest(files, lambda some: condemned(some, options) != oracle(some, options))
        note("\n".join(f"{key} {file}" for key, file in sorted(files.items())))
        gone = condemned(files, options)
    assert gone == oracle(files, options)


@settings(UNHURRIED, max_examples=30)
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


def test_a_tag_named_as_referrers_are_is_theirs_only_where_it_stands_at_an_index() -> None:
    shelf = Shelf()
    about = f"sha256-{'0' * 64}"  # Nothing has this digest.
    image = Made(json.dumps({"layers": [], "annotations": {"of": "someone's own"}}).encode())
    shelf.push("app", image, about)
    assert condemned(shelf.files, MINUS_M) == set()
    shelf.push("other", Made(b'{"manifests":[]}'), about)
    assert f"repositories/other/_manifests/tags/{about}/current/link" in condemned(shelf.files, MINUS_M)


@pytest.mark.parametrize("suffix", [".sig", ".att", ".sbom"])
def test_a_tag_named_as_cosigns_are_is_one_whatever_it_stands_at(suffix: str) -> None:
    shelf = Shelf()
    for name, made in (("app", Made(b'{"layers":[]}')), ("other", Made(b'{"manifests":[]}'))):
        shelf.push(name, made, f"sha256-{'0' * 64}{suffix}")
    assert condemned(shelf.files, MINUS_M) == shelf.files.keys()


def test_an_image_tagged_as_referrers_are_keeps_what_is_about_it() -> None:
    shelf = Shelf()
    image = Made(b'{"layers":[]}')
    shelf.push("app", image, f"sha256-{'0' * 64}")
    signature = Made(b'{"layers":[],"annotations":{}}')
    shelf.push("app", signature, f"{image.digest.replace(':', '-')}.sig")
    assert condemned(shelf.files, MINUS_M) == set()


def test_a_child_that_is_damaged_freezes_its_repository_also_where_it_is_linked_as_a_layer_alone() -> None:
    shelf = Shelf()
    image = Made(json.dumps({"layers": [{"digest": shelf.blob(b"layer")}]}).encode(), (b"layer",))
    shelf.push("app", Made(json.dumps({"manifests": [{"digest": image.digest}]}).encode()), "v1")
    shelf.layer("app", shelf.blob(image.content))
    shelf.layer("app", shelf.blob(b"layer"))
    assert condemned(shelf.files, MINUS_M) == set()
    shelf.files[blob_key(image.digest)] = File(image.content[:-1], OLD)
    shelf.blob(b"belongs to nobody")
    assert condemned(shelf.files, MINUS_M) == {blob_key(f"sha256:{sha256(b'belongs to nobody').hexdigest()}")}


def test_a_build_caches_layer_freezes_nothing_for_being_no_manifest() -> None:
    shelf = Shelf()
    layers = [b"no JSON", b"{}", b'{"layers":7}']
    described = [{"digest": shelf.blob(content)} for content in layers]
    shelf.push("app", Made(json.dumps({"manifests": described}).encode(), tuple(layers)), "v1")
    shelf.layer("app", shelf.blob(b"not needed"))
    assert len(condemned(shelf.files, MINUS_M)) == 2


def test_a_layer_of_another_repository_is_not_frozen_with_the_manifest_that_it_is_elsewhere() -> None:
    shelf = Shelf()
    shelf.revision("broken", shelf.blob(b"no manifest"))
    shelf.layer("app", shelf.blob(b"no manifest"))
    shelf.layer("app", shelf.blob(b"not needed"))
    assert len(condemned(shelf.files, MINUS_M)) == 3


def test_what_freezes_a_repository_does_not_depend_on_what_goes_from_another() -> None:
    shelf = Shelf()
    image = Made(b'{"layers":[]}')
    index = Made(json.dumps({"manifests": [{"digest": image.digest}]}).encode())
    shelf.revision("other", shelf.blob(index.content))
    shelf.files[blob_key(image.digest)] = File(b"damaged", OLD)
    # Nothing in this repository says that they are manifests.
    shelf.layer("app", index.digest)
    shelf.layer("app", image.digest)
    gone = condemned(shelf.files, MINUS_M)
    assert condemned({key: file for key, file in shelf.files.items() if key not in gone}, MINUS_M) == set()


def test_damage_below_two_indexes_that_only_layers_link_freezes_as_well() -> None:
    shelf = Shelf()
    image = Made(b'{"layers":[]}')
    inner = Made(json.dumps({"manifests": [{"digest": image.digest}]}).encode())
    outer = Made(json.dumps({"manifests": [{"digest": inner.digest}]}).encode())
    shelf.push("app", outer, "v1")
    shelf.layer("app", shelf.blob(inner.content))
    shelf.layer("app", image.digest)
    shelf.files[blob_key(image.digest)] = File(b"damaged", OLD)
    shelf.layer("app", shelf.blob(b"not needed"))
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
