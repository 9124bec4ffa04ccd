"""The registry's own configuration, as far as it says where the storage is and what the registry does with it.

distribution's `configuration/` package is the source of what overrides what.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from regsweep.errors import UsageError

_NOT_DRIVERS: Final = frozenset({"maintenance", "cache", "delete", "redirect", "tag"})
"""Keys of `storage` that configure the registry and name no driver."""

_PREFIX: Final = "REGISTRY"
_SECTIONS: Final = frozenset({"storage", "proxy", "version"})
"""All that is read of a configuration; the rest may hold anything."""
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where a registry keeps its storage: the driver's name and its parameters, as config.yml has them."""

    driver: str
    parameters: Mapping[str, object]
    proxy_remote: str | None
    """The registry that this one is a pull-through cache of."""


def parse_config(text: str, environment: Mapping[str, str], *, name: str = "config.yml") -> Storage:
    """Read a config.yml, overridden by the `REGISTRY_...` variables of an environment as the registry does it.

    Args:
        text: what the file holds.
        environment: the variables.
        name: what errors call the file.

    Raises:
        UsageError: it is no such configuration; the message names the field.
    """
    if len(text) > _MOST_BYTES:
        raise UsageError(f"{name}: is larger than any configuration is")
    document = _mapping(_load(text, name), name)
    if str(document.get("version")) != "0.1":
        raise UsageError(
            f"{name}: version is {document.get('version')!r}, and only 0.1 is known",
            hint="give the registry's own configuration, which begins with: version: 0.1",
        )
    for variable in sorted(environment):
        first, *parts = variable.split("_")
        path = [part.lower() for part in parts]
        if first == _PREFIX and path and path[0] in _SECTIONS:
            _override(document, path, _load(environment[variable], variable), variable)
    storage = document.get("storage")
    if isinstance(storage, str):
        storage = {storage: {}}
    storage = _mapping(storage, f"{name}: storage")
    drivers = sorted(str(key) for key in storage if key not in _NOT_DRIVERS)
    if len(drivers) != 1:
        raise UsageError(
            f"{name}: storage names {' and '.join(drivers) or 'no driver'}, and not one driver",
            hint="it wants one of filesystem, s3, gcs, azure below storage:",
        )
    proxy = _mapping(document.get("proxy") or {}, f"{name}: proxy")
    remote = proxy.get("remoteurl")
    return Storage(
        driver=drivers[0],
        parameters=_mapping(storage[drivers[0]] or {}, f"{name}: storage.{drivers[0]}"),
        proxy_remote=str(remote) if remote else None,
    )


def _override(document: dict[str, object], path: list[str], value: object, name: str) -> None:
    """Set what a variable names; what is above it is made, and a whole map is replaced by a scalar."""
    here = document
    for part in path[:-1]:
        below = here.get(part)
        if isinstance(below, str):
            below = {below: {}}
        if below is None:
            below = {}
        if not isinstance(below, dict):
            raise UsageError(f"{name}: config.yml has no map at {part}")
        here[part] = below
        here = below
    here[path[-1]] = value


class _NotAcceptedError(yaml.MarkedYAMLError):
    """YAML that is valid, and that no configuration has."""


class _Loader(yaml.SafeLoader):
    """YAML without what a configuration has no need of: aliases, which can grow without bound, and duplicate keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _NotAcceptedError(problem="aliases are not accepted here", problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 - PyYAML's own signature
        seen: set[object] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _NotAcceptedError(problem="a name in a map is no text", problem_mark=key.start_mark)
            if key.value in seen:
                raise _NotAcceptedError(problem=f"{key.value} stands twice in one map", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:  # noqa: FBT001, FBT002 - as above
        try:
            return super().construct_object(node, deep)
        except ValueError:
            raise _NotAcceptedError(problem="a value cannot be read", problem_mark=node.start_mark) from None


def _load(text: str, name: str) -> object:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader, made stricter
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        # What PyYAML says of values may repeat them, and they may be secret.
        known = isinstance(error, _NotAcceptedError | yaml.scanner.ScannerError | yaml.parser.ParserError)
        problem = f": {error.problem}" if known and isinstance(error, yaml.MarkedYAMLError) else ""
        raise UsageError(f"{name}{line}: is not valid YAML{problem}") from None


def _mapping(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UsageError(f"{name}: is not a map of names to values")
    return value
