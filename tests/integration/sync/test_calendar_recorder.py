from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.calendars import ahead, wrong_days

from hostaway_sync.model.calendar.days import CalendarAnswer, CalendarDay, Days, ListingReading, check_answer
from hostaway_sync.model.records import Resource
from hostaway_sync.sync.calendar.plan import CalendarOptions, CalendarTask
from hostaway_sync.sync.calendar.recorder import TableCalendarRecorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

LISTING = 7
DAYS = Days(date(2030, 1, 1), date(2030, 1, 3))


def task(env: SyncEnv, *, whole: bool = True) -> tuple[TableCalendarRecorder, CalendarTask]:
    """Return a recorder, and a task for three days of a listing."""
    options = CalendarOptions(horizon=2, period=timedelta(hours=20))
    recorder = TableCalendarRecorder(env.database.transaction, env.account_id, options)
    mirrored = DAYS if whole else Days(DAYS.first, date(2030, 12, 31))
    return recorder, CalendarTask(ListingReading(LISTING), DAYS, mirrored, "a test")


def answer(env: SyncEnv, minutes: int, content: bytes) -> CalendarAnswer:
    """Return an answer that was requested so many minutes from now."""
    now = sql.row(env.database, "SELECT now() AS now").now
    days = [CalendarDay(day, content) for day in DAYS.list_days()]
    return CalendarAnswer(DAYS, days, now + timedelta(minutes=minutes))


def test_whole_answer_takes_one_transaction(sync_env: Build) -> None:
    """It stores the days, the listing's next turn and the end of the mark together."""
    env = sync_env(listings=3, reservations=3)
    env.mirror(calendar_days=60).sync.run(env.account_id)
    query = (
        "SELECT count(*) FROM calendar_readings AS r JOIN calendar_days AS d USING (account_id, listing_id) "
        "WHERE d.xmin <> r.xmin"
    )
    assert sql.rows(env.database, query) == [(0,)]
    assert sql.row(env.database, "SELECT count(*) AS n FROM calendar_days").n > 0


def test_answer_older_than_a_stored_one_changes_nothing(sync_env: Build) -> None:
    """Neither days nor the turn, nor a mark that was set meanwhile."""
    env = sync_env(listings=1, reservations=1)
    recorder, whole = task(env)
    newer, older = answer(env, 2, b"newer"), answer(env, 1, b"older")
    assert recorder.record_only_answer(whole, newer, check_answer(newer), ()) == 0
    sql.execute(
        env.database,
        "INSERT INTO calendar_due (account_id, listing_id, first_day, last_day, due_at, reason) "
        "VALUES (:account, :listing, '2030-01-01', '2030-01-02', now(), 'a stay changed')",
        account=env.account_id,
        listing=LISTING,
    )
    before = sql.rows(env.database, "SELECT * FROM calendar_readings ORDER BY listing_id")
    assert recorder.record_only_answer(whole, older, check_answer(older), ()) is None
    assert sql.rows(env.database, "SELECT DISTINCT payload_hash FROM calendar_days") == [(b"newer",)]
    assert sql.rows(env.database, "SELECT * FROM calendar_readings ORDER BY listing_id") == before
    assert sql.row(env.database, "SELECT count(*) AS n FROM calendar_due").n == 1


def test_answer_for_some_days_moves_no_turn(sync_env: Build) -> None:
    """It clears the mark of its days alone."""
    env = sync_env(listings=1, reservations=1)
    recorder, part = task(env, whole=False)
    some = answer(env, 1, b"some")
    assert recorder.record_only_answer(part, some, check_answer(some), ()) == 0
    stored = sql.row(env.database, "SELECT read_at, rota_at FROM calendar_readings WHERE listing_id = 7")
    assert (stored.read_at, stored.rota_at) == (None, None)


def test_missing_row_among_equal_ones_is_written(sync_env: Build) -> None:
    """A whole answer is compared at once only where all of its days have rows."""
    env = sync_env(listings=1, reservations=1)
    mirror = env.mirrored(calendar_days=60, calendar_after_hours=0)
    sql.execute(env.database, "DELETE FROM calendar_days WHERE date = :day", day=ahead(30))
    sql.execute(
        env.database, "UPDATE calendar_days SET payload_hash = 'x', raw_payload = '{}' WHERE date = :day", day=ahead(31)
    )
    counts = mirror.sync.run(env.account_id).resources[Resource.CALENDAR].counts
    assert (counts.inserted, counts.updated, counts.unchanged) == (1, 1, 60)
    assert wrong_days(env, 60) == {}
