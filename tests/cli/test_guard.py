"""That no registry writes is proved before anything goes, by asking each, or taken at the user's word."""

import socket
from pathlib import Path

import pytest

from tests.cli.scene import Planned, the_error
from tests.cli.stub import READ_ONLY, REGISTRY, WRITABLE, Answer, Answers, Asked, Stub, make_certificates
from tests.command import Finished, regsweep


def apply(it: Planned, *options: str | Path) -> Finished:
    return regsweep("apply", it.plan, *options, cwd=it.cwd)


@pytest.mark.parametrize("command", ["apply", "prune"])
def test_without_a_proof_nothing_is_deleted_and_the_ways_to_give_one_are_told(untouched: Planned, command: str) -> None:
    target = (untouched.plan,) if command == "apply" else (untouched.tree.root, "--yes")
    done = regsweep(command, *target, cwd=untouched.cwd)
    error = the_error(done, 3)
    assert "--registry URL" in error
    assert "storage.maintenance.readonly.enabled: true" in error
    assert "--registry-stopped" in error
    assert done.out == ""


def test_a_registry_in_read_only_mode_is_asked_again_and_again_without_harm(it: Planned) -> None:
    with Stub(READ_ONLY) as stub:
        done = apply(it, "--registry", f"{stub.url}/v2/")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("Deleted ")
        assert len(stub.asked) > 5
        assert {asked.method for asked in stub.asked} == {"DELETE"}
        assert all("/blobs/uploads/" in asked.path and asked.path.startswith("/v2/") for asked in stub.asked)
        assert not any(asked.authorization for asked in stub.asked)


def elsewhere(_: Stub, asked: Asked) -> Answer:
    return Answer(307, {**REGISTRY, "Location": f"http://elsewhere.invalid{asked.path}"})


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(WRITABLE, "is not in read-only mode: it answered 404", id="writable"),
        pytest.param(Answer(405, {"Allow": "GET, HEAD"}), "answered 405, but not as a registry", id="405-of-a-proxy"),
        pytest.param(Answer(405, {**REGISTRY, "Allow": "GET, HEAD, POST"}), "405", id="405-that-allows-to-push"),
        pytest.param(Answer(200, {}, b"<html>"), "is no registry: it answered 200", id="a-web-server"),
        pytest.param(elsewhere, "redirects to http://elsewhere.invalid", id="a-redirect"),
        pytest.param(Answer(301, {"Location": "http://[/"}), "redirects", id="a-redirect-to-nowhere"),
        pytest.param(Answer(403, REGISTRY), "wants credentials", id="forbidden"),
        pytest.param(Answer(401, REGISTRY), "wants credentials", id="unauthorized"),
        pytest.param(Answer(500, REGISTRY), "answered 500", id="500"),
        pytest.param(Answer(0), "does not answer", id="hang-up"),
        pytest.param(Answer(404, {"Docker-Distribution-Api-Version": "\x1b[31m"}), "404", id="an-escape"),
        pytest.param(Answer(302, {"Location": "http://\x1bc/"}), "redirects", id="an-escape-in-a-redirect"),
    ],
)
def test_whatever_is_not_the_answer_of_a_read_only_registry_refuses(
    untouched: Planned, answer: Answer | Answers, says: str
) -> None:
    with Stub(answer) as stub:
        error = the_error(apply(untouched, "--registry", stub.url), 3)
        assert error.startswith(f"{stub.url}: ")
    assert says in error
    assert "\x1b" not in error


def test_a_port_where_nobody_listens_refuses(untouched: Planned) -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else can take it, and whoever connects is turned away.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        error = the_error(apply(untouched, "--registry", url), 3)
    assert f"{url}: does not answer" in error
    assert "object at 0x" not in error


def test_one_writable_replica_of_several_refuses(untouched: Planned) -> None:
    with Stub(lambda stub, _: WRITABLE if len(stub.asked) % 3 == 0 else READ_ONLY) as balancer:
        assert "is not in read-only mode" in the_error(apply(untouched, "--registry", balancer.url), 3)


def test_each_registry_must_be_read_only(untouched: Planned) -> None:
    with Stub(READ_ONLY) as one, Stub(WRITABLE) as other:
        done = apply(untouched, "--registry", one.url, "--registry", other.url, "--registry-stopped")
        assert the_error(done, 3).startswith(f"{other.url}: is not in read-only mode")


def test_prune_asks_the_registry_before_it_scans(untouched: Planned) -> None:
    with Stub(WRITABLE) as stub:
        done = regsweep("prune", untouched.tree.root, "-y", "--registry", stub.url, cwd=untouched.cwd)
    assert "is not in read-only mode" in the_error(done, 3)
    assert done.out == ""


def test_a_registry_that_turns_writable_stops_the_run_and_the_next_resumes(it: Planned) -> None:
    keys = it.tree.keys()
    # Seven answers: the first five are for the replicas, and the sixth lets one batch go.
    with Stub(lambda stub, _: READ_ONLY if len(stub.asked) < 7 else WRITABLE) as stub:
        done = apply(it, "--registry", stub.url)
    error = the_error(done, 4)
    assert f"{stub.url}: is not in read-only mode" in error
    assert "run the same command again to resume" in error
    assert keys > it.tree.keys() > {key for key in keys if key.startswith("blobs/")}
    assert apply(it, "--registry-stopped").code == 0


@pytest.mark.parametrize(
    "url",
    ["registry.example:5000", "http://[::1", "http://127.0.0.1:port", ""],
)
def test_what_is_no_url_of_a_registry_is_refused(untouched: Planned, url: str) -> None:
    error = the_error(apply(untouched, f"--registry={url}"), 2)
    assert url in error


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Path, Path]]:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_an_unknown_authority_is_not_trusted(untouched: Planned, certificates: tuple[Path, tuple[Path, Path]]) -> None:
    with Stub(READ_ONLY, certificate=certificates[1]) as stub:
        error = the_error(apply(untouched, "--registry", stub.url), 3)
        assert stub.asked == []
    assert error.startswith(f"{stub.url}: does not answer: ")
    assert "certificate" in error


def test_an_authority_that_is_named_is_trusted(it: Planned, certificates: tuple[Path, tuple[Path, Path]]) -> None:
    with Stub(READ_ONLY, certificate=certificates[1]) as stub:
        done = apply(it, "--registry", stub.url, "--registry-ca", certificates[0])
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_without_certificates_is_refused_by_name(
    untouched: Planned, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    error = the_error(apply(untouched, "--registry", "https://127.0.0.1:1", "--registry-ca", file), 2)
    assert error.startswith(f"{file}: ")
