"""Find out whose records have changed since the last look, without reading what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.model.history.new_changes import NewChanges
from hostaway_sync.store.history import feed
from hostaway_sync.store.tables import accounts, changes

if TYPE_CHECKING:
    from hostaway_sync.model.history.feed import FeedCursor


def find_new_changes(connection: sa.Connection, since: int | None) -> NewChanges:
    """Return whose changes have come between a position and the end of what is settled.

    Args:
        connection: in a transaction.
        since: a position that an earlier look returned; None: this is the first one, and there may be any.
    """
    end: FeedCursor = feed.find_end(connection)
    waiting = sa.select(changes.c.position).where(changes.c.position >= end.low).order_by(changes.c.position).limit(1)
    is_waiting = connection.scalar(waiting) is not None
    if since is None or since > end.low:  # a database that was restored begins anew
        return NewChanges(end.low, None, is_waiting)
    if since == end.low:
        return NewChanges(end.low, frozenset(), is_waiting)
    # As in `feed.find_start`: the range of positions is to be read, and nothing else.
    new = sa.select(changes.c.account_id).where(changes.c.position >= since, changes.c.position < end.low).offset(0)
    mine = sa.select(accounts.c.account_id, accounts.c.customer_id).where(accounts.c.account_id.in_(new))
    return NewChanges(
        end.low, frozenset((row.account_id, row.customer_id) for row in connection.execute(mine)), is_waiting
    )
