"""A registry with the books on it, and what the books say goes, as keys of the tree."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fixtures.client import Client, push
from fixtures.images import Manifest
from fixtures.ledger import Ledger, Outcome
from fixtures.registry import Registry, Storage
from tests.command import Finished, regsweep
from tests.trees import BASE, blob_key, slashed


class Session:
    """A registry that takes pushes: each operation is done, then entered."""

    def __init__(self, registry: Registry, client: Client, ledger: Ledger) -> None:
        self.registry = registry
        self.client = client
        self.ledger = ledger

    def skopeo(self, manifest: Manifest, repository: str, tag: str) -> Manifest:
        """Push with skopeo."""
        push(manifest, self.registry.address, f"{repository}:{tag}")
        self.ledger.pushed(manifest, repository, tag)
        return manifest

    def http(self, manifest: Manifest, repository: str, tag: str | None = None) -> Manifest:
        """Push what skopeo would not: nested indexes, referrers, images without a tag."""
        self.client.push(manifest, repository, tag)
        self.ledger.pushed(manifest, repository, tag)
        return manifest

    def delete(self, repository: str, manifest: Manifest) -> None:
        """Delete by digest."""
        self.client.delete_manifest(repository, manifest.digest)
        self.ledger.removed(repository, manifest.digest)

    def mount(self, repository: str, digest: str, source: str) -> None:
        """Mount a blob from another repository."""
        self.client.mount(repository, digest, source)
        self.ledger.mounted(repository, digest)

    def abandon(self, repository: str) -> None:
        """Begin an upload that nobody will finish."""
        self.ledger.abandoned(repository, self.client.abandon_upload(repository, b"the first half of a layer"))


@contextmanager
def session(root: Path | Storage, ledger: Ledger) -> Iterator[Session]:
    """Serve the tree under `root` in its normal mode, with the books in `ledger`."""
    with Registry(root) as registry, Client(registry.url) as client:
        yield Session(registry, client, ledger)


def split(reference: str) -> tuple[str, str]:
    """Take `repository:tag` or `repository@digest` apart."""
    repository, _, name = reference.partition("@") if "@" in reference else reference.partition(":")
    return repository, name


def condemned_keys(outcome: Outcome) -> set[str]:
    """The links and blobs that go, by their keys."""
    keys = {blob_key(digest) for digest in outcome.condemned_blobs}
    for repository, tag in map(split, outcome.condemned_tags):
        keys.add(f"repositories/{repository}/_manifests/tags/{tag}/current/link")
    for entry in outcome.condemned_tag_entries:
        tagged, _, digest = entry.partition("@")
        repository, tag = split(tagged)
        keys.add(f"repositories/{repository}/_manifests/tags/{tag}/index/{slashed(digest)}/link")
    for repository, digest in map(split, outcome.condemned_revisions):
        keys.add(f"repositories/{repository}/_manifests/revisions/{slashed(digest)}/link")
    for repository, digest in map(split, outcome.condemned_layer_links):
        keys.add(f"repositories/{repository}/_layers/{slashed(digest)}/link")
    return keys


def deletions(plan: Path) -> list[tuple[str, str]]:
    """What a plan deletes, in its order: kinds and keys. Directories are the last."""
    records = map(json.loads, plan.read_text().splitlines())
    return [(record["kind"], record["key"]) for record in records if record["record"] == "delete"]


def keys(plan: Path) -> list[str]:
    """The keys that a plan deletes, in its order, directories left out."""
    return [key for kind, key in deletions(plan) if kind != "directory"]


def contents(root: Path) -> dict[str, bytes | None]:
    """Everything below the tree's base: the files with their content, the directories with none."""
    base = root / BASE
    return {path.relative_to(base).as_posix(): None if path.is_dir() else path.read_bytes() for path in base.rglob("*")}


def files(root: Path) -> set[str]:
    """Every file below the tree's base."""
    return {key for key, content in contents(root).items() if content is not None}


def planned(root: Path, cwd: Path, *options: str) -> Path:
    """Plan the tree under `root` with `-m`; return the plan."""
    done = regsweep("plan", root, "-m", "-o", "the.plan", "-q", *options, cwd=cwd)
    assert done.code == 0, done.err
    return cwd / "the.plan"


def prune(root: Path, url: str, *options: str, cwd: Path) -> Finished:
    """Run `regsweep prune` over the tree under `root`, which the registry at `url` serves."""
    return regsweep("prune", root, "--yes", "-q", "--registry", url, *options, cwd=cwd)
