"""Marks in the intent ledger that a clock left which was ahead: set to now before anything is decided by them.

What was sent "tomorrow" was sent by now at the latest: for ten minutes from now the guest is not told the same again.
Without a moment of its own a reading of a thread would never count, and nothing would come to wait for a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.store import time_marks
from hostaway_sync.store.tables import sent_messages as ledger

if TYPE_CHECKING:
    import sqlalchemy as sa

    from hostaway_sync.model.messages import OutgoingMessage

_OPEN = ("pending", "sending", "outcome_unknown")


def clamp_times_of_guest(connection: sa.Connection, message: OutgoingMessage) -> None:
    """Set the marks ahead of everything that was to be said to a guest; under the account's lock."""
    of_guest = ledger.c.account_id == message.account_id, ledger.c.reservation_id == message.reservation_id
    time_marks.reset_future_marks(connection, ledger, *of_guest)


def clamp_times_of_open(connection: sa.Connection, account_id: int) -> None:
    """Set the marks ahead of what is open in an account; under its lock."""
    time_marks.reset_future_marks(connection, ledger, ledger.c.account_id == account_id, ledger.c.state.in_(_OPEN))
