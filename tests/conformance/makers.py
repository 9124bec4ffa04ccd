"""One maker for each adapter: it fills a store, and looks at it and changes it without the adapter."""

import os
from pathlib import Path
from typing import Protocol

from regsweep.storage.ports import Access, Store
from regsweep_backends.filesystem import FilesystemStore, connect
from tests.conformance.listing import Fact
from tests.trees import BASE, Tree


class Maker(Protocol):
    """A storage of one kind, empty at first. Keys are relative to the tree's base, as in the ports."""

    has_directories: bool
    """Whether directories exist on their own, with or without something in them."""
    enforces_versions: bool
    """Whether what is not what was listed any more is left alone by the storage."""
    tells_absent: bool
    """Whether deleting what is gone already is told from deleting what is there."""
    many: int
    """How many names to put into one directory: more than one part of a listing holds, if that takes no minutes."""

    def fill(self, tree: Tree) -> None:
        """Make the storage hold what `tree` holds; called once, before anything else."""
        ...

    def open(self) -> Store:
        """Open the storage by its adapter, each time anew."""
        ...

    def close(self) -> None:
        """Close what `open` opened, and take the storage away."""
        ...

    def facts(self) -> dict[str, Fact]:
        """Every key there is; with a trailing slash every empty directory below the tree's two branches."""
        ...

    def put(self, key: str, content: bytes) -> None:
        """Write a key."""
        ...

    def put_at_root(self, path: str, content: bytes) -> None:
        """Write an object whose path is relative to the root directory."""
        ...

    def get(self, key: str) -> bytes | None:
        """What a key holds, or `None` if there is none."""
        ...

    def remove(self, key: str) -> None:
        """Remove a key."""
        ...


class FilesystemMaker:
    """A `Maker` of directories and files."""

    has_directories = True
    enforces_versions = True
    tells_absent = True
    many = 3_000

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._opened: list[FilesystemStore] = []

    def fill(self, tree: Tree) -> None:
        """See `Maker.fill`. The tree is the storage already."""
        self._root = tree.root

    def open(self) -> FilesystemStore:
        """See `Maker.open`."""
        store = connect({"rootdirectory": str(self._root)}, Access())
        self._opened.append(store)
        return store

    def close(self) -> None:
        """See `Maker.close`."""
        for store in self._opened:
            store.close()

    def facts(self) -> dict[str, Fact]:
        """See `Maker.facts`."""
        base = self._root / BASE
        found: dict[str, Fact] = {}
        for folder, folders, names in os.walk(base):
            place = Path(folder).relative_to(base)
            for name in names:
                state = Path(folder, name).lstat()
                found[(place / name).as_posix()] = Fact(state.st_size, state.st_mtime_ns // 1000)
            # The branches themselves belong to the layout, empty or not.
            if not folders and not names and len(place.parts) > 1:
                found[f"{place.as_posix()}/"] = Fact(0, Path(folder).lstat().st_mtime_ns // 1000)
        return found

    def put(self, key: str, content: bytes) -> None:
        """See `Maker.put`."""
        self.put_at_root(f"{BASE}/{key}", content)

    def put_at_root(self, path: str, content: bytes) -> None:
        """See `Maker.put_at_root`."""
        (self._root / path).parent.mkdir(parents=True, exist_ok=True)
        (self._root / path).write_bytes(content)

    def get(self, key: str) -> bytes | None:
        """See `Maker.get`."""
        try:
            return (self._root / BASE / key).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, key: str) -> None:
        """See `Maker.remove`."""
        (self._root / BASE / key).unlink()
