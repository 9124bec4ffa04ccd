"""Names and passwords for registries: where they come from, where they go, and that nobody else sees them."""

import json
from pathlib import Path

import pytest

from tests.cli.scene import Planned, the_error
from tests.cli.stub import READ_ONLY, REGISTRY, WRITABLE, Answer, Answers, Asked, Stub, basic, wants_basic, wants_token
from tests.command import Finished, regsweep

USER, PASSWORD, TOKEN = "carol", "geheim-42", "token-4711"
VARIABLE = "REGSWEEP_REGISTRY_PASSWORD"


def apply(it: Planned, stub: Stub, *options: str | Path, **environment: str) -> Finished:
    return regsweep("apply", it.plan, "--registry", stub.url, *options, cwd=it.cwd, env=environment)


def docker_config(folder: Path, document: object) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(document))
    return str(folder)


def auth(user: str = USER, password: str = PASSWORD) -> dict[str, str]:
    return {"auth": basic(user, password).removeprefix("Basic ")}


def assert_secret(done: Finished, *places: Path) -> None:
    encoded = basic(USER, PASSWORD).removeprefix("Basic ")
    written = [place.read_text() for place in places if place.exists()]
    for text in (done.out, done.err, *written):
        assert not any(secret in text for secret in (PASSWORD, TOKEN, encoded))


@pytest.mark.parametrize(
    "registry",
    [
        pytest.param(wants_basic(USER, PASSWORD), id="basic"),
        pytest.param(wants_token(USER, PASSWORD, TOKEN), id="token"),
    ],
)
def test_a_password_of_the_environment_opens_and_is_written_nowhere(it: Planned, registry: Answers) -> None:
    with Stub(registry) as stub:
        done = apply(it, stub, "--registry-user", USER, **{VARIABLE: PASSWORD})
    assert (done.code, done.err) == (0, "")
    assert_secret(done, it.plan, it.journal)
    first = stub.asked[0]
    assert (first.method, first.authorization) == ("DELETE", "")


def test_a_token_is_asked_for_with_the_scope_of_the_challenge_and_kept(it: Planned) -> None:
    with Stub(wants_token(USER, PASSWORD, TOKEN)) as stub:
        assert apply(it, stub, "--registry-user", USER, **{VARIABLE: PASSWORD}).code == 0
    tokens = [asked for asked in stub.asked if asked.path.startswith("/token")]
    assert len(tokens) == 1
    assert "service=stub" in tokens[0].path
    assert "scope=repository" in tokens[0].path
    # The password goes to the token service and nowhere else.
    assert {asked.authorization for asked in stub.asked if asked not in tokens} == {"", f"Bearer {TOKEN}"}


def then_writable(answer: Answers) -> Answers:
    """A registry that is not read-only, as one finds out with the right login: its answer costs no plan."""
    return lambda stub, asked: WRITABLE if (found := answer(stub, asked)) is READ_ONLY else found


@pytest.mark.parametrize("place", ["DOCKER_CONFIG", "HOME"])
def test_what_docker_login_left_opens(untouched: Planned, tmp_path: Path, place: str) -> None:
    with Stub(then_writable(wants_basic(USER, PASSWORD))) as stub:
        document = {"auths": {"other.example": auth("other"), stub.address: auth()}}
        folder = docker_config(tmp_path / "home" / (".docker" if place == "HOME" else ""), document)
        done = apply(untouched, stub, **{place: folder.removesuffix("/.docker")})
    assert "is not in read-only mode" in the_error(done, 3)
    assert_secret(done)


@pytest.mark.parametrize("password", ["gr\u00fcn", "\u20ac1"])
def test_a_password_is_sent_as_docker_sends_it(untouched: Planned, password: str) -> None:
    with Stub(then_writable(wants_basic(USER, password))) as stub:
        done = apply(untouched, stub, "--registry-user", USER, **{VARIABLE: password})
    assert "is not in read-only mode" in the_error(done, 3)


