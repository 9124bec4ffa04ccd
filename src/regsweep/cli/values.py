"""Values as they are typed: ages, shares, sizes."""

import re
from datetime import timedelta

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def age(text: str) -> timedelta:
    """Read an age such as `24h`, `30d` or `0`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text.strip())
    if not found or (not found[2] and float(found[1])):
        raise typer.BadParameter(f"{text!r} is no age; write 90m, 24h, 30d or 2w")
    return timedelta(seconds=float(found[1]) * _UNITS.get(found[2], 1))


def share(text: str) -> float:
    """Read a share such as `90%`, as a number from 0 to 1."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    if not found or float(found[1]) > 100:  # noqa: PLR2004 - the whole
        raise typer.BadParameter(f"{text!r} is no share; write 90%")
    return float(found[1]) / 100


def memory(text: str) -> str:
    """Check a size such as `2GB` or `512MiB`."""
    if not re.fullmatch(r"\d+(?:\.\d+)?\s*[KMGT]i?B", text.strip()):
        raise typer.BadParameter(f"{text!r} is no size; write 512MiB or 2GB")
    return text.strip()
