"""The grammar of storage keys, both ways.

Keys are relative to `docker/registry/v2` and as distribution writes them (its `registry/storage/paths.go`). What does
not parse was not written by a registry, and is never deleted.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from regsweep.errors import MalformedError
from regsweep.registry.digest import DIGEST_PATTERN, HEX_LENGTHS, Digest

BASE: Final = "docker/registry/v2"
"""Where the tree stands below the root directory that the registry is configured with."""

DATABASE_IN_USE: Final = "docker/registry/lockfiles/database-in-use"
"""From the root: GitLab's registry keeps its books in a database, and `repositories/` is not the truth."""

SCHEDULER_STATE: Final = "scheduler-state.json"
"""From the root: the registry is a pull-through cache."""

LOCK: Final = "regsweep.lock"
"""The key of regsweep's own lock. A registry reads `blobs/` and `repositories/` alone."""

LINK_BYTES: Final = len("sha256:") + 64
"""The size of every link that distribution writes: a sha256 digest, no newline."""


class Kind(StrEnum):
    """What a key holds."""

    TAG = "tag"
    TAG_ENTRY = "tag-entry"
    REVISION = "revision"
    SIGNATURE = "signature"
    LAYER_LINK = "layer-link"
    UPLOAD = "upload"
    BLOB = "blob"


TEMPLATES: Final = {
    Kind.TAG: "repositories/{repository}/_manifests/tags/{tag}/current/link",
    Kind.TAG_ENTRY: "repositories/{repository}/_manifests/tags/{tag}/index/{digest}/link",
    Kind.REVISION: "repositories/{repository}/_manifests/revisions/{digest}/link",
    Kind.SIGNATURE: "repositories/{repository}/_manifests/revisions/{revision}/signatures/{digest}/link",
    Kind.LAYER_LINK: "repositories/{repository}/_layers/{digest}/link",
    Kind.UPLOAD: "repositories/{repository}/_uploads/{upload}/{part}",
    Kind.BLOB: "blobs/{sharded}/data",
}
"""How each kind's key is built. A `{digest}` and a `{revision}` stand as `algorithm/hex`; `{sharded}` is a digest with
the first two hex digits between them."""

# Wider than what a registry accepts today, for older ones accepted more; nothing here can climb or be hidden.
_COMPONENT: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_DIGEST: Final = DIGEST_PATTERN.replace(":", "/")
_FIELDS: Final = {
    "repository": rf"{_COMPONENT}(?:/{_COMPONENT})*",
    "tag": r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
    "digest": _DIGEST,
    "revision": _DIGEST,
    "upload": r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}",
    "part": r"data|startedat|hashstates/[a-z0-9]+/[0-9]+",
    "sharded": "|".join(f"{name}/[0-9a-f]{{2}}/[0-9a-f]{{{length}}}" for name, length in HEX_LENGTHS.items()),
}
_PATTERNS: Final = {
    kind: re.compile(re.sub(r"\{(\w+)\}", lambda field: f"(?P<{field[1]}>{_FIELDS[field[1]]})", template), re.ASCII)
    for kind, template in TEMPLATES.items()
}
_TAG: Final = re.compile(_FIELDS["tag"])
_REPOSITORY: Final = re.compile(_FIELDS["repository"])
_DIRECTORY: Final = re.compile(r"(?:blobs|repositories)/(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)+")
_HEX_IN_KEY: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")

