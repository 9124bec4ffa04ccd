"""What `rm` takes a real registry serves no more, and all else it does."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from fixtures.client import Client, pull, push, serves
from fixtures.images import artifact, image, index
from fixtures.ledger import Ledger, written
from fixtures.registry import Registry, age
from tests.command import Finished, regsweep
from tests.real.books import Session, contents, deletions, prune, session, split

pytestmark = pytest.mark.registry

ONE: Final = image(b"base", b"one")
TWO: Final = image(b"base", b"two")
EARLIER: Final = image(b"base", b"earlier")
AMD64: Final = image(b"amd64")
ARM64: Final = image(b"arm64", platform="linux/arm64")
MULTI: Final = index(AMD64, ARM64)
LIVE: Final = {
    *("team/app:v1", "team/app:latest", "team/app:v2", "team/app:multi", "team/app/sub:v1", "other:v1"),
    *(f"team/app@{manifest.digest}" for manifest in (ONE, TWO, EARLIER, AMD64, ARM64, MULTI)),
}


def push_everything(to: Session) -> None:
    to.skopeo(ONE, "team/app", "v1")
    to.skopeo(ONE, "team/app", "latest")
    to.skopeo(EARLIER, "team/app", "v2")
    to.skopeo(TWO, "team/app", "v2")
    to.skopeo(MULTI, "team/app", "multi")
    to.http(artifact(b"signature", kind="application/x"), "team/app", f"{ONE.digest.replace(':', '-')}.sig")
    to.abandon("team/app")
    to.skopeo(ONE, "team/app/sub", "v1")
    to.skopeo(image(b"base", b"other"), "other", "v1")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pristine") / "registry"
    with session(root, Ledger()) as to:
        push_everything(to)
    age(root, 30)
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A tree of one's own, in a directory of one's own."""

    root: Path

    @property
    def cwd(self) -> Path:
        return self.root.parent

    def rm(self, *arguments: str) -> Finished:
        """Remove while a read-only registry serves."""
        with Registry(self.root, readonly=True) as readonly:
            done = regsweep("rm", self.root, *arguments, "-y", "-q", "--registry", readonly.url, cwd=self.cwd)
        assert (done.code, done.err) == (0, "")
        assert "\nDeleted " in done.out
        return done

    def alive(self, folder: Path) -> set[str]:
        """Of all that can be pulled in the beginning what a registry started anew still serves; the rest is unknown."""
        found = set()
        folder.mkdir()
        with Registry(self.root) as registry:
            for number, name in enumerate(sorted(LIVE)):
                error = pull(registry.address, name, folder / str(number))
                if error is None:
                    assert serves(registry.url, *split(name)) == []
                    found.add(name)
                else:
                    assert "manifest unknown" in error
        return found


@pytest.fixture
def scene(pristine: Path, tmp_path: Path) -> Iterator[Scene]:
    shutil.copytree(pristine, tmp_path / "registry")
    yield Scene(root=tmp_path / "registry")
    assert not (tmp_path / "registry/docker/registry/v2/regsweep.lock").exists()


def test_a_tag_goes_and_its_sibling_stays(scene: Scene, tmp_path: Path) -> None:
    scene.rm("team/app:v1")
    assert scene.alive(tmp_path / "pulled") == LIVE - {"team/app:v1"}


def test_a_tag_takes_its_manifest_along_but_not_what_it_stood_at_before(scene: Scene, tmp_path: Path) -> None:
    scene.rm("team/app:v2")
    assert scene.alive(tmp_path / "pulled") == LIVE - {"team/app:v2", f"team/app@{TWO.digest}"}


def test_a_multi_arch_tag_goes_with_its_images(scene: Scene, tmp_path: Path) -> None:
    scene.rm("team/app:multi")
    gone = {"team/app:multi", *(f"team/app@{part.digest}" for part in MULTI.tree())}
    assert scene.alive(tmp_path / "pulled") == LIVE - gone


def test_a_digest_goes_with_its_tags_in_its_repository_alone(scene: Scene, tmp_path: Path) -> None:
    done = scene.rm(f"team/app@{ONE.digest}")
    assert done.out.count("tag-goes-along: ") == 2
    gone = {"team/app:v1", "team/app:latest", f"team/app@{ONE.digest}"}
    assert scene.alive(tmp_path / "pulled") == LIVE - gone


def test_an_image_that_was_forced_out_of_its_index_is_unknown_and_the_others_are_served(scene: Scene) -> None:
    with Registry(scene.root, readonly=True) as readonly:
        command = ("rm", scene.root, f"team/app@{ARM64.digest}", "-y", "-q", "--registry", readonly.url)
        refused = regsweep(*command, cwd=scene.cwd)
        assert refused.code == 3
        assert serves(readonly.url, "team/app", "multi") == []
    scene.rm(f"team/app@{ARM64.digest}", "--force")
    with Registry(scene.root) as registry, Client(registry.url) as client:
        assert client.manifest_status("team/app", "multi") == 200
        assert client.manifest_status("team/app", ARM64.digest) == 404
        assert serves(registry.url, "team/app", AMD64.digest) == []


def test_a_repository_leaves_the_catalog_and_the_one_below_it_stays(scene: Scene, tmp_path: Path) -> None:
    scene.rm("team/app")
    assert scene.alive(tmp_path / "pulled") == {"team/app/sub:v1", "other:v1"}
    assert {key.split("/")[3] for key in contents(scene.root) if key.startswith("repositories/team/app/")} == {"sub"}
    with Registry(scene.root) as registry, Client(registry.url) as client:
        assert set(client.repositories()) == {"team/app/sub", "other"}
        assert client.tags("team/app") == []
        client.push(MULTI, "team/app", "multi")
        assert serves(registry.url, "team/app", "multi") == []
        assert "team/app" in client.repositories()


def test_a_tag_by_name_and_by_a_policy_are_the_same_keys(scene: Scene, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(scene.root, other)
    scene.rm("team/app:v2", "team/app:multi", "-o", "rm.plan")
    policy = "version: 1\nrules: [{repositories: [team/app], keepTags: [{patterns: ['^v1$', '^latest$']}]}]\n"
    (tmp_path / "policy.yml").write_text(policy)
    with Registry(other, readonly=True) as readonly:
        done = prune(other, readonly.url, "--policy", "policy.yml", "-o", "policy.plan", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert deletions(tmp_path / "rm.plan") == deletions(tmp_path / "policy.plan")
    assert contents(scene.root) == contents(other)


def test_what_was_removed_can_be_pushed_again_and_is_whole(scene: Scene, tmp_path: Path) -> None:
    scene.rm("team/app:v2", "team/app:multi")
    assert not any(TWO.digest.removeprefix("sha256:") in key for key in written(scene.root))
    with Registry(scene.root) as registry:
        for manifest, tag in ((TWO, "v2"), (MULTI, "multi")):
            push(manifest, registry.address, f"team/app:{tag}")
    assert scene.alive(tmp_path / "pulled") == LIVE
