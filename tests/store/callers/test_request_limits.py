from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from tests.support import sql

from hostaway_sync.store.callers.request_limits import NO_WAIT, take_request

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

HOUR = timedelta(hours=1)


def pass_time(database: Database, seconds: int) -> None:
    """Let so many seconds pass for all callers."""
    sql.execute(database, f"UPDATE api_limits SET full_at = full_at - interval '{seconds} s'")


def test_a_caller_gets_its_requests_at_once_and_then_one_by_one(database: Database) -> None:
    """An empty bucket fills evenly; what is refused costs nothing; another caller has a bucket of its own."""
    take = partial(take_request, database, requests=4, window=HOUR)
    assert [take("one") for _ in range(4)] == [NO_WAIT] * 4
    before = sql.row(database, "SELECT full_at FROM api_limits WHERE caller = 'one'").full_at
    waits = [take("one") for _ in range(3)]
    assert all(timedelta(minutes=14) < wait <= timedelta(minutes=15) for wait in waits)
    assert sql.row(database, "SELECT full_at FROM api_limits WHERE caller = 'one'").full_at == before
    assert take("two") == NO_WAIT
    pass_time(database, 15 * 60)
    assert take("one") == NO_WAIT
    assert take("one")
    pass_time(database, 5 * 3600)
    assert [take("one") for _ in range(5)].count(NO_WAIT) == 4


def test_processes_count_together(database: Database) -> None:
    """However many ask at the same moment."""
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: take_request(database, "one", requests=30, window=HOUR), range(60)))
    assert waits.count(NO_WAIT) == 30


def test_a_clock_that_was_set_back_locks_nobody_out(database: Database) -> None:
    """A time further ahead than a window is none of this clock, or of a limit that was another one."""
    take = partial(take_request, database, requests=2, window=HOUR)
    assert take("one") == NO_WAIT
    pass_time(database, -9 * 3600)
    assert [take("one"), take("one")] == [NO_WAIT, NO_WAIT]
    assert take("one")
