"""The recorder of a verification: pages are compared with the rows, and a repair writes them."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from hostaway_sync.errors import Forbidden, NotFound
from hostaway_sync.model.history.causes import Cause, CauseKind
from hostaway_sync.model.records import ChangeCounts, QualityCounts, Resource
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.records import compare, due_threads, findings, missing, suspicions, upsert
from hostaway_sync.store.records.compare import RowComparison
from hostaway_sync.store.records.findings import Note
from hostaway_sync.store.tables import MIRRORED
from hostaway_sync.sync import plan
from hostaway_sync.sync.recording.fenced_writes import FencedWrites
from hostaway_sync.sync.reporting import reasons
from hostaway_sync.sync.verify.certificate import Findings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from hostaway_sync.model.records import Owner, Page, Record, Source
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.records.compare import Compared
    from hostaway_sync.store.records.findings import Notes, UnmetRow
    from hostaway_sync.store.runs.leases import Lease

_IDS_SHOWN = 20
_NOT_EQUAL = (RowComparison.MISSING, RowComparison.EXTRA, RowComparison.DIFFERENT, RowComparison.UNDECIDED)


@dataclass(frozen=True, slots=True)
class Terms:
    """How pages are compared.

    Attributes:
        deep: whether every thread is read.
        repair: whether rows that differ are written.
        late_from: per resource, stamps after this moment are newer than the last run that was whole; None: all are.
        earlier: notes of an earlier comparison, whose threads are read again; None: there was none.
    """

    deep: bool
    repair: bool
    late_from: Mapping[Resource, datetime | None]
    earlier: Notes | None = None


class VerifyRecorder:
    """Compares each page in a transaction of its own; implements `PartRecorder` and `ThreadMarks`.

    Only the holder of the lease can commit. A repair writes what differs in the same transaction and compares again:
    the notes tell what is stored after it.
    """

    def __init__(
        self, database: Database, owner: Owner, lease: Lease, source: Source, notes: Notes, terms: Terms
    ) -> None:
        self._owner = owner
        self._writes = FencedWrites(database, lease, Cause(CauseKind.VERIFY))
        self._source = source
        self._notes = notes
        self._terms = terms
        self._lock = threading.Lock()
        self._trusted = 0
        self._listed: dict[Resource, int] = {}
        self._readings: Counter[str] = Counter()
        self.repaired: Counter[Resource] = Counter()
        self.first_asked_at: datetime | None = None

    def record(self, page: Page) -> None:
        """Compare one page; a row that differs, but is newer than the list, is compared with the object itself."""
        with self._lock:
            self.first_asked_at = self.first_asked_at or page.observed_at
        for compared in self._compare(page, final=False):
            self._compare_again(page.shape.resource, compared)

    def count_met(self, resource: Resource) -> int:
        """Count the distinct records met, which the findings show as listed."""
        met = sum(self._writes.read(lambda c: findings.count_findings(c, self._notes, resource)).counts.values())
        self._listed[resource] = met
        return met

    def count(self, resource: Resource) -> tuple[ChangeCounts, QualityCounts]:
        """Count the distinct records met; the findings tell how they compare."""
        return ChangeCounts(seen=self.count_met(resource)), QualityCounts()

    def find_due(self, resource: Resource, *, listed: bool) -> dict[str, list[int]]:
        """Return the threads to be read, by the reason why."""
        del listed
        wanted, self._trusted = self._writes.read(
            lambda c: findings.choose_threads_to_read(c, self._notes, self._terms.earlier, deep=self._terms.deep)
        )
        return {reasons.explain_comparison(resource): wanted}

    def mark_read(self, resource: Resource, parent: int, began_at: datetime, met: Collection[int]) -> None:
        """Note that a thread was read whole; a repair removes its mark."""
        del resource
        number = next(self._notes.pages)

        def write(connection: Connection) -> None:
            findings.add_read_thread(connection, self._notes, parent, page=number)
            if self._terms.repair:
                due_threads.record_thread_read(connection, self._notes.account_id, parent, began_at=began_at, met=met)

        self._writes.write(write)
        self._count_readings(findings.THREADS, 1)

    def note_not_found(self, resource: Resource, record_id: int) -> None:
        """Store a suspicion; a comparison marks only rows that a whole list left out."""
        self._writes.write(
            lambda connection: suspicions.note_suspicion(connection, self._notes.account_id, resource, record_id)
        )

    def find_unlisted(self, resource: Resource, *, deep: bool, began_at: datetime) -> list[UnmetRow]:
        """Return the live rows that were not met; a repair stores since when they are unlisted."""
        rows = self._writes.read(
            lambda connection: findings.list_unlisted(connection, self._notes, resource, deep=deep)
        )
        if self._terms.repair:
            walk = missing.FinishedWalk(self._notes.notes_id, self._notes.account_id, resource, began_at)
            met = findings.was_met(self._notes, resource, MIRRORED[resource].c.id)
            self._writes.write(lambda connection: missing.note_unlisted(connection, walk, [*rows], met=met))
        return rows

    def count_unlisted(self, resource: Resource, *, deep: bool) -> tuple[int, int, int]:
        """Count the unlisted rows, the live rows, and the rows that were marked missing lately."""
        account_id = self._notes.account_id
        return self._writes.read(
            lambda c: (
                findings.count_unlisted(c, self._notes, resource, deep=deep),
                missing.count_live(c, account_id, resource),
                missing.count_marked_since(c, account_id, resource, within=plan.MISSING_WITHIN),
            )
        )

    def note_all_unlisted_as_extra(self, resource: Resource, *, deep: bool) -> None:
        """Note every live row that was not met as extra, without a request for it."""
        number = next(self._notes.pages)
        rows = self._writes.write(lambda c: findings.add_unlisted(c, self._notes, resource, deep=deep, page=number))
        self._count_readings(resource, rows)

    def note_gone(self, resource: Resource, row_id: int) -> None:
        """Note that a row is gone at the source: it is extra, unless a repair marks it as missing."""
        if self._terms.repair:
            self._writes.write(
                lambda connection: missing.mark_missing(connection, self._notes.account_id, resource, row_id)
            )
            self._count_repaired(resource, 1)
        else:
            self._note(resource, [Note(row_id, RowComparison.EXTRA)])

    def note_undecided(self, resource: Resource, row_id: int) -> None:
        """Note that a row is not listed and may not be read, so that it is not proven gone."""
        self._note(resource, [Note(row_id, RowComparison.UNDECIDED)])

    def sum_up(self, resource: Resource, *, deep: bool) -> Findings:
        """Return the findings of a resource; the answers about unlisted rows do not count as listed."""
        notes, is_messages = self._notes, resource is Resource.MESSAGES
        source = self._listed[resource] if resource in self._listed else self.count_met(resource)

        def read(connection: Connection) -> Findings:
            found = findings.count_findings(connection, notes, resource)
            return Findings(
                source=source,
                mirror=findings.count_live(connection, notes, resource, deep=deep),
                missing=found.counts[RowComparison.MISSING],
                extra=found.counts[RowComparison.EXTRA],
                different=found.counts[RowComparison.DIFFERENT],
                undecided=found.counts[RowComparison.UNDECIDED],
                newer_at_source=found.newer,
                ids={
                    kind.value: findings.list_ids(connection, notes, resource, kind, limit=_IDS_SHOWN)
                    for kind in _NOT_EQUAL
                },
                threads_read=findings.count_threads_read(connection, notes) if is_messages else None,
                threads_trusted=self._trusted if is_messages else None,
            )

        return self._writes.read(read)

    def count_lost(self) -> int:
        """Count the readings of which no note is left; the reading of a thread is one, too."""
        noted = self._writes.read(lambda connection: findings.count_noted(connection, self._notes))
        with self._lock:
            return sum(max(0, number - noted.get(what, 0)) for what, number in self._readings.items())

    def _compare(self, page: Page, *, final: bool) -> list[Compared]:
        """Compare and repair; return what was neither noted nor repaired because its row is newer than the page."""
        resource, number = page.shape.resource, next(self._notes.pages)

        def write(connection: Connection) -> tuple[list[Compared], int]:
            repair = self._terms.repair
            owner = self._lock_owner(connection, page) if repair else self._owner
            compared = compare.compare_page(connection, owner, page, locking=repair)
            later = [one for one in compared if _is_wrong(one) and one.is_later and not final]
            rest = [one for one in compared if not (_is_wrong(one) and one.is_later and not final)]
            repaired: list[Compared] = []
            if repair and (wanting := tuple(one.record for one in rest if _is_wanting(one))):
                compare.repair_page(connection, owner, replace(page, records=wanting))
                repaired = compare.compare_page(connection, owner, replace(page, records=wanting))
                rest = [one for one in rest if not _is_wanting(one)] + repaired
            findings.add_findings(connection, self._notes, resource, self._as_notes(resource, rest), page=number)
            return later, sum(not _is_wrong(one) for one in repaired)

        later, repaired = self._writes.write(write)
        self._count_readings(resource, len(page.records) - len(later))
        self._count_repaired(resource, repaired)
        return later

    def _lock_owner(self, connection: Connection, page: Page) -> Owner:
        return account_owner.lock_owner(connection, self._owner.account_id, shape=page.shape)

    def _compare_again(self, resource: Resource, one: Compared) -> None:
        record, parent = one.record, one.record.columns.get("conversation_id")
        page: Page | None = None
        try:
            if record.id is not None and (isinstance(parent, int) or resource is not Resource.MESSAGES):
                why = reasons.explain_later_row(resource)
                page = self._source.get(resource, record.id, parent=cast("int | None", parent), why=why)
        except NotFound:
            # The object was deleted since it was listed, or the source is mistaken: a sweep judges.
            if record.id is not None and resource is not Resource.MESSAGES:
                self.note_not_found(resource, record.id)
            return
        except Forbidden:
            page = None
        if page is None:
            self._note(resource, self._as_notes(resource, [one]))
            return
        self._compare(page, final=True)

    def _as_notes(self, resource: Resource, compared: Sequence[Compared]) -> list[Note]:
        return [
            Note(
                key=one.record.id or upsert.derive_key(one.record),
                verdict=one.verdict,
                is_newer=one.is_behind or (_is_wrong(one) and self._is_late(resource, one.record)),
            )
            for one in compared
        ]

    def _is_late(self, resource: Resource, record: Record) -> bool:
        stamp, late_from = record.source_updated_at, self._terms.late_from.get(resource)
        return stamp is not None and (late_from is None or stamp > late_from)

    def _note(self, resource: Resource, found: list[Note]) -> None:
        number = next(self._notes.pages)
        self._writes.write(
            lambda connection: findings.add_findings(connection, self._notes, resource, found, page=number)
        )
        self._count_readings(resource, len(found))

    def _count_readings(self, what: str, number: int) -> None:
        with self._lock:
            self._readings[what] += number

    def _count_repaired(self, resource: Resource, rows: int) -> None:
        with self._lock:
            self.repaired[resource] += rows


def _is_wrong(one: Compared) -> bool:
    return one.verdict not in {RowComparison.EQUAL, RowComparison.BEHIND}


def _is_wanting(one: Compared) -> bool:
    """Whether a repair writes the record; a row that is newer than the page is not behind."""
    return _is_wrong(one) or (one.is_behind and not one.is_later)
