"""A proxy before a server, which passes all on as it came, but for the faults that a test plans."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from regsweep.storage.ports import Request
from tests.servers.started import HOST

_OF_ONE_CONNECTION: Final = frozenset({"connection", "content-length", "expect", "keep-alive", "transfer-encoding"})
"""Headers that the proxy makes anew. `Host` is none of them: it stays what the client signed."""


Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asked for; `target` as it stood in the request."""

    method: str
    target: str
    body: bytes

    @property
    def kind(self) -> Request:
        """What it is to a store, in the words of all three providers."""
        url = urlsplit(self.target)
        query = parse_qs(url.query, keep_blank_values=True)
        if self.method == "DELETE" or "delete" in query or query.get("comp") == ["batch"]:
            return Request.DELETE
        if self.method in ("PUT", "POST"):
            return Request.WRITE
        listing = "list-type" in query or query.get("comp") == ["list"] or url.path.endswith("/o")
        return Request.LIST if listing else Request.READ

    @property
    def path(self) -> str:
        """The address without its query, as it was before it was encoded."""
        return unquote(urlsplit(self.target).path)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server never hears of it, and the client is answered this."""

    status: int
    body: bytes = b""
    headers: Headers = ()


class Cut(Enum):
    """The connection breaks."""

    BEFORE = "before"
    """The server never hears of the request."""
    AFTER = "after"
    """The server did what it was asked for, and its answer is lost."""
    HEAD = "head"
    """The answer ends among its headers."""
    WITHIN = "within"
    """The answer ends in its middle, and should be longer by its own word."""


@dataclass(frozen=True, slots=True)
class Late:
    """The answer comes so many seconds later."""

    seconds: float


Fault = Refusal | Cut | Late


@dataclass(slots=True)
class _Planned:
    fault: Fault
    match: Callable[[Asked], bool]
    after: int
    times: int | None

    def strikes(self, asked: Asked) -> bool:
        if self.times == 0 or not self.match(asked):
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times:
            self.times -= 1
        return True


@dataclass(slots=True)
class Proxy:
    """A running proxy before the server at `server`, of which clients are given `address` instead."""

    server: str
    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    suffered: list[Asked] = field(default_factory=list)
    """What a fault happened to."""
    _planned: list[_Planned] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(
        self,
        fault: Fault,
        match: Callable[[Asked], bool] = lambda _: True,
        *,
        after: int = 0,
        times: int | None = None,
    ) -> None:
        """Let a fault happen to so many of the requests that match, for good unless told, after so many of them."""
        with self._lock:
            self._planned.append(_Planned(fault, match, after, times))

    def mend(self) -> None:
        """Plan nothing any more, and forget what happened."""
        with self._lock:
            self._planned.clear()
            self.asked.clear()
            self.suffered.clear()

    def take(self, asked: Asked) -> Fault | None:
        """Note a request, and tell what is to happen to it."""
        with self._lock:
            self.asked.append(asked)
            for planned in self._planned:
                if planned.strikes(asked):
                    self.suffered.append(asked)
                    return planned.fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: Proxy) -> None:
        super().__init__((HOST, 0), _Handler)
        self.proxy = proxy
        self.over = threading.Event()

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        # Without the goodbye of the base class, after which no reset is sent any more.
        self.close_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 10
    server: _Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # Not `path`, in which the base class takes slashes away.
        asked = Asked(self.command, self.requestline.split(" ")[1], body)
        fault = self.server.proxy.take(asked)
        if fault is Cut.BEFORE:
            self._reset()
        elif isinstance(fault, Refusal):
            self._say(fault.status, fault.headers, fault.body)
        else:
            self._pass_on(asked, fault)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the base class's names

    def _pass_on(self, asked: Asked, fault: Cut | Late | None) -> None:
        connection = HTTPConnection(urlsplit(self.server.proxy.server).netloc, timeout=60)
        try:
            connection.putrequest(asked.method, asked.target, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _OF_ONE_CONNECTION:
                    connection.putheader(name, value)
            if asked.body or asked.method in ("PUT", "POST"):
                connection.putheader("Content-Length", str(len(asked.body)))
            connection.endheaders(asked.body or None)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if isinstance(fault, Late):
            self.server.over.wait(fault.seconds)
        if fault is Cut.AFTER:
            self._reset()
        else:
            self._say(answer.status, answer.headers.items(), content, fault)

    def _say(self, status: int, headers: Headers, body: bytes, fault: Fault | None = None) -> None:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers if name.lower() not in _OF_ONE_CONNECTION]
        lines += [f"Content-Length: {len(body)}"] if status != HTTPStatus.NO_CONTENT else []
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.close_connection = isinstance(fault, Cut)
        whole = head + body
        if fault is Cut.HEAD:
            whole = head[: len(head) // 2]
        elif fault is Cut.WITHIN:
            whole = whole[: -max(1, len(body) // 2)]
        # At once, else the client's side waits to acknowledge the first part. Who waits no more is not told.
        with suppress(ConnectionError):
            self.wfile.write(whole)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def faults(server: str) -> Iterator[Proxy]:
    """Run a proxy before the server at an address until the block ends."""
    proxy = Proxy(server)
    with _Server(proxy) as running:
        proxy.address = server.replace(urlsplit(server).netloc, f"{HOST}:{running.server_address[1]}")
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            running.over.set()
            running.shutdown()
            thread.join()
