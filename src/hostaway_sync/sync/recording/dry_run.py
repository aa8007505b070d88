"""The recorder of a dry run: pages are compared and counted, and nothing is written."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from hostaway_sync.model.records import Change, ChangeCounts, Page, QualityCounts, Resource, ResourceReport
from hostaway_sync.store.records import due_threads, upsert
from hostaway_sync.sync.recording.recorder import count_oddities
from hostaway_sync.sync.reporting import reasons

if TYPE_CHECKING:
    from hostaway_sync.model.records import Owner
    from hostaway_sync.store.postgres.database import Database

_WRITTEN = (Change.INSERTED, Change.UPDATED)
_STRENGTH = {change: rank for rank, change in enumerate(Change)}


class DryRecorder:
    """Compares each page with the stored rows, and counts; implements `PageRecorder`.

    Its memory grows with the account. It moves no marks and asks for no unlisted row.
    """

    def __init__(self, database: Database, owner: Owner) -> None:
        self._database = database
        self._owner = owner
        self._changes: dict[Resource, dict[int, Change]] = {resource: {} for resource in Resource}
        self._oddities: dict[Resource, list[QualityCounts]] = {resource: [] for resource in Resource}
        self._lock = threading.Lock()

    def begin_walk(self, resource: Resource, *, is_whole: bool) -> None:
        """Resume no walk: the records that a cut walk met were stored since."""

    def restart_walk(self, resource: Resource) -> None:
        """Do nothing, because no walk was resumed."""

    def record_walked(self, page: Page) -> None:
        """Compare one page."""
        self.record(page)

    def record(self, page: Page) -> None:
        """Compare one page."""
        changes = self._database.transaction(lambda connection: upsert.preview_page(connection, self._owner, page))
        with self._lock:
            met = self._changes[page.shape.resource]
            for key, change in changes:
                met[key] = min(change, met.get(key, change), key=_STRENGTH.__getitem__)
            self._oddities[page.shape.resource].append(count_oddities(page))

    def count(self, resource: Resource) -> tuple[ChangeCounts, QualityCounts]:
        """Count the records that were compared so far."""
        with self._lock:
            counted = Counter(self._changes[resource].values())
            odd = self._oddities[resource]
            oddities = QualityCounts(sum(page.cleaned for page in odd), sum(page.misfits for page in odd))
        by_name = {change.value: counted[change] for change in Change}
        return ChangeCounts(seen=sum(by_name.values()), **by_name), oddities

    def ids(self, resource: Resource) -> dict[Change, list[int]]:
        """Return the ids that a run would insert or update; records without a usable id are left out."""
        with self._lock:
            met = sorted((key, change) for key, change in self._changes[resource].items() if key > 0)
        return {wanted: [key for key, change in met if change is wanted] for wanted in _WRITTEN}

    def count_met(self, resource: Resource) -> int:
        """Count the records that were compared so far."""
        return self.count(resource)[0].seen

    def find_due(self, resource: Resource, *, listed: bool) -> dict[str, list[int]]:
        """Return what is marked, and what a run would mark; a dry run cannot tell which stamp of a row moved."""
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

    def close_resource(self, resource: Resource, report: ResourceReport, *, is_cut: bool) -> None:
        """Write nothing."""

    def _changed(self, resource: Resource) -> list[int]:
        with self._lock:
            met = self._changes[resource].items()
            return [key for key, change in met if change in _WRITTEN]
