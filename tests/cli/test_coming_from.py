"""Every command of docs/coming-from.md does what the page says of it: what goes, and that all else stays."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.cli import coming_from as page
from tests.cli.coming_from import Command, Scene
from tests.cli.scene import blobs, run
from tests.cli.stub import READ_ONLY, Stub
from tests.command import REGSWEEP, Finished, regsweep

Make = Callable[[Path], Scene]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command does to which tree: what cannot be pulled any more, or else what it shows."""

    of: Make
    gone: frozenset[str] = frozenset()
    shows: tuple[str, ...] = ()
    """Texts, and `REPO@WORD` for the digest of what is named so."""
    deletes: bool = True
    """Whether it is carried out, by the test if not by the command, and so deletes all that nothing needs."""
    left: frozenset[str] = frozenset()
    """What is gone, of which the blobs are too young to go."""


def goes(*names: str, of: Make = page.builds) -> Outcome:
    """What goes, as `REPO:TAG...`: several tags of a repository with spaces between them."""
    return Outcome(of=of, gone=frozenset(one for name in names for one in _each(name)))


def _each(name: str) -> Iterator[str]:
    first, *more = name.split()
    repository = re.split("[:@]", first)[0]
    yield first
    yield from (f"{repository}:{tag}" for tag in more)


def shows(*texts: str, of: Make = page.builds) -> Outcome:
    return Outcome(of=of, shows=texts, deletes=False)


EVERYTHING: Final = "*"
UNTAGGED: Final = ("team/app@earlier", "team/old@nobodys", "web/shop@earlier")
PULLS: Final = ("team/app:pr-1 pr-2 pr-3", "web/shop:pr-9")
OLD: Final = ("team/old:v1 v1-final", "team/old@nobodys")
BUT_TEN: Final = "team/app:main-1 main-2 main-3 main-4 stable pr-1 pr-2"
"""The ten that stay are main-5 to main-12, latest and pr-3."""

