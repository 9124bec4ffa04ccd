"""`regsweep ls` says of a tree what a real registry serves from it, and what skopeo says of its images."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.client import Client
from fixtures.images import DOCKER_LIST, OCI_INDEX, Manifest, image, index
from fixtures.ledger import Ledger
from fixtures.registry import Registry
from fixtures.small import unpack
from tests.command import regsweep
from tests.real.books import session, split
from tests.real.pushed import NOT_BY_SKOPEO, push_everything

pytestmark = pytest.mark.registry

INDEXES = {DOCKER_LIST, OCI_INDEX}
CREATED = ("2019-02-03T04:05:06Z", "2024-08-09T10:11:12Z")


def listed(root: Path, *arguments: str) -> dict[str, Any]:
    done = regsweep("ls", root, *arguments, "--format", "json", cwd=root.parent)
    assert (done.code, done.err) == (0, "")
    return {one["name"]: one for one in json.loads(done.out)["repositories"]}


def inspected(registry: Registry, name: str, *arguments: str) -> Any:  # noqa: ANN401 - whatever skopeo writes
    command = ["skopeo", "inspect", "--tls-verify=false", *arguments, f"docker://{registry.address}/{name}"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Registry]]:
    """The committed tree, served."""
    root = unpack(tmp_path_factory.mktemp("small"))
    with Registry(root, readonly=True) as registry:
        yield root, registry


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ledger]:
    """A tree of many pushes, and the books on them."""
    root, ledger = tmp_path_factory.mktemp("booked") / "registry", Ledger()
    with session(root, ledger) as to:
        push_everything(to)
    return root, ledger


def test_the_repositories_and_tags_are_those_that_the_registry_names(small: tuple[Path, Registry]) -> None:
    root, registry = small
    shown = listed(root, "**")
    with Client(registry.url) as client:
        assert set(shown) == set(client.repositories())
        for name, repository in shown.items():
            assert sorted(one["tag"] for one in repository["images"]) == sorted(client.tags(name))


def test_digests_kinds_platforms_and_dates_are_what_skopeo_says(small: tuple[Path, Registry]) -> None:
    root, registry = small
    compared = set()
    for name, repository in listed(root, "**").items():
        for one in repository["images"]:
            raw = inspected(registry, f"{name}:{one['tag']}", "--raw")
            is_index = raw["mediaType"] in INDEXES
            assert one["kind"] == ("index" if is_index else "image")
            if name.startswith((NOT_BY_SKOPEO, "cache")):
                continue
            if is_index and all("platform" in child for child in raw["manifests"]):
                said = [child["platform"] for child in raw["manifests"]]
                platforms = {f"{child['os']}/{child['architecture']}" for child in said}
                assert set(one["platforms"]) == platforms
            elif raw.get("config", {}).get("mediaType", "").endswith(("image.config.v1+json", "image.v1+json")):
                said = inspected(registry, f"{name}:{one['tag']}")
                assert one["digest"] == said["Digest"]
                assert one["platforms"] == [f"{said['Os']}/{said['Architecture']}"]
                assert one["created"] == said["Created"]
            compared.add((one["kind"], bool(one["platforms"])))
    assert compared >= {("index", True), ("image", True), ("image", False)}


def test_what_it_says_of_each_tag_is_what_the_books_say(booked: tuple[Path, Ledger]) -> None:
    root, ledger = booked
    shown = {(name, one["tag"]): one for name, at in listed(root, "**").items() for one in at["images"]}
    assert {at: one["digest"] for at, one in shown.items()} == ledger.tags
    for at, one in shown.items():
        manifest = ledger.manifests[ledger.tags[at]]
        assert one["kind"] == ("index" if manifest.blob.media_type in INDEXES else "image"), at
        assert one["bytes"] == weight(manifest), at
        assert set(one["platforms"]) == {part.platform for part in manifest.tree() if part.platform}, at


def test_what_no_tag_leads_to_is_what_the_books_say(booked: tuple[Path, Ledger]) -> None:
    root, ledger = booked
    led_to = {
        (repository, part.digest)
        for (repository, _), digest in ledger.tags.items()
        for part in ledger.manifests[digest].tree()
    }
    shown = {(name, one["digest"]) for name, at in listed(root, "--untagged").items() for one in at["images"]}
    assert shown == ledger.revisions - led_to
    assert {name: one["untagged"] for name, one in listed(root).items()} == {
        name: sum(1 for at, _ in shown if at == name) for name in listed(root)
    }


def test_history_is_every_push_of_the_books_but_the_last(booked: tuple[Path, Ledger]) -> None:
    root, ledger = booked
    shown = {
        (name, image["tag"], earlier["digest"])
        for name, one in listed(root, "**", "--history").items()
        for image in one["images"]
        for earlier in image["history"]
    }
    assert shown == {entry for entry in ledger.entries if ledger.tags[entry[:2]] != entry[2]}
    assert ("team/app", "latest") in {entry[:2] for entry in shown}


def test_layers_are_shared_by_as_many_repositories_as_the_books_say(booked: tuple[Path, Ledger]) -> None:
    root, ledger = booked
    seen: dict[str, int] = {}
    for repository in listed(root, "**", "--layers").values():
        for one in repository["images"]:
            for layer in one["layers"]:
                assert layer["bytes"] == ledger.blobs[layer["digest"]]
                seen[layer["digest"]] = layer["repositories"]
    assert seen
    assert seen == {digest: len({at for at, linked in ledger.layers if linked == digest}) for digest in seen}
    assert max(seen.values()) > 2


def test_tags_are_in_the_order_in_which_skopeo_pushed_them(tmp_path: Path) -> None:
    root, ledger = tmp_path / "registry", Ledger()
    first, second = (image(when.encode(), created=when) for when in CREATED)
    with session(root, ledger) as to:
        for manifest, tag in ((second, "b"), (index(first, second), "c"), (first, "a"), (first, "b"), (second, "d")):
            to.skopeo(manifest, "app", tag)
    (repository,) = listed(root, "app").values()
    shown = [(one["tag"], one["digest"], one["created"]) for one in repository["images"]]
    assert shown == [
        ("d", second.digest, CREATED[1]),
        ("b", first.digest, CREATED[0]),
        ("a", first.digest, CREATED[0]),
        ("c", index(first, second).digest, CREATED[1]),
    ]


def test_a_digest_of_the_books_is_found_and_one_that_was_deleted_is_not(booked: tuple[Path, Ledger]) -> None:
    root, ledger = booked
    (name, tag), digest = next(iter(ledger.tags.items()))
    assert [one["tag"] for one in listed(root, f"{name}@{digest}")[name]["images"]] == [tag]
    deleted = [split(one) for one in ledger.deleted]
    for repository, reference in deleted:
        given = f"{repository}@{reference}" if ":" in reference else f"{repository}:{reference}"
        assert regsweep("ls", root, given, cwd=root.parent).code == 2
    assert deleted


def weight(manifest: Manifest) -> int:
    """What the distinct contents of a manifest and all below it weigh."""
    contents = {blob.content for part in manifest.tree() for blob in (part.blob, *part.blobs)}
    return sum(map(len, contents))
