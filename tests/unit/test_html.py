import base64
import json
import re
import zlib
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

import hatch_build
from fixtures.images import image
from regsweep.errors import RegsweepError
from regsweep.plan.kinds import Reason
from regsweep.plan.picture import PLACES, Age, Layer, Month, Picture, Place, Tag, Tagged
from regsweep.plan.summary import Amount, Finding, Repository, Share, Sizes, Totals
from regsweep.report import html
from regsweep.report.document import Report
from regsweep.report.html import as_html
from regsweep.report.html_advice import ADVICE, TITLES
from regsweep.report.html_data import PLACES as NAMED
from regsweep.report.text import REASONS
from tests.cli.scene import the_error
from tests.command import regsweep
from tests.trees import Tree

EVIL = "</script><script>alert('\N{RIGHT-TO-LEFT OVERRIDE}')</script>&\"\N{LINE SEPARATOR}\x07"
SHOWN = r"</script><script>alert('\u202e')</script>&\"\u2028\x07".replace(r"\"", '"')
REPOSITORY = Repository(
    name="team/app",
    tags=2,
    tags_condemned=1,
    revisions=2,
    revisions_condemned=1,
    pushed_bytes=3_000,
    exclusive_bytes=2_000,
    freed_bytes=500,
    frozen=False,
    gone=False,
    links=1,
    fingerprint="0",
)
PICTURE = Picture(
    where=[Place(name="tagged", bytes=2_000, freed=500), Place(name="uploads", bytes=0, freed=0)],
    months=[Month(month=date(2024, 1, 1), kept=1_500, condemned=500)],
    ages=[Age(days=7, count=1, bytes=500), Age(days=None, count=0, bytes=0)],
    largest=[
        Layer(
            digest="sha256:" + "0f" * 32,
            bytes=900,
            modified=date(2024, 1, 1),
            reason="",
            owners=1,
            repositories=["team/app"],
        )
    ],
    tagged=[
        Tagged(
            repository="team/app",
            pushed=date(2024, 1, 2),
            tags=[Tag("v1", "0f0f0f0f0f0f", date(2024, 1, 2), goes=True, reason="rule")],
        )
    ],
)
REPORT = Report(
    version=1,
    regsweep="1.0",
    store="/var/lib/registry",
    created=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
    options={"untagged": "delete", "min_age": 86_400.0, "upload_age": 604_800.0, "max_delete": 0.9, "allow": []},
    totals=Totals(
        repositories=1,
        repositories_gone=0,
        before={"blob": Amount(count=4, bytes=2_000), "tag": Amount(count=2, bytes=142)},
        condemned={"blob": Amount(count=1, bytes=500), "tag": Amount(count=1, bytes=71)},
        reasons={},
        reachable_blobs=3,
        sizes=Sizes(
            exclusive=Share(bytes=2_000, freed=500),
            shared=Share(bytes=0, freed=0),
            unlinked=Share(bytes=0, freed=0),
        ),
    ),
    largest=[],
    repositories=[REPOSITORY],
    findings=[],
    plan="the.plan",
    refused=None,
    picture=PICTURE,
)


def page(**fields: object) -> str:
    return as_html(msgspec.structs.replace(REPORT, **fields))


def data(shown: str) -> dict[str, Any]:
    (packed,) = re.findall(
        r'<script type="application/json" id="data">\{"deflated":"([A-Za-z0-9+/=]*)"\}</script>', shown
    )
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return found


def sentence(**fields: object) -> str:
    (found,) = re.findall(r'<p class="sentence" id="sentence">(.*)</p>', page(**fields))
    return re.sub(r"<[^>]*>", "", found).replace("\N{NO-BREAK SPACE}", " ")


def test_one_sentence_says_it_in_numbers() -> None:
    assert sentence() == (
        "The storage holds 2.0 kB in 4 blobs of 1 repository; this plan frees 500 B (25 %): 1 blob and 1 tag go, "
        "1.5 kB stays."
    )
    blob = {"blob": Amount(count=1, bytes=500)}
    assert "(25 %): 1 blob goes, 1.5 kB stays." in sentence(
        totals=msgspec.structs.replace(REPORT.totals, condemned=blob)
    )
    upload = {"upload": Amount(count=2, bytes=500)}
    assert "(25 %): 1.5 kB stays." in sentence(totals=msgspec.structs.replace(REPORT.totals, condemned=upload))
    nothing = msgspec.structs.replace(REPORT.totals, condemned={})
    assert sentence(totals=nothing, plan=None) == (
        "The storage holds 2.0 kB in 4 blobs of 1 repository; a plan by these rules frees nothing."
    )


@pytest.mark.parametrize(("freed", "told"), [(1, "under 1 %"), (1_999, "99 %"), (2_000, "100 %"), (1_020, "51 %")])
def test_what_is_not_all_is_not_called_all_nor_what_is_something_nothing(freed: int, told: str) -> None:
    condemned = {"blob": Amount(count=1, bytes=freed)}
    assert f"({told})" in sentence(totals=msgspec.structs.replace(REPORT.totals, condemned=condemned))


