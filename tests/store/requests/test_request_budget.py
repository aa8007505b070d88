from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from tests.support import sql
from tests.support.store.request_budget import ACCOUNT, ADDRESS, SECOND, fullest_window, reserve_many

from hostaway_sync.model.api_calls import Bucket, Grant, Priority
from hostaway_sync.store.request_budget import DatabaseBudget, safety_margin

if TYPE_CHECKING:
    import pytest

    from hostaway_sync.store.postgres.database import Database

SEND = Bucket("send:1", 30, 60 * SECOND)


ASKED = "keys text[], limits integer[], windows interval[], margins interval[], priority text"
AN_HOUR_AHEAD = (
    f"ALTER FUNCTION reserve_request({ASKED}) RENAME TO reserve_by_the_old_clock",
    f"""
    CREATE FUNCTION reserve_request({ASKED}, OUT granted_at timestamptz, OUT wait interval)
    LANGUAGE sql SET search_path FROM CURRENT AS $$
        SELECT slot.granted_at + interval '1 h', slot.wait
        FROM reserve_by_the_old_clock(keys, limits, windows, margins, priority) AS slot
    $$
    """,
    """
    UPDATE request_budget
    SET asked_at = asked_at - interval '1 h', slots = ARRAY(SELECT slot - interval '1 h' FROM unnest(slots) AS slot)
    """,
)


def share_used(granted: list[datetime], bucket: Bucket) -> float:
    """Return the share of the limit that was used, from the first slot to the last one that repeats it."""
    slots = sorted(granted)
    fullest = fullest_window(granted, bucket)
    last = (len(slots) - 1) // fullest * fullest
    return last / ((slots[last] - slots[0]) / bucket.window * bucket.limit)


RESERVE_IN_A_PROCESS = """
import sys
from datetime import timedelta
from hostaway_sync.model.api_calls import Bucket
from hostaway_sync.store.request_budget import DatabaseBudget
from hostaway_sync.store.postgres.database import Database
database = Database(sys.argv[1], schema="hostaway")
buckets = [Bucket("account:1", 200, timedelta(seconds=10)), Bucket("ip:here", 200, timedelta(seconds=10))]
for _ in range(int(sys.argv[2])):
    print(DatabaseBudget(database).reserve(buckets).granted_at.isoformat())
database.close()
"""


def test_no_window_is_too_full_and_nearly_all_is_used(database: Database) -> None:
    """2,000 requests of threads and another process: 199 in any 10 seconds at most, and at least 97 % of 200."""
    url = database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", RESERVE_IN_A_PROCESS, url, "400"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        granted = reserve_many(database, 1600, ADDRESS, ACCOUNT)
        output, _ = process.communicate(timeout=60)
    granted += [datetime.fromisoformat(line) for line in output.split()]
    assert len(granted) == 2000
    assert fullest_window(granted, ADDRESS) == 199
    assert share_used(granted, ADDRESS) >= 0.97


def test_margin_stays_free_after_every_window(database: Database) -> None:
    """A slot lies at least window and margin after the slot that it had to wait for."""
    slots = sorted(reserve_many(database, 450, ADDRESS))
    gaps = [later - earlier for earlier, later in zip(slots, slots[199:], strict=False)]
    assert min(gaps) >= ADDRESS.window + safety_margin(ADDRESS)


def test_margins_follow_the_window() -> None:
    """A margin is two per cent of its window, so that a message can be stored before it leaves."""
    assert safety_margin(Bucket("k", 15, SECOND)) == 0.02 * SECOND
    assert safety_margin(SEND) == 1.2 * SECOND


def test_message_slots_count_however_far_ahead(database: Database) -> None:
    """Also slots that lie hours ahead: no window exceeds its limit."""
    granted = reserve_many(database, 720, SEND, priority=Priority.URGENT)
    assert fullest_window(granted, SEND) == 30
    assert share_used(granted, SEND) >= 0.97


