"""Random small registries, dense with what makes collecting hard: sharing, nesting, history, gaps, damage and youth."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha512
from pathlib import Path
from typing import Final, TypeVar

from hypothesis import strategies as st

from tests.properties.books import File, Files
from tests.properties.documents import LAYERS, Made, manifests
from tests.properties.shelf import OLD, YOUNG, Shelf
from tests.trees import BASE, blob_key, slashed

NOW: Final = datetime(2037, 1, 1, tzinfo=UTC)
"""When it is, for all that collects here: far enough in the future that every directory is old."""
MIN_AGE: Final = timedelta(hours=24)
UPLOAD_AGE: Final = timedelta(hours=168)
_AGES: Final = (OLD, MIN_AGE, MIN_AGE - timedelta(microseconds=1), YOUNG)
_UPLOAD_AGES: Final = (
    OLD,
    UPLOAD_AGE,
    UPLOAD_AGE - timedelta(seconds=1),
    MIN_AGE,
    MIN_AGE - timedelta(seconds=1),
    timedelta(),
)
_REPOSITORIES: Final = ("a", "a/b", "a/b/c", "ab")
_TAGS: Final = ("v1", "v2")
_SUFFIXES: Final = ("", ".sig", ".att")
_STRAYS: Final = (
    "blobs",
    "blobs/sha256/ab",
    "repositories/a/b",
    "repositories/ab/_layers",
    "repositories/a/_uploads/0b1c",
)
_UNNAMED: Final = ".77.tmp"
_UPLOADS: Final = ("0b1c", "5d-7")

Value = TypeVar("Value")


@st.composite
def registries(draw: st.DrawFn) -> Files:
    """A registry of some pushes, and of what happened to them since."""
    registry = _Registry(draw, draw(manifests()))
    for _ in range(draw(st.integers(2, 6))):
        registry.push_any()
    for event in draw(st.lists(st.sampled_from(registry.happenings()), min_size=3, max_size=12)):
        event()
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        draw(st.sampled_from(registry.damages()))()
    # Beside a link that was written after all, a listing may pass over what was to become it; see `Lists.pages`.
    written = {f"{key}{_UNNAMED}" for key in registry.files}
    return {key: file for key, file in registry.files.items() if key not in written}


def write(files: Files, root: Path) -> None:
    """Write a registry's storage below `root`."""
    for area in ("blobs", "repositories"):
        (root / BASE / area).mkdir(parents=True)
    for key, file in files.items():
        path = root / BASE / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        moment = NOW - file.age
        nanoseconds = (int(moment.timestamp()) * 1_000_000 + moment.microsecond) * 1000
        os.utime(path, ns=(nanoseconds, nanoseconds))


