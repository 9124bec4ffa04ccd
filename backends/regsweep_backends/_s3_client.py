"""A client of the SDK's for one store: configured as the registry's config.yml says, with hooks of our own.

Of boto3 the lower half alone, botocore, which signs, retries and configures: importing the upper, whose transfers and
resources are of no use here, takes as long as asking a near store for a hundred objects.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast
from urllib.parse import urlsplit

import urllib3
from botocore import handlers
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError
from botocore.session import Session

from regsweep.errors import UsageError
from regsweep_backends import _s3_listing
from regsweep_backends._parameters import Parameters
from regsweep_backends._s3_models import models

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ATTEMPTS: Final = 6
"""Tries of each request, the first included."""
PAGE: Final = "regsweep-page"
"""Where an answer to ListObjectsV2 has its `_s3_listing.Page`, if it could be read quickly."""
_WANTED: Final = ("ETag", "Content-Length", "Transfer-Encoding", "x-amz-request-id")
"""The headers of an object's answer that anybody looks at."""
_WITH_A_BODY: Final = frozenset(
    {"ListObjectsV2", "ListObjectVersions", "ListMultipartUploads", "ListParts", "DeleteObjects", "GetBucketVersioning"}
)
"""What is never answered well by nothing: an answer that ends among its headers looks like that."""
_WITHOUT: Final = frozenset({"DeleteObject", "AbortMultipartUpload"})
"""What is answered by the status alone: whatever answers with more, or does not say that there is no more, is no S3."""
_CUT_OFF: Final = b"<Error><Code>CutOff</Code><Message>the answer breaks off</Message></Error>"


def make_session(parameters: Parameters) -> Session:
    """Make a session of the credentials and the region that the parameters have, or else the environment."""
    session = Session()
    session.register_component("data_loader", models(session.get_config_variable("data_path")))
    key, secret, token = (parameters.text(name) for name in ("accesskey", "secretkey", "sessiontoken"))
    if key and secret:
        # One alone counts for nothing, as in distribution (its registry/storage/driver/s3-aws/s3.go, `New`).
        session.set_credentials(key, secret, token or None)
    if region := parameters.text("region"):
        session.set_config_variable("region", region)
    return session


def make_client(session: Session, parameters: Parameters, endpoint: str | None, *, concurrency: int) -> "S3Client":
    """Make a client for `endpoint`, or AWS's own.

    Raises:
        UsageError: a parameter makes no sense, or an address in the environment.
        BotoCoreError: there are no credentials where they should be, or a file of the SDK's makes no sense.
    """
    with _credentials_needed():
        credentials = session.get_credentials()
    if parameters.flag("skipverify"):
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    styled: dict[str, object] = {}
    path_style = parameters.flag("forcepathstyle")
    if path_style is None:
        path_style = True if endpoint else None
    if path_style is not None:
        styled["addressing_style"] = "path" if path_style else "virtual"
    if parameters.flag("accelerate"):
        styled["use_accelerate_endpoint"] = True
    if parameters.flag("usedualstack"):
        styled["use_dualstack_endpoint"] = True
    config = Config(
        s3=styled,  # type: ignore[arg-type]  # the stubs' own type
        signature_version="s3" if parameters.flag("v4auth") is False else None,
        # Not "standard": there all requests of a client share a budget of retries, which a short outage under many
        # requests at once uses up.
        retries={"mode": "legacy", "total_max_attempts": ATTEMPTS},
        # One for each request under way, and for each lane of a listing.
        max_pool_connections=2 * concurrency,
        connect_timeout=10,
        read_timeout=60,
        tcp_keepalive=True,
        # Not every store knows the newer checksums, and each link and manifest is checked by its digest.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="regsweep",
    )
    try:
        client = cast(
            "S3Client",
            session.create_client(
                "s3",
                endpoint_url=endpoint,
                verify=False if parameters.flag("skipverify") else None,
                config=config,
            ),
        )
    except BotoCoreError:
        raise
    except ValueError as error:
        # Not with the SDK's words, which repeat the address, and whoever writes one may write a password into it.
        raise UsageError("s3: the endpoint is no address", hint="see AWS_ENDPOINT_URL: https://host:port") from error
    # It comes before all that takes an answer for whole.
    client.meta.events.register_first("before-parse.s3.*", _notice_the_end)
    _read_pages_first(client)

    def renew(**_: object) -> None:
        with _credentials_needed():
            if credentials:
                credentials.get_frozen_credentials()

    client.meta.events.register_first("before-sign.s3", renew)
    client.meta.events.register_first("before-call.s3.HeadBucket", _not_asked)
    client.meta.events.register_first("before-parse.s3.GetObject", _drop_headers)
    client.meta.events.register("before-sign.s3.DeleteObjects", _add_md5)
    return client


