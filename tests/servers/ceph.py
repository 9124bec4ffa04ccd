"""Ceph's S3 server, its object gateway, over one monitor and one storage daemon that keeps everything in memory."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, Server
from tests.servers.started import HOST, free_ports, listens, started

_CONFIG: Final = """\
[global]
fsid = {cluster}
mon host = v2:{host}:{port}
public addr = {host}
cluster addr = {host}
mon data = {folder}/mon/data
osd data = {folder}/osd/data
crash dir = {folder}
# What is said goes to standard error.
log file =
mon cluster log to file = false
# Not in the system's directory, nor in the folder, whose path is longer than that of a socket may be.
admin socket =

auth cluster required = none
auth service required = none
auth client required = none
# The other mode encrypts, and without authentication there is no key for that.
ms mon client mode = crc

osd objectstore = memstore
osd pool default size = 1
osd pool default pg num = 1
# The gateway makes a dozen pools. Each is several decisions, and the monitor waits for a second before each.
paxos propose interval = 0.01
# A disk that is nearly full is no reason to stop.
mon data avail crit = 0
"""


@contextmanager
def ceph(folder: Path) -> Iterator[Server]:
    """Run Ceph with its configuration and its logs in `folder`."""
    for daemon in ("mon", "osd"):
        (folder / daemon / "data").mkdir(parents=True)
    (port,) = free_ports(1)
    config = folder / "ceph.conf"
    config.write_text(_CONFIG.format(cluster=uuid4(), host=HOST, port=port, folder=folder), encoding="utf-8")
    run, disk = partial(_run, config), str(uuid4())

    run("ceph-mon", "--mkfs", "--id=a", f"--public-addr=v2:{HOST}:{port}")
    with started(["ceph-mon", "-c", config, "-d", "--id=a"], ready=lambda: listens(port), folder=folder / "mon"):
        run("ceph", "osd", "new", disk)
        run("ceph-osd", "--mkfs", "--id=0", f"--osd-uuid={disk}")
        command: list[str | Path] = ["ceph-osd", "-c", config, "-d", "--id=0"]
        with started(command, ready=lambda: " 1 up" in run("ceph", "osd", "stat"), folder=folder / "osd"):
            keys = (f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}")
            run("radosgw-admin", "user", "create", "--uid=t", "--display-name=t", *keys)
            with _gateway(config, folder / "gateway") as server:
                yield server


@contextmanager
def _gateway(config: Path, folder: Path) -> Iterator[Server]:
    (port,) = free_ports(1)
    command: list[str | Path] = ["radosgw", "-c", config, "-d", f"--rgw-frontends=beast endpoint={HOST}:{port}"]
    with started(command, ready=lambda: listens(port), folder=folder):
        yield Server(f"http://{HOST}:{port}")


def _run(config: Path, program: str, *arguments: str) -> str:
    """Run one of Ceph's programs to its end; return what it printed.

    Raises:
        RuntimeError: it failed; the message has what it said.
    """
    done = subprocess.run(
        [program, "-c", config, *arguments], cwd=config.parent, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise RuntimeError(f"{program} failed: {done.stderr[-2000:]}")
    return done.stdout
