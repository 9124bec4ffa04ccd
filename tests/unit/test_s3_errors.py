"""What S3 and its SDK report, as one line for people, in the port's terms."""

from typing import Final

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from regsweep.errors import DeniedError, NotFoundError, StorageError
from regsweep_backends._objects import NoBucketError
from regsweep_backends._s3_errors import code_of, translate

KEY: Final = "docker/registry/v2/blobs/sha256/00/x/data"
BUCKET: Final = "s3://registries"
CODES: Final = [
    "AccessDenied",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InternalError",
    "InvalidAccessKeyId",
    "InvalidObjectState",
    "InvalidToken",
    "MethodNotAllowed",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "NoSuchVersion",
    "NotImplemented",
    "PermanentRedirect",
    "PreconditionFailed",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "SlowDown",
    "404",
    "403",
    "301",
    "412",
    "500",
    "Unknown",
    "",
]


def client_error(code: str, message: str = "What S3 says", **details: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message, **details}}, "GetObject")  # type: ignore[typeddict-item]


def translated(error: ClientError | BotoCoreError, key: str = KEY) -> StorageError:
    return translate(error, key=key, bucket=BUCKET)


OTHERS: Final[list[BotoCoreError]] = [
    exceptions.NoCredentialsError(),
    exceptions.PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"),
    exceptions.CredentialRetrievalError(provider="process", error_msg="it said\nmany\nlines"),
    exceptions.TokenRetrievalError(provider="sso", error_msg="expired"),
    exceptions.SSOTokenLoadError(error_msg="none"),
    exceptions.SSLError(endpoint_url="https://h/", error=ValueError("self-signed certificate")),
    exceptions.EndpointConnectionError(endpoint_url="http://h:1/"),
    exceptions.ConnectTimeoutError(endpoint_url="http://h:1/"),
    exceptions.ProxyConnectionError(proxy_url="http://p/"),
    exceptions.ReadTimeoutError(endpoint_url="http://h:1/"),
    exceptions.ConnectionClosedError(endpoint_url="http://h:1/"),
    exceptions.ResponseStreamingError(error="cut off\nthere"),
    exceptions.HTTPClientError(error="something\x1b[31m"),
    exceptions.ParamValidationError(report="one\ntwo"),
    exceptions.NoRegionError(),
    exceptions.InvalidRegionError(region_name="no region"),
    exceptions.ProfileNotFound(profile="nobody"),
    exceptions.ConfigParseError(path="config"),
    exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    BotoCoreError(),
]


@pytest.mark.parametrize("code", CODES)
def test_only_no_such_key_is_not_found(code: str) -> None:
    assert isinstance(translated(client_error(code)), NotFoundError) is (code == "NoSuchKey")


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: type(error).__name__)
def test_no_failure_of_the_sdk_is_not_found(error: BotoCoreError) -> None:
    found = translated(error)
    assert not isinstance(found, NotFoundError | NoBucketError)
    assert found.key == KEY


def test_a_bucket_that_does_not_exist_is_no_key_that_is_not_found() -> None:
    found = translated(client_error("NoSuchBucket"))
    assert isinstance(found, NoBucketError)
    assert not isinstance(found, NotFoundError)
    assert BUCKET in found.message
    assert found.hint


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("key", [KEY, ""])
def test_each_code_gives_one_short_line_that_names_the_object(code: str, key: str) -> None:
    found = translated(client_error(code, "first\r\n second\x1b[2J\u202e" + "x" * 5000), key)
    assert found.message.isprintable()
    assert len(found.message) < 600
    assert BUCKET in found.message or (key and key in found.message)
    assert found.key == key


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("key", [KEY, ""])
def test_each_failure_of_the_sdk_gives_one_short_line_that_names_the_object(error: BotoCoreError, key: str) -> None:
    found = translated(error, key)
    assert found.message.isprintable()
    assert len(found.message) < 600
    assert BUCKET in found.message or (key and key in found.message)


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("AccessDenied", "s3:DeleteObject"),
        ("403", "s3:ListBucket"),
        ("InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", "secretkey"),
        ("ExpiredToken", "AWS_PROFILE"),
    ],
)
def test_what_is_denied_is_a_denial_with_what_is_needed(code: str, hint: str) -> None:
    found = translated(client_error(code))
    assert isinstance(found, DeniedError)
    assert hint in found.hint


@pytest.mark.parametrize("error", OTHERS[:5], ids=lambda error: type(error).__name__)
def test_credentials_that_cannot_be_had_are_a_denial(error: BotoCoreError) -> None:
    found = translated(error)
    assert isinstance(found, DeniedError)
    assert found.hint


@pytest.mark.parametrize("code", ["PermanentRedirect", "301", "AuthorizationHeaderMalformed"])
def test_another_region_is_told_from_a_denial(code: str) -> None:
    found = translated(client_error(code))
    assert not isinstance(found, DeniedError)
    assert "AWS_REGION" in found.hint


def test_a_clock_that_is_wrong_is_named() -> None:
    assert "clock" in translated(client_error("RequestTimeTooSkewed")).hint


@pytest.mark.parametrize("code", [code for code in CODES if code not in ("NoSuchKey", "NoSuchBucket")])
def test_what_s3_said_is_told(code: str) -> None:
    found = translated(client_error(code, "The very words"))
    assert "The very words" in found.message
    assert code in found.message


def test_what_s3_said_nothing_about_is_told_by_its_code() -> None:
    assert "Teapot" in translated(client_error("Teapot", "")).message
    assert translated(ClientError({}, "GetObject")).message.startswith(KEY)


@pytest.mark.parametrize("code", CODES)
def test_what_s3_repeats_of_a_request_beside_its_message_is_never_told(code: str) -> None:
    error = client_error(
        code,
        **{
            "AWSAccessKeyId": "AKIDHIDDEN",
            "StringToSign": "AWS4-HMAC-SHA256 hidden",
            "SignatureProvided": "hidden",
            "CanonicalRequest": "x-amz-security-token:hidden",
            "Token-0": "hidden",
        },
    )
    found = translated(error)
    assert "hidden" not in (found.message + found.hint).lower()


def test_a_session_token_that_the_sdk_could_not_send_is_not_told() -> None:
    # As http.client puts it when a token from a file still has the end of its line.
    error = exceptions.HTTPClientError(error=ValueError("Invalid header value b'hidden-token\\n'"))
    assert "hidden-token" not in translated(error).message


def test_the_code_is_what_s3_calls_it_and_nothing_for_other_errors() -> None:
    assert code_of(client_error("SlowDown")) == "SlowDown"
    assert code_of(ClientError({}, "GetObject")) == ""
    assert code_of(exceptions.NoCredentialsError()) == ""
    assert code_of(ValueError("x")) == ""
