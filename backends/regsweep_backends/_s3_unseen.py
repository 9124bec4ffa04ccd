"""What an S3 bucket holds that no listing of its objects shows: earlier versions, and multipart uploads never ended."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from regsweep.errors import StorageError
from regsweep.storage.ports import State, Unseen
from regsweep_backends._s3_errors import NO_S3, code_of, translate
from regsweep_backends._window import Window

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

VERSION: Final = "version="
"""How the mark of a version begins; its identifier follows. An ETag begins with a quotation mark."""
UPLOAD: Final = "upload="
"""How the mark of a multipart upload begins; its identifier follows."""

UNKNOWN: Final = frozenset({"NotImplemented", "MethodNotAllowed", "UnsupportedOperation"})
"""What a store answers that does not know what it is asked for."""


_ON_UPLOADS: Final = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
_ON_PARTS: Final = {"PartNumberMarker": "NextPartNumberMarker"}
_ON_VERSIONS: Final = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
"""What to ask for the next page with, and where a page says it."""


def unfinished(client: "S3Client", bucket: str, prefix: str, window: Window) -> Iterator[Unseen]:
    """See `Bucket.unfinished`."""

    def size(upload: Mapping[str, Any]) -> int | None:
        wanted = {"Bucket": bucket, "Key": upload["Key"], "UploadId": _identifier(upload, "UploadId")}
        try:
            pages = _pages(client.list_parts, _ON_PARTS, wanted, unknown=True)
            return sum(int(part["Size"]) for page in pages for part in page.get("Parts", []))
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                # Ended since it was listed.
                return None
            raise

    with _translated(bucket, prefix):
        wanted = {"Bucket": bucket, "Prefix": prefix}
        for page in _pages(client.list_multipart_uploads, _ON_UPLOADS, wanted, unknown=True):
            listed = _below(prefix, page.get("Uploads", []))
            found = [
                (upload, parts)
                for upload, parts in zip(listed, window.each(size, listed), strict=True)
                if parts is not None
            ]
            yield Unseen(
                keys=[upload["Key"] for upload, _ in found],
                sizes=[parts for _, parts in found],
                modified=[_microseconds(upload["Initiated"]) for upload, _ in found],
                versions=[UPLOAD + upload["UploadId"] for upload, _ in found],
            )


def versioning(client: "S3Client", bucket: str) -> str:
    """Whether versions are kept: `Enabled`, `Suspended`, or nothing where they never were.

    Raises:
        ClientError: the bucket does not tell.
        BotoCoreError: there is no answer.
    """
    try:
        return client.get_bucket_versioning(Bucket=bucket).get("Status", "")
    except ClientError as error:
        if code_of(error) in UNKNOWN:
            return ""
        raise


def versions(client: "S3Client", bucket: str, prefix: str, *, suspended: bool) -> Iterator[Unseen]:
    """See `Bucket.versions`.

    Where versions are suspended whatever is written next takes the identifier `null`. That names nothing certain, and
    what has it is not told.
    """
    with _translated(bucket, prefix):
        for page in _pages(client.list_object_versions, _ON_VERSIONS, {"Bucket": bucket, "Prefix": prefix}):
            objects, markers = (
                [
                    one
                    for one in _below(prefix, page.get(kind, []))
                    if not (suspended and _identifier(one, "VersionId") == "null")
                ]
                for kind in ("Versions", "DeleteMarkers")
            )
            yield Unseen(
                keys=[one["Key"] for one in (*objects, *markers)],
                sizes=[one["Size"] for one in objects] + [0] * len(markers),
                modified=[_microseconds(one["LastModified"]) for one in (*objects, *markers)],
                versions=[VERSION + _identifier(one, "VersionId") for one in (*objects, *markers)],
                states=[State.CURRENT if one["IsLatest"] else State.NONCURRENT for one in objects]
                + [State.MARKER] * len(markers),
            )


def _pages(
    ask: Callable[..., Mapping[str, Any]],
    going_on: Mapping[str, str],
    wanted: Mapping[str, Any],
    *,
    unknown: bool = False,
) -> Iterator[Mapping[str, Any]]:
    """Ask for page after page; with `unknown`, for none where the store does not know what the first is.

    The SDK's own pages end without a word where one does not say how to go on.

    Raises:
        ClientError: a page is refused.
        BotoCoreError: there is no answer.
        KeyError: a page does not say whether it is the last, or how to go on.
        ValueError: a page leads back.
    """
    markers: dict[str, Any] = {}
    seen: set[tuple[object, ...]] = set()
    while True:
        try:
            page = ask(**wanted, **markers)
        except ClientError as error:
            if unknown and not markers and code_of(error) in UNKNOWN:
                return
            raise
        yield page
        if not page["IsTruncated"]:
            return
        following = {name: page[field] for name, field in going_on.items() if page.get(field)}
        if not following:
            raise KeyError(*list(going_on.values())[:1])
        if tuple(following.values()) in seen:
            raise ValueError(following)
        seen.add(tuple(following.values()))
        markers = following


def _below(prefix: str, listed: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What lies below a prefix: not every store heeds it in each listing."""
    return [one for one in listed if one["Key"].startswith(prefix)]


def _identifier(one: Mapping[str, Any], field: str) -> str:
    """What tells a version or an upload from others of its name.

    Raises:
        KeyError: there is nothing that does; to delete without it would delete the object itself.
    """
    if not one[field]:
        raise KeyError(field)
    return str(one[field])


def _microseconds(moment: "datetime") -> int:
    return round(moment.timestamp() * 1_000_000)


@contextmanager
def _translated(bucket: str, prefix: str) -> Iterator[None]:
    """Raise the ports' errors."""
    where = f"s3://{bucket}"
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise translate(error, key=prefix, bucket=where) from error
    except KeyError as error:
        raise StorageError(
            f"{where}: lists without {error.args[0]} what S3 lists with it", key=prefix, hint=NO_S3
        ) from error
    except (TypeError, ValueError) as error:
        # The SDK's own too, of numbers and times that are none.
        raise StorageError(f"{where}: does not list as S3 does", key=prefix, hint=NO_S3) from error
