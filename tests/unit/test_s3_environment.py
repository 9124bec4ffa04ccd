"""What the SDK takes from its environment, and what a server's certificate, address and region come to."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import EndpointConnectionError
from botocore.httpsession import URLLib3Session

from regsweep.errors import StorageError
from regsweep.storage.ports import Access
from regsweep_backends.s3 import S3Bucket, connect
from tests.cli.stub import make_certificates
from tests.unit.s3_pages import AWS, Entry
from tests.unit.s3_scene import BLOB, CONTENT, LIMIT, WHOLE, quick, set_apart
from tests.unit.s3_stub import Answer, Request, error, stub

PAGE: Final = Answer(200, AWS.page([Entry(BLOB)]))
ELSEWHERE: Final[Mapping[str, Answer]] = {
    "by a redirect": replace(error(301, "PermanentRedirect"), headers={"x-amz-bucket-region": "eu-west-1"}),
    "by the signature": Answer(
        400, b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-west-1</Region></Error>"
    ),
}
"""How a store says that a bucket is in another region, and in which."""


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_apart(monkeypatch, tmp_path)


def answered(asked: Request) -> Answer:
    return PAGE if "list-type" in asked.query else WHOLE


def keys_of(asked: list[Request]) -> set[str]:
    """The keys of whoever signed requests."""
    return {one.headers["authorization"].partition("Credential=")[2].partition("/")[0] for one in asked}


def regions_of(asked: list[Request]) -> list[str]:
    return [one.headers["authorization"].split("/")[2] for one in asked]


# The environment


@pytest.mark.parametrize(("chosen", "key"), [(None, "AKIDDEFAULT"), ("other", "AKIDOTHER")])
def test_a_profile_of_the_shared_credentials_signs_every_request(
    chosen: str | None, key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = [
        f"[{name}]\naws_access_key_id = AKID{name.upper()}\naws_secret_access_key = hidden\n"
        for name in ("default", "other")
    ]
    (tmp_path / "credentials").write_text("".join(lines), encoding="utf-8")
    if chosen:
        monkeypatch.setenv("AWS_PROFILE", chosen)
    with stub(answered) as running:
        bucket = S3Bucket(running.parameters(accesskey="", secretkey=""))
        assert [part.keys for part in bucket.listing("")] == [[BLOB]]
        assert [bucket.get("k", LIMIT)[0] for _ in range(2)] == [CONTENT] * 2
        bucket.close()
    assert keys_of(running.asked) == {key}
    assert [quick(one) for one in running.asked] == [False, False, True]


def test_a_profile_gives_the_region_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile p]\nregion = ap-south-1\n", encoding="utf-8")
    monkeypatch.setenv("AWS_PROFILE", "p")
    with stub(answered) as running:
        connect(running.parameters(region=""), Access())
    assert regions_of(running.asked) == ["ap-south-1"]


def test_keys_that_the_parameters_give_go_before_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        "[p]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = x\n", encoding="utf-8"
    )
    monkeypatch.setenv("AWS_PROFILE", "p")
    with stub(answered) as running:
        connect(running.parameters(), Access())
    assert keys_of(running.asked) == {"AKIDSTUB"}


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_address_from_the_environment_is_where_the_store_is_asked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stub(answered) as running:
        monkeypatch.setenv(name, running.endpoint)
        bucket = S3Bucket(running.parameters(regionendpoint=""))
        assert [bucket.get("k", LIMIT)[0] for _ in range(2)] == [CONTENT] * 2
        bucket.close()
    assert {one.path for one in running.asked} == {"/registries/k"}
    assert [quick(one) for one in running.asked] == [False, True]


def test_an_address_that_the_parameters_give_goes_before_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with stub(answered) as running, stub(answered) as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL", other.endpoint)
        connect(running.parameters(), Access())
    assert running.asked
    assert other.asked == []


@pytest.mark.parametrize(
    ("path_style", "address"),
    [
        (None, "https://store.example/registries?"),
        (True, "https://store.example/registries?"),
        (False, "https://registries.store.example/?"),
    ],
)
def test_a_bucket_s_place_in_an_address_from_the_environment_is_the_same_as_in_one_of_the_parameters(
    path_style: object, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def send(_: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        sent.append(request.url)
        raise EndpointConnectionError(endpoint_url=request.url)

    monkeypatch.setattr(URLLib3Session, "send", send)
    for given in ({}, {"regionendpoint": "https://store.example"}):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "" if given else "https://store.example")
        bucket = S3Bucket(
            {
                "bucket": "registries",
                "region": "us-east-1",
                "accesskey": "a",
                "secretkey": "b",
                "forcepathstyle": path_style,
                **given,
            }
        )
        with pytest.raises(StorageError):
            list(bucket.listing(""))
        bucket.close()
    assert {url.partition("?")[0] + "?" for url in sent} == {address}


# Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Path, Path]]:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_a_server_whose_authority_is_unknown_is_not_trusted_and_the_way_out_is_told(
    certificates: tuple[Path, tuple[Path, Path]],
) -> None:
    with stub(answered, certificates[1]) as running, pytest.raises(StorageError) as caught:
        connect(running.parameters(), Access())
    assert "certificate" in caught.value.message
    assert {"AWS_CA_BUNDLE", "skipverify"} <= set(caught.value.hint.replace(",", " ").split())
    assert running.asked == []


@pytest.mark.parametrize("how", ["AWS_CA_BUNDLE", "ca_bundle", "skipverify"])
def test_a_server_is_trusted_by_its_authority_or_the_user_s_word(
    how: str, certificates: tuple[Path, tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if how == "AWS_CA_BUNDLE":
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates[0]))
    elif how == "ca_bundle":
        (tmp_path / "config").write_text(f"[default]\nca_bundle = {certificates[0]}\n", encoding="utf-8")
    with stub(answered, certificates[1]) as running:
        bucket = S3Bucket(running.parameters(skipverify=how == "skipverify"))
        assert [part.keys for part in bucket.listing("")] == [[BLOB]]
        assert [bucket.get("k", LIMIT)[0] for _ in range(3)] == [CONTENT] * 3
        bucket.close()
    assert [quick(one) for one in running.asked] == [False, False, True, True]


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_of_authorities_that_is_none_is_told_in_one_line(
    content: str | None,
    certificates: tuple[Path, tuple[Path, Path]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = tmp_path / "authorities"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
    with stub(answered, certificates[1]) as running, pytest.raises(StorageError) as caught:
        connect(running.parameters(), Access())
    assert caught.value.message.isprintable()
    assert "AWS_CA_BUNDLE" in caught.value.hint
    assert running.asked == []


# Regions


@pytest.mark.parametrize("how", ELSEWHERE)
def test_a_store_that_names_the_bucket_s_region_is_asked_there(how: str) -> None:
    def answer(asked: Request) -> Answer:
        return answered(asked) if regions_of([asked]) == ["eu-west-1"] else ELSEWHERE[how]

    with stub(answer) as running:
        bucket = S3Bucket(running.parameters())
        assert [part.keys for part in bucket.listing("")] == [[BLOB]]
        assert [bucket.get("k", LIMIT)[0] for _ in range(3)] == [CONTENT] * 3
        bucket.close()
    assert regions_of(running.asked) == ["us-east-1"] + ["eu-west-1"] * 4


@pytest.mark.parametrize(
    "answer",
    [error(301, "PermanentRedirect"), error(400, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong")],
)
def test_a_wrong_region_is_told_with_where_to_give_the_right_one(answer: Answer) -> None:
    with stub(lambda _: answer) as running, pytest.raises(StorageError, match="another region") as caught:
        connect(running.parameters(), Access())
    assert "AWS_REGION" in caught.value.hint
    assert "?region=" in caught.value.hint
