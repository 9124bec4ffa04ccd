"""What Azure and its SDK report, as the ports' errors: one line each that names the object and the way out."""

import re
from enum import Enum
from http import HTTPStatus
from typing import Final

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from urllib3.exceptions import HTTPError

from regsweep.errors import DeniedError, NotFoundError, StorageError
from regsweep.registry.layout import printable
from regsweep_backends._http import STRAY
from regsweep_backends._objects import NoBucketError

SDK_ERRORS: Final = (AzureError, *STRAY)
"""What the SDK raises."""

_CREDENTIALS: Final = frozenset(
    {
        "AuthenticationFailed",
        "InvalidAuthenticationInfo",
        "NoAuthenticationInformation",
        "AccountIsDisabled",
        "KeyBasedAuthenticationNotPermitted",
        "PublicAccessNotPermitted",
    }
)
_NO_CONTAINER: Final = frozenset({"ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"})
_UNKNOWN: Final = frozenset({"FeatureNotYetSupportedForHierarchicalNamespaceAccounts"})
_ENVIRONMENT: Final = (
    "accountname and accountkey, credentials or connectionstring in config.yml, AZURE_STORAGE_CONNECTION_STRING, "
    "AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, or sign in as azure-identity knows it"
)
_ROLE: Final = "the user needs the role Storage Blob Data Contributor on the container, and a way through its firewall"
_LONGEST: Final = 300
_system: Final = re.compile(r"\[Errno -?\d+\] ([\w ,-]+)").search


class ExistsError(StorageError):
    """There is such a blob already."""


class ChangedError(StorageError):
    """The blob is not of the version that was asked for."""


class KeptError(StorageError):
    """The blob cannot be deleted, whoever asks."""


class RejectedError(StorageError):
    """The service does not do what was asked for, and that is not for the blob's sake."""


class UnknownError(RejectedError):
    """The account does not know what was asked for."""


_OF_A_BLOB: Final[dict[str, tuple[type[StorageError], str]]] = {
    "BlobNotFound": (NotFoundError, "not found"),
    "BlobAlreadyExists": (ExistsError, "exists already"),
    "ConditionNotMet": (ChangedError, "changed since it was listed"),
    # A version that is the current one, or is again.
    "OperationNotAllowedOnRootBlob": (ChangedError, "changed since it was listed"),
    "LeaseIdMissing": (KeptError, "somebody holds a lease on it"),
    "SnapshotsPresent": (KeptError, "it has snapshots, which would go with it"),
    "BlobImmutableDueToPolicy": (KeptError, "an immutability policy or a legal hold keeps it"),
}
"""What the service says of a blob, by its code: `BlobNotFound` alone means absent."""


def transient(status: int) -> bool:
    """Whether an answer of this status may be another one soon."""
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS):
        return True
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in (
        HTTPStatus.NOT_IMPLEMENTED,
        HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
    )


def throttles(error: Exception) -> bool:
    """Whether the service asks for fewer requests."""
    return isinstance(error, HttpResponseError) and transient(error.status_code or 0)


def passes(error: Exception) -> bool:
    """Whether the same request may succeed if it is made again."""
    if isinstance(error, ServiceRequestError):
        return not _untrusted(error)
    if isinstance(error, ClientAuthenticationError):
        return False
    if isinstance(error, HttpResponseError) and not isinstance(error, IncompleteReadError):
        # Without a status it is a connection that broke while the answer came.
        return error.status_code is None or throttles(error)
    return isinstance(error, IncompleteReadError | ServiceResponseError | HTTPError)


def translate(error: Exception, *, key: str, container: str) -> StorageError:
    """Turn an SDK's error into the port's: only `BlobNotFound` is "not found"."""
    if isinstance(error, HttpResponseError):
        status, code = error.status_code, _code(error)
        if status and (code or not isinstance(error, ClientAuthenticationError)):
            return refusal(status, code, error.message, key=key, container=container)
        if isinstance(error, ClientAuthenticationError):
            # An identity's, not the storage's; those of all identities together are longer than a line.
            said = _first_line(error.message)
            found = not said.startswith("DefaultAzureCredential failed")
            what = f"the credentials are refused: {said}" if found else "no credentials for Azure were found"
            return DeniedError(f"{container}: {what}", key=key, hint=f"give {_ENVIRONMENT}")
    if _untrusted(error):
        return StorageError(
            f"{container}: its certificate is not trusted",
            key=key,
            hint="name the authority's certificates in REQUESTS_CA_BUNDLE, or set skipverify",
        )
    if isinstance(error, ServiceRequestError | ServiceResponseError | HTTPError):
        return StorageError(
            f"{container}: cannot be reached: {_cause(error)}",
            key=key,
            hint="see accountname, realm and serviceurl",
        )
    return StorageError(f"{key or container}: no sense in the answer, or no end: {_cause(error)}", key=key)


def refusal(status: int, code: str, said: str, *, key: str, container: str) -> StorageError:
    """The error for an answer by its status and code, and what it says beyond that."""
    what = f"{_first_line(said) or 'no reason given'} ({code or status})"
    if code in _OF_A_BLOB:
        told, text = _OF_A_BLOB[code]
        if told is not NotFoundError or status == HTTPStatus.NOT_FOUND:
            return told(f"{key}: {text}", key=key)
    if code in _NO_CONTAINER:
        return NoBucketError(
            f"{container}: there is no such container", key=key, hint="see its name, accountname and serviceurl"
        )
    if code in _CREDENTIALS or "failed to authenticate" in said:
        return DeniedError(f"{container}: the credentials are refused: {what}", key=key, hint=f"see {_ENVIRONMENT}")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return DeniedError(f"{key or container}: {what}", key=key, hint=_ROLE)
    kind = StorageError if transient(status) else UnknownError if code in _UNKNOWN else RejectedError
    return kind(f"{key or container}: {what}", key=key)


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)
    return str(code.value if isinstance(code, Enum) else code or "")


def _untrusted(error: Exception) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _cause(error: Exception) -> str:
    """What is at the root of it. Never the whole text, in which a URL may stand with a signature in it."""
    text = str(error)
    if found := _system(text):
        return found[1]
    if "timed out" in text.lower():
        return "timed out"
    inner = getattr(error, "inner_exception", None) or error
    return type(inner).__name__


def _first_line(text: object) -> str:
    """The service's own words, without the request's number and time, which follow on lines of their own."""
    lines = str(text).strip().splitlines()
    return printable(" ".join(lines[0].split()))[:_LONGEST] if lines else ""
