"""After a prune by a policy a real registry serves each tag that should live, and no other."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from fixtures.client import Client, pull, push, serves
from fixtures.images import Manifest, artifact, image, index
from fixtures.ledger import Ledger, written
from fixtures.registry import Registry, age
from tests.command import Finished, regsweep
from tests.real.books import Session, prune, session, split

pytestmark = pytest.mark.registry

POLICY: Final = """\
version: 1
rules:
  - repositories: ['team/**']
    keepTags:
      - semver: {majors: 2, minorsPerMajor: 1, patchesPerMinor: 1}
      - patterns: ['^main-']
        mostRecentlyPushedCount: 2
      - patterns: ['^pr-']
        labels: {keep: 'yes'}
      - patterns: ['^multi-', '^dated-']
        mostRecentlyCreatedCount: 2
      - patterns: ['^stable$']
    neverDelete: ['^latest$']
    deleteUntagged: true
    untaggedKeepHistory: 1
    deleteReferrers: true
  - repositories: ['scratch/*']
    keepTags: [{pushedWithin: 1d}]
    allowEmpty: true
  - repositories: ['last']
    keepTags: [{patterns: ['^none$']}]
"""
ARM: Final = "linux/arm64"
STABLE: Final = [image(b"stable %d" % number) for number in range(3)]
UNTAGGED: Final = image(b"untagged from the beginning")
OTHERS_UNTAGGED: Final = image(b"untagged where no rule is")
FIRST_MAIN: Final = image(b"base", b"main 10")
SHARED_CHILD: Final = image(b"in both indexes")

LIVE: Final = {
    *("team/app:v1.1.1", "team/app:v2.0.0", "team/app:latest", "team/app:main-9", "team/app:main-10", "team/app:pr-1"),
    *("team/app:multi-a", "team/app:dated-b", "team/app:stable", f"team/app@{STABLE[1].digest}"),
    *("team/app/sub:main-1", "last:v2", "other:v1", "other:main-1", f"other@{OTHERS_UNTAGGED.digest}"),
    f"team/app@{FIRST_MAIN.digest}",
}
DEAD: Final = {
    *("team/app:v1.0.0", "team/app:v1.1.0", "team/app:v2.0.0-rc1", "team/app:nightly", "team/app:main-8"),
    *("team/app:pr-2", "team/app:multi-c", "team/app:dated-d", f"team/app@{STABLE[0].digest}"),
    *(f"team/app@{UNTAGGED.digest}", "last:v1", "scratch/a:v1", "scratch/a:v2"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A tree after its prune by the policy, and the registry that was started over it again."""

    root: Path
    ledger: Ledger
    signatures: dict[str, Manifest]
    done: Finished
    registry: Registry
    client: Client

    def signature_tag(self, tag: str) -> str:
        """Where the signature of a tag's image stands."""
        return f"{self.ledger.tags['team/app', tag].replace(':', '-')}.sig"


def push_everything(to: Session) -> dict[str, Manifest]:
    """Push in the order in which it stands here; return signatures of some images, by their tags."""
    releases = {
        tag: to.skopeo(image(b"base", tag.encode()), "team/app", tag)
        for tag in ("v1.1.0", "v1.1.1", "v1.0.0", "v2.0.0", "v2.0.0-rc1")
    }
    # One digest, of which one tag stays by its version, one by a veto, and one goes.
    to.skopeo(releases["v2.0.0"], "team/app", "nightly")
    to.skopeo(releases["v2.0.0"], "team/app", "latest")
    for number in (10, 8, 9):
        to.skopeo(image(b"base", b"main %d" % number), "team/app", f"main-{number}")
    to.skopeo(image(b"base", b"main 10 again"), "team/app", "main-10")
    to.skopeo(image(b"kept by its label", labels={"keep": "yes"}), "team/app", "pr-1")
    releases["pr-2"] = to.skopeo(image(b"not kept", labels={"keep": "no"}), "team/app", "pr-2")
    # Created in another order than pushed; an index is as young as the youngest of its images.
    young = image(b"young", platform=ARM, created="2024-03-01T00:00:00Z")
    to.skopeo(index(SHARED_CHILD, young), "team/app", "multi-a")
    to.skopeo(image(b"b", created="2024-02-01T00:00:00Z"), "team/app", "dated-b")
    to.skopeo(index(SHARED_CHILD, image(b"c", platform=ARM)), "team/app", "multi-c")
    to.skopeo(image(b"d", created="2024-01-31T23:59:59Z"), "team/app", "dated-d")
    for pushed in STABLE:
        to.skopeo(pushed, "team/app", "stable")
    to.http(UNTAGGED, "team/app")
    signatures = {}
    for tag in ("v1.0.0", "v2.0.0", "pr-2"):
        signature = artifact(b"signature of " + tag.encode(), kind="application/x")
        signatures[tag] = to.http(signature, "team/app", f"{releases[tag].digest.replace(':', '-')}.sig")
    to.skopeo(image(b"base", b"sub"), "team/app/sub", "main-1")
    for repository in ("scratch/a", "last"):
        for tag in ("v1", "v2"):
            to.skopeo(image(b"base", repository.encode(), tag.encode()), repository, tag)
    to.skopeo(image(b"base", b"other"), "other", "v1")
    to.skopeo(releases["v1.0.0"], "other", "main-1")
    to.http(OTHERS_UNTAGGED, "other")
    return signatures


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pruned]:
    cwd = tmp_path_factory.mktemp("ruled")
    root, ledger = cwd / "registry", Ledger()
    with session(root, ledger) as to:
        signatures = push_everything(to)
    age(root, 30)
    (cwd / "policy.yml").write_text(POLICY)
    with Registry(root, readonly=True) as readonly:
        done = prune(root, readonly.url, "--policy", "policy.yml", cwd=cwd)
    with Registry(root) as registry, Client(registry.url) as client:
        yield Pruned(root=root, ledger=ledger, signatures=signatures, done=done, registry=registry, client=client)


