"""A small Cloud Storage on 127.0.0.1, for what no emulator does: faults, and conditions and generations to delete."""

import base64
import json
import socket
import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

BUCKET: Final = "registries"
TOKEN: Final = "token-of-the-stub"  # noqa: S105 - it opens nothing
_BEGINNING: Final = 1_700_000_000_000_000
"""The first generation: as in the service, it is the time in microseconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes
    generation: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: Mapping[str, str]
    authorization: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An object."""

    content: bytes
    generation: str
    composite: bool = False
    """Whether it was put together from others: then no MD5 hash of it is known."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request instead of a good answer."""

    answer: Answer | None = None
    """Answer so, and do nothing."""
    lost: bool = False
    """Do what was asked, and hang up."""
    cut: bool = False
    """Answer with half of the body."""
    torn: bool = False
    """Answer with some of the headers."""


HANG_UP: Final = Fault()
LOST: Final = Fault(lost=True)
CUT: Final = Fault(cut=True)
TORN: Final = Fault(torn=True)


def refusal(status: int, message: str) -> Answer:
    """An answer as the service writes it."""
    return Answer(status, json.dumps({"error": {"code": status, "message": message}}).encode())


def failing(status: int, message: str = "Try again") -> Fault:
    """A refusal of one request."""
    return Fault(refusal(status, message))


NO_BUCKET: Final = refusal(404, "The specified bucket does not exist.")


