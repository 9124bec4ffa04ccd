"""What Debian's `registry garbage-collect` and regsweep do to the same tree differs only where we mean it to."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.client import Client, serves
from fixtures.images import image
from fixtures.registry import Registry, RegistryFailedError, garbage_collect
from fixtures.small import expected, unpack
from tests.cli.scene import taken
from tests.command import Finished, regsweep
from tests.real.books import condemned_keys, files, split
from tests.trees import DAY, Tree, blob_key, slashed

pytestmark = pytest.mark.registry

DAMAGED = f"sha256:{'ab' * 32}"
REVISION = re.compile(r"repositories/(.+)/_manifests/revisions/(sha256/[0-9a-f]{64})/link")
TAG = re.compile(r"repositories/(.+)/_manifests/tags/([^/]+)/(?:current|index/sha256/[0-9a-f]{64})/link")
LAYER_LINK = re.compile(r"repositories/.+/_layers/sha256/[0-9a-f]{64}/link")
UPLOAD = re.compile(r"repositories/.+/_uploads/.+")
ABOUT = re.compile(r"sha256-([0-9a-f]{64})(?:\..+)?")
Revision = tuple[str, str]


class View:
    """A tree as it was before both, read by nothing of regsweep's."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.tags: dict[tuple[str, str], str] = {}
        self.revisions: set[Revision] = set()
        self.manifests: dict[str, Mapping[str, object]] = {}
        for key in tree.keys():  # noqa: SIM118 - a tree is no dictionary
            content = (tree.base / key).read_text(errors="replace")
            if found := REVISION.fullmatch(key):
                self.revisions.add((found[1], content))
                self.manifests[content] = json.loads((tree.base / blob_key(content)).read_bytes())
            elif (found := TAG.fullmatch(key)) and key.endswith("current/link"):
                self.tags[found[1], found[2]] = content
        self.tagged = {(repository, digest) for (repository, _), digest in self.tags.items()} & self.revisions
        self.children = set(self._below(self.tagged)) - self.tagged
        # A referrer of a referrer comes with the second round.
        self.referrers: set[Revision] = set()
        for _ in range(2):
            alive = self.tagged | self.children | self.referrers
            self.referrers |= {one for one in self.revisions if (one[0], self._subject(one)) in alive} - self.children
        wanted = (
            {(repository, self.tags[repository, tag]) for repository, tag in self.tags if not ABOUT.fullmatch(tag)}
            | self.children
            | self.referrers
        )
        kept = {digest for _, digest in wanted}
        self.orphaned_tags = {
            (repository, tag)
            for repository, tag in self.tags
            if (about := ABOUT.fullmatch(tag)) and f"sha256:{about[1]}" not in kept
        }
        self.orphaned = {(repository, self.tags[repository, tag]) for repository, tag in self.orphaned_tags}

    def of(self, revisions: set[Revision]) -> set[str]:
        """The keys of revisions, and of the blobs that make them up."""
        keys = {f"repositories/{name}/_manifests/revisions/{slashed(digest)}/link" for name, digest in revisions}
        digests = {digest for _, digest in revisions}
        return keys | {blob_key(digest) for one in digests for digest in (one, *self._named(one))}

    def is_young(self, key: str) -> bool:
        return (self.tree.base / key).stat().st_mtime > time.time() - DAY

    def _below(self, revisions: set[Revision]) -> Iterator[Revision]:
        for repository, digest in revisions:
            children = {(repository, child) for child in self._named(digest)} & self.revisions
            yield from children
            yield from self._below(children)

    def _subject(self, revision: Revision) -> str:
        subject = self.manifests[revision[1]].get("subject")
        return str(subject["digest"]) if isinstance(subject, dict) else ""

    def _named(self, digest: str) -> Iterator[str]:
        for field in ("config", "layers", "manifests"):
            found = self.manifests[digest].get(field)
            for one in found if isinstance(found, list) else (found,):
                if isinstance(one, dict):
                    yield str(one["digest"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A kind of key that only one of the two deletes."""

    name: str
    why: str
    covers: Callable[[View, str], bool]


def _is_of_a_tag(view: View, key: str, *, orphaned: bool) -> bool:
    found = TAG.fullmatch(key)
    return found is not None and ((found[1], found[2]) in view.orphaned_tags) is orphaned


ONLY_THE_PEER_DELETES = [
    Difference(
        name="young",
        why="it knows no age: what is pushed while it runs, or waits for its manifest, is lost (D#3045)",
        covers=lambda view, key: view.is_young(key),
    ),
    Difference(
        name="children",
        why="it takes the untagged children of a tagged index for untagged images (D#3178)",
        covers=lambda view, key: key in view.of(view.children),
    ),
    Difference(
        name="referrers",
        why="it does not know `subject`: an SBOM or a signature without a tag of its own goes (D#3716)",
        covers=lambda view, key: key in view.of(view.referrers),
    ),
]
ONLY_WE_DELETE = [
    Difference(
        name="uploads",
        why="it leaves abandoned uploads to a running registry (D#4524)",
        covers=lambda _, key: UPLOAD.fullmatch(key) is not None,
    ),
    Difference(
        name="layer links",
        why="it never deletes one, so that a repository goes on listing blobs that are gone (D#3851)",
        covers=lambda _, key: LAYER_LINK.fullmatch(key) is not None,
    ),
    Difference(
        name="signatures",
        why="a tag is a tag to it: cosign's live on when the image that they sign is gone (Z#906)",
        covers=lambda view, key: _is_of_a_tag(view, key, orphaned=True) or key in view.of(view.orphaned),
    ),
    Difference(
        name="dangling tags",
        why="it does not look where a tag leads (D#3191)",
        covers=lambda _, key: "/tags/dangling/" in key,
    ),
    Difference(
        name="histories",
        why="it forgets the history of a tag only as it deletes the revision itself (D#938)",
        covers=lambda view, key: "/index/" in key and _is_of_a_tag(view, key, orphaned=False),
    ),
]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """The small tree with what it lacks: a dangling tag, and pushes of today."""
    tree = taken(unpack(tmp_path / "before"))
    # The peer gives up on it; see below.
    shutil.rmtree(tree.base / "repositories/untagged")
    tree.tag("a", "dangling", DAMAGED)
    tree.push(image(b"young, overwritten"), "young", "v1", age=0)
    tree.push(image(b"young"), "young", "v1", age=0)
    tree.layer_link("young", tree.blob(b"young, and its manifest is still to come", age=0), age=0)
    return tree


def both(tree: Tree, cwd: Path, *options: str) -> tuple[Path, Path]:
    """Run the peer and regsweep over a copy each; return the roots."""
    roots = cwd / "peer", cwd / "ours"
    for root in roots:
        shutil.copytree(tree.root, root)
    garbage_collect(roots[0], *options)
    done = prune(roots[1], cwd, *options)
    assert (done.code, done.err) == (0, "")
    return roots


def prune(root: Path, cwd: Path, *options: str) -> Finished:
    return regsweep("prune", root, "--yes", "-q", "--registry-stopped", *options, cwd=cwd)


def sorted_out(view: View, keys: set[str], differences: list[Difference]) -> tuple[set[str], list[str]]:
    """The names of the differences that cover these keys, and the keys that none covers."""
    names: set[str] = set()
    unexplained = []
    for key in sorted(keys):
        covering = next((difference.name for difference in differences if difference.covers(view, key)), None)
        if covering is None:
            unexplained.append(key)
        else:
            names.add(covering)
    return names, unexplained


@pytest.mark.parametrize(
    ("options", "peers", "ours"),
    [
        pytest.param(
            ("-m",), {one.name for one in ONLY_THE_PEER_DELETES}, {one.name for one in ONLY_WE_DELETE}, id="-m"
        ),
        pytest.param((), {"young"}, {"uploads", "layer links", "dangling tags", "histories"}, id="keep"),
    ],
)
def test_every_difference_from_the_registrys_own_collector_is_meant(
    tree: Tree, tmp_path: Path, options: tuple[str, ...], peers: set[str], ours: set[str]
) -> None:
    view = View(tree)
    peer_root, our_root = both(tree, tmp_path, *options)
    left_by_peer, left_by_us = files(peer_root), files(our_root)
    assert left_by_peer | left_by_us <= files(tree.root)
    assert sorted_out(view, left_by_us - left_by_peer, ONLY_THE_PEER_DELETES) == (peers, [])
    assert sorted_out(view, left_by_peer - left_by_us, ONLY_WE_DELETE) == (ours, [])


def test_live_images_of_several_platforms_are_whole_after_regsweep_only(tree: Tree, tmp_path: Path) -> None:
    peer_root, our_root = both(tree, tmp_path, "-m")
    live = [split(name) for name in expected().delete.live]
    indexes = {("a/b/c", "stable"), ("ab", "list"), ("nested/indexes", "all")}
    with Registry(peer_root) as peer, Registry(our_root) as ours:
        assert [problem for name in live for problem in serves(ours.url, *name)] == []
        broken = {name for name in live if ":" not in name[1] and serves(peer.url, *name)}
    assert indexes <= broken


def test_emptied_repositories_leave_the_catalog_after_regsweep_only(tree: Tree, tmp_path: Path) -> None:
    roots = both(tree, tmp_path, "-m")
    catalogs = []
    for root in roots:
        with Registry(root) as registry, Client(registry.url) as client:
            catalogs.append(set(client.repositories()))
    assert catalogs[0] - catalogs[1] == {"a/b"}
    assert catalogs[1] <= catalogs[0]


def _no_tag(tree: Tree) -> None:
    tree.push(image(b"never tagged"), "damaged")


def _empty_tag(tree: Tree) -> None:
    tree.push(image(b"damaged"), "damaged", "v1")
    tree.put("repositories/damaged/_manifests/tags/empty/current/link", b"")


def _empty_revision(tree: Tree) -> None:
    tree.push(image(b"damaged"), "damaged", "v1")
    tree.put(f"repositories/damaged/_manifests/revisions/{slashed(DAMAGED)}/link", b"")


def _garbled_manifest(tree: Tree) -> None:
    tree.push(image(b"damaged"), "damaged", "v1")
    garbled = image(b"garbled")
    tree.push(garbled, "damaged", "v2")
    tree.put(blob_key(garbled.digest), b"not JSON")


ABORTS = [_no_tag, _empty_tag, _empty_revision, _garbled_manifest]


@pytest.mark.parametrize("damage", ABORTS, ids=lambda damage: damage.__name__.strip("_"))
def test_what_makes_the_peer_give_up_costs_regsweep_no_more_than_one_repository(
    tmp_path: Path, damage: Callable[[Tree], None]
) -> None:
    tree = taken(unpack(tmp_path / "before"))
    shutil.rmtree(tree.base / "repositories/untagged")
    damage(tree)
    shutil.copytree(tree.root, tmp_path / "peer")
    with pytest.raises(RegistryFailedError, match="garbage-collect failed"):
        garbage_collect(tmp_path / "peer", "-m")
    assert files(tmp_path / "peer") == files(tree.root)
    done = prune(tree.root, tmp_path, "-m")
    assert (done.code, done.err) == (0, "")
    assert not condemned_keys(expected().delete) & files(tree.root)
    with Registry(tree.root) as registry:
        live = [*expected().delete.live, *(() if damage is _no_tag else ("damaged:v1",))]
        assert [problem for name in live for problem in serves(registry.url, *split(name))] == []
