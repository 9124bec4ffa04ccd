import textwrap

import pytest

from regsweep.errors import UsageError
from regsweep.registry.config import Storage, parse_config

SECRET = "hunter2hunter2"  # noqa: S105 - no real one


def parse(text: str, **environment: str) -> Storage:
    return parse_config("version: 0.1\n" + textwrap.dedent(text), environment)


def refused(text: str, **environment: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(text, **environment)
    shown = f"{caught.value.message} {caught.value.hint}"
    assert SECRET not in shown
    return shown


DRIVERS = [
    ("filesystem", "rootdirectory: /data", {"rootdirectory": "/data"}),
    (
        "s3",
        """
        {bucket: b, region: us-east-1, regionendpoint: 'http://minio:9000', accesskey: a, secretkey: s, secure: false,
        rootdirectory: /r, forcepathstyle: true, chunksize: 5242880}
        """,
        {
            "bucket": "b",
            "region": "us-east-1",
            "regionendpoint": "http://minio:9000",
            "accesskey": "a",
            "secretkey": "s",
            "secure": False,
            "rootdirectory": "/r",
            "forcepathstyle": True,
            "chunksize": 5_242_880,
        },
    ),
    ("s3aws", "{bucket: b}", {"bucket": "b"}),
    (
        "gcs",
        "{bucket: b, keyfile: /key.json, rootdirectory: /r, credentials: {type: service_account, project_id: p}}",
        {
            "bucket": "b",
            "keyfile": "/key.json",
            "rootdirectory": "/r",
            "credentials": {"type": "service_account", "project_id": "p"},
        },
    ),
    (
        "azure",
        "{accountname: n, accountkey: k, container: c, realm: core.windows.net, credentials: {type: shared_key}}",
        {
            "accountname": "n",
            "accountkey": "k",
            "container": "c",
            "realm": "core.windows.net",
            "credentials": {"type": "shared_key"},
        },
    ),
]


@pytest.mark.parametrize(("driver", "written", "parameters"), DRIVERS, ids=[driver for driver, _, _ in DRIVERS])
def test_each_driver_s_parameters_are_taken_as_they_stand(
    driver: str, written: str, parameters: dict[str, object]
) -> None:
    found = parse(f"storage:\n  {driver}:\n    {written.strip()}\n")
    assert found == Storage(driver=driver, parameters=parameters, proxy_remote=None)


def test_what_configures_the_registry_is_no_driver() -> None:
    found = parse(
        """
        log: {level: debug}
        storage:
          cache: {blobdescriptor: redis}
          delete: {enabled: true}
          maintenance: {readonly: {enabled: true}, uploadpurging: {enabled: false}}
          redirect: {disable: true}
          tag: {concurrencylimit: 8}
          filesystem: {rootdirectory: /data}
        http: {addr: ":5000", headers: {X-Content-Type-Options: [nosniff]}}
        """
    )
    assert (found.driver, found.parameters) == ("filesystem", {"rootdirectory": "/data"})


@pytest.mark.parametrize(
    "text",
    ["storage: filesystem", "storage: {filesystem: }", "storage: {filesystem: null}", "storage: {filesystem: {}}"],
)
def test_a_driver_may_stand_alone(text: str) -> None:
    assert parse(text) == Storage(driver="filesystem", parameters={}, proxy_remote=None)


@pytest.mark.parametrize(
    ("proxy", "remote"),
    [
        ("", None),
        ("proxy:", None),
        ("proxy: {}", None),
        ("proxy: {remoteurl: }", None),
        ("proxy: {remoteurl: ''}", None),
        ("proxy: {remoteurl: 'https://mirror.example'}", "https://mirror.example"),
        ("proxy: {remoteurl: 'https://mirror.example', username: u, password: p}", "https://mirror.example"),
    ],
)
def test_a_pull_through_cache_says_what_it_is_a_cache_of(proxy: str, remote: str | None) -> None:
    assert parse(f"storage: filesystem\n{proxy}\n").proxy_remote == remote


FILE = "storage: {filesystem: {rootdirectory: /data, maxthreads: 100}, delete: {enabled: true}}\n"


@pytest.mark.parametrize(
    ("environment", "driver", "parameters"),
    [
        ({}, "filesystem", {"rootdirectory": "/data", "maxthreads": 100}),
        (
            {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/other"},
            "filesystem",
            {"rootdirectory": "/other", "maxthreads": 100},
        ),
        (
            {"REGISTRY_STORAGE_FILESYSTEM_NEW": "true"},
            "filesystem",
            {"rootdirectory": "/data", "maxthreads": 100, "new": True},
        ),
        ({"REGISTRY_STORAGE_FILESYSTEM": "{rootdirectory: /whole}"}, "filesystem", {"rootdirectory": "/whole"}),
        ({"REGISTRY_STORAGE_FILESYSTEM": ""}, "filesystem", {}),
        ({"REGISTRY_STORAGE": "s3"}, "s3", {}),
        ({"REGISTRY_STORAGE": "{s3: {bucket: b}}"}, "s3", {"bucket": "b"}),
        (
            {
                "REGISTRY_STORAGE_S3_SECRETKEY": SECRET,
                "REGISTRY_STORAGE_S3_BUCKET": "b",
                "REGISTRY_STORAGE": "s3",
                "REGISTRY_STORAGE_S3_SECURE": "false",
            },
            "s3",
            {"bucket": "b", "secretkey": SECRET, "secure": False},
        ),
        (
            {"REGISTRY_STORAGE": "azure", "REGISTRY_STORAGE_AZURE_CREDENTIALS_TYPE": "client_secret"},
            "azure",
            {"credentials": {"type": "client_secret"}},
        ),
        (
            {"REGISTRY_STORAGE_DELETE_ENABLED": "false", "REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR": "redis"},
            "filesystem",
            {"rootdirectory": "/data", "maxthreads": 100},
        ),
    ],
)
def test_variables_override_the_file_as_they_do_for_the_registry(
    environment: dict[str, str], driver: str, parameters: dict[str, object]
) -> None:
    found = parse(FILE, **environment)
    assert (found.driver, found.parameters) == (driver, parameters)


@pytest.mark.parametrize(
    "name",
    [
        "registry_storage_filesystem_rootdirectory",
        "Registry_Storage_Filesystem_Rootdirectory",
        "REGISTRYSTORAGE_FILESYSTEM_ROOTDIRECTORY",
        "MY_REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY",
        "STORAGE_FILESYSTEM_ROOTDIRECTORY",
        "REGISTRY_LOG_LEVEL",
        "REGISTRY_HTTP_SECRET",
        "REGISTRY",
        "REGISTRY_",
    ],
)
def test_variables_of_another_name_do_not(name: str) -> None:
    assert parse(FILE, **{name: "{not: [even YAML"}).parameters == {"rootdirectory": "/data", "maxthreads": 100}


def test_a_variable_can_make_what_the_file_lacks() -> None:
    variables = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/data", "REGISTRY_PROXY_REMOTEURL": "https://m.example"}
    expected = Storage(driver="filesystem", parameters={"rootdirectory": "/data"}, proxy_remote="https://m.example")
    for text in ("", "storage:", "storage: filesystem", "storage: {filesystem: }\nproxy:", "storage: {}"):
        assert parse(text, **variables) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "config.yml: storage"),
        ("storage:", "config.yml: storage"),
        ("storage: [filesystem]", "config.yml: storage"),
        ("storage: 7", "config.yml: storage"),
        ("storage: {}", "no driver"),
        ("storage: {delete: {enabled: true}}", "no driver"),
        ("storage: {s3: {}, filesystem: {}}", "filesystem and s3"),
        (f"storage: {{s3: {SECRET}}}", "config.yml: storage.s3"),
        (f"storage: {{s3: [{SECRET}]}}", "config.yml: storage.s3"),
        (f"storage: {{s3: {{7: {SECRET}}}}}", "config.yml: storage.s3"),
        (f"storage: {{7: {{secretkey: {SECRET}}}}}", "config.yml: storage"),
        (f"storage: filesystem\nproxy: {SECRET}", "config.yml: proxy"),
    ],
)
def test_what_is_not_as_it_should_be_is_told_by_its_field(text: str, told: str) -> None:
    assert told in refused(text)


