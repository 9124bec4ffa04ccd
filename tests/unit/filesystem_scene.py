"""A tree with one key of each kind, and what only an administrator meets: mounts, and a user without rights."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import pytest

from regsweep.errors import StorageError
from regsweep.storage.ports import Access, Target
from regsweep_backends.filesystem import FilesystemStore, connect
from tests.conformance.content import digest
from tests.trees import Tree, blob_key, slashed

NOBODY: Final = 65534

ONE: Final = digest(1)
BLOB: Final = blob_key(ONE)
LAYER: Final = f"repositories/a/b/_layers/{slashed(ONE)}/link"
REVISION: Final = f"repositories/a/b/_manifests/revisions/{slashed(ONE)}/link"
SIGNATURE: Final = f"repositories/a/b/_manifests/revisions/{slashed(ONE)}/signatures/{slashed(ONE)}/link"
TAG: Final = "repositories/a/b/_manifests/tags/v1/current/link"
ENTRY: Final = f"repositories/a/b/_manifests/tags/v1/index/{slashed(ONE)}/link"
UPLOAD: Final = "repositories/a/b/_uploads/1a2b/data"
KEYS: Final = (BLOB, LAYER, REVISION, SIGNATURE, TAG, ENTRY, UPLOAD)

Answer = TypeVar("Answer")


def one_of_each(root: Path) -> Tree:
    """Write a tree with one key of each kind."""
    tree = Tree(root)
    for key in KEYS:
        tree.put(key, ONE.encode())
    return tree


def ancestors(key: str) -> list[str]:
    """The directories that lead to a key, from the outermost."""
    parts = key.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


DIRECTORIES: Final = sorted({place for key in KEYS for place in ancestors(key)})


def read(store: FilesystemStore, key: str) -> bytes | None:
    """What one key holds, a hundred bytes at most."""
    folder, _, name = key.rpartition("/")
    (found,) = store.read(f"{folder}/", [name], "", limit=100)
    return found


def answer_of(ask: Callable[[], Answer]) -> Answer | StorageError:
    """What a question to a store leads to, be it an error."""
    try:
        return ask()
    except StorageError as error:
        return error


@contextmanager
def opened(root: Path, *, cross_mounts: bool = False) -> Iterator[FilesystemStore]:
    """Open the store below `root`, and close it."""
    store = connect({"rootdirectory": str(root)}, Access(cross_mounts=cross_mounts))
    try:
        yield store
    finally:
        store.close()


def target(base: Path, key: str) -> Target:
    """A key as a listing would have it, a symbolic link by what it is itself."""
    state = (base / key).lstat()
    return Target(key=key, size=state.st_size, modified=state.st_mtime_ns // 1000)


@contextmanager
def mounted(place: Path, *options: str, source: str | Path = "tmpfs") -> Iterator[Path]:
    """Mount at `place`, made if missing, a tmpfs unless a `source` to bind is given; skip where that is not allowed."""
    if not place.exists():
        place.mkdir(parents=True)
    kind = ["-t", "tmpfs"] if source == "tmpfs" else ["--bind"]
    more = ["-o", ",".join(options)] if options else []
    done = subprocess.run(["/bin/mount", *kind, *more, source, place], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        # Lazily: a test that failed may still hold a handle in there.
        subprocess.run(["/bin/umount", "--lazy", place], check=True)


def remount(place: Path, options: str) -> None:
    """Change how something is mounted."""
    subprocess.run(["/bin/mount", "-o", f"remount,{options}", place], check=True, capture_output=True)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user without rights for a while, if this is root.

    All capabilities go with the effective user, as they do in a process of that user; a process of its own could not
    start an interpreter that stands in root's home.
    """
    if os.geteuid():
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@contextmanager
def reachable() -> Iterator[Path]:
    """A directory to which every user finds the way, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="regsweep-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
