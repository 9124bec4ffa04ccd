"""Signatures that the SDK did not make: the same as its own, taken by real servers, of credentials that are renewed."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from regsweep.errors import DeniedError
from regsweep.storage.ports import Access
from regsweep_backends import _s3_reading
from regsweep_backends.s3 import S3Bucket
from tests.servers import s3
from tests.servers.s3 import Server
from tests.unit.s3_scene import CONTENT, LIMIT, ODD, WHOLE, quick, set_apart
from tests.unit.s3_stub import Request, Stub, stub


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_apart(monkeypatch, tmp_path)


@given(
    key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    token=st.none() | st.text("abcXYZ0129+/=", min_size=1, max_size=30),
    secret=st.text("abcXYZ0129+/=", min_size=1, max_size=40),
    region=st.sampled_from(["us-east-1", "eu-west-1", "garage"]),
    origin=st.sampled_from(
        ["https://b.s3.amazonaws.com", "http://127.0.0.1:8333", "http://[::1]:9000", "https://h:8443"]
    ),
    folder=st.sampled_from(["/", "/bucket/", "/My.Bucket/"]),
)
def test_a_request_is_signed_as_the_sdk_signs_it(  # noqa: PLR0913 - what a signature is of
    key: str, token: str | None, secret: str, region: str, origin: str, folder: str
) -> None:
    credentials = ReadOnlyCredentials("AKID/STUB", secret, token)
    target = folder + _s3_reading._quoted(key)  # noqa: SLF001 - the very thing
    theirs = AWSRequest("GET", origin + target)
    S3SigV4Auth(credentials, "s3", region).add_auth(theirs)
    pattern = _s3_reading._Pattern(  # noqa: SLF001 - as above
        pool=urllib3.HTTPConnectionPool("h"),
        origin=origin,
        host=origin.partition("://")[2],
        folder=folder,
        agent="x",
        region=region,
        service="s3",
    )
    ours = pattern.headers(target, credentials, theirs.headers["X-Amz-Date"])
    assert ours == {**dict(theirs.headers.items()), "User-Agent": "x"}


@pytest.fixture(scope="module")
def moto() -> Iterator[Server]:
    with s3.moto() as running:
        yield running


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as running:
        yield running


@pytest.fixture(params=["moto", "seaweedfs"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The objects that the SDK was told to ask for."""
    asked: list[str] = []
    by_the_sdk = _s3_reading.Reader._by_the_sdk  # noqa: SLF001 - to see it

    def noted(self: _s3_reading.Reader, path: str, came: Any) -> _s3_reading.Answer:  # noqa: ANN401 - as there
        asked.append(path)
        return by_the_sdk(self, path, came)

    monkeypatch.setattr(_s3_reading.Reader, "_by_the_sdk", noted)
    return asked


def test_a_server_takes_the_signature_for_keys_of_any_characters(server: Server, of_the_sdk: list[str]) -> None:
    name = f"b{uuid4().hex}"
    client = server.client()
    client.create_bucket(Bucket=name)
    contents = {f"root/{key}": f"content of {number}".encode() for number, key in enumerate(ODD)}
    for key, content in contents.items():
        client.put_object(Bucket=name, Key=key, Body=content)
    bucket = S3Bucket(server.parameters(name))
    for key, content in contents.items():
        expected = client.get_object(Bucket=name, Key=key)["ETag"]
        assert bucket.get(key, LIMIT) == (content, expected)
    assert of_the_sdk == [next(iter(contents))]
    bucket.close()
    client.close()


def test_a_server_that_is_asked_by_many_at_once_gives_each_what_it_asked_for(
    server: Server, of_the_sdk: list[str]
) -> None:
    name = f"b{uuid4().hex}"
    client = server.client()
    client.create_bucket(Bucket=name)
    keys = [f"k{number}" for number in range(100)]
    for key in keys:
        client.put_object(Bucket=name, Key=key, Body=key.encode() * 100)
    bucket = S3Bucket(server.parameters(name), Access(concurrency=16))
    read = list(bucket.window.each(lambda key: bucket.get(key, LIMIT)[0], keys))
    assert read == [key.encode() * 100 for key in keys]
    assert len(of_the_sdk) <= 16
    bucket.window.close()
    bucket.close()
    client.close()


def test_a_server_that_refuses_a_signature_refuses_ours(seaweedfs: Server, of_the_sdk: list[str]) -> None:
    # What the tests above show is worth something only then.
    client = seaweedfs.client()
    name = f"b{uuid4().hex}"
    client.create_bucket(Bucket=name)
    client.put_object(Bucket=name, Key="k", Body=b"x")
    bucket = S3Bucket(seaweedfs.parameters(name))
    assert bucket.get("k", LIMIT)[0] == b"x"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_s3_reading, "_signing_key", lambda *_: b"another")
        # The SDK is given the refusal, and does not sign anew.
        with pytest.raises(DeniedError):
            bucket.get("k", LIMIT)
    assert of_the_sdk == ["k", "k"]
    bucket.close()
    client.close()


def renewed_each_time(running: Stub, folder: Path) -> S3Bucket:
    """A bucket with a pattern, whose credentials have less left than the SDK wants: so others are fetched each time."""
    program = folder / "credentials.py"
    program.write_text(
        "import datetime, json, pathlib\n"
        f"count = pathlib.Path({str(folder / 'count')!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'AKID{number}', 'SecretAccessKey': f'secret{number}',\n"
        "                  'SessionToken': f'token{number}', 'Expiration': until.isoformat()}))\n"
    )
    (folder / "config").write_text(f"[default]\ncredential_process = {sys.executable} {program}\n")
    bucket = S3Bucket(running.parameters(accesskey="", secretkey=""))
    with pytest.MonkeyPatch.context() as patch:
        # While a pattern is learnt they have to stay as they are.
        patch.setattr("botocore.credentials.RefreshableCredentials.refresh_needed", lambda *_, **__: False)
        bucket.get("k", LIMIT)
    return bucket


def test_credentials_that_expire_are_renewed(tmp_path: Path) -> None:
    with stub(lambda _: WHOLE) as running:
        bucket = renewed_each_time(running, tmp_path)
        running.asked.clear()
        for _ in range(3):
            assert bucket.get("k", LIMIT)[0] == CONTENT
        bucket.close()
    assert all(map(quick, running.asked))
    numbers = [one.headers["x-amz-security-token"].removeprefix("token") for one in running.asked]
    assert len(set(numbers)) == 3
    for number, one in zip(numbers, running.asked, strict=True):
        assert one.headers["authorization"] == signed_again(running, one, f"AKID{number}", f"secret{number}")


def signed_again(running: Stub, request: Request, access_key: str, secret: str) -> str:
    """What the SDK would have signed at that moment."""
    moment = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    asked = AWSRequest("GET", f"{running.endpoint}{request.path}")
    token = request.headers["x-amz-security-token"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: moment)
        S3SigV4Auth(ReadOnlyCredentials(access_key, secret, token), "s3", "us-east-1").add_auth(asked)
    return str(asked.headers["Authorization"])


def test_credentials_that_cannot_be_renewed_are_a_denial(tmp_path: Path) -> None:
    with stub(lambda _: WHOLE) as running:
        reader = renewed_each_time(running, tmp_path)
        (tmp_path / "credentials.py").write_text("raise SystemExit('hidden')\n")
        with pytest.raises(DeniedError, match="credentials cannot be had"):
            reader.get("k", LIMIT)
        reader.close()
    assert len(running.asked) == 1
