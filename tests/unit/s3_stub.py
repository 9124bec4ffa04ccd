"""A server on this machine alone that answers what a test tells it to, and notes what it was asked."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Request:
    """What the server was asked."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says.

    Attributes:
        announced: the length that it announces, if that is not the body's; it then hangs up after the body.
        hang_up: whether it says nothing at all.
        torn: whether it hangs up among its headers.
        chunked: whether it sends the body as one chunk, and hangs up where the next should be.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None
    hang_up: bool = False
    torn: bool = False
    chunked: bool = False


HANG_UP: Final = Answer(hang_up=True)
TORN: Final = Answer(torn=True)


def error(status: int, code: str, message: str = "as told") -> Answer:
    """An error as S3 writes it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


@dataclass
class Stub:
    """A running server: `answer` is called with each request."""

    answer: Callable[[Request], Answer]
    asked: list[Request] = field(default_factory=list)
    endpoint: str = ""

    def methods(self) -> list[str]:
        """The methods that were asked for, in order; a deletion of many is `DELETE*`."""
        return ["DELETE*" if one.method == "POST" and "delete" in one.query else one.method for one in self.asked]

    def parameters(self, **more: object) -> dict[str, object]:
        """What a registry's config.yml would have below `s3:`."""
        return {
            "regionendpoint": self.endpoint,
            "bucket": "registries",
            "region": "us-east-1",
            "accesskey": "AKIDSTUB",
            "secretkey": "hidden",
            **more,
        }


def _hide(server: ThreadingHTTPServer, certificate: tuple[Path, Path]) -> None:
    """Put a server behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    # Each connection shakes hands in its own thread, else one that fails would end the server.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)


def _break_off(handler: BaseHTTPRequestHandler, said: Answer) -> None:
    """Say no more than is said of an answer that breaks off by itself."""
    handler.close_connection = True
    if said.torn:
        handler.wfile.write(f"HTTP/1.1 {said.status} OK\r\nServer: stub\r\nContent-Le".encode())
    elif said.chunked:
        handler.send_response(said.status)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(said.body), said.body))


@contextmanager
def stub(answer: Callable[[Request], Answer], certificate: tuple[Path, Path] | None = None) -> Iterator[Stub]:
    """Run a server until the block ends; with a certificate's chain and key, behind TLS."""
    running = Stub(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else the client's side waits 40 ms to acknowledge an answer's head, and the body for that.
        disable_nagle_algorithm = True
        timeout = 5

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            asked = Request(
                self.command,
                unquote(url.path),
                parse_qs(url.query, keep_blank_values=True),
                {name.lower(): value for name, value in self.headers.items()},
                body,
            )
            running.asked.append(asked)
            said = running.answer(asked)
            if said.hang_up or said.torn or said.chunked:
                _break_off(self, said)
                return
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body) if said.announced is None else said.announced))
            if said.announced is not None:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said.body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the base class's names

        def handle(self) -> None:
            with suppress(ssl.SSLError):
                super().handle()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    with Server((HOST, 0), Handler) as server:
        running.endpoint = f"{'https' if certificate else 'http'}://{HOST}:{server.server_address[1]}"
        if certificate:
            _hide(server, certificate)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
