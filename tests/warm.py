"""A process that has imported regsweep, and runs Python code in copies of itself.

Starting an interpreter and importing takes a third of what a command takes on a small tree, and the tests run thousands
of them. A copy is a process of its own: arguments, directory, environment and streams are those of one that is started
anew, but what it would import is there already, and it ends without taking the interpreter apart. What depends on
either is tested by processes that are started anew: tests/cli/test_startup.py, tests/cli/live.py and others.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

Request = tuple[str, list[str], str, dict[str, str]]
"""Code, its arguments, its directory and its environment."""

_LONGEST: Final = 1 << 20
"""Bytes of a request."""
_PACKAGES: Final = ("regsweep", "regsweep_backends")
_SELDOM: Final = ("azure", "gcs")
"""What is in the names of modules whose SDKs would make every copy slower to make."""
_LATE: Final = ("duckdb", "tqdm", "yaml", "importlib.metadata")
"""What is imported when it is needed, which is nearly always."""


class Ended(NamedTuple):
    """How code ended, as `subprocess` tells it, and what it wrote."""

    code: int
    out: bytes
    err: bytes


def run(request: Request, given: bytes, *, seconds: float) -> Ended:
    """Run code as the main module of a process of its own, with `given` on its standard input, to its end.

    Raises:
        subprocess.TimeoutExpired: it took longer than so many seconds, and was killed.
    """
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with (
        here,
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        stdin.write(given)
        stdin.seek(0)
        with there:
            streams = [stdin.fileno(), stdout.fileno(), stderr.fileno(), there.fileno()]
            socket.send_fds(_server(), [json.dumps(request).encode()], streams)
        process = int(here.recv(32))
        here.settimeout(seconds)
        try:
            code = int(here.recv(32))
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired(request[1], seconds) from None
        stdout.seek(0)
        stderr.seek(0)
        return Ended(code, stdout.read(), stderr.read())


@cache
def _server() -> socket.socket:
    """The way to a server of this process's own, which ends when the way does."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with there:
        process = subprocess.Popen(
            [sys.executable, "-c", f"from tests.warm import serve; serve({there.fileno()})"],
            cwd=Path(__file__).parents[1],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
        )
    atexit.register(_end, here, process)
    return here


def _end(server: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    server.close()
    process.wait()


def serve(descriptor: int) -> None:
    """Serve the requests that come in at a socket, until there is nobody at its other end."""
    for package in _PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not any(word in module.name for word in _SELDOM):
                importlib.import_module(module.name)
    for name in _LATE:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    requests = socket.socket(fileno=descriptor)
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, _LONGEST, 4)
        if not message:
            return
        if not os.fork():
            requests.close()
            _attend(json.loads(message), *descriptors)
        for one in descriptors:
            os.close(one)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _attend(request: Request, stdin: int, stdout: int, stderr: int, answer: int) -> NoReturn:
    """Tell which process runs a request, and how it ended."""
    if process := os.fork():
        with socket.socket(fileno=answer) as told:
            told.send(b"%d" % process)
            told.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        os._exit(0)
    os.close(answer)
    for number, stream in enumerate((stdin, stdout, stderr)):
        os.dup2(stream, number)
        os.close(stream)
    _run(*request)


def _run(code: str, arguments: Sequence[str], cwd: str, environment: Mapping[str, str]) -> NoReturn:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    # It was found out in the server's environment.
    tempfile.tempdir = None
    sys.argv = ["-c", *arguments]
    ended = 0
    try:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - what it is for
    except SystemExit as end:
        ended = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        ended = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)