# distribution's reference grammar (reference/regexp.go): what a client can name.
_SERVABLE_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_SERVABLE: Final = re.compile(rf"{_SERVABLE_COMPONENT}(?:/{_SERVABLE_COMPONENT})*")
_SERVABLE_LENGTH: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of the tree, taken apart. Fields that its kind does not have are empty."""

    kind: Kind
    repository: str = ""
    tag: str = ""
    digest: Digest | None = None
    revision: Digest | None = None
    upload: str = ""
    part: str = ""

    def __str__(self) -> str:
        return TEMPLATES[self.kind].format(
            repository=self.repository,
            tag=self.tag,
            digest=_slashed(self.digest),
            revision=_slashed(self.revision),
            upload=self.upload,
            part=self.part,
            sharded=f"{self.digest.algorithm}/{self.digest.hex[:2]}/{self.digest.hex}" if self.digest else "",
        )


def parse(key: str) -> Key | None:
    """Take a key apart, or return `None` for one that no registry writes; `str()` of the result is `key` again."""
    for kind in _candidates(key):
        if found := _PATTERNS[kind].fullmatch(key):
            fields = found.groupdict()
            if sharded := fields.get("sharded"):
                if not _is_sharded(sharded):
                    return None
                algorithm, _, digits = sharded.split("/")
                fields["digest"] = f"{algorithm}/{digits}"
            return Key(
                kind=kind,
                repository=fields.get("repository", ""),
                tag=fields.get("tag", ""),
                digest=_unslashed(fields.get("digest")),
                revision=_unslashed(fields.get("revision")),
                upload=fields.get("upload", ""),
                part=fields.get("part", ""),
            )
    return None


def is_key(kind: Kind, key: str) -> bool:
    """Whether a registry writes this key for something of this kind."""
    found = _PATTERNS[kind].fullmatch(key)
    return found is not None and (kind is not Kind.BLOB or _is_sharded(found["sharded"]))


def repository_of(key: str) -> str:
    """The repository that a key lies in, or an empty string; also for keys that do not parse."""
    if not key.startswith("repositories/"):
        return ""
    components = key.split("/")[1:]
    for depth, component in enumerate(components):
        if component.startswith("_"):
            return "/".join(components[:depth])
    return ""


def digests_in(key: str) -> list[Digest]:
    """Every sha256 digest that a key spells, also in keys that do not parse: a reference, as far as one can tell."""
    return [Digest(bytes.fromhex(digits)) for digits in _HEX_IN_KEY.findall(key)]


def is_tag(name: str) -> bool:
    """Whether a registry takes this for a tag."""
    return _TAG.fullmatch(name) is not None


def is_repository(name: str) -> bool:
    """Whether a repository in the storage may have this name, be it one that no client can use any more."""
    return _REPOSITORY.fullmatch(name) is not None


def is_directory(key: str) -> bool:
    """Whether this is the key of a directory below `blobs` or `repositories`, in letters that distribution uses."""
    return _DIRECTORY.fullmatch(key) is not None


def printable(name: str) -> str:
    """Escape what a terminal, a log or a page could take for more than text.

    That is control and bidirectional characters, and bytes that are not UTF-8.
    """
    if name.isascii() and name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name)


def is_servable(repository: str) -> bool:
    """Whether a client can name this repository at all."""
    return len(repository) <= _SERVABLE_LENGTH and _SERVABLE.fullmatch(repository) is not None


def parse_link(content: bytes) -> Digest:
    """Read what a link holds.

    Raises:
        MalformedError: it is empty, or not exactly a sha256 digest. Other algorithms never stand in a link:
            distribution stores every blob under sha256 and links to that.
    """
    if not content:
        raise MalformedError("the link is empty")
    try:
        digest = Digest.parse(content.decode("ascii"))
    except (UnicodeDecodeError, MalformedError):
        raise MalformedError(f"the link holds no digest but {content[:80]!r}") from None
    if digest.algorithm != "sha256":
        raise MalformedError(f"the link holds a {digest.algorithm} digest")
    return digest


def _candidates(key: str) -> tuple[Kind, ...]:
    if key.startswith("blobs/"):
        return (Kind.BLOB,)
    # A tag may be named `_layers`, but no component of a repository's name begins so.
    if "/_manifests/tags/" in key:
        return (Kind.TAG_ENTRY, Kind.TAG)
    if "/_manifests/revisions/" in key:
        return (Kind.REVISION, Kind.SIGNATURE)
    if "/_layers/" in key:
        return (Kind.LAYER_LINK,)
    return (Kind.UPLOAD,)


def _is_sharded(sharded: str) -> bool:
    _, shard, digits = sharded.split("/")
    return digits.startswith(shard)


def _slashed(digest: Digest | None) -> str:
    return str(digest).replace(":", "/") if digest else ""


def _unslashed(text: str | None) -> Digest | None:
    return Digest(bytes.fromhex(text.partition("/")[2])) if text else None
