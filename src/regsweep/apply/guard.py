"""Proof that no registry writes to the storage: by asking each one, or by the user's word."""

import base64
import re
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3.util import Url, parse_url

from regsweep.apply.credentials import PASSWORD_VARIABLE, Credentials, find_credentials
from regsweep.errors import RefusedError, UsageError

REPLICAS: Final = 5
"""How often each URL is asked at first, each time on a connection of its own: a balancer may lead to several."""

_PROBE: Final = "/v2/regsweep/read-only-probe/blobs/uploads/"
_READ_ONLY: Final = 405
_READING: Final = {"GET", "HEAD"}
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_TIMEOUT: Final = urllib3.Timeout(connect=10.0, read=30.0)
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')


class UsersWord:
    """The user says that no registry runs."""

    def check(self) -> None:
        """Take it as said."""


class RegistriesReadOnly:
    """Registries that are asked whether they are in read-only mode.

    The question is a DELETE of an upload without naming one, which changes nothing in any mode: in read-only mode
    distribution takes no such method there and answers 405, in any other it knows no such upload and answers 404
    (`blobUploadDispatcher` in its registry/handlers/blobupload.go; seen with 2.8.2, also with deletes disabled). A 405
    counts only with the header that distribution puts on every answer and with the methods that it allows then, for
    something before the registry could have given it.

    Raises:
        UsageError: a URL or its credentials make no sense.
    """

    def __init__(
        self, urls: Sequence[str], *, user: str | None, ca_file: Path | None, environment: Mapping[str, str]
    ) -> None:
        context = ssl.create_default_context()
        if ca_file:
            try:
                context.load_verify_locations(ca_file)
            except OSError as error:
                raise UsageError(f"{ca_file}: holds no certificates that can be read: {error.strerror}") from None
        self._registries = [_Registry(_checked(url), find_credentials(url, user, environment), context) for url in urls]
        self._times = REPLICAS

    def check(self) -> None:
        """Ask each registry, the first time often enough to meet its replicas.

        Raises:
            RefusedError: one is writable, is no registry, wants other credentials or does not answer.
        """
        for registry in self._registries:
            for _ in range(self._times):
                registry.check()
        self._times = 1


class _Registry:
    def __init__(self, url: str, credentials: Credentials | None, context: ssl.SSLContext) -> None:
        self._url = url
        self._credentials = credentials
        self._context = context
        self._authorization: dict[str, str] = {}

    def check(self) -> None:
        # A pool of its own each time, and with it a connection.
        with urllib3.PoolManager(ssl_context=self._context, timeout=_TIMEOUT, retries=False) as pool:
            answer = self._ask(pool)
            if answer.status == _UNAUTHORIZED and self._credentials:
                self._authorization = self._authorize(pool, answer.headers.get("WWW-Authenticate", ""))
                answer = self._ask(pool)
        self._judge(answer)

    def _ask(self, pool: urllib3.PoolManager) -> urllib3.BaseHTTPResponse:
        return self._request(pool, "DELETE", self._url + _PROBE, self._authorization)

    def _request(
        self, pool: urllib3.PoolManager, method: str, url: str, headers: dict[str, str]
    ) -> urllib3.BaseHTTPResponse:
        try:
            return pool.request(method, url, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise RefusedError(f"{self._url}: does not answer: {_reason(error)}") from None

    def _judge(self, answer: urllib3.BaseHTTPResponse) -> None:
        registry = "registry/2.0" in answer.headers.get("Docker-Distribution-Api-Version", "")
        allowed = {method.strip() for method in answer.headers.get("Allow", "").split(",")}
        if answer.status == _READ_ONLY and registry and allowed == _READING:
            return
        if answer.status == _READ_ONLY:
            raise RefusedError(
                f"{self._url}: answered 405, but not as a registry does: something before it may have",
                hint="give the URL of the registry itself",
            )
        if answer.status in (_UNAUTHORIZED, _FORBIDDEN):
            raise RefusedError(
                f"{self._url}: {'does not take these' if self._credentials else 'wants'} credentials",
                hint=f"give --registry-user NAME, with the right to push, and the password in {PASSWORD_VARIABLE}",
            )
        if 300 <= answer.status < 400:  # noqa: PLR2004 - redirects, by RFC 9110
            raise RefusedError(
                f"{self._url}: redirects to {_place(answer.headers.get('Location', ''))}",
                hint="give the URL of the registry itself",
            )
        if not registry:
            raise RefusedError(f"{self._url}: is no registry: it answered {answer.status}")
        raise RefusedError(
            f"{self._url}: is not in read-only mode: it answered {answer.status}",
            hint="set storage.maintenance.readonly.enabled: true in its config.yml and restart it",
        )

    def _authorize(self, pool: urllib3.PoolManager, challenge: str) -> dict[str, str]:
        """The header that answers a challenge, Basic or Bearer (distribution's docs/spec/auth/token.md)."""
        if self._credentials is None:
            return {}
        # Docker sends UTF-8, which urllib3's own helper would not.
        pair = f"{self._credentials.user}:{self._credentials.password}".encode()
        basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() != "bearer":
            return basic
        fields = dict(_CHALLENGE.findall(rest))
        realm = fields.get("realm", "")
        place = _place(realm)
        if not realm.startswith("https://") and not (realm.startswith("http://") and self._url.startswith("http://")):
            raise RefusedError(f"{self._url}: wants the password sent to {place}, unencrypted")
        query = {name: fields[name] for name in ("service", "scope") if name in fields}
        try:
            answer = pool.request("GET", realm, fields=query, headers=basic, redirect=False)
            document = answer.json() if answer.status == 200 else {}  # noqa: PLR2004 - OK
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise RefusedError(f"{place}: gives no token: {_reason(error)}") from None
        token = document.get("token") or document.get("access_token") if isinstance(document, dict) else None
        if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            return {}
        return {"Authorization": f"Bearer {token}"}


def _checked(url: str) -> str:
    if "@" in url:
        raise UsageError(
            "--registry: takes no name and no password in its URL",
            hint=f"give --registry-user NAME, and the password in {PASSWORD_VARIABLE}",
        )
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(f"--registry {url}: is no URL of a registry", hint="write https://host or http://host:5000")
    return url.rstrip("/").removesuffix("/v2")


def _place(url: str) -> str:
    """Where a URL leads, without what may be secret in it."""
    try:
        target = parse_url(url)
    except urllib3.exceptions.LocationParseError:
        return "nowhere that makes sense"
    return str(Url(scheme=target.scheme, host=target.host, port=target.port))


def _reason(error: Exception) -> str:
    """The last part of what urllib3 says, without the object's address."""
    return re.sub(r"<[^>]*>: ?", "", str(error)).partition("\n")[0]
