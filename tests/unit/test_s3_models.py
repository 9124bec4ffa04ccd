"""The SDK's descriptions of services: what is read quickly is what the SDK reads."""

import gzip
from pathlib import Path
from typing import Final

import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader, create_loader

from regsweep_backends._s3_models import models

fresh: Final = models.__wrapped__
"""Whoever has read a description may change it, as clients do."""
MODELS: Final = [("s3", "service-2"), ("s3", "endpoint-rule-set-1"), ("sts", "service-2"), ("sso-oidc", "service-2")]


@pytest.mark.parametrize(("service", "kind"), MODELS)
def test_a_service_is_described_as_the_sdk_reads_it(service: str, kind: str) -> None:
    assert fresh(None).load_service_model(service, kind) == Loader().load_service_model(service, kind)


@pytest.mark.parametrize("name", ["endpoints", "partitions", "_retry", "sdk-default-configuration"])
def test_other_data_is_as_the_sdk_reads_it(name: str) -> None:
    found, standard = fresh(None).load_data(name), Loader().load_data(name)
    assert found == standard
    assert list(found) == list(standard)


def test_what_there_is_not_is_told_as_the_sdk_tells_it() -> None:
    with pytest.raises(DataNotFoundError):
        models(None).load_data("nothing of this name")
    with pytest.raises(UnknownServiceError, match="sts"):
        models(None).load_service_model("no-service", "service-2")
    with pytest.raises(UnknownServiceError):
        models(None).load_service_model("s3", "no-kind")


def test_the_services_are_those_that_the_sdk_knows() -> None:
    assert list(models(None).list_available_services("service-2")) == Loader().list_available_services("service-2")


def put(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_folder_of_one_s_own_comes_first(tmp_path: Path) -> None:
    put(tmp_path, "own/2020-01-01/service-2.json", b'{"is": "older"}')
    put(tmp_path, "own/2021-01-01/service-2.json.gz", gzip.compress(b'{"is": "packed"}'))
    put(tmp_path, "partitions.json", b'{"is": "mine"}')
    for loader in (models(str(tmp_path)), create_loader(str(tmp_path))):
        assert loader.load_service_model("own", "service-2") == {"is": "packed"}
        assert loader.load_data("partitions") == {"is": "mine"}
        assert "own" in loader.list_available_services("service-2")
        assert "own" not in loader.list_available_services("endpoint-rule-set-1")


@pytest.mark.parametrize("content", [b'{"number": NaN}', b"\xef\xbb\xbf{}", b"{", b"", b"\xff", b'{"a": 1, "a": 2}'])
def test_what_is_unusual_is_read_as_the_sdk_reads_it(content: bytes, tmp_path: Path) -> None:
    put(tmp_path, "odd.json", content)
    put(tmp_path, "packed.json.gz", gzip.compress(content))
    put(tmp_path, "torn.json.gz", gzip.compress(content)[:-3])

    def outcome(loader: Loader, name: str) -> str:
        try:
            return repr(dict(loader.load_data(name)))
        except (ValueError, OSError, EOFError) as error:
            return type(error).__name__

    for name in ("odd", "packed", "torn"):
        assert outcome(models(str(tmp_path)), name) == outcome(create_loader(str(tmp_path)), name)


def test_each_file_is_read_once() -> None:
    assert models(None) is models(None)
