"""Manifests: what they refer to, of every kind that a registry stores. Untrusted bytes in, references or an error out.

A reference missed here is a blob deleted later. So every known field is read whatever the declared media type says,
fields are matched as loosely as the registry matches them, and any doubt is an error, upon which the repository is
frozen.

Sources: the OCI image specification (manifest.md, image-index.md, descriptor.md; artifact.md of its 1.1 release
candidates), Docker's "Image Manifest V 2, Schema 1" and "Schema 2", ORAS's artifact manifest; how the registry reads
them, from Go's encoding/json (names match without regard to case, the last of several wins, null means empty).
"""

import functools
import json
import re
from collections.abc import Iterator
from enum import IntEnum, StrEnum
from typing import Annotated, Final, NamedTuple, NoReturn

import msgspec

from regsweep.errors import MalformedError
from regsweep.registry.digest import DIGEST_PATTERN, HEX_LENGTHS, verify

MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024
"""The registry stores no larger manifest (distribution's registry/handlers/manifests.go)."""


class Kind(StrEnum):
    """What a manifest is: by its media type if that is known, else by its fields."""

    IMAGE = "image"
    """An OCI image manifest, or Docker's schema 2."""
    INDEX = "index"
    """An OCI image index, or Docker's manifest list."""
    SCHEMA1 = "schema1"
    """Docker's schema 1, signed or not."""
    ARTIFACT = "artifact"
    """OCI's withdrawn artifact manifest, or ORAS's, from which it came."""
    UNKNOWN = "unknown"


class Role(IntEnum):
    """What a manifest refers to something as; the numbers stand in inventories, so they stay."""

    CHILD = 0
    CONFIG = 1
    LAYER = 2
    SUBJECT = 3
    OTHER = 4
    """It stands in a field named `digest` that no known manifest has in that place."""


class Reference(NamedTuple):
    """One descriptor of a manifest.

    Attributes:
        digest: `algorithm:hex`, a digest that `Digest.parse` takes.
        size: the bytes that the descriptor claims, from 0 to 2**63 - 1, or -1 if it claims none.
        role: which field it stands in.
    """

    digest: str
    size: int
    role: Role


class Manifest(NamedTuple):
    """What a manifest says, as far as collecting garbage needs it.

    Its references are every descriptor in it, those that stand in several places several times; in no promised order.
    They are held as columns, for millions of them pass through.

    Attributes:
        kind: what it is.
        media_type: the media type that it declares, printable, or an empty string.
        digests, sizes, roles: the fields of its references.
    """

    kind: Kind
    media_type: str
    digests: list[str]
    sizes: list[int]
    roles: list[Role]

    @property
    def references(self) -> list[Reference]:
        """The references one by one."""
        return list(map(Reference, self.digests, self.sizes, self.roles))


def read(content: bytes, digest_hex: str) -> Manifest:
    """Parse a manifest as it lies in the storage, once its bytes are known to be the ones that its digest names.

    Signed schema 1 manifests need no care: the registry stores their canonical payload, without the signatures, so
    the digest is the stored bytes' own. It did so from its first release (2.0's registry/storage/revisionstore.go,
    `put`) to its last with schema 1 (2.8's registry/storage/signedmanifesthandler.go, `Put`).

    Args:
        content: the blob's bytes, or the first `MAX_MANIFEST_BYTES + 1` of them.
        digest_hex: the hexadecimal digits of its sha256 digest, lower case.

    Raises:
        MalformedError: `content` is too large, does not hash to its digest, or cannot be parsed.
    """
    verify(content, digest_hex, most=MAX_MANIFEST_BYTES, what="manifest")
    return parse(content)


def parse(content: bytes) -> Manifest:
    """Parse a manifest of any kind.

    Every valid digest is returned that stands in a known field, or in a field named `digest` at any depth. What holds
    no digest may go unread: a field of a known name in another case, the first of two fields of one name.

    Raises:
        MalformedError: `content` is not one JSON object in UTF-8, a known field has the wrong type, a descriptor has no
            valid digest, or what an object refers to depends on which of two fields of one name is read. No other
            exception is raised.
    """
    return _parse_quickly(content) or _parse_fully(content)