@pytest.mark.parametrize("version", ["", "version:", "version: 0.2", "version: 1", "version: [0.1]", "versions: 0.1"])
def test_another_version_is_refused(version: str) -> None:
    with pytest.raises(UsageError, match=r"config\.yml: version"):
        parse_config(f"{version}\nstorage: filesystem\n", {})


@pytest.mark.parametrize("text", ["", "\n", "text", "[]", "7", "- a", "# nothing"])
def test_what_is_no_map_is_no_configuration(text: str) -> None:
    with pytest.raises(UsageError, match=r"config\.yml"):
        parse_config(text, {})


def test_the_version_may_be_quoted() -> None:
    assert parse_config("version: '0.1'\nstorage: filesystem\n", {}).driver == "filesystem"


BROKEN = [
    ("storage:\n  s3:\n    secretkey: hunter2hunter2\n   bucket: b", 5),
    ("storage:\n  s3: {secretkey: hunter2hunter2, bucket: [", 3),
    ("storage:\n  s3:\n    secretkey: @hunter2hunter2", 4),
    ("storage:\n  s3:\n    secretkey: !hunter2hunter2", 4),
    ("storage:\n  s3:\n    secretkey: !!int hunter2hunter2", 4),
    ("storage:\n  s3:\n\tsecretkey: hunter2hunter2", 4),
    ("storage:\n  s3:\n    secretkey: *hunter2hunter2", 4),
    ("storage:\n  s3:\n    secretkey: &hunter2hunter2 x\n    bucket: *hunter2hunter2", 5),
    ("storage:\n  s3:\n    bucket: b\n    secretkey: hunter2hunter2\n    bucket: c", 6),
    ("storage:\n  s3: {}\n  delete: {}\n  s3: {}", 5),
]


