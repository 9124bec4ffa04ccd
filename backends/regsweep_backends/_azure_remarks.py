"""What an account and a container do with what is deleted: asked once, for the report."""

from collections.abc import Callable, Iterator
from typing import Any

from regsweep.errors import StorageError
from regsweep.storage.ports import Remark, Request
from regsweep_backends._azure_service import Service
from regsweep_backends._remarks import UNTIL_A_RULE, soft_delete, versions_kept


def remarks(service: Service, keeps_versions: Callable[[], bool]) -> Iterator[Remark]:
    """See `Bucket.remarks`."""

    def of_account() -> dict[str, Any]:
        with service.client._get_blob_service_client() as client:  # noqa: SLF001 - of the same credentials
            return client.get_service_properties()

    try:
        versions = keeps_versions()
        kept = service.asked(of_account, "", Request.READ)["delete_retention_policy"]
        own = service.asked(service.client.get_container_properties, "", Request.READ)
    except StorageError as error:
        yield Remark(code="untold", text=f"whether it keeps what is deleted cannot be told: {error.message}")
        return
    if versions:
        yield versions_kept("container", UNTIL_A_RULE)
    if kept.enabled:
        yield soft_delete("account", kept.days)
    if own.has_immutability_policy or own.has_legal_hold:
        yield Remark(
            code="object-lock",
            text="the container has an immutability policy or a legal hold: what it covers cannot be deleted",
        )
