"""A client of boto3's for one store: configured as the registry's config.yml says, with hooks of our own."""

import base64
from hashlib import md5
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import boto3
import botocore.session
import urllib3
from botocore import handlers
from botocore.config import Config

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


def make_session(parameters: Parameters) -> boto3.Session:
    """Make a session of the credentials and the region that the parameters have, or else the environment."""
    session = botocore.session.get_session()
    session.register_component("data_loader", models(session.get_config_variable("data_path")))
    return boto3.Session(
        botocore_session=session,
        aws_access_key_id=parameters.text("accesskey") or None,
        aws_secret_access_key=parameters.text("secretkey") or None,
        aws_session_token=parameters.text("sessiontoken") or None,
        region_name=parameters.text("region") or None,
    )


def make_client(
    session: boto3.Session, parameters: Parameters, endpoint: str | None, *, concurrency: int
) -> "S3Client":
    """Make a client for `endpoint`, or AWS's own.

    Raises:
        UsageError: a parameter makes no sense.
    """
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
    client = session.client(
        "s3",
        endpoint_url=endpoint,
        verify=False if parameters.flag("skipverify") else None,
        config=config,
    )
    _read_pages_first(client)
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
