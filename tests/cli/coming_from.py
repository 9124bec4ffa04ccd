"""What the test of docs/coming-from.md needs: the page's commands and policies, and trees as the page tells of them."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from fixtures.images import Manifest, image, index
from tests.cli.scene import taken
from tests.trees import Tree, blob_key, slashed

PAGE: Final = Path(__file__).parents[2] / "docs/coming-from.md"
BASE: Final = b"every image's first layer"
ORPHAN: Final = b"nothing links to this"

_BLOCK: Final = re.compile(r"(?:^`([^`\n]+)`:\n\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT: Final = re.compile(r" +# .*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of the page: of which kind, and the name of the file that it is, if one stands above."""

    file: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of the page, or a pipeline, and those that stand before it in its block."""

    text: str
    before: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether it would ask before it deletes."""
        return self.text.startswith(("regsweep prune ", "regsweep rm ")) and not (
            "--dry-run" in self.text or "--yes" in self.text
        )


def blocks() -> Iterator[Block]:
    """The page's fenced blocks."""
    for file, kind, text in _BLOCK.findall(PAGE.read_text()):
        yield Block(file=file, kind=kind, text=text)


def commands() -> Iterator[Command]:
    """The page's commands, as they are typed, without the comments beside them."""
    for block in blocks():
        if block.kind == "sh":
            before: tuple[str, ...] = ()
            for text in _joined(block.text):
                if not text.startswith("export "):
                    yield Command(text=text, before=before)
                    before = (*before, text)


def policies() -> dict[str, str]:
    """The page's policies, by their files' names."""
    return {block.file: block.text for block in blocks() if block.kind == "yaml"}


def _joined(text: str) -> Iterator[str]:
    """A block's commands; a line that is indented goes on from the one above."""
    whole = ""
    for line in (_COMMENT.sub("", line) for line in text.splitlines()):
        if line.startswith("  "):
            whole += f" {line.strip()}"
            continue
        if whole:
            yield whole
        whole = line
    yield whole


@dataclass(slots=True)
class Scene:
    """A tree of which everything is known: what a client can pull from it, by name, `REPO:TAG` or `REPO@WORD`."""

    tree: Tree
    images: dict[str, Manifest] = field(default_factory=dict)

    def push(self, name: str, manifest: Manifest, *, age: float, over: str = "") -> None:
        """Push so many days ago; what has no tag now may have been pushed to one, which then is pushed `over`."""
        self.tree.push(manifest, _repository(name), _tag(name) or over or None, age=age)
        self.images[name] = manifest

    def copied(self, into: Path) -> Self:
        """The same at another place."""
        shutil.copytree(self.tree.root, into)
        return type(self)(taken(into), self.images)

    def there(self) -> set[str]:
        """What can be pulled. What is there in part is a mistake."""
        found = {name for name in self.images if self._is_there(name)}
        for name in found:
            for part in self.images[name].tree():
                needed = [f"_manifests/revisions/{slashed(part.digest)}/link"]
                needed += [f"_layers/{slashed(blob.digest)}/link" for blob in part.blobs]
                assert all(self._has(f"repositories/{_repository(name)}/{key}") for key in needed), name
                assert all(self.tree.has(one.digest) for one in (part.blob, *part.blobs)), name
        return found

    def blobs_of(self, names: set[str]) -> set[str]:
        """The keys of the blobs that these consist of."""
        parts = (part for name in names for part in self.images[name].tree())
        return {blob_key(one.digest) for part in parts for one in (part.blob, *part.blobs)}

    def repositories(self) -> set[str]:
        """Those of which a directory is there."""
        base = self.tree.base / "repositories"
        return {path.parent.relative_to(base).as_posix() for path in base.rglob("_*") if path.name in _OF_A_REPOSITORY}

    def _is_there(self, name: str) -> bool:
        digest, repository = self.images[name].digest, f"repositories/{_repository(name)}"
        if not _tag(name):
            return self._has(f"{repository}/_manifests/revisions/{slashed(digest)}/link")
        current = self.tree.base / f"{repository}/_manifests/tags/{_tag(name)}/current/link"
        return current.exists() and current.read_text() == digest

    def _has(self, key: str) -> bool:
        return (self.tree.base / key).exists()


_OF_A_REPOSITORY: Final = {"_manifests", "_layers", "_uploads"}


def repositories_of(names: set[str]) -> set[str]:
    """The repositories that these are in."""
    return set(map(_repository, names))


def _repository(name: str) -> str:
    return re.split("[:@]", name)[0]


def _tag(name: str) -> str:
    return name.partition(":")[2]


def _ago(days: float) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def _image(word: str, *, created: float | str) -> Manifest:
    """An image of its own, created so many days ago, or at that date."""
    return image(BASE, word.encode(), created=created if isinstance(created, str) else _ago(created))


