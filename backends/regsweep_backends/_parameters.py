"""Parameters of a driver, from YAML or a URL: checked once, here, with messages that name them."""

from collections.abc import Mapping
from typing import Final

from regsweep.errors import UsageError

_YES: Final = frozenset({"true", "yes", "on", "1"})
_NO: Final = frozenset({"false", "no", "off", "0"})


class Parameters:
    """A driver's parameters. A name that it does not know is passed over, as the registry does it."""

    def __init__(self, driver: str, values: Mapping[str, object]) -> None:
        self._driver = driver
        self._values = {name.lower(): value for name, value in values.items()}

    def text(self, name: str) -> str:
        """A text, empty where it is not given.

        Raises:
            UsageError: it is a map or a list.
        """
        value = self._values.get(name)
        if value is None:
            return ""
        if isinstance(value, dict | list):
            raise UsageError(f"{self._driver}: {name} is no text")
        return str(value)

    def needed(self, name: str, hint: str) -> str:
        """A text that must be there.

        Raises:
            UsageError: it is not.
        """
        value = self.text(name)
        if not value:
            raise UsageError(f"{self._driver}: {name} is missing", hint=hint)
        return value

    def flag(self, name: str) -> bool | None:
        """A truth value, `None` where it is not given.

        Raises:
            UsageError: it is anything else.
        """
        value = self.text(name).lower()
        if not value:
            return None
        if value not in _YES | _NO:
            raise UsageError(f"{self._driver}: {name} is neither true nor false")
        return value in _YES

    def table(self, name: str) -> Mapping[str, object]:
        """A map, empty where it is not given.

        Raises:
            UsageError: it is anything else.
        """
        value = self._values.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise UsageError(f"{self._driver}: {name} is no map of names to values")
        return value