class Stub:
    """Answers from when it is made until the `with` block ends.

    Attributes:
        objects: what the bucket holds.
        noncurrent: what it keeps of what was overwritten or deleted.
        versioning: whether it keeps that; `None` if it never did.
        faults: what happens to the next requests, in order.
        always: what happens to every request, once `faults` is empty.
        conditional: whether it takes notice of conditions.
        part: how many objects a part of a listing holds.
        asked: every request.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.noncurrent: list[tuple[str, Stored]] = []
        self.versioning: bool | None = None
        self.faults: deque[Fault | None] = deque()
        self.always: Fault | None = None
        self.conditional = True
        self.part = 1000
        self.asked: list[Asked] = []
        self._written = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        # Threads of connections that a client leaves open must not keep a test from ending.
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

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
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, name: str, content: bytes, *, composite: bool = False) -> str:
        """Write an object, and give its generation."""
        self._written += 1
        stored = Stored(content, str(_BEGINNING + self._written), composite)
        self._overwritten(name)
        self.objects[name] = stored
        return stored.generation

    def remove(self, name: str) -> None:
        """Delete an object, of which a generation may be kept."""
        self._overwritten(name)
        del self.objects[name]

    def generations(self) -> list[tuple[str, str]]:
        """The name and the number of every generation, live or not."""
        live = [(name, stored.generation) for name, stored in self.objects.items()]
        return sorted([*live, *((name, stored.generation) for name, stored in self.noncurrent)])

    def _overwritten(self, name: str) -> None:
        if self.versioning and name in self.objects:
            self.noncurrent.append((name, self.objects[name]))

    def answer(self, asked: Asked, content: bytes, kind: str) -> Answer:
        """Do what is asked."""
        objects = f"/storage/v1/b/{BUCKET}/o"
        if asked.path == "/token":
            return Answer(200, json.dumps({"access_token": TOKEN, "expires_in": 3600}).encode())
        if asked.path == f"/storage/v1/b/{BUCKET}":
            known: dict[str, object] = {"kind": "storage#bucket"}
            known |= {} if self.versioning is None else {"versioning": {"enabled": self.versioning}}
            return Answer(200, json.dumps(known).encode())
        if asked.path == objects:
            return self._versions(asked.query) if asked.query.get("versions") == "true" else self._list(asked.query)
        if asked.path == f"/upload{objects}":
            message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + content)
            about, thing = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
            assert isinstance(about, bytes)
            assert isinstance(thing, bytes)
            return self._insert(json.loads(about)["name"], asked.query, thing)
        if asked.path.startswith(f"{objects}/"):
            return self._one(asked.method, unquote(asked.path.removeprefix(f"{objects}/")), asked.query)
        return NO_BUCKET

    def _list(self, query: Mapping[str, str]) -> Answer:
        prefix, delimiter = query["prefix"], query.get("delimiter", "")
        names = sorted(name for name in self.objects if name.startswith(prefix))
        cut = len(prefix)
        folders = {name[: name.index("/", cut) + 1] for name in names if delimiter and "/" in name[cut:]}
        plain = [name for name in names if not delimiter or "/" not in name[cut:]]
        start = int(query.get("pageToken", "0"))
        page: dict[str, object] = {"kind": "storage#objects", "prefixes": sorted(folders)}
        page["items"] = [_item(name, self.objects[name]) for name in plain[start : start + self.part]]
        if start + self.part < len(plain):
            page["nextPageToken"] = str(start + self.part)
        return Answer(200, json.dumps(page).encode())

    def _versions(self, query: Mapping[str, str]) -> Answer:
        live = [(name, _item(name, stored)) for name, stored in self.objects.items()]
        dead = [
            (name, _item(name, stored) | {"timeDeleted": "2024-01-01T00:00:00Z"}) for name, stored in self.noncurrent
        ]
        found = sorted((*live, *dead), key=lambda one: (one[0], str(one[1]["generation"])))
        items = [item for name, item in found if name.startswith(query["prefix"])]
        start = int(query.get("pageToken", "0"))
        page: dict[str, object] = {"kind": "storage#objects", "items": items[start : start + self.part]}
        if start + self.part < len(items):
            page["nextPageToken"] = str(start + self.part)
        return Answer(200, json.dumps(page).encode())

    def _insert(self, name: str, query: Mapping[str, str], content: bytes) -> Answer:
        if self._unmet(name, query):
            return refusal(412, "At least one of the pre-conditions you specified did not hold.")
        return Answer(200, json.dumps({"generation": self.put(name, content)}).encode())

    def _one(self, method: str, name: str, query: Mapping[str, str]) -> Answer:
        if method == "DELETE" and "generation" in query:
            return self._delete_generation(name, query["generation"])
        if self._unmet(name, query):
            return refusal(412, "At least one of the pre-conditions you specified did not hold.")
        stored = self.objects.get(name)
        if stored is None:
            text = f"No such object: {BUCKET}/{name}"
            return Answer(404, text.encode()) if "alt" in query else refusal(404, text)
        if method == "DELETE":
            self.remove(name)
            return Answer(204, b"")
        if query.get("alt") == "media":
            return Answer(200, stored.content, stored.generation)
        return Answer(200, json.dumps(_item(name, stored)).encode())

    def _delete_generation(self, name: str, generation: str) -> Answer:
        if (name, generation) not in self.generations():
            return refusal(404, f"No such object: {BUCKET}/{name}#{generation}")
        if name in self.objects and self.objects[name].generation == generation:
            del self.objects[name]
        self.noncurrent = [one for one in self.noncurrent if (one[0], one[1].generation) != (name, generation)]
        return Answer(204, b"")

    def _unmet(self, name: str, query: Mapping[str, str]) -> bool:
        wanted = query.get("ifGenerationMatch")
        stored = self.objects.get(name)
        return self.conditional and wanted not in (None, stored.generation if stored else "0")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                """Keep standard error for what the tests say."""

            def respond(self) -> None:
                url = urlsplit(self.path)
                authorization = self.headers.get("Authorization", "")
                path = self.path if self.command == "CONNECT" else url.path
                asked = Asked(self.command, path, dict(parse_qsl(url.query)), authorization)
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                stub.asked.append(asked)
                fault = stub.faults.popleft() if stub.faults else stub.always
                if fault and fault.answer:
                    self.send(fault.answer)
                elif fault == HANG_UP:
                    self.hang_up()
                else:
                    answer = stub.answer(asked, content, self.headers.get("Content-Type", ""))
                    if fault == LOST:
                        self.hang_up()
                    else:
                        self.send(answer, cut=fault == CUT, torn=fault == TORN)

            def send(self, answer: Answer, *, cut: bool = False, torn: bool = False) -> None:
                self.send_response(answer.status)
                if torn:
                    self.flush_headers()
                    self.close_connection = True
                    return
                told = {"Location": answer.location, "x-goog-generation": answer.generation}
                for name in filter(told.get, told):
                    self.send_header(name, told[name])
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
                self.close_connection = cut

            def hang_up(self) -> None:
                # So the client's side is reset, not ended.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True

            do_GET = do_POST = do_DELETE = do_CONNECT = respond  # noqa: N815 - http.server's names

        return Handler


def _item(name: str, stored: Stored) -> dict[str, object]:
    moment = datetime.fromtimestamp(int(stored.generation) / 1_000_000, UTC)
    item: dict[str, object] = {
        "name": name,
        "size": str(len(stored.content)),
        "timeCreated": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "generation": stored.generation,
    }
    if not stored.composite:
        digest = md5(stored.content, usedforsecurity=False).digest()
        item["md5Hash"] = base64.b64encode(digest).decode()
    return item