def builds(root: Path) -> Scene:
    """Twelve builds, one every other day; two tags that move; pull requests; and what was left behind."""
    scene = Scene(Tree(root))
    scene.push("team/app@earlier", _image("earlier", created=23), age=23, over="latest")
    numbered = {number: _image(f"main-{number}", created=26 - 2 * number) for number in range(1, 13)}
    for number, built in numbered.items():
        scene.push(f"team/app:main-{number}", built, age=26 - 2 * number)
    scene.push("team/app:stable", numbered[3], age=20)
    scene.push("team/app:latest", numbered[12], age=2)
    scene.push("team/app:pr-1", _image("pr-1", created=40), age=40)
    scene.push("team/app:pr-2", _image("pr-2", created=26), age=26)
    # Built long before it was pushed.
    scene.push("team/app:pr-3", _image("pr-3", created=60), age=3)
    # Pushed last, and not to be counted among the last.
    signature = f"sha256-{numbered[12].digest.removeprefix('sha256:')}.sig"
    scene.push(f"team/app:{signature}", _image("a signature", created=50), age=1.5)
    scene.push("team/app@young", _image("young", created=0.1), age=0.1)
    old = _image("old", created=50)
    scene.push("team/old:v1", old, age=50)
    scene.push("team/old:v1-final", old, age=49)
    scene.push("team/old@nobodys", _image("nobody's", created=51), age=51)
    shop = {
        word: index(*(image(BASE, f"{word} {system}".encode(), platform=system, created=_ago(age)) for system in _BOTH))
        for word, age in (("v1", 35), ("v2", 30))
    }
    scene.push("web/shop@earlier", shop["v1"], age=35, over="v2")
    scene.push("web/shop:v2", shop["v2"], age=30)
    scene.push("web/shop:pr-9", _image("pr-9", created=33), age=33)
    scene.tree.blob(ORPHAN)
    scene.tree.upload("team/app", "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f")
    return scene


_BOTH: Final = ("linux/amd64", "linux/arm64")


def moving(root: Path) -> Scene:
    """A tag to which five digests were pushed, of which another tag stands at the second; and one without a tag."""
    scene = Scene(Tree(root))
    digests = {number: _image(f"digest {number}", created=60 - 10 * number) for number in range(1, 6)}
    for number in (1, 3, 4):
        scene.push(f"team/app@{number}", digests[number], age=60 - 10 * number, over="latest")
    scene.tree.push(digests[2], "team/app", "latest", age=40)
    scene.push("team/app:v2", digests[2], age=40)
    scene.push("team/app:latest", digests[5], age=10)
    scene.push("team/app@nobodys", _image("nobody's", created=5), age=5)
    scene.push("web/shop@nobodys", _image("nobody's, too", created=5), age=5)
    scene.push("web/shop:v1", _image("shop", created=5), age=5)
    return scene


def versions(root: Path) -> Scene:
    """Versions of several years, pushed to this registry on one day when it was set up."""
    scene = Scene(Tree(root))
    for tag, created in {
        "0.1.1": "2015-12-01T00:00:00Z",
        "0.1.2": "2016-02-01T00:00:00Z",
        "0.1.3": "2016-03-01T00:00:00Z",
        "0.1.4": "2016-08-01T00:00:00Z",
        "0.1.8": _ago(50),
        "0.1.9": _ago(25),
        "0.1.10": _ago(20),
        "0.1.11": _ago(10),
        "0.2.0": "2016-02-02T00:00:00Z",
        "10.1.0": "2016-02-03T00:00:00Z",
        "0": "2016-02-04T00:00:00Z",
    }.items():
        scene.push(f"repo/sitor:{tag}", _image(tag, created=created), age=5)
    # A comma, for which CSV has to quote a cell.
    odd = image(BASE, b"0.1.0", platform="linux/arm,v7", created="2016-02-05T00:00:00Z")
    scene.push("repo/sitor:0.1.0", odd, age=5)
    scene.push("repo/other:0.1.1", _image("another", created="2016-02-05T00:00:00Z"), age=5)
    return scene


def releases(root: Path) -> Scene:
    """Releases, builds of branches, and tags that are for people."""
    scene = Scene(Tree(root))
    ages = {f"v1.{minor}.0": 100 - 5 * minor for minor in range(8, 12)}
    ages |= {"v1.9.1": 20, "v2.0.0": 40, "v2.0.1": 30, "v1.2.0-release": 95}
    ages |= {"development-1": 20, "development-2": 10, "pr-1": 40, "pr-2": 20, "other": 90}
    for tag, age in ages.items():
        scene.push(f"some/image:{tag}", _image(tag, created=age), age=age)
    scene.push("some/image:latest", scene.images["some/image:other"], age=90)
    return scene
