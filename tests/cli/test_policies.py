"""What `explain` and `policy check` say of policies, and how `plan` and `prune` take them."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.images import artifact, image
from tests.cli.live import on_a_terminal
from tests.cli.scene import closed, names, the_error, without_privilege
from tests.command import Finished, regsweep
from tests.trees import DAY, Tree

GONE = "sha256:" + "0f" * 32
ONE = image(b"one", created="2024-02-03T04:05:06Z")
SIGNATURE = f"{ONE.digest.replace(':', '-')}.sig"
LATE = f"{image(b'never').digest.replace(':', '-')}.sig"
POLICY = """\
version: 1
rules:
  - repositories: ['team/*']
    keepTags:
      - patterns: ['^v']
      - mostRecentlyPushedCount: 1
        createdWithin: 30d
    neverDelete: ['^latest$']
    deleteReferrers: true
  - repositories: ['scratch', 'alone']
    keepTags:
      - pushedWithin: 1h
"""


@pytest.fixture(scope="module")
def cwd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a tree and a policy; nothing of it may be deleted by whoever only tries."""
    cwd = tmp_path_factory.mktemp("policies")
    tree = Tree(cwd / "registry")
    tree.push(ONE, "team/app", "v1")
    tree.push(ONE, "team/app", "latest", age=40)
    tree.push(image(b"two"), "team/app", "pr-7", age=35)
    tree.push(image(b"three"), "team/app", "pr-8", age=20)
    tree.push(image(b"now"), "team/app", "pr-9", age=0.25)
    tree.push(artifact(b"s", kind="application/x"), "team/app", SIGNATURE)
    tree.push(artifact(b"late", kind="application/x"), "team/app", LATE)
    tree.tag("team/app", "dangling", GONE)
    tree.tag("team/app", "dangling-now", GONE, age=0.25)
    tree.push(image(b"x"), "scratch", "a", age=11)
    tree.push(image(b"y"), "scratch", "b", age=10)
    tree.push(image(b"z"), "alone", "a")
    tree.push(image(b"other"), "other", "v1")
    tree.push(image(b"frozen"), "team/frozen", "v1")
    tree.put("repositories/team/frozen/_manifests/tags/damaged/current/link", b"")
    (cwd / "policy.yml").write_text(POLICY)
    keys = tree.keys()
    yield cwd
    assert tree.keys() == keys
    assert names(cwd) == {"registry", "policy.yml"}


def explain(cwd: Path, name: str, *options: str) -> list[str]:
    done = regsweep("explain", "registry", name, *(options or ("--policy", "policy.yml")), cwd=cwd)
    assert (done.code, done.err) == (0, "")
    return done.out.splitlines()


def check(folder: Path, text: str, *arguments: str | Path) -> Finished:
    (folder / "checked.yml").write_text(text)
    return regsweep("policy", "check", folder / "checked.yml", *arguments, cwd=folder)


def warnings(done: Finished) -> list[str]:
    assert all(line.startswith("regsweep: warning: ") for line in done.lines)
    return [line.removeprefix("regsweep: warning: ") for line in done.lines]


def days_ago(days: float) -> str:
    return f"{time.strftime('%Y-%m-%d', time.gmtime(time.time() - days * DAY))}"


def test_a_kept_tag_is_explained_by_each_thing_that_could_keep_it(cwd: Path) -> None:
    lines = explain(cwd, "team/app:v1")
    assert re.fullmatch(rf"  pushed     {days_ago(30)} \d\d:\d\d:\d\d UTC", lines.pop(2))
    assert lines == [
        "team/app:v1 is kept",
        f"  stands at  {ONE.digest}",
        "  created    2024-02-03 04:05:06 UTC",
        "  rule 1 of policy.yml decides, for team/*",
        "    no   neverDelete",
        "    yes  keepTags[0]: match ^v",
        "    no   keepTags[1]: among the 1 most recently pushed",
        "    no   keepTags[1]: created within 30d",
        "    no   keepTags[1]: of unknown creation date, which keeps it",
    ]


def test_a_tag_that_goes_is_explained_by_what_does_not_keep_it(cwd: Path) -> None:
    lines = explain(cwd, "team/app:pr-7")
    assert lines[0] == "team/app:pr-7 goes"
    verdicts = [line.split()[0] for line in lines[5:]]
    assert verdicts == ["no"] * 5