def test_whatever_a_name_holds_no_name_is_in_the_page_but_as_compressed_data() -> None:
    shown = page(
        store=EVIL,
        plan=EVIL,
        refused=EVIL,
        repositories=[msgspec.structs.replace(REPOSITORY, name=EVIL)],
        findings=[Finding(code=EVIL, repository=EVIL, key=EVIL, message=EVIL)],
        options=REPORT.options | {"policy": json.dumps({EVIL: [EVIL]}), "allow": [EVIL], "removal": [EVIL]},
    )
    plain = page()
    assert "alert(" not in shown
    assert shown.count("<script") == plain.count("<script") == 3
    found = data(shown)
    assert (found["store"], found["refused"], found["repositories"]["name"]) == (SHOWN, SHOWN, [SHOWN])
    assert found["findings"][0]["items"] == [{"where": SHOWN, "message": SHOWN, "count": 1}]
    assert found["policy"] == {SHOWN: [SHOWN]}
    assert ["Plan", SHOWN] in found["options"]


def test_it_runs_what_is_in_it_and_nothing_else() -> None:
    shown = page()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', shown)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == "'none'"
    assert "unsafe" not in policy
    for rule, pattern in (("script-src", r"<script>(.*?)</script>"), ("style-src", r"<style>(.*?)</style>")):
        parts = re.findall(pattern, shown, re.DOTALL)
        hashes = [base64.b64encode(sha256(part.encode()).digest()).decode() for part in parts]
        assert rules.pop(rule).split() == [f"'sha256-{one}'" for one in hashes]
    assert rules == {"base-uri": "'none'", "form-action": "'none'"}
    own = shown[: shown.index("<script>")]
    assert not re.search(r"""\b(src|href)\s*=|url\(|@import|\bon\w+\s*=|\bstyle\s*=""", own)


def test_it_carries_each_repository_with_its_tags() -> None:
    found = data(page())["repositories"]
    assert found["name"] == ["team/app"]
    assert found["freed_bytes"] == [500]
    assert found["pushed"] == ["2024-01-02"]
    assert found["shown"] == [[["v1", "0f0f0f0f0f0f", "2024-01-02", True, "rule"]]]


def test_a_plan_without_a_picture_gives_a_page_without_what_is_in_it() -> None:
    shown = page(picture=None)
    assert data(shown)["drawn"] is False
    assert "of one repository" in shown


def test_it_says_what_to_do_about_each_kind_of_finding() -> None:
    findings = [
        Finding(code="damaged-link", repository="a", key="k1", message="is empty"),
        Finding(code="stray", repository=None, key="k2", message="left alone", count=7),
        Finding(code="damaged-link", repository="b", key=None, message="is empty"),
    ]
    told = data(page(findings=findings))["findings"]
    assert [(one["title"], one["advice"], one["count"]) for one in told] == [
        (TITLES[code], ADVICE[code], count) for code, count in (("damaged-link", 2), ("stray", 7))
    ]
    assert [item["where"] for item in told[0]["items"]] == ["k1", "b"]


def test_whatever_there_is_has_a_name() -> None:
    assert set(NAMED) == set(PLACES)
    assert set(ADVICE) == set(TITLES)
    assert set(REASONS) == set(Reason)


def test_options_are_told_in_words() -> None:
    options = dict(data(page())["options"])
    assert options == {
        "Untagged manifests": "go",
        "Nothing goes that is younger than": "1 day",
        "Uploads go after": "7 days",
        "Refused if it deletes more than": "90% of the blobs",
        "Plan": "the.plan",
    }


def test_sources_that_were_never_installed_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "LIBRARY", "absent.js")
    with pytest.raises(RegsweepError, match=r"absent\.js is missing") as raised:
        page()
    assert "pip install" in str(raised.value.hint)


def test_the_library_becomes_a_script_that_gives_what_draws() -> None:
    assert hatch_build.as_script("const a=1,b=2;export{a as Axis,b as init};") == (
        '(function(){"use strict";const a=1,b=2;\nglobalThis.echarts={init:b};})();\n'
    )
    for other in ("const a=1;", "const a=1;export{a as Axis};"):
        with pytest.raises(RuntimeError, match="init"):
            hatch_build.as_script(other)


def test_another_library_than_the_one_that_was_looked_at_is_not_built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "otherwise/static").mkdir(parents=True)
    (tmp_path / "otherwise/__init__.py").touch()
    (tmp_path / "otherwise" / hatch_build.FILE).write_text("export{a as init};")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(hatch_build, "PACKAGE", "otherwise")
    with pytest.raises(RuntimeError, match="hashes to something else"):
        hatch_build.found()
    monkeypatch.setattr(hatch_build, "PACKAGE", "absent_altogether")
    with pytest.raises(RuntimeError, match="is not installed"):
        hatch_build.found()


def test_a_page_is_all_that_is_written(tmp_path: Path) -> None:
    Tree(tmp_path / "registry").push(image(b"kept"), "app", "v1")
    told = regsweep("report", "registry", "--html", "page.html", cwd=tmp_path)
    assert (told.code, told.out) == (0, "")
    assert data((tmp_path / "page.html").read_text())["repositories"]["name"] == ["app"]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["page.html"]


def test_a_page_is_one_form_among_others_and_goes_where_one_may_write(tmp_path: Path) -> None:
    Tree(tmp_path / "registry")
    both = regsweep("report", "registry", "--html", "page.html", "--format", "json", cwd=tmp_path)
    assert "--html" in the_error(both, 2)
    nowhere = regsweep("report", "registry", "--html", "absent/page.html", cwd=tmp_path)
    assert "absent/page.html" in the_error(nowhere, 2)
