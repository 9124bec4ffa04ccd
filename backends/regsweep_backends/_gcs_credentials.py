"""The service account that config.yml names: `keyfile`, the path of its key, or `credentials`, the key itself."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from google.auth.exceptions import GoogleAuthError
from google.oauth2 import service_account as accounts

from regsweep.errors import UsageError
from regsweep_backends._parameters import Parameters

_HINT = "it wants the JSON key of a service account"


def service_account(parameters: Parameters, scopes: Sequence[str]) -> accounts.Credentials | None:
    """Credentials from the parameters; `None` where there are none. As in distribution, `keyfile` goes first.

    Raises:
        UsageError: they are no service account's key. The message has nothing of what they hold.
    """
    if path := parameters.text("keyfile"):
        return _from(_read(path), f"keyfile {path}", scopes)
    if key := parameters.table("credentials"):
        return _from(key, "credentials", scopes)
    return None


def _read(path: str) -> Mapping[str, object]:
    try:
        key = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UsageError(f"gcs: keyfile {path}: {error.strerror}") from error
    except (ValueError, RecursionError):
        key = None
    if not isinstance(key, dict):
        raise UsageError(f"gcs: keyfile {path} holds no key", hint=_HINT)
    return key


def _from(key: Mapping[str, object], name: str, scopes: Sequence[str]) -> accounts.Credentials:
    try:
        made: accounts.Credentials = accounts.Credentials.from_service_account_info(key, scopes=scopes)
    except (GoogleAuthError, ValueError, TypeError, AttributeError):
        # Not chained: what the SDK says may repeat what it could not read.
        raise UsageError(f"gcs: {name} cannot be used", hint=_HINT) from None
    return made
