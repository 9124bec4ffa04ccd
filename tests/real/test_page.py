"""The page in a real browser, made of the tree that a real registry wrote."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.images import image
from fixtures.small import unpack
from regsweep.plan.file import read
from regsweep.report.document import report
from regsweep.report.html import as_html
from tests.command import regsweep
from tests.real.browser import Browser, browser
from tests.trees import Tree

TELEPHONE = 390
DESKTOP = 1280
HOSTILE = (
    "<script>document.title = 'taken'</script>",
    "<img src=x onerror=alert(1)>",
    "\"quoted\" 'twice' & more",
    "left\N{RIGHT-TO-LEFT OVERRIDE}tfel\N{LINE SEPARATOR}",
    "line\nend\x1b[31m",
    "=cmd()|' !A0",
    "{a|b} ${c} \\",
)
ESCAPED = str.maketrans(
    {
        "\N{RIGHT-TO-LEFT OVERRIDE}": r"\u202e",
        "\N{LINE SEPARATOR}": r"\u2028",
        "\n": r"\n",
        "\x1b": r"\x1b",
    }
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tree, its plan under `-m`, the plan's report and its page."""
    folder = tmp_path_factory.mktemp("page")
    unpack(folder)
    told = regsweep("plan", "registry", "-m", "-o", "the.plan", "--format", "json", cwd=folder)
    (folder / "report.json").write_text(told.out)
    assert regsweep("report", "the.plan", "--html", "page.html", cwd=folder).code == 0
    return folder


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
def page(made: Path, tab: Browser) -> Iterator[Browser]:
    """The page, opened anew; whatever is done with it, nothing goes wrong in it and nothing leaves it."""
    tab.complaints.clear()
    tab.requests.clear()
    tab.resize(DESKTOP)
    tab.open(made / "page.html")
    yield tab
    assert tab.complaints == []
    assert tab.requests == [(made / "page.html").as_uri()]


def names(page: Browser) -> list[str]:
    return page.texts("#rows .name")


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_every_chart_is_drawn(page: Browser) -> None:
    shapes = "Array.from(document.querySelectorAll('.chart'), (one) => one.querySelectorAll('svg path').length)"
    drawn = page.js(shapes)
    assert len(drawn) == 4
    assert min(drawn) > 3


def test_repositories_are_sorted_by_any_column(made: Path, page: Browser) -> None:
    repositories = json.loads((made / "report.json").read_text())["repositories"]
    by_freed = sorted(repositories, key=lambda one: (-one["freed_bytes"], one["name"]))
    assert names(page) == [one["name"] for one in by_freed]
    page.click("th[data-key=name] button")
    assert names(page) == sorted(one["name"] for one in repositories)
    page.click("th[data-key=name] button")
    assert names(page) == sorted((one["name"] for one in repositories), reverse=True)
    page.click("th[data-key=pushed_bytes] button")
    by_size = sorted(repositories, key=lambda one: (-one["pushed_bytes"], one["name"]))
    assert names(page) == [one["name"] for one in by_size]
    assert page.js("document.querySelector('th[data-key=pushed_bytes]').getAttribute('aria-sort')") == "descending"


def test_repositories_are_filtered_by_their_name_and_by_what_becomes_of_them(made: Path, page: Browser) -> None:
    repositories = json.loads((made / "report.json").read_text())["repositories"]
    page.type("#filter", "A/B")
    assert set(names(page)) == {one["name"] for one in repositories if "a/b" in one["name"]}
    page.js("document.querySelector('#filter').value = ''")
    page.js(
        "(() => { const one = document.querySelector('#show'); one.value = 'gone';"
        "one.dispatchEvent(new Event('change')); })()"
    )
    assert set(names(page)) == {one["name"] for one in repositories if one["gone"]}


def test_a_repository_opens_to_its_tags_and_why_they_go(page: Browser) -> None:
    at = names(page).index("a")
    page.js(f"document.querySelectorAll('#rows .name')[{at}].focus()")
    page.click(f"#rows tr:nth-child({at + 1}) .name")
    tags = page.texts(".tags tbody tr")
    assert len(tags) == 6
    assert sum("its image is gone" in tag for tag in tags) == 2
    assert sum("stays" in tag for tag in tags) == 4
    page.click(f"#rows tr:nth-child({at + 1}) .name")
    assert page.texts(".tags tbody tr") == []


def test_a_tile_of_the_treemap_opens_its_repository(page: Browser) -> None:
    page.click("#treemap-chart")
    assert page.js("document.querySelector('#filter').value") in names(page)
    assert page.texts(".detail") != []


