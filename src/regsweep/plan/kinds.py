"""What can be condemned, why, and in which order it is deleted."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from regsweep.inventory import schema
from regsweep.registry.layout import Kind


class Reason(StrEnum):
    """Why something goes."""

    UNTAGGED = "untagged"
    """No tag that is kept reaches this revision."""
    NO_MANIFEST = "no-manifest"
    """The manifest's blob is gone for good: nothing can be served through this."""
    NO_REVISION = "no-revision"
    """The revision this names was deleted from the repository."""
    NO_SUBJECT = "no-subject"
    """The image that this signature, attestation or index of referrers is for is not kept."""
    RULE = "rule"
    """No retention rule keeps this tag."""
    REMOVED = "removed"
    """It was named to be removed, or is in a repository that was."""
    NO_TAG = "no-tag"
    """A history of a tag that does not exist, or goes."""
    NO_IMAGE = "no-image"
    """No manifest kept in this repository refers to it."""
    ABANDONED = "abandoned"
    """An upload that was begun and not finished."""
    UNLINKED = "unlinked"
    """Every link to this blob goes."""
    ORPHANED = "orphaned"
    """Nothing links to this blob."""
    EMPTY = "empty"
    """A directory that holds nothing."""
    NONCURRENT = "noncurrent"
    """A version of a key that goes, which the store keeps."""
    DELETED = "deleted"
    """A version of a blob that went before, which nothing leads to."""


PARTS: Final = "parts"
"""The kind of an upload to a key, in parts, that was not ended; it is aborted."""
VERSION: Final = "version"
"""The kind of a version of a key that is not current, and of a marker that stands for a deletion."""
DIRECTORY: Final = "directory"
"""The kind of a condemned empty directory. These three stand beside the kinds of `layout.Kind`."""
UNSEEN: Final = frozenset({PARTS, VERSION})
"""The kinds of what no listing of keys shows: without the store's mark of it there is nothing to delete."""

LINKS: Final = (Kind.TAG, Kind.TAG_ENTRY, Kind.SIGNATURE, Kind.REVISION, Kind.LAYER_LINK)
"""The kinds of links, in the order of deletion."""

ORDER: Final = (VERSION, *LINKS, Kind.UPLOAD, PARTS, Kind.BLOB, DIRECTORY)
"""The one safe order of deletion: a link goes before what it leads to, so that a crash leaves orphans, never a link
that dangles. Earlier versions go before all else: where a current version goes for good, S3 makes the one before it the
current, and a link would come back."""

TABLES: Final[Mapping[str, schema.Table]] = {
    Kind.TAG: schema.TAGS,
    Kind.TAG_ENTRY: schema.TAG_ENTRIES,
    Kind.SIGNATURE: schema.SIGNATURES,
    Kind.REVISION: schema.REVISIONS,
    Kind.LAYER_LINK: schema.LAYER_LINKS,
    Kind.UPLOAD: schema.UPLOADS,
    Kind.BLOB: schema.BLOBS,
    PARTS: schema.UNFINISHED,
    VERSION: schema.VERSIONS,
    DIRECTORY: schema.DIRECTORIES,
}
"""Where those of each kind stand in an inventory; beside versions that are not current, current ones may."""
