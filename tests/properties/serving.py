"""What a registry can serve from its storage: another look at it than the oracle's, from the client's side."""

from tests.properties.books import Files, Manifest, take_apart, understand


def pulls(files: Files) -> dict[str, frozenset[str]]:
    """For each tag (`repository:tag`) and revision (`repository@digest`) that can be pulled, all keys that this takes.

    That is what the registry reads for the manifest, and for whatever of its children, layers and referrers it has.
    """
    return _Registry(files).pulls()


def dangling(files: Files, before: Files) -> set[str]:
    """The links whose blob was there before and is not any more."""
    now, then = take_apart(files), take_apart(before)
    return {link.key for link in now.links() if link.target in then.blobs.keys() - now.blobs.keys()}


class _Registry:
    def __init__(self, files: Files) -> None:
        self.books = books = take_apart(files)
        self.content = {digest: files[key].content for digest, key in books.blobs.items()}
        self.layers = {(link.repository, link.digest): link for link in books.layers}
        self.revisions = {(link.repository, link.digest): link.key for link in books.revisions}
        # A registry of version 2 serves a manifest also where only a layer's link leads to it.
        self.links = {pair: link.key for pair, link in self.layers.items()} | self.revisions
        self.referrers: dict[tuple[str, str], list[str]] = {}
        for repository, digest in self.revisions:
            if (found := self.manifest(digest)) and found.subject:
                self.referrers.setdefault((repository, found.subject), []).append(digest)

    def manifest(self, digest: str) -> Manifest | None:
        return understand(self.content[digest], digest) if digest in self.content else None

    def pulls(self) -> dict[str, frozenset[str]]:
        found = {f"{link.repository}:{link.tag}": self.pull(link.repository, link.digest) for link in self.books.tags}
        found |= {
            f"{link.repository}@{link.digest}": self.pull(link.repository, link.digest) for link in self.books.revisions
        }
        return {name: keys for name, keys in found.items() if keys}

    def pull(self, repository: str, digest: str) -> frozenset[str]:
        keys: set[str] = set()
        waiting, seen = [digest], set[str]()
        while waiting:
            one = waiting.pop()
            if one in seen or (repository, one) not in self.links or one not in self.content:
                continue
            seen.add(one)
            keys |= {self.links[repository, one], self.books.blobs[one]}
            found = self.manifest(one)
            for part in found.refers if found else ():
                layer = self.layers.get((repository, part))
                if layer and layer.target in self.books.blobs:
                    keys |= {layer.key, self.books.blobs[layer.target]}
            waiting += self.referrers.get((repository, one), [])
            if found:
                waiting += (
                    part for part in found.refers if part in found.children or (repository, part) in self.revisions
                )
        return frozenset(keys)
