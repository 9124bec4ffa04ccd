"""A container that keeps versions, behind the stub of the blob service: no emulator knows them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from urllib.parse import parse_qs, unquote, urlsplit

from tests.unit.azure_stub import CONTAINER, Answer, Request, batch, refusal

BEGINNING = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a blob, or a blob of a time when no versions were kept, which has no identifier."""

    content: bytes
    etag: str
    modified: str
    identifier: str


@dataclass
class Container:
    """What answers for a stub, as the service was seen and is documented to.

    Attributes:
        keeps: whether versions are kept.
        current: the blobs.
        earlier: the versions that are not current, by name and identifier.
        batches: whether batch requests are understood.
        part: how many blobs a part of a listing holds.
    """

    keeps: bool = True
    current: dict[str, Version] = field(default_factory=dict)
    earlier: dict[tuple[str, str], Version] = field(default_factory=dict)
    batches: bool = True
    part: int = 5000
    written: int = 0

    def put(self, name: str, content: bytes) -> Version:
        """Write a blob."""
        self.written += 1
        moment = datetime.fromtimestamp(BEGINNING + self.written, UTC)
        self._demote(name)
        made = Version(
            content,
            f'"0x8D{self.written:04}"',
            f"{moment:%a, %d %b %Y %H:%M:%S} GMT",
            f"{moment:%Y-%m-%dT%H:%M:%S}.0000000Z" if self.keeps else "",
        )
        self.current[name] = made
        return made

    def remove(self, name: str) -> None:
        """Delete a blob, of which a version may be kept."""
        self._demote(name)
        del self.current[name]

    def left(self) -> set[tuple[str, str]]:
        """The name and the identifier of every version."""
        return {(name, one.identifier) for name, one in self.current.items()} | set(self.earlier)

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if query.get("comp") == "batch":
            return self._batch(request) if self.batches else refusal(400, "UnsupportedHttpVerb")
        if query.get("comp") == "list":
            return self._list(query)
        if "restype" in query:
            return Answer(200, b"<StorageServiceProperties />", {"Content-Type": "application/xml"})
        return self._one(unquote(url.path.partition(f"/{CONTAINER}/")[2]), request, query.get("versionid", ""))

    def _one(self, name: str, request: Request, identifier: str) -> Answer:
        if request.method == "DELETE":
            return self._delete(name, identifier, request.headers.get("If-Match", ""))
        if request.method == "PUT":
            if request.headers.get("If-None-Match") == "*" and name in self.current:
                return refusal(409, "BlobAlreadyExists")
            return Answer(201, b"", {"ETag": self.put(name, request.body).etag})
        return self._get(name, request.headers.get("x-ms-range", "")) if name in self.current else _absent()

    def _get(self, name: str, range_: str) -> Answer:
        found = self.current[name]
        if not range_:
            return Answer(200, found.content, {"ETag": found.etag})
        part = found.content[: int(range_.rpartition("-")[2]) + 1]
        return Answer(206, part, {"ETag": found.etag, "Content-Range": f"bytes 0-{len(part) - 1}/{len(found.content)}"})

    def _demote(self, name: str) -> None:
        before = self.current.get(name)
        if before is not None and self.keeps:
            self.earlier[name, before.identifier or "1999-12-31T00:00:00.0000000Z"] = before

    def _batch(self, request: Request) -> Answer:
        parts = re.findall(r"^DELETE (\S+) HTTP/1.1\r?\n((?:[^\r\n]+\r?\n)*)", request.body.decode(), re.MULTILINE)
        answers = [
            self(Request("DELETE", path, dict(line.split(": ", 1) for line in lines.splitlines()), b""))
            for path, lines in parts
        ]
        return batch(*enumerate(answers))

    def _delete(self, name: str, identifier: str, etag: str) -> Answer:
        standing = self.current.get(name)
        if identifier:
            if standing is not None and standing.identifier == identifier:
                return refusal(403, "OperationNotAllowedOnRootBlob", "The operation is not allowed on root blob.")
            return Answer(202) if self.earlier.pop((name, identifier), None) else _absent()
        if standing is None:
            return _absent()
        if etag not in ("", standing.etag):
            return refusal(412, "ConditionNotMet")
        self.remove(name)
        return Answer(202)

    def _list(self, query: dict[str, str]) -> Answer:
        prefix = query.get("prefix", "")
        found = sorted(self._listed(prefix, versions="versions" in query.get("include", "")))
        folders = set[str]()
        if "delimiter" in query:
            folders = {prefix + deeper(name, prefix) + "/" for name, *_ in found if "/" in name[len(prefix) :]}
            found = [one for one in found if "/" not in one[0][len(prefix) :]]
        start = int(query.get("marker", "0"))
        after = str(start + self.part) if start + self.part < len(found) else ""
        blobs = "".join(blob for _, _, blob in found[start : start + self.part])
        blobs += "".join(f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" for name in sorted(folders))
        body = f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{after}</NextMarker></EnumerationResults>"
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})

    def _listed(self, prefix: str, *, versions: bool) -> Iterator[tuple[str, str, str]]:
        for name, one in self.current.items():
            if name.startswith(prefix):
                yield name, one.identifier, _blob(name, one, one.identifier, current=True)
        for (name, identifier), one in self.earlier.items():
            if versions and name.startswith(prefix):
                yield name, identifier, _blob(name, one, identifier, current=False)


def deeper(name: str, prefix: str) -> str:
    """The first component of a name after a prefix."""
    return name[len(prefix) :].partition("/")[0]


def _blob(name: str, version: Version, identifier: str, *, current: bool) -> str:
    known = f"<VersionId>{identifier}</VersionId>" if identifier else ""
    known += "<IsCurrentVersion>true</IsCurrentVersion>" if identifier and current else ""
    return (
        f"<Blob><Name>{escape(name)}</Name>{known}<Properties><Creation-Time>{version.modified}</Creation-Time>"
        f"<Last-Modified>{version.modified}</Last-Modified><Etag>{version.etag.strip(chr(34))}</Etag>"
        f"<Content-Length>{len(version.content)}</Content-Length><Content-MD5 /><BlobType>BlockBlob</BlobType>"
        "</Properties><OrMetadata /></Blob>"
    )


def _absent() -> Answer:
    return refusal(404, "BlobNotFound")
