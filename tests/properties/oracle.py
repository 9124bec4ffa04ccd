"""What a collection must take and nothing else, in plain sets: the other opinion on what regsweep condemns.

No code is shared with regsweep. The rules are those of the documentation, one set after the other.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tests.properties.books import Books, File, Files, Link, Manifest, is_intact, take_apart, understand

_ABOUT: Final = re.compile(r"sha256-([0-9a-f]{64})(\.sig|\.att|\.sbom)?")

Pair = tuple[str, str]
"""A repository and a digest: reachability is a matter of both."""


def subject_of(tag: str, manifest: Manifest | None) -> str | None:
    """The digest of the image that a tag is about, in cosign's manner, or in OCI's, whose tags stand at an index.

    Of a `manifest` that is not there or cannot be understood nobody can say that it is no index.
    """
    found = _ABOUT.fullmatch(tag)
    in_a_manner = found and (found[2] or manifest is None or manifest.may_be_index)
    return f"sha256:{found[1]}" if found and in_a_manner else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is chosen to go, beside what nothing needs."""

    let_go: frozenset[Pair] = frozenset()
    """Tags, each with its repository."""
    untagged_goes: frozenset[str] = frozenset()
    """The repositories where revisions go that no tag reaches."""
    vetoed: frozenset[Pair] = frozenset()
    """Tags that stay whatever else is said."""
    referrers_go: frozenset[str] = frozenset()
    """Those where what is about an image goes with it."""
    named: bool = False
    """Whether the tags were named to be removed, so that their age is no matter."""


def must_go(files: Files, now: datetime, *, untagged: str, min_age: timedelta, upload_age: timedelta) -> set[str]:
    """The keys of every tag, tag entry, signature, revision, layer link, upload and blob that goes."""
    everywhere = repositories(files) if untagged == "delete" else frozenset[str]()
    choice = Choice(untagged_goes=everywhere, referrers_go=everywhere)
    return must_go_by(choice, files, now, min_age=min_age, upload_age=upload_age)


def must_go_by(choice: Choice, files: Files, now: datetime, *, min_age: timedelta, upload_age: timedelta) -> set[str]:
    """As `must_go`, where something was chosen."""
    return Collection(files, choice, min_age=min_age).gone(now, upload_age)


def repositories(files: Files) -> frozenset[str]:
    """Every repository that a link lies in."""
    return frozenset(link.repository for link in take_apart(files).links())


