import base64
import json
from pathlib import Path

import pytest

from regsweep.apply.credentials import PASSWORD_VARIABLE, Credentials, find_credentials
from regsweep.errors import UsageError

SECRET = "hunter2"  # noqa: S105 - no real one
URL = "https://registry.example:5000"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def docker(folder: Path, document: object) -> dict[str, str]:
    """Write Docker's config.json; return the environment in which it is found."""
    folder.mkdir(exist_ok=True)
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    (folder / "config.json").write_bytes(content)
    return {"DOCKER_CONFIG": str(folder)}


def found(tmp_path: Path, document: object, url: str = URL) -> Credentials | None:
    return find_credentials(url, None, docker(tmp_path, document))


def refused(tmp_path: Path, document: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        found(tmp_path, document)
    assert str(tmp_path / "config.json") in caught.value.message
    assert SECRET not in caught.value.message + caught.value.hint
    return caught.value


def test_a_user_s_password_is_in_the_environment(tmp_path: Path) -> None:
    environment = docker(tmp_path, {"auths": {"registry.example:5000": {"auth": encoded("other:pass")}}})
    environment[PASSWORD_VARIABLE] = SECRET
    assert find_credentials(URL, "me", environment) == Credentials("me", SECRET)
    assert find_credentials(URL, "me", {PASSWORD_VARIABLE: ""}) == Credentials("me", "")


def test_a_user_without_a_password_is_told_where_to_put_it(tmp_path: Path) -> None:
    environment = docker(tmp_path, {"auths": {"registry.example:5000": {"auth": encoded("me:pass")}}})
    with pytest.raises(UsageError) as caught:
        find_credentials(URL, "me", environment)
    assert "me" in caught.value.message
    assert PASSWORD_VARIABLE in caught.value.hint


def test_a_password_without_a_user_is_not_sent(tmp_path: Path) -> None:
    assert find_credentials(URL, None, {PASSWORD_VARIABLE: SECRET, "HOME": str(tmp_path)}) is None


def test_no_representation_shows_the_password() -> None:
    assert SECRET not in repr(Credentials("me", SECRET))


@pytest.mark.parametrize("name", ["registry.example:5000", "https://registry.example:5000", f"{URL}/v1/", f"{URL}/v2/"])
def test_docker_s_own_login_is_used(tmp_path: Path, name: str) -> None:
    document = {"auths": {"other.example": {"auth": encoded("x:y")}, name: {"auth": encoded(f"me:{SECRET}:colon")}}}
    assert found(tmp_path, document) == Credentials("me", f"{SECRET}:colon")


@pytest.mark.parametrize(
    "url",
    [
        "https://registry.example",
        "https://registry.example:5001",
        "https://xregistry.example:5000",
        "https://registry.example.evil:5000",
        "https://evil/registry.example:5000",
    ],
)
def test_a_login_is_for_that_host_and_port_alone(tmp_path: Path, url: str) -> None:
    document = {"auths": {"registry.example:5000": {"auth": encoded(f"me:{SECRET}")}}, "credsStore": "desktop"}
    assert found(tmp_path, document, url) is None


def test_docker_s_file_stands_below_home_unless_said_otherwise(tmp_path: Path) -> None:
    document = {"auths": {"registry.example:5000": {"auth": encoded("home:pass")}}}
    docker(tmp_path / ".docker", document)
    assert find_credentials(URL, None, {"HOME": str(tmp_path)}) == Credentials("home", "pass")
    assert find_credentials(URL, None, {"HOME": str(tmp_path), "DOCKER_CONFIG": ""}) == Credentials("home", "pass")
    elsewhere = docker(tmp_path / "elsewhere", {})
    assert find_credentials(URL, None, {"HOME": str(tmp_path), **elsewhere}) is None


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"auths": {}},
        {"auths": None},
        {"auths": []},
        {"auths": {"registry.example:5000": {}}},
        {"auths": {"registry.example:5000": {"auth": ""}}},
        {"auths": {"registry.example:5000": None}},
        {"auths": {"https://[bad": {"auth": "x"}}},
        {"credHelpers": {"other.example": "helper"}},
        {"credHelpers": []},
        {"credsStore": "desktop"},
    ],
)
def test_where_docker_knows_no_login_the_registry_is_asked_without(tmp_path: Path, document: object) -> None:
    assert found(tmp_path, document) is None


def test_no_file_is_no_login(tmp_path: Path) -> None:
    assert find_credentials(URL, None, {"DOCKER_CONFIG": str(tmp_path / "missing")}) is None
    assert find_credentials(URL, None, {"HOME": str(tmp_path)}) is None


@pytest.mark.parametrize(
    "document",
    [
        {"credHelpers": {"registry.example:5000": "helper"}},
        {"auths": {"registry.example:5000": {}}, "credsStore": "desktop"},
        {"auths": {"https://registry.example:5000/v1/": {}}, "credsStore": "desktop"},
    ],
)
def test_a_helper_program_is_not_started_but_told(tmp_path: Path, document: object) -> None:
    error = refused(tmp_path, document)
    assert "helper" in error.message
    assert PASSWORD_VARIABLE in error.hint


@pytest.mark.parametrize("auth", ["not base64!", encoded(SECRET), base64.b64encode(b"\xff\xfe:").decode(), "aGk", 7])
def test_damaged_credentials_are_told_not_sent(tmp_path: Path, auth: object) -> None:
    error = refused(tmp_path, {"auths": {"registry.example:5000": {"auth": auth}}})
    assert "damaged" in error.message
    assert "docker login" in error.hint


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b'"hunter2"', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        find_credentials(URL, None, {"DOCKER_CONFIG": str(tmp_path)})