def endpoint_of(parameters: Parameters) -> str | None:
    """The server's address, or `None` for AWS's own.

    Raises:
        UsageError: it is none.
    """
    secure = parameters.flag("secure")
    endpoint = parameters.text("regionendpoint")
    if not endpoint:
        return None
    if "://" not in endpoint:
        endpoint = f"{'http' if secure is False else 'https'}://{endpoint}"
    if not _is_address(endpoint):
        raise UsageError("s3: regionendpoint is no address of a server", hint="write https://host:port")
    return endpoint


def _is_address(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    plain = bool(host) and not any(letter.isspace() for letter in endpoint) and "@" not in parts.netloc
    return plain and parts.scheme in ("http", "https") and port != 0


@contextmanager
def _credentials_needed() -> Iterator[None]:
    """Have one kind of error for credentials that the SDK fails to load or renew, for which it raises all kinds."""
    try:
        yield
    except BotoCoreError:
        raise
    except Exception as error:
        # Others may repeat what they could not read.
        words = str(error) if isinstance(error, RuntimeError | OSError | ClientError) else type(error).__name__
        raise CredentialRetrievalError(provider="the SDK", error_msg=words) from error


def _notice_the_end(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:  # noqa: ANN401 - as below
    """Have an answer tried again that broke off: the SDK does not look at its length, nor for what must be there."""
    body = response_dict["body"]
    if not isinstance(body, bytes) or operation_model.http["method"] == "HEAD":
        return
    headers, name = response_dict["headers"], operation_model.name
    announced = headers.get("Content-Length", "")
    ended = (
        (name in _WITH_A_BODY and not body)
        or (name == "GetBucketVersioning" and b"Versioning" not in body)
        or (name == "PutObject" and "ETag" not in headers)
        or (name in _WITHOUT and (body or not (announced == "0" or "Transfer-Encoding" in headers)))
    )
    well = response_dict["status_code"] == 200  # noqa: PLR2004 - OK
    if (well and ended) or (announced.isdecimal() and len(body) < int(announced)):
        response_dict["status_code"] = 500
        response_dict["body"] = _CUT_OFF


def _not_asked(**_: object) -> NoReturn:
    """Where a store sends on and does not say to which region, the SDK asks for that, is sent on, asks, and so on."""
    nothing: Any = {"ResponseMetadata": {"HTTPHeaders": {}}}
    raise ClientError(nothing, "HeadBucket")


def _read_pages_first(client: "S3Client") -> None:
    """Have pages read before anything else looks at an answer.

    botocore parses every answer of S3's for an error in disguise, which alone takes five times as long as reading a
    page. So its handler goes behind; one by another name, in another version, would only make this slower.
    """
    events = client.meta.events
    disguised = getattr(handlers, "_handle_200_error", None)
    if disguised:
        events.unregister("before-parse.s3.*", disguised)
    events.register_first("before-parse.s3.*", _read_page)
    if disguised:
        events.register_first("before-parse.s3.*", disguised)


def _read_page(
    event_name: str, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """Take a listing's page out of the answer before the SDK parses it, if it is as it should be."""
    if not event_name.endswith(".ListObjectsV2"):
        return
    if response_dict["status_code"] == 200 and (page := _s3_listing.parse(response_dict["body"])):  # noqa: PLR2004 - OK
        customized_response_dict[PAGE] = page
        response_dict["body"] = b"<ListBucketResult/>"


def _drop_headers(response_dict: dict[str, Any], **_: object) -> None:
    """To parse what nobody looks at, a time among it, would take the SDK as long as to sign the request."""
    if response_dict["status_code"] == 200:  # noqa: PLR2004 - OK
        headers = response_dict["headers"]
        response_dict["headers"] = {name: headers[name] for name in _WANTED if name in headers}


def _add_md5(request: Any, **_: object) -> None:  # noqa: ANN401 - botocore has no types
    """Some stores know none of the checksums that came after this one."""
    digest = md5(request.body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode()
