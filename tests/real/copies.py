"""Copies of a registry's tree in Cloud Storage and Azure Blob Storage, made and looked at by the SDKs alone."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fixtures.registry import write_config
from tests.command import Finished, regsweep
from tests.conformance.azure import AzureRaw
from tests.conformance.gcs import GcsRaw
from tests.conformance.objects import Raw
from tests.servers import azurite, gcs
from tests.trees import BASE

_GCS_KEY: Final = "a-private-key-that-stays-one"
_ROOT: Final = "reg/prod"
_BASE: Final = f"{_ROOT}/{BASE}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to a storage: the registry's own config.yml or, without one, the URL."""

    config: Path | None
    url: str
    environment: Mapping[str, str]
    secret: str

    @property
    def telltale(self) -> str:
        """The beginning of the secret, which is the same in a URL: it must stand nowhere."""
        return self.secret[:24]

    def run(self, command: str, *arguments: str | Path, cwd: Path) -> Finished:
        """Run a command that takes the storage, or `apply`, whose plan knows the URL already."""
        place = () if command == "apply" else (self.url,)
        return regsweep(
            command, *arguments, *(("--config", self.config) if self.config else place), cwd=cwd, env=self.environment
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy of a tree, and the ways that lead to it."""

    raw: Raw
    ways: Mapping[str, Way]

    def fill(self, files: Mapping[str, bytes]) -> None:
        """Write files by their keys below the tree's base."""
        for key, content in files.items():
            self.raw.put(f"{_BASE}{key}", content)

    def keys(self) -> set[str]:
        """Every key of the tree."""
        return {path.removeprefix(_BASE) for path in self.raw.facts(_BASE)}

    def copied_back(self, root: Path) -> Path:
        """Write what is there to directories below `root`, which is given back."""
        for key in self.keys():
            path, content = root / BASE / key, self.raw.get(f"{_BASE}{key}")
            assert content is not None
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return root


@contextmanager
def in_gcs(folder: Path) -> Iterator[Copy]:
    """An empty copy on a server of its own. Its config.yml has a key, for which an emulator has no use."""
    with gcs.fake_gcs(folder / "server") as server, closing(GcsRaw(server, "registry")) as raw:
        environment = {"STORAGE_EMULATOR_HOST": server.endpoint}
        key = {"type": "service_account", "private_key": _GCS_KEY}
        parameters = {"bucket": "registry", "rootdirectory": f"/{_ROOT}", "credentials": key}
        url, config = f"gs://registry/{_ROOT}", write_config(folder / "config.yml", {"gcs": parameters})
        ways = {
            "config": Way(config=config, url=url, environment=environment, secret=_GCS_KEY),
            "url": Way(config=None, url=url, environment=environment, secret=_GCS_KEY),
        }
        yield Copy(raw=raw, ways=ways)


@contextmanager
def in_azure(folder: Path) -> Iterator[Copy]:
    """An empty copy on a server of its own, with the account in config.yml or in the environment."""
    with azurite.azurite(folder / "server") as server, closing(AzureRaw(server)) as raw:
        url = f"az://{raw.name}/{_ROOT}"
        config = write_config(folder / "config.yml", {"azure": server.parameters(raw.name, f"/{_ROOT}")})
        environment = {"AZURE_STORAGE_CONNECTION_STRING": connection_string(server.endpoint, azurite.KEY)}
        ways = {
            "config": Way(config=config, url=url, environment={}, secret=azurite.KEY),
            "url": Way(config=None, url=url, environment=environment, secret=azurite.KEY),
        }
        yield Copy(raw=raw, ways=ways)


def connection_string(endpoint: str, key: str) -> str:
    """How the provider's own tools are told of Azurite's account."""
    return f"DefaultEndpointsProtocol=http;AccountName={azurite.ACCOUNT};AccountKey={key};BlobEndpoint={endpoint};"


SERVERS: Final[Mapping[str, Callable[[Path], AbstractContextManager[Copy]]]] = {"azure": in_azure, "gcs": in_gcs}