OUTCOMES: Final = {
    # The beginning of the page.
    "regsweep plan $STORE --keep-last 10 -o tonight.plan": goes(BUT_TEN),
    "regsweep apply tonight.plan --registry $URL": goes(BUT_TEN),
    "regsweep prune $STORE --keep-last 10 --registry $URL": goes(BUT_TEN),
    "regsweep explain $STORE team/app:main-3 --keep-last 10": shows(
        "team/app:main-3 goes", "no   keepTags[0]: among the 10 most recently pushed"
    ),
    "regsweep policy check some-tags.yml $STORE": shows("some-tags.yml: is valid; 1 rule, 0 warnings"),
    # A rule for some tags only, and what no rule says.
    "regsweep plan $STORE --policy some-tags.yml": goes("team/app:pr-1 pr-2", "web/shop:pr-9"),
    "regsweep rm $STORE '**' --tags-matching '^pr-' --registry $URL": goes(*PULLS),
    """regsweep ls $STORE some/image --format csv | awk -F, '$2 == "tag" && $3 ~ /^v/ { print $1 ":" $3 }' | """
    "sort -V | head -n -5 | xargs -r regsweep rm $STORE --yes --registry $URL": goes(
        "some/image:v1.2.0-release v1.8.0 v1.9.0", of=page.releases
    ),
    # registry garbage-collect.
    "regsweep prune --config config.yml --registry $URL": goes(),
    "regsweep prune --config config.yml -m --registry $URL": goes(*UNTAGGED),
    "regsweep prune --config config.yml -m --dry-run": goes(*UNTAGGED),
    "regsweep prune --config config.yml -q --yes --registry $URL >/dev/null": goes(),
    "regsweep prune --config config.yml -m --min-age 0 --registry $URL": goes(*UNTAGGED, "team/app@young"),
    # registry-cli.
    "regsweep ls $STORE": shows("team/app", "team/old", "web/shop"),
    "regsweep ls $STORE '**' --layers": shows("main-12", "v1-final", "pr-9", "in 3 repositories"),
    "regsweep ls $STORE team/app": shows("main-12", "stable", "pr-1"),
    "regsweep plan $STORE --keep-last 10 --only-repos team/app": goes(BUT_TEN),
    "regsweep plan $STORE --keep-last 5 --keep-tags '^(stable|main-1)$'": goes(
        *(f"team/app:main-{number}" for number in range(2, 10)), "team/app:pr-1 pr-2"
    ),
    "regsweep plan $STORE --keep-last 5 --keep-tags 'main-[12]$'": goes(
        *(f"team/app:main-{number}" for number in range(3, 10)), "team/app:stable pr-1 pr-2"
    ),
    "regsweep plan $STORE --keep-last 5 --keep-within 360h": goes(
        "team/app:main-1 main-2 main-3 main-4 main-5 stable pr-1 pr-2"
    ),
    "regsweep plan $STORE --keep-within 360h": goes(
        "team/app:main-1 main-2 main-3 main-4 main-5 stable pr-1 pr-2", "team/old:v1", "web/shop:pr-9"
    ),
    "regsweep rm $STORE team/old --tags-matching '.*' --registry $URL": goes("team/old:v1 v1-final"),
    "regsweep rm $STORE team/old --registry $URL": goes(*OLD),
    "regsweep rm $STORE team/app --tags-matching '^pr-' --dry-run": goes("team/app:pr-1 pr-2 pr-3"),
    "regsweep rm $STORE '**' --allow no-tags --allow nothing-kept --max-delete 100% --registry $URL": Outcome(
        of=page.builds, gone=frozenset({EVERYTHING}), left=frozenset({"team/app@young"})
    ),
    # The image of pr-3 is older than its push.
    "regsweep plan $STORE --policy by-date.yml": goes(
        "team/app:main-1 main-2 main-3 main-4 main-5 stable pr-1 pr-2 pr-3"
    ),
    # delete-docker-registry-image.
    "regsweep rm $STORE team/old --dry-run": goes(*OLD),
    "regsweep rm $STORE team/app:latest --registry $URL": goes("team/app:latest"),
    "regsweep rm $STORE team/app:latest -m --registry $URL": goes("team/app:latest", *UNTAGGED),
    "regsweep ls $STORE team/app:latest --history": shows("latest", "before", "team/app@earlier"),
    "regsweep prune $STORE --policy untagged.yml --registry $URL": goes("team/app@earlier"),
    "regsweep plan $STORE --policy old-versions.yml": goes(
        "repo/sitor:0.1.0 0.1.1 0.1.2 0.1.3 0.1.4 0.1.8", of=page.versions
    ),
    "regsweep ls $STORE repo/sitor --format json | "
    r"""jq -r '.repositories[].images[] | select(.tag | test("^0\\.1\\.")) | "\(.tag) \(.created)"' | """
    """sort -V | head -n -2 | awk '$2 > "2016-01-01" && $2 < "2016-06-25T12" { print "repo/sitor:" $1 }' | """
    "xargs -r regsweep rm $STORE --yes --registry $URL": goes("repo/sitor:0.1.0 0.1.2 0.1.3", of=page.versions),
    # clean_registry.
    "regsweep prune $STORE -m --registry $URL": goes(*UNTAGGED),
    "regsweep rm $STORE team/app:pr-1 team/old -m --registry $URL": goes("team/app:pr-1", *OLD, *UNTAGGED),
    # deckschrubber: by the date of its image pr-3 is the oldest.
    "regsweep plan $STORE --policy deckschrubber.yml": goes(
        "team/app:main-1 main-2 main-3 main-4 main-5 pr-1 pr-2 pr-3"
    ),
    # docker-registry-pruner: of the versions stay 2.0.1, 1.11.0 and 1.10.0.
    "regsweep prune $STORE --policy pruner.yml --registry $URL": goes(
        "some/image:development-1 pr-1 v2.0.0 v1.9.1 v1.9.0 v1.8.0", of=page.releases
    ),
    # One-liners: v2 stands at the second digest.
    "regsweep prune $STORE --policy history.yml --registry $URL": goes(
        "team/app@1", "team/app@nobodys", of=page.moving
    ),
    "regsweep prune $STORE --keep-last 2 --only-repos team/app -m --registry $URL": goes(
        *(f"team/app:main-{number}" for number in range(1, 12)), "team/app:stable pr-1 pr-2 pr-3", "team/app@earlier"
    ),
    "regsweep prune $STORE -m --min-age 2w --registry $URL": goes(
        "team/app@1", "team/app@3", "team/app@4", of=page.moving
    ),
    "regsweep rm $STORE team/app:pr-1 --registry $URL": goes("team/app:pr-1"),
    "regsweep rm $STORE team/app:pr-1 -m --registry $URL": goes("team/app:pr-1", *UNTAGGED),
    # zot: of its second entry stay main-4 to main-12 and latest.
    "regsweep plan $STORE --policy zot.yml": goes(
        "team/app:main-1 main-2 main-3 stable pr-1", "team/app@earlier", "team/old@nobodys"
    ),
    # Harbor: the five are latest, main-12, pr-3, main-11 and main-10.
    "regsweep plan $STORE --policy harbor.yml": goes(
        *(f"team/app:main-{number}" for number in range(2, 10)), "team/app:stable pr-1 pr-2", "team/app@earlier"
    ),
}
COMMANDS: Final = {command.text: command for command in page.commands()}


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Make, Path], Scene]:
    """Copies a scene, of which the first costs some time."""
    made: dict[Make, Scene] = {}

    def copied(make: Make, into: Path) -> Scene:
        if make not in made:
            made[make] = make(tmp_path_factory.mktemp(make.__name__) / "registry")
        return made[make].copied(into)

    return copied


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where someone types commands: with a store, a registry on it that is read-only, and the page's files."""

    cwd: Path
    store: Path
    url: str

    def types(self, text: str) -> Finished:
        """Run a command line, in a shell if it needs one, to its end, which is a good one."""
        if not {"|", ">"} & set(text):
            known = {"$STORE": str(self.store), "$URL": self.url}
            command, *words = (known.get(word, word) for word in shlex.split(text))
            assert command == "regsweep"
            done = regsweep(*words, cwd=self.cwd)
            assert done.code == 0, done.err
            return done
        path = f"PATH={shlex.quote(str(self.cwd / 'bin'))}:$PATH; export PATH"
        told = f"export STORE={shlex.quote(str(self.store))} URL={shlex.quote(self.url)}"
        done = run("bash", "-euo", "pipefail", "-c", f"{path}; {told}; {text}", cwd=self.cwd)
        assert done.code == 0, done.err
        return done

    def newest_plan(self) -> Path:
        """The plan that was written last."""
        return max(self.cwd.glob("*.plan"), key=lambda plan: plan.stat().st_mtime_ns)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    shim = tmp_path / "bin/regsweep"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {shlex.join(REGSWEEP)} "$@"\n')
    shim.chmod(0o755)
    store = tmp_path / "registry"
    (tmp_path / "config.yml").write_text(f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {store}\n")
    for name, policy in page.policies().items():
        (tmp_path / name).write_text(policy)
    with Stub(READ_ONLY) as stub:
        yield Desk(cwd=tmp_path, store=store, url=stub.url)


def test_no_command_is_on_the_page_of_which_nothing_is_known_and_none_is_known_that_is_not_there() -> None:
    assert set(COMMANDS) == set(OUTCOMES)


def test_every_policy_has_a_name_of_its_own_and_is_used() -> None:
    written = [block.file for block in page.blocks() if block.kind == "yaml"]
    assert all(written)
    assert len(set(written)) == len(written)
    used = set(re.findall(r"\S+\.yml", " ".join(COMMANDS))) - {"config.yml"}
    assert used == set(written)


def test_nothing_stands_in_a_block_that_is_neither_a_command_nor_a_policy() -> None:
    assert {block.kind for block in page.blocks()} == {"sh", "yaml"}
    assert page.PAGE.read_text().count("```") == 2 * len(list(page.blocks()))
    assert all(text.startswith("regsweep ") for text in COMMANDS)


def test_what_the_page_links_to_is_there() -> None:
    text = page.PAGE.read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert {link[1:] for link in links if link.startswith("#")} <= anchors
    files = [link for link in links if not link.startswith(("#", "https://"))]
    assert all((page.PAGE.parent / link).exists() for link in files), files


@pytest.mark.parametrize("make", [page.builds, page.moving, page.versions, page.releases])
def test_all_of_a_scene_is_there_before(make: Make, tmp_path: Path) -> None:
    scene = make(tmp_path / "registry")
    assert scene.there() == set(scene.images)


@pytest.mark.parametrize("command", [pytest.param(command, id=text) for text, command in COMMANDS.items()])
def test_a_command_does_what_the_page_says(command: Command, desk: Desk, scenes: Callable[[Make, Path], Scene]) -> None:
    outcome = OUTCOMES[command.text]
    scene = scenes(outcome.of, desk.store)
    before, keys = scene.there(), scene.tree.keys()
    gone = before if outcome.gone == {EVERYTHING} else outcome.gone
    assert gone <= before
    if command.text.startswith("regsweep apply "):
        desk.types(command.before[-1])
    # There is no terminal to ask at.
    done = desk.types(f"{command.text} --yes" if command.asks else command.text)
    shown = [scene.images[text].digest[7:19] if text in scene.images else text for text in outcome.shows]
    assert all(text in done.out for text in shown), done.out
    if not outcome.deletes:
        assert scene.tree.keys() == keys
        return
    if command.text.startswith("regsweep plan "):
        assert scene.tree.keys() == keys
        desk.types(f"regsweep apply {desk.newest_plan()} --registry $URL")
    elif "--dry-run" in command.text:
        assert scene.tree.keys() == keys
        assert not list(desk.cwd.glob("*.plan"))
        desk.types(command.text.replace("--dry-run", "--yes --registry $URL"))
    assert before - scene.there() == gone
    assert blobs(scene.tree) == scene.blobs_of({*(before - gone), *outcome.left})
    assert scene.repositories() == page.repositories_of(before - gone)
    assert not [path for path in scene.tree.base.rglob("_uploads") if any(path.iterdir())]
