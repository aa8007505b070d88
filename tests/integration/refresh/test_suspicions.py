"""A single 404 marks no row: it is a suspicion, and only a sweep judges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.sync_env import mirrored_env, single_thread

from hostaway_sync.errors import MessageRefused
from hostaway_sync.model.health import assess_health
from hostaway_sync.model.messages import MessageRequest
from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

LISTINGS, RESERVATIONS, CONVERSATIONS = Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS
MISSING = "SELECT count(*) FROM {} WHERE missing_since IS NOT NULL"
SUSPECTED = "SELECT resource, record_id FROM suspicions ORDER BY record_id"


def wrong(env: SyncEnv) -> str:
    """Return the problems that `status` names for the account."""
    overview = env.mirror().status.overview(env.account_id)
    return "; ".join(assess_health(overview.accounts[0], overview.now).problems)


def later(env: SyncEnv, span: timedelta) -> None:
    """Move the last sweeps, and their causes, so much further back."""
    moments = ", ".join(f"{name} = {name} - interval '{span.total_seconds()} s'" for name in ("swept_at", "hurried_at"))
    sql.execute(env.database, f"UPDATE watermarks SET {moments}")


def by_delivery(env: SyncEnv, resource: Resource, row_id: int) -> None:
    """Read one object again, as a delivery makes a worker do."""
    env.mirror().sync.refresh(env.account_id, resource, row_id)


def by_thread(env: SyncEnv, _resource: Resource, row_id: int) -> None:
    """Let a run read the thread of a conversation."""
    env.sandbox.world.guest_message(row_id)
    env.mirror().sync.run(env.account_id)


def by_lookup(env: SyncEnv, _resource: Resource, row_id: int) -> None:
    """Let a run look up the conversations of a reservation."""
    sql.execute(env.database, f"DELETE FROM conversations WHERE reservation_id = {row_id}")
    env.sandbox.world.update_reservation(row_id, guestName="Somebody else")
    env.mirror().sync.run(env.account_id)


def by_message(env: SyncEnv, _resource: Resource, row_id: int) -> None:
    """Look for the thread of a guest who gets a message."""
    sql.execute(env.database, f"DELETE FROM conversations WHERE reservation_id = {row_id}")
    with pytest.raises(MessageRefused), env.mirror().messages.prepare(MessageRequest(row_id, "Welcome")):
        pass


WAYS = [
    (by_delivery, LISTINGS, "GET /listings/{id}"),
    (by_delivery, RESERVATIONS, "GET /reservations/{id}"),
    (by_delivery, CONVERSATIONS, "GET /conversations/{id}"),
    (by_thread, CONVERSATIONS, "GET /conversations/{id}/messages"),
    (by_lookup, RESERVATIONS, "GET /reservations/{id}/conversations"),
    (by_message, RESERVATIONS, "GET /reservations/{id}/conversations"),
]


@pytest.mark.parametrize(("way", "resource", "route"), WAYS)
def test_temporary_404_marks_no_row(
    sync_env: Build, way: Callable[[SyncEnv, Resource, int], None], resource: Resource, route: str
) -> None:
    """`status` names it, and the next run sweeps that list and finds the row there."""
    env = mirrored_env(sync_env)
    conversation_id, reservation_id = single_thread(env)
    row_id = {LISTINGS: next(iter(env.truth("listings"))), RESERVATIONS: reservation_id}.get(resource, conversation_id)
    rule = env.sandbox.faults.add(faults.status(404), route=route, times=None)
    way(env, resource, row_id)
    env.sandbox.faults.remove(rule)
    assert sql.rows(env.database, MISSING.format(resource.value)) == [(0,)]
    assert sql.rows(env.database, SUSPECTED) == [(resource.value, row_id)]
    assert f"{resource}: 1 row not found when asked for" in wrong(env)
    report = env.mirror().sync.run(env.account_id)
    assert (report.state, report.mode) == (RunState.SUCCESS, Mode.FULL)
    assert sql.rows(env.database, MISSING.format(resource.value)) == [(0,)]
    assert sql.rows(env.database, SUSPECTED) == []
    assert "not found" not in wrong(env)
    assert env.mirror().sync.run(env.account_id).mode is Mode.INCREMENTAL


def test_object_that_answers_again_is_no_longer_suspected(sync_env: Build) -> None:
    """The next delivery read it: no sweep is needed."""
    env = mirrored_env(sync_env)
    _, reservation_id = single_thread(env)
    env.sandbox.faults.add(faults.status(404), route="GET /reservations/{id}")
    for _ in range(2):
        by_delivery(env, RESERVATIONS, reservation_id)
    assert "not found" not in wrong(env)
    assert env.mirror().sync.run(env.account_id).mode is Mode.INCREMENTAL


def test_many_404s_mark_no_row_and_cost_one_sweep(sync_env: Build) -> None:
    """New suspicions come with each run: the first run sweeps, the next sweep comes hours later."""
    env = mirrored_env(sync_env, reservations=40, conversations=False)
    mirror = env.mirror()
    modes = []
    for span in (timedelta(0), timedelta(hours=1), timedelta(hours=3)):
        later(env, span)
        rule = env.sandbox.faults.add(faults.status(404), route="GET /reservations/{id}", times=None)
        for row_id in env.truth("reservations"):
            mirror.sync.refresh(env.account_id, RESERVATIONS, row_id)
        env.sandbox.faults.remove(rule)
        assert "reservations: 40 rows not found" in wrong(env)
        env.sandbox.forget()
        modes.append((mirror.sync.run(env.account_id).mode, env.sandbox.calls.total() <= 4))
    assert modes == [(Mode.FULL, True), (Mode.INCREMENTAL, True), (Mode.FULL, True)]
    assert sql.rows(env.database, MISSING.format("reservations")) == [(0,)]
    assert env.differences() == {}


def hide(env: SyncEnv, rows: list[int]) -> None:
    """Make the source neither list these reservations nor find them."""
    env.sandbox.faults.clear()
    env.sandbox.faults.add(
        faults.change_rows(lambda found: [row for row in found if row["id"] not in rows]),
        route="GET /reservations",
        times=None,
    )
    env.sandbox.faults.add(faults.status(404), route="GET /reservations/{id}", times=None)


@pytest.mark.parametrize("first", ["sync", "verify"])
@pytest.mark.parametrize("second", ["sync", "verify"])
def test_brake_counts_rows_marked_by_any_reading(sync_env: Build, first: str, second: str) -> None:
    """Six rows at a time are too few for it, but twelve within a day are not, whichever reading finds them."""
    env = mirrored_env(sync_env, reservations=60, conversations=False, switches=Switches(reservations_count="absent"))
    rows = list(env.truth("reservations"))
    mirror = env.mirror()

    def judged(way: str) -> str | None:
        if way == "sync":
            return mirror.sync.run(env.account_id, full=True).error
        return mirror.sync.verify(env.account_id, repair=True).resources[RESERVATIONS].note

    hide(env, rows[:6])
    assert judged(first) is None
    assert sql.rows(env.database, MISSING.format("reservations")) == [(6,)]
    hide(env, rows[:12])
    assert "6 of 54 rows are no longer listed, all at once, after 6 that were marked" in (judged(second) or "")
    assert sql.rows(env.database, MISSING.format("reservations")) == [(6,)]
    sql.execute(env.database, "UPDATE reservations SET missing_since = missing_since - interval '20 hours'")
    assert judged(second) is None
    assert sql.rows(env.database, MISSING.format("reservations")) == [(12,)]


def test_brake_does_not_count_accepted_rows(sync_env: Build) -> None:
    """After --accept-missing, one more missing row is one row."""
    env = mirrored_env(sync_env, reservations=40, conversations=False)
    rows = list(env.truth("reservations"))
    mirror = env.mirror()
    for row_id in rows[:15]:
        env.sandbox.world.delete_reservation(row_id)
    assert mirror.sync.run(env.account_id, full=True).state is RunState.PARTIAL
    assert mirror.sync.run(env.account_id, full=True, accept_missing=True).state is RunState.SUCCESS
    env.sandbox.world.delete_reservation(rows[15])
    assert mirror.sync.run(env.account_id, full=True).state is RunState.SUCCESS
    assert sql.rows(env.database, MISSING.format("reservations")) == [(16,)]


def test_brake_ignores_messages_of_missing_conversations(sync_env: Build) -> None:
    """No walk found them missing; a message that is gone besides is marked."""
    env = mirrored_env(sync_env, reservations=12)
    mirror = env.mirror()
    conversations = list(env.truth("conversations"))
    env.sandbox.world.delete_conversation(conversations[0])
    mirror.sync.run(env.account_id, full=True)
    message_id, message = next(iter(env.truth("messages").items()))
    env.sandbox.world.delete_message(message["conversationId"], message_id)
    assert env.mirror(threads_after_days=0).sync.run(env.account_id, full=True).state is RunState.SUCCESS
    assert env.differences() == {}


def test_verify_raises_a_suspicion_for_a_404(sync_env: Build) -> None:
    """The row is newer than the list, so that it is requested alone; a 404 then marks nothing."""
    env = mirrored_env(sync_env, conversations=False)
    row_id = next(iter(env.truth("reservations")))
    sql.execute(
        env.database,
        f"UPDATE reservations SET raw_payload = '{{}}', observed_at = now() + interval '1 minute' WHERE id = {row_id}",
    )
    env.sandbox.faults.add(faults.status(404), route="GET /reservations/{id}")
    env.mirror().sync.verify(env.account_id, repair=True)
    assert sql.rows(env.database, MISSING.format("reservations")) == [(0,)]
    assert sql.rows(env.database, SUSPECTED) == [("reservations", row_id)]


def test_suspicion_has_the_time_of_the_database(sync_env: Build) -> None:
    """It is compared with the moments of readings, which are the database's, too."""
    env = mirrored_env(sync_env)
    env.sandbox.faults.add(faults.status(404), route="GET /listings/{id}")
    by_delivery(env, LISTINGS, next(iter(env.truth("listings"))))
    [(raised_at, refused_at)] = sql.rows(env.database, "SELECT raised_at, refused_at FROM suspicions")
    assert raised_at <= refused_at <= datetime.now(UTC) + timedelta(seconds=1)
