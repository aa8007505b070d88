"""Read the lists of one kind that are due in a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hostaway_sync.errors import Forbidden, NotFound, RequestRejected, SourceAway, SourceUnavailable
from hostaway_sync.model.kinds.kind import Scope
from hostaway_sync.model.records import ResourceReport, RunState
from hostaway_sync.store.kinds import readings
from hostaway_sync.store.runs import states as run_states
from hostaway_sync.sync import plan as run_plan
from hostaway_sync.sync.kinds import plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hostaway_sync.model.kinds.absences import Absences
    from hostaway_sync.model.kinds.kind import Kind
    from hostaway_sync.model.records import Source
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.sync.kinds.plan import KindTask
    from hostaway_sync.sync.kinds.recorder import KindRecorder
    from hostaway_sync.sync.progress import Progress


@dataclass(frozen=True, slots=True)
class KindContext:
    """One kind of one account in one run.

    Attributes:
        account_id: the account that is mirrored.
        kind: what is read.
        source: where it is read from.
        recorder: where it goes.
        progress: is told how many of the due lists were read.
    """

    account_id: int
    kind: Kind
    source: Source
    recorder: KindRecorder
    progress: Progress

    def report_progress(self, done: int, total: int) -> None:
        """Report that `done` of `total` lists were read."""
        self.progress.advance(self.account_id, self.kind.name, done, total)


@dataclass(frozen=True, slots=True)
class KindResult:
    """How a kind ended; `is_braked`: suspiciously many of its objects are gone, so that none was marked."""

    report: ResourceReport
    is_braked: bool


def mirror_due_lists(database: Database, context: KindContext, urge: plan.Urge) -> KindResult | None:
    """Read the lists of a kind whose turn it is, behind the requests of other runs; None: it is no list's turn.

    What the account may not read is no failure, and the first failure of a kind is excused; so is each failure of one
    that no account owns, because another account's run may read it.

    Raises:
        SourceError: it is not this kind that cannot be read.
        LeaseLost: another run took over.
    """
    kind, recorder = context.kind, context.recorder
    known, live, now = readings.find_readings(database, context.account_id)
    tasks = plan.select_tasks(kind, known, live, now, urge=urge)
    if not tasks or not recorder.claim_task(tasks[0], is_asked=urge is not plan.Urge.DUE):
        return None
    if kind.follows_reservations:
        tasks = [_with_reservations(database, context.account_id, task) for task in tasks]
    context.source.lower_priority()
    outcome = _read_lists(context, tasks, now)
    recorder.close_kind(kind, live)
    counts, quality = recorder.counts.of(kind.name)
    error = outcome.describe()
    if error is None:
        return KindResult(ResourceReport(RunState.SUCCESS, counts, quality), is_braked=False)
    state = RunState.PARTIAL if outcome.read or outcome.doubtful else RunState.FAILED
    is_shared = kind.scope is Scope.INSTALLATION
    is_excused = is_shared or not run_states.has_failed_last(database, context.account_id, kind.name)
    report = ResourceReport(state, counts, quality, error, is_excused=is_excused)
    return KindResult(report, is_braked=bool(outcome.braked))


def _with_reservations(database: Database, account_id: int, task: KindTask) -> KindTask:
    """Return a task that reads a part of a list, with the reservations that changed since it was read last."""
    since = task.reading.read_at
    if task.is_whole or since is None:
        return task
    return replace(task, reservations=tuple(readings.list_changed_reservations(database, account_id, since)))


def _read_lists(context: KindContext, tasks: Sequence[KindTask], now: datetime) -> plan.Outcome:
    outcome = plan.Outcome()
    in_a_row = 0
    for number, task in enumerate(tasks):
        context.report_progress(number, len(tasks))
        try:
            outcome = _read_list(context, task, now, outcome)
            in_a_row = 0
        except (Forbidden, NotFound) as refusal:
            context.recorder.close_task(task.kind, plan.after_refusal(task, now), str(refusal))
            forbidden = outcome.forbidden + isinstance(refusal, Forbidden)
            outcome = replace(outcome, refused=outcome.refused + 1, forbidden=forbidden)
            if outcome.shows_closed_kind:
                closed = replace(task, reading=replace(task.reading, parent=None))
                context.recorder.close_task(task.kind, plan.after_refusal(closed, now), str(refusal))
                break
        except (SourceUnavailable, RequestRejected) as failure:
            context.recorder.close_task(task.kind, plan.after_failure(task, now), str(failure))
            first = outcome.first_failure or str(failure)
            outcome = replace(outcome, failed=outcome.failed + 1, first_failure=first)
            in_a_row += 1
            if isinstance(failure, SourceAway) or in_a_row == run_plan.FAILED_THREADS:
                raise
    context.report_progress(len(tasks), len(tasks))
    return outcome


def _read_list(context: KindContext, task: KindTask, now: datetime, outcome: plan.Outcome) -> plan.Outcome:
    """Read one list, again where rows may have been missed; return the outcome with it."""
    why = task.why
    for _ in range(plan.MAX_READINGS):
        met: set[str] = set()
        unread: set[str] = set()
        asked_at: datetime | None = None
        doubt: str | None = None
        around = None if task.is_whole else now.date()
        name, parent, touched = task.kind.name, task.reading.parent, task.reservations
        for page in context.source.read_kind(name, parent=parent, around=around, reservations=touched, why=why):
            context.recorder.record_page(task, page)
            met.update(record.source_id for record in page.records if record.source_id is not None)
            unread.update(page.unread)
            if any(record.source_id is None for record in page.records):
                # It may be any of the objects that seem to be gone.
                unread.add("")
            asked_at = asked_at or page.observed_at
            doubt = doubt or page.doubt
        if doubt is None and asked_at is not None:
            return _close_list(context, task, met, unread, asked_at, outcome)
        why = f"{task.why}; again: {doubt}"
    context.recorder.close_task(task.kind, plan.after_failure(task, now), doubt)
    return replace(outcome, doubtful=outcome.doubtful + 1, first_doubt=outcome.first_doubt or doubt)


def _close_list(
    context: KindContext, task: KindTask, met: set[str], unread: set[str], asked_at: datetime, outcome: plan.Outcome
) -> plan.Outcome:
    absences: Absences | None = None
    if task.is_whole:
        absences = context.recorder.settle_whole(task, met, unread, asked_at)
    context.recorder.close_task(task.kind, plan.after_reading(context.account_id, task, asked_at))
    outcome = replace(outcome, read=outcome.read + 1)
    if absences is None or not absences.are_doubted:
        return outcome
    loss = run_plan.describe_sudden_loss(absences.unlisted, absences.live, 0)
    sentence = (
        f"{loss}: nothing was marked missing; look at the dashboard, and run again with --accept-missing if they are "
        "really gone"
    )
    return replace(outcome, braked=(*outcome.braked, sentence))
