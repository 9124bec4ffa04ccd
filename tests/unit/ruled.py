"""What the tests of rules and of removal by name share: trees with exact times, and what is decided about them."""

import os
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypedDict, Unpack

from fixtures.images import Manifest, image
from regsweep.inventory.database import create
from regsweep.inventory.scan import begin, scan
from regsweep.inventory.workers import Workers
from regsweep.plan import file
from regsweep.plan.make import decide
from regsweep.plan.options import Options, Untagged
from regsweep.plan.summary import Repository
from regsweep.registry import layout
from regsweep.registry.layout import Kind
from regsweep.retention.names import parse_name
from regsweep.retention.policy import Policy, parse_policy
from regsweep.retention.removal import Removal
from tests.trees import blob_key, revision_key, slashed
from tests.unit.memory import SILENT, MemoryStore, Thing

NOW: Final = datetime(2024, 6, 1, 12, 30, 0, 123_456, tzinfo=UTC)
"""When it is, in everything that is decided here."""
MICROSECOND: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1)
OLD: Final = timedelta(days=60)
GONE: Final = "sha256:" + "0f" * 32
"""The digest of a manifest that nobody has."""


class Shelf:
    """A registry's storage in memory. Whatever is written was written 60 days ago, unless told; times are exact."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    def put(self, key: str, content: bytes, *, ago: timedelta = OLD) -> str:
        """Write a key; return it."""
        since = NOW - ago - datetime(1970, 1, 1, tzinfo=UTC)
        self.store.things[key] = Thing(content, since // MICROSECOND)
        return key

    def blob(self, content: bytes, *, ago: timedelta = OLD) -> str:
        """Write a blob, unless it is there; return its digest."""
        digest = f"sha256:{sha256(content).hexdigest()}"
        if blob_key(digest) not in self.store.things:
            self.put(blob_key(digest), content, ago=ago)
        return digest

    def layer_link(self, repository: str, digest: str, *, ago: timedelta = OLD) -> str:
        """Link a blob into a repository; return the key."""
        return self.put(f"repositories/{repository}/_layers/{slashed(digest)}/link", digest.encode(), ago=ago)

    def revision(self, repository: str, digest: str, *, ago: timedelta = OLD) -> str:
        """Link a manifest into a repository; return the key."""
        return self.put(revision_key(repository, digest), digest.encode(), ago=ago)

    def entry(self, repository: str, tag: str, digest: str, *, ago: timedelta = OLD) -> str:
        """Note a push in a tag's history; return the key."""
        return self.put(entry_key(repository, tag, digest), digest.encode(), ago=ago)

    def upload(self, repository: str, upload: str, *, ago: timedelta = OLD) -> None:
        """Leave an upload unfinished."""
        folder = f"repositories/{repository}/_uploads/{upload}"
        self.put(f"{folder}/startedat", f"{NOW - ago:%Y-%m-%dT%H:%M:%SZ}".encode(), ago=ago)
        self.put(f"{folder}/data", b"half", ago=ago)

    def tag(self, name: str, digest: str, *, ago: timedelta = OLD) -> str:
        """Point `repository:tag` at a manifest, and note that in the tag's history; return the digest."""
        repository, _, tag = name.partition(":")
        self.entry(repository, tag, digest, ago=ago)
        self.put(tag_key(name), digest.encode(), ago=ago)
        return digest

    def push(self, manifest: Manifest, name: str, *, ago: timedelta = OLD) -> str:
        """Write an image or index as a push leaves it; all but its tag is old. Return its digest.

        Args:
            manifest: what is pushed.
            name: `repository:tag`, or a repository alone for a push by digest.
            ago: how long ago the tag was pushed.
        """
        repository, _, tag = name.partition(":")
        for part in manifest.tree():
            for blob in part.blobs:
                self.layer_link(repository, self.blob(blob.content))
            self.revision(repository, self.blob(part.blob.content))
        if tag:
            self.tag(name, manifest.digest, ago=ago)
        return manifest.digest

    def fill(self, *names: str, ago: timedelta = OLD) -> None:
        """Push an image of its own to each name, all at one time."""
        for name in names:
            self.push(image(name.encode()), name, ago=ago)

    @property
    def keys(self) -> set[str]:
        """Every key there is."""
        return set(self.store.things)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about a storage."""

    header: file.Header
    """The plan's."""
    deletions: tuple[file.Deletion, ...]
    repositories: dict[str, Repository]
    """By name."""
    findings: tuple[tuple[str, str | None, str | None], ...]
    """Code, repository and key of each."""
    why: dict[str, list[str]]
    """Of each tag that rules keep, why, in order."""

    @property
    def keys(self) -> set[str]:
        """What goes."""
        return {deletion.key for deletion in self.deletions}

    @property
    def tags(self) -> set[str]:
        """The tags that go, as `repository:tag`."""
        return {f"{one.repository}:{one.tag}" for one in self.of(Kind.TAG)}

    @property
    def revisions(self) -> set[str]:
        """The manifests that go, as `repository@digest`."""
        return {f"{one.repository}@{one.digest}" for one in self.of(Kind.REVISION)}

    @property
    def blobs(self) -> set[str | None]:
        """The digests of the blobs that go."""
        return {one.digest for one in self.of(Kind.BLOB)}

    def of(self, kind: Kind) -> list[file.Deletion]:
        """The deletions of one kind."""
        return [deletion for deletion in self.deletions if deletion.kind == kind]


