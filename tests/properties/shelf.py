"""Fill a registry's storage in memory: what `tests.trees.Tree` does on disk, with ages as exact as a law needs them."""

from datetime import timedelta
from hashlib import sha256
from typing import Final

from tests.properties.books import File
from tests.properties.documents import Made
from tests.trees import blob_key, slashed

OLD: Final = timedelta(days=30)
YOUNG: Final = timedelta(hours=1)


class Shelf:
    """A registry's files. Whatever is written looks 30 days old unless told otherwise."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}

    def put(self, key: str, content: str, age: timedelta = OLD) -> None:
        """Write a key."""
        self.files[key] = File(content.encode(), age)

    def blob(self, content: bytes, age: timedelta = OLD) -> str:
        """Write a blob, unless it is there, as registries do; return its digest."""
        digest = f"sha256:{sha256(content).hexdigest()}"
        self.files.setdefault(blob_key(digest), File(content, age))
        return digest

    def layer(self, repository: str, digest: str, age: timedelta = OLD) -> None:
        """Link a blob into a repository."""
        self.put(f"repositories/{repository}/_layers/{slashed(digest)}/link", digest, age)

    def revision(self, repository: str, digest: str, age: timedelta = OLD) -> None:
        """Link a manifest into a repository."""
        self.put(f"repositories/{repository}/_manifests/revisions/{slashed(digest)}/link", digest, age)

    def signature(self, repository: str, revision: str, digest: str, age: timedelta = OLD) -> None:
        """Sign a revision as registries up to 2.4 did."""
        folder = f"repositories/{repository}/_manifests/revisions/{slashed(revision)}/signatures"
        self.put(f"{folder}/{slashed(digest)}/link", digest, age)

    def current(self, repository: str, tag: str, digest: str, age: timedelta = OLD) -> None:
        """Point a tag at a manifest, and nothing else."""
        self.put(f"repositories/{repository}/_manifests/tags/{tag}/current/link", digest, age)

    def entry(self, repository: str, tag: str, digest: str, age: timedelta = OLD) -> None:
        """Note a push in a tag's history, and nothing else."""
        self.put(f"repositories/{repository}/_manifests/tags/{tag}/index/{slashed(digest)}/link", digest, age)

    def push(self, repository: str, made: Made, tag: str | None = None, age: timedelta = OLD) -> None:
        """Write a manifest with all it names, as a push leaves it."""
        for part in made.tree():
            for content in part.blobs:
                self.layer(repository, self.blob(content, age), age)
            self.revision(repository, self.blob(part.content, age), age)
        if tag is not None:
            self.entry(repository, tag, made.digest, age)
            self.current(repository, tag, made.digest, age)
