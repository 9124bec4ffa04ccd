"""Runs that a test takes part in: held at a place of its choosing, sent signals, or given a terminal."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Final, Self

from tests.command import REGSWEEP, Finished, environment

_PATIENCE: Final = 60.0

_HELD: Final = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # who runs the tests may have begun them with nohup
from regsweep.cli.main import main
reached, released = int(sys.argv.pop(1)), int(sys.argv.pop(1))
def hold():
    os.write(reached, b".")
    os.read(released, 1)
"""

DELETING: Final = (
    _HELD
    + """
from regsweep_backends.filesystem import FilesystemStore
delete = FilesystemStore.delete
def held(self, targets):
    hold()
    return delete(self, targets)
FilesystemStore.batch = 1
FilesystemStore.delete = held
main()
"""
)
"""Deletes one key at a time, and is held before each."""

LISTING: Final = (
    _HELD
    + """
import duckdb  # else the signal may come while the parent imports it, which is a case of its own: LOADING
from regsweep_backends.filesystem import FilesystemStore
pages = FilesystemStore.pages
def held(self, shard):
    hold()
    return pages(self, shard)
FilesystemStore.pages = held
main()
"""
)
"""Is held in the workers, before each shard that they list."""

LOADING: Final = """
import enum, os, signal, sys
call = enum.EnumMeta.__call__
def interrupted(cls, value, *rest, **named):
    if "duckdb" in sys.modules and cls in (enum.Enum, enum.IntEnum):
        enum.EnumMeta.__call__ = call
        os.kill(os.getpid(), signal.SIGINT)
    return call(cls, value, *rest, **named)
enum.EnumMeta.__call__ = interrupted
from regsweep.cli.main import main
main()
"""
"""Presses Ctrl-C while DuckDB's library, which cannot cope with it, makes itself known to Python."""

WRITING: Final = (
    _HELD
    + """
from regsweep.inventory.database import Inventory
lines = Inventory.lines
def held(inventory, query):
    for part in lines(inventory, query):
        yield part
        if '"record":"delete"' in query:
            hold()
Inventory.lines = held
main()
"""
)
"""Is held when the first lines of what goes are written, or about to be."""


class Held:
    """A run of regsweep in a session of its own, by a script that holds it at some places."""

    def __init__(self, script: str, *arguments: str | Path, cwd: Path) -> None:
        self._reached, reached = os.pipe()
        released, self._released = os.pipe()
        self._out = TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._err = b""
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, str(reached), str(released), *map(str, arguments)],
            cwd=cwd,
            env=environment(cwd),
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.PIPE,
            pass_fds=(reached, released),
            start_new_session=True,
        )
        os.close(reached)
        os.close(released)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        os.close(self._reached)
        self.release_for_good()
        self._out.close()
        if self._process.stderr:
            self._process.stderr.close()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def wait_until_held(self) -> None:
        """Wait for the run to come to the next place where it is held."""
        assert self._read(self._reached, 1), f"it ended before it was held: {self._said()}"

    def release(self) -> None:
        """Let the run go on to the next place."""
        os.write(self._released, b".")

    def release_for_good(self) -> None:
        """Let the run go on to its end."""
        if self._released >= 0:
            os.close(self._released)
            self._released = -1

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the process or, as a terminal does, to its whole group."""
        (os.killpg if group else os.kill)(self.pid, number)

    def kill(self) -> None:
        """End the run as a power cut does, if it has not ended, together with its workers."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_PATIENCE)

    def wait_for_words(self, words: str) -> None:
        """Wait until the run has said this on standard error."""
        assert self._process.stderr
        while words not in self._said():
            part = self._read(self._process.stderr.fileno(), 4096)
            assert part, f"it ended and said only: {self._said()}"
            self._err += part

    def finish(self) -> Finished:
        """Wait for the end of the run."""
        assert self._process.stderr
        while part := self._read(self._process.stderr.fileno(), 4096):
            self._err += part
        code = self._process.wait(_PATIENCE)
        self._out.seek(0)
        return Finished(code=code, out=self._out.read().decode(), err=self._said())

    def _said(self) -> str:
        return self._err.decode()

    def _read(self, descriptor: int, most: int) -> bytes:
        assert _readable(descriptor, _PATIENCE), f"nothing came; it said: {self._said()}"
        return os.read(descriptor, most)


def on_a_terminal(*arguments: str | Path, cwd: Path, typed: str = "") -> Finished:
    """Run with a terminal of 100 columns as standard input and error; `err` is all that it shows, echo included."""
    master, slave = pty.openpty()
    shown = b""
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        with TemporaryFile() as out:
            process = subprocess.Popen(
                # In a session of its own on this terminal: what is typed as Ctrl-C comes as the signal.
                ["setsid", "--ctty", *REGSWEEP, *map(str, arguments)],  # noqa: S607 - where the system puts it
                cwd=cwd,
                env=environment(cwd, TERM="xterm"),
                stdin=slave,
                stdout=out,
                stderr=slave,
            )
            os.close(slave)
            slave = -1
            deadline = time.monotonic() + _PATIENCE
            pending = typed.encode()
            try:
                # What is there when the last process has closed it ends in EIO.
                with suppress(OSError):
                    while time.monotonic() < deadline:
                        if pending and b"?" in shown:
                            os.write(master, pending)
                            pending = b""
                        if _readable(master, 1.0):
                            shown += os.read(master, 4096)
            finally:
                process.kill()
                code = process.wait(_PATIENCE)
            out.seek(0)
            return Finished(code=code, out=out.read().decode(), err=shown.decode())
    finally:
        os.close(master)
        if slave >= 0:
            os.close(slave)


def _readable(descriptor: int, seconds: float) -> bool:
    """Whether there is something to read, or the end, within that time."""
    # Not by select, which takes no descriptor beyond 1023: the servers of other tests may hold as many.
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))