def policy(rules: str) -> Policy:
    """Read rules as they stand in a policy's file."""
    return parse_policy("version: 1\nrules:\n" + textwrap.dedent(rules), "policy.yml")


def by_rules(shelf: Shelf, rules: str, *, untagged: Untagged = Untagged.KEEP, min_age: timedelta = DAY) -> Decision:
    """What a policy's rules decide."""
    return decision(shelf, Options(policy=policy(rules), untagged=untagged, min_age=min_age))


def keep(shelf: Shelf, entries: str, *, more: str = "") -> set[str]:
    """The tags that are left by one rule for all repositories, of these entries of `keepTags`."""
    lines = [f"- repositories: ['**']\n  keepTags: [{entries}]", *(f"  {line}" for line in more.splitlines())]
    return tags(shelf) - by_rules(shelf, "\n".join(lines)).tags


class More(TypedDict, total=False):
    """What else `rm` can be told."""

    force: bool
    collect: bool
    matching: tuple[str, ...]
    untagged: Untagged


def by_name(shelf: Shelf, *names: str, **more: Unpack[More]) -> Decision:
    """What removal by name decides."""
    return decision(shelf, removing(*names, **more))


def removing(*names: str, **more: Unpack[More]) -> Options:
    """The options that remove by name."""
    parsed = tuple(map(parse_name, names))
    removal = Removal(names=parsed, tags_matching=more.get("matching", ()), force=more.get("force", False))
    return Options(removal=removal, collect=more.get("collect", True), untagged=more.get("untagged", Untagged.KEEP))


def decision(shelf: Shelf, options: Options) -> Decision:
    """What some options decide."""
    store = shelf.store
    with TemporaryDirectory() as folder, Workers(store, 1) as workers, create(facts={}) as inventory:
        scan(begin(store, workers), workers, inventory, SILENT)
        totals = decide(inventory, options, workers, SILENT, now=NOW)
        path = Path(folder) / "the.plan"
        header = file.header(store.url, options, inventory, totals, created=NOW)
        file.write(path, inventory, file.describe(inventory, header))
        plan = file.read(path)
        why: dict[str, list[str]] = {}
        if options.policy:
            for name, tag, reason in inventory.rows(
                """
                SELECT name, tag, why FROM verdict_reasons JOIN repositories ON id = repository
                ORDER BY name, tag, place
                """
            ):
                why.setdefault(f"{name}:{tag}", []).append(str(reason))
        try:
            return Decision(
                header=plan.header,
                deletions=tuple(plan.deletions()),
                repositories={one.name: one for one in plan.repositories},
                findings=tuple((one.code, one.repository, one.key) for one in plan.findings),
                why=why,
            )
        finally:
            os.close(plan.descriptor)


def tags(shelf: Shelf) -> set[str]:
    """Every tag there is, as `repository:tag`."""
    parsed = (layout.parse(key) for key in shelf.store.things)
    return {f"{key.repository}:{key.tag}" for key in parsed if key and key.kind is Kind.TAG}


def tag_key(name: str) -> str:
    """The key of `repository:tag`."""
    repository, _, tag = name.partition(":")
    return f"repositories/{repository}/_manifests/tags/{tag}/current/link"


def entry_key(repository: str, tag: str, digest: str) -> str:
    """The key of an entry of a tag's history."""
    return f"repositories/{repository}/_manifests/tags/{tag}/index/{slashed(digest)}/link"


def size(manifest: Manifest) -> int:
    """The bytes of all that a manifest is made of, each content once."""
    contents = {blob.content for part in manifest.tree() for blob in (part.blob, *part.blobs)}
    return sum(map(len, contents))


def signature_tag(manifest: Manifest, suffix: str = ".sig") -> str:
    """The tag that cosign gives to what it says about an image."""
    return manifest.digest.replace(":", "-") + suffix


def app(*names: str) -> set[str]:
    """Tags of the repository `app`."""
    return {f"app:{name}" for name in names}
