"""How many requests callers of the API have left: a token bucket each, which all processes share.

A row holds one time: when the bucket is full again. Each request moves it ahead by its own cost, and one that would
move it further than a window from now is refused, and writes nothing.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.store.tables import api_limits

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

NO_WAIT: Final = timedelta()
# Where another process took the last request just now.
_LEAST: Final = timedelta(milliseconds=1)


def take_request(database: Database, caller: str, *, requests: int, window: timedelta) -> timedelta:
    """Take one request from a caller's bucket; return `NO_WAIT`, or how long until there is one, if it is empty.

    Args:
        database: that all processes share.
        caller: whose.
        requests: at once, and in each window.
        window: in which an empty bucket fills.
    """
    cost = window / requests
    given = {"caller": caller, "cost": cost, "window": window}
    row = database.transaction(
        lambda connection: connection.execute(_take_statement(), given).one(), is_one_statement=True
    )
    return NO_WAIT if row.is_taken else max(row.wait, _LEAST)


@lru_cache
def _take_statement() -> sa.Select[bool, Any]:
    """Return the statement; a crash of the server may undo the last ones, so that none waits for the disk."""
    now = sa.func.clock_timestamp()
    cost, window = (sa.bindparam(name, type_=sa.Interval) for name in ("cost", "window"))
    caller = sa.bindparam("caller", type_=sa.Text)
    asynchronous = sa.func.set_config("synchronous_commit", "off", sa.true())
    hurried = sa.select(asynchronous.label("setting")).cte("hurried").prefix_with("MATERIALIZED")
    # A time further ahead than a window is of a clock that was set back, or of a limit that was another one.
    is_odd = api_limits.c.full_at > now + window
    new = insert(api_limits).from_select(
        ["caller", "full_at"], sa.select(caller, now + cost).where(hurried.c.setting == "off")
    )
    taken = (
        new.on_conflict_do_update(
            index_elements=[api_limits.c.caller],
            set_={"full_at": sa.case((is_odd, now), else_=sa.func.greatest(api_limits.c.full_at, now)) + cost},
            where=is_odd | (api_limits.c.full_at <= now + window - cost),
        )
        .returning(sa.literal(1).label("one"))
        .cte("taken")
    )
    full_at = sa.select(api_limits.c.full_at).where(api_limits.c.caller == caller).scalar_subquery()
    return sa.select(
        sa.exists(sa.select(taken.c.one)).label("is_taken"),
        sa.func.coalesce(full_at + cost - window - now, sa.cast(NO_WAIT, sa.Interval)).label("wait"),
    )
