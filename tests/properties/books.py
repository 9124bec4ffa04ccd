"""Read a registry's keys the plain way, for the oracle: nothing here comes from regsweep."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import Final

from fixtures.images import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST


@dataclass(frozen=True, slots=True)
class File:
    """What a key holds, and how long ago it was written."""

    content: bytes
    age: timedelta


Files = Mapping[str, File]
"""A registry's storage: files by their keys."""

LINK_BYTES: Final = 71
_SAYS_INDEX: Final = {
    OCI_INDEX: True,
    DOCKER_LIST: True,
    OCI_MANIFEST: False,
    DOCKER_MANIFEST: False,
    "application/vnd.oci.artifact.manifest.v1+json": False,
}
"""Whether a media type is an index's, of those that the manifests made here declare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link: where it stands, the digest in its name (a tag's: in its content), and the digest it leads to."""

    key: str
    repository: str
    digest: str
    target: str
    tag: str = ""
    revision: str = ""


@dataclass(slots=True)
class Books:
    """A registry's storage, taken apart."""

    blobs: dict[str, str] = field(default_factory=dict)
    """The key of each."""
    tags: list[Link] = field(default_factory=list)
    entries: list[Link] = field(default_factory=list)
    revisions: list[Link] = field(default_factory=list)
    signatures: list[Link] = field(default_factory=list)
    layers: list[Link] = field(default_factory=list)
    uploads: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    """Repositories with a link that is not what it should be."""
    doubtful: set[str] = field(default_factory=set)
    """Digests that damaged links and strays may mean."""

    def links(self) -> list[Link]:
        """Every link."""
        return [*self.tags, *self.entries, *self.revisions, *self.signatures, *self.layers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest refers to: everything but its subject, those of them that may be manifests, its subject.

    Those are what an index lists, and what stands where no known manifest has a digest.
    """

    refers: frozenset[str]
    children: frozenset[str]
    subject: str | None
    may_be_index: bool
    """It is an index, or nothing says what it is."""


def take_apart(files: Files) -> Books:
    """Sort every key to its kind."""
    books = Books()
    for key, file in files.items():
        parts = key.split("/")
        if parts[0] == "repositories":
            below = next((place for place, part in enumerate(parts) if part.startswith("_")), len(parts))
            _sort(books, key, "/".join(parts[1:below]), parts[below:], file.content)
        elif parts[-1] == "data":
            books.blobs[f"{parts[1]}:{parts[3]}"] = key
    return books


def _sort(books: Books, key: str, repository: str, parts: list[str], content: bytes) -> None:
    target = _target(content)
    match parts:
        case ["_manifests", "tags", tag, "current", "link"] if target:
            books.tags.append(Link(key=key, repository=repository, digest=target, target=target, tag=tag))
        case ["_manifests", "tags", _, "current", "link"]:
            books.damaged.add(repository)
        case ["_manifests", "tags", tag, "index", algorithm, digits, "link"]:
            link = _unread(books, key, repository, f"{algorithm}:{digits}", content)
            books.entries.append(replace(link, tag=tag))
        case ["_manifests", "revisions", algorithm, digits, "link"]:
            books.revisions.append(_revision(books, key, repository, f"{algorithm}:{digits}", target))
        case ["_manifests", "revisions", algorithm, digits, "signatures", other, more, "link"]:
            link = _unread(books, key, repository, f"{other}:{more}", content)
            books.signatures.append(replace(link, revision=f"{algorithm}:{digits}"))
        case ["_layers", algorithm, digits, "link"]:
            books.layers.append(_layer(books, key, repository, f"{algorithm}:{digits}", content))
        case ["_uploads", upload, "data" | "startedat"]:
            books.uploads.setdefault((repository, upload), []).append(key)
        case _:
            books.doubtful |= {f"sha256:{digits}" for part in parts for digits in re.findall(r"\b[0-9a-f]{64}\b", part)}


def _target(content: bytes) -> str | None:
    return content.decode() if re.fullmatch(rb"sha256:[0-9a-f]{64}", content) else None


def _layer(books: Books, key: str, repository: str, digest: str, content: bytes) -> Link:
    link = _unread(books, key, repository, digest, content)
    if digest.startswith("sha256:"):
        return link
    # It was pushed by another algorithm's digest, and only its content tells its blob.
    if _target(content) is None:
        books.damaged.add(repository)
    return replace(link, target=_target(content) or digest)


def _revision(books: Books, key: str, repository: str, digest: str, target: str | None) -> Link:
    if target != digest:
        books.damaged.add(repository)
        books.doubtful |= {digest, target or digest}
    return Link(key=key, repository=repository, digest=digest, target=digest)


def _unread(books: Books, key: str, repository: str, digest: str, content: bytes) -> Link:
    """A link of which the name counts: only a size that no link has tells that it is damaged (decisions/0003)."""
    if len(content) != LINK_BYTES:
        books.damaged.add(repository)
        books.doubtful.add(digest)
    return Link(key=key, repository=repository, digest=digest, target=digest)


def understand(content: bytes, digest: str) -> Manifest | None:
    """Read a manifest; `None` is one that cannot be understood."""
    if not is_intact(content, digest):
        return None
    try:
        document = json.loads(content)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    subject = document.pop("subject", None)
    described = [entry for name in ("layers", "manifests", "blobs") for entry in _entries(document.get(name))]
    if not all(isinstance(entry, dict) and isinstance(entry.get("digest"), str) for entry in described):
        return None
    leaves = [document.get(name) for name in ("config", "layers", "blobs", "fsLayers")]
    return Manifest(
        refers=frozenset(_digests(document)),
        children=frozenset(_digests(document)) - frozenset(_digests(leaves)),
        subject=None if subject is None else subject["digest"],
        may_be_index=_may_be_index(document),
    )


def is_intact(content: bytes, digest: str) -> bool:
    """Whether bytes are those that a digest names."""
    return f"sha256:{sha256(content).hexdigest()}" == digest


def _may_be_index(document: dict[str, object]) -> bool:
    said = _SAYS_INDEX.get(str(document.get("mediaType")))
    if said is not None:
        return said
    return document.get("manifests") is not None or all(
        document.get(name) is None for name in ("config", "layers", "blobs", "fsLayers")
    )


def _entries(value: object) -> list[object]:
    """A list's entries; what should be a list and is none counts as an entry that is no descriptor."""
    if value is None:
        return []
    return value if isinstance(value, list) else [None]


def _digests(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from _digests(entry)
    elif isinstance(value, dict):
        for name, entry in value.items():
            if name in ("digest", "blobSum") and isinstance(entry, str):
                yield entry
            else:
                yield from _digests(entry)
