"""Any role may notify on any channel: the worker goes on, and does what the tables say."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.support import sql
from tests.support.deliveries import QUICK, deliver, eventually, refreshing, worker
from tests.support.records import add_account

from hostaway_sync.queue.notifications import PAUSE_S, Notifications
from hostaway_sync.queue.procrastinate_app import build_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.db_roles import DbRoles

    from hostaway_sync.store.postgres.database import Database

CHANNELS = ("procrastinate_any_queue_v1", "procrastinate_queue_v1#refresh", "procrastinate_queue_v1#sync", "other")
GARBAGE = (
    "",
    "x",
    "null",
    "7",
    "[]",
    "{}",
    "{" * 3000,
    "[" * 7900,
    '{"type": "job_inserted"}',
    '{"type": ["job_inserted"], "job_id": 1}',
    '{"type": "abort_job_requested"}',
    '{"type": "abort_job_requested", "job_id": "x"}',
    '{"type": "stop_worker", "job_id": 1}',
    "\u202e\x1b[2J",
    "9" * 7999,
)


@pytest.fixture
def stranger(db_roles: DbRoles) -> Iterator[psycopg.Connection[Any]]:
    """Return a connection of a role that may only log in."""
    url = db_roles.database.engine.url.set(drivername="postgresql", username=db_roles.create_login("stranger"))
    with closing(psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)) as connection:
        yield connection


def notify(connection: psycopg.Connection[Any], payload: str) -> None:
    """Send a payload to each channel."""
    for channel in CHANNELS:
        connection.execute("SELECT pg_notify(%s, %s)", (channel, payload))


def worker_rows(database: Database) -> set[int]:
    """Return the registered engines: an engine that starts anew gets another number."""
    query = "SELECT array_agg(id) AS ids FROM procrastinate_workers"
    return set(sql.row(database, query).ids or ())


def is_processed(database: Database) -> bool:
    """Whether no delivery waits."""
    return sql.row(database, "SELECT 1 FROM webhook_log WHERE status <> 'processed'") is None


def test_no_notification_ends_a_worker(
    database: Database, stranger: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Each payload goes to each channel; the same engines go on, log it once, and do the next job."""

    def is_said() -> bool:
        notify(stranger, GARBAGE[0])
        return "another session of the database sends notifications" in caplog.text

    add_account(database)
    with caplog.at_level(logging.INFO), worker(database, refreshing(database, lambda _: None), drain=False):
        engines = eventually(lambda: len(found := worker_rows(database)) == 2 and found, "both lanes work")
        for payload in GARBAGE:
            notify(stranger, payload)
        deliver(database, 1, object_id=1)
        eventually(lambda: is_processed(database), "it still works")
        # The listener handles notifications in order: it has handled all of the above.
        # A worker gets no notification from before it listened: so it is sent again.
        eventually(is_said, "it says so")
        assert worker_rows(database) == engines
    assert caplog.text.count("another session of the database sends notifications") == 1
    assert "lost the database" not in caplog.text
    assert "failed" not in caplog.text


def test_no_notification_aborts_a_job(
    database: Database, stranger: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A notification that names the running job does not end it: only its row could."""
    add_account(database)
    begun, may_end, reads = threading.Event(), threading.Event(), []

    def read(number: int) -> None:
        reads.append(number)
        begun.set()
        may_end.wait(30)

    with worker(database, refreshing(database, read), drain=False):
        deliver(database, 1, object_id=1)
        assert begun.wait(30)
        job = sql.row(database, "SELECT id FROM procrastinate_jobs WHERE status = 'doing'").id
        notify(stranger, f'{{"type": "abort_job_requested", "job_id": {job}}}')
        # Another delivery is done after that notification came, by the other thread of the same lane.
        deliver(database, 1, object_id=2)
        eventually(lambda: 2 in reads, "it hears")
        may_end.set()
        eventually(lambda: is_processed(database), "both end")
    assert sorted(reads) == [1, 2]
    assert sql.row(database, "SELECT count(*) FROM job_attempts").count == 0
    assert (
        "another session of the database" not in caplog.text
    )  # neither what our own triggers write, nor what looks like it


def test_a_flood_of_notifications_starves_no_job(database: Database, stranger: psycopg.Connection[Any]) -> None:
    """While one session notifies without a pause, deliveries are processed, and the worker lives."""
    add_account(database)
    enough = threading.Event()

    def flood() -> None:
        while not enough.is_set():
            with stranger.transaction():
                stranger.execute(
                    "SELECT pg_notify(%s, repeat(i::text, 500)) FROM generate_series(1, 500) AS i", CHANNELS[:1]
                )

    thread = threading.Thread(target=flood)
    with worker(database, refreshing(database, lambda _: None), drain=False, timings=QUICK):
        engines = eventually(lambda: len(found := worker_rows(database)) == 2 and found, "both lanes work")
        thread.start()
        try:
            for number in range(30):
                deliver(database, 1, object_id=number)
            eventually(lambda: is_processed(database), "all are done")
        finally:
            enough.set()
            thread.join(30)
        assert worker_rows(database) == engines


def test_notifications_are_handled_together_and_none_is_lost() -> None:
    """Ten thousand at once make two queries: one at once, and one for all that came after it began."""

    async def count() -> int:
        looks = 0

        async def wake(*, channel: str, payload: str) -> None:
            nonlocal looks
            del channel, payload
            looks += 1

        announcements = Notifications(wake)
        await announcements("here", "first")
        await asyncio.sleep(0)
        for _ in range(10_000):
            await announcements("here", "more")
        await asyncio.sleep(3 * PAUSE_S)
        return looks

    assert asyncio.run(count()) == 2


def test_one_connection_listens_for_all_lanes(database: Database) -> None:
    """Each lane is woken for its own queue."""
    queues = ("refresh", "deliver")

    async def never(*_: object) -> None:
        raise AssertionError("no job was deferred")

    async def listen() -> set[str]:
        woken: dict[str, asyncio.Event] = {queue: asyncio.Event() for queue in queues}
        heard: set[tuple[str, str]] = set()

        async def lane(queue: str) -> None:
            async def wake(*, channel: str, payload: str) -> None:
                del payload
                heard.add((queue, channel.removeprefix("procrastinate_queue_v1#")))
                woken[queue].set()

            await app.connector.listen_notify(on_notification=wake, channels=[f"procrastinate_queue_v1#{queue}"])

        async def call() -> None:
            while not all(event.is_set() for event in woken.values()):
                for queue in queues:
                    await asyncio.to_thread(sql.execute, database, f'NOTIFY "procrastinate_queue_v1#{queue}"')

        app = build_app(database, queues, never)
        async with app.open_async():
            lanes = [asyncio.create_task(lane(queue)) for queue in queues]
            await asyncio.wait_for(call(), 30)
            ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            sessions = await asyncio.to_thread(sql.rows, database, f"{ours} AND application_name LIKE '%: queue'")
            for task in lanes:
                task.cancel()
        # One for statements, and one that listens.
        assert sessions == [(2,)]
        return {f"{queue} {channel}" for queue, channel in heard}

    assert asyncio.run(listen()) == {"refresh refresh", "deliver deliver"}
