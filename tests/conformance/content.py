"""Trees to list, read and delete from."""

from tests.trees import Tree, slashed

NESTED = ("a", "a/b", "a/b/c", "ab", "a-b", "b/a")
"""Repositories of which one's name is another's beginning, with and without a slash between."""


def digest(number: int, *, algorithm: str = "sha256", length: int = 64) -> str:
    """Make up a digest; those of nearby numbers share their first digits."""
    return f"{algorithm}:{number:0{length}x}"


def pushed(tree: Tree, repository: str) -> None:
    """Write every kind of key that the layout knows into one repository."""
    layer, first, second = (tree.blob(f"{repository} {part}".encode()) for part in ("layer", "first", "second"))
    tree.layer_link(repository, layer, age=21)
    for days, manifest in enumerate((first, second), start=1):
        tree.revision(repository, manifest, age=days)
        tree.tag(repository, "v1", manifest, age=days)
    tree.tag(repository, "latest", second)
    revision = f"repositories/{repository}/_manifests/revisions/{slashed(first)}"
    tree.put(f"{revision}/signatures/{slashed(layer)}/link", layer.encode())
    upload = tree.upload(repository, "1a2b3c4d-0000-4000-8000-000000000000", b"", age=0.5)
    tree.put(f"{upload}/hashstates/sha256/0", b"state")


def populated(tree: Tree) -> Tree:
    """Fill `tree` with repositories whose names nest and share beginnings."""
    for repository in NESTED:
        pushed(tree, repository)
    return tree
