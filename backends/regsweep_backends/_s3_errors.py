"""What S3 and its SDK report, as the ports' errors: one line each that names the object and the way out."""

from typing import Final

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from regsweep.errors import DeniedError, NotFoundError, StorageError
from regsweep.registry.layout import printable
from regsweep_backends._objects import NoBucketError

_CREDENTIALS: Final = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "TokenRefreshRequired",
        "ExpiredToken",
        "InvalidSecurity",
    }
)
_DENIED: Final = frozenset(
    {"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden", "UnauthorizedAccess"}
)
_REGION: Final = frozenset(
    {
        "PermanentRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "Redirect",
        "TemporaryRedirect",
        "301",
        "302",
        "307",
    }
)
_ENVIRONMENT: Final = (
    "accesskey and secretkey in config.yml, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
)
CHANGED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
"""Codes that say that a condition does not hold."""
NO_S3: Final = "see regionendpoint: what answers there is no S3"
_LONGEST: Final = 300


def code_of(error: Exception) -> str:
    """The code by which S3 names what went wrong; empty for an error that did not come from there."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def translate(error: ClientError | BotoCoreError, *, key: str, bucket: str) -> StorageError:
    """Turn an SDK's error into the port's: only `NoSuchKey` is "not found"."""
    if isinstance(error, ClientError):
        return _from_code(code_of(error), said(error), key, bucket)
    words = short(str(error))
    if "Invalid header value" in words:
        # It repeats the value, which can be a session token.
        words = "the credentials hold what cannot be sent, such as the end of a line"
    match error:
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
            return DeniedError(f"{bucket}: no credentials for S3 were found", key=key, hint=f"give {_ENVIRONMENT}")
        case exceptions.CredentialRetrievalError() | exceptions.TokenRetrievalError() | exceptions.SSOError():
            return DeniedError(f"{bucket}: credentials cannot be had: {words}", key=key, hint="sign in again")
        case exceptions.SSLError():
            return StorageError(
                f"{bucket}: its certificate is not trusted: {words}",
                key=key,
                hint="name the authority's certificates in AWS_CA_BUNDLE, or set skipverify",
            )
        case exceptions.ConnectionError() | exceptions.ConnectionClosedError() | exceptions.ReadTimeoutError():
            return StorageError(f"{bucket}: cannot be reached: {words}", key=key, hint="see regionendpoint and secure")
        case _:
            return StorageError(f"{key or bucket}: {words}", key=key)


def _from_code(code: str, words: str, key: str, bucket: str) -> StorageError:
    kind: type[StorageError] = StorageError
    hint = ""
    what = f"{key or bucket}: {words}"
    if code == "NoSuchKey":
        kind, what = NotFoundError, f"{key or bucket}: not found"
    elif code == "NoSuchBucket":
        kind, what = NoBucketError, f"{bucket}: there is no such bucket"
        hint = "see its name, region and endpoint"
    elif code in _CREDENTIALS:
        kind, what = DeniedError, f"{bucket}: the credentials are refused: {words}"
        hint = f"see {_ENVIRONMENT}"
    elif code in _DENIED:
        kind = DeniedError
        hint = "the user needs s3:ListBucket, and below the root s3:GetObject, s3:PutObject and s3:DeleteObject"
    elif code in _REGION:
        what = f"{bucket}: is in another region, or behind another endpoint: {words}"
        hint = "give its region: region in config.yml, ?region= in the URL, or AWS_REGION"
    elif code == "RequestTimeTooSkewed":
        hint = "set this machine's clock"
    return kind(what, key=key, hint=hint)


def said(error: ClientError) -> str:
    """What S3 said, in one short line."""
    details = error.response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    return short(f"{message or 'no reason given'} ({code})" if code not in message else message)


def short(text: str) -> str:
    """Make one short line of it that shows on a terminal as it is."""
    return printable(" ".join(text.split()))[:_LONGEST]
