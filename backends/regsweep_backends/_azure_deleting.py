"""Delete from a container: blobs and versions by the hundred, where the service can, and blocks never committed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from typing import Any, Final

from azure.core import MatchConditions

from regsweep.errors import DeniedError, NotFoundError, StorageError
from regsweep.storage.ports import Outcome, Request, Result, Target
from regsweep_backends._azure_answers import Part, parts_of
from regsweep_backends._azure_errors import ChangedError, ExistsError, RejectedError, transient
from regsweep_backends._azure_listing import BLOCKS, CURRENT, VERSION
from regsweep_backends._azure_service import ATTEMPTS, Service
from regsweep_backends._azure_unseen import blocks_at
from regsweep_backends._objects import NoBucketError, failed

REQUEST: Final = 256
"""Blobs that one batch request deletes at most."""
_OURS: Final = "regsweep"
"""The name of the metadata by which an empty blob is known that stands for discarded blocks."""
_GONE: Final = (Result.DELETED, Result.ABSENT)
_OWNER: Final = "; to delete versions takes the role Storage Blob Data Owner"


@dataclass(frozen=True, slots=True)
class _Deletion:
    """A request to delete, or a part of one."""

    key: str
    etag: str = ""
    """What the blob must be."""
    version: str = ""
    """The identifier of the version that goes, instead of the blob."""

    @property
    def options(self) -> dict[str, Any]:
        """As the SDK takes it."""
        if self.version:
            return {"version_id": self.version}
        return {"etag": self.etag, "match_condition": MatchConditions.IfNotModified} if self.etag else {}


class Deleter:
    """Deletes by batch requests, until one is not understood."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._batches = True

    def delete(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """See `Bucket.delete`."""
        if not self._batches or any(target.version.startswith(BLOCKS) for target in targets):
            return self._service.window.each(self._delete_one, targets)
        return self._delete_many(targets)

    def _delete_many(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        deletions = [_deletions(target) for target in targets]
        if all(len(steps) == 1 for steps in deletions):
            yield from self._delete_all([step for (step,) in deletions])
            return
        outcomes = list(self._delete_all([steps[0] for steps in deletions]))
        again = [at for at, steps in enumerate(deletions) if len(steps) > 1 and outcomes[at].result in _GONE]
        for at, outcome in zip(again, self._delete_all([deletions[at][1] for at in again]), strict=True):
            outcomes[at] = _both(outcomes[at], outcome)
        yield from outcomes

    def _delete_all(self, deletions: Sequence[_Deletion]) -> Iterator[Outcome]:
        """Delete each, in parts of what a request takes."""
        each = self._service.window.each
        parts = [deletions[at : at + REQUEST] for at in range(0, len(deletions), REQUEST)]
        for part, errors in zip(parts, each(self._delete_batch, parts), strict=True):
            if errors is None:
                self._batches = False
                yield from each(self._request_one, part)
            else:
                yield from each(self._outcome, errors)

    def _delete_one(self, target: Target) -> Outcome:
        """Delete by requests for this one target."""
        if target.version.startswith(BLOCKS):
            return self._discard(target.key, target.version)
        return self._in_turn(_deletions(target))

    def _in_turn(self, deletions: Sequence[_Deletion]) -> Outcome:
        outcome = self._request_one(deletions[0])
        for deletion in deletions[1:]:
            if outcome.result in _GONE:
                outcome = _both(outcome, self._request_one(deletion))
        return outcome

    def _request_one(self, deletion: _Deletion) -> Outcome:
        work = partial(self._service.client.delete_blob, deletion.key, **deletion.options)
        try:
            self._service.asked(work, deletion.key, Request.DELETE)
        except StorageError as error:
            return self._outcome((deletion, error))
        return Outcome(Result.DELETED)

    def _outcome(self, answer: tuple[_Deletion, StorageError | None]) -> Outcome:
        """The outcome of a deletion."""
        deletion, error = answer
        if isinstance(error, ChangedError):
            # What is gone is not of the version asked for either.
            try:
                self._service.head(error.key)
            except StorageError as found:
                error = found
        match error:
            case None:
                return Outcome(Result.DELETED)
            case ChangedError():
                return Outcome(Result.CHANGED, error.message)
            case DeniedError() if deletion.version:
                return Outcome(Result.FAILED, error.message + _OWNER)
            case _:
                return failed(error)

    def _delete_batch(self, deletions: Sequence[_Deletion]) -> list[tuple[_Deletion, StorageError | None]] | None:
        """Delete by one request; `None` where the service does not do so, or not understandably."""
        service, errors = self._service, dict[_Deletion, StorageError | None]()
        left = deletions
        for attempt in range(1, ATTEMPTS + 1):
            try:
                parts = service.asked(partial(self._send_batch, left), "", Request.DELETE)
            except StorageError as error:
                errors |= dict.fromkeys(left, error)
                break
            if parts is None:
                return None
            answered = list(zip(left, parts, strict=True))
            errors |= {deletion: part.error(deletion.key, service.where) for deletion, part in answered}
            left = [deletion for deletion, part in answered if transient(part.status)]
            if not left:
                break
            service.window.throttled()
            if attempt < ATTEMPTS:
                service.window.pause(attempt, throttled=True)
        # Where not one answer is about a blob, it is the request that is not liked.
        if all(isinstance(error, RejectedError | DeniedError | NoBucketError) for error in errors.values()):
            return None
        return [(deletion, errors[deletion]) for deletion in deletions]

    def _send_batch(self, deletions: Sequence[_Deletion]) -> list[Part] | None:
        """The answers to one batch request, in the order of the deletions; `None` if that cannot be told."""
        bodies: list[bytes] = []
        try:
            answers = self._service.client.delete_blobs(
                *({"name": deletion.key, **deletion.options} for deletion in deletions),
                raise_on_any_failure=False,
                raw_response_hook=lambda response: bodies.append(response.http_response.body()),
            )
            return parts_of(answers, bodies[-1], len(deletions))
        except (ValueError, LookupError, AttributeError, HTTPException):
            # The SDK's parser of what is in many parts raises all of these.
            return None

    def _discard(self, key: str, mark: str) -> Outcome:
        """Delete the blocks at a name if they are still these and there is no blob.

        The service takes no condition for that. But it makes a blob only if there is none, and of no blocks too, which
        ends all others there; such a blob is deleted like any other. Where a run was cut off in between, the next one
        knows it by its metadata: for that a blob of nothing must not stay where a registry takes it for a layer.
        """
        try:
            blocks = blocks_at(self._service, key)
            same = blocks.mark == mark and not blocks.committed
            emptied = self._empty(key, mark) if same else self._emptied(key, mark)
        except StorageError as error:
            return failed(error)
        if emptied is None:
            return Outcome(Result.CHANGED, f"{key}: changed since it was listed")
        return self._in_turn(emptied)

    def _empty(self, key: str, mark: str) -> tuple[_Deletion, ...] | None:
        """Make a blob of no blocks, if there is none, and say how it is deleted."""
        blob = self._service.client.get_blob_client(key)
        metadata = {_OURS: mark.removeprefix(BLOCKS)}
        put = partial(blob.commit_block_list, [], metadata=metadata, match_condition=MatchConditions.IfMissing)
        try:
            made = self._service.asked(put, key, Request.WRITE)
        except (ExistsError, ChangedError):
            # Maybe by an earlier try, whose answer was lost.
            return self._emptied(key, mark)
        if not made.get("etag"):
            return self._emptied(key, mark)
        return _for_good(key, str(made["etag"]), str(made.get("version_id") or ""))

    def _emptied(self, key: str, mark: str) -> tuple[_Deletion, ...] | None:
        """How the blob of no blocks is deleted that an earlier try made; `None` if what is there is anything else."""
        try:
            found = self._service.head(key)
        except NotFoundError:
            return None
        if found.size or (found.metadata or {}).get(_OURS) != mark.removeprefix(BLOCKS):
            return None
        if not found.etag:
            raise StorageError(f"{key}: its ETag is not told", key=key)
        return _for_good(key, found.etag, found.version_id or "")


def _deletions(target: Target) -> tuple[_Deletion, ...]:
    """What to ask for, one after the other."""
    if target.version.startswith(VERSION):
        return (_Deletion(target.key, version=target.version.removeprefix(VERSION)),)
    if target.version.startswith(CURRENT):
        identifier, _, etag = target.version.removeprefix(CURRENT).partition(",")
        return _for_good(target.key, etag, identifier)
    return (_Deletion(target.key, etag=target.version),)


def _for_good(key: str, etag: str, version: str) -> tuple[_Deletion, ...]:
    """Deletions after which nothing is kept. The service refuses to delete a version as long as it is the current."""
    blob = _Deletion(key, etag=etag)
    return (blob, _Deletion(key, version=version)) if version else (blob,)


def _both(blob: Outcome, version: Outcome) -> Outcome:
    """The outcome of deleting a blob and the version that it left."""
    return blob if version.result is Result.ABSENT else version