def test_a_veto_is_told(cwd: Path) -> None:
    lines = explain(cwd, "team/app:latest")
    assert lines[0] == "team/app:latest is kept"
    assert "    yes  neverDelete" in lines


def test_a_young_tag_is_told_to_be_young(cwd: Path) -> None:
    lines = explain(cwd, "team/app:pr-9", "--keep-tags", "^v")
    assert lines[0] == "team/app:pr-9 is kept"
    assert lines[-2:] == [
        "    no   keepTags[0]: match ^v",
        "    yes  younger than --min-age",
    ]
    lines = explain(cwd, "team/app:pr-9", "--keep-tags", "^v", "--min-age", "6h")
    assert lines[0] == "team/app:pr-9 goes"


def test_a_last_tag_is_told_to_be_the_last(cwd: Path) -> None:
    lines = explain(cwd, "scratch:b")
    assert lines[0] == "scratch:b is kept"
    assert lines[-1] == "    yes  the last tag of its repository, and the rule does not say allowEmpty"
    assert explain(cwd, "scratch:a")[0] == "scratch:a goes"


def test_a_tag_that_no_rule_is_for_is_told_so(cwd: Path) -> None:
    lines = explain(cwd, "other:v1")
    assert lines[0] == "other:v1 is kept"
    assert lines[-1] == "  no rule is for its repository, so everything in it is kept"


def test_a_frozen_repository_is_told_to_be_frozen(cwd: Path) -> None:
    lines = explain(cwd, "team/frozen:v1")
    assert lines[0] == "team/frozen:v1 is kept"
    assert lines[-1] == "  its repository cannot be fully understood, so nothing of it is deleted"


def test_a_tag_whose_link_is_damaged_is_told_to_be_kept_for_that(cwd: Path) -> None:
    assert explain(cwd, "team/frozen:damaged") == [
        "team/frozen:damaged is kept",
        "  its link is damaged: the link is empty",
        "  its repository cannot be fully understood, so nothing of it is deleted",
    ]


def test_a_tag_that_leads_nowhere_is_told_to_lead_nowhere(cwd: Path) -> None:
    lines = explain(cwd, "team/app:dangling")
    assert lines[0] == "team/app:dangling goes"
    assert lines[-1] == "  which does not judge it: it goes: revision deleted"


def test_a_young_tag_that_leads_nowhere_is_not_told_to_be_about_another_image(cwd: Path) -> None:
    lines = explain(cwd, "team/app:dangling-now")
    assert lines[0] == "team/app:dangling-now is kept"
    assert "about another image" not in lines[-1]


def test_a_signature_is_told_to_follow_its_image(cwd: Path) -> None:
    lines = explain(cwd, f"team/app:{SIGNATURE}")
    assert lines[0] == f"team/app:{SIGNATURE} is kept"
    assert lines[-1] == "  which does not judge it: it is about another image, and stays"
    lines = explain(cwd, f"team/app:{LATE}")
    assert lines[0] == f"team/app:{LATE} goes"
    assert lines[-1] == "  which does not judge it: it goes: its image is gone"


def test_options_are_explained_as_the_rule_that_they_make(cwd: Path) -> None:
    lines = explain(cwd, "team/app:pr-7", "--keep-last", "1", "--keep-within", "35d24h", "--only-repos", "team/**")
    assert lines[0] == "team/app:pr-7 is kept"
    assert lines[-3:] == [
        "  rule 1 of options decides, for team/**",
        "    no   keepTags[0]: among the 1 most recently pushed",
        "    yes  keepTags[0]: pushed within 36d",
    ]


