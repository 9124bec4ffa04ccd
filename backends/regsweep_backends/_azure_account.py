"""Where a container is and as whom to go there: from config.yml's parameters, else from the environment."""

import base64
import binascii
import logging
import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import ContainerClient
from requests.adapters import HTTPAdapter

from regsweep.errors import UsageError
from regsweep_backends._parameters import Parameters

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

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

        service = _service(parameters.text("serviceurl"))
        self.name = parameters.text("accountname")
        self._connection = parameters.text("connectionstring")
        self._key = parameters.text("accountkey") if self._type in ("", "shared_key") else ""
        if not (self._connection or self._key or self._type or service):
            offered = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
            self._connection = offered if self.name in ("", _account_of(offered)) else ""
        if self._connection:
            self.name = self.name or _account_of(self._connection)
        else:
            self._complete(needs_name=not service)
        if self._key:
            self._check_key()
        realm = parameters.text("realm") or _REALM
        self._url = service or f"https://{self.name}.blob.{realm}"
        if not (self._connection or self._key or self._url.startswith("https://")):
            raise UsageError(
                "azure: there is no accountkey, and to sign in otherwise serviceurl must be https://",
                hint="set accountkey in config.yml, or set AZURE_STORAGE_KEY",
            )

    def client(self, container: str, connections: int) -> ContainerClient:
        """A client that makes each request once, over so many connections at most.

        Raises:
            UsageError: the connection string makes no sense.
        """
        session = requests.Session()
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(pool_connections=2, pool_maxsize=connections))
        if self._skip_verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        transport = RequestsTransport(
            session=session, connection_timeout=10, read_timeout=60, connection_verify=not self._skip_verify
        )
        options: Any = {"transport": transport, "retry_total": 0, "api_version": _API, "user_agent": "regsweep"}
        if not self._connection:
            return ContainerClient(self._url, container, credential=self._credential(), **options)
        try:
            return ContainerClient.from_connection_string(self._connection, container, **options)
        except ValueError as error:
            # Not with the SDK's words, which may repeat what is secret.
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


def _account_of(connection: str) -> str:
    """The account that a connection string names."""
    fields = dict(part.partition("=")[::2] for part in connection.split(";"))
    return next((value.strip() for name, value in fields.items() if name.strip().lower() == "accountname"), "")
