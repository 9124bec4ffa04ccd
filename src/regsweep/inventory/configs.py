"""Image configurations to the inventory's rows. Runs in the workers."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from regsweep.errors import MalformedError
from regsweep.inventory import schema
from regsweep.inventory.collect import Source
from regsweep.inventory.rows import NO_TIME, Rows
from regsweep.registry import image

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def collect_configs(store: Source, digests: Sequence[str]) -> Rows:
    """Read image configurations, given the hex digits of their sha256 digests; one that is not there gives no row.

    Raises:
        StorageError: a configuration could not be read.
    """
    rows = Rows()
    contents = store.read(
        "blobs/sha256/",
        [f"{digest[:2]}/{digest}" for digest in digests],
        "/data",
        limit=image.MAX_CONFIG_BYTES + 1,
    )
    for digest, content in zip(digests, contents, strict=True):
        if content is None:
            continue
        try:
            found = image.read(content, digest)
        except MalformedError as error:
            rows.add(schema.CONFIGS, digest, NO_TIME, None, None, None, None, error.detail)
            continue
        created = NO_TIME if found.created is None else (found.created - _EPOCH) // _MICROSECOND
        labels = json.dumps(found.labels, ensure_ascii=False) if found.labels else None
        rows.add(schema.CONFIGS, digest, created, found.os, found.architecture, found.variant, labels, None)
    return rows
