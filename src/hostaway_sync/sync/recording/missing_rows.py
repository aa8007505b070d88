"""Rows that are gone at the source, as a run that writes finds and marks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.store.records import due_threads, missing
from hostaway_sync.sync import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from hostaway_sync.model.records import Resource
    from hostaway_sync.store.records.missing import UnlistedRow
    from hostaway_sync.sync.recording.fenced_writes import FencedWrites


class TableMissingRows:
    """Finds and marks the missing rows of one account; implements `MissingRows`.

    Args:
        writes: of the run.
        account_id: whose rows.
        began_at: start of the run, by the database's clock.
        walk_id_of: returns the id of the run's walk of a resource.
    """

    def __init__(
        self, writes: FencedWrites, account_id: int, began_at: datetime, walk_id_of: Callable[[Resource], UUID]
    ) -> None:
        self._writes = writes
        self._account_id = account_id
        self._began_at = began_at
        self._walk_id_of = walk_id_of

    def find_unlisted(self, resource: Resource) -> list[UnlistedRow]:
        """Return the live rows that were not met, and store since when they are unlisted."""
        walk = missing.FinishedWalk(self._walk_id_of(resource), self._account_id, resource, self._began_at)
        rows = self._writes.read(lambda connection: missing.list_unlisted(connection, walk))
        self._writes.write(lambda connection: missing.note_unlisted(connection, walk, rows))
        return rows

    def count_live(self, resource: Resource) -> int:
        """Count the rows that are not missing."""
        return self._writes.read(lambda connection: missing.count_live(connection, self._account_id, resource))

    def count_marked_lately(self, resource: Resource) -> int:
        """Count the rows that were marked missing within `plan.MISSING_WITHIN`."""
        within = plan.MISSING_WITHIN
        return self._writes.read(lambda c: missing.count_marked_since(c, self._account_id, resource, within=within))

    def accept_loss(self, resource: Resource) -> None:
        """Store that a person accepts all that is marked missing by now."""
        self._writes.write(lambda connection: missing.accept_missing(connection, self._account_id, resource))

    def is_unlisted_for_long(self, row: UnlistedRow) -> bool:
        """Whether a walk left the row out that began `plan.UNLISTED_FOR` before this run."""
        return row.since is not None and self._began_at - row.since >= plan.UNLISTED_FOR

    def mark_missing(self, resource: Resource, row_id: int) -> None:
        """Mark a row as missing since now."""
        self._writes.write(lambda connection: missing.mark_missing(connection, self._account_id, resource, row_id))

    def mark_decided(self, rows: Sequence[UnlistedRow]) -> None:
        """Remove the marks of threads that were due only because they had lost these messages."""
        threads = sorted({row.parent for row in rows if row.parent is not None})
        if threads:
            self._writes.write(lambda connection: due_threads.clear_proven_marks(connection, self._account_id, threads))