@pytest.mark.parametrize(
    "registry",
    [
        pytest.param(wants_basic(USER, "another"), id="basic"),
        pytest.param(wants_token(USER, "another", TOKEN), id="token"),
    ],
)
def test_a_wrong_password_is_refused_and_not_repeated(untouched: Planned, registry: Answers) -> None:
    with Stub(registry) as stub:
        done = apply(untouched, stub, "--registry-user", USER, **{VARIABLE: PASSWORD})
    assert "does not take these credentials" in the_error(done, 3)
    assert_secret(done)


def test_a_user_without_a_password_is_told_where_to_put_it(untouched: Planned) -> None:
    with Stub(wants_basic(USER, PASSWORD)) as stub:
        error = the_error(apply(untouched, stub, "--registry-user", USER), 2)
    assert f"--registry-user {USER} has no password" in error
    assert VARIABLE in error
    assert stub.asked == []


@pytest.mark.parametrize("kind", ["credHelpers", "credsStore"])
def test_a_helper_program_is_not_started_and_another_way_is_told(untouched: Planned, tmp_path: Path, kind: str) -> None:
    with Stub(wants_basic(USER, PASSWORD)) as stub:
        document = {
            "credHelpers": {"credHelpers": {stub.address: "pass"}},
            "credsStore": {"credsStore": "pass", "auths": {stub.address: {}}},
        }[kind]
        error = the_error(apply(untouched, stub, DOCKER_CONFIG=docker_config(tmp_path, document)), 2)
    assert f"leaves the password for {stub.address} to a helper program" in error
    assert VARIABLE in error
    assert stub.asked == []


@pytest.mark.parametrize(
    "content",
    ["{", '{"auths": {"HOST": {"auth": "%%%"}}}', '{"auths": {"HOST": {"auth": "bm8tY29sb24="}}}'],
    ids=["no-json", "no-base64", "no-password"],
)
def test_a_damaged_config_of_docker_is_refused_by_name(untouched: Planned, tmp_path: Path, content: str) -> None:
    with Stub(wants_basic(USER, PASSWORD)) as stub:
        (tmp_path / "config.json").write_text(content.replace("HOST", stub.address))
        error = the_error(apply(untouched, stub, DOCKER_CONFIG=str(tmp_path)), 2)
    assert error.startswith(f"{tmp_path}/config.json: ")


@pytest.mark.parametrize(
    "url",
    [
        f"http://{USER}:{PASSWORD}@127.0.0.1:1",
        f"{USER}:{PASSWORD}@127.0.0.1:1",
        f"ftp://{USER}:{PASSWORD}@127.0.0.1:1",
        f"http://{USER}:{PASSWORD}/x@127.0.0.1:1",
    ],
)
def test_a_password_in_a_url_is_refused_and_not_repeated(untouched: Planned, url: str) -> None:
    done = regsweep("apply", untouched.plan, "--registry", url, cwd=untouched.cwd)
    the_error(done, 2)
    assert PASSWORD not in done.out + done.err


def challenged(challenge: str, token: bytes = b"{}") -> Answers:
    def answer(stub: Stub, asked: Asked) -> Answer:
        if asked.path.startswith("/token"):
            return Answer(200, {}, token)
        return Answer(401, {**REGISTRY, "WWW-Authenticate": challenge.replace("HERE", stub.url)})

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(challenged('Bearer realm="http://[/"'), id="a-realm-of-no-sense"),
        pytest.param(challenged('Bearer realm="ftp://\x1bchost/"'), id="a-realm-with-an-escape"),
        pytest.param(challenged('Bearer realm="HERE/token"', b"no json"), id="no-json"),
        pytest.param(challenged('Bearer realm="HERE/token"', b'{"token":"a\\r\\nX: y"}'), id="a-token-of-two-lines"),
        pytest.param(challenged('Bearer realm="HERE/token"', b'{"token":"\xe2\x82\xac"}'), id="a-token-beyond-latin-1"),
        pytest.param(challenged('Bearer realm="HERE/token"', b'{"token":{"a":1}}'), id="a-token-that-is-an-object"),
    ],
)
def test_a_challenge_of_no_sense_refuses(untouched: Planned, answer: Answers) -> None:
    with Stub(answer) as stub:
        done = apply(untouched, stub, "--registry-user", USER, **{VARIABLE: PASSWORD})
    error = the_error(done, 3)
    assert "\x1b" not in error
    assert_secret(done)
