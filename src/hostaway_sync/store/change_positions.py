"""Where the positions of changes begin: they go on when the history is carried into another database.

A position is the id of a transaction and the offset of its database. Ids count only inside one server, and another one
may be far behind. A reader's cursor is a position, too, and may lie above every stored one, where transactions changed
nothing. So the offset takes a step that is longer than any server's count of transactions: what was carried is below
all that comes, and every cursor stays valid.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.store.tables import change_clock

# A thousand transactions a second make so many in thirty years; a position has room for nine million steps.
STEP: Final = 10**12


def read_offset(connection: sa.Connection) -> int:
    """Return what this database adds to ids of transactions."""
    return connection.scalar(sa.select(change_clock.c.position_offset)) or 0


def continue_positions(connection: sa.Connection, offset: int) -> None:
    """Let all positions from now on be above those of the database that the history comes from.

    Args:
        connection: to the database that the history was carried into, by a dump, a copy or a move.
        offset: of the database that it comes from.
    """
    wanted = insert(change_clock).values(clock_id=1, position_offset=offset + STEP)
    connection.execute(
        wanted.on_conflict_do_update(
            index_elements=[change_clock.c.clock_id], set_={"position_offset": wanted.excluded.position_offset}
        )
    )
