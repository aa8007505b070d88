"""The database's clock was ahead for a while: its marks delay nothing, and doctor names them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.deliveries import deliver
from tests.support.messages import TEXT, message_case
from tests.support.sync_env import mirrored_env, single_thread

from hostaway_sync.doctor import examine
from hostaway_sync.model.health import Condition, assess_health
from hostaway_sync.model.messages import MessageRequest
from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.settings import load_settings
from hostaway_sync.store import time_marks

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

MARKS = [(table, name) for table, names in time_marks.MARKS.items() for name in names]
DECISIVE = [
    *(("watermarks", name) for name in ("watermark_at", "swept_at")),
    *(("conversations", name) for name in ("thread_due_at", "thread_read_at", "observed_at")),
    *(("conversation_messages", name) for name in ("observed_at", "unlisted_since")),
    *(("reservations", name) for name in ("observed_at", "thread_due_at")),
]


def put_ahead(env: SyncEnv, *columns: tuple[str, str], by: str = "3 days") -> None:
    """Move these marks to a clock that was ahead; null marks stay null, except for due marks."""

    def write(connection: sa.Connection) -> None:
        for table, name in columns:
            ahead = f"UPDATE hostaway.{table} SET {name} = clock_timestamp() + interval '{by}'"
            is_due = name in {"thread_due_at", "unlisted_since"}
            connection.exec_driver_sql(ahead if is_due else f"{ahead} WHERE {name} IS NOT NULL")

    env.database.transaction(write)


def put_all_ahead(env: SyncEnv) -> None:
    """Move every mark that is set to a clock that was ahead."""

    def write(connection: sa.Connection) -> None:
        for table, name in MARKS:
            connection.exec_driver_sql(f"UPDATE hostaway.{table} SET {name} = {name} + interval '3 days'")

    env.database.transaction(write)


def something_happens(env: SyncEnv) -> None:
    """Let a guest write, a message be edited and one deleted, a booking change and another be deleted."""
    world = env.sandbox.world
    conversation_id, reservation_id = single_thread(env)
    kept, lost, *_ = sorted(n for n, said in world.truth("messages") if said["conversationId"] == conversation_id)
    world.edit_message(conversation_id, kept, "Not what it said before")
    world.delete_message(conversation_id, lost)
    world.guest_message(conversation_id)
    other = next(number for number in env.rows("reservations") if number != reservation_id)
    world.update_reservation(other, guestName="Somebody Else")


@pytest.mark.parametrize(("table", "name"), DECISIVE)
def test_future_mark_delays_nothing(sync_env: Build, table: str, name: str) -> None:
    """After one run the mirror is right; a second run takes two calls, and nothing waits."""
    env = mirrored_env(sync_env)
    something_happens(env)
    put_ahead(env, (table, name))
    mirror = env.mirror()
    first = mirror.sync.run(env.account_id)
    assert first.state is RunState.SUCCESS
    assert env.differences().keys() <= {Resource.CONVERSATIONS}
    second = mirror.sync.run(env.account_id)
    assert (second.mode, second.state, second.api_calls) == (Mode.INCREMENTAL, RunState.SUCCESS, 2)
    facts = mirror.status.overview().accounts[0]
    assert (facts.due, assess_health(facts, mirror.status.overview().now).condition) == ({}, Condition.OK)


def test_sweep_with_a_future_mark_is_due(sync_env: Build) -> None:
    """Its true time is unknown, so that it runs now, and finds the rows that are gone."""
    env = mirrored_env(sync_env)
    gone = next(iter(env.rows("reservations")))
    env.sandbox.world.delete_reservation(gone)
    put_all_ahead(env)
    assert env.mirror().sync.run(env.account_id).mode is Mode.FULL
    assert gone not in env.rows("reservations")
    assert env.differences() == {}


def test_future_success_does_not_count(sync_env: Build) -> None:
    """Otherwise days without a success would stay unseen; a future run is not the last one, either."""
    env = mirrored_env(sync_env)
    mirror = env.mirror()
    put_ahead(env, ("accounts", "last_sync_at"), ("sync_runs", "triggered_at"), ("verifications", "verified_at"))
    facts = mirror.status.overview().accounts[0]
    assert (facts.last_sync_at, facts.last_run, facts.certificate) == (None, None, None)
    assert assess_health(facts, mirror.status.overview().now).condition is Condition.NEVER


def test_delivery_from_the_future_is_processed_once(sync_env: Build) -> None:
    """It counts as stored before its reading, which would otherwise repeat every minute."""
    env = mirrored_env(sync_env)
    reservation_id = next(iter(env.rows("reservations")))
    deliver(env.database, env.account_id, object_id=reservation_id)
    put_ahead(env, ("webhook_log", "created_at"))
    with env.mirror().jobs.start_worker(drain=True) as worker:
        worker.wait()
    assert sql.rows(env.database, "SELECT status FROM webhook_log") == [("processed",)]


def test_future_marks_of_messages_count_as_now(sync_env: Build) -> None:
    """For ten minutes the same text is refused, and then it is sent."""
    case = message_case(sync_env)
    case.send()
    put_ahead(case.env, ("sent_messages", "sending_at"), ("sent_messages", "created_at"))
    assert case.send().step.value == "repeated"
    sql.execute(case.env.database, "UPDATE sent_messages SET sending_at = sending_at - interval '11 minutes'")
    case.send()
    assert case.accepted == [TEXT, TEXT]


@pytest.mark.parametrize("name", ["failing_since", "failed_at", "away_since", "probe_at"])
def test_future_outage_is_ignored(sync_env: Build, name: str) -> None:
    """A present outage still counts."""
    env = mirrored_env(sync_env)
    sql.execute(
        env.database,
        "INSERT INTO source_outages SELECT egress, url, 20, now() - interval '1 min', now(), 'it was silent', now(),"
        f" now() + interval '1 min', 1 FROM (VALUES ('office', '{env.sandbox.url}')) AS here (egress, url)",
    )
    mirror = env.mirror(egress="office")
    report = mirror.sync.run(env.account_id)
    assert (report.state, report.api_calls) == (RunState.FAILED, 0)
    put_ahead(env, ("source_outages", name))
    assert mirror.sync.run(env.account_id).state is RunState.SUCCESS


def test_token_issued_in_the_future_is_replaced(sync_env: Build) -> None:
    """Its remaining life is unknown; the next run gets a new one."""
    env = mirrored_env(sync_env)
    put_ahead(env, ("accounts", "token_issued_at"))
    mirror = env.mirror()
    assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
    assert sql.rows(env.database, "SELECT token_issued_at <= now() FROM accounts") == [(True,)]
    assert mirror.sync.run(env.account_id).api_calls == 2


def test_planned_time_is_no_mark(sync_env: Build) -> None:
    """A lease, and a message that waits for the morning, last as long as planned."""
    case = message_case(sync_env)
    with case.mirror.messages.prepare(MessageRequest(case.reservation_id, TEXT)) as draft:
        draft.queue()
    for table, name in (("sent_messages", "not_before_at"), ("procrastinate_jobs", "scheduled_at")):
        sql.execute(case.env.database, f"UPDATE {table} SET {name} = now() + interval '3 days'")
    case.run_worker()
    assert case.accepted == []
    assert case.mirror.status.overview().accounts[0].messages.resting == 1


def test_full_run_resets_future_marks_of_rows(sync_env: Build) -> None:
    """Also of unchanged rows: doctor does not report them for ever."""
    env = mirrored_env(sync_env)
    mirrored = [(table, "observed_at") for table in ("listings", "reservations", "conversations")]
    put_ahead(env, *mirrored, ("conversation_messages", "observed_at"))
    env.mirror().sync.run(env.account_id, full=True)
    columns = {ahead.column for ahead in time_marks.find_future_marks(env.database).found}
    assert not columns & {f"{table}.observed_at" for table, _ in mirrored}
    assert "conversation_messages.observed_at" not in columns


def test_doctor_names_every_future_mark(sync_env: Build) -> None:
    """Every column that holds one, and what follows from it, in one finding."""
    env = mirrored_env(sync_env)
    settings = {k.removeprefix("HOSTAWAY_SYNC_").lower(): v for k, v in env.environment().items()}
    put_all_ahead(env)
    set_ahead = {
        f"{table}.{name}"
        for table, name in MARKS
        if sql.rows(env.database, f"SELECT 1 FROM {table} WHERE {name} > now() + interval '5 min' LIMIT 1")
    }
    found = [one for one in examine(load_settings(**settings)) if "count as unknown" in one.says]
    assert len(found) == 1
    assert len(set_ahead) > 20
    assert [column for column in sorted(set_ahead) if column not in found[0].says] == []


@pytest.mark.parametrize("stamp", ["0001-01-01 00:00:00", "0001-01-01T00:00:00+10:00", "9999-12-31 23:59:59"])
def test_extreme_source_timestamps_break_no_run(sync_env: Build, stamp: str) -> None:
    """In one row, and then in all: every run is whole, and no computed time overflows."""
    env = mirrored_env(sync_env)
    world, mirror = env.sandbox.world, env.mirror()
    numbers = sorted(env.rows("listings"))
    for some in (numbers[:1], numbers):
        for number in some:
            world.edit_listing(number, stamp=False, latestActivityOn=stamp)
        for turn in range(2):
            world.edit_listing(some[-1], stamp=False, latestActivityOn=stamp, name=f"Changed {turn}")
            assert mirror.sync.run(env.account_id, full=turn == 0).state is RunState.SUCCESS
            # A row whose stamp went back is stale; no other row is.
            assert env.differences().get(Resource.LISTINGS, set()) <= set(some)


def test_future_source_timestamp_sets_no_watermark(sync_env: Build) -> None:
    """A booking stamped twenty hours ahead stays at the top of the list for as long."""
    env = mirrored_env(sync_env, reservations=60, switches=Switches(max_limit=20))
    world, mirror = env.sandbox.world, env.mirror()
    first, *others = sorted(env.rows("reservations"))
    odd = dict(world.truth("reservations"))[first] | {"updatedOn": "2199-01-01 00:00:00"}
    world.corrupt("reservations", first, json.dumps(odd).encode())
    for number, full in zip(others, (True, False, False), strict=False):
        world.update_reservation(number, guestName=f"Changed {number}")
        report = mirror.sync.run(env.account_id, full=full)
        assert report.state is RunState.SUCCESS
        assert env.rows("reservations")[number]["guestName"] == f"Changed {number}"
        assert sql.rows(env.database, "SELECT bool_and(watermark_at <= now()) FROM watermarks") == [(True,)]
