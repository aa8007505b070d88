"""A feed of changes that waits for a transaction which does not end. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

STALLED_AFTER: Final = timedelta(minutes=1)
"""Writing transactions of an ordinary installation end within seconds."""
GRAVE_AFTER: Final = timedelta(minutes=15)
"""A nightly job of another database on the same server may hold the feed up for a while; longer, it was forgotten."""


@dataclass(frozen=True, slots=True)
class FeedStall:
    """Changes that are committed and cannot be read yet, and the transaction that they wait for.

    Attributes:
        waiting_since: when the oldest of them was stored.
        pid: the session of that transaction; None: it is prepared, and has none.
        prepared: the name of a prepared transaction; None: it is none.
        application: what the session calls itself; empty: nothing, or we may not know.
        role: the role of the session, or of who prepared the transaction.
        database: which database it works on, which may be another one of the server.
        began_at: when it began; None: we may not know.
    """

    waiting_since: datetime
    pid: int | None
    prepared: str | None = None
    application: str = ""
    role: str = ""
    database: str = ""
    began_at: datetime | None = None