def test_what_explain_says_is_what_plan_does(cwd: Path) -> None:
    done = regsweep("prune", "registry", "--policy", "policy.yml", "--dry-run", "--format=json", cwd=cwd)
    gone = {one["name"]: one["tags_condemned"] for one in json.loads(done.out)["repositories"]}
    # Of `team/app` the other tests have asked: pr-7 and pr-8 are let go, and two follow from what went before.
    assert gone == {"team/app": 4, "scratch": 1, "alone": 0, "other": 0, "team/frozen": 0}
    assert explain(cwd, "team/app:pr-8")[0] == "team/app:pr-8 goes"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["registry", "team/app:v9", "--keep-last", "1"], "team/app:v9: there is no such tag"),
        (["registry", "nobody:v1", "--keep-last", "1"], "nobody: there is no such repository"),
        (["registry", "team/*:v1", "--keep-last", "1"], "team/*: there is no such repository"),
        (["registry", "team/app", "--keep-last", "1"], "team/app: is no tag"),
        (["registry", f"team/app@{GONE}", "--keep-last", "1"], f"team/app@{GONE}: is no tag"),
        (["registry", "team/app:v 1", "--keep-last", "1"], "team/app:v 1: is no name that a registry takes"),
        (["registry", "--keep-last", "1"], "explain takes one tag"),
        (["registry", "a:1", "b:1", "--keep-last", "1"], "explain takes one tag"),
        (["registry", "team/app:v1"], "no policy was given"),
        (["registry", "team/app:v1", "--config", "policy.yml", "--keep-last", "1"], "explain takes one tag"),
        (["registry", "team/app:v1", "--policy", "policy.yml", "--keep-last", "1"], "contradict each other"),
        (["registry", "team/app:v1", "--policy", "no.yml"], "no.yml: cannot be read"),
        (["registry", "team/app:v1", "--keep-last", "0"], "'--keep-last'"),
        (["registry", "team/app:v1", "--keep-last", "9" * 40], f"--keep-last {'9' * 40}: is more than 999,999,999"),
        (["registry", "team/app:v1", "--keep-within", "soon"], "--keep-within soon: is no age"),
        (["registry", "team/app:v1", "--only-repos", "x"], "--only-repos: nothing says what is kept"),
        (["nowhere", "team/app:v1", "--keep-last", "1"], "nowhere"),
    ],
)
def test_what_cannot_be_explained_is_told(cwd: Path, arguments: list[str], told: str) -> None:
    done = regsweep("explain", *arguments, cwd=cwd)
    assert told in the_error(done, 2)
    assert done.out == ""


def test_a_policy_is_said_to_be_valid(cwd: Path) -> None:
    done = regsweep("policy", "check", "policy.yml", cwd=cwd)
    assert (done.code, done.err, done.out) == (0, "", "policy.yml: is valid; 2 rules, 0 warnings\n")


def test_a_policy_is_tried_on_a_storage_rule_by_rule(cwd: Path) -> None:
    done = regsweep("policy", "check", "policy.yml", "registry", cwd=cwd)
    rows = [re.split(r"  +", line.strip()) for line in done.out.splitlines()]
    assert done.code == 0
    assert rows[0] == ["rule", "for", "repositories", "tags", "go", "comes free"]
    assert rows[1][:5] == ["1", "team/*", "1", "5", "2"]
    assert rows[2][:5] == ["2", "scratch, alone", "2", "3", "1"]
    assert rows[-1] == ["policy.yml: is valid; 2 rules, 1 warning"]
    assert warnings(done) == [
        "rule 2 at line 10, for scratch, alone, would empty alone, scratch; the last tag that was pushed there stays"
    ]


def test_a_rule_that_an_earlier_one_shadows_is_warned_of_without_a_storage(tmp_path: Path) -> None:
    text = """\
version: 1
rules:
  - repositories: [a, b]
  - repositories: [b]
  - repositories: [a, c]
  - repositories: ['**']
  - repositories: ['team/*']
  - repositories: [c, a]
"""
    done = check(tmp_path, text)
    assert (done.code, done.out) == (0, f"{tmp_path}/checked.yml: is valid; 6 rules, 3 warnings\n")
    assert warnings(done) == [
        "rule 2 at line 4, for b, never decides: rule 1 is for all of its repositories",
        "rule 5 at line 7, for team/*, never decides: rule 4 is for all of its repositories",
        "rule 6 at line 8, for c, a, never decides: rules 1 and 3 are for all of its repositories",
    ]


def test_a_rule_whose_names_an_earlier_glob_takes_in_is_warned_of_without_a_storage(tmp_path: Path) -> None:
    text = """\
version: 1
rules:
  - repositories: ['team/**', 'lib-*']
  - repositories: ['team/web', 'lib-a']
  - repositories: ['team/*/x', 'lib-b/c']
"""
    done = check(tmp_path, text)
    assert warnings(done) == [
        "rule 2 at line 4, for team/web, lib-a, never decides: rule 1 is for all of its repositories"
    ]