def test_limits_of_address_and_account_are_decided_at_once(database: Database) -> None:
    """Neither is exceeded, whichever of them is the lower one."""
    one_account, other = Bucket("account:1", 15, 10 * SECOND), Bucket("account:2", 60, 10 * SECOND)
    address = Bucket("ip:here", 50, 10 * SECOND)
    first = reserve_many(database, 60, address, one_account)
    second = reserve_many(database, 60, address, other)
    assert fullest_window(first, one_account) <= 15
    assert fullest_window(second, other) <= 60
    assert fullest_window(first + second, address) <= 50


def test_buckets_do_not_affect_each_other(database: Database) -> None:
    """An exhausted bucket delays only its own requests."""
    reserve_many(database, 199, ADDRESS, ACCOUNT)
    assert DatabaseBudget(database).reserve([ADDRESS]).wait > timedelta()
    elsewhere = DatabaseBudget(database).reserve([Bucket("ip:there", 200, 10 * SECOND)])
    message = DatabaseBudget(database).reserve([SEND])
    assert elsewhere.wait == message.wait == timedelta()


def test_free_slot_is_granted_at_once(database: Database) -> None:
    """The first request need not wait, and may leave late by half the margin."""
    before = sql.row(database, "SELECT clock_timestamp() AS at").at
    grant = DatabaseBudget(database).reserve([SEND, Bucket("narrow", 1, SECOND)])
    after = sql.row(database, "SELECT clock_timestamp() AS at").at
    assert before <= grant.granted_at <= after
    assert grant == Grant(grant.granted_at, timedelta(), 0.01 * SECOND)


def test_past_slots_are_deleted(database: Database) -> None:
    """A bucket's row does not grow: slots before every window are deleted."""
    reserve_many(database, 5, ACCOUNT)
    sql.execute(
        database, "UPDATE request_budget SET slots = ARRAY(SELECT s - interval '10.2 s' FROM unnest(slots) AS s)"
    )
    assert DatabaseBudget(database).reserve([ACCOUNT]).wait == timedelta()
    assert sql.row(database, "SELECT cardinality(slots) AS held FROM request_budget").held == 1


def lowered(database: Database) -> tuple[int, timedelta]:
    """Return the lower limit of the only bucket, and for how much longer it counts."""
    row = sql.row(database, "SELECT lowered_to, lowered_until - clock_timestamp() AS held_for FROM request_budget")
    return row.lowered_to, row.held_for


def test_lower_limit_counts_for_a_minute(database: Database) -> None:
    """One wrong answer of the source slows requests for a short time only."""
    budget = DatabaseBudget(database)
    budget.penalize([ACCOUNT], retry_in=timedelta(), limit=15)
    assert fullest_window(reserve_many(database, 60, ACCOUNT), ACCOUNT) == 15
    limit, held_for = lowered(database)
    assert (limit, held_for <= 60 * SECOND, held_for > 0 * SECOND) == (15, True, True)
    sql.execute(database, "UPDATE request_budget SET lowered_until = clock_timestamp(), slots = '{}'")
    assert max(reserve_many(database, 199, ACCOUNT)) <= sql.row(database, "SELECT clock_timestamp() AS at").at


def test_repeated_lower_limit_counts_for_longer(database: Database) -> None:
    """Six times as long each time, a day at most; after a day without it, a minute again."""
    budget = DatabaseBudget(database)
    minute, met = 60 * SECOND, []
    for _ in range(6):
        budget.penalize([ACCOUNT], retry_in=timedelta(), limit=15)
        met.append(sql.row(database, "SELECT lowered_for AS it FROM request_budget").it)
        sql.execute(database, "UPDATE request_budget SET lowered_until = clock_timestamp() - interval '23 h'")
    assert met == [minute, 6 * minute, 36 * minute, 216 * minute, 1296 * minute, timedelta(days=1)]
    sql.execute(database, "UPDATE request_budget SET lowered_until = clock_timestamp() - interval '25 h'")
    budget.penalize([ACCOUNT], retry_in=timedelta(), limit=15)
    assert lowered(database)[1] <= minute


def test_requests_refused_together_count_once(database: Database) -> None:
    """The lowest of their limits counts, and for no longer."""
    budget = DatabaseBudget(database)
    for limit in (50, 15, 20):
        budget.penalize([ACCOUNT], retry_in=timedelta(), limit=limit)
    limit, held_for = lowered(database)
    assert (limit, held_for <= 60 * SECOND) == (15, True)


