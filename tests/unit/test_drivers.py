"""From what the user typed to a driver and its parameters."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from regsweep.errors import RegsweepError, UsageError
from regsweep.storage import drivers
from regsweep.storage.drivers import connect, connect_location
from regsweep.storage.ports import Access, Store
from regsweep_backends.filesystem import FilesystemStore
from tests.trees import Tree
from tests.unit.memory import MemoryStore

Call = tuple[str, dict[str, object], Access]


@dataclass
class Driver:
    """A driver's entry point that notes what is asked of it."""

    name: str
    calls: list[Call] = field(default_factory=list)

    def load(self) -> Callable[[Mapping[str, object], Access], Store]:
        def connects(parameters: Mapping[str, object], access: Access) -> Store:
            self.calls.append((self.name, dict(parameters), access))
            return MemoryStore(url=self.name)

        return connects


@dataclass
class Broken:
    """A driver's entry point that cannot be loaded."""

    name: str
    error: Exception

    def load(self) -> None:
        raise self.error


def install(patch: pytest.MonkeyPatch, *found: Driver | Broken) -> None:
    """Have these drivers installed, and no others."""

    def entry_points(*, group: str, name: str | None = None) -> list[Driver | Broken]:
        assert group == "regsweep.backends"
        return [one for one in found if name in (None, one.name)]

    patch.setattr(drivers, "entry_points", entry_points)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What is asked of the drivers of all kinds."""
    found: list[Call] = []
    install(monkeypatch, *(Driver(name, found) for name in ("filesystem", "s3", "gcs", "azure")))
    return found


def opened(calls: list[Call], location: str) -> tuple[str, dict[str, object]]:
    connect_location(location, Access())
    ((name, parameters, _),) = calls
    return name, parameters


@pytest.mark.parametrize(
    ("location", "driver", "parameters"),
    [
        ("s3://b", "s3", {"bucket": "b", "rootdirectory": ""}),
        ("s3://b/", "s3", {"bucket": "b", "rootdirectory": "/"}),
        ("s3://b/a/root", "s3", {"bucket": "b", "rootdirectory": "/a/root"}),
        ("s3://b/a/root/", "s3", {"bucket": "b", "rootdirectory": "/a/root/"}),
        ("s3://My.Bucket-1_x/", "s3", {"bucket": "My.Bucket-1_x", "rootdirectory": "/"}),
        ("s3://b/a%20b%3Fc%23d%25", "s3", {"bucket": "b", "rootdirectory": "/a b?c#d%"}),
        ("s3://b/caf\u00e9", "s3", {"bucket": "b", "rootdirectory": "/caf\u00e9"}),
        ("s3://b/a+b", "s3", {"bucket": "b", "rootdirectory": "/a+b"}),
        ("s3://b/x?region=eu-1", "s3", {"bucket": "b", "rootdirectory": "/x", "region": "eu-1"}),
        (
            "s3://b?RegionEndpoint=http://127.0.0.1:9000&forcePathStyle=true&skipverify=",
            "s3",
            {
                "bucket": "b",
                "rootdirectory": "",
                "regionendpoint": "http://127.0.0.1:9000",
                "forcepathstyle": "true",
                "skipverify": "",
            },
        ),
        ("gs://b/root", "gcs", {"bucket": "b", "rootdirectory": "/root"}),
        ("az://c/root?accountname=me", "azure", {"container": "c", "rootdirectory": "/root", "accountname": "me"}),
        ("/var/lib/registry", "filesystem", {"rootdirectory": "/var/lib/registry"}),
        ("registry", "filesystem", {"rootdirectory": "registry"}),
        ("a:b", "filesystem", {"rootdirectory": "a:b"}),
        ("./a?b#c%20", "filesystem", {"rootdirectory": "./a?b#c%20"}),
        ("s3:/b", "filesystem", {"rootdirectory": "s3:/b"}),
    ],
)
def test_a_location_says_which_driver_and_what_of_it(
    location: str, driver: str, parameters: dict[str, object], calls: list[Call]
) -> None:
    assert opened(calls, location) == (driver, parameters)


def test_how_a_store_may_be_worked_with_reaches_its_driver(calls: list[Call]) -> None:
    access = Access(cross_mounts=True)
    connect_location("/a", access)
    connect_location("s3://b", access)
    connect("gcs", {}, access)
    assert [call[2] for call in calls] == [access] * 3


def test_a_hash_sign_does_not_cut_a_root_short(calls: list[Call]) -> None:
    try:
        found = opened(calls, "s3://b/root#1")
    except UsageError:
        return
    assert found == ("s3", {"bucket": "b", "rootdirectory": "/root#1"})


SECRETS = [
    "accesskey",
    "secretkey",
    "SecretKey",
    "sessiontoken",
    "accountkey",
    "connectionstring",
    "credentials",
    "secret%6bey",
]


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_a_url_is_refused_and_not_repeated(name: str, scheme: str, calls: list[Call]) -> None:
    with pytest.raises(UsageError) as caught:
        connect_location(f"{scheme}://b/root?region=x&{name}=hidden", Access())
    assert "does not belong into a URL" in caught.value.message
    assert "hidden" not in caught.value.message + caught.value.hint
    assert calls == []


@pytest.mark.parametrize("location", ["s3://key:hidden@b/root", "s3://hidden@b", "az://user:hidden@c"])
def test_a_user_in_a_url_is_refused_and_not_repeated(location: str, calls: list[Call]) -> None:
    with pytest.raises(UsageError) as caught:
        connect_location(location, Access())
    assert "hidden" not in caught.value.message + caught.value.hint
    assert calls == []


@pytest.mark.parametrize(
    ("location", "holder"), [("s3://", "bucket"), ("gs:///root", "bucket"), ("az://?a=b", "container")]
)
def test_a_url_without_a_bucket_is_refused(location: str, holder: str, calls: list[Call]) -> None:
    with pytest.raises(UsageError, match=f"names no {holder}"):
        connect_location(location, Access())
    assert calls == []


@pytest.mark.parametrize("location", ["s3://[b/root", "s3://b]/root", "s3://[::1/x", "s3://b\u2100/root"])
def test_a_url_that_makes_no_sense_is_a_usage_error(location: str, calls: list[Call]) -> None:
    with pytest.raises(UsageError):
        connect_location(location, Access())
    assert calls == []


@pytest.mark.parametrize("scheme", ["http", "file", "S3", "gcs", "azure", "swift", "", "s3aws"])
def test_a_scheme_without_a_driver_is_refused_with_those_that_have_one(scheme: str, calls: list[Call]) -> None:
    with pytest.raises(UsageError) as caught:
        connect_location(f"{scheme}://b/root", Access())
    assert f"{scheme}://" in caught.value.message
    assert "s3://bucket/root" in caught.value.hint
    assert calls == []


def test_a_driver_that_nobody_installed_is_refused_with_those_there_are(calls: list[Call]) -> None:
    with pytest.raises(UsageError) as caught:
        connect("swift", {}, Access())
    assert "'swift'" in caught.value.message
    assert caught.value.hint == "installed drivers: azure, filesystem, gcs, s3"
    assert calls == []


def test_s3aws_is_s3(calls: list[Call]) -> None:
    assert connect("s3aws", {"bucket": "b"}, Access()).url == "s3"
    assert calls == [("s3", {"bucket": "b"}, Access())]


@pytest.mark.parametrize(
    ("driver", "module", "extra"),
    [
        ("s3", "botocore", "s3"),
        ("s3", "botocore.config", "s3"),
        ("gcs", "google", "gcs"),
        ("gcs", "google.cloud.storage", "gcs"),
        ("azure", "azure.storage.blob", "azure"),
        ("azure", "azure.identity", "azure"),
    ],
)
def test_a_driver_whose_package_is_missing_names_the_extra(
    driver: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Broken(driver, ModuleNotFoundError(f"No module named {module!r}", name=module)))
    with pytest.raises(UsageError) as caught:
        connect(driver, {}, Access())
    assert driver in caught.value.message
    assert module in caught.value.message
    assert f"'regsweep[{extra}]'" in caught.value.hint


def test_the_s3_driver_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith(("regsweep_backends.s3", "regsweep_backends._s3"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(UsageError) as caught:
        connect_location("s3://b/root", Access())
    assert "botocore" in caught.value.message
    assert "pip install 'regsweep[s3]'" in caught.value.hint


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'regsweep_backends._typo'", name="regsweep_backends._typo"),
        ModuleNotFoundError("No module named 'boto'", name="boto"),
        ModuleNotFoundError("nobody knows which"),
        ImportError("cannot import name", name="boto3"),
        SyntaxError("a mistake"),
    ],
)
def test_any_other_failure_of_a_driver_is_not_taken_for_a_missing_package(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Broken("s3", error))
    with pytest.raises(type(error)) as caught:
        connect("s3", {}, Access())
    assert caught.value is error


def test_an_error_of_the_driver_itself_comes_out_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RegsweepError("no store there")

    class Failing(Driver):
        def load(self) -> Callable[[Mapping[str, object], Access], Store]:
            def connects(*_: object) -> Store:
                raise error

            return connects

    install(monkeypatch, Failing("s3"))
    with pytest.raises(RegsweepError) as caught:
        connect_location("s3://b", Access())
    assert caught.value is error


def test_the_drivers_that_are_installed_are_found_by_their_entry_points(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.blob(b"x")
    store = connect_location(str(tmp_path), Access())
    assert isinstance(store, FilesystemStore)
    store.close()


@pytest.mark.parametrize("more", ["bucket=b", "rootdirectory=/other", "RootDirectory=", "region=a&region=b"])
@pytest.mark.usefixtures("calls")
def test_what_a_url_says_twice_is_refused(more: str) -> None:
    with pytest.raises(UsageError, match="twice"):
        connect_location(f"s3://bucket/root?{more}", Access())
