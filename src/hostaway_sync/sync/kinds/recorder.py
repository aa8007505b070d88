"""Where the objects of the other kinds go: into the tables, or only into counts in a dry run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from hostaway_sync.model.kinds.absences import Absences, judge_absences
from hostaway_sync.model.kinds.kind import Scope
from hostaway_sync.model.records import Change, ChangeCounts, QualityCounts
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.kinds import missing, readings, references, rows
from hostaway_sync.store.runs import states as run_states
from hostaway_sync.sync import plan as run_plan
from hostaway_sync.sync.reporting.run_log import write_span

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from hostaway_sync.model.kinds.kind import Kind, KindPage, KindReading
    from hostaway_sync.model.records import ResourceReport
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.sync.calendar.recorder import Write
    from hostaway_sync.sync.kinds.plan import KindTask

_STRENGTH = {change: rank for rank, change in enumerate(Change)}


class KindCounts:
    """Counts the objects of the kinds that a run has met, each once, with its strongest change."""

    def __init__(self) -> None:
        self._changes: dict[str, dict[str, Change]] = {}
        self._misfits: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()

    def add(self, kind: str, parent: int | None, changes: dict[str, Change], misfits: int = 0) -> None:
        """Count the changes of a page."""
        met = self._changes.setdefault(kind, {})
        for name, change in changes.items():
            # An object of a listing has an id of its own, but it is not certain that no other listing has it, too.
            key = f"{parent}/{name}"
            met[key] = min(change, met.get(key, change), key=_STRENGTH.__getitem__)
        self._misfits[kind] += misfits

    def add_missing(self, kind: str, number: int) -> None:
        """Count objects that were marked as gone."""
        self._missing[kind] += number

    def of(self, kind: str) -> tuple[ChangeCounts, QualityCounts]:
        """Return the counts of a kind."""
        counted = Counter(self._changes.get(kind, {}).values())
        by_name = {change.value: counted[change] for change in Change}
        counts = ChangeCounts(seen=sum(by_name.values()), **by_name, missing=self._missing[kind])
        return counts, QualityCounts(misfits=self._misfits[kind])


class KindRecorder(Protocol):
    """Takes what was read of the other kinds."""

    counts: KindCounts

    def record_page(self, task: KindTask, page: KindPage) -> None:
        """Take the objects of one answer; they are durable when this returns."""
        ...

    def settle_whole(
        self, task: KindTask, met: Collection[str], unread: Collection[str], began_at: datetime
    ) -> Absences:
        """Take the end of a whole reading without doubt, and return what it shows to be gone.

        Args:
            task: the list.
            met: the ids of all objects that came.
            unread: how the ids of objects begin of which it shows nothing.
            began_at: when its first answer was asked for.
        """
        ...

    def claim_task(self, task: KindTask, *, is_asked: bool) -> bool:
        """Claim the reading of a list that other runs may read, too; False: another run reads it, or just did.

        Args:
            task: the list; one that belongs to the account is always free.
            is_asked: a person asked for it.
        """
        ...

    def close_task(self, kind: Kind, reading: KindReading, error: str | None = None) -> None:
        """Take how a list of a kind was read; `error`: how it was refused or failed."""
        ...

    def close_kind(self, kind: Kind, live: Sequence[int]) -> None:
        """Take the end of a kind; `live` are the listings of the account."""
        ...

    def store_report(self, kind: str, report: ResourceReport) -> None:
        """Take how a kind ended in this run."""
        ...


class TableKindRecorder:
    """Writes each answer in a transaction of its own; implements `KindRecorder`.

    Args:
        write: does work in a transaction that only the holder of the lease can commit.
        account_id: whose objects.
        run_id: the run that reads them.
        accept_missing: mark objects as gone even if suspiciously many are.
    """

    def __init__(self, write: Write, account_id: int, run_id: UUID, *, accept_missing: bool = False) -> None:
        self.counts = KindCounts()
        self._write = write
        self._run_id = run_id
        self._account_id = account_id
        self._accept_missing = accept_missing

    def record_page(self, task: KindTask, page: KindPage) -> None:
        """Write the objects that changed.

        Raises:
            LeaseLost: another run took over; nothing of the page was written.
        """
        place = rows.rows_of(self._account_id, task.kind, task.reading.parent)

        def write(connection: Connection) -> tuple[dict[str, Change], int]:
            owner = account_owner.lock_owner(
                connection, self._account_id, task.kind.name, is_listed=True, shape=task.kind
            )
            return rows.store_page(connection, owner, place, page)

        with write_span(task.kind.name):
            self.counts.add(task.kind.name, task.reading.parent, *self._write(write))

    def settle_whole(
        self, task: KindTask, met: Collection[str], unread: Collection[str], began_at: datetime
    ) -> Absences:
        """Note the objects that were left out, and mark those that are gone."""
        place = rows.rows_of(self._account_id, task.kind, task.reading.parent)

        def write(connection: Connection) -> Absences:
            account_owner.lock_owner(connection, self._account_id, task.kind.name, is_listed=True)
            live = missing.list_live(connection, place, began_at)
            absences = judge_absences(
                live,
                met,
                began_at,
                unread=unread,
                elsewhere=missing.count_elsewhere(connection, place),
                is_sudden=run_plan.is_sudden,
                accept=self._accept_missing,
            )
            missing.store_absences(connection, place, absences, began_at)
            return absences

        absences = self._write(write)
        self.counts.add_missing(task.kind.name, len(absences.gone))
        return absences

    def claim_task(self, task: KindTask, *, is_asked: bool) -> bool:
        """Claim the reading of a list that no account owns."""
        if task.kind.scope is not Scope.INSTALLATION:
            return True
        name, seen = task.kind.name, task.reading.read_at
        return self._write(lambda connection: references.claim_turn(connection, name, seen, is_asked=is_asked))

    def close_task(self, kind: Kind, reading: KindReading, error: str | None = None) -> None:
        """Store how a list was read, by this account and, where no account owns it, for all."""

        def write(connection: Connection) -> None:
            readings.store_reading(connection, self._account_id, reading, error)
            if kind.scope is Scope.INSTALLATION:
                references.close_turn(connection, reading, is_read=error is None)

        self._write(write)

    def close_kind(self, kind: Kind, live: Sequence[int]) -> None:
        """Mark the objects of listings that are gone, and forget how their lists were read."""
        if kind.scope is not Scope.LISTING:
            return

        def write(connection: Connection) -> int:
            readings.delete_readings_of_gone_listings(connection, self._account_id, kind.name, live)
            return missing.mark_objects_of_gone_listings(connection, self._account_id, kind.name)

        self.counts.add_missing(kind.name, self._write(write))

    def store_report(self, kind: str, report: ResourceReport) -> None:
        """Store how a kind ended."""
        self._write(
            lambda connection: run_states.record_resource(connection, self._run_id, self._account_id, kind, report)
        )


class DryKindRecorder:
    """Compares objects with their rows, and counts; implements `KindRecorder`."""

    def __init__(self, database: Database, account_id: int) -> None:
        self.counts = KindCounts()
        self._database = database
        self._account_id = account_id

    def record_page(self, task: KindTask, page: KindPage) -> None:
        """Compare the objects of one answer."""
        place = rows.rows_of(self._account_id, task.kind, task.reading.parent)
        changes = self._database.transaction(
            lambda connection: rows.compare_records(connection, place, page.records, page.observed_at)
        )
        changes |= {one.payload_hash.hex(): Change.QUARANTINED for one in page.records if one.source_id is None}
        self.counts.add(task.kind.name, task.reading.parent, changes)

    def settle_whole(
        self, task: KindTask, met: Collection[str], unread: Collection[str], began_at: datetime
    ) -> Absences:
        """Mark nothing."""
        del task, met, unread, began_at
        return Absences()

    def claim_task(self, task: KindTask, *, is_asked: bool) -> bool:
        """Claim nothing: two runs may compare at once."""
        del task, is_asked
        return True

    def close_task(self, kind: Kind, reading: KindReading, error: str | None = None) -> None:
        """Write nothing."""

    def close_kind(self, kind: Kind, live: Sequence[int]) -> None:
        """Write nothing."""

    def store_report(self, kind: str, report: ResourceReport) -> None:
        """Write nothing."""
