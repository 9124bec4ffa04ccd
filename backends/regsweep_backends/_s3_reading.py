"""Read objects by requests that are as one of the SDK's was, for a third of the processor's time.

Of the millisecond that `get_object` takes, most goes into what is the same for all objects of a bucket: address,
headers, signing key. So the SDK asks for the first object, and its request is the pattern for those of the others.
What comes back, unless it is an object, is the SDK's to deal with.
"""

import hmac
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import urllib3
from botocore import exceptions
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.response import StreamingBody
from botocore.utils import percent_encode

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_OK: Final = 200
_BEYOND: Final = frozenset({"InvalidRange", "416"})
"""Codes that say that an object ends before."""
_NOTHING: Final = sha256(b"").hexdigest()
"""The hash of a body, of which a GET has none."""
_SIGNED: Final = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]+/[0-9]{8}/([^/,]+)/([^/,]+)/aws4_request, .*")
_TRIES: Final = "amz-sdk-"
"""How headers begin that tell the store of the SDK's tries, and are not signed."""
_PORTS: Final = {"http": ":80", "https": ":443"}
_NEVER: Final = urllib3.Retry(False)  # noqa: FBT003 - as urllib3 writes it


class Answer(NamedTuple):
    """An object that is about to be read.

    Attributes:
        known: whether anything tells how long it should be.
        tries: how often it had to be asked for again.
    """

    body: StreamingBody
    known: bool
    version: str
    tries: int


class Reader:
    """Asks for the objects of a bucket, by the SDK or as it would.

    A request of the SDK's is a pattern only if we sign it as the SDK did, to the last byte. So another way to sign, an
    unusual address, a header that we know nothing of: all that needs no rule here. An answer that is no object, and a
    connection that broke, are given to the SDK as what became of its own first try; so its retries, its redirects and
    its errors are the only ones, and nothing is asked for twice.
    """

    def __init__(
        self, client: "S3Client", credentials: "Credentials | None", bucket: str, sending: Callable[..., None]
    ) -> None:
        """Read by a client; `sending` is called with an event's name before each request that it sends, of any kind."""
        self.client = client
        self._credentials = credentials
        self._bucket = bucket
        self._sending = sending
        self._pattern: _Pattern | None = None
        self._here = threading.local()
        client.meta.events.register("before-send.s3", self._before_send)  # type: ignore[arg-type]  # it may answer
        client.meta.events.register("after-call.s3.GetObject", self._after_call)

    def get(self, path: str) -> Answer:
        """Ask for an object.

        Raises:
            ClientError: the store gives none.
            BotoCoreError: the store did not answer, or there are no credentials.
            HTTPError: of urllib3's, a refusal broke off, which the SDK reads too late to try again.
        """
        came = self._ask(path)
        return came if isinstance(came, Answer) else self._by_the_sdk(path, came)

    def get_more(self, path: str, version: str, start: int, limit: int) -> Answer:
        """Ask for a part of an object of a version; beyond its end for nothing, by the SDK.

        Raises:
            ClientError: the store gives none; a code for a condition that does not hold if the version is another.
            BotoCoreError: the store did not answer, or not with this part.
            HTTPError: as above.
        """
        bucket = self._bucket
        condition: dict[str, Any] = {"IfMatch": version} if version else {}
        try:
            answer = self.client.get_object(
                Bucket=bucket, Key=path, Range=f"bytes={start}-{start + limit - 1}", **condition
            )
        except exceptions.ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _BEYOND:
                raise
            standing = self.client.head_object(Bucket=bucket, Key=path, **condition)
            if standing["ContentLength"] != start:
                raise
            return Answer(StreamingBody(BytesIO(), 0), known=True, version=standing.get("ETag", ""), tries=0)
        finally:
            vars(self._here).clear()
        came = _answer(answer)
        part = answer.get("ContentRange", "")
        if came.known and not part.startswith(f"bytes {start}-"):
            came.body.close()
            raise exceptions.ResponseStreamingError(error="the store gives no parts of objects")
        return came

    def close(self) -> None:
        """Close the connections, of the client too."""
        # They end with whoever is the last to hold them.
        self._pattern = None
        self.client.close()

    def _by_the_sdk(self, path: str, came: AWSResponse | Exception | None) -> Answer:
        here = vars(self._here)
        here.update(path=path, came=came)
        try:
            answer = self.client.get_object(Bucket=self._bucket, Key=path)
        finally:
            here.clear()
        return _answer(answer)

    def _ask(self, path: str) -> Answer | AWSResponse | Exception | None:
        """Ask without the SDK: give the object, another answer, or what broke the connection.

        It is nothing of these where there is no pattern, or the SDK had better ask.
        """
        # Credentials are asked for each time, for the SDK renews those that expire.
        pattern, credentials = self._pattern, self._current()
        if pattern is None or credentials is None:
            return None
        target = pattern.folder + _quoted(path)
        headers = pattern.headers(target, credentials, _now())
        url = pattern.origin + target
        self._sending(event_name="before-send.s3.GetObject")
        try:
            came = pattern.pool.urlopen(
                "GET",
                target,
                headers=headers,
                retries=_NEVER,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
                # As the SDK has it: whoever reads the body looks at its length.
                enforce_content_length=False,
            )
        except urllib3.exceptions.ReadTimeoutError as error:
            return exceptions.ReadTimeoutError(endpoint_url=url, error=error)
        except urllib3.exceptions.ProtocolError as error:
            return exceptions.ConnectionClosedError(endpoint_url=url, error=error)
        except Exception:  # noqa: BLE001 - whatever it is, the SDK meets it too and has a name for it
            self._pattern = None
            return None
        told = came.headers
        if came.status != _OK:
            return _refusal(url, came)
        body = StreamingBody(came, told.get("content-length"))  # type: ignore[arg-type]  # as the SDK makes it
        return Answer(body, "content-length" in told or "transfer-encoding" in told, told.get("etag", ""), 0)

    def _current(self) -> "ReadOnlyCredentials | None":
        if self._credentials is None:
            return None
        try:
            return self._credentials.get_frozen_credentials()
        except Exception:  # noqa: BLE001 - the SDK asks for them too, and has a name for it
            return None

    def _before_send(self, event_name: str, request: AWSPreparedRequest, **more: object) -> AWSResponse | None:
        """Give the SDK what came already, in place of an answer to its request, or let it send that."""
        if event_name.endswith(".GetObject"):
            here = vars(self._here)
            came: AWSResponse | Exception | None = here.pop("came", None)
            if isinstance(came, Exception):
                raise came
            if came is not None:
                return came
            here["request"] = request
        self._sending(event_name=event_name, request=request, **more)
        return None

    def _after_call(self, http_response: AWSResponse, **_: object) -> None:
        """Take the SDK's request for a pattern, if it is one."""
        here = vars(self._here)
        request: AWSPreparedRequest | None = here.get("request")
        if http_response.status_code == _OK and request and self._credentials and "path" in here:
            self._pattern = _pattern(request, http_response, here["path"], self._credentials.get_frozen_credentials())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """What is the same in all requests for a bucket's objects."""

    pool: urllib3.HTTPConnectionPool
    """The SDK's own connections: its certificates, timeouts and options."""
    origin: str
    host: str
    folder: str
    """The path of the address, up to the object's name."""
    agent: str
    region: str
    service: str

    def headers(self, target: str, credentials: "ReadOnlyCredentials", moment: str) -> dict[str, str]:
        """The headers of a request for a target, signed by AWS's version 4."""
        signed = {"host": self.host, "x-amz-content-sha256": _NOTHING, "x-amz-date": moment}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        asked = f"GET\n{target}\n\n{lines}\n{names}\n{_NOTHING}"
        scope = f"{moment[:8]}/{self.region}/{self.service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{sha256(asked.encode()).hexdigest()}"
        key = _signing_key(credentials.secret_key, moment[:8], self.region, self.service)
        sent = {
            "User-Agent": self.agent,
            "X-Amz-Date": moment,
            "X-Amz-Content-SHA256": _NOTHING,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={hmac.digest(key, text.encode(), 'sha256').hex()}",
        }
        return sent | {"X-Amz-Security-Token": credentials.token} if credentials.token else sent


