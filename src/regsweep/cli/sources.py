"""From what the user says of where the storage is to an open store."""

import os
from dataclasses import dataclass
from pathlib import Path

from regsweep.cli import values
from regsweep.errors import UsageError
from regsweep.storage.drivers import connect, connect_location
from regsweep.storage.ports import Access, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the storage is, as the user said it."""

    store: str | None
    config: Path | None
    access: Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A store, and what its configuration says of the registry."""

    store: Store
    proxy: str | None


def open_source(source: Source) -> Opened:
    """Connect to the store.

    Raises:
        UsageError: there is none, or it was not said which.
    """
    if source.store and source.config:
        raise UsageError("STORE and --config were both given", hint="name the storage in one way")
    if source.store:
        return Opened(store=connect_location(source.store, source.access), proxy=None)
    if source.config is None:
        raise UsageError(
            "no storage was named", hint="give the registry's rootdirectory as STORE, or --config config.yml"
        )
    # YAML takes a while to import, and a store is mostly named directly.
    from regsweep.registry.config import parse_config  # noqa: PLC0415

    try:
        text = source.config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise values.unreadable(source.config, error) from error
    storage = parse_config(text, os.environ, name=str(source.config))
    return Opened(store=connect(storage.driver, storage.parameters, source.access), proxy=storage.proxy_remote)


def open_again(url: str, config: Path | None, access: Access) -> Store:
    """Connect to the store that a plan was made of; `config` tells what a URL does not, its secrets.

    Raises:
        UsageError: it is not there any more, or `config` is of another one.
    """
    if config is None:
        return connect_location(url, access)
    store = open_source(Source(store=None, config=config, access=access)).store
    if store.url != url:
        raise UsageError(
            f"{config}: is the configuration of {store.url}, and the plan is of {url}",
            hint="give the config.yml that the plan was made with",
        )
    return store
