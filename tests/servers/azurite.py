"""An Azure Blob Storage server: Azurite, which `install.sh` beside this file puts below `build/`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient

from tests.servers.started import HOST, free_ports, listens, started

ACCOUNT: Final = "devstoreaccount1"
KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own, the same everywhere: it stands in its documentation."""
_PROGRAM: Final = Path(__file__).resolve().parents[2] / "build/azurite/node_modules/.bin/azurite-blob"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    endpoint: str

    def client(self, container: str) -> ContainerClient:
        """A client that has nothing to do with the adapter."""
        return ContainerClient(self.endpoint, container, credential=AzureNamedKeyCredential(ACCOUNT, KEY))

    def parameters(self, container: str, root: str = "") -> dict[str, object]:
        """What a registry's config.yml would have below `azure:`."""
        return {
            "serviceurl": self.endpoint,
            "accountname": ACCOUNT,
            "accountkey": KEY,
            "container": container,
            "rootdirectory": root,
        }


@contextmanager
def azurite(folder: Path) -> Iterator[Server]:
    """Run Azurite with everything in its memory."""
    (port,) = free_ports(1)
    command: list[str | Path] = [
        _PROGRAM,
        "--silent",
        "--inMemoryPersistence",
        f"--blobHost={HOST}",
        f"--blobPort={port}",
        "--disableTelemetry",
        # The SDK's newest protocol is newer than Azurite.
        "--skipApiVersionCheck",
    ]
    with started(command, ready=lambda: listens(port), folder=folder):
        yield Server(f"http://{HOST}:{port}/{ACCOUNT}")
