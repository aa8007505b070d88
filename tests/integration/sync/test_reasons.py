"""Why each request of a run was made, as its observer learns it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.support import sql

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.model.api_calls import ApiCall
    from hostaway_sync.model.records import RunReport

    Build = Callable[..., SyncEnv]

MOVED = "messages: thread due, something moved at "


def mirrored_env(sync_env: Build, **options: Any) -> SyncEnv:
    """Return an environment that was mirrored in full."""
    env = sync_env(**options)
    env.mirrored()
    return env


def explained(env: SyncEnv, settings: dict[str, Any] | None = None, **order: Any) -> tuple[RunReport, Counter[str]]:
    """Sync once more; return the report and the number of requests by reason, moments left out."""
    calls: list[ApiCall] = []
    report = env.mirror(**settings or {}).sync.run(env.account_id, observe=calls.append, **order)
    assert len(calls) == report.api_calls
    return report, Counter(call.why.partition(" since ")[0].partition(" at 2")[0] for call in calls)


def test_first_run_explains_lists_and_threads(sync_env: Build) -> None:
    """Three lists, and every thread, are read for the first time."""
    env = sync_env()
    _, reasons = explained(env)
    assert reasons == {
        "listings: everything, for the first time": 1,
        "reservations: everything, for the first time": 1,
        "conversations: everything, for the first time": 1,
        "messages: thread never read whole": len(env.truth("conversations")),
    }


def test_ten_changes_are_explained(sync_env: Build) -> None:
    """Changed rows are in a list; threads with activity are due; a payment costs no request."""
    env = mirrored_env(sync_env, reservations=60)
    world = env.sandbox.world
    with_thread = sorted({row["reservationId"] for row in env.truth("conversations").values() if row["reservationId"]})
    for reservation_id in with_thread[:5]:
        world.guest_message(world.conversations_of(reservation_id)[0])
    for reservation_id in with_thread[5:10]:
        world.pay(reservation_id)
    threads = sum(len(world.conversations_of(reservation_id)) for reservation_id in with_thread[:5])
    _, reasons = explained(env)
    assert reasons == {
        "listings: what moved": 1,
        "reservations: what moved": 1,
        "messages: thread due, something moved": threads,
    }


def test_new_booking_is_explained(sync_env: Build) -> None:
    """Its conversation is looked up, then read."""
    env = mirrored_env(sync_env)
    env.sandbox.world.create_reservation()
    _, reasons = explained(env)
    assert reasons["conversations: none is known yet of a reservation that moved"] == 1
    assert reasons["messages: thread never read whole"] == 1


def test_sweep_is_explained(sync_env: Build) -> None:
    """It is due, or an option asks for it; threads are read that were not read for long."""
    env = mirrored_env(sync_env)
    _, reasons = explained(env, {"sweep_after_hours": 0, "threads_after_days": 0})
    assert reasons["reservations: everything, as from time to time; last 0 h ago"] == 1
    assert reasons["messages: thread not read whole for long"] > 0
    _, reasons = explained(env, full=True)
    assert reasons["conversations: everything, as asked for"] == 1


def test_scheduled_message_is_explained(sync_env: Build) -> None:
    """Its time has passed, and no stamp tells whether it was sent."""
    env = mirrored_env(sync_env)
    sql.execute(env.database, "UPDATE conversation_messages SET is_final = true")
    sql.execute(
        env.database,
        "UPDATE conversation_messages SET is_final = false, sent_at = now() - interval '1 hour' "
        "WHERE id = (SELECT min(id) FROM conversation_messages)",
    )
    _, reasons = explained(env, full=True)
    assert reasons["messages: thread with one that waited for a time which has passed"] == 1


def test_row_that_is_no_longer_listed_is_explained(sync_env: Build) -> None:
    """It is requested alone."""
    env = mirrored_env(sync_env)
    env.sandbox.world.delete_reservation(next(iter(env.truth("reservations"))))
    _, reasons = explained(env, full=True)
    assert reasons["reservations: is it gone? a whole walk did not list it"] == 1


def test_list_that_is_read_again_is_explained(sync_env: Build) -> None:
    """Its count is greater than the number of its rows."""
    env = sync_env()
    promise = faults.status(200, b'{"status":"success","result":[],"count":9}')
    env.sandbox.faults.add(promise, route="GET /listings", times=2)
    report, reasons = explained(env, resources=(Resource.LISTINGS,))
    assert report.resources[Resource.LISTINGS].counts.seen == 3
    assert any("; again: " in why for why in reasons), reasons


def test_dry_run_reports_the_requests_of_a_run(sync_env: Build) -> None:
    """It sends the same requests."""
    env = mirrored_env(sync_env)
    conversation = env.sandbox.world.conversations_of(env.truth("conversations").popitem()[1]["reservationId"])[0]
    env.sandbox.world.guest_message(conversation)
    _, planned = explained(env, dry_run=True)
    _, made = explained(env)
    assert planned.total() == made.total()
    assert planned["messages: this thread would be due now"] == made["messages: thread due, something moved"]
