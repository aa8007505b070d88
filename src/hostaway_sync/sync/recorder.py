"""Where the pages of a run go: into the tables, or for a dry run into a count alone."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from hostaway_sync.records import Change, Counts, Oddities, Page, Resource, ResourceReport, RunState
from hostaway_sync.store import leases, records, runs, walks

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from hostaway_sync.store.engine import Database

_STRENGTH = {change: rank for rank, change in enumerate(Change)}


class Recorder(Protocol):
    """Takes pages, from several threads at once, and counts each record once."""

    def record(self, page: Page) -> None:
        """Take one page; when this returns, it is safe."""
        ...

    def counts(self, resource: Resource) -> tuple[Counts, Oddities]:
        """Give the distinct records so far, and the oddities met."""
        ...

    def close(self, resource: Resource, report: ResourceReport, watermark: datetime | None) -> None:
        """Write down how a resource ended."""
        ...

    def conversation_ids(self, *, listed: bool) -> list[int]:
        """Give the conversations whose threads are to be read: those listed in this run, or else those stored."""
        ...


class TableRecorder:
    """Writes every page in a transaction of its own, which only the holder of the lease can commit."""

    def __init__(
        self, database: Database, owner: records.Owner, lease: leases.Lease, run_id: UUID, signpost: datetime
    ) -> None:
        self._database = database
        self._owner = owner
        self._lease = lease
        self._run_id = run_id
        self._signpost = signpost

    def record(self, page: Page) -> None:
        """Write one page.

        Raises:
            LeaseLost: another run took over; nothing of the page was written.
        """

        def write(connection: Connection) -> None:
            leases.fence(connection, self._lease)
            changes = records.write_page(connection, self._owner, page)
            resource = page.shape.resource
            walks.add_page(connection, self._run_id, self._owner.account_id, resource, changes, oddities_of(page))

        self._database.transaction(write)

    def counts(self, resource: Resource) -> tuple[Counts, Oddities]:
        """Count in the database, so that nothing grows here."""
        return self._database.transaction(lambda connection: walks.tally(connection, self._run_id, resource))

    def close(self, resource: Resource, report: ResourceReport, watermark: datetime | None) -> None:
        """Write the row of a resource and, only if it was whole, its watermark, in one transaction."""

        def write(connection: Connection) -> None:
            leases.fence(connection, self._lease)
            account_id = self._owner.account_id
            runs.record_resource(connection, self._run_id, account_id, resource, report)
            if report.state is RunState.SUCCESS:
                runs.move_watermark(connection, account_id, resource, to=watermark, swept_at=self._signpost)

        self._database.transaction(write)

    def conversation_ids(self, *, listed: bool) -> list[int]:
        """Give the conversations listed in this run, or else those stored."""
        return walks.conversation_ids(self._database, self._owner.account_id, self._run_id if listed else None)


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

    def close(self, resource: Resource, report: ResourceReport, watermark: datetime | None) -> None:
        """Write nothing."""

    def conversation_ids(self, *, listed: bool) -> list[int]:
        """Give the conversations met in this run, or else those stored."""
        if listed:
            with self._lock:
                return [key for key in self._changes[Resource.CONVERSATIONS] if key > 0]
        return walks.conversation_ids(self._database, self._owner.account_id, None)


def oddities_of(page: Page) -> Oddities:
    """Count what of a page cannot be stored as it is."""
    cleaned = sum(record.id is not None and record.exact is not None for record in page.records)
    return Oddities(cleaned=cleaned, misfits=sum(len(record.misfits) for record in page.records))
