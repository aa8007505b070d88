"""The pull pipe with another end: what a source holds, held against what is stored.

    for each resource:
        source.walk(resource)            pages, as they arrive
          | comparer.record(page)        one transaction a page: lease, payload against payload, what was found
          | plan.doubt(...)              whole? else walk again, at most twice
          | comparer.gone(row)           live rows that no page had, asked for one by one
    certificate                          what was found, kept in the database

With a repair the comparison writes what differs on its way; then all is compared once more, and that is certified.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hostaway_sync.errors import StoreUnavailable
from hostaway_sync.model.records import Owner, Resource
from hostaway_sync.observability.log_context import log_context
from hostaway_sync.observability.tracing import start_span
from hostaway_sync.store.records import findings as verify_findings
from hostaway_sync.store.records.findings import Notes
from hostaway_sync.store.runs import leases
from hostaway_sync.store.runs import states as run_states
from hostaway_sync.sync.lease import hold_lease
from hostaway_sync.sync.verify.certificate import Certificate, Equality, Findings
from hostaway_sync.sync.verify.comparison import Comparison
from hostaway_sync.sync.verify.recorder import Terms, VerifyRecorder

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from hostaway_sync.model.records import Progress, Source
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.store.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Verification:
    """What is asked of a verification.

    Attributes:
        deep: read every thread.
        repair: write what differs, and compare once more.
        in_flight: requests that overlap.
    """

    deep: bool = False
    repair: bool = False
    in_flight: int = 4


class Verifier:
    """Compares the mirror of one account with its source; nothing else may be at work on it meanwhile."""

    def __init__(
        self, database: Database, account: Account, wanted: Verification, source: Source, progress: Progress
    ) -> None:
        self._database = database
        self._account = account
        self._wanted = wanted
        self._source = source
        self._progress = progress
        self._comparers: list[VerifyRecorder] = []
        self._repaired: Counter[Resource] = Counter()
        self._verified_at: datetime | None = None

    def certify(self) -> Certificate:
        """Compare, keep what was found, and give it.

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
                with suppress(StoreUnavailable):  # the next run takes them away
                    self._database.transaction(lambda connection: verify_findings.delete_notes(connection, *notes))

    def _under_lease(self, lease: leases.Lease, first: Notes, second: Notes) -> Certificate:
        began = time.monotonic()
        marks, now = run_states.find_marks(self._database, self._account.account_id)
        late_from = {
            resource: (marks[resource].watermark_at if resource in marks else None) or self._account.last_sync_at
            for resource in Resource
        }
        terms = Terms(deep=self._wanted.deep, repair=self._wanted.repair, late_from=late_from)
        found = self._compare(lease, first, terms, now)
        if self._wanted.repair and not self._lost() and not any(part.error for part in found.values()):
            found = self._compare(lease, second, replace(terms, earlier=first), now)
        # Of all comparisons: the second one was told by the notes of the first what to read.
        lost = self._lost()
        repaired = {resource: self._repaired[resource] for resource in Resource}
        certificate = Certificate(
            account_id=self._account.account_id,
            verified_at=self._verified_at or now,
            finished_at=run_states.find_marks(self._database, self._account.account_id)[1],
            duration_s=round(time.monotonic() - began, 3),
            api_calls=self._source.api_calls,
            deep=self._wanted.deep,
            repaired=repaired if self._wanted.repair else None,
            # What was counted from half of the notes is no finding.
            resources=dict.fromkeys(Resource, Findings()) if lost else found,
            lost=lost,
        )
        self._keep(lease, certificate)
        return certificate

    def _compare(self, lease: leases.Lease, notes: Notes, terms: Terms, now: datetime) -> dict[Resource, Findings]:
        owner = Owner(self._account.account_id, self._account.customer_id)
        comparer = VerifyRecorder(self._database, owner, lease, self._source, notes, terms)
        self._comparers.append(comparer)
        comparison = Comparison(
            self._account.account_id,
            self._source,
            comparer,
            self._progress,
            in_flight=self._wanted.in_flight,
            deep=self._wanted.deep,
            began_at=now,
        )
        found = comparison.run()
        self._repaired += comparer.repaired
        self._verified_at = comparer.first_asked_at
        return found

    def _lost(self) -> int:
        return sum(comparer.lost() for comparer in self._comparers)

    def _keep(self, lease: leases.Lease, certificate: Certificate) -> None:
        def write(connection: Connection) -> None:
            leases.fence_transaction(connection, lease)
            verify_findings.store_certificate(
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
