"""What `check` says cannot be pulled, skopeo cannot pull; what it does not name, skopeo pulls."""

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from fixtures.client import Client, RefusedError, pull, push, serves
from fixtures.images import Blob, Manifest, image, index
from fixtures.ledger import Ledger
from fixtures.registry import Registry
from fixtures.small import unpack
from tests.command import regsweep
from tests.real.books import session, split
from tests.trees import BASE, blob_key, layer_key, revision_key, tag_key

pytestmark = pytest.mark.registry

ONE: Final = image(b"base", b"one")
TWO: Final = image(b"base", b"two", platform="linux/arm64")
BOTH: Final = index(ONE, TWO)
OTHER: Final = image(b"other")
LOOSE: Final = image(b"base", b"loose")
DOCKER: Final = index(image(b"d1", docker=True), image(b"d2", docker=True, platform="linux/arm64"), docker=True)
INNER: Final = image(b"inner")
NESTED: Final = index(index(INNER), image(b"beside"))
CONFIG, SHARED, LAYER = ONE.blobs
ABSENT: Final = f"sha256:{'ab' * 32}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A tree that a registry wrote."""

    root: Path
    ledger: Ledger

    def names(self) -> dict[str, str]:
        """The digest of each tag, and of each revision at which no tag stands."""
        tags = {f"{name}:{tag}": digest for (name, tag), digest in self.ledger.tags.items()}
        tagged = {(name, digest) for (name, _), digest in self.ledger.tags.items()}
        return tags | {f"{name}@{digest}": digest for name, digest in self.ledger.revisions - tagged}


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Pushed:
    root, ledger = tmp_path_factory.mktemp("check") / "registry", Ledger()
    with session(root, ledger) as to:
        to.skopeo(BOTH, "app", "both")
        to.skopeo(ONE, "app", "one")
        to.skopeo(OTHER, "app", "other")
        to.skopeo(ONE, "else", "one")
        to.skopeo(DOCKER, "docker", "list")
        to.http(LOOSE, "app")
        to.http(NESTED, "nested", "all")
        to.abandon("app")
    return Pushed(root=root, ledger=ledger)


@pytest.fixture
def copy(pushed: Pushed, tmp_path: Path) -> Pushed:
    root = tmp_path / "registry"
    shutil.copytree(pushed.root, root)
    return Pushed(root=root, ledger=pushed.ledger)


def check(root: Path, *options: str, code: int) -> dict[str, Any]:
    done = regsweep("check", root, "-q", "--format", "json", *options, cwd=root.parent)
    assert done.code == code, done.err
    assert len(done.lines) == (1 if code else 0)
    document: dict[str, Any] = json.loads(done.out)
    return document


def named(document: Mapping[str, Any]) -> set[str]:
    return {one for finding in document["findings"] for one in finding["images"]}


def got(registry: Registry, name: str, digest: str, into: Path) -> bool:
    """Whether an image can be pulled whole, and is the one that it should be."""
    if name.startswith("nested"):
        # Skopeo takes no index of indexes; `serves` asks for all that it holds.
        return not serves(registry.url, *split(name))
    if pull(registry.address, name, into):
        return False
    return f"sha256:{sha256((into / 'manifest.json').read_bytes()).hexdigest()}" == digest


def not_pulled(it: Pushed, into: Path) -> set[str]:
    with Registry(it.root, readonly=True) as registry:
        return {
            name
            for number, (name, digest) in enumerate(sorted(it.names().items()))
            if not got(registry, name, digest, into / str(number))
        }


def removed(key: str) -> Callable[[Path], None]:
    return lambda base: (base / key).unlink()


def written(key: str, content: bytes) -> Callable[[Path], None]:
    def write(base: Path) -> None:
        (base / key).write_bytes(content)

    return write


def flipped(blob: Blob) -> bytes:
    return blob.content[:-1] + bytes([blob.content[-1] ^ 1])


