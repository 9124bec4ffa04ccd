"""Where a container is and as whom to go there: from config.yml's parameters, else from the environment."""

import base64
import binascii
import logging
import os
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import ContainerClient

from regsweep.errors import UsageError
from regsweep_backends._http import WholeAnswers
from regsweep_backends._parameters import Parameters

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_bare: Final = re.compile(
    r"(?:[a-z0-9-]+:\d+|localhost|(?:[a-z0-9-]+\.)+[a-z0-9-]+(?::\d+)?)(?:/[^?#]*)?", re.IGNORECASE
).fullmatch
"""An address without its scheme. A key in its place, which is not to be told, has no dot."""
_REALM: Final = "core.windows.net"
_API: Final = "2021-12-02"
"""The version of Azure's protocol to speak, and not whatever the SDK's newest is: the answers to it are known here, and
Azure Stack and emulators have it too."""
_TYPES: Final = ("client_secret", "shared_key", "default_credentials")
_HINT: Final = (
    "set accountname in config.yml or the URL, or one of AZURE_STORAGE_CONNECTION_STRING and AZURE_STORAGE_ACCOUNT"
)

# What the SDK has to say comes as an error; without a handler of their own its warnings would go to the terminal.
logging.getLogger("azure").addHandler(logging.NullHandler())
logging.getLogger("msal").addHandler(logging.NullHandler())


class Account:
    """A storage account and the credentials to it.

    The parameters of the registry go first: `connectionstring`, else `accountname` with `credentials` or `accountkey`.
    What they leave open comes from AZURE_STORAGE_CONNECTION_STRING, if that is of this account, else from
    AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, else from whatever DefaultAzureCredential finds.

    Attributes:
        name: the account, which a connection string need not tell.
        service: the address of its service, where that does not follow from the name.
        realm: the cloud that it is in, where that is not Azure's own.
    """

    def __init__(self, parameters: Parameters) -> None:
        """Choose among what is given, and check it.

        Raises:
            UsageError: it makes no sense, or is not enough.
        """
        credentials = Parameters("azure", parameters.table("credentials"))
        self._type = credentials.text("type")
        if self._type and self._type not in _TYPES:
            raise UsageError(f"azure: credentials.type is {self._type!r}", hint=f"it is one of {', '.join(_TYPES)}")
        self._tenant = credentials.text("tenantid")
        self._user = credentials.text("clientid")
        self._secret = credentials.text("secret")
        if self._type == "client_secret" and not (self._tenant and self._user and self._secret):
            raise UsageError("azure: credentials of type client_secret need tenantid, clientid and secret")
        self._skip_verify = parameters.flag("skipverify") is True

        service, realm = _service(parameters.text("serviceurl")), parameters.text("realm")
        self.name = parameters.text("accountname")
        self._connection = parameters.text("connectionstring")
        self._key = parameters.text("accountkey") if self._type in ("", "shared_key") else ""
        if not (self._connection or self._key or self._type):
            offered = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
            fits = zip((self.name, service, realm), _place_of(offered), strict=True)
            self._connection = offered if all(given in ("", its) for given, its in fits) else ""
        if self._connection:
            name, service, realm = _place_of(self._connection)
            if self.name and name not in ("", self.name):
                raise UsageError(
                    f"azure: accountname is {self.name}, and the connection string is of {name}", hint="leave out one"
                )
            self.name = self.name or name
        else:
            self._complete(needs_name=not service)
        if self._key:
            self._check_key()
        self.service = service
        self.realm = "" if realm == _REALM else realm
        self._url = service or f"https://{self.name}.blob.{realm or _REALM}"
        if not (self._connection or self._key or self._url.startswith("https://")):
            raise UsageError(
                "azure: there is no accountkey, and to sign in otherwise serviceurl must be https://",
                hint="set accountkey in config.yml, or set AZURE_STORAGE_KEY",
            )

    def client(self, container: str, connections: int) -> ContainerClient:
        """A client that makes each request once, over so many connections at most.

        Raises:
            UsageError: the connection string makes no sense, or another parameter.
        """
        session = requests.Session()
        for scheme in ("https://", "http://"):
            session.mount(scheme, WholeAnswers(pool_connections=2, pool_maxsize=connections))
        if self._skip_verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        transport = RequestsTransport(
            session=session, connection_timeout=10, read_timeout=60, connection_verify=not self._skip_verify
        )
        options: Any = {"transport": transport, "retry_total": 0, "api_version": _API, "user_agent": "regsweep"}
        # Not with the SDK's words, which may repeat what is secret.
        try:
            if not self._connection:
                return ContainerClient(self._url, container, credential=self._credential(), **options)
            return ContainerClient.from_connection_string(self._connection, container, **options)
        except ValueError as error:
            if not self._connection:
                raise UsageError(
                    "azure: the SDK takes the parameters for none", hint="see accountname, realm, serviceurl, tenantid"
                ) from error
            raise UsageError(
                "azure: the connection string makes no sense", hint="copy it anew from the account's access keys"
            ) from error

    def _credential(self) -> "AzureNamedKeyCredential | TokenCredential":
        if self._key:
            return AzureNamedKeyCredential(self.name, self._key)
        # Here, for it takes long to import and few need it.
        from azure.identity import ClientSecretCredential, DefaultAzureCredential  # noqa: PLC0415

        if self._type == "client_secret":
            return ClientSecretCredential(self._tenant, self._user, self._secret)
        return DefaultAzureCredential()

    def _complete(self, *, needs_name: bool) -> None:
        """Take from the environment what was not given."""
        account = os.environ.get("AZURE_STORAGE_ACCOUNT", "")
        self.name = self.name or account
        if needs_name and not self.name:
            raise UsageError("azure: accountname is missing", hint=_HINT)
        if self._type in ("", "shared_key") and not self._key and account in ("", self.name):
            self._key = os.environ.get("AZURE_STORAGE_KEY", "")
        if self._type == "shared_key" and not self._key:
            raise UsageError("azure: accountkey is missing", hint="set it in config.yml, or set AZURE_STORAGE_KEY")

    def _check_key(self) -> None:
        if not self.name:
            raise UsageError("azure: accountname is missing, to which the accountkey belongs", hint=_HINT)
        try:
            base64.b64decode(self._key, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UsageError("azure: the accountkey is none: it is not in base64") from error


def _service(url: str) -> str:
    """The address of a blob service, if it is one.

    Raises:
        UsageError: it is not.
    """
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
        raise UsageError("azure: serviceurl is no address of a service", hint="write https://host")
    if parts.query or parts.fragment:
        raise UsageError(
            "azure: serviceurl has more than an address in it",
            hint="a shared access signature belongs into a connection string",
        )
    return url.rstrip("/")


def _place_of(connection: str) -> tuple[str, str, str]:
    """The account, the address of its service and the realm that a connection string names, and nothing secret."""
    parts = (part.partition("=") for part in connection.split(";"))
    fields = {name.strip().lower(): value.strip() for name, _, value in parts}
    name, realm = fields.get("accountname", ""), fields.get("endpointsuffix", _REALM)
    endpoint = fields.get("blobendpoint", "")
    if _bare(endpoint):
        # As the SDK does.
        endpoint = f"https://{endpoint}"
    try:
        address = urlsplit(endpoint)
    except ValueError:
        return name, "", realm
    host = address.netloc.rpartition("@")[2]
    return name, f"{address.scheme}://{host}{address.path}".rstrip("/") if host else "", realm
