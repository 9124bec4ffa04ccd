"""Random manifests of every kind that a registry stores, each of which may refer to those made before it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256, sha512
from typing import Final

from hypothesis import strategies as st

from fixtures.images import (
    BUILDKIT_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
)

LAYERS: Final = (b"zero", b"one", b"two", b'{"layers":[{"blob":"a layer that is JSON"}]}', b'{"digest":7}')
"""The contents of all layers and configurations; few, so that they are shared."""
_ABSENT: Final = "sha256:" + "ab" * 32
"""Nothing has this digest."""


@dataclass(frozen=True, slots=True)
class Made:
    """A manifest with what a push of it sends along: blobs, and children."""

    content: bytes
    blobs: tuple[bytes, ...] = ()
    children: tuple["Made", ...] = ()

    @property
    def digest(self) -> str:
        """Its digest."""
        return f"sha256:{sha256(self.content).hexdigest()}"

    def tree(self) -> Iterator["Made"]:
        """What a push sends, in its order."""
        for child in self.children:
            yield from child.tree()
        yield self


@st.composite
def manifests(draw: st.DrawFn) -> list[Made]:
    """A few manifests, in the order in which they could be pushed."""
    made: list[Made] = []
    for number in range(draw(st.integers(2, 6))):
        kinds = [_image, _image, _unusual, _index, _index, _index] if made else [_image]
        document, one = draw(draw(st.sampled_from(kinds))(made))
        document["annotations"] = {"number": str(number)}
        if made and draw(st.integers(0, 2)) == 0:
            subject = draw(st.sampled_from([*(other.digest for other in made), _ABSENT]))
            document["subject"] = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 2}
        content = json.dumps(document).encode()
        if draw(st.integers(0, 29)) == 0:
            content = draw(st.sampled_from([content[:-1], b"[]", json.dumps(document | {"layers": 7}).encode()]))
        made.append(Made(content, one.blobs, one.children))
    return made


def _described(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{sha256(content).hexdigest()}", "size": len(content)}


def _some_layers() -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.sampled_from(LAYERS), max_size=3, unique=True)


@st.composite
def _image(draw: st.DrawFn, _made: list[Made]) -> tuple[dict[str, object], Made]:
    config, *layers = draw(st.lists(st.sampled_from(LAYERS), min_size=1, max_size=3, unique=True))
    described = [_described(layer, OCI_LAYER) for layer in layers]
    if layers and draw(st.integers(0, 3)) == 0:
        described[0]["digest"] = f"sha512:{sha512(layers[0]).hexdigest()}"
    if draw(st.integers(0, 5)) == 0:
        described.append({"digest": _ABSENT, "size": 1, "urls": ["https://layers.example/1"]})
    media_type = draw(st.sampled_from([OCI_MANIFEST, DOCKER_MANIFEST]))
    document: dict[str, object] = {"schemaVersion": 2, "mediaType": media_type}
    document |= {"config": _described(config, OCI_CONFIG), "layers": described}
    return document, Made(b"", (config, *layers))


@st.composite
def _index(draw: st.DrawFn, made: list[Made]) -> tuple[dict[str, object], Made]:
    """An index of images and indexes; now and then of layers too, as BuildKit's cache."""
    children = draw(st.lists(st.sampled_from(made), min_size=1, max_size=2))
    cached = draw(st.one_of(st.just([]), st.just([]), _some_layers()))
    described = [_described(child.content, OCI_MANIFEST) for child in children]
    described += [_described(content, draw(st.sampled_from([OCI_LAYER, BUILDKIT_CONFIG]))) for content in cached]
    media_type = draw(st.sampled_from([OCI_INDEX, DOCKER_LIST, None]))
    document: dict[str, object] = {"schemaVersion": 2, "mediaType": media_type, "manifests": described}
    return document, Made(b"", tuple(cached), tuple(children))


@st.composite
def _unusual(draw: st.DrawFn, made: list[Made]) -> tuple[dict[str, object], Made]:
    """Schema 1, the withdrawn artifact manifest, or of a type that nobody knows, with digests where none belong."""
    contents = draw(_some_layers())
    described: list[object] = [_described(content, OCI_LAYER) for content in contents]
    match draw(st.integers(0, 2)):
        case 0:
            blobs = [{"blobSum": f"sha256:{sha256(content).hexdigest()}"} for content in contents]
            return {"schemaVersion": 1, "fsLayers": blobs}, Made(b"", tuple(contents))
        case 1:
            media_type = "application/vnd.oci.artifact.manifest.v1+json"
            return {"mediaType": media_type, "blobs": described}, Made(b"", tuple(contents))
        case _:
            child = draw(st.sampled_from(made))
            document: dict[str, object] = {"mediaType": "application/vnd.example+json", "parts": {"all": described}}
            document["next"] = {"digest": child.digest}
            return document, Made(b"", tuple(contents), (child,))