class Collection:
    """One registry, and what goes from it by one choice."""

    def __init__(self, files: Files, choice: Choice, *, min_age: timedelta) -> None:
        self.files = files
        self.min_age = min_age
        self.choice = choice
        self.books = take_apart(files)
        self.manifests = _manifests(files, self.books)
        self.frozen = self.books.damaged | {
            repository for repository, digest in self._should_be_manifests() if self.manifests.get(digest, ...) is None
        }
        self.served = {pair for pair in _linked(self.books) if pair[1] in self.manifests}
        # A push to a tag writes the history's entry first: a young entry makes the whole tag young.
        self.young_tags = {
            (link.repository, link.tag) for link in (*self.books.tags, *self.books.entries) if self.young(link.key)
        }
        self.lost = self._lost()
        self.named = self._named() if choice.named else set[Pair]()
        self.kept = self._reached_from(self._roots() & self.served)
        self.needed = self._named_by(self.kept)

    def _should_be_manifests(self) -> set[Pair]:
        """What a revision or a tag names, and what those list that only `_layers` links, in the same repository."""
        layers = {(link.repository, link.digest) for link in self.books.layers}
        found = {(link.repository, link.digest) for link in (*self.books.revisions, *self.books.tags)}
        parents = found & _linked(self.books)
        while parents:
            parents = _children(parents, self.manifests) & layers - found
            found |= parents
        return found

    def young(self, key: str) -> bool:
        """Whether a key is too young to go."""
        return self.files[key].age < self.min_age

    def about(self, tag: Link) -> bool:
        """Whether a tag is about an image, and goes with it."""
        vetoed = (tag.repository, tag.tag) in self.choice.vetoed
        return not vetoed and tag.repository in self.choice.referrers_go and self._subject(tag) is not None

    def _lets_go(self, link: Link) -> bool:
        return (link.repository, link.tag) in self.choice.let_go

    def _roots(self) -> set[Pair]:
        tags = [
            link
            for link in self.books.tags
            if link.repository in self.frozen
            or (not self._lets_go(link) and (not self.about(link) or (link.repository, link.tag) in self.young_tags))
        ]
        revisions = [link for link in self.books.revisions if self._is_root(link)]
        entries = [link for link in self.books.entries if self.young(link.key) and not self._lets_go(link)]
        return {(link.repository, link.digest) for link in (*tags, *revisions, *entries)}

    def _is_root(self, revision: Link) -> bool:
        pair = (revision.repository, revision.digest)
        if revision.repository in self.frozen or (self.young(revision.key) and pair not in self.named):
            return True
        found = self.manifests.get(revision.digest)
        goes = self.choice.referrers_go if found and found.subject else self.choice.untagged_goes
        return pair not in self.lost and revision.repository not in goes

    def _lost(self) -> set[Pair]:
        """What a tag reached, and none does any more; an image's referrers only where they go with it."""
        where = self.choice.referrers_go
        standing = [link for link in self.books.tags if not self._lets_go(link) and not self.about(link)]
        going = [link for link in self.books.tags if self._lets_go(link) or self._is_bereft(link)]
        tagged, lost = (
            self._reached_from({(link.repository, link.digest) for link in links} & self.served, referrers=where)
            for links in (standing, going)
        )
        return lost - tagged

    def _named(self) -> set[Pair]:
        """What named tags stand at, with those of an index's children that were not pushed again after it."""
        links = {(link.repository, link.digest): self.files[link.key].age for link in self.books.revisions}
        named: set[Pair] = set()
        found = {(link.repository, link.digest) for link in self.books.tags if self._lets_go(link)}
        while found:
            named |= found
            found = {
                child
                for parent in named & links.keys() & self.served
                for child in self._named_by({parent}) & links.keys() & self.served
                if links[child] >= links[parent]
            } - named
        return named

    def _is_bereft(self, link: Link) -> bool:
        """Whether a tag is about what went before, and goes with it where all else without a tag is kept."""
        if self.choice.named or link.repository in self.choice.untagged_goes or not self.about(link):
            return False
        return self._subject(link) not in {digest for _, digest in self.served}

    def _reached_from(self, roots: set[Pair], *, referrers: frozenset[str] | None = None) -> set[Pair]:
        """What follows from roots; referrers are followed in some repositories, or in all."""
        kept: set[Pair] = set()
        found = roots
        while found:
            kept |= found
            followed = {pair for pair in self._referrers(kept) if referrers is None or pair[0] in referrers}
            found = (self._named_by(kept) | followed | self._about(kept)) & self.served - kept
        return kept

    def _named_by(self, kept: set[Pair]) -> set[Pair]:
        understood = [(repository, self.manifests[digest]) for repository, digest in kept]
        return {(repository, digest) for repository, found in understood if found for digest in found.refers}

    def _referrers(self, kept: set[Pair]) -> set[Pair]:
        """Only revisions: what a layer's link leads to must not depend on who else knows it for a manifest."""
        return {
            (link.repository, link.digest)
            for link in self.books.revisions
            if (found := self.manifests.get(link.digest)) and (link.repository, found.subject or "") in kept
        }

    def _about(self, kept: set[Pair]) -> set[Pair]:
        alive = {digest for _, digest in kept}
        return {
            (link.repository, link.digest)
            for link in self.books.tags
            if self._subject(link) in alive and not self._lets_go(link)
        }

    def _subject(self, tag: Link) -> str | None:
        return subject_of(tag.tag, self.manifests.get(tag.digest))

    def gone(self, now: datetime, upload_age: timedelta) -> set[str]:
        """Every key that goes."""
        books = self.books
        chosen = {link.key for link in books.tags if self._lets_go(link)}
        tags = self._going([link for link in books.tags if not self._tag_stays(link)]) | chosen
        standing = {(link.repository, link.tag) for link in books.tags if link.key not in tags}
        entries = [
            link
            for link in books.entries
            if (link.repository, link.tag) not in standing or (link.repository, link.digest) not in self.kept
        ]
        pushed = {(link.repository, link.digest) for link in books.entries if self.young(link.key)} - self.named
        revisions = [link for link in books.revisions if (link.repository, link.digest) not in self.kept | pushed]
        named = [link for link in revisions if (link.repository, link.digest) in self.named]
        signatures = [link for link in books.signatures if (link.repository, link.revision) not in self.kept]
        links = tags | self._going([*entries, *revisions, *signatures, *self._unneeded_layers()])
        if self.choice.named:
            signed = [link for link in signatures if (link.repository, link.revision) in self.named]
            links |= {link.key for link in (*named, *signed, *(link for link in entries if self._lets_go(link)))}
        # Damage leaves open what is meant; everything else keeps the blob that it leads to as long as it stays itself.
        wanted = books.doubtful | {digest for _, digest in self.needed}
        # A young link keeps its blob even where it goes itself, for it was named.
        wanted |= {link.target for link in books.links() if link.key not in links or self.young(link.key)}
        blobs = {key for digest, key in books.blobs.items() if digest not in wanted and not self.young(key)}
        return links | blobs | self._uploads(now, upload_age)

    def _going(self, links: list[Link]) -> set[str]:
        return {link.key for link in links if link.repository not in self.frozen and not self.young(link.key)}

    def _tag_stays(self, link: Link) -> bool:
        if (link.repository, link.tag) in self.young_tags | self.choice.vetoed:
            return True
        if (link.repository, link.digest) not in self.served:
            return False
        return not self.about(link) or self._subject(link) in {digest for _, digest in self.kept}

    def _unneeded_layers(self) -> list[Link]:
        return [
            link
            for link in self.books.layers
            if not {(link.repository, link.digest), (link.repository, link.target)} & self.needed
            and (link.repository, link.digest) not in self.kept
            and not (link.target in self.books.blobs and self.young(self.books.blobs[link.target]))
        ]

    def _uploads(self, now: datetime, upload_age: timedelta) -> set[str]:
        gone: set[str] = set()
        for (repository, _), keys in self.books.uploads.items():
            written = min(self.files[key].age for key in keys)
            said = [_began(self.files[key], now) for key in keys if key.endswith("/startedat")]
            began = next((age for age in said if age is not None), written)
            if repository not in self.frozen and began >= upload_age and written >= self.min_age:
                gone.update(keys)
        return gone