def test_a_rule_that_empties_a_repository_without_tags_is_warned_of(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    tree.push(ONE, "untagged", None)
    tree.push(image(b"young"), "young", None, age=0.1)
    tree.push(image(b"tagged"), "tagged", "v1")
    tree.push(image(b"kept"), "kept", None)
    text = """\
version: 1
rules:
  - repositories: [untagged, young, tagged]
    deleteUntagged: true
  - repositories: ['**']
"""
    done = check(tmp_path, text, tree.root)
    (warning,) = warnings(done)
    assert warning.startswith("rule 1 at line 3, for untagged, young, tagged, empties untagged: ")
    assert warning.endswith(": no tag leads to what is there, and deleteUntagged lets it go")


def test_rules_that_decide_about_nothing_there_or_empty_a_repository_are_warned_of(cwd: Path, tmp_path: Path) -> None:
    text = """\
version: 1
rules:
  - repositories: ['nobody/*']
  - repositories: ['sc*']
    keepTags: [{patterns: ['^none$']}]
    allowEmpty: true
  - repositories: ['s*', 'team/frozen']
  - repositories: ['alone']
    keepTags: [{patterns: ['^none$']}]
"""
    done = check(tmp_path, text, cwd / "registry")
    assert done.code == 0
    beyond = "an earlier rule is for each that it matches (2 in all), or it is frozen"
    assert warnings(done) == [
        "rule 1 at line 3, for nobody/*, matches no repository",
        "rule 2 at line 4, for sc*, empties scratch, as allowEmpty says",
        f"rule 3 at line 7, for s*, team/frozen, decides about none: {beyond}",
        "rule 4 at line 8, for alone, would empty alone; the last tag that was pushed there stays",
    ]


def test_a_check_takes_one_storage(cwd: Path) -> None:
    config = cwd / "config.yml"
    try:
        config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {cwd}/registry}}}}\n")
        done = regsweep("policy", "check", "policy.yml", "registry", "--config", config, cwd=cwd)
        assert "STORE and --config were both given" in the_error(done, 2)
        done = regsweep("policy", "check", "policy.yml", "--config", config, cwd=cwd)
        assert (done.code, done.out.splitlines()[0].split()[0]) == (0, "rule")
        done = regsweep("explain", "team/app:v1", "--config", config, "--keep-last", "1", cwd=cwd)
        assert done.out.startswith("team/app:v1 goes\n")
    finally:
        config.unlink()


BOMB = "version: 1\nrules: &a [{repositories: &b ['**']}]\n" + "".join(
    f"x{number}: &x{number} [{', '.join(['*a'] * 9)}]\n" for number in range(9)
)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "p.yml:1: is empty"),
        (b"# only a comment\n", "p.yml:1: is empty"),
        (b"version: 1\nrules:\n  - repositories: ['\xff']\n", "p.yml: cannot be read: it is not UTF-8"),
        (b"\x00\x01\x02", "p.yml:1: has the character '\\x00', which no text has"),
        (BOMB.encode(), "p.yml:2: rules: has an anchor or an alias"),
        (b"[" * 100_000, "p.yml:1"),
        (b"version: 1\nversion: 1\n", "p.yml:2: version: stands here for the second time, after line 1"),
        (b"version: 1\nrules:\n  - repositories: ['**']\n    keepTag: []\n", "p.yml:4: rules[0].keepTag: is not known"),
        (
            b"version: 1\nrules:\n  - repositories: ['**']\n    neverDelete: ['a(?=b)']\n",
            "p.yml:4: rules[0].neverDelete[0]: 'a(?=b)' is no regular expression",
        ),
        (b"version: 2\nrules: []\n", "p.yml:1: version: is 2"),
        (b"x" * (1 << 20) + b"y", "p.yml:1: is larger than 1 MiB"),
    ],
    ids=["empty", "comment", "latin-1", "binary", "bomb", "deep", "twice", "unknown", "regex", "version", "large"],
)
def test_a_file_that_is_no_policy_is_told_in_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "p.yml").write_bytes(content)
    done = regsweep("policy", "check", "p.yml", cwd=tmp_path)
    assert the_error(done, 2).startswith(told)
    assert done.out == ""


