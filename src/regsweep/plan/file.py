"""The plan file: JSON lines that people can read, ended by a checksum. docs/plan-format.md describes them."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from regsweep.errors import UNREADABLE, RegsweepError, UsageError
from regsweep.inventory.database import Inventory
from regsweep.inventory.written import text
from regsweep.plan import place, summary
from regsweep.plan.by_rule import RuleSummary, by_rule
from regsweep.plan.cost import Cost
from regsweep.plan.kinds import DIRECTORY, ORDER, UNSEEN
from regsweep.plan.options import Options, Value
from regsweep.plan.picture import Picture
from regsweep.plan.summary import Blob, Finding, Repository, Totals
from regsweep.registry import layout
from regsweep.registry.layout import Kind

VERSION: Final = 1
_END_BYTES: Final = 200
"""More than the last line takes."""
_HEADER_BYTES: Final = 1 << 20
"""More than the first line takes."""
_STEPS: Final = {str(kind): step for step, kind in enumerate(ORDER)}


class Header(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="plan"):
    """The first line."""

    version: int
    regsweep: str
    """The version that made it."""
    engine: str
    """The version of DuckDB that made its fingerprints."""
    store: str
    created: datetime
    options: dict[str, Value]
    totals: Totals
    largest: list[Blob]
    cost: Cost | None = None
    """Of an object store: the requests that this plan took, and those that it will take."""
    rules: list[RuleSummary] = []
    """What each rule of the policy lets go, if there is one."""


class RepositoryLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="repository"):
    """One for each repository, after the header."""

    repository: Repository


class FindingLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="finding"):
    """One for each finding, after the repositories."""

    finding: Finding


class PictureLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="picture"):
    """One at most, after the findings: what the page shows beyond what stands above. Only pages need it."""

    picture: Picture


class Deletion(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="delete"):
    """One for each key that goes, in the order of deletion."""

    kind: str
    repository: str | None
    tag: str
    key: str
    digest: str | None
    bytes: int
    modified: int
    """When it was written, in microseconds since 1970; what was written since is not deleted."""
    reason: str
    version: str = ""
    """The store's own mark of what was listed, where it has one; nothing else is deleted."""


class End(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="end", forbid_unknown_fields=True):
    """The last line."""

    deletions: int
    sha256: str
    """Of all bytes before this line."""


_Line = Header | RepositoryLine | FindingLine | Deletion | End
BEGINNING: Final = b'{"record":"plan"'
"""How every plan begins."""
_DELETION: Final = b'{"record":"delete"'
_PICTURE: Final = b'{"record":"picture"'
"""How the line begins that is passed over unless it is asked for, for it is long."""

# Every text in it but the version was built by the layout grammar, none of whose characters needs escaping in JSON.
_DELETIONS: Final = """
    SELECT concat('{{"record":"delete","kind":"', kind, '","repository":',
        CASE WHEN name IS NULL THEN 'null' ELSE '"' || name || '"' END,
        ',"tag":"', tag, '","key":"', key, '","digest":',
        CASE WHEN digest IS NULL THEN 'null'
            ELSE '"' || {digest} || '"' END,
        ',"bytes":', bytes, ',"modified":', epoch_us(modified),
        CASE WHEN version IS NULL THEN '' ELSE ',"version":' || CAST(to_json(version) AS VARCHAR) END,
        ',"reason":"', reason, '"}}', chr(10))
    FROM condemned LEFT JOIN repositories ON repositories.id = condemned.repository
    -- Of versions of one key a marker goes after what it hides.
    ORDER BY step, {order}key, modified
"""


