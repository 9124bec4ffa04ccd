"""What of the page's table of repositories is on paper, printed by a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fixtures.small import unpack
from regsweep.plan.file import read
from regsweep.report.document import report
from regsweep.report.html import as_html
from tests.command import regsweep
from tests.real.browser import Browser, browser

# Runs after the page's own listener, and so sees what is printed.
LOOK = """addEventListener("beforeprint", () => {
  const pager = document.querySelector("#pager");
  globalThis.printed = {
    names: Array.from(document.querySelectorAll("#rows .name"), (one) => one.textContent),
    rest: pager.hidden ? "" : document.querySelector("#page").textContent,
  };
})"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


def opened(folder: Path, tab: Browser, count: int) -> list[str]:
    """Open the page of a plan with so many repositories, and give their names."""
    unpack(folder)
    assert regsweep("plan", "registry", "-m", "-o", "the.plan", cwd=folder).code == 0
    plan = read(folder / "the.plan")
    names = [f"team/{number:04}" for number in range(count)]
    repositories = [msgspec.structs.replace(plan.repositories[0], name=name) for name in names]
    (folder / "page.html").write_text(as_html(report(plan.header, repositories, plan.findings)))
    tab.complaints.clear()
    tab.open(folder / "page.html")
    tab.js(LOOK)
    return names


def test_all_repositories_are_printed_whichever_were_on_the_screen(tmp_path: Path, tab: Browser) -> None:
    names = opened(tmp_path, tab, 120)
    tab.click("#next")
    assert tab.texts("#rows .name") == names[50:100]
    paper = tab.pdf()
    assert tab.js("printed") == {"names": names, "rest": ""}
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) > 3
    assert tab.texts("#rows .name") == names[50:100]
    assert tab.texts("#page") == ["Page 2 of 3"]
    assert tab.complaints == []


def test_only_those_that_were_asked_for_are_printed(tmp_path: Path, tab: Browser) -> None:
    names = opened(tmp_path, tab, 120)
    tab.type("#filter", "team/00")
    tab.pdf()
    assert tab.js("printed") == {"names": names[:100], "rest": ""}


def test_of_very_many_the_first_thousand_are_printed_and_the_others_counted(tmp_path: Path, tab: Browser) -> None:
    names = opened(tmp_path, tab, 2234)
    tab.pdf()
    assert tab.js("printed") == {"names": names[:1000], "rest": "and 1,234 more repositories"}
    assert tab.texts("#page") == ["Page 1 of 45"]
