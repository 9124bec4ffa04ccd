"""A blob service that answers what it is told to, however odd."""

import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

CONTAINER = "registries"
KEY = "c2VjcmV0IG9mIG5vYm9keQ=="


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; `whole` false breaks the connection before its end, and a status of 0 before its beginning.

    Before the end of what has no body is among its headers.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def deletes(self) -> list[str]:
        """The paths that a batch would delete."""
        return re.findall(r"^DELETE ([^\s?]+)", self.body.decode(), re.MULTILINE)


LOST = Answer(0)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that goes away is none of the tests' business."""


def refusal(status: int, code: str, message: str = "The service says no.") -> Answer:
    """An answer as the service gives it where something is wrong."""
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code>'
        f"<Message>{message}\nRequestId:1\nTime:2026-11-25T01:30:22.287Z</Message></Error>"
    )
    return Answer(status, body.encode(), {"x-ms-error-code": code, "Content-Type": "application/xml"})


def batch(*parts: tuple[int | None, Answer]) -> Answer:
    """An answer to a batch request, of numbered parts."""
    lines = []
    for number, part in parts:
        lines += ["--batchresponse_1", "Content-Type: application/http"]
        lines += [] if number is None else [f"Content-ID: {number}"]
        lines += ["", f"HTTP/1.1 {part.status} Whatever", *(f"{k}: {v}" for k, v in part.headers.items()), ""]
        lines += [part.body.decode()]
    body = "\r\n".join([*lines, "--batchresponse_1--", ""]).encode()
    return Answer(202, body, {"Content-Type": "multipart/mixed; boundary=batchresponse_1"})


class Stub:
    """The service. It gives `answers` one after the other, then whatever `always` says."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.always: Callable[[Request], Answer] = lambda _: refusal(404, "BlobNotFound")
        self.requests: list[Request] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # The whole answer at once: the second of two small writes would wait for the client.
            wbufsize = -1

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.command, self.path, dict(self.headers), body)
                stub.requests.append(request)
                answer = stub.answers.popleft() if stub.answers else stub.always(request)
                if answer.status:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    if answer.whole or answer.body:
                        self.send_header("Content-Length", str(len(answer.body)))
                        self.end_headers()
                    else:
                        self.flush_headers()
                    if self.command != "HEAD":
                        self.wfile.write(answer.body if answer.whole else answer.body[:-1])
                self.wfile.flush()
                self.close_connection = self.close_connection or not answer.status or not answer.whole

            def log_message(self, *_: object) -> None:
                return

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def parameters(self) -> dict[str, object]:
        """What a registry's config.yml would have below `azure:`."""
        return {
            "serviceurl": f"http://127.0.0.1:{self._server.server_port}/account",
            "accountname": "account",
            "accountkey": KEY,
            "container": CONTAINER,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
