"""Where the pages of a run go: into the tables, or for a dry run into a count alone."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hostaway_sync.records import Change, Counts, Oddities, Page, Resource, ResourceReport, RunState
from hostaway_sync.store import due, leases, missing, records, runs, walks
from hostaway_sync.sync import plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta
    from uuid import UUID

    from sqlalchemy import Connection

    from hostaway_sync.store.engine import Database
    from hostaway_sync.store.missing import Unlisted

_STRENGTH = {change: rank for rank, change in enumerate(Change)}


class Recorder(Protocol):
    """Takes pages, from several threads at once, counts each record once, and knows which threads are due."""

    def record(self, page: Page) -> None:
        """Take one page; when this returns, it is safe."""
        ...

    def counts(self, resource: Resource) -> tuple[Counts, Oddities]:
        """Give the distinct records so far, and the oddities met."""
        ...

    def met(self, resource: Resource) -> int:
        """Count the distinct records that this attempt of the run has met."""
        ...

    def due(self, resource: Resource, *, listed: bool) -> list[int]:
        """Give what is to be read part by part: conversations for messages, reservations for conversations.

        `listed` says that this run has read the list of all conversations.
        """
        ...

    def read(self, resource: Resource, parent: int, began_at: datetime) -> None:
        """Take away the mark of a part that was read whole, beginning at `began_at`."""
        ...

    def unlisted(self, resource: Resource) -> list[Unlisted]:
        """Give the live rows that a whole walk of this run left out."""
        ...

    def live(self, resource: Resource) -> int:
        """Count the rows that are not missing."""
        ...

    def is_unlisted_for_long(self, row: Unlisted) -> bool:
        """Say whether whole walks far enough apart left a row out."""
        ...

    def mark_missing(self, resource: Resource, row_id: int) -> None:
        """Take down that a row is gone."""
        ...

    def close(self, resource: Resource, report: ResourceReport, watermark: datetime | None) -> None:
        """Write down how a resource ended."""
        ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a full run does besides reading everything.

    Attributes:
        threads_after: threads that were not read whole for so long are due.
    """

    threads_after: timedelta