def check_place(path: Path) -> None:
    """See that a plan can be written at `path`; see `place.check`.

    Raises:
        UsageError: it cannot.
    """
    place.check(path, what="plan", option="--output", beginning=BEGINNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a plan tells beside what goes."""

    header: Header
    repositories: list[Repository]
    findings: list[Finding]
    picture: Picture | None = None


def describe(inventory: Inventory, header: Header) -> Described:
    """Ask an inventory, of which it is decided what goes, for what else its plan tells."""
    return Described(
        header=header,
        repositories=list(summary.repositories(inventory)),
        findings=list(summary.findings(inventory)),
    )


def write(path: Path, inventory: Inventory, described: Described) -> None:
    """Write a plan; it stands at `path` whole or not at all.

    Raises:
        RegsweepError: it cannot be written.
    """
    try:
        with place.written(path) as file:
            _write(file, inventory, described)
    except OSError as error:
        raise RegsweepError(
            f"{path}: the plan cannot be written: {error.strerror}", hint="name another place with --output"
        ) from error


def _write(file: BinaryIO, inventory: Inventory, described: Described) -> None:
    checksum = hashlib.sha256()

    def put(content: bytes | memoryview) -> None:
        checksum.update(content)
        file.write(content)

    encode = msgspec.json.Encoder().encode
    put(encode(described.header) + b"\n")
    for repository in described.repositories:
        put(encode(RepositoryLine(repository=repository)) + b"\n")
    for finding in described.findings:
        put(encode(FindingLine(finding=finding)) + b"\n")
    if described.picture:
        put(encode(PictureLine(picture=described.picture)) + b"\n")
    deletions = 0
    # What is not a blob keeps its order: a link is as large as another.
    order = f"CASE WHEN kind = '{Kind.BLOB}' THEN -bytes END, " if described.header.options.get("largest_first") else ""
    with ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        # While some are written the next are made.
        for count, lines in inventory.lines(_DELETIONS.format(order=order, digest=text("digest"))):
            if writing:
                writing.result()
            writing = writer.submit(put, lines)
            deletions += count
        if writing:
            writing.result()
    file.write(encode(End(deletions=deletions, sha256=checksum.hexdigest())) + b"\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan that was read and found whole.

    Attributes:
        identity: the checksum that names this very plan.
        length: how many deletions it lists.
    """

    path: Path
    identity: str
    length: int
    header: Header
    repositories: list[Repository]
    findings: list[Finding]
    descriptor: int
    """The open file: another one that takes its name changes nothing."""

    def deletions(self) -> Iterator[Deletion]:
        """Read the deletions, in their order, with the checks that `read` made.

        Raises:
            UsageError: the file was changed meanwhile.
        """
        return _deletions(self.path, self.descriptor, self.length)

    def picture(self) -> Picture | None:
        """Read what the page shows, if the plan has it.

        Raises:
            UsageError: the file was changed meanwhile.
        """
        for line in _lines(self.descriptor):
            if line.startswith(_PICTURE):
                try:
                    return msgspec.json.decode(line, type=PictureLine).picture
                except UNREADABLE as error:
                    raise _changed(self.path) from error
            if line.startswith(_DELETION):
                break
        return None


def read(path: Path) -> Plan:
    """Read a plan and check that it is whole and untouched.

    Raises:
        UsageError: there is none, it is truncated or was changed, a newer regsweep wrote it, or it names a key that no
            registry writes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"{path}: the plan cannot be read: {error.strerror}") from error
    try:
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFDIR):
            # Nor could its journal stand beside it. Of a directory the system says it as well.
            raise UsageError(  # noqa: TRY301 - what was opened is closed as for every other error
                f"{path}: is no regular file, and a plan is read more than once", hint="save it to a file first"
            )
        return _read(path, descriptor)
    except OSError as error:
        os.close(descriptor)
        raise UsageError(f"{path}: the plan cannot be read: {error.strerror}") from error
    except UNREADABLE as error:
        os.close(descriptor)
        raise UsageError(f"{path}: is damaged: {error}", hint="make a new plan: regsweep plan ...") from error
    except BaseException:
        os.close(descriptor)
        raise


def _read(path: Path, descriptor: int) -> Plan:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        first = _header(path, file.readline(_HEADER_BYTES))
        end, checksum = _checked_end(path, file)
        if end.sha256 != checksum:
            raise _changed(path)
        file.seek(0)
        file.readline()
        repositories, findings = _described(file)
    for _ in _deletions(path, descriptor, end.deletions):
        pass
    return Plan(
        path=path,
        identity=checksum,
        length=end.deletions,
        header=first,
        repositories=repositories,
        findings=findings,
        descriptor=descriptor,
    )


def _changed(path: Path) -> UsageError:
    return UsageError(f"{path}: was changed after it was written", hint="make a new plan: regsweep plan ...")


def header(  # noqa: PLR0913 - a header has as many parts
    store: str,
    options: Options,
    inventory: Inventory,
    totals: Totals,
    *,
    created: datetime,
    cost: Cost | None = None,
) -> Header:
    """The first line of a plan, which is also the first part of a report."""
    from importlib.metadata import version  # noqa: PLC0415 - costs more than all else here, and only plans need it

    return Header(
        version=VERSION,
        regsweep=version("regsweep"),
        engine=version("duckdb"),
        store=store,
        created=created,
        options=options.document(),
        totals=totals,
        largest=summary.largest(inventory),
        cost=cost,
        rules=by_rule(inventory, options.policy),
    )


def _header(path: Path, line: bytes) -> Header:
    try:
        document = json.loads(line) if line.startswith(BEGINNING) else None
    except UNREADABLE:
        document = None
    if not isinstance(document, dict):
        raise UsageError(f"{path}: is not a plan", hint="regsweep plan STORE writes one")
    if document.get("version") != VERSION:
        raise UsageError(
            f"{path}: was written by regsweep {document.get('regsweep')}, in version {document.get('version')} of the "
            f"format; this one reads version {VERSION}",
            hint="apply it with the regsweep that made it, or make a new plan",
        )
    return msgspec.json.decode(line, type=Header)


def _checked_end(path: Path, file: BinaryIO) -> tuple[End, str]:
    """The last line, and the checksum of all before it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_BYTES))
    tail = file.read()
    start = tail.rstrip(b"\n").rfind(b"\n") + 1
    try:
        end = msgspec.json.decode(tail[start:], type=End)
    except UNREADABLE:
        raise UsageError(
            f"{path}: is truncated: its last line is missing", hint="make a new plan: regsweep plan ..."
        ) from None
    remaining = size - (len(tail) - start)
    file.seek(0)
    checksum = hashlib.sha256()
    while remaining and (part := file.read(min(remaining, 1 << 20))):
        checksum.update(part)
        remaining -= len(part)
    return end, checksum.hexdigest()


