"""A dry run: where its pages go is a count alone."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from hostaway_sync.model.records import Change, ChangeCounts, Page, QualityCounts, Resource, ResourceReport
from hostaway_sync.store.records import due_threads, upsert
from hostaway_sync.sync.recording.recorder import oddities_of
from hostaway_sync.sync.reporting import reasons

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from hostaway_sync.model.records import Owner
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.records.missing import UnlistedRow

_WRITTEN = (Change.INSERTED, Change.UPDATED)
_STRENGTH = {change: rank for rank, change in enumerate(Change)}


class DryRecorder:
    """Compares every page with what is stored, and writes nothing. Its memory grows with the account."""

    def __init__(self, database: Database, owner: Owner) -> None:
        self._database = database
        self._owner = owner
        self._changes: dict[Resource, dict[int, Change]] = {resource: {} for resource in Resource}
        self._oddities: dict[Resource, list[QualityCounts]] = {resource: [] for resource in Resource}
        self._lock = threading.Lock()

    def begin(self, resource: Resource, *, is_whole: bool) -> None:
        """Begin: a dry run takes nothing up, because what was met before has been stored since."""

    def begin_again(self, resource: Resource) -> None:
        """Do nothing: nothing was taken up."""

    def walked(self, page: Page) -> None:
        """Compare one page."""
        self.record(page)

    def record(self, page: Page) -> None:
        """Compare one page."""
        changes = self._database.transaction(lambda connection: upsert.preview_page(connection, self._owner, page))
        with self._lock:
            met = self._changes[page.shape.resource]
            for key, change in changes:
                met[key] = min(change, met.get(key, change), key=_STRENGTH.__getitem__)
            self._oddities[page.shape.resource].append(oddities_of(page))

    def counts(self, resource: Resource) -> tuple[ChangeCounts, QualityCounts]:
        """Count what was compared so far."""
        with self._lock:
            counted = Counter(self._changes[resource].values())
            odd = self._oddities[resource]
            oddities = QualityCounts(sum(page.cleaned for page in odd), sum(page.misfits for page in odd))
        by_name = {change.value: counted[change] for change in Change}
        return ChangeCounts(seen=sum(by_name.values()), **by_name), oddities

    def ids(self, resource: Resource) -> dict[Change, list[int]]:
        """Return the ids that a run would insert or update; a record without one has none to give."""
        with self._lock:
            met = sorted((key, change) for key, change in self._changes[resource].items() if key > 0)
        return {wanted: [key for key, change in met if change is wanted] for wanted in _WRITTEN}

    def met(self, resource: Resource) -> int:
        """Count what was compared so far."""
        return self.counts(resource)[0].seen

    def due(self, resource: Resource, *, listed: bool) -> dict[str, list[int]]:
        """Give what is marked, and what this run would have marked; it cannot tell which of a row's stamps moved."""
        account_id = self._owner.account_id
        changed = self._changed(Resource.RESERVATIONS)
        known = due_threads.list_conversations_of(self._database, account_id, changed)
        if resource is Resource.CONVERSATIONS:
            return {
                reasons.NOT_KNOWN: sorted(
                    {*due_threads.list_lookups(self._database, account_id), *changed} - known.keys()
                )
            }
        marked = due_threads.list_due_threads(self._database, account_id, None, whole_after=None)
        more = {*self._changed(Resource.CONVERSATIONS), *chain.from_iterable(known.values())}
        marked[reasons.WOULD_BE_DUE] = sorted(more.difference(*marked.values()))
        met = self._changes[Resource.CONVERSATIONS]
        return {why: [key for key in keys if key in met] for why, keys in marked.items()} if listed else marked

    def read(self, resource: Resource, parent: int, began_at: datetime, met: Collection[int]) -> None:
        """Write nothing."""

    def proven(self, rows: Sequence[UnlistedRow]) -> None:
        """Write nothing."""

    def unlisted(self, resource: Resource) -> list[UnlistedRow]:
        """Give none: whether a row is gone is decided by requests that a dry run does not make."""
        del resource
        return []

    def live(self, resource: Resource) -> int:
        """Count nothing: nothing is unlisted."""
        del resource
        return 0

    def marked_lately(self, resource: Resource) -> int:
        """Count nothing: nothing is unlisted."""
        del resource
        return 0

    def accept(self, resource: Resource) -> None:
        """Write nothing."""

    def not_found(self, resource: Resource, record_id: int) -> None:
        """Write nothing."""

    def is_unlisted_for_long(self, row: UnlistedRow) -> bool:
        """Say no: nothing is unlisted."""
        del row
        return False

    def mark_missing(self, resource: Resource, row_id: int) -> None:
        """Write nothing."""

    def close(self, resource: Resource, report: ResourceReport, *, is_cut: bool) -> None:
        """Write nothing."""

    def _changed(self, resource: Resource) -> list[int]:
        with self._lock:
            met = self._changes[resource].items()
            return [key for key, change in met if change in _WRITTEN]