def _pattern(
    request: AWSPreparedRequest, answer: AWSResponse, path: str, credentials: "ReadOnlyCredentials"
) -> _Pattern | None:
    """What can be learnt of a request for an object: nothing, unless we would have sent the very same."""
    sent = {name.lower(): _text(value) for name, value in request.headers.items()}
    signed = _SIGNED.fullmatch(sent.get("authorization", ""))
    parts, name = urlsplit(request.url), _quoted(path)
    pool = getattr(answer.raw, "_pool", None)
    # By way of a proxy the request is another.
    if not signed or not isinstance(pool, urllib3.HTTPConnectionPool) or pool.proxy:
        return None
    found = _Pattern(
        pool=pool,
        origin=f"{parts.scheme}://{parts.netloc}",
        host=parts.netloc.lower().removesuffix(_PORTS.get(parts.scheme, "")),
        folder=parts.path.removesuffix(name),
        agent=sent.get("user-agent", ""),
        region=signed[1],
        service=signed[2],
    )
    headers = found.headers(found.folder + name, credentials, sent.get("x-amz-date", ""))
    ours = {name.lower(): value for name, value in headers.items()}
    theirs = {name: value for name, value in sent.items() if not name.startswith(_TRIES)}
    same = request.method == "GET" and request.url == found.origin + found.folder + name and ours == theirs
    return found if same else None


def _answer(answer: "GetObjectOutputTypeDef") -> Answer:
    about = answer["ResponseMetadata"]
    known = bool({"content-length", "transfer-encoding"} & about["HTTPHeaders"].keys())
    return Answer(answer["Body"], known, answer.get("ETag", ""), about.get("RetryAttempts", 0))


def _refusal(url: str, came: urllib3.BaseHTTPResponse) -> AWSResponse | Exception:
    """An answer that is no object, or what broke it off: the SDK reads it where it would not try again."""
    refusal = AWSResponse(url, came.status, came.headers, came)  # type: ignore[arg-type]  # as the SDK makes it
    try:
        refusal.content  # noqa: B018 - it is read here, and kept
    except urllib3.exceptions.HTTPError as error:
        return exceptions.ConnectionClosedError(endpoint_url=url, error=error)
    return refusal


def _text(value: Any) -> str:  # noqa: ANN401 - the SDK has either
    return str(value, "utf-8") if isinstance(value, bytes) else str(value)


def _quoted(path: str) -> str:
    """An object's name in an address, as the SDK writes it."""
    return str(percent_encode(path, safe="/~"))


def _now() -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


@lru_cache(maxsize=8)
def _signing_key(secret: str, *scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
