"""A stub on 127.0.0.1 that plays a registry, or what else may answer at a registry's address."""

import base64
import json
import ssl
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

REGISTRY = {"Docker-Distribution-Api-Version": "registry/2.0"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    method: str
    path: str
    authorization: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back; a status of 0 hangs up instead."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


READ_ONLY = Answer(405, {**REGISTRY, "Allow": "GET, HEAD"}, b"Method not allowed\n")
WRITABLE = Answer(404, REGISTRY, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')


Answers = Callable[["Stub", Asked], Answer]


class Stub:
    """Answers each request by a function of it, from when it is made until the `with` block ends."""

    def __init__(self, answer: Answer | Answers, *, certificate: tuple[Path, Path] | None = None) -> None:
        self.asked: list[Asked] = []
        self._answer = answer
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        # Threads of connections that a client leaves open must not keep a test from ending.
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{self._scheme}://{self.address}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Keep standard error for what the tests say."""

            def handle(self) -> None:
                try:
                    super().handle()
                except (OSError, ssl.SSLError):
                    self.close_connection = True

            def respond(self) -> None:
                asked = Asked(self.command, self.path, self.headers.get("Authorization", ""))
                stub.asked.append(asked)
                answer = stub._answer if isinstance(stub._answer, Answer) else stub._answer(stub, asked)
                self.close_connection = True
                if answer.status:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)

            do_DELETE = do_GET = do_POST = do_PUT = do_PATCH = do_HEAD = respond  # noqa: N815 - http.server's names

        return Handler


def basic(user: str, password: str) -> str:
    """The header of a login, as Docker sends it."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def wants_basic(user: str, password: str) -> Answers:
    """A read-only registry that wants this login."""

    def answer(_: Stub, asked: Asked) -> Answer:
        if asked.authorization == basic(user, password):
            return READ_ONLY
        return Answer(401, {**REGISTRY, "WWW-Authenticate": 'Basic realm="here"'})

    return answer


def wants_token(user: str, password: str, token: str) -> Answers:
    """A read-only registry that wants a token, which it gives at its own `/token` for this login."""

    def answer(stub: Stub, asked: Asked) -> Answer:
        if asked.path.startswith("/token"):
            if asked.authorization == basic(user, password):
                return Answer(200, {"Content-Type": "application/json"}, json.dumps({"token": token}).encode())
            return Answer(401)
        if asked.authorization == f"Bearer {token}":
            return READ_ONLY
        challenge = f'Bearer realm="{stub.url}/token",service="stub",scope="repository:regsweep/probe:push,delete"'
        return Answer(401, {**REGISTRY, "WWW-Authenticate": challenge})

    return answer


def make_certificates(folder: Path) -> tuple[Path, tuple[Path, Path]]:
    """Make an authority, and a certificate of it for 127.0.0.1; return the authority's file, and chain and key."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S607 - of the PATH

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:false\n")
    openssl(
        *("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=an authority"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    openssl("req", *new_key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    openssl(
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-extfile", "names", "-out", "server.pem", "-days", "30"),
    )
    return folder / "ca.pem", (folder / "server.pem", folder / "server.key")
