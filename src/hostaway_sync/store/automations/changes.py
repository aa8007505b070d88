"""What the job that looks through the changes reads and writes: its place in the feed, and facts beside a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.model.history.feed import FeedCursor
from hostaway_sync.store.history.feed import CHANGE_COLUMNS, build_change
from hostaway_sync.store.tables import automation_cursor, changes, conversation_messages

if TYPE_CHECKING:
    from collections.abc import Collection

    from hostaway_sync.model.history.feed import RecordChange


def lock_cursor(connection: sa.Connection) -> FeedCursor | None:
    """Return the place up to which the changes were looked through, and keep it until the transaction ends."""
    text = connection.scalar(sa.select(automation_cursor.c.cursor).with_for_update())
    return None if text is None else FeedCursor.parse(text)


def move_cursor(connection: sa.Connection, cursor: FeedCursor) -> None:
    """Note up to where the changes were looked through."""
    connection.execute(sa.update(automation_cursor).values(cursor=str(cursor), moved_at=sa.func.clock_timestamp()))


def read_change(connection: sa.Connection, change_id: int) -> RecordChange | None:
    """Return a change; None: it was deleted since."""
    row = connection.execute(sa.select(*CHANGE_COLUMNS).where(changes.c.change_id == change_id)).one_or_none()
    return None if row is None else build_change(row)


def read_directions(
    connection: sa.Connection, records: Collection[tuple[int, int]]
) -> dict[tuple[int, int], bool | None]:
    """Return whether messages came in, by account and id."""
    c = conversation_messages.c
    query = sa.select(c.account_id, c.id, c.is_incoming).where(sa.tuple_(c.account_id, c.id).in_(records))
    return {(row.account_id, row.id): row.is_incoming for row in connection.execute(query)}
