"""What is said of a feed that waits, and what to do about it. Pure: no I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.model.health import format_age
from hostaway_sync.model.history.events import one_line

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.history.stall import FeedStall


def describe_stall(stall: FeedStall, now: datetime) -> str:
    """Return for what the feed waits, and how long already."""
    began = f", begun {format_age(now - stall.began_at)} ago" if stall.began_at is not None else ""
    where = f" of role {one_line(stall.role)!r} in database {one_line(stall.database)!r}"
    application = f" ({one_line(stall.application)})" if stall.application else ""
    what = f"the transaction of session {stall.pid}{application}"
    if stall.prepared is not None:
        what = f"the prepared transaction {one_line(stall.prepared)!r}"
    return f"the feed of changes has waited {format_age(now - stall.waiting_since)} for {what}{where}{began}"


def advise_on_stall(stall: FeedStall) -> str:
    """Return what an operator can do about it."""
    if stall.prepared is None:
        return f"wait until it ends, or end it with `SELECT pg_terminate_backend({stall.pid})`"
    return "end it there with COMMIT PREPARED or ROLLBACK PREPARED, as whoever prepared it should have"