class _Registry(Shelf):
    def __init__(self, draw: st.DrawFn, made: list[Made]) -> None:
        super().__init__()
        self.draw = draw
        self.made = made

    def happenings(self) -> list[Callable[[], None]]:
        """What can happen, as often as it is to happen."""
        often = (self.push_any, self.push_about, self.lose_revision, self.rejuvenate, self.mount, self.demote)
        sometimes = (self.lose_any, self.lose_blob, self.note, self.dangle, self.upload, self.stray, self.sign)
        return [*often, *often, *sometimes, self.link_by_sha512, self.orphan]

    def damages(self) -> list[Callable[[], None]]:
        """What can break."""
        return [self.damage_link, self.damage_link, self.damage_manifest, self.damage_child]

    # What a client does.

    def push_any(self) -> None:
        """Push a manifest with all that it names, under a tag or by digest."""
        tag = self.one_of((*_TAGS, *_TAGS, None))
        self.push(self.repository(), self.one_of(self.made), tag, self.age())

    def push_about(self) -> None:
        """Push something under a tag that says which image it is about, there or elsewhere."""
        tag = self.one_of(self.made).digest.replace(":", "-") + self.one_of(_SUFFIXES)
        self.push(self.repository(), self.one_of(self.made), tag, self.age())

    def mount(self) -> None:
        """Link a layer, or a manifest as if it were one, without sending it."""
        known = [f"sha256:{sha256(content).hexdigest()}" for content in LAYERS] + [made.digest for made in self.made]
        self.layer(self.repository(), self.one_of(known), self.age())

    def link_by_sha512(self) -> None:
        """Link a layer that was pushed by its sha512 digest."""
        content, age = self.one_of(LAYERS), self.age()
        key = f"repositories/{self.repository()}/_layers/sha512/{sha512(content).hexdigest()}/link"
        self.put(key, self.blob(content, age), age)

    def upload(self) -> None:
        """Begin an upload."""
        folder = f"repositories/{self.repository()}/_uploads/{self.one_of(_UPLOADS)}"
        self.put(f"{folder}/data", "half", self.one_of(_UPLOAD_AGES))
        if self.draw(st.booleans()):
            began = (NOW - self.one_of(_UPLOAD_AGES)).strftime("%Y-%m-%dT%H:%M:%SZ")
            self.put(f"{folder}/startedat", self.one_of((began, began, "")), self.one_of(_UPLOAD_AGES))

    # What a registry's life leaves behind.

    def lose_revision(self) -> None:
        """Delete a revision and leave the tags and the history that lead to it."""
        self.remove("/_manifests/revisions/")

    def lose_blob(self) -> None:
        self.remove("blobs/")

    def lose_any(self) -> None:
        self.remove("")

    def demote(self) -> None:
        """Leave a manifest linked as a layer alone."""
        key = self.remove("/_manifests/revisions/", end="/link")
        if key and "/signatures/" not in key:
            repository, _, digest = key.removesuffix("/link").partition("/_manifests/revisions/")
            self.layer(repository.partition("/")[2], digest.replace("/", ":"), self.age())

    def rejuvenate(self) -> None:
        """Make anything of another age."""
        if key := self.key_with(self.one_of(("/revisions/", "/index/", "/current/", "/_layers/", "blobs/", ""))):
            self.files[key] = File(self.files[key].content, self.one_of(_AGES[1:]))

    def note(self) -> None:
        """Note a push in a tag's history without what it pushed, be there such a tag or not."""
        self.entry(self.repository(), self.one_of(_TAGS), self.one_of(self.made).digest, self.age())

    def dangle(self) -> None:
        """Point a tag at a manifest, be it there or not."""
        self.current(self.repository(), self.one_of(_TAGS), self.one_of(self.made).digest, self.age())

    def sign(self) -> None:
        revision = self.one_of(self.made).digest
        self.signature(self.repository(), revision, self.blob(b"a signature", self.age()), self.age())

    def orphan(self) -> None:
        """Keep a blob that need not be linked."""
        self.blob(self.one_of(LAYERS), self.age())

    def stray(self) -> None:
        """Leave a key that no registry writes; or a link that never got its name, as a registry does that is killed."""
        if key := self.key_with(self.one_of(("/_layers/", "/revisions/", "/index/", "/current/")), end="/link"):
            stray = self.one_of((f"{key}{_UNNAMED}", f"{self.one_of(_STRAYS)}/x"))
            if stray.startswith(key):
                del self.files[key]
            self.put(stray, "", self.age())

    # What breaks it.

    def damage_link(self) -> None:
        """Spoil a link: empty, cut off, of the right length, or leading elsewhere."""
        other = self.one_of(self.made).digest
        if key := self.key_with(self.one_of(("/revisions/", "/index/", "/current/", "/_layers/")), end="/link"):
            # Of links that are not read, one that leads elsewhere counts by its name: an example of its own.
            spoilt = self.one_of(("", other[:50], f"{other}\n", "x" * 71, other))
            self.files[key] = File(spoilt.encode(), self.files[key].age)

    def damage_manifest(self) -> None:
        """Spoil a manifest's bytes."""
        self.spoil(self.one_of(self.made))

    def damage_child(self) -> None:
        """Spoil what an index lists and only `_layers` links: a manifest as old registries serve it, or a layer."""
        if not (parents := [made for made in self.made if made.children]):
            return
        parent, repository = self.one_of(parents), self.repository()
        self.push(repository, parent, self.one_of((*_TAGS, None)), self.age())
        child = self.one_of(parent.children)
        for key in [key for key in self.files if f"/_manifests/revisions/{slashed(child.digest)}/" in key]:
            del self.files[key]
        self.layer(repository, child.digest, self.age())
        self.spoil(child)

    def spoil(self, made: Made) -> None:
        key = blob_key(made.digest)
        if key in self.files:
            self.files[key] = File(self.one_of((b"", b"{}", self.files[key].content + b" ")), self.files[key].age)

    # How all that is done.

    def one_of(self, values: "tuple[Value, ...] | list[Value]") -> Value:
        return self.draw(st.sampled_from(values))

    def repository(self) -> str:
        return self.one_of(_REPOSITORIES)

    def age(self) -> timedelta:
        return self.one_of((OLD,) * 8 + _AGES)

    def key_with(self, part: str, *, end: str = "") -> str | None:
        found = sorted(key for key in self.files if part in key and key.endswith(end))
        return self.one_of(found) if found else None

    def remove(self, part: str, *, end: str = "") -> str | None:
        key = self.key_with(part, end=end)
        if key:
            del self.files[key]
        return key
