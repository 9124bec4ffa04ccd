"""Where results are written: files that stand whole or not at all, and take the place of nothing but their own kind."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from regsweep.errors import UsageError


def check(path: Path, *, what: str, option: str, beginning: bytes) -> None:
    """See that a result can be written at `path`, before the work of making it.

    What is replaced is an empty file, or one that begins as such results do: an administrator's slip of the pen must
    not cost a device, a symbolic link's name or somebody's table.

    Args:
        path: where.
        what: what is to be written, in a word.
        option: what names another place.
        beginning: how all that was written for the same purpose begins.

    Raises:
        UsageError: its directory does not exist or cannot be written, or something else stands there.
    """
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(
            f"{path}: no {what} can be written there",
            hint=f"name a file in a directory that you can write, with {option}",
        )
    try:
        state = path.lstat()
        if not stat.S_ISREG(state.st_mode):
            raise UsageError(
                f"{path}: is no regular file, and a {what} takes the place of no other",
                hint=f"name another file with {option}",
            )
        if state.st_size and not _begins(path, beginning):
            raise UsageError(
                f"{path}: stands there already, and is no {what}",
                hint=f"name another file with {option}, or remove this one",
            )
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be looked at: {error.strerror}", hint=f"name another with {option}"
        ) from error


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that stands at `path` when the body has ended, or not at all; others may write to the same place.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _begins(path: Path, beginning: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(beginning)) == beginning
