"""What the tests of the S3 adapter share."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from regsweep.registry.layout import BASE
from regsweep.storage.ports import Result, Target
from regsweep_backends import _objects
from regsweep_backends._window import Window
from regsweep_backends.s3 import S3Bucket
from tests.unit.s3_stub import Answer, Request

BLOB: Final = f"{BASE}/blobs/sha256/00/{'0' * 64}/data"
CONTENT: Final = bytes(range(256)) * 40
WHOLE: Final = Answer(200, CONTENT, {"ETag": '"the hash"'})
LIMIT: Final = 5 << 20
ODD: Final = [
    "plain/link",
    "a b",
    "a+b",
    "a%20b%2Fc%",
    "~tilde-._",
    "q?x=1&y=2",
    "hash#mark",
    "semi;colon=x,y",
    "é/日本/😀",
    "quo\"te'<>&",
    "(star*)!$:@",
    "[x]{y}|^`",
    "back\\slash",
    "dots../..x/.hidden",
    "ends with a space ",
]
"""Keys that a signature can get wrong."""

Script = Callable[[Request], Answer]


def set_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever this machine has of credentials is not used, and nobody waits."""
    for name in ("PROFILE", "REGION", "DEFAULT_REGION", "ENDPOINT_URL", "ENDPOINT_URL_S3", "CA_BUNDLE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr(Window, "pause", lambda *_, **__: None)
    monkeypatch.setattr(_objects, "_SETTLING_SECONDS", 0.0)
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda **_: 0)


def quick(request: Request) -> bool:
    """Whether a request was not made by the SDK, which numbers its tries."""
    return "amz-sdk-invocation-id" not in request.headers


def target(path: str, version: str = "") -> Target:
    return Target(key=path, size=0, modified=0, version=version)


def in_turn(*answers: Answer) -> Script:
    """Give these answers one after another, the last for ever."""
    return scripts(*(lambda _, answer=answer: answer for answer in answers))


def scripts(*given: Script) -> Script:
    """Follow these one after another, a request each, the last for ever."""
    waiting = list(given)

    def answer(request: Request) -> Answer:
        follow = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return follow(request)

    return answer


def results(bucket: S3Bucket, *targets: Target) -> list[Result]:
    return [outcome.result for outcome in bucket.delete(targets)]
