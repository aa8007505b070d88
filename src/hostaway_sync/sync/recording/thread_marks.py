"""Marks of due threads, as a run that writes keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.model.records import Resource
from hostaway_sync.store.records import due_threads, suspicions

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Connection

    from hostaway_sync.sync.recording.fenced_writes import FencedWrites


def remove_due_mark(
    connection: Connection,
    account_id: int,
    resource: Resource,
    parent: int,
    *,
    began_at: datetime,
    met: Collection[int],
) -> None:
    """Remove the mark of a thread, or of a reservation whose conversations are known now; see `ThreadMarks`."""
    if resource is Resource.CONVERSATIONS:
        due_threads.clear_reservation_marks(connection, account_id, parent, began_at=began_at)
    else:
        due_threads.record_thread_read(connection, account_id, parent, began_at=began_at, met=met)


class TableThreadMarks:
    """Writes the marks of one account; implements `ThreadMarks`."""

    def __init__(self, writes: FencedWrites, account_id: int) -> None:
        self._writes = writes
        self._account_id = account_id

    def mark_read(self, resource: Resource, parent: int, began_at: datetime, met: Collection[int]) -> None:
        """Remove the mark of a thread, or of a reservation whose conversations are known now."""
        self._writes.write(
            lambda connection: remove_due_mark(
                connection, self._account_id, resource, parent, began_at=began_at, met=met
            )
        )

    def note_not_found(self, resource: Resource, record_id: int) -> None:
        """Store a suspicion."""
        self._writes.write(
            lambda connection: suspicions.note_suspicion(connection, self._account_id, resource, record_id)
        )
