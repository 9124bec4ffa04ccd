"""From what the user typed to a store: drivers are found by entry point, imported when used."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Final, Protocol, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from regsweep.errors import UsageError
from regsweep.storage.ports import Access, Store

GROUP: Final = "regsweep.backends"

_SCHEMES: Final = {"s3": ("s3", "bucket"), "gs": ("gcs", "bucket"), "az": ("azure", "container")}
"""The driver of each URL scheme, and its word for what an object store keeps a registry in."""
_SECRETS: Final = frozenset({"accesskey", "secretkey", "sessiontoken", "accountkey", "connectionstring", "credentials"})
_SAME: Final = {"s3aws": "s3"}
"""Drivers of distribution that keep their storage as another one does."""
_SDKS: Final = {"botocore": "s3", "google": "gcs", "azure": "azure"}
"""The extra that brings each top-level package that an adapter needs."""


class Connect(Protocol):
    """What a driver's entry point names."""

    def __call__(self, parameters: Mapping[str, object], access: Access) -> Store:
        """Open the store that `parameters` describe, in the words of the registry's config.yml.

        Raises:
            UsageError: there is no registry's tree there, or a parameter makes no sense.
            StorageError: the storage cannot be reached.
        """
        ...


def connect(driver: str, parameters: Mapping[str, object], access: Access) -> Store:
    """Open a store by the name of its driver and the parameters that config.yml has for it.

    Raises:
        UsageError: there is no such driver, its packages are missing, or it cannot open a store from these parameters.
        StorageError: the storage cannot be reached.
    """
    found = entry_points(group=GROUP, name=_SAME.get(driver, driver))
    if not found:
        known = ", ".join(sorted({entry.name for entry in entry_points(group=GROUP)}))
        raise UsageError(f"no storage driver named {driver!r}", hint=f"installed drivers: {known}")
    try:
        load = cast("Connect", next(iter(found)).load())
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _SDKS:
            raise
        raise UsageError(
            f"the {driver} driver needs a package that is not installed: {error.name}",
            hint=f"install it with: pip install 'regsweep[{_SDKS[package]}]'",
        ) from error
    return load(parameters, access)


def connect_location(location: str, access: Access) -> Store:
    """Open the store at a path or URL as it is typed on the command line.

    A URL is `scheme://bucket/root/directory`, with the driver's parameters after a question mark, all but secrets.

    Raises:
        UsageError: the URL makes no sense, its scheme has no driver, or there is no registry there.
        StorageError: the storage cannot be reached.
    """
    scheme, separator, rest = location.partition("://")
    if not separator:
        return connect("filesystem", {"rootdirectory": location}, access)
    if scheme not in _SCHEMES:
        raise UsageError(
            f"no storage driver for {scheme}:// URLs",
            hint="give s3://bucket/root, gs://bucket/root, az://container/root, or the path of a mounted storage",
        )
    driver, holder = _SCHEMES[scheme]
    try:
        # A hash sign is part of a name: there is nothing in a store that a fragment could stand for.
        url = urlsplit(f"//{rest}", allow_fragments=False)
    except ValueError as error:
        raise UsageError(f"{scheme}:// URL names no {holder}", hint=f"write {scheme}://{holder}/root") from error
    if not url.netloc or "@" in url.netloc:
        raise UsageError(f"{scheme}:// URL names no {holder}", hint=f"write {scheme}://{holder}/root")
    parameters: dict[str, object] = {holder: url.netloc, "rootdirectory": unquote(url.path)}
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name.lower() in _SECRETS:
            raise UsageError(
                f"{name} does not belong into a URL, where others can read it",
                hint="put it into the environment, as the provider's own tools read it, or use --config",
            )
        if name.lower() in parameters:
            raise UsageError(
                f"the {scheme}:// URL says {name} twice", hint=f"write {scheme}://{holder}/root?name=value"
            )
        parameters[name.lower()] = value
    return connect(driver, parameters, access)
