"""What a report says of a storage that keeps what is deleted, or is filled by what no listing shows."""

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from fixtures.images import image
from regsweep.plan import summary
from regsweep.storage.ports import Remark
from regsweep_backends._s3_remarks import remarks
from regsweep_backends.azure import AzureBucket
from regsweep_backends.gcs import GcsBucket
from tests.servers import azurite, gcs, s3
from tests.trees import Tree
from tests.unit.memory import MemoryStore, decided

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

ROOT = "reg/docker/registry/v2/"


@pytest.fixture(scope="module")
def client() -> "Iterator[S3Client]":
    with s3.moto() as server:
        made = server.client()
        yield made
        made.close()


@pytest.fixture
def bucket(client: "S3Client") -> str:
    name = f"b{uuid4().hex}"
    client.create_bucket(Bucket=name)
    return name


def told(client: "S3Client", bucket: str) -> dict[str, str]:
    return {remark.code: remark.text for remark in remarks(client, bucket, ROOT)}


def test_of_a_plain_bucket_there_is_nothing_to_say(client: "S3Client", bucket: str) -> None:
    assert told(client, bucket) == {}


def test_a_bucket_that_keeps_versions_keeps_what_is_deleted(client: "S3Client", bucket: str) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert "for ever" in told(client, bucket)["versions-kept"]
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert told(client, bucket) == {}


@pytest.mark.parametrize(
    ("prefix", "status", "said"),
    [
        ("", "Enabled", "for 7 days"),
        ("reg/", "Enabled", "for 7 days"),
        ("other/", "Enabled", "for ever"),
        ("", "Disabled", "for ever"),
    ],
)
def test_how_long_versions_stay_is_told_from_the_lifecycle_rules_of_the_root(
    client: "S3Client", bucket: str, prefix: str, status: str, said: str
) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "one",
                    "Status": "Enabled" if status == "Enabled" else "Disabled",
                    "Filter": {"Prefix": prefix},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
                }
            ]
        },
    )
    assert said in told(client, bucket)["versions-kept"]


def test_object_lock_is_told(client: "S3Client") -> None:
    name = f"b{uuid4().hex}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    assert "object lock" in told(client, name)["object-lock"]


def test_what_may_not_be_asked_for_is_told_and_is_no_error(
    client: "S3Client", bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "GetBucketVersioning")

    monkeypatch.setattr(client, "get_bucket_versioning", refused)
    assert told(client, bucket) == {"untold": "whether it keeps versions cannot be told: Access Denied (AccessDenied)"}


def test_soft_delete_of_an_azure_account_is_told(tmp_path: "Path") -> None:
    with azurite.azurite(tmp_path) as server:
        container = server.client("registries")
        container.create_container()
        bucket = AzureBucket(server.parameters("registries"))
        try:
            assert list(bucket.remarks(ROOT)) == []
            with container._get_blob_service_client() as service:  # noqa: SLF001 - of the same credentials
                service.set_service_properties(delete_retention_policy={"enabled": True, "days": 9})  # type: ignore[arg-type]  # as it is sent
            (remark,) = bucket.remarks(ROOT)
            assert remark.code == "soft-delete"
            assert "9 days" in remark.text
        finally:
            bucket.close()
            container.close()


def test_a_cloud_storage_bucket_that_keeps_versions_is_told(tmp_path: "Path", monkeypatch: pytest.MonkeyPatch) -> None:
    with gcs.fake_gcs(tmp_path) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        raw = server.client()
        kept = raw.bucket("kept")
        kept.versioning_enabled = True
        raw.create_bucket(kept)
        raw.create_bucket("plain")
        for name, codes in (("plain", []), ("kept", ["versions-kept"])):
            bucket = GcsBucket({"bucket": name})
            assert [remark.code for remark in bucket.remarks(ROOT)] == codes
            bucket.close()
        raw.close()


def test_remarks_are_findings_of_the_report(tmp_path: "Path") -> None:
    tree = Tree(tmp_path / "tree")
    tree.push(image(b"one"), "a", "v1")
    store = MemoryStore.of(tree)
    store.said = [Remark(code="soft-delete", text="it keeps what is deleted for 9 days")]
    with decided(store) as found:
        assert [(one.code, one.key, one.message) for one in summary.findings(found.inventory)] == [
            ("soft-delete", None, "it keeps what is deleted for 9 days")
        ]
