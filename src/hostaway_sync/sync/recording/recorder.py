"""Where the pages of a run go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from hostaway_sync.model.records import ChangeCounts, Page, QualityCounts, Resource, ResourceReport, RunState
from hostaway_sync.store import time_marks
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.records import due_threads, missing, setbacks, suspicions, upsert, walks
from hostaway_sync.store.runs import leases
from hostaway_sync.store.runs import states as run_states
from hostaway_sync.store.webhooks import unannounced
from hostaway_sync.sync import plan
from hostaway_sync.sync.reporting import reasons
from hostaway_sync.sync.reporting.run_log import note_changes, write_span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

    from hostaway_sync.model.records import Owner
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.records.missing import UnlistedRow


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a full run does.

    Attributes:
        lists: those it reads whole.
        threads_after: threads that were not read whole for so long are due.
    """

    lists: frozenset[Resource]
    threads_after: timedelta


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A walk of a list; `asked_at` is when its first page was asked for, None until it came."""

    walk: walks.Walk
    is_whole: bool
    asked_at: datetime | None = None

    @property
    def sweep(self) -> setbacks.Sweep | None:
        """The walk, if it is one of the whole list."""
        return setbacks.Sweep(self.walk.walk_id, self.walk.began_at) if self.is_whole else None

    def after(self, page: Page) -> _UnderWay:
        """Give the walk as it is when a page was added; the watermark is that of its first page."""
        walk = replace(self.walk, position=page.position)
        if self.asked_at is not None:
            return replace(self, walk=walk)
        walk = replace(walk, watermark_at=plan.compute_watermark(page, walk.began_at))
        return replace(self, walk=walk, asked_at=page.observed_at)


class TableRecorder:
    """Writes every page in a transaction of its own, which only the holder of the lease can commit."""

    def __init__(
        self,
        database: Database,
        owner: Owner,
        lease: leases.Lease,
        run_id: UUID,
        signpost: datetime,
        sweep: Sweep | None,
    ) -> None:
        self._database = database
        self._owner = owner
        self._lease = lease
        self._run_id = run_id
        self._signpost = signpost
        self._sweep = sweep
        self._under_way: dict[Resource, _UnderWay] = {}
        # Of what is read beside the lists: threads, and single objects.
        self._walk_id = uuid4()
        self._announced_since = unannounced.find_announced_since(database, owner.account_id)
        self._write(
            lambda c: walks.delete_pages_of_dead_runs(c, owner.account_id, run_id, older_than=plan.TAKEN_UP_WITHIN)
        )

    def begin(self, resource: Resource, *, is_whole: bool) -> str | None:
        """Take up the walk that was cut, if there is one and the list is read whole; or begin one."""
        account_id = self._owner.account_id
        cut = (
            self._database.transaction(lambda c: walks.find_interrupted(c, account_id, resource)) if is_whole else None
        )
        if cut is None:
            self._under_way[resource] = _UnderWay(walks.Walk(uuid4(), self._signpost), is_whole)
            return None
        self._under_way[resource] = _UnderWay(cut, is_whole, asked_at=cut.began_at)
        return cut.position

    def begin_again(self, resource: Resource) -> None:
        """Begin a walk in place of the one that was taken up."""
        self._write(lambda connection: self._end(connection, resource))
        self._under_way[resource] = _UnderWay(walks.Walk(uuid4(), self._signpost), is_whole=True)

    def walked(self, page: Page) -> None:
        """Write one page, and where its walk stands.

        Raises:
            LeaseLost: another run took over; nothing of the page was written.
        """
        resource = page.shape.resource
        before = self._under_way[resource]
        after = before.after(page)

        def write(connection: Connection) -> None:
            self._write_page(connection, page, after)
            if after.is_whole and after.walk.position != before.walk.position:
                walks.store_position(connection, self._owner.account_id, resource, after.walk)

        with write_span(resource):
            self._write(write)
        self._under_way[resource] = after

    def record(self, page: Page) -> None:
        """Write one page.

        Raises:
            LeaseLost: another run took over; nothing of the page was written.
        """
        with write_span(page.shape.resource):
            self._write(lambda connection: self._write_page(connection, page, None))

    def counts(self, resource: Resource) -> tuple[ChangeCounts, QualityCounts]:
        """Count in the database, so that nothing grows here."""
        return self._database.transaction(lambda connection: walks.count_changes(connection, self._run_id, resource))

    def met(self, resource: Resource) -> int:
        """Count in the database."""
        walk_id = self._under_way[resource].walk.walk_id
        return self._database.transaction(lambda connection: walks.count_met_records(connection, walk_id, resource))

    def due(self, resource: Resource, *, listed: bool) -> dict[str, list[int]]:
        """Give the marked threads, or reservations to look up; a full run first marks what no stamp tells of."""
        account_id = self._owner.account_id
        if resource is Resource.CONVERSATIONS:
            return {reasons.NOT_KNOWN: due_threads.list_lookups(self._database, account_id)}
        whole_after = self._sweep.threads_after if self._sweep is not None else None
        if whole_after is not None:
            self._write(lambda connection: due_threads.mark_for_sweep(connection, account_id, whole_after=whole_after))
        return due_threads.list_due_threads(
            self._database, account_id, self._run_id if listed else None, whole_after=whole_after
        )

    def read(self, resource: Resource, parent: int, began_at: datetime, met: Collection[int]) -> None:
        """Take away the mark of a thread, or of a reservation whose conversations are known now."""
        account_id = self._owner.account_id
        if resource is Resource.CONVERSATIONS:
            self._write(
                lambda connection: due_threads.clear_reservation_marks(
                    connection, account_id, parent, began_at=began_at
                )
            )
        else:
            self._write(
                lambda connection: due_threads.record_thread_read(
                    connection, account_id, parent, began_at=began_at, met=met
                )
            )

    def unlisted(self, resource: Resource) -> list[UnlistedRow]:
        """Give the live rows that were not met, and remember since when."""
        account_id = self._owner.account_id
        under_way = self._under_way.get(resource)
        walk_id = self._walk_id if under_way is None else under_way.walk.walk_id
        walk = missing.FinishedWalk(walk_id, account_id, resource, self._signpost)
        rows = self._database.transaction(lambda connection: missing.list_unlisted(connection, walk))
        self._write(lambda connection: missing.note_unlisted(connection, walk, rows))
        return rows

    def live(self, resource: Resource) -> int:
        """Count in the database."""
        return self._database.transaction(
            lambda connection: missing.count_live(connection, self._owner.account_id, resource)
        )

    def marked_lately(self, resource: Resource) -> int:
        """Count in the database."""
        account_id, within = self._owner.account_id, plan.MISSING_WITHIN
        return self._database.transaction(lambda c: missing.count_marked_since(c, account_id, resource, within=within))

    def accept(self, resource: Resource) -> None:
        """Write down that what is marked missing by now was accepted."""
        self._write(lambda connection: missing.accept_missing(connection, self._owner.account_id, resource))

    def not_found(self, resource: Resource, record_id: int) -> None:
        """Raise a suspicion."""
        self._write(
            lambda connection: suspicions.note_suspicion(connection, self._owner.account_id, resource, record_id)
        )

    def is_unlisted_for_long(self, row: UnlistedRow) -> bool:
        """Compare with the start of this run."""
        return row.since is not None and self._signpost - row.since >= plan.UNLISTED_FOR

    def mark_missing(self, resource: Resource, row_id: int) -> None:
        """Mark a row as missing since now."""
        self._write(lambda connection: missing.mark_missing(connection, self._owner.account_id, resource, row_id))

    def proven(self, rows: Sequence[UnlistedRow]) -> None:
        """Take away the marks of threads that were due only because they had lost these messages."""
        threads = sorted({row.parent for row in rows if row.parent is not None})
        if threads:
            self._write(lambda connection: due_threads.clear_proven_marks(connection, self._owner.account_id, threads))

    def close(self, resource: Resource, report: ResourceReport, *, is_cut: bool) -> None:
        """Write the row of a resource and, only if it was whole, its watermark, in one transaction.

        A walk that was cut stays where it stands, for the next run; one that ended in doubt does not.
        """
        account_id = self._owner.account_id
        under_way = self._under_way.get(resource)
        swept_at = self._swept_at(resource)

        def write(connection: Connection) -> None:
            run_states.record_resource(connection, self._run_id, account_id, resource, report)
            if under_way is not None and under_way.is_whole and not is_cut:
                self._end(connection, resource)
            sweep = None if under_way is None or is_cut else under_way.sweep
            if report.state is not RunState.SUCCESS:
                if sweep is not None and report.state is RunState.FAILED:
                    # It was whole and too much was gone: asking again at once would say the same.
                    suspicions.record_hurried_sweep(connection, account_id, resource, began_at=sweep.began_at)
                return
            watermark = None if under_way is None else under_way.walk.watermark_at
            run_states.move_watermark(connection, account_id, resource, to=watermark, swept_at=swept_at)
            asked_at = None if under_way is None else under_way.asked_at
            if swept_at is not None:
                # What is left from a time when the database's clock was ahead; a run that reads all ends that.
                time_marks.reset_future_record_marks(connection, account_id, resource)
            if sweep is not None:
                setbacks.record_sweep(connection, account_id, resource, sweep)
                suspicions.record_hurried_sweep(connection, account_id, resource, began_at=sweep.began_at)
                suspicions.delete_judged(connection, account_id, resource, began_at=sweep.began_at)
            if resource is Resource.CONVERSATIONS and swept_at is not None and asked_at is not None:
                due_threads.clear_reservation_marks(connection, account_id, None, began_at=asked_at)
            if self._sweep is not None and resource is Resource.CONVERSATIONS and swept_at is not None:
                # With the list that was swept, or a kill between the two would leave them to the next sweep.
                due_threads.mark_for_sweep(connection, account_id, whole_after=self._sweep.threads_after)

        self._write(write)

    def _swept_at(self, resource: Resource) -> datetime | None:
        """Give since when all of a resource is known once this run has read it; None if the run does not."""
        if self._sweep is None:
            return None
        if resource is Resource.MESSAGES:
            return self._signpost
        return self._under_way[resource].walk.began_at if resource in self._sweep.lists else None

    def _end(self, connection: Connection, resource: Resource) -> None:
        walk_id = self._under_way[resource].walk.walk_id
        walks.delete_walk(connection, self._owner.account_id, resource, walk_id, run_id=self._run_id)

    def _write_page(self, connection: Connection, page: Page, walk: _UnderWay | None) -> None:
        account_id, resource = self._owner.account_id, page.shape.resource
        walk_id, sweep = (self._walk_id, None) if walk is None else (walk.walk.walk_id, walk.sweep)
        is_listed = walk is not None
        watch = unannounced.watch_page(connection, account_id, page, since=self._announced_since)
        owner = account_owner.lock_owner(connection, account_id, resource, is_listed=is_listed)
        changes = upsert.write_page(connection, owner, page, sweep=sweep, is_listed=is_listed)
        if watch is not None:
            watch.note(changes)
        note_changes(changes)
        walks.add_page(connection, self._run_id, walk_id, account_id, resource, changes, oddities_of(page))

    def _write(self, work: Callable[[Connection], None]) -> None:
        def fenced(connection: Connection) -> None:
            leases.fence_transaction(connection, self._lease)
            work(connection)

        self._database.transaction(fenced)


def oddities_of(page: Page) -> QualityCounts:
    """Count what of a page cannot be stored as it is."""
    cleaned = sum(record.id is not None and record.exact is not None for record in page.records)
    return QualityCounts(cleaned=cleaned, misfits=sum(len(record.misfits) for record in page.records))
