"""Times in the intent ledger that lie in the future, because a clock was ahead: set to now before they are used.

A message sent "tomorrow" was sent by now at the latest, so its words are not repeated for ten minutes from now.
A reading of the thread counts only after the message left: a future time would keep it from ever waiting for a person.
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
    """Set future times of a guest's intents to now. Requires the lock of the account."""
    of_guest = ledger.c.account_id == message.account_id, ledger.c.reservation_id == message.reservation_id
    time_marks.reset_future_marks(connection, ledger, *of_guest)


def clamp_times_of_open(connection: sa.Connection, account_id: int) -> None:
    """Set future times of an account's open intents to now. Requires the lock of the account."""
    time_marks.reset_future_marks(connection, ledger, ledger.c.account_id == account_id, ledger.c.state.in_(_OPEN))