@pytest.mark.parametrize(("text", "line"), BROKEN)
def test_broken_yaml_is_told_by_its_line_without_a_secret(text: str, line: int) -> None:
    shown = refused(text)
    assert shown.startswith("config.yml")
    assert f"line {line}" in shown


def test_a_character_that_does_not_exist_is_no_yaml() -> None:
    assert refused('storage:\n  s3:\n    bucket: "\\UFFFFFFFF"').startswith("config.yml")


@pytest.mark.parametrize(("text", "field"), [(BROKEN[-2][0], "bucket"), (BROKEN[-1][0], "s3")])
def test_a_field_that_stands_twice_is_told(text: str, field: str) -> None:
    assert f"{field} stands twice" in refused(text)


@pytest.mark.parametrize(
    "value", [f"!{SECRET}", f"!!int {SECRET}", f"*{SECRET}", f"{{{SECRET}", f"@{SECRET}", f"[{SECRET}", f"%{SECRET}"]
)
def test_a_variable_that_is_no_yaml_is_told_by_its_name_without_its_value(value: str) -> None:
    name = "REGISTRY_STORAGE_S3_SECRETKEY"
    assert name in refused("storage: s3", **{name: value})


def test_aliases_are_refused_so_that_nothing_can_grow() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, after in zip("abcdefg", "bcdefgh", strict=True)
    )
    assert "aliases" in refused(f"storage: filesystem\n{bomb}")


def test_what_is_nested_without_end_or_larger_than_any_configuration_is_refused() -> None:
    assert "config.yml" in refused("storage: " + "[" * 100_000)
    assert "larger" in refused("storage: filesystem\n" + "#" * (1 << 20))


def test_python_objects_are_not_made() -> None:
    assert "config.yml" in refused("storage: !!python/object/apply:os.getcwd []")


def test_a_variable_that_goes_below_a_list_names_itself() -> None:
    shown = refused("storage: {s3: [a]}", REGISTRY_STORAGE_S3_BUCKET="b")
    assert "REGISTRY_STORAGE_S3_BUCKET" in shown