class TableRecorder:
    """Writes every page in a transaction of its own, which only the holder of the lease can commit."""

    def __init__(
        self,
        database: Database,
        owner: records.Owner,
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
        self._conversations_asked_at: datetime | None = None
        self._noted_before = 0
        self._write(self._begin)

    def _begin(self, connection: Connection) -> None:
        walks.forget_others(connection, self._owner.account_id, self._run_id)
        self._noted_before = walks.last_page(connection, self._run_id)

    def record(self, page: Page) -> None:
        """Write one page.

        Raises:
            LeaseLost: another run took over; nothing of the page was written.
        """
        resource = page.shape.resource
        if resource is Resource.CONVERSATIONS and self._conversations_asked_at is None:
            self._conversations_asked_at = page.observed_at

        def write(connection: Connection) -> None:
            changes = records.write_page(connection, self._owner, page)
            walks.add_page(connection, self._run_id, self._owner.account_id, resource, changes, oddities_of(page))

        self._write(write)

    def counts(self, resource: Resource) -> tuple[Counts, Oddities]:
        """Count in the database, so that nothing grows here."""
        return self._database.transaction(lambda connection: walks.tally(connection, self._run_id, resource))

    def met(self, resource: Resource) -> int:
        """Count in the database what was noted since this recorder began."""
        return self._database.transaction(
            lambda connection: walks.met(connection, self._run_id, resource, after_page=self._noted_before)
        )

    def due(self, resource: Resource, *, listed: bool) -> list[int]:
        """Give the marked threads, or reservations to look up; a full run first marks what no stamp tells of."""
        account_id = self._owner.account_id
        if resource is Resource.CONVERSATIONS:
            return due.lookups(self._database, account_id)
        if self._sweep is not None:
            whole_after = self._sweep.threads_after
            self._write(lambda connection: due.mark_for_sweep(connection, account_id, whole_after=whole_after))
        return due.threads(self._database, account_id, self._run_id if listed else None)

    def read(self, resource: Resource, parent: int, began_at: datetime) -> None:
        """Take away the mark of a thread, or of a reservation whose conversations are known now."""
        take_away = due.looked_up if resource is Resource.CONVERSATIONS else due.thread_read
        self._write(lambda connection: take_away(connection, self._owner.account_id, parent, began_at=began_at))

    def unlisted(self, resource: Resource) -> list[Unlisted]:
        """Give the live rows that were not met, and remember since when."""
        account_id = self._owner.account_id
        walk = missing.Walk(self._run_id, account_id, resource, self._noted_before, self._signpost)
        rows = self._database.transaction(lambda connection: missing.unlisted(connection, walk))
        self._write(lambda connection: missing.note(connection, walk, rows))
        return rows

    def live(self, resource: Resource) -> int:
        """Count in the database."""
        return self._database.transaction(lambda connection: missing.live(connection, self._owner.account_id, resource))

    def is_unlisted_for_long(self, row: Unlisted) -> bool:
        """Compare with the start of this run."""
        return row.since is not None and self._signpost - row.since >= plan.UNLISTED_FOR

    def mark_missing(self, resource: Resource, row_id: int) -> None:
        """Mark a row as missing since now."""
        self._write(lambda connection: missing.mark(connection, self._owner.account_id, resource, row_id))

    def close(self, resource: Resource, report: ResourceReport, watermark: datetime | None) -> None:
        """Write the row of a resource and, only if it was whole, its watermark, in one transaction."""
        account_id = self._owner.account_id

        def write(connection: Connection) -> None:
            runs.record_resource(connection, self._run_id, account_id, resource, report)
            if report.state is not RunState.SUCCESS:
                return
            swept_at = self._signpost if self._sweep is not None else None
            runs.move_watermark(connection, account_id, resource, to=watermark, swept_at=swept_at)
            asked_at = self._conversations_asked_at
            if resource is Resource.CONVERSATIONS and swept_at is not None and asked_at is not None:
                due.looked_up(connection, account_id, None, began_at=asked_at)

        self._write(write)

    def _write(self, work: Callable[[Connection], None]) -> None:
        def fenced(connection: Connection) -> None:
            leases.fence(connection, self._lease)
            work(connection)

        self._database.transaction(fenced)


class DryRecorder:
    """Compares every page with what is stored, and writes nothing. Its memory grows with the account."""

    def __init__(self, database: Database, owner: records.Owner) -> None:
        self._database = database
        self._owner = owner
        self._changes: dict[Resource, dict[int, Change]] = {resource: {} for resource in Resource}
        self._oddities: dict[Resource, list[Oddities]] = {resource: [] for resource in Resource}
        self._lock = threading.Lock()

    def record(self, page: Page) -> None:
        """Compare one page."""
        changes = self._database.transaction(lambda connection: records.compare_page(connection, self._owner, page))
        with self._lock:
            met = self._changes[page.shape.resource]
            for key, change in changes:
                met[key] = min(change, met.get(key, change), key=_STRENGTH.__getitem__)
            self._oddities[page.shape.resource].append(oddities_of(page))

    def counts(self, resource: Resource) -> tuple[Counts, Oddities]:
        """Count what was compared so far."""
        with self._lock:
            counted = Counter(self._changes[resource].values())
            odd = self._oddities[resource]
            oddities = Oddities(sum(page.cleaned for page in odd), sum(page.misfits for page in odd))
        by_name = {change.value: counted[change] for change in Change}
        return Counts(seen=sum(by_name.values()), **by_name), oddities

    def met(self, resource: Resource) -> int:
        """Count what was compared so far."""
        return self.counts(resource)[0].seen

    def due(self, resource: Resource, *, listed: bool) -> list[int]:
        """Give what is marked, and what this run would have marked; it cannot tell which of a row's stamps moved."""
        account_id = self._owner.account_id
        changed = self._changed(Resource.RESERVATIONS)
        known = due.conversations_of(self._database, account_id, changed)
        if resource is Resource.CONVERSATIONS:
            return sorted({*due.lookups(self._database, account_id), *changed} - known.keys())
        marked = {*due.threads(self._database, account_id, None), *self._changed(Resource.CONVERSATIONS)}
        marked.update(conversation for conversations in known.values() for conversation in conversations)
        return sorted(marked & self._changes[Resource.CONVERSATIONS].keys() if listed else marked)

    def read(self, resource: Resource, parent: int, began_at: datetime) -> None:
        """Write nothing."""

    def unlisted(self, resource: Resource) -> list[Unlisted]:
        """Give none: whether a row is gone is decided by requests that a dry run does not make."""
        del resource
        return []

    def live(self, resource: Resource) -> int:
        """Count nothing: nothing is unlisted."""
        del resource
        return 0

    def is_unlisted_for_long(self, row: Unlisted) -> bool:
        """Say no: nothing is unlisted."""
        del row
        return False

    def mark_missing(self, resource: Resource, row_id: int) -> None:
        """Write nothing."""

    def close(self, resource: Resource, report: ResourceReport, watermark: datetime | None) -> None:
        """Write nothing."""

    def _changed(self, resource: Resource) -> list[int]:
        with self._lock:
            met = self._changes[resource].items()
            return [key for key, change in met if change in {Change.INSERTED, Change.UPDATED}]


def oddities_of(page: Page) -> Oddities:
    """Count what of a page cannot be stored as it is."""
    cleaned = sum(record.id is not None and record.exact is not None for record in page.records)
    return Oddities(cleaned=cleaned, misfits=sum(len(record.misfits) for record in page.records))