def _began(file: File, now: datetime) -> timedelta | None:
    try:
        return now - datetime.fromisoformat(file.content.decode())
    except ValueError:
        return None


def _linked(books: Books) -> set[Pair]:
    """Where a registry looks for a manifest: 2.x takes one that only `_layers` links too."""
    return {(link.repository, link.digest) for link in (*books.revisions, *books.layers)}


def _manifests(files: Files, books: Books) -> dict[str, Manifest | None]:
    """Every manifest there is; `None` stands for one that cannot be understood.

    That is what a revision links or a tag names, and what such a one has for a child. A child may be a layer of a
    build's cache as well: if its bytes are its own and cannot be understood, it is taken for one.
    """
    layers = {(link.repository, link.digest) for link in books.layers}
    named = {link.digest for link in books.revisions}
    named |= {link.digest for link in books.tags if (link.repository, link.digest) in layers}
    found = {digest: understand(files[key].content, digest) for digest, key in books.blobs.items() if digest in named}
    while True:
        contents = {
            digest: files[books.blobs[digest]].content
            for _, digest in _children(_linked(books), found) & layers
            if digest in books.blobs and digest not in found
        }
        new = {
            digest: understand(content, digest)
            for digest, content in contents.items()
            if understand(content, digest) or not is_intact(content, digest)
        }
        if not new:
            return found
        found |= new


def _children(pairs: set[Pair], manifests: dict[str, Manifest | None]) -> set[Pair]:
    """What they have for children, of those that are manifests."""
    parents = [(repository, manifests.get(digest)) for repository, digest in pairs]
    return {(repository, child) for repository, parent in parents if parent for child in parent.children}
