from datetime import timedelta

import pytest

from regsweep.cli.values import age, memory, share
from regsweep.errors import UsageError
from regsweep.inventory.database import create


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", timedelta(0)),
        ("0.0", timedelta(0)),
        ("0h", timedelta(0)),
        ("45s", timedelta(seconds=45)),
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(hours=24)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
        ("1.5d", timedelta(hours=36)),
        ("999999w", timedelta(weeks=999_999)),
        (" 24h ", timedelta(hours=24)),
        ("1d12h", timedelta(hours=36)),
        ("720h0m0s", timedelta(days=30)),
    ],
)
def test_an_age_is_read(text: str, expected: timedelta) -> None:
    assert age(text, "--min-age") == expected


@pytest.mark.parametrize(
    "text",
    [
        "h",
        "24",
        "1",
        "0.5",
        "-1h",
        "+1h",
        "24H",
        "24hours",
        "1h30",
        "1e3h",
        ".5h",
        "1.h",
        "1000000h",
        "inf",
        "nan",
        "infh",
        *["\u0662\u0664h", "0x18h", "1_0h", "1,5h", "1y", "1M", "always", "", " ", "24 h", "24h\n24h"],
    ],
)
def test_what_is_no_age_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        age(text, "--min-age")
    assert caught.value.message.startswith(f"--min-age {text}: ")
    assert "24h" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"), [("0%", 0.0), ("90%", 0.9), ("100%", 1.0), ("12.5%", 0.125), (" 5% ", 0.05), ("100.0%", 1.0)]
)
def test_a_share_is_read(text: str, expected: float) -> None:
    assert share(text, "--max-delete") == pytest.approx(expected)


@pytest.mark.parametrize(
    "text", ["", "%", "90", "0.9", "100.1%", "101%", "999%", "1000%", "-1%", "90 %", "90%%", "nan%", "\u0669%", "90pc"]
)
def test_what_is_no_share_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        share(text, "--max-delete")
    assert caught.value.message.startswith(f"--max-delete {text}: ")
    assert "90%" in caught.value.hint


SIZES = ["512MiB", "2GB", "1.5GB", "900000KB", "1TiB", "2 GB", "64MB", " 2GB "]


@pytest.mark.parametrize("text", SIZES)
def test_a_size_is_one_that_duckdb_takes(text: str) -> None:
    limit = memory(text)
    assert limit is not None
    with create(memory=limit, facts={}) as inventory:
        assert inventory.row("SELECT 1") == (1,)


def test_no_size_leaves_the_choice() -> None:
    assert memory(None) is None


@pytest.mark.parametrize(
    "text", ["", "2", "GB", "2gb", "2G", "-2GB", "2GBB", "50%", "1e3MB", "2GB; SET x", "2GB'", "\u0662GB", "unlimited"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        memory(text)
    assert caught.value.message.startswith(f"--memory {text}: ")
    assert "2GB" in caught.value.hint
