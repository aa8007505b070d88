from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.sync_env import mirrored_env, single_thread

from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

MESSAGES = "GET /conversations/{id}/messages"


def test_first_run_is_full_and_the_second_incremental(sync_env: Build) -> None:
    """Without an option; sync_runs has the mode of each."""
    env = mirrored_env(sync_env)
    assert env.mirror().sync.run(env.account_id).mode is Mode.INCREMENTAL
    assert sql.rows(env.database, "SELECT mode FROM sync_runs ORDER BY triggered_at") == [("full",), ("incremental",)]


def test_idle_run_costs_two_calls(sync_env: Build) -> None:
    """One for listings, one for reservations; no thread is read."""
    env = mirrored_env(sync_env, reservations=60, switches=Switches(max_limit=20))
    report = env.mirror().sync.run(env.account_id)
    assert (report.state, report.api_calls) == (RunState.SUCCESS, 2)
    assert env.sandbox.calls.total() == 2


def test_ten_changes_cost_one_call_a_reservation_with_activity(sync_env: Build) -> None:
    """A payment costs no call; a message costs its thread."""
    env = mirrored_env(sync_env, reservations=60)
    world = env.sandbox.world
    with_thread = sorted({row["reservationId"] for _, row in world.truth("conversations") if row["reservationId"]})
    spoken, paid = with_thread[:5], with_thread[5:10]
    for reservation_id in spoken:
        world.guest_message(world.conversations_of(reservation_id)[0])
    for reservation_id in paid:
        world.pay(reservation_id)
    threads = sum(len(world.conversations_of(reservation_id)) for reservation_id in spoken)
    report = env.mirror().sync.run(env.account_id)
    assert report.resources[Resource.RESERVATIONS].counts.updated == 10
    assert report.api_calls == 2 + threads
    assert env.differences().keys() <= {Resource.CONVERSATIONS}


def test_new_booking_brings_its_conversation(sync_env: Build) -> None:
    """An unknown conversation is looked up by its reservation, and its thread is read."""
    env = mirrored_env(sync_env)
    env.sandbox.world.create_reservation()
    report = env.mirror().sync.run(env.account_id)
    assert report.state is RunState.SUCCESS
    assert report.resources[Resource.CONVERSATIONS].counts.inserted == 1
    assert env.differences() == {}
    assert sql.rows(env.database, "SELECT count(*) FROM reservations WHERE thread_due_at IS NOT NULL") == [(0,)]
    assert env.mirror().sync.run(env.account_id).api_calls == 2


def test_booking_without_conversation_is_looked_up_once(sync_env: Build) -> None:
    """Its absence is an answer, too."""
    env = mirrored_env(sync_env)
    env.sandbox.world.create_reservation(conversation=False)
    env.mirror().sync.run(env.account_id)
    assert env.mirror().sync.run(env.account_id).api_calls == 2


def test_due_thread_is_never_forgotten(sync_env: Build) -> None:
    """A run of reservations alone marks the thread; the next run reads it, whatever happened between."""
    env = mirrored_env(sync_env)
    conversation_id, _ = single_thread(env)
    said = env.sandbox.world.guest_message(conversation_id)
    mirror = env.mirror()
    mirror.sync.run(env.account_id, resources=(Resource.RESERVATIONS,))
    assert sql.rows(env.database, "SELECT id FROM conversations WHERE thread_due_at IS NOT NULL") == [
        (conversation_id,)
    ]
    env.sandbox.forget()
    mirror.sync.run(env.account_id)
    assert env.sandbox.calls[MESSAGES] == 1
    assert said in env.rows("messages")
    assert sql.rows(env.database, "SELECT count(*) FROM conversations WHERE thread_due_at IS NOT NULL") == [(0,)]


def test_thread_stays_due_after_a_read_mark(sync_env: Build) -> None:
    """A message moved the reservation only; a later read mark on the conversation is no reading of the thread."""
    env = mirrored_env(sync_env, switches=Switches(failed_sends_bump=True))
    conversation_id, _ = single_thread(env)
    failed = env.sandbox.world.fail_message(conversation_id)
    mirror = env.mirror()
    mirror.sync.run(env.account_id, resources=(Resource.RESERVATIONS,))
    unread = bool(env.truth("conversations")[conversation_id]["hasUnreadMessages"])
    env.sandbox.world.mark_conversation(conversation_id, unread=not unread)
    mirror.sync.run(env.account_id, resources=(Resource.CONVERSATIONS,), full=True)
    assert sql.rows(env.database, "SELECT id FROM conversations WHERE thread_due_at IS NOT NULL") == [
        (conversation_id,)
    ]
    mirror.sync.run(env.account_id)
    assert failed in env.rows("messages")


def test_unread_thread_stays_due(sync_env: Build) -> None:
    """The run is partial, and the next one reads the thread."""
    env = mirrored_env(sync_env)
    conversation_id, _ = single_thread(env)
    said = env.sandbox.world.guest_message(conversation_id)
    env.sandbox.faults.add(faults.bad_gateway(), route=MESSAGES, times=2)
    mirror = env.mirror(retry_attempts=2)
    assert mirror.sync.run(env.account_id).state is RunState.PARTIAL
    assert said not in env.rows("messages")
    assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
    assert said in env.rows("messages")


