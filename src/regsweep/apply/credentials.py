"""Names and passwords for registries: from the environment, or from where `docker login` leaves them."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from regsweep.errors import UsageError

PASSWORD_VARIABLE: Final = "REGSWEEP_REGISTRY_PASSWORD"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password, which no `repr` shows."""

    user: str
    password: str = field(repr=False)


def find_credentials(url: str, user: str | None, environment: Mapping[str, str]) -> Credentials | None:
    """Find the credentials for a registry, or `None` where it shall be asked without.

    With `user` the password is in the environment's `REGSWEEP_REGISTRY_PASSWORD`; without, both may stand in Docker's
    own `config.json`, in `$DOCKER_CONFIG` or `~/.docker`.

    Raises:
        UsageError: the password is missing, `config.json` is damaged, or keeps this registry's password in a helper
            program.
    """
    if user is not None:
        password = environment.get(PASSWORD_VARIABLE)
        if password is None:
            raise UsageError(
                f"--registry-user {user} has no password", hint=f"put it into the environment: {PASSWORD_VARIABLE}"
            )
        return Credentials(user, password)
    folder = environment.get("DOCKER_CONFIG")
    path = Path(folder) if folder else Path(environment.get("HOME", "/")) / ".docker"
    return _from_docker(path / "config.json", urlsplit(url).netloc)


def _from_docker(path: Path, host: str) -> Credentials | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read: {type(error).__name__}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path}: is no JSON object")
    entries = document.get("auths")
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict) and _host(name) == host and entry.get("auth"):
            return _decoded(str(entry["auth"]), path, host)
    helpers = document.get("credHelpers")
    helper = helpers.get(host) if isinstance(helpers, dict) else None
    known = isinstance(entries, dict) and any(_host(name) == host for name in entries)
    if helper or (document.get("credsStore") and known):
        raise UsageError(
            f"{path}: leaves the password for {host} to a helper program, which regsweep does not start",
            hint=f"give --registry-user NAME, and the password in {PASSWORD_VARIABLE}",
        )
    return None


def _host(name: str) -> str:
    try:
        return urlsplit(name if "://" in name else f"//{name}").netloc
    except ValueError:
        return ""


def _decoded(auth: str, path: Path, host: str) -> Credentials:
    try:
        user, colon, password = base64.b64decode(auth, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = user = password = ""
    if not colon:
        raise UsageError(f"{path}: the credentials for {host} are damaged", hint=f"run docker login {host} again")
    return Credentials(user, password)