def test_a_file_that_cannot_be_read_is_told_in_one_line_by_each_command(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "closed.yml").touch()
    Tree(tmp_path / "registry").push(ONE, "app", "v1")
    for command in (
        ("policy", "check"),
        ("plan", "registry", "--policy"),
        ("explain", "registry", "app:v1", "--policy"),
    ):
        done = regsweep(*command, "no.yml", cwd=tmp_path)
        assert the_error(done, 2) == "no.yml: cannot be read: No such file or directory"
        done = regsweep(*command, "folder", cwd=tmp_path)
        assert the_error(done, 2) == "folder: cannot be read: Is a directory"
    configured = regsweep("plan", "--config", "no.yml", cwd=tmp_path)
    assert the_error(configured, 2) == "no.yml: cannot be read: No such file or directory"
    (tmp_path / "latin.yml").write_bytes(b"\xff")
    configured = regsweep("plan", "--config", "latin.yml", cwd=tmp_path)
    assert the_error(configured, 2) == "latin.yml: cannot be read: it is not UTF-8"
    with closed(tmp_path / "closed.yml"):
        done = without_privilege("policy", "check", "closed.yml", cwd=tmp_path)
    assert "'closed.yml' is not readable" in the_error(done, 2)


def test_a_pattern_that_others_would_backtrack_over_for_ever_takes_no_time(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    tree.push(ONE, "app", "a" * 127 + "b")
    tree.push(image(b"two"), "app", "kept")
    began = time.monotonic()
    done = regsweep("prune", tree.root, "--keep-tags", "(a+)+$", "--keep-tags", "kept", "--dry-run", cwd=tmp_path)
    assert (done.code, done.err.split()) == (0, ["regsweep:", "among", "what", "goes:", "app:", "a" * 127 + "b"])
    assert re.search(r"\ntags +2 +1 +1 +no rule keeps it\n", done.out)
    assert time.monotonic() - began < 20


def test_a_plan_shows_what_each_rule_lets_go_and_a_prune_does_it(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    for number in range(4):
        tree.push(image(b"%d" % number), "team/app", f"v{number}", age=40 - number)
    tree.push(ONE, "other", "v1")
    (tmp_path / "p.yml").write_text(
        "version: 1\nrules:\n  - repositories: ['team/**']\n    keepTags: [{mostRecentlyPushedCount: 3}]\n"
    )
    plan = regsweep("plan", tree.root, "--policy", "p.yml", "-o", "the.plan", cwd=tmp_path)
    assert (plan.code, plan.err) == (0, "")
    assert re.search(r"\nrule  for +repositories  tags  go  comes free\n +1  team/\*\* +1 +4 +1 +\d+ B\n", plan.out)
    assert "no rule keeps it" in plan.out
    keys = tree.keys()
    options = ("--keep-last", "3", "--only-repos", "team/**")
    done = regsweep("prune", tree.root, *options, "-y", "--registry-stopped", "-q", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    lines = (json.loads(line) for line in (tmp_path / "the.plan").read_text().splitlines())
    planned = {line["key"] for line in lines if line["record"] == "delete" and line["kind"] != "directory"}
    assert keys - tree.keys() == planned
    assert not (tree.base / "repositories/team/app/_manifests/tags/v0").exists()


def test_before_it_asks_a_prune_names_a_repository_of_which_nothing_stays(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    tree.push(ONE, "keep/me", "v1", age=40)
    tree.push(image(b"gone"), "go/away", None, age=40)
    done = on_a_terminal("prune", tree.root, "-m", "--registry-stopped", "-q", cwd=tmp_path, typed="n\n")
    assert "regsweep: among what goes:\r\n  go/away: all of it\r\nregsweep: Delete this?" in done.err


def test_before_it_asks_a_prune_names_the_tags_that_no_rule_keeps(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    for number in range(3):
        tree.push(image(b"%d" % number), "team/app", f"v{number}", age=40 - number)
    command = ("prune", tree.root, "--keep-last", "1", "--registry-stopped", "-q")
    done = on_a_terminal(*command, cwd=tmp_path, typed="n\n")
    assert "regsweep: among what goes:\r\n  team/app: v0, v1\r\nregsweep: Delete this?" in done.err


def test_a_last_tag_that_stays_is_among_the_findings(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "registry")
    tree.push(ONE, "app", "v1")
    done = regsweep("plan", tree.root, "--keep-tags", "^none$", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert (
        "  last-tag-kept: app:v1: no retention rule keeps it, but it is the last tag of its repository, "
        "and the rule does not say allowEmpty\n"
    ) in done.out
