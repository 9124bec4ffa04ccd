"""What only a check finds that reads every blob."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from regsweep.errors import DeniedError
from regsweep.inventory.checks import Code, Severity
from regsweep.inventory.checks_deep import Blobs, collect_hashes
from tests.trees import Tree, blob_key, layer_key
from tests.unit.check_scene import ABSENT, BASE, CONFIG, LAYER, ONE, OWN, checked, found, only, small, told
from tests.unit.memory import MemoryStore


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return small(tmp_path / "tree")


def test_a_deep_check_tells_whether_the_blob_is_wrong_or_the_manifest(tree: Tree) -> None:
    layer = LAYER.descriptor() | {"size": 1}
    tree.manifest({"schemaVersion": 2, "config": CONFIG.descriptor(), "layers": [layer]}, "app", "odd")
    assert found(tree) == found(tree, deep=True) == [(Code.WRONG_SIZE, blob_key(LAYER.digest), ["app:odd"])]
    tree.put(blob_key(LAYER.digest), LAYER.content[:-1])
    assert found(tree) == [(Code.WRONG_SIZE, blob_key(LAYER.digest), [*OWN[:1], "app:odd", OWN[1]])]
    assert found(tree, deep=True) == [(Code.WRONG_CONTENT, blob_key(LAYER.digest), [*OWN[:1], "app:odd", OWN[1]])]


def test_what_a_plan_does_not_read_freezes_no_repository(tree: Tree) -> None:
    tree.put(layer_key("app", LAYER.digest), ABSENT.encode())
    assert [one.code for one in checked(tree, deep=True)[0]] == [Code.DAMAGED_LINK]


def flip(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def test_only_a_deep_check_finds_that_a_blob_is_not_what_it_is_named(tree: Tree) -> None:
    tree.put(blob_key(LAYER.digest), flip(LAYER.content))
    assert found(tree) == []
    finding = only(tree, deep=True)
    assert told(finding) == (Code.WRONG_CONTENT, Severity.DAMAGE, "app", blob_key(LAYER.digest), [*OWN])
    actual = sha256(flip(LAYER.content)).hexdigest()
    assert finding.message == f"its content hashes to sha256:{actual}, not to its digest"
    assert finding.bytes == len(LAYER.content)


def test_a_ruined_blob_that_nothing_links_is_damage_for_whoever_pushes_it_next(tree: Tree) -> None:
    digest = tree.blob(b"nobody's")
    tree.put(blob_key(digest), b"NOBODY'S")
    assert told(only(tree, deep=True)) == (Code.WRONG_CONTENT, Severity.DAMAGE, None, blob_key(digest), [])


class Gone(MemoryStore):
    """A store out of which a blob vanishes once it was listed."""

    gone = ""

    def hashes(self, prefix: str, names: Sequence[str], suffix: str, *, algorithm: str) -> Iterator[str | None]:
        """See `Reads.hashes`."""
        self.things.pop(self.gone, None)
        return super().hashes(prefix, names, suffix, algorithm=algorithm)


@pytest.mark.parametrize(("digest", "code"), [(LAYER.digest, Code.MISSING_BLOB), (ONE.digest, Code.MISSING_MANIFEST)])
def test_what_vanishes_while_it_is_hashed_is_missing(tree: Tree, digest: str, code: Code) -> None:
    store = Gone.of(tree)
    store.gone = blob_key(digest)
    assert found(store, deep=True) == [(code, store.gone, [*OWN])]


class Denying(MemoryStore):
    """A store that refuses to give one blob."""

    denied = ""

    def hashes(self, prefix: str, names: Sequence[str], suffix: str, *, algorithm: str) -> Iterator[str | None]:
        """See `Reads.hashes`."""
        if any(f"{prefix}{name}{suffix}" == self.denied for name in names):
            raise DeniedError(f"{self.denied}: denied", key=self.denied)
        return super().hashes(prefix, names, suffix, algorithm=algorithm)


def test_a_blob_that_cannot_be_read_stops_the_check(tree: Tree) -> None:
    store = Denying.of(tree)
    store.denied = blob_key(LAYER.digest)
    with pytest.raises(DeniedError):
        checked(store, deep=True)


def test_the_workers_tell_only_what_is_not_as_it_is_named(tree: Tree) -> None:
    tree.put(blob_key(LAYER.digest), b"other")
    store = MemoryStore.of(tree)
    digests = [one.digest.removeprefix("sha256:") for one in (BASE, LAYER)] + ["cd" * 48]
    rows = collect_hashes(store, Blobs(digests, 0))
    assert [column.values for column in rows.columns["hashed_otherwise"]] == [  # type: ignore[union-attr] # of texts
        [digests[1], "cd" * 48],
        [f"sha256:{sha256(b'other').hexdigest()}", None],
    ]
