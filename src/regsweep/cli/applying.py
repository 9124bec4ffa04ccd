"""Carry plans out: the part of `apply` and `prune` that deletes."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from regsweep.apply.executor import RESUME, Executor, Proof
from regsweep.apply.guard import RegistriesReadOnly, UsersWord
from regsweep.apply.journal import Journal, beside
from regsweep.apply.stop import StopRequest
from regsweep.cli.options import Format
from regsweep.cli.sources import open_again
from regsweep.cli.streams import message, result
from regsweep.errors import RefusedError, RegsweepError, StoppedError
from regsweep.inventory.progress import Progress
from regsweep.inventory.workers import Workers, cores
from regsweep.plan import file
from regsweep.report.result import Result, result_csv, result_json
from regsweep.report.text import size
from regsweep.storage.ports import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """How it is to be proved that no registry writes to the storage."""

    registries: list[str]
    stopped: bool
    user: str | None
    authorities: Path | None

    def proof(self) -> Proof:
        """The proof that was asked for.

        Raises:
            RefusedError: none was.
            UsageError: a URL or its credentials make no sense.
        """
        if self.registries:
            return RegistriesReadOnly(self.registries, user=self.user, ca_file=self.authorities, environment=os.environ)
        if self.stopped:
            return UsersWord()
        raise RefusedError(
            "nothing says that the registry is read-only or stopped; what is pushed meanwhile could lose its blobs",
            hint="add --registry URL for each registry on this storage, put into read-only mode "
            "(storage.maintenance.readonly.enabled: true), or --registry-stopped if none runs",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a plan is carried out."""

    journal: Path | None
    config: Path | None
    """The registry's own configuration, if it takes one to open the store."""
    break_lock: bool
    memory: str | None
    access: Access
    time_limit: float | None
    """Seconds that deleting may take."""
    form: Format
    resume: str = RESUME
    """What to do to resume a run that stopped."""


def apply(path: Path, guard: Guard, manner: Manner, progress: Progress) -> None:
    """Carry out the plan at `path`, from where its journal says.

    Raises:
        RegsweepError: see executor.py and plan/file.py.
    """
    plan = file.read(path)
    with Journal(manner.journal or beside(path), plan.identity) as journal:
        stop = StopRequest(message)
        try:
            already = journal.done is not None
            if not already:
                _carry_out(plan, guard, manner, journal, stop, progress)
            _tell(plan, journal, manner.form, already=already)
        except KeyboardInterrupt:
            raise _stopped("stopped on request", journal, plan, RESUME, manner, more=stop.at_once) from None
        except StoppedError as error:
            raise _stopped(error.message, journal, plan, error.hint or RESUME, manner) from error
        except RegsweepError as error:
            if journal.done:
                raise RegsweepError(
                    f"{error.message}; the plan is carried out, as {journal.path} notes", hint=error.hint
                ) from error
            # Whatever goes wrong after the first deletion leaves a run that can be resumed.
            if journal.deleted or journal.absent:
                raise _stopped(error.message, journal, plan, error.hint or RESUME, manner) from error
            raise


def _carry_out(  # noqa: PLR0913 - the parts of one run
    plan: file.Plan, guard: Guard, manner: Manner, journal: Journal, stop: StopRequest, progress: Progress
) -> None:
    proof = guard.proof()
    store = open_again(plan.header.store, manner.config, manner.access)
    with stop.listening(), Workers(store, cores()) as workers:
        Executor(
            plan=plan,
            store=store,
            workers=workers,
            proof=proof,
            journal=journal,
            progress=progress,
            stop=stop,
            memory=manner.memory,
            break_lock=manner.break_lock,
            time_limit=manner.time_limit,
        ).run()


def _stopped(  # noqa: PLR0913 - one for each thing that is told
    what: str, journal: Journal, plan: file.Plan, hint: str, manner: Manner, *, more: bool = False
) -> StoppedError:
    """The end of a run that can be resumed; `more` may have been deleted than the journal notes."""
    if manner.form is Format.PROMETHEUS:
        # Whoever watches is told of runs that stop, too.
        result(_rendered(_result(plan, journal), manner.form))
    return StoppedError(
        f"{what}; {'at least ' if more else ''}{journal.deleted:,} of {plan.length:,} deletions done, noted in "
        f"{journal.path}",
        hint=hint.replace(RESUME, manner.resume),
    )


def _result(plan: file.Plan, journal: Journal) -> Result:
    return Result(
        version=1,
        plan=str(plan.path),
        store=plan.header.store,
        deletions=plan.length,
        deleted=journal.deleted,
        absent=journal.absent,
        bytes=journal.bytes,
        directories=journal.directories,
        finished=journal.done,
    )


def _rendered(done: Result, form: Format) -> str:
    if form is Format.JSON:
        return result_json(done)
    if form is Format.CSV:
        return result_csv(done)
    from regsweep.report.metrics import of_result  # noqa: PLC0415 - it takes a while to import

    return of_result(done, now=datetime.now(UTC))


def _tell(plan: file.Plan, journal: Journal, form: Format, *, already: bool) -> None:
    if journal.done is None:
        return
    if form is not Format.TEXT:
        result(_rendered(_result(plan, journal), form))
        return
    if already:
        result(f"Nothing to do: this plan was carried out at {journal.done:%Y-%m-%d %H:%M:%S %Z}.")
        return
    gone = f" ({journal.absent:,} were gone already)" if journal.absent else ""
    result(
        f"Deleted {journal.deleted:,} keys{gone} and {journal.directories:,} empty directories; "
        f"{size(journal.bytes)} came free.\n"
        "Next: restart every registry on this storage before it takes pushes again, and flush its\n"
        "Redis cache if it has one: a cache of blob descriptors still lists what was deleted, and\n"
        "would tell clients that these layers need no push."
    )