_MEDIA_TYPES: Final = {
    "application/vnd.oci.image.manifest.v1+json": Kind.IMAGE,
    "application/vnd.docker.distribution.manifest.v2+json": Kind.IMAGE,
    "application/vnd.oci.image.index.v1+json": Kind.INDEX,
    "application/vnd.docker.distribution.manifest.list.v2+json": Kind.INDEX,
    "application/vnd.docker.distribution.manifest.v1+json": Kind.SCHEMA1,
    "application/vnd.docker.distribution.manifest.v1+prettyjws": Kind.SCHEMA1,
    "application/vnd.oci.artifact.manifest.v1+json": Kind.ARTIFACT,
    "application/vnd.cncf.oras.artifact.manifest.v1+json": Kind.ARTIFACT,
}
_MAX_SIZE: Final = 2**63 - 1


def _kind(manifests: object, fs_layers: object, image: object, blobs: object) -> Kind:
    if manifests is not None:
        return Kind.INDEX
    if fs_layers is not None:
        return Kind.SCHEMA1
    if image is not None:
        return Kind.IMAGE
    return Kind.UNKNOWN if blobs is None else Kind.ARTIFACT


# The quick way, for nearly all manifests: typed, in C, and given up at the first doubt.


class _Descriptor(msgspec.Struct, gc=False):
    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=_MAX_SIZE)] = -1


class _FsLayer(msgspec.Struct, gc=False, rename="camel"):
    blob_sum: str


class _Document(msgspec.Struct, gc=False, rename="camel"):
    media_type: str = ""
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    blobs: list[_Descriptor] | None = None
    fs_layers: list[_FsLayer] | None = None
    subject: _Descriptor | None = None


_decode: Final = msgspec.json.Decoder(_Document).decode
_find: Final = re.compile("|".join(f'{name}:[^"]{{{length}}}' for name, length in HEX_LENGTHS.items())).findall
_CHILD, _CONFIG, _LAYER, _SUBJECT = Role.CHILD, Role.CONFIG, Role.LAYER, Role.SUBJECT
# Making a tuple takes a quarter less time in this way than by calling the class.
_manifest: Final = functools.partial(tuple.__new__, Manifest)


def _parse_quickly(content: bytes) -> Manifest | None:
    try:
        text = content.decode()
        document = _decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    config, fs_layers, subject = document.config, document.fs_layers, document.subject
    digests: list[str] = []
    sizes: list[int] = []
    roles: list[Role] = []
    if config:
        digests.append(config.digest)
        sizes.append(config.size)
        roles.append(_CONFIG)
    for role, descriptors in ((_LAYER, document.layers), (_CHILD, document.manifests), (_LAYER, document.blobs)):
        if descriptors:
            digests += [descriptor.digest for descriptor in descriptors]
            sizes += [descriptor.size for descriptor in descriptors]
            roles += [role] * len(descriptors)
    if fs_layers:
        digests += [layer.blob_sum for layer in fs_layers]
        sizes += [-1] * len(fs_layers)
        roles += [_LAYER] * len(fs_layers)
    if subject:
        digests.append(subject.digest)
        sizes.append(subject.size)
        roles.append(_SUBJECT)
    media_type = document.media_type
    kind = _MEDIA_TYPES.get(media_type) or _kind(
        document.manifests, fs_layers, config or document.layers, document.blobs
    )
    if kind is Kind.UNKNOWN or not media_type.isprintable() or not _are_all_digests(digests, text):
        return None
    return _manifest((kind, media_type, digests, sizes, roles))


def _are_all_digests(collected: list[str], text: str) -> bool:
    """Prove that a document refers to nothing else, be it in an unknown, a misspelled or an overridden field.

    (1) JSON writes a character of a digest as itself or as a backslash, u and its number: without the latter, every
    digest in the document stands in the text as it is. (2) `_find` looks for an algorithm's name and as many
    characters, of whatever sort, as it has digits. So it passes over a digest only inside another match, which then
    holds that digest's "s": not if all matches hold digits only. (3) Each collected string has its own place in the
    text. So if they are the matches, one for one, then every digest was collected, and nothing but digests.
    """
    found = _find(text)
    return (
        (found == collected or sorted(found) == sorted(collected))
        and "".join(found).encode().translate(None, b"0123456789abcdef") == b"sh:" * len(found)
        and ("\\" not in text or "\\u" not in text)
    )