def test_a_prune_by_a_policy_goes_well_and_says_what_each_rule_did(pruned: Pruned) -> None:
    assert (pruned.done.code, pruned.done.err) == (0, "")
    rows = [line.split() for line in pruned.done.out.splitlines()]
    start = rows.index(["rule", "for", "repositories", "tags", "go", "comes", "free"])
    assert [row[:5] for row in rows[start + 1 : start + 4]] == [
        ["1", "team/**", "2", "18", "8"],
        ["2", "scratch/*", "1", "2", "2"],
        ["3", "last", "1", "2", "1"],
    ]
    assert "last-tag-kept: last:v2: no retention rule keeps it" in pruned.done.out
    assert "\nDeleted " in pruned.done.out


def test_the_lists_here_name_every_tag(pruned: Pruned) -> None:
    signatures = {f"team/app:{tag}" for _, tag in pruned.ledger.tags if tag.endswith(".sig")}
    named = {name for name in LIVE | DEAD if "@" not in name}
    assert {f"{repository}:{tag}" for repository, tag in pruned.ledger.tags} == named | signatures
    assert len(signatures) == 3


@pytest.mark.parametrize("name", sorted(LIVE))
def test_what_should_live_can_be_pulled_whole(pruned: Pruned, tmp_path: Path, name: str) -> None:
    assert pull(pruned.registry.address, name, tmp_path / "pulled") is None
    assert serves(pruned.registry.url, *split(name)) == []


@pytest.mark.parametrize("name", sorted(DEAD))
def test_what_should_not_live_is_unknown(pruned: Pruned, tmp_path: Path, name: str) -> None:
    assert "manifest unknown" in (pull(pruned.registry.address, name, tmp_path / "pulled") or "it was pulled")


def test_the_registry_lists_the_tags_that_should_live_and_no_other(pruned: Pruned) -> None:
    repositories = {split(name)[0] for name in LIVE}
    assert set(pruned.client.repositories()) == repositories
    stay = {f"team/app:{tag}" for tag in map(pruned.signature_tag, ("v1.0.0", "v2.0.0"))}
    listed = {f"{repository}:{tag}" for repository in repositories for tag in pruned.client.tags(repository)}
    assert listed == {name for name in LIVE if "@" not in name} | stay


def test_a_signature_lives_as_long_as_its_image(pruned: Pruned) -> None:
    assert serves(pruned.registry.url, "team/app", pruned.signatures["v2.0.0"].digest) == []
    # The image itself lives on in `other`, and cosign can store signatures apart.
    assert serves(pruned.registry.url, "team/app", pruned.signatures["v1.0.0"].digest) == []
    assert pruned.client.manifest_status("team/app", pruned.signatures["pr-2"].digest) == 404
    assert pruned.client.manifest_status("team/app", pruned.signature_tag("pr-2")) == 404


def test_the_images_of_an_index_go_with_it_but_for_those_that_another_needs(pruned: Pruned) -> None:
    gone = image(b"c", platform=ARM)
    assert pruned.client.manifest_status("team/app", gone.digest) == 404
    assert pruned.client.manifest_status("team/app", SHARED_CHILD.digest) == 200


def test_every_blob_that_is_left_is_needed_and_all_that_is_needed_is_left(pruned: Pruned) -> None:
    left = {key for key in written(pruned.root) if key.startswith("blobs/")}
    live = {f"team/app@{pruned.signatures[tag].digest}" for tag in ("v1.0.0", "v2.0.0")}
    for name in LIVE:
        repository, reference = split(name)
        live.add(f"{repository}@{pruned.ledger.tags.get((repository, reference), reference)}")
    digests = {
        digest
        for name in live
        for part in pruned.ledger.manifests[split(name)[1]].tree()
        for digest in (part.digest, *(blob.digest for blob in part.blobs))
    }
    assert {key.split("/")[-2] for key in left} == {digest.removeprefix("sha256:") for digest in digests}


def test_a_second_prune_by_the_same_policy_has_nothing_to_do(pruned: Pruned) -> None:
    done = regsweep("plan", pruned.root, "--policy", "policy.yml", cwd=pruned.root.parent)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\nNothing to delete.\n")


def test_what_a_rule_let_go_can_be_pushed_again_and_is_whole(pruned: Pruned, tmp_path: Path) -> None:
    root = tmp_path / "registry"
    shutil.copytree(pruned.root, root)
    with Registry(root) as registry:
        for name in ("team/app:v1.0.0", "team/app:multi-c", "scratch/a:v1"):
            push(pruned.ledger.manifests[pruned.ledger.tags[split(name)]], registry.address, name)
            assert serves(registry.url, *split(name)) == []
