"""Pushes that leave behind everything that a collector has to tell apart."""

from typing import Final

from fixtures.images import artifact, image, index, layer
from tests.real.books import Session

SHARED: Final = b"shared by many"
ARM: Final = "linux/arm64"
OLD: Final = image(SHARED, b"old, overwritten")
AMD64: Final = image(b"amd64, in both pushes")
OLD_ARM64: Final = image(b"arm64, old", platform=ARM)
OLD_INDEX: Final = index(AMD64, OLD_ARM64)
ONLY: Final = image(SHARED, b"the only one, deleted")
NOT_BY_SKOPEO: Final = "nested/"
"""How the names of what skopeo cannot pull begin: indexes of indexes."""
NOTHING_IS_YOUNG: Final = ("--min-age", "0s", "--upload-age", "0s")


def push_everything(to: Session) -> None:
    """Push, overwrite, delete, mount and abandon."""
    to.skopeo(OLD, "team/app", "latest")
    new = to.skopeo(image(SHARED, b"new"), "team/app", "latest")
    # The same image lives on below another name, which is a repository inside the first.
    to.skopeo(OLD, "team/app/plugin", "v1")
    gone = to.skopeo(image(SHARED, b"gone, deleted"), "team/app", "gone")
    to.skopeo(gone, "team/app", "gone-too")
    to.http(artifact(b"signature of new", kind="application/x"), "team/app", f"{new.digest.replace(':', '-')}.sig")
    to.http(artifact(b"signature of gone", kind="application/x"), "team/app", f"{gone.digest.replace(':', '-')}.sig")
    to.http(artifact(b"sbom of new", kind="application/x", subject=new), "team/app")
    to.delete("team/app", gone)
    to.skopeo(OLD_INDEX, "multi", "stable")
    to.skopeo(index(AMD64, image(b"arm64, new", platform=ARM)), "multi", "stable")
    to.skopeo(index(image(b"d1", docker=True), image(b"d2", platform=ARM, docker=True), docker=True), "docker", "list")
    to.skopeo(image(b"docker, old", docker=True), "docker", "v1")
    to.skopeo(image(b"docker, new", docker=True), "docker", "v1")
    to.http(index(index(image(b"nested")), image(b"beside")), f"{NOT_BY_SKOPEO}indexes", "all")
    to.skopeo(ONLY, "emptied", "only")
    to.delete("emptied", ONLY)
    to.http(image(SHARED, b"never tagged"), "untagged/only")
    to.mount("mounted", layer(SHARED).digest, "team/app")
    to.mount("mounted", layer(b"new").digest, "team/app")
    to.skopeo(image(SHARED, b"mounted"), "mounted", "v1")
    to.abandon("team/app")