def test_the_numbers_are_those_of_the_plan_and_of_the_files_themselves(made: Path, page: Browser) -> None:
    report = json.loads((made / "report.json").read_text())
    base = made / "registry/docker/registry/v2"
    on_disk = sum(path.stat().st_size for path in base.glob("blobs/**/data"))
    uploads = sum(path.stat().st_size for path in base.glob("repositories/**/_uploads/**/*") if path.is_file())
    where = report["picture"]["where"]
    assert sum(one["bytes"] for one in where) == on_disk + uploads
    blobs = [json.loads(line) for line in (made / "the.plan").read_text().splitlines() if '"kind":"' in line]
    gone = sum(one["bytes"] for one in blobs if one["kind"] in ("blob", "upload"))
    assert sum(one["freed"] for one in where) == gone
    kilobytes = f"{(on_disk + uploads) / 1000:.1f} kB", f"{gone / 1000:.1f} kB"
    assert tuple(map(plain, page.texts("#sentence b")[:2])) == kilobytes
    assert tuple(map(plain, page.texts("tfoot td")))[2:4] == kilobytes
    assert sum(month["kept"] + month["condemned"] for month in report["picture"]["months"]) == on_disk
    for row, one in zip(page.texts("#rows tr"), _by_freed(report), strict=True):
        assert re.split(r"\s+", plain(row))[:1] == [one["name"]]
        assert f"{one['tags']}\t{one['tags_condemned']}\t{one['revisions']}\t{one['revisions_condemned']}\t" in row


def _by_freed(report: dict[str, list[dict[str, int]]]) -> list[dict[str, int]]:
    return sorted(report["repositories"], key=lambda one: (-one["freed_bytes"], one["name"]))


def test_what_is_pushed_to_a_repository_is_what_its_links_lead_to(made: Path, page: Browser) -> None:
    base = made / "registry/docker/registry/v2"
    for row in page.texts("#rows tr"):
        name, *_ = row.split()
        links = [*base.glob(f"repositories/{name}/_layers/*/*/link")]
        links += base.glob(f"repositories/{name}/_manifests/revisions/*/*/link")
        hexes = {link.parent.name for link in links}
        sizes = [blob.stat().st_size for one in hexes if (blob := base / f"blobs/sha256/{one[:2]}/{one}/data").exists()]
        pushed = sum(sizes)
        assert plain(row).split("\t")[5] == (f"{pushed} B" if pushed < 1000 else f"{pushed / 1000:.1f} kB")


def test_it_turns_dark_and_light_again(page: Browser) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.js(ground)
    page.click("#theme")
    assert page.js(ground) != light
    page.click("#theme")
    assert page.js(ground) == light


def test_it_is_dark_where_the_system_is(page: Browser) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.js(ground)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert page.js(ground) != light
    page.call("Emulation.setEmulatedMedia", features=[])


def test_it_prints_on_a_few_pages_and_is_the_same_afterwards(page: Browser) -> None:
    before = page.js("document.body.innerHTML.length")
    printed = page.pdf()
    assert printed.startswith(b"%PDF")
    assert 1 < len(re.findall(rb"/Type\s*/Page\b", printed)) < 10
    assert page.js("document.body.innerHTML.length") == before


@pytest.mark.parametrize("width", [TELEPHONE, DESKTOP])
def test_nothing_is_wider_than_the_screen(width: int, page: Browser) -> None:
    page.resize(width, mobile=width == TELEPHONE)
    page.click("#rows .name")
    assert page.js("document.documentElement.scrollWidth") <= width
    wider = page.js(
        "Array.from(document.querySelectorAll('main *'), (one) => one.getBoundingClientRect().right)"
        ".filter((right) => right > innerWidth).length"
    )
    assert wider == 0


def test_a_plan_that_was_made_without_a_picture_has_a_page_all_the_same(
    made: Path, tmp_path: Path, tab: Browser
) -> None:
    plan = read(made / "the.plan")
    (tmp_path / "page.html").write_text(as_html(report(plan.header, plan.repositories, plan.findings)))
    tab.complaints.clear()
    tab.open(tmp_path / "page.html")
    assert names(tab) != []
    assert tab.js("document.querySelectorAll('#treemap-chart svg').length") == 1
    assert tab.js("Array.from(document.querySelectorAll('section'), (one) => one.offsetHeight > 0 && one.id)") == [
        "",
        "treemap",
        False,
        False,
        "repositories",
        False,
        "findings",
        "rules",
    ]
    assert tab.complaints == []


def test_names_that_are_code_are_shown_as_text(tmp_path: Path, tab: Browser) -> None:
    tree = Tree(tmp_path / "registry")
    tree.push(image(b"an image"), "app", "v1")
    for at, name in enumerate(HOSTILE):
        tree.put(f"repositories/app{at}/_manifests/tags/{name}/current/link", b"sha256:0")
    tab.complaints.clear()
    tab.requests.clear()
    assert regsweep("report", "registry", "-m", "--html", "page.html", cwd=tmp_path).code == 0
    tab.open(tmp_path / "page.html")
    told = tab.js("document.querySelector('#findings').textContent")
    for name in HOSTILE:
        assert f"tags/{name}/current".translate(ESCAPED) in told
    assert tab.js("document.title") == "What a registry's storage holds"
    assert tab.js("document.querySelectorAll('main script, main img, main iframe').length") == 0
    assert tab.complaints == []
    assert tab.requests == [(tmp_path / "page.html").as_uri()]