OWN: Final = {"app:both", "app:one"}
PLANTS: Final[dict[str, tuple[str, Callable[[Path], None], set[str]]]] = {
    "layer-missing": ("missing-blob", removed(blob_key(LAYER.digest)), OWN | {"else:one"}),
    "config-missing": ("missing-blob", removed(blob_key(CONFIG.digest)), OWN | {"else:one"}),
    "shared-layer-missing": (
        "missing-blob",
        removed(blob_key(SHARED.digest)),
        OWN | {"else:one", f"app@{TWO.digest}", f"app@{LOOSE.digest}"},
    ),
    "layer-cut": ("wrong-size", written(blob_key(LAYER.digest), LAYER.content[:-1]), OWN | {"else:one"}),
    "layer-flipped": ("wrong-content", written(blob_key(LAYER.digest), flipped(LAYER)), OWN | {"else:one"}),
    "link-missing": ("missing-link", removed(layer_key("app", LAYER.digest)), OWN),
    "link-empty": ("damaged-link", written(layer_key("app", LAYER.digest), b""), OWN),
    "link-elsewhere": ("damaged-link", written(layer_key("app", LAYER.digest), SHARED.digest.encode()), OWN),
    "manifest-missing": ("missing-manifest", removed(blob_key(ONE.digest)), OWN | {"else:one"}),
    "untagged-missing": ("missing-manifest", removed(blob_key(LOOSE.digest)), {f"app@{LOOSE.digest}"}),
    "child-missing": (
        "missing-manifest",
        removed(blob_key(DOCKER.children[1].digest)),
        {"docker:list", f"docker@{DOCKER.children[1].digest}"},
    ),
    "manifest-ruined": ("damaged-manifest", written(blob_key(TWO.digest), b"{}"), {"app:both", f"app@{TWO.digest}"}),
    "manifest-cut": (
        "damaged-manifest",
        written(blob_key(OTHER.digest), OTHER.blob.content[:-9]),
        {"app:other"},
    ),
    "inner-missing": (
        "missing-manifest",
        removed(blob_key(INNER.digest)),
        {"nested:all", f"nested@{INNER.digest}", f"nested@{NESTED.children[0].digest}"},
    ),
    "revision-missing": ("dangling-tag", removed(revision_key("app", OTHER.digest)), {"app:other"}),
    "revision-empty": ("damaged-link", written(revision_key("app", OTHER.digest), b""), {"app:other"}),
    "revision-elsewhere": (
        "damaged-link",
        written(revision_key("app", OTHER.digest), ONE.digest.encode()),
        {"app:other"},
    ),
    "child-revision-empty": (
        "damaged-link",
        written(revision_key("app", TWO.digest), b""),
        {"app:both", f"app@{TWO.digest}"},
    ),
    "tag-empty": ("damaged-link", written(tag_key("app", "other"), b""), {"app:other"}),
    "tag-missing": ("dangling-tag", removed(tag_key("app", "other")), {"app:other"}),
    "tag-elsewhere": ("dangling-tag", written(tag_key("app", "other"), ABSENT.encode()), {"app:other"}),
}
DEEP: Final = {"layer-flipped", "link-elsewhere"}
"""What only a deep check finds."""
TOGETHER: Final = ("layer-flipped", "child-missing", "inner-missing", "untagged-missing", "tag-missing")


def test_a_tree_as_a_registry_wrote_it_is_whole_and_skopeo_pulls_all_of_it(pushed: Pushed, tmp_path: Path) -> None:
    document = check(pushed.root, "--deep", code=0)
    assert document["findings"] == []
    assert document["totals"]["images"] == len(pushed.names())
    assert document["totals"]["bytes"] == sum(pushed.ledger.blobs.values())
    assert not_pulled(pushed, tmp_path) == set()


@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_what_is_said_not_to_be_whole_skopeo_cannot_pull_and_all_else_it_can(
    plant: str, copy: Pushed, tmp_path: Path
) -> None:
    code, damage, images = PLANTS[plant]
    damage(copy.root / BASE)
    document = check(copy.root, *(["--deep"] if plant in DEEP else []), code=5)
    assert {one["code"] for one in document["findings"] if one["severity"] == "damage"} == {code}
    assert named(document) == images
    assert document["totals"]["damaged_images"] == len(images)
    assert not_pulled(copy, tmp_path) == images


