"""What Cloud Storage and its SDK report, as the ports' errors: one line each that names the object and the way out."""

import json
from http import HTTPStatus
from typing import Final

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import InvalidHeader, Timeout

from regsweep.errors import UNREADABLE, DeniedError, StorageError
from regsweep.registry.layout import printable
from regsweep_backends._objects import NoBucketError

_ACCESS: Final = (
    "the account needs storage.objects.list, get, create and delete on the bucket: the role Storage Object User"
)
_SOURCES: Final = (
    "give keyfile or credentials in config.yml, GOOGLE_APPLICATION_CREDENTIALS, or run: "
    "gcloud auth application-default login"
)
_CERTIFICATE: Final = "CERTIFICATE_VERIFY_FAILED"
_LONGEST: Final = 300


def no_bucket(*, key: str, bucket: str) -> NoBucketError:
    """The error for a bucket that is not there."""
    return NoBucketError(f"{bucket}: there is no such bucket", key=key, hint="see its name in the URL or in config.yml")


def refused(status: int, said: str, *, key: str, bucket: str) -> StorageError:
    """The error for an answer that is not what was asked for; what a 404 means is for the caller to find out."""
    if status == HTTPStatus.UNAUTHORIZED:
        return DeniedError(f"{bucket}: the credentials are refused: {said}", key=key, hint=_SOURCES)
    if status == HTTPStatus.FORBIDDEN:
        return DeniedError(f"{key or bucket}: {said}", key=key, hint=_ACCESS)
    return StorageError(f"{key or bucket}: {said}", key=key)


def translate(error: Exception, *, key: str, bucket: str) -> StorageError:
    """Turn what sending a request raised into the port's error: none of it is "not found"."""
    said = short(str(_reason(error)))
    match error:
        case RetryError(cause=Exception() as cause):
            found = translate(cause, key=key, bucket=bucket)
        case GoogleAPICallError():
            found = refused(error.code or 0, short(str(error.message)), key=key, bucket=bucket)
        case DefaultCredentialsError():
            found = DeniedError(f"{bucket}: no credentials for Google Cloud: {said}", key=key, hint=_SOURCES)
        case _ if untrusted(error):
            hint = "name the authority's certificates in REQUESTS_CA_BUNDLE"
            found = StorageError(f"{bucket}: its certificate is not trusted: {said}", key=key, hint=hint)
        case TransportError() | NoConnection() | Timeout():
            hint = "see STORAGE_EMULATOR_HOST and HTTPS_PROXY"
            found = StorageError(f"{bucket}: cannot be reached: {said}", key=key, hint=hint)
        case GoogleAuthError():
            found = DeniedError(f"{bucket}: the credentials are refused: {said}", key=key, hint=_SOURCES)
        case OSError() if not isinstance(error, InvalidHeader):
            found = StorageError(f"{key or bucket}: {said}", key=key)
        case _:
            # Not with its words, in which a token may stand that cannot be sent.
            found = StorageError(
                f"{bucket}: no sense in an answer, or in the credentials: {type(error).__name__}", key=key
            )
    return found


def untrusted(error: Exception) -> bool:
    """Whether it is the server's certificate that is wrong, which no other try changes."""
    return _CERTIFICATE in str(error)


def what_it_says(status: int, body: bytes) -> str:
    """The reason that an answer gives, as one line: JSON with a message, or plain text; a front end's page has none."""
    try:
        message = json.loads(body)["error"]["message"]
    except (*UNREADABLE, LookupError, TypeError):
        text = body.decode(errors="replace")
        message = "" if text.lstrip().startswith("<") else text
    line = short(str(message))
    try:
        known = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        known = str(status)
    return line or f"HTTP {known}"


def short(text: str) -> str:
    """One line of bounded length that a terminal can show."""
    return printable(" ".join(text.split()))[:_LONGEST]


def _reason(error: BaseException) -> object:
    """What is at the bottom of errors that wrap each other and repeat the whole URL each time."""
    inner = getattr(error, "reason", None) or next(iter(error.args), None)
    return _reason(inner) if isinstance(inner, BaseException) else inner or error
