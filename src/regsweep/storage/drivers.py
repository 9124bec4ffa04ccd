"""From what the user typed to a store: drivers are found by entry point, imported when used."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Final, Protocol, cast

from regsweep.errors import UsageError
from regsweep.storage.ports import Store

GROUP: Final = "regsweep.backends"


class Connect(Protocol):
    """What a driver's entry point names."""

    def __call__(self, parameters: Mapping[str, object], *, cross_mounts: bool) -> Store:
        """Open the store that `parameters` describe, in the words of the registry's config.yml.

        Raises:
            UsageError: there is no registry's tree there, or a parameter makes no sense.
        """
        ...


def connect(driver: str, parameters: Mapping[str, object], *, cross_mounts: bool = False) -> Store:
    """Open a store by the name of its driver and the parameters that config.yml has for it.

    Raises:
        UsageError: there is no such driver, or it cannot open a store from these parameters.
    """
    found = entry_points(group=GROUP, name=driver)
    if not found:
        known = ", ".join(sorted({entry.name for entry in entry_points(group=GROUP)}))
        raise UsageError(f"no storage driver named {driver!r}", hint=f"installed drivers: {known}")
    load = cast("Connect", next(iter(found)).load())
    return load(parameters, cross_mounts=cross_mounts)


def connect_location(location: str, *, cross_mounts: bool = False) -> Store:
    """Open the store at a path or URL as it is typed on the command line.

    Raises:
        UsageError: the URL's scheme has no driver, or there is no registry there.
    """
    scheme, separator, _ = location.partition("://")
    if separator:
        raise UsageError(
            f"no storage driver for {scheme}:// URLs", hint="give the path at which the registry's storage is mounted"
        )
    return connect("filesystem", {"rootdirectory": location}, cross_mounts=cross_mounts)
