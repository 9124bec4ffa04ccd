"""The SDK's descriptions of services, found and read in a third of the time: three megabytes of them for S3 alone."""

import gzip
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from botocore.exceptions import DataNotFoundError
from botocore.loaders import JSONFileLoader, Loader, create_loader

_UNPACKED: Final[dict[str, Callable[[bytes], bytes]]] = {".json": bytes, ".json.gz": gzip.decompress}
"""The endings of files, in the order in which the SDK looks for them."""


@cache
def models(path: str | None) -> Loader:
    """A loader for the SDK's setting `data_path`: what it read, every process has that is forked afterwards."""
    return _Models(extra_search_paths=create_loader(path).search_paths, include_default_search_paths=False)


class _Files(JSONFileLoader):
    """Reads what it can; anything unusual is left to the SDK."""

    def load_file(self, file_path: str) -> Any:  # noqa: ANN401 - the SDK's own type
        for ending, unpacked in _UNPACKED.items():
            try:
                return msgspec.json.decode(unpacked(Path(file_path + ending).read_bytes()))
            except FileNotFoundError:
                continue
            except (OSError, EOFError, msgspec.DecodeError):
                break
        return super().load_file(file_path)


class _Models(Loader):
    FILE_LOADER_CLASS = _Files

    def list_available_services(self, type_name: str) -> list[str]:
        return cast("list[str]", _Services(self, type_name, super().list_available_services))


class _Services:
    """The names of all services. Whether one is among them is found out without looking at the four hundred others."""

    def __init__(self, loader: Loader, kind: str, names: Callable[[str], list[str]]) -> None:
        self._loader = loader
        self._kind = kind
        self._names = names

    def __contains__(self, name: str) -> bool:
        try:
            return bool(self._loader.list_api_versions(name, self._kind))
        except DataNotFoundError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._names(self._kind))
