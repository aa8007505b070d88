"""Mirror the resources of one attempt of a run, one after the other, and the other kinds after them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hostaway_sync.errors import SourceAway, SourceError
from hostaway_sync.model.records import Mark, Resource, ResourceReport, RunState
from hostaway_sync.observability.log_context import log_context
from hostaway_sync.observability.tracing import start_span
from hostaway_sync.store.runs import states as run_states
from hostaway_sync.sync import plan
from hostaway_sync.sync.calendar.run import mirror_due_calendars
from hostaway_sync.sync.kinds.run import KindContext, mirror_due_lists
from hostaway_sync.sync.lists import mirror_list
from hostaway_sync.sync.missing import mark_missing
from hostaway_sync.sync.reporting import reasons
from hostaway_sync.sync.reporting.run_log import note_resource
from hostaway_sync.sync.run_context import RunContext
from hostaway_sync.sync.threads import mirror_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from hostaway_sync.model.kinds.kind import Kind
    from hostaway_sync.model.records import ChangeCounts, QualityCounts, Source
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.sync.progress import Progress
    from hostaway_sync.sync.recording.protocols import MissingRows, PageRecorder, Recorders
    from hostaway_sync.sync.run_options import RunOptions


@dataclass(frozen=True, slots=True)
class _Step:
    """One resource or kind to be mirrored.

    Attributes:
        name: of the resource or kind.
        mirror: reads it, and returns how that ended; None: nothing of it was due.
        close: stores how it ended; with `is_cut`, a walk of it may be resumed.
        count: counts what was written so far.
        may_fail_once: its first failure does not count for the run.
    """

    name: str
    mirror: Callable[[], ResourceReport | None]
    close: Callable[[ResourceReport, bool], None]
    count: Callable[[], tuple[ChangeCounts, QualityCounts]]
    may_fail_once: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What an attempt reads.

    Attributes:
        marks: how far each resource is mirrored.
        whole: the lists to read whole.
        decided_at: when that was decided, by the database's clock; None: it was not yet.
    """

    marks: Mapping[Resource, Mark]
    whole: frozenset[Resource]
    decided_at: datetime | None


class Mirroring:
    """One attempt of a run, from its first request to its last.

    Args:
        database: with the tables.
        account_id: the account that is mirrored.
        options: of the run.
        reading: what is read.
        recorders: where it goes.

    Attributes:
        braked: what has lost suspiciously many rows at once, so that none was marked as missing.
    """

    def __init__(
        self, database: Database, account_id: int, options: RunOptions, reading: Reading, recorders: Recorders
    ) -> None:
        self.braked: set[str] = set()
        self._database = database
        self._account_id = account_id
        self._options = options
        self._reading = reading
        self._recorders = recorders

    def run(
        self, source: Source, progress: Progress, *, stopped_by: Callable[[], str | None]
    ) -> dict[str, ResourceReport]:
        """Read from a source, and return how each resource and each kind that was read ended.

        Raises:
            SystemExit: a request failed because the run was stopped; `stopped_by` returns by what.
            LeaseLost: another run took over.
        """
        reports: dict[str, ResourceReport] = {}
        wanted = (resource for resource in Resource if self._options.wants(resource))
        steps = [self._step_of_resource(resource, source, progress, reports) for resource in wanted]
        steps += [self._step_of_kind(kind, source, progress) for kind in self._options.kinds]
        for step in steps:
            error: SourceError | None = None
            try:
                with log_context(resource=step.name), start_span(f"resource {step.name}"):
                    report = step.mirror()
                    if report is None:
                        continue
                    note_resource(report)
            except SourceError as failure:
                if (why := stopped_by()) is not None:
                    raise SystemExit(why) from failure
                error = failure
                report = self._describe_failure(step, failure)
            reports[step.name] = report
            step.close(report, error is not None)
            if error is not None and plan.ends_the_run(error):
                break
        return reports

    def _step_of_resource(
        self, resource: Resource, source: Source, progress: Progress, before: Mapping[str, ResourceReport]
    ) -> _Step:
        pages = self._recorders.pages
        context = RunContext(self._account_id, resource, source, pages, progress)
        return _Step(
            resource.value,
            mirror=lambda: self._mirror_resource(context, before),
            close=lambda report, is_cut: pages.close_resource(resource, report, is_cut=is_cut),
            count=lambda: pages.count(resource),
            may_fail_once=resource is Resource.CALENDAR,
        )

    def _step_of_kind(self, kind: Kind, source: Source, progress: Progress) -> _Step:
        recorder = self._recorders.kinds
        context = KindContext(self._account_id, kind, source, recorder, progress)

        def mirror() -> ResourceReport | None:
            ended = mirror_due_lists(self._database, context, self._options.urge_of(kind))
            if ended is not None and ended.is_braked:
                self.braked.add(kind.name)
            return None if ended is None else ended.report

        return _Step(
            kind.name,
            mirror=mirror,
            close=lambda report, _: recorder.store_report(kind.name, report),
            count=lambda: recorder.counts.of(kind.name),
            may_fail_once=True,
        )

    def _describe_failure(self, step: _Step, error: SourceError) -> ResourceReport:
        has_failed_before = run_states.has_failed_last(self._database, self._account_id, step.name)
        return ResourceReport(
            RunState.FAILED,
            *step.count(),
            str(error),
            can_recover=plan.can_recover(error),
            away=str(error) if isinstance(error, SourceAway) else None,
            is_excused=step.may_fail_once and not has_failed_before,
        )

    def _mirror_resource(
        self, context: RunContext[PageRecorder], before: Mapping[str, ResourceReport]
    ) -> ResourceReport:
        recorders, whole = self._recorders, self._reading.whole
        if context.resource is Resource.CALENDAR:
            return mirror_due_calendars(self._database, context.with_recorder(recorders.calendar), self._options)
        if context.resource in {Resource.CONVERSATIONS, Resource.MESSAGES} - whole:
            listed = before.get(Resource.CONVERSATIONS) if Resource.CONVERSATIONS in whole else None
            in_flight = self._options.in_flight
            report = mirror_parts(context, recorders.thread_marks, in_flight=in_flight, listed=listed)
        else:
            report = self._mirror_list(context)
        return self._mark_missing(context, report, recorders.missing_rows)

    def _mirror_list(self, context: RunContext[PageRecorder]) -> ResourceReport:
        resource, reading = context.resource, self._reading
        mark = reading.marks.get(resource)
        since = plan.choose_since(mark, is_whole=resource in reading.whole)
        why = reasons.explain_list(resource, since=since, mark=mark, now=reading.decided_at, asked=self._options.full)
        return mirror_list(context, since=since, why=why)

    def _mark_missing(
        self, context: RunContext[PageRecorder], report: ResourceReport, missing_rows: MissingRows | None
    ) -> ResourceReport:
        """Mark rows that are gone, after the sweep of a list; threads are read whole in any run."""
        is_swept = context.resource in {*self._reading.whole, Resource.MESSAGES}
        if missing_rows is None or report.state is not RunState.SUCCESS or not is_swept:
            return report
        marked, error = mark_missing(context, missing_rows, accept=self._options.accept_missing)
        counts, oddities = context.recorder.count(context.resource)
        state = report.state if error is None else RunState.FAILED
        if error is not None:
            self.braked.add(context.resource)
        return replace(report, state=state, counts=replace(counts, missing=marked), quality=oddities, error=error)
