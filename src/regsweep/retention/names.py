"""Names of repositories, tags and manifests, as users type them."""

from dataclasses import dataclass
from typing import Final

from regsweep.errors import MalformedError, UsageError
from regsweep.registry import layout
from regsweep.registry.digest import Digest

_GLOB: Final = frozenset("*?[{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What a user names: `REPO`, `REPO:TAG` or `REPO@DIGEST`; `REPO` may be a glob for several."""

    repository: str
    tag: str = ""
    digest: Digest | None = None

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else f"@{self.digest}" if self.digest else "")

    @property
    def several(self) -> bool:
        """Whether `repository` is a glob."""
        return not _GLOB.isdisjoint(self.repository)

    @property
    def whole(self) -> bool:
        """Whether it names a repository itself."""
        return not self.tag and self.digest is None


def parse_name(text: str) -> Name:
    """Read a name as a user types it.

    Raises:
        UsageError: no registry has such a name.
    """
    repository, at, digits = text.partition("@")
    tag = ""
    if not at:
        repository, colon, tag = text.partition(":")
        if colon and not layout.is_tag(tag):
            raise _no_name(text)
    try:
        digest = Digest.parse(digits) if at else None
    except MalformedError as error:
        raise UsageError(
            f"{layout.printable(text)}: {error.detail}", hint="write REPO@sha256:<64 hex digits>"
        ) from None
    name = Name(repository=repository, tag=tag, digest=digest)
    if not (name.several or layout.is_repository(repository)):
        raise _no_name(text)
    return name


def _no_name(text: str) -> UsageError:
    return UsageError(
        f"{layout.printable(text)}: is no name that a registry takes",
        hint="write REPO, REPO:TAG or REPO@DIGEST, without the registry's host",
    )