def _described(file: BinaryIO) -> tuple[list[Repository], list[Finding]]:
    repositories: list[Repository] = []
    findings: list[Finding] = []
    decode = msgspec.json.Decoder(_Line).decode
    for line in file:
        if line.startswith(_PICTURE):
            continue
        match decode(line):
            case RepositoryLine(repository=repository):
                repositories.append(repository)
            case FindingLine(finding=finding):
                findings.append(finding)
            case _:
                break
    return repositories, findings


def _deletions(path: Path, descriptor: int, expected: int) -> Iterator[Deletion]:
    decode = msgspec.json.Decoder(Deletion).decode
    step = count = 0
    for line in _lines(descriptor):
        if not line.startswith(_DELETION):
            continue
        try:
            deletion = decode(line)
        except UNREADABLE as error:
            raise UsageError(f"{path}: is damaged: {error}", hint="make a new plan: regsweep plan ...") from error
        if not _is_sound(deletion) or _STEPS[deletion.kind] < step:
            raise UsageError(f"{path}: lists what regsweep never deletes: {layout.printable(deletion.key)}")
        step = _STEPS[deletion.kind]
        count += 1
        yield deletion
    if count != expected:
        raise _changed(path)


def _lines(descriptor: int) -> Iterator[bytes]:
    """The lines of a file, whatever others read from the same descriptor meanwhile."""
    offset, rest = 0, b""
    while part := os.pread(descriptor, 1 << 16, offset):
        offset += len(part)
        *lines, rest = (rest + part).split(b"\n")
        yield from lines


def _is_sound(deletion: Deletion) -> bool:
    if deletion.kind == DIRECTORY:
        return layout.is_directory(deletion.key)
    if deletion.kind in UNSEEN:
        # Without its mark the key itself would go, whatever stands there now.
        known = layout.parse(deletion.key) is not None or layout.is_directory(deletion.key)
        return known and deletion.version != ""
    return deletion.kind in _STEPS and layout.is_key(Kind(deletion.kind), deletion.key)
