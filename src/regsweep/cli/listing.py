"""List what a storage holds: the part of `ls` that touches it."""

import difflib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from regsweep.cli.options import TableFormat
from regsweep.cli.sources import Source, open_source
from regsweep.cli.streams import message, result
from regsweep.errors import UsageError
from regsweep.inventory.database import Inventory, create
from regsweep.inventory.images import read_configs
from regsweep.inventory.progress import Progress
from regsweep.inventory.reading import read_manifests
from regsweep.inventory.scan import begin_links, begin_repository, take
from regsweep.inventory.workers import Workers, cores
from regsweep.registry import layout
from regsweep.report.contents import contents
from regsweep.report.listing import VERSION, Listing, as_json
from regsweep.report.listing_csv import as_csv
from regsweep.report.listing_text import as_text
from regsweep.report.wanted import Wanted, choose_below, choose_images, choose_repositories, to_read
from regsweep.retention.names import parse_name
from regsweep.storage.ports import Scope, Store

_CLOSE: Final = 3
"""Names that a hint tells at most."""
_ALIKE: Final = 6
"""Digits that a digest must share with another to be taken for it."""


def wanted(name: str | None, *, layers: bool, untagged: bool, history: bool) -> Wanted:
    """What the options ask for.

    Raises:
        UsageError: they contradict each other, or the name is none.
    """
    found = Wanted(name=None if name is None else parse_name(name), layers=layers, untagged=untagged, history=history)
    if untagged and history:
        raise UsageError("--untagged and --history contradict each other", hint="what has no tag has no tag's history")
    if untagged and found.one_image:
        raise UsageError(f"--untagged lists revisions, and {found.name} is one image", hint="name a repository alone")
    return found


def show(source: Source, asked: Wanted, form: TableFormat, progress: Progress, *, memory: str | None) -> None:
    """List what was asked for and write it to standard output.

    Raises:
        UsageError: there is no such storage, repository or image.
        StorageError: the storage cannot be listed.
    """
    document = _listing(open_source(source).store, asked, progress, memory)
    match form:
        case TableFormat.JSON:
            result(as_json(document))
        case TableFormat.CSV:
            result(as_csv(document, images=asked.images))
        case TableFormat.TEXT:
            # What reads a pipe wants names whole.
            width = shutil.get_terminal_size((0, 0)).columns
            if text := as_text(document, width=width or None):
                result(text)
    if not any(one.images if asked.images else True for one in document.repositories):
        message(_nothing(asked))


def _listing(store: Store, asked: Wanted, progress: Progress, memory: str | None) -> Listing:
    now = datetime.now(UTC)
    with Workers(store, cores()) as workers:
        # How many repositories share a layer, only all of them tell.
        alone = asked.exact if asked.exact and not asked.layers else None
        begun = begin_repository(store, alone, workers) if alone else begin_links(store, workers)
        with create(memory=memory, facts={}) as inventory:
            take(begun, inventory, progress)
            if not choose_repositories(inventory, asked) and asked.exact:
                raise _no_repository(store, asked.exact)
            read_manifests(inventory, workers, progress, to_read(asked))
            choose_images(inventory, asked)
            if asked.exact and asked.one_image:
                _check_image(inventory, asked)
            if asked.images:
                read_manifests(inventory, workers, progress, "SELECT repository, digest FROM shown")
                choose_below(inventory, asked)
                read_configs(inventory, workers, progress)
            workers.close()
            return Listing(
                version=VERSION,
                regsweep=version("regsweep"),
                store=store.url,
                listed=now,
                repositories=contents(inventory, asked),
            )


def _nothing(asked: Wanted) -> str:
    of = f" {asked.name}" if asked.name else ""
    if asked.untagged:
        return f"no untagged revision{f' in{of}' if of else ''}"
    if asked.name is None or asked.exact is None:
        return f"nothing matches{of}" if of else "no repository" if not asked.images else "no tag"
    return f"no tag in{of}"


def _no_repository(store: Store, name: str) -> UsageError:
    # The names of the shards tell most of them, without a listing.
    names = sorted({layout.repository_of(shard) for shard in store.shards(Scope.LINKS)} - {""})
    return UsageError(f"{name}: no such repository", hint=_hint(difflib.get_close_matches(name, names, _CLOSE)))


def _check_image(inventory: Inventory, asked: Wanted) -> None:
    name = asked.name
    if name is None or inventory.row("SELECT count(*) FROM shown")[0]:
        return
    if name.tag:
        # One whose link is damaged is there.
        key = f"repositories/{name.repository}/_manifests/tags/{name.tag}/current/link"
        if inventory.row("SELECT count(*) FROM damage WHERE key = $key", {"key": key})[0]:
            return
        tags = list(_texts(inventory, "SELECT DISTINCT tag FROM tags ORDER BY tag"))
        # Tags are short, and one letter of two is half of them.
        close = difflib.get_close_matches(name.tag, tags, _CLOSE, cutoff=0.5)
    else:
        like = f"{str(name.digest.hex)[:_ALIKE]}%" if name.digest else ""
        query = """
            SELECT DISTINCT 'sha256:' || lower(hex(digest)) FROM revisions
            WHERE lower(hex(digest)) LIKE $like ORDER BY 1 LIMIT 3
        """
        close = list(_texts(inventory, query, {"like": like}))
    what = "tag" if name.tag else "manifest"
    raise UsageError(f"{name}: no such {what}", hint=_hint(close))


def _hint(close: list[str]) -> str:
    return f"there is {', '.join(close)}" if close else "regsweep ls lists what there is"


def _texts(inventory: Inventory, query: str, parameters: dict[str, object] | None = None) -> Iterator[str]:
    return (str(text) for (text,) in inventory.rows(query, parameters or {}))
