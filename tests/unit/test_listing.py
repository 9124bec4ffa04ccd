"""How a listing is written. `python -m tests.unit.test_listing` renews its JSON Schema."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from regsweep.report.listing import VERSION, Damage, Image, Layer, Listing, Repository, as_json
from regsweep.report.listing_csv import as_csv
from regsweep.report.listing_text import as_text

SCHEMA = Path(__file__).parents[2] / "src/regsweep/report/schemas/listing.schema.json"
NOON = datetime(2024, 6, 1, 12, 0, 59, tzinfo=UTC)
BUILT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def image(number: int = 1, *, tag: str | None = "v1", **more: object) -> Image:
    usual = Image(
        tag=tag,
        digest=digest(number << 240),
        kind="image",
        platforms=["linux/amd64"],
        bytes=12_300_000,
        pushed=NOON,
        created=BUILT,
    )
    return msgspec.structs.replace(usual, **more)


def listing(*repositories: Repository) -> Listing:
    return Listing(version=VERSION, regsweep="0", store="/r", listed=NOON, repositories=list(repositories))


def repository(*images: Image, name: str = "team/app", damage: tuple[Damage, ...] = ()) -> Repository:
    return Repository(
        name=name, tags=1, revisions=1234, untagged=2, pushed=NOON, images=list(images), damage=list(damage)
    )


def alone(name: str) -> Repository:
    return Repository(name=name, tags=1, revisions=1234, untagged=2, pushed=NOON)


def lines(*repositories: Repository, width: int | None = None) -> list[str]:
    return as_text(listing(*repositories), width=width).splitlines()


def rows(*repositories: Repository, images: bool = True) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(listing(*repositories), images=images))))


def generated() -> dict[str, object]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `regsweep ls --format json` writes",
        **msgspec.json.schema(Listing),
    }


def test_repositories_stand_in_columns_their_numbers_to_the_right() -> None:
    assert lines(alone("app"), alone("team/app")) == [
        "REPOSITORY  TAGS  REVISIONS  UNTAGGED  PUSHED UTC",
        "app            1      1,234         2  2024-06-01 12:00",
        "team/app       1      1,234         2  2024-06-01 12:00",
    ]


def test_a_tag_stands_in_a_row_with_all_that_is_known_of_it() -> None:
    assert lines(repository(image(), image(2, tag="latest", bytes=None, created=None, platforms=[]))) == [
        "TAG     DIGEST        KIND   PLATFORMS       SIZE  PUSHED UTC        CREATED",
        "v1      000100000000  image  linux/amd64  12.3 MB  2024-06-01 12:00  2023-11-14",
        "latest  000200000000  image                        2024-06-01 12:00",
    ]


def test_what_belongs_to_a_tag_stands_below_it() -> None:
    layers = [
        Layer(digest=digest(7 << 240), bytes=5, repositories=1),
        Layer(digest=digest(8), bytes=None, repositories=3),
    ]
    child = image(2, tag=None, pushed=None, layers=layers)
    tag = image(
        kind="index", platforms=["linux/amd64", "linux/arm/v7", "windows/amd64"], manifests=[child], history=[image(3)]
    )
    assert [line.split("  20")[0].rstrip() for line in lines(repository(tag))] == [
        "TAG       DIGEST        KIND   PLATFORMS                            SIZE  PUSHED UTC        CREATED",
        "v1        000100000000  index  linux/amd64,arm/v7,windows/amd64  12.3 MB",
        "          000200000000  image  linux/amd64                       12.3 MB",
        "          000700000000  layer  here alone                            5 B",
        "          000000000000  layer  in 3 repositories",
        "  before  000300000000  image  linux/amd64                       12.3 MB",
    ]


def test_several_repositories_have_their_names_above_them_and_those_without_a_row_are_left_out() -> None:
    found = lines(repository(image(), name="a"), repository(name="b"), repository(image(), name="c"))
    assert [line for line in found if line.endswith(":")] == ["a:", "c:"]
    assert lines(repository(name="b")) == []
    assert lines() == []


def test_without_any_tag_there_is_no_column_of_tags() -> None:
    assert lines(repository(image(tag=None)))[0].startswith("DIGEST ")


def test_what_is_damaged_is_told_below_the_rows() -> None:
    missing = image(tag="gone", kind="missing", problem="its manifest is not in the storage")
    below = image(5, tag=None, kind="damaged", problem="not JSON")
    earlier = image(6, kind="missing", problem="its manifest is not linked in this repository")
    damage = Damage(key="repositories/team/app/_manifests/tags/v2/current/link", problem="the link is empty")
    no_link = image(tag="v2", digest=None, kind="damaged", problem="the link is empty")
    found = lines(repository(missing, image(manifests=[below], history=[earlier]), no_link, damage=(damage,)))
    assert found[-4:] == [
        "team/app:gone: its manifest is not in the storage",
        f"team/app@{digest(5 << 240)}: not JSON",
        f"team/app:v1@{digest(6 << 240)}: its manifest is not linked in this repository",
        f"{damage.key}: the link is empty",
    ]
    assert lines(msgspec.structs.replace(alone("team/app"), damage=[damage]))[-1] == f"{damage.key}: the link is empty"


@pytest.mark.parametrize("width", [1, 80, 100, 120, 200])
@pytest.mark.parametrize("kind", ["index", "artifact"])
def test_what_is_too_long_for_the_terminal_is_shortened_to_fit(width: int, kind: str) -> None:
    platforms = [f"linux/{architecture}" for architecture in ("amd64", "arm/v5", "arm/v7", "arm64", "ppc64le", "s390x")]
    long = image(tag="release-" + "x" * 120, kind=kind, platforms=platforms, bytes=999_900_000_000_000)
    found = lines(repository(long, image(tag="latest")), width=width)
    assert max(map(len, found)) <= max(width, 80)
    assert found[1].startswith("rel")
    assert found[2].startswith("latest ")
    assert "2024-06-01" in found[1]
    assert "000100000000" in found[1]
    assert max(map(len, lines(alone("team/" + "x" * 250), width=width))) <= max(width, 80)


def test_a_name_is_shortened_in_its_middle_and_never_in_a_pipe() -> None:
    long = repository(image(tag="release-2024-06-01-0123456789abcdef-signed-by-somebody"))
    assert lines(long, width=80)[1].startswith("releas..ebody  ")
    assert lines(long)[1].startswith("release-2024-06-01-0123456789abcdef-signed-by-somebody ")


def test_no_name_reaches_the_terminal_as_anything_but_text() -> None:
    tricky = "v1\x1b[31m\u202e\n"
    damage = Damage(key=tricky, problem=tricky)
    images = repository(image(tag=tricky, platforms=[f"linux/{tricky}"], problem=tricky), name=tricky, damage=(damage,))
    for text in (
        as_text(listing(images, images), width=None),
        as_text(listing(alone(tricky)), width=None),
        as_csv(listing(images), images=True),
        as_csv(listing(alone(tricky)), images=False),
    ):
        assert all(line.isprintable() for line in text.splitlines())
        assert "v1\\x1b[31m\\u202e\\n" in text


def test_csv_has_a_row_for_whatever_has_one_in_the_text() -> None:
    layer = Layer(digest=digest(7), bytes=5, repositories=3)
    child = image(2, tag=None, pushed=None, layers=[layer])
    found = rows(repository(image(kind="index", manifests=[child], history=[image(3)]), image(4, tag=None)))
    assert [(row["row"], row["tag"], row["digest"]) for row in found] == [
        ("tag", "v1", digest(1 << 240)),
        ("manifest", "v1", digest(2 << 240)),
        ("layer", "v1", digest(7)),
        ("history", "v1", digest(3 << 240)),
        ("untagged", "", digest(4 << 240)),
    ]
    assert found[0] == {
        "repository": "team/app",
        "row": "tag",
        "tag": "v1",
        "digest": digest(1 << 240),
        "kind": "index",
        "platforms": "linux/amd64",
        "bytes": "12300000",
        "pushed": "2024-06-01T12:00:59Z",
        "created": "2023-11-14T22:13:20Z",
        "repositories": "",
        "problem": "",
    }
    assert (found[2]["bytes"], found[2]["repositories"]) == ("5", "3")


def test_csv_of_repositories_has_their_numbers_bare() -> None:
    assert rows(alone("app"), images=False) == [
        {"repository": "app", "tags": "1", "revisions": "1234", "untagged": "2", "pushed": "2024-06-01T12:00:59Z"}
    ]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@"])
def test_no_cell_of_csv_is_a_formula(begin: str) -> None:
    text = f'{begin}HYPERLINK("http://x","y")'
    (row,) = rows(repository(image(platforms=[text], problem=text), name=text))
    assert [row[name] for name in ("repository", "platforms", "problem")] == [f"'{text}"] * 3


@pytest.mark.parametrize("images", [True, False])
def test_csv_of_nothing_is_its_heading(images: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert as_csv(listing(), images=images).count("\n") == 0
    assert as_csv(listing(), images=images).startswith("repository,")


def test_json_says_what_it_is_and_leaves_out_what_was_not_asked_for() -> None:
    document = json.loads(as_json(listing(repository(image()), alone("b"))))
    assert (document["format"], document["version"]) == ("regsweep-listing", 1)
    first, second = document["repositories"]
    assert "images" not in second
    assert first["images"] == [
        {
            "tag": "v1",
            "digest": digest(1 << 240),
            "kind": "image",
            "platforms": ["linux/amd64"],
            "bytes": 12_300_000,
            "pushed": "2024-06-01T12:00:59Z",
            "created": "2023-11-14T22:13:20Z",
        }
    ]


def test_the_committed_schema_is_that_of_the_listing() -> None:
    assert json.loads(SCHEMA.read_text()) == generated()


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(generated(), indent=2) + "\n")