def test_clock_put_forward_overfills_no_window(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Granted slots seem long past then: no new one is granted until they are."""
    budget = DatabaseBudget(database)
    for _ in range(190):
        budget.reserve([ADDRESS, ACCOUNT])
    # A test cannot put a server's clock forward, but can change what it returns, and make earlier times older.
    with database.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL search_path TO hostaway"))
        for statement in AN_HOUR_AHEAD:
            connection.execute(sa.text(statement))
    assert budget.reserve([ADDRESS, ACCOUNT]).wait > 20 * SECOND
    assert "put forward by 1:00:00" in caplog.text or "put forward by 0:59:59" in caplog.text
    assert budget.reserve([ADDRESS, ACCOUNT]).wait > 15 * SECOND
    assert len(caplog.records) == 1


def test_limit_that_is_not_lower_is_ignored(database: Database) -> None:
    """A limit equal to ours, greater, or absurd changes nothing; nor does a missing one."""
    budget = DatabaseBudget(database)
    for limit in (200, 300, 0, -1, None):
        budget.penalize([ACCOUNT], retry_in=timedelta(), limit=limit)
        assert sql.row(database, "SELECT lowered_to, lowered_until FROM request_budget") == (None, None)


def test_pause_counts_for_all_clients(database: Database) -> None:
    """After a 429 no slot is granted before the pause is over, and then no more than the limit."""
    budget = DatabaseBudget(database)
    budget.penalize([ADDRESS, ACCOUNT], retry_in=900 * SECOND, limit=None)
    pause = sql.row(database, "SELECT min(not_before) AS ends FROM request_budget").ends
    granted = reserve_many(database, 450, ADDRESS, ACCOUNT)
    assert min(granted) >= pause
    assert fullest_window(granted, ADDRESS) == 199


def test_later_pause_wins(database: Database) -> None:
    """A second 429 with a shorter pause does not shorten the first one."""
    budget = DatabaseBudget(database)
    budget.penalize([ACCOUNT], retry_in=60 * SECOND, limit=None)
    budget.penalize([ACCOUNT], retry_in=1 * SECOND, limit=None)
    assert budget.reserve([ACCOUNT]).wait > 50 * SECOND


def test_clock_set_back_does_not_stop_requests(database: Database) -> None:
    """Slots and pauses of the old time move with the clock: no request waits for hours, no window overflows."""
    budget = DatabaseBudget(database)
    reserve_many(database, 190, ACCOUNT)
    budget.penalize([ACCOUNT], retry_in=30 * SECOND, limit=None)
    sql.execute(
        database,
        "UPDATE request_budget SET asked_at = asked_at + interval '3 h', not_before = not_before + interval '3 h',"
        " slots = ARRAY(SELECT slot + interval '3 h' FROM unnest(slots) AS slot)",
    )
    waits = [budget.reserve([ACCOUNT]).wait for _ in range(11)]
    assert max(waits) < 60 * SECOND
    slots = sql.row(database, "SELECT slots FROM request_budget").slots
    assert len(slots) == 201
    assert fullest_window(slots, ACCOUNT) <= 200


def test_buckets_in_opposite_orders_do_not_deadlock(database: Database) -> None:
    """Requests name the same new buckets in opposite orders, with penalties in between."""
    budget = DatabaseBudget(database)
    buckets = [Bucket(f"{kind}:{number}", 200, 10 * SECOND) for number in range(10) for kind in ("ip", "Ä", "account")]
    barrier = threading.Barrier(3)

    def reserve(order: list[Bucket]) -> None:
        barrier.wait(30)
        for first in range(0, len(order), 3):
            budget.reserve(order[first : first + 3])
            budget.reserve(order)

    def penalize() -> None:
        barrier.wait(30)
        for _ in range(10):
            budget.penalize(buckets, retry_in=timedelta(), limit=None)

    with ThreadPoolExecutor(3) as threads:
        futures = [threads.submit(reserve, buckets), threads.submit(reserve, buckets[::-1]), threads.submit(penalize)]
        for future in futures:
            future.result(60)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    sql.execute(database, "SELECT pg_stat_force_next_flush()")
    assert sql.row(database, deadlocks).deadlocks == 0
