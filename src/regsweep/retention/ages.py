"""Ages as they are written, such as `24h`, and back."""

import re
from datetime import datetime, timedelta
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_NONE: Final = re.compile(r"0{1,6}(?:\.0+)?", re.ASCII)
_PART: Final = re.compile(r"(\d{1,6}(?:\.\d+)?)([smhdw])", re.ASCII)
_SUM: Final = re.compile(rf"(?:{_PART.pattern}){{1,5}}", re.ASCII)
_BEGINNING: Final = datetime(1900, 1, 1)  # noqa: DTZ001 - compared with what is in UTC without saying so
_MOST: Final = timedelta(weeks=999_999)
_MOST_DAYS: Final = 999_999


def parse_sum(text: str) -> timedelta | None:
    """Read an age such as `24h`, `30d` or `0`, or of several in a row: `1d12h`, Go's `720h0m0s`; `None` for none."""
    if _NONE.fullmatch(text.strip()):
        return timedelta()
    if not _SUM.fullmatch(text.strip()):
        return None
    parts = (timedelta(seconds=float(number) * _UNITS[unit]) for number, unit in _PART.findall(text))
    age = sum(parts, timedelta())
    return age if age <= _MOST else None


def write_age(age: timedelta) -> str:
    """Write an age in its one canonical form, which `parse_sum` reads as the same again: `30d`, `1d12h`."""
    weeks = age.days // 7 if age.days > _MOST_DAYS else 0
    minutes, seconds = divmod(age.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{age.microseconds:06d}".rstrip("0") if age.microseconds else ""
    parts = {"w": weeks, "d": age.days - 7 * weeks, "h": hours, "m": minutes}
    written = "".join(f"{number}{unit}" for unit, number in parts.items() if number)
    return f"{written}{seconds}{fraction}s" if seconds or fraction or not written else written


def before(now: datetime, age: timedelta) -> datetime:
    """The moment that is so long ago, in UTC without saying so, as the inventory's times are."""
    now = now.replace(tzinfo=None)
    # Whatever is said to be older than all computers is as good as that.
    return now - min(age, now - _BEGINNING)
