"""What to do about each kind of finding."""

from typing import Final

TITLES: Final = {
    "damaged-link": "Links that do not hold what they should",
    "damaged-manifest": "Manifests that cannot be understood",
    "missing-manifest": "Manifests that are missing",
    "stray": "Keys that no registry writes",
    "unfinished-uploads": "Uploads in parts that were never ended",
    "noncurrent-versions": "Versions that are not current",
    "versions-kept": "The storage keeps versions",
    "soft-delete": "The storage keeps what is deleted for a while",
    "object-lock": "The storage holds objects against deletion",
    "untold": "What the storage did not tell",
    "last-tag-kept": "Repositories whose last tag stays",
    "tag-goes-along": "Tags that go along with what was named",
}
"""What findings of a code are; a code that is not here stands for itself."""

ADVICE: Final = {
    "damaged-link": "The repository is frozen: nothing of it is deleted. Restore the link from a backup, or push the "
    "image again; if neither can be had, delete the tag or the manifest through the registry, and plan again.",
    "damaged-manifest": "The repository is frozen: nothing of it is deleted. Push the image again or restore the blob "
    "from a backup; if neither can be had, delete what names it through the registry, and plan again.",
    "missing-manifest": "Nothing can be pulled through these. Push the images again if they are wanted; else a "
    "collection of untagged manifests (-m) clears them away.",
    "stray": "They are left alone, and blobs that their names spell are kept. Find out who wrote them; what nobody "
    "wants is removed by hand.",
    "unfinished-uploads": "Add --uploads to abort those that are old enough, or give the bucket a lifecycle rule.",
    "noncurrent-versions": "Add --versions to delete them for good where their key goes or went.",
    "versions-kept": "Space comes back when the versions expire. Add --versions to delete for good what goes.",
    "soft-delete": "The space comes back later than the plan says, and is paid for until then.",
    "object-lock": "What is held cannot be deleted before its time is over; plan again after that.",
    "untold": "Ask whoever runs the storage, or let the user that regsweep runs as ask for it.",
    "last-tag-kept": "The rules would have emptied these repositories. Remove one by name if that is wanted: "
    "regsweep rm STORE REPOSITORY.",
    "tag-goes-along": "They stand at a digest that was named. Name tags in place of the digest if they are to stay.",
}