def test_thread_with_a_message_during_its_reading_is_due_again(sync_env: Build) -> None:
    """A mark that was set after a reading began is not cleared by that reading."""
    from hostaway_sync.store.records import due_threads

    env = mirrored_env(sync_env)
    conversation_id, _ = single_thread(env)
    began_at = datetime(2026, 1, 1, tzinfo=UTC)
    messages = env.rows("messages").keys()
    sql.execute(
        env.database, f"UPDATE conversations SET thread_due_at = '2026-01-01 00:00:01+00' WHERE id = {conversation_id}"
    )

    def read(at: datetime) -> None:
        env.database.transaction(
            lambda connection: due_threads.record_thread_read(
                connection, env.account_id, conversation_id, began_at=at, met=messages
            )
        )

    read(began_at)
    assert sql.rows(env.database, "SELECT id FROM conversations WHERE thread_due_at IS NOT NULL") == [
        (conversation_id,)
    ]
    read(began_at + timedelta(seconds=2))
    assert sql.rows(env.database, "SELECT count(*) FROM conversations WHERE thread_due_at IS NOT NULL") == [(0,)]


def test_due_sweep_needs_no_option(sync_env: Build) -> None:
    """One daily cron line is enough: a run is full when the last full one is old."""
    env = mirrored_env(sync_env)
    assert env.mirror(sweep_after_hours=0).sync.run(env.account_id).mode is Mode.FULL
    assert env.mirror().sync.run(env.account_id).mode is Mode.INCREMENTAL
    assert env.mirror().sync.run(env.account_id, full=True).mode is Mode.FULL


def test_full_run_reads_no_unchanged_thread(sync_env: Build) -> None:
    """It walks the lists; threads with unchanged stamps and final messages are not read."""
    env = mirrored_env(sync_env, reservations=60)
    env.mirror().sync.run(env.account_id, full=True)
    waiting = {
        row["conversationId"]
        for _, row in env.sandbox.world.truth("messages")
        if row["status"] in {"awaiting", "paused"}
    }
    assert env.sandbox.calls[MESSAGES] <= len(waiting)


def test_sweep_finds_a_second_conversation(sync_env: Build) -> None:
    """A known conversation is not looked up again, but the list has all of them."""
    env = mirrored_env(sync_env)
    _, reservation_id = single_thread(env)
    env.sandbox.world.create_conversation(reservation_id)
    env.mirror().sync.run(env.account_id, full=True)
    assert env.differences() == {}


def test_threads_that_were_not_read_for_long_are_read_again(sync_env: Build) -> None:
    """That finds an edit that moved no stamp."""
    env = mirrored_env(sync_env, switches=Switches(edits_bump=False))
    message_id, message = next(
        (row_id, row) for row_id, row in env.truth("messages").items() if row["status"] == "sent"
    )
    env.sandbox.world.edit_message(message["conversationId"], message_id, "edited in silence")
    env.mirror().sync.run(env.account_id, full=True)
    assert env.rows("messages")[message_id]["body"] != "edited in silence"
    env.mirror(threads_after_days=0).sync.run(env.account_id, full=True)
    assert env.rows("messages")[message_id]["body"] == "edited in silence"


def test_sent_automation_is_found_under_its_old_id(sync_env: Build) -> None:
    """Awaiting → sent: the reservation moves, the thread is read, the row is updated."""
    env = mirrored_env(sync_env)
    conversation_id, _ = single_thread(env)
    world = env.sandbox.world
    planned = world.schedule_message(conversation_id, world.now + timedelta(hours=1))
    env.mirror(threads_after_days=0).sync.run(env.account_id, full=True)
    assert sql.rows(env.database, f"SELECT status, is_final FROM conversation_messages WHERE id = {planned}") == [
        ("awaiting", False)
    ]
    world.send_scheduled(conversation_id, planned)
    env.mirror().sync.run(env.account_id)
    assert sql.rows(env.database, f"SELECT status, is_final FROM conversation_messages WHERE id = {planned}") == [
        ("sent", True)
    ]


def test_failed_incremental_run_moves_no_watermark(sync_env: Build) -> None:
    """The next one reads what it missed."""
    env = mirrored_env(sync_env)
    before = sql.rows(env.database, "SELECT watermark_at FROM watermarks WHERE resource = 'reservations'")
    booked = env.sandbox.world.create_reservation()
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=2)
    mirror = env.mirror(retry_attempts=2)
    assert mirror.sync.run(env.account_id).state is not RunState.SUCCESS
    assert sql.rows(env.database, "SELECT watermark_at FROM watermarks WHERE resource = 'reservations'") == before
    mirror.sync.run(env.account_id)
    assert booked in env.rows("reservations")


def test_dry_run_is_incremental_too(sync_env: Build) -> None:
    """It reads the threads that the run would mark, and marks none."""
    env = mirrored_env(sync_env)
    conversation_id, _ = single_thread(env)
    env.sandbox.world.guest_message(conversation_id)
    env.sandbox.world.create_reservation()
    report = env.mirror().sync.run(env.account_id, dry_run=True)
    assert report.mode is Mode.INCREMENTAL
    assert report.resources[Resource.MESSAGES].counts.inserted >= 1
    assert sql.rows(env.database, "SELECT count(*) FROM conversations WHERE thread_due_at IS NOT NULL") == [(0,)]


@pytest.mark.parametrize("sort", ["honoured", "ignored"])
def test_edited_listing_is_found(sync_env: Build, sort: str) -> None:
    """Whether Hostaway sorts by activity or not."""
    env = mirrored_env(sync_env, listings=60, switches=Switches(sort_parameters=sort))  # type: ignore[arg-type]  # a plain value where a literal is declared
    env.sandbox.world.edit_listing(next(iter(env.truth("listings"))), name="Renamed")
    env.mirror().sync.run(env.account_id)
    assert env.differences() == {}
