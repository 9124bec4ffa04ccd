"""S3 servers: moto, which is quick, and SeaweedFS, which is a real store. Both come from packages."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeKey, s3_backends
from moto.server import ThreadedMotoServer

from tests.servers.started import HOST, free_ports, started

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY: Final = "testak"
SECRET_KEY: Final = "testsecretkey"  # noqa: S105 - of servers that end with the tests
REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    endpoint: str

    def client(self) -> "S3Client":
        """A client that has nothing to do with the adapter."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def parameters(self, bucket: str, root: str = "") -> dict[str, object]:
        """What a registry's config.yml would have below `s3:`."""
        return {
            "regionendpoint": self.endpoint,
            "region": REGION,
            "accesskey": ACCESS_KEY,
            "secretkey": SECRET_KEY,
            "bucket": bucket,
            "rootdirectory": root,
        }


@contextmanager
def moto() -> Iterator[Server]:
    """Run moto in this process."""
    (port,) = free_ports(1)
    server = ThreadedMotoServer(HOST, port=port, verbose=False)
    server.start()
    try:
        yield Server(f"http://{HOST}:{port}")
    finally:
        server.stop()


def put_into_moto(bucket: str, path: str, content: bytes) -> FakeKey:
    """Write an object into the moto of this process: by a request to it that takes seventy times as long."""
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(bucket, path, content)


@contextmanager
def seaweedfs(folder: Path) -> Iterator[Server]:
    """Run SeaweedFS with its data in `folder`."""
    master, volume, filer, s3, master_grpc, volume_grpc, filer_grpc, s3_grpc = free_ports(8)
    data = folder / "data"
    data.mkdir(parents=True)
    keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    identity = {"name": "t", "credentials": keys, "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    command: list[str | Path] = [
        Path(sys.executable).with_name("weed"),
        "-logtostderr=true",
        "server",
        f"-dir={data}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        "-master.telemetry=false",
        f"-master.port={master}",
        f"-master.port.grpc={master_grpc}",
        "-master.volumeSizeLimitMB=64",
        f"-volume.port={volume}",
        f"-volume.port.grpc={volume_grpc}",
        "-volume.preStopSeconds=0",
        "-volume.max=100",
        "-filer",
        f"-filer.port={filer}",
        f"-filer.port.grpc={filer_grpc}",
        "-s3",
        f"-s3.port={s3}",
        f"-s3.port.grpc={s3_grpc}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={folder / 's3.json'}",
    ]
    server = Server(f"http://{HOST}:{s3}")
    with started(command, ready=lambda: _takes_objects(server), folder=folder):
        yield server


def _takes_objects(server: Server) -> bool:
    """Whether a write succeeds: the port answers before there is a volume to write to."""
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
        config=Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            connect_timeout=1,
            read_timeout=10,
            request_checksum_calculation="when_required",
        ),
    )
    try:
        client.create_bucket(Bucket="ready")
        client.put_object(Bucket="ready", Key="ready", Body=b"ready")
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()
    return True