def test_damage_of_many_kinds_at_once_is_told_apart(copy: Pushed, tmp_path: Path) -> None:
    expected: set[str] = set()
    for plant in TOGETHER:
        _, damage, images = PLANTS[plant]
        damage(copy.root / BASE)
        expected |= images
    document = check(copy.root, "--deep", code=5)
    assert {one["code"] for one in document["findings"] if one["severity"] == "damage"} == {
        PLANTS[plant][0] for plant in TOGETHER
    }
    assert named(document) == expected
    assert not_pulled(copy, tmp_path) == expected


def test_an_index_whose_child_was_deleted_is_noted_and_cannot_be_pulled_whole(copy: Pushed, tmp_path: Path) -> None:
    with Registry(copy.root) as registry, Client(registry.url) as client:
        client.delete_manifest("app", TWO.digest)
    document = check(copy.root, code=0)
    assert [(one["code"], one["severity"]) for one in document["findings"]] == [("sparse-index", "note")]
    assert named(document) == {"app:both"}
    assert not_pulled(copy, tmp_path) - {f"app@{TWO.digest}"} == {"app:both"}


@pytest.mark.parametrize(
    ("plant", "manifest", "name"),
    [
        ("layer-missing", ONE, "app:one"),
        ("config-missing", ONE, "app:one"),
        ("link-missing", ONE, "app:one"),
        ("manifest-missing", ONE, "app:one"),
        ("child-missing", DOCKER, "docker:list"),
        ("revision-missing", OTHER, "app:other"),
        ("revision-empty", OTHER, "app:other"),
        ("tag-empty", OTHER, "app:other"),
        ("tag-missing", OTHER, "app:other"),
    ],
)
def test_a_push_mends_what_is_missing(plant: str, manifest: Manifest, name: str, copy: Pushed, tmp_path: Path) -> None:
    PLANTS[plant][1](copy.root / BASE)
    check(copy.root, code=5)
    with Registry(copy.root) as registry:
        push(manifest, registry.address, name)
        assert got(registry, name, manifest.digest, tmp_path / "pulled")
    assert name not in named(check(copy.root, "--deep", code=0))


@pytest.mark.parametrize(
    ("plant", "key", "manifest"),
    [
        ("layer-cut", blob_key(LAYER.digest), ONE),
        ("layer-flipped", blob_key(LAYER.digest), ONE),
        ("manifest-cut", blob_key(OTHER.digest), OTHER),
        ("link-empty", layer_key("app", LAYER.digest), ONE),
    ],
)
def test_what_is_ruined_a_push_mends_only_once_it_is_out_of_the_way(
    plant: str, key: str, manifest: Manifest, copy: Pushed, tmp_path: Path
) -> None:
    PLANTS[plant][1](copy.root / BASE)
    name = "app:one" if manifest is ONE else "app:other"
    with Registry(copy.root) as registry:
        with suppress(RefusedError):
            # It succeeds, and changes nothing, but for the link, at which the registry fails.
            push(manifest, registry.address, name)
        assert not got(registry, name, manifest.digest, tmp_path / "before")
        assert name in named(check(copy.root, "--deep", code=5))
        (copy.root / BASE / key).unlink()
        push(manifest, registry.address, name)
        assert got(registry, name, manifest.digest, tmp_path / "after")
    assert check(copy.root, "--deep", code=0)["findings"] == []


def test_in_the_committed_tree_nothing_is_damaged(tmp_path: Path) -> None:
    document = check(unpack(tmp_path), "--deep", code=0)
    assert document["findings"] == []
    assert document["totals"] | {"blobs": 0, "bytes": 0} == {
        "repositories": 10,
        "tags": 13,
        "manifests": 31,
        "blobs": 0,
        "bytes": 0,
        "images": 31,
        "damaged_images": 0,
    }
