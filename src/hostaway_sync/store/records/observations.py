"""Which rows a page of a list found unchanged, and when: one note a page, because the rows themselves are wide.

An unchanged row is not rewritten, so its `observed_at` stays. An older answer that arrives later must still lose to the
page: before it is written, the notes of pages that were requested later are read. There is hardly ever one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.store.tables import observations
from hostaway_sync.store.time_marks import is_known

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hostaway_sync.model.records import Resource

KEPT_FOR: Final = timedelta(days=2)
"""No process writes an answer so long after its request."""


def note_unchanged(
    connection: sa.Connection, account_id: int, resource: Resource, ids: Sequence[int], *, observed_at: datetime
) -> None:
    """Store that a page found these rows unchanged."""
    values = {"account_id": account_id, "resource": resource.value, "observed_at": observed_at, "record_ids": ids}
    connection.execute(sa.insert(observations).values(values))


def was_seen_after(
    row: sa.Table, resource: Resource, account_id: sa.ColumnElement[int], asked_at: sa.ColumnElement[datetime]
) -> sa.ColumnElement[bool]:
    """Return the condition that a page requested after `asked_at` found the row unchanged."""
    return sa.exists().where(
        observations.c.account_id == account_id,
        observations.c.resource == sa.literal_column(f"'{resource.value}'"),
        observations.c.observed_at > asked_at,
        is_known(observations.c.observed_at),
        # A note from before the row was created is about an earlier row with the same id, which was deleted.
        observations.c.noted_at >= row.c.created_at,
        row.c.id == sa.func.any(observations.c.record_ids),
    )
