"""The recorders of a run that writes: pages and reports go into the tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from hostaway_sync.model.history.causes import Cause, CauseKind
from hostaway_sync.model.records import OBJECTS, ChangeCounts, Page, QualityCounts, Resource, ResourceReport, RunState
from hostaway_sync.store import time_marks
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.records import due_threads, setbacks, suspicions, upsert, walks
from hostaway_sync.store.runs import states as run_states
from hostaway_sync.store.webhooks import unannounced
from hostaway_sync.sync import plan
from hostaway_sync.sync.calendar.recorder import TableCalendarRecorder
from hostaway_sync.sync.kinds.recorder import TableKindRecorder
from hostaway_sync.sync.recording.fenced_writes import FencedWrites
from hostaway_sync.sync.recording.missing_rows import TableMissingRows
from hostaway_sync.sync.recording.protocols import Recorders
from hostaway_sync.sync.recording.thread_marks import TableThreadMarks
from hostaway_sync.sync.reporting import reasons
from hostaway_sync.sync.reporting.run_log import note_changes, write_span

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.runs.leases import Lease
    from hostaway_sync.sync.run_options import RunOptions


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a full run reads whole.

    Attributes:
        lists: the lists that it reads whole.
        threads_after: a thread is due when it was not read whole for so long.
    """

    lists: frozenset[Resource]
    threads_after: timedelta


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A walk of a list; `asked_at` is when its first page was requested, None until that page came."""

    walk: walks.Walk
    is_whole: bool
    asked_at: datetime | None = None

    @property
    def sweep(self) -> setbacks.Sweep | None:
        """The walk, if it reads the whole list."""
        return setbacks.Sweep(self.walk.walk_id, self.walk.began_at) if self.is_whole else None

    def after(self, page: Page) -> _UnderWay:
        """Return the walk with a page added; its first page sets the watermark."""
        walk = replace(self.walk, position=page.position)
        if self.asked_at is not None:
            return replace(self, walk=walk)
        walk = replace(walk, watermark_at=plan.compute_watermark(page, walk.began_at))
        return replace(self, walk=walk, asked_at=page.observed_at)


class TableRecorder:
    """Writes each page in a transaction of its own; implements `PageRecorder`.

    Args:
        writes: of the run, which only the holder of the lease can commit.
        account_id: whose rows.
        run_id: the run that counts the pages.
        signpost: start of the run, by the database's clock.
        sweep: what the run reads whole; None: it is incremental.
    """

    def __init__(
        self, writes: FencedWrites, account_id: int, run_id: UUID, signpost: datetime, sweep: Sweep | None
    ) -> None:
        self._writes = writes
        self._account_id = account_id
        self._run_id = run_id
        self._signpost = signpost
        self._sweep = sweep
        self._under_way: dict[Resource, _UnderWay] = {}
        # Of what is read outside of lists: threads, and single objects.
        self._walk_id = uuid4()
        self._announced_since = unannounced.find_announced_since(writes.database, account_id)
        writes.write(lambda c: walks.delete_pages_of_dead_runs(c, account_id, run_id, older_than=plan.TAKEN_UP_WITHIN))

    def begin_walk(self, resource: Resource, *, is_whole: bool) -> str | None:
        """Resume the walk that was cut, if there is one and the list is read whole; else begin one."""
        cut = self._writes.read(lambda c: walks.find_interrupted(c, self._account_id, resource)) if is_whole else None
        if cut is None:
            self._under_way[resource] = _UnderWay(walks.Walk(uuid4(), self._signpost), is_whole)
            return None
        self._under_way[resource] = _UnderWay(cut, is_whole, asked_at=cut.began_at)
        return cut.position

    def restart_walk(self, resource: Resource) -> None:
        """Begin a walk in place of the one that was resumed."""
        self._writes.write(lambda connection: self._end_walk(connection, resource))
        self._under_way[resource] = _UnderWay(walks.Walk(uuid4(), self._signpost), is_whole=True)

    def record_walked(self, page: Page) -> None:
        """Write one page, and the position of its walk.

        Raises:
            LeaseLost: another run took over; nothing of the page was written.
        """
        resource = page.shape.resource
        before = self._under_way[resource]
        after = before.after(page)

        def write(connection: Connection) -> None:
            self._write_page(connection, page, after)
            if after.is_whole and after.walk.position != before.walk.position:
                walks.store_position(connection, self._account_id, resource, after.walk)

        with write_span(resource):
            self._writes.write(write)
        self._under_way[resource] = after

    def record(self, page: Page) -> None:
        """Write one page.

        Raises:
            LeaseLost: another run took over; nothing of the page was written.
        """
        with write_span(page.shape.resource):
            self._writes.write(lambda connection: self._write_page(connection, page, None))

    def count(self, resource: Resource) -> tuple[ChangeCounts, QualityCounts]:
        """Count in the database, so that memory does not grow with the account."""
        return self._writes.read(lambda connection: walks.count_changes(connection, self._run_id, resource))

    def count_met(self, resource: Resource) -> int:
        """Count in the database, too."""
        return self._writes.read(
            lambda connection: walks.count_met_records(connection, self.walk_id(resource), resource)
        )

    def walk_id(self, resource: Resource) -> UUID:
        """Return the id of the walk that meets the rows of a resource."""
        under_way = self._under_way.get(resource)
        return self._walk_id if under_way is None else under_way.walk.walk_id

    def find_due(self, resource: Resource, *, listed: bool) -> dict[str, list[int]]:
        """Return the marked threads, or reservations to look up; a full run first marks threads without a stamp."""
        account_id, database = self._account_id, self._writes.database
        if resource is Resource.CONVERSATIONS:
            return {reasons.NOT_KNOWN: due_threads.list_lookups(database, account_id)}
        whole_after = self._sweep.threads_after if self._sweep is not None else None
        if whole_after is not None:
            self._writes.write(lambda c: due_threads.mark_for_sweep(c, account_id, whole_after=whole_after))
        return due_threads.list_due_threads(
            database, account_id, self._run_id if listed else None, whole_after=whole_after
        )

    def close_resource(self, resource: Resource, report: ResourceReport, *, is_cut: bool) -> None:
        """Write the report of a resource and, only if it was whole, its watermark, in one transaction.

        The position of a walk that was cut is kept for the next run; that of one that ended in doubt is not.
        """
        under_way = self._under_way.get(resource)

        def write(connection: Connection) -> None:
            run_states.record_resource(connection, self._run_id, self._account_id, resource, report)
            if under_way is not None and under_way.is_whole and not is_cut:
                self._end_walk(connection, resource)
            sweep = None if under_way is None or is_cut else under_way.sweep
            if report.state is RunState.SUCCESS and resource in OBJECTS:
                self._write_success(connection, resource, under_way, sweep)
            elif sweep is not None and report.state is RunState.FAILED:
                # The list was whole and too much of it was gone: another sweep at once would find the same.
                suspicions.record_hurried_sweep(connection, self._account_id, resource, began_at=sweep.began_at)

        self._writes.write(write)

    def _write_success(
        self, connection: Connection, resource: Resource, under_way: _UnderWay | None, sweep: setbacks.Sweep | None
    ) -> None:
        """Write what a resource that was read whole settles: its watermark, suspicions, marks of threads."""
        account_id, swept_at = self._account_id, self._swept_at(resource)
        watermark = None if under_way is None else under_way.walk.watermark_at
        run_states.move_watermark(connection, account_id, resource, to=watermark, swept_at=swept_at)
        asked_at = None if under_way is None else under_way.asked_at
        if swept_at is not None:
            # Marks left from a time when the database's clock was ahead; a run that reads all ends that.
            time_marks.reset_future_record_marks(connection, account_id, resource)
        if sweep is not None:
            setbacks.record_sweep(connection, account_id, resource, sweep)
            suspicions.record_hurried_sweep(connection, account_id, resource, began_at=sweep.began_at)
            suspicions.delete_judged(connection, account_id, resource, began_at=sweep.began_at)
        if resource is Resource.CONVERSATIONS and swept_at is not None and asked_at is not None:
            due_threads.clear_reservation_marks(connection, account_id, None, began_at=asked_at)
        if self._sweep is not None and resource is Resource.CONVERSATIONS and swept_at is not None:
            # In the transaction that stores the sweep: a kill between the two would leave them to the next sweep.
            due_threads.mark_for_sweep(connection, account_id, whole_after=self._sweep.threads_after)

    def _swept_at(self, resource: Resource) -> datetime | None:
        """Return since when all of a resource is known once this run has read it; None if the run does not."""
        if self._sweep is None:
            return None
        if resource is Resource.MESSAGES:
            return self._signpost
        return self._under_way[resource].walk.began_at if resource in self._sweep.lists else None

    def _end_walk(self, connection: Connection, resource: Resource) -> None:
        walks.delete_walk(connection, self._account_id, resource, self.walk_id(resource), run_id=self._run_id)

    def _write_page(self, connection: Connection, page: Page, walk: _UnderWay | None) -> None:
        account_id, resource = self._account_id, page.shape.resource
        walk_id, sweep = (self._walk_id, None) if walk is None else (walk.walk.walk_id, walk.sweep)
        is_listed = walk is not None
        watch = unannounced.watch_page(connection, account_id, page, since=self._announced_since)
        owner = account_owner.lock_owner(connection, account_id, resource, is_listed=is_listed, shape=page.shape)
        changes = upsert.write_page(connection, owner, page, sweep=sweep, is_listed=is_listed)
        if watch is not None:
            watch.note(changes)
        note_changes(changes)
        walks.add_page(connection, self._run_id, walk_id, account_id, resource, changes, count_oddities(page))


def open_table_recorders(
    database: Database,
    lease: Lease,
    run_id: UUID,
    signpost: datetime,
    sweep: Sweep | None,
    options: RunOptions,
) -> Recorders:
    """Return the recorders of a run that holds a lease; see `TableRecorder` for the other arguments."""
    account_id = lease.account_id
    writes = FencedWrites(database, lease, Cause(CauseKind.SYNC, str(run_id)))
    pages = TableRecorder(writes, account_id, run_id, signpost, sweep)
    missing_rows = TableMissingRows(writes, account_id, signpost, pages.walk_id)
    days = TableCalendarRecorder(writes.write, account_id, options.calendar)
    kinds = TableKindRecorder(writes.write, account_id, run_id, accept_missing=options.accept_missing)
    return Recorders(pages, days, kinds, TableThreadMarks(writes, account_id), missing_rows)


def count_oddities(page: Page) -> QualityCounts:
    """Count what of a page cannot be stored as it is."""
    cleaned = sum(record.id is not None and record.exact is not None for record in page.records)
    return QualityCounts(cleaned=cleaned, misfits=sum(len(record.misfits) for record in page.records))
