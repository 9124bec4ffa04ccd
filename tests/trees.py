"""Write a registry's tree by hand: for what a real registry would take too long to make, or would never make.

The paths are spelled out here and not taken from `regsweep.registry.layout`, so that a mistake in the grammar cannot
hide in a tree made by the same grammar.
"""

import json
import os
import time
from hashlib import sha256
from pathlib import Path

from fixtures.images import Manifest

BASE = "docker/registry/v2"
DAY = 86_400.0


class Tree:
    """A registry's storage below `root`, which is made. Whatever is written looks `age` days old, 30 unless told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = root / BASE
        (self.base / "repositories").mkdir(parents=True)
        (self.base / "blobs").mkdir()

    def put(self, key: str, content: bytes, *, age: float = 30.0) -> Path:
        """Write a key below the tree's base."""
        path = self.base / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.touch(key, age=age)
        return path

    def touch(self, key: str, *, age: float) -> None:
        """Make a file or directory look `age` days old."""
        moment = time.time() - age * DAY
        os.utime(self.base / key, (moment, moment))

    def blob(self, content: bytes, *, age: float = 30.0) -> str:
        """Write a blob; return its digest."""
        digest = f"sha256:{sha256(content).hexdigest()}"
        self.put(blob_key(digest), content, age=age)
        return digest

    def layer_link(self, repository: str, digest: str, *, age: float = 30.0) -> str:
        """Link a blob into a repository; return the key."""
        return self._link(f"repositories/{repository}/_layers/{slashed(digest)}/link", digest, age)

    def revision(self, repository: str, digest: str, *, age: float = 30.0) -> str:
        """Link a manifest into a repository; return the key."""
        return self._link(f"repositories/{repository}/_manifests/revisions/{slashed(digest)}/link", digest, age)

    def tag(self, repository: str, tag: str, digest: str, *, age: float = 30.0) -> str:
        """Point a tag at a manifest, and note that in the tag's history; return the tag's key."""
        self.tag_entry(repository, tag, digest, age=age)
        return self._link(f"repositories/{repository}/_manifests/tags/{tag}/current/link", digest, age)

    def tag_entry(self, repository: str, tag: str, digest: str, *, age: float = 30.0) -> str:
        """Note a push in a tag's history; return the key."""
        key = f"repositories/{repository}/_manifests/tags/{tag}/index/{slashed(digest)}/link"
        return self._link(key, digest, age)

    def upload(self, repository: str, upload: str, content: bytes = b"half", *, age: float = 30.0) -> str:
        """Leave an upload unfinished; return the key of its directory."""
        key = f"repositories/{repository}/_uploads/{upload}"
        began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age * DAY))
        self.put(f"{key}/startedat", began.encode(), age=age)
        self.put(f"{key}/data", content, age=age)
        return key

    def push(self, manifest: Manifest, repository: str, tag: str | None = None, *, age: float = 30.0) -> str:
        """Write an image or index as a push leaves it, under a tag or by digest alone; return its digest."""
        for part in manifest.tree():
            for blob in part.blobs:
                self.layer_link(repository, self.blob(blob.content, age=age), age=age)
            self.revision(repository, self.blob(part.blob.content, age=age), age=age)
        if tag is not None:
            self.tag(repository, tag, manifest.digest, age=age)
        return manifest.digest

    def manifest(self, document: object, repository: str, tag: str | None = None, *, age: float = 30.0) -> str:
        """Write any JSON document as a manifest, with nothing that it refers to; return its digest."""
        digest = self.blob(json.dumps(document).encode(), age=age)
        self.revision(repository, digest, age=age)
        if tag is not None:
            self.tag(repository, tag, digest, age=age)
        return digest

    def keys(self) -> set[str]:
        """Every file there is, by its key."""
        return {path.relative_to(self.base).as_posix() for path in self.base.rglob("*") if not path.is_dir()}

    def has(self, digest: str) -> bool:
        """Whether a blob is there."""
        return (self.base / blob_key(digest)).exists()

    def _link(self, key: str, digest: str, age: float) -> str:
        self.put(key, digest.encode(), age=age)
        return key


def blob_key(digest: str) -> str:
    """The key of a blob."""
    algorithm, _, digits = digest.partition(":")
    return f"blobs/{algorithm}/{digits[:2]}/{digits}/data"


def layer_key(name: str, digest: str) -> str:
    """The key of a repository's link to a blob."""
    return f"repositories/{name}/_layers/{slashed(digest)}/link"


def revision_key(name: str, digest: str) -> str:
    """The key of a repository's link to a manifest."""
    return f"repositories/{name}/_manifests/revisions/{slashed(digest)}/link"


def tag_key(name: str, tag: str) -> str:
    """The key of what a tag stands at."""
    return f"repositories/{name}/_manifests/tags/{tag}/current/link"


def slashed(digest: str) -> str:
    """A digest as it stands in the paths of links."""
    return digest.replace(":", "/")
