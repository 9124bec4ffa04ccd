"""Content digests, as OCI writes them: `algorithm:hex`."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from regsweep.errors import MalformedError

HEX_LENGTHS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
"""The registered algorithms and their hex digits; the lengths differ, so raw bytes alone name the algorithm."""

_ALGORITHMS: Final = {length // 2: algorithm for algorithm, length in HEX_LENGTHS.items()}

DIGEST_PATTERN: Final = "|".join(f"{algorithm}:[0-9a-f]{{{length}}}" for algorithm, length in HEX_LENGTHS.items())
_DIGEST: Final = re.compile(DIGEST_PATTERN)


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A digest, held as its raw bytes: 32 for sha256, 48 for sha384, 64 for sha512."""

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """Read `algorithm:hex`, lower case, nothing before or after it.

        Raises:
            MalformedError: `text` is not a digest of a registered algorithm.
        """
        if not _DIGEST.fullmatch(text):
            raise MalformedError(f"not a digest: {text[:100]!r}")
        return cls(bytes.fromhex(text.partition(":")[2]))

    @property
    def algorithm(self) -> str:
        """The algorithm's name, as in `sha256:...`."""
        return _ALGORITHMS[len(self.raw)]

    @property
    def hex(self) -> str:
        """The digits, lower case."""
        return self.raw.hex()

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.raw.hex()}"


def verify(content: bytes, digest_hex: str, *, most: int, what: str) -> None:
    """See that what was read of a blob is what its digest names.

    Args:
        content: the blob's bytes, or the first `most + 1` of them.
        digest_hex: the hexadecimal digits of its sha256 digest, lower case.
        most: the bytes that such a blob has at most.
        what: what it should be, in words.

    Raises:
        MalformedError: `content` is too large, or does not hash to its digest.
    """
    if len(content) > most:
        raise MalformedError(f"more than {most} bytes, which no {what} has")
    actual = hashlib.sha256(content).hexdigest()
    if actual != digest_hex:
        raise MalformedError(f"content hashes to sha256:{actual}, not to its digest")
