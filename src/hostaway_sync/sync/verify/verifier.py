"""Compare one account's mirror with its source: the pull pipeline, read-only unless a repair is wanted.

    for each resource:
        source.walk(resource)              pages, as they arrive
          | recorder.record(page)          one transaction a page: lease, payload against payload, notes
          | plan.find_doubt(...)           whole? else walk again, at most twice
          | recorder.note_gone(row)        live rows that no page held, requested one by one
    certificate                            what was found, kept in the database

A repair writes what differs as it compares; then all is compared once more, and that comparison is certified.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hostaway_sync.errors import StoreUnavailable
from hostaway_sync.model.records import OBJECTS, Owner, Resource
from hostaway_sync.observability.log_context import log_context
from hostaway_sync.observability.tracing import start_span
from hostaway_sync.store.records import findings
from hostaway_sync.store.records.findings import Notes
from hostaway_sync.store.runs import leases
from hostaway_sync.store.runs import states as run_states
from hostaway_sync.sync.lease import hold_lease
from hostaway_sync.sync.verify.calendars import compare_calendars
from hostaway_sync.sync.verify.certificate import Certificate, Equality, Findings
from hostaway_sync.sync.verify.comparison import Comparison
from hostaway_sync.sync.verify.recorder import Terms, VerifyRecorder

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from hostaway_sync.model.records import Source
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.sync.calendar.plan import CalendarOptions
    from hostaway_sync.sync.progress import Progress


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of a verification.

    Attributes:
        deep: read every thread.
        repair: write what differs, and compare once more.
        in_flight: how many requests overlap.
        calendar: how calendars are mirrored, to compare them, too; None: they are left out.
    """

    deep: bool = False
    repair: bool = False
    in_flight: int = 4
    calendar: CalendarOptions | None = None


class Verifier:
    """Compares the mirror of one account with its source, under the account's lease."""

    def __init__(
        self, database: Database, account: Account, options: VerifyOptions, source: Source, progress: Progress
    ) -> None:
        self._database = database
        self._account = account
        self._options = options
        self._source = source
        self._progress = progress
        self._recorders: list[VerifyRecorder] = []
        self._repaired: Counter[Resource] = Counter()
        self._verified_at: datetime | None = None

    def certify(self) -> Certificate:
        """Compare, store the certificate, and return it.

        Raises:
            LeaseHeld: a run works on this account.
            LeaseLost: another run took over in the middle.
            HostawaySyncError: nothing could be done at all.
        """
        account_id = self._account.account_id
        with log_context(account_id=account_id), hold_lease(self._database, account_id) as lease, start_span("verify"):
            notes = Notes(account_id, lease.fencing_token), Notes(account_id, lease.fencing_token)
            try:
                return self._under_lease(lease, *notes)
            finally:
                with suppress(StoreUnavailable):  # the next run deletes them
                    self._database.transaction(lambda connection: findings.delete_notes(connection, *notes))

    def _under_lease(self, lease: leases.Lease, first: Notes, second: Notes) -> Certificate:
        began = time.monotonic()
        marks, now = run_states.find_marks(self._database, self._account.account_id)
        late_from = {
            resource: (marks[resource].watermark_at if resource in marks else None) or self._account.last_sync_at
            for resource in OBJECTS
        }
        terms = Terms(deep=self._options.deep, repair=self._options.repair, late_from=late_from)
        found = self._compare(lease, first, terms, now)
        if self._options.repair and not self._count_lost() and not any(part.error for part in found.values()):
            found = self._compare(lease, second, replace(terms, earlier=first), now)
        # Of both comparisons: the notes of the first one tell the second one what to read.
        lost = self._count_lost()
        repaired = {resource: self._repaired[resource] for resource in OBJECTS}
        certificate = Certificate(
            account_id=self._account.account_id,
            verified_at=self._verified_at or now,
            finished_at=run_states.find_marks(self._database, self._account.account_id)[1],
            duration_s=round(time.monotonic() - began, 3),
            api_calls=self._source.api_calls,
            deep=self._options.deep,
            repaired=repaired if self._options.repair else None,
            # ChangeCounts from part of the notes are no findings.
            resources=dict.fromkeys(OBJECTS, Findings()) if lost else found,
            lost=lost,
        )
        self._store(lease, certificate)
        if self._options.calendar is None:
            return certificate
        return self._add_calendar(lease, certificate, self._options.calendar, began)

    def _add_calendar(
        self, lease: leases.Lease, certificate: Certificate, calendar: CalendarOptions, began: float
    ) -> Certificate:
        """Return a certificate with the findings about calendars, which the stored one does not have."""
        options = self._options
        found, days = compare_calendars(
            self._database,
            lease,
            self._source,
            calendar,
            self._progress,
            in_flight=options.in_flight,
            repair=options.repair,
        )
        repaired = certificate.repaired
        return replace(
            certificate,
            finished_at=run_states.find_marks(self._database, self._account.account_id)[1],
            duration_s=round(time.monotonic() - began, 3),
            api_calls=self._source.api_calls,
            repaired=None if repaired is None else {**repaired, Resource.CALENDAR: days},
            calendar=found,
        )

    def _compare(self, lease: leases.Lease, notes: Notes, terms: Terms, now: datetime) -> dict[Resource, Findings]:
        owner = Owner(self._account.account_id, self._account.customer_id)
        recorder = VerifyRecorder(self._database, owner, lease, self._source, notes, terms)
        self._recorders.append(recorder)
        comparison = Comparison(
            self._account.account_id,
            self._source,
            recorder,
            self._progress,
            in_flight=self._options.in_flight,
            deep=self._options.deep,
            began_at=now,
        )
        found = comparison.run()
        self._repaired += recorder.repaired
        self._verified_at = recorder.first_asked_at
        return found

    def _count_lost(self) -> int:
        return sum(recorder.count_lost() for recorder in self._recorders)

    def _store(self, lease: leases.Lease, certificate: Certificate) -> None:
        def write(connection: Connection) -> None:
            leases.fence_transaction(connection, lease)
            findings.store_certificate(
                connection,
                certificate.account_id,
                certificate.document(),
                verified_at=certificate.verified_at,
                finished_at=certificate.finished_at,
                is_equal=certificate.state is Equality.EQUAL,
                is_deep=certificate.deep,
                api_calls=certificate.api_calls,
            )

        self._database.transaction(write)
