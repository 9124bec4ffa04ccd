"""A tree in a store that keeps versions, after somebody deleted from it and left the versions behind."""

from collections.abc import Callable, Iterable
from pathlib import Path

from fixtures.images import Manifest, image, layer
from tests.trees import Tree, blob_key


def forgotten(folder: Path, put: Callable[[str, bytes], object], remove: Callable[[str], object]) -> Manifest:
    """Push three images: one is deleted key by key, one overwritten, and the one that is left is returned.

    `put` and `remove` take keys relative to the tree's base.
    """
    tree = Tree(folder)
    old, new, gone = (image(b"shared", name) for name in (b"old", b"new", b"gone"))

    def copy(keys: Iterable[str]) -> None:
        for key in sorted(keys):
            put(key, (tree.base / key).read_bytes())

    tree.push(gone, "team/gone", "v1")
    deleted = tree.keys() - {blob_key(layer(b"shared").digest)}
    tree.push(old, "team/app", "latest")
    before = tree.keys()
    copy(before)
    for key in deleted:
        remove(key)
    tree.push(new, "team/app", "latest")
    copy((tree.keys() - before) | {"repositories/team/app/_manifests/tags/latest/current/link"})
    return new
