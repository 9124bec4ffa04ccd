"""Values as they are typed: ages, shares, sizes."""

import re
from datetime import timedelta
from pathlib import Path

from regsweep.errors import UsageError
from regsweep.registry.layout import printable
from regsweep.retention.ages import parse_sum


def unreadable(file: Path, error: OSError | UnicodeDecodeError) -> UsageError:
    """The error for a file that a user names and that cannot be read."""
    why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return UsageError(f"{printable(str(file))}: cannot be read: {why}")


def age(text: str, option: str) -> timedelta:
    """Read an age such as `24h`, `1d12h` or `0`, given for an option.

    Raises:
        UsageError: it is none.
    """
    found = parse_sum(text)
    if found is None:
        raise UsageError(f"{option} {text}: is no age", hint="write 90m, 24h, 1d12h, 30d, 2w or 0")
    return found


def limit(text: str | None, option: str) -> float | None:
    """Read how long a run may take, such as `2h`, in seconds.

    Raises:
        UsageError: it is no age, or none at all.
    """
    if text is None:
        return None
    seconds = age(text, option).total_seconds()
    if not seconds:
        raise UsageError(f"{option} {text}: leaves no time", hint="write 90m or 2h")
    return seconds


def share(text: str, option: str) -> float:
    """Read a share such as `90%`, given for an option, as a number from 0 to 1.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", text.strip(), re.ASCII)
    if not found or float(found[1]) > 100:  # noqa: PLR2004 - the whole
        raise UsageError(f"{option} {text}: is no share", hint="write 90%")
    return float(found[1]) / 100


def memory(text: str | None) -> str | None:
    """Check a size such as `2GB` or `512MiB`, given for --memory.

    Raises:
        UsageError: it is none.
    """
    if text is not None and not re.fullmatch(r"\d{1,6}(?:\.\d+)?\s*[KMGT]i?B", text.strip(), re.ASCII):
        raise UsageError(f"--memory {text}: is no size", hint="write 512MiB or 2GB")
    return text
