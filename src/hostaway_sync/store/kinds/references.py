"""Whose turn it is to read reference data, which is the same for all accounts: one run reads it for all of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.store.tables import reference_readings

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.kinds.kind import KindReading

# How long a run has to read one kind, so that a run that dies does not keep others from it.
CLAIM_LIFETIME: Final = timedelta(hours=1)
# When another account's run may read what one could not.
RETRY_PERIOD: Final = timedelta(hours=1)


def claim_turn(connection: sa.Connection, kind: str, seen: datetime | None, *, is_asked: bool = False) -> bool:
    """Claim the reading of a kind for the run of this transaction; return whether it has it now.

    Args:
        connection: in a transaction.
        kind: its name.
        seen: when it was read last, as the run saw it: a run that read it since was faster.
        is_asked: a person asked for it: it is claimed whatever other runs do.
    """
    row, now = reference_readings.c, sa.func.clock_timestamp()
    claimed = {"claimed_until": now + CLAIM_LIFETIME}
    # A claim that ends so late was made while the database's clock was ahead.
    is_free = sa.or_(
        row.claimed_until.is_(None), row.claimed_until <= now, row.claimed_until > now + 2 * CLAIM_LIFETIME
    )
    is_ours = sa.true() if is_asked else sa.and_(is_free, row.read_at.is_not_distinct_from(seen))
    statement = insert(reference_readings).values(kind=kind, **claimed)
    statement = statement.on_conflict_do_update(index_elements=[row.kind], set_=claimed, where=is_ours)
    return connection.scalar(statement.returning(row.kind)) is not None


def close_turn(connection: sa.Connection, reading: KindReading, *, is_read: bool) -> None:
    """Store how a run of one account read a kind, for all accounts, and release the claim.

    What this account could not read, another one's run reads later; not all of them at once.
    """
    values = (
        {"read_at": reading.read_at, "due_at": reading.due_at}
        if is_read
        else {"due_at": sa.func.clock_timestamp() + RETRY_PERIOD}
    )
    is_this = reference_readings.c.kind == reading.kind
    connection.execute(sa.update(reference_readings).where(is_this).values(**values, claimed_until=None))