# The thorough way, for what is unusual: annotations with digests, unknown types, escapes, and all that is wrong.

_is_digest: Final = re.compile(DIGEST_PATTERN).fullmatch
_KNOWN: Final = (
    ("config", Role.CONFIG),
    ("layers", Role.LAYER),
    ("manifests", Role.CHILD),
    ("blobs", Role.LAYER),
    ("fslayers", Role.LAYER),
    ("subject", Role.SUBJECT),
)
_SINGLE: Final = frozenset({Role.CONFIG, Role.SUBJECT})


def _parse_fully(content: bytes) -> Manifest:
    document = _load(content)
    if not isinstance(document, dict):
        raise MalformedError("not a JSON object")
    media_type = _field(document, "mediatype")
    if media_type is None:
        media_type = ""
    if not isinstance(media_type, str) or not media_type.isprintable():
        raise MalformedError("its mediaType is not a media type")
    values = {name: _field(document, name) for name, _ in _KNOWN}
    kind = _MEDIA_TYPES.get(media_type) or _kind(
        values["manifests"],
        values["fslayers"],
        values["layers"] if values["config"] is None else values["config"],
        values["blobs"],
    )
    references: list[Reference] = []
    for name, role in _KNOWN:
        value = values[name]
        if value is None:
            continue
        if role in _SINGLE:
            value = [value]
        if not isinstance(value, list):
            raise MalformedError(f"{name} is not a list")
        references += [_descriptor(entry, name, role) for entry in value]
    references += [Reference(digest, -1, Role.OTHER) for digest in _other_digests(document)]
    return Manifest(
        kind,
        media_type,
        [reference.digest for reference in references],
        [reference.size for reference in references],
        [reference.role for reference in references],
    )


# How deep the interpreter's own limit lets a parser go depends on who called it, and whatever else happens to run at
# that limit fails too. So a document is measured before it is parsed; a manifest needs five levels.
_MAX_DEPTH: Final = 100
_brackets: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL).finditer


def _load(content: bytes) -> object:
    try:
        text = content.decode()
        _measure(text)
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except ValueError as error:
        raise MalformedError(f"not JSON: {error}") from error


def _measure(text: str) -> None:
    depth = 0
    for found in _brackets(text):
        bracket = found[0]
        depth += (bracket in "[{") - (bracket in "]}")
        if depth > _MAX_DEPTH:
            raise MalformedError("JSON nested too deeply")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedError("an object has two fields of one name")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise MalformedError(f"not JSON: {name} is no number")


def _field(fields: dict[str, object], folded: str, *, take: bool = False) -> object:
    spellings = [name for name in fields if name.casefold() == folded]
    if len(spellings) > 1:
        raise MalformedError(f"an object has two fields that read as {folded}")
    if not spellings:
        return None
    return fields.pop(spellings[0]) if take else fields[spellings[0]]


def _descriptor(entry: object, name: str, role: Role) -> Reference:
    """Take the digest out of a descriptor, so that what is left in the document is what was not understood."""
    if not isinstance(entry, dict):
        raise MalformedError(f"{name} holds something that is not an object")
    old = name == "fslayers"
    digest = _field(entry, "blobsum" if old else "digest", take=True)
    if not isinstance(digest, str):
        raise MalformedError(f"{name} holds something without a digest")
    if not _is_digest(digest):
        raise MalformedError(f"{name} holds something whose digest is none: {digest[:100]!r}")
    size = None if old else _field(entry, "size")
    if size is None:
        return Reference(digest, -1, role)
    if type(size) is not int or not 0 <= size <= _MAX_SIZE:
        raise MalformedError(f"{name} holds something of an impossible size")
    return Reference(digest, size, role)


def _other_digests(document: object) -> Iterator[str]:
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left += value
        elif isinstance(value, dict):
            left += value.values()
            for name, text in value.items():
                if isinstance(text, str) and name.casefold() == "digest" and _is_digest(text):
                    yield text
