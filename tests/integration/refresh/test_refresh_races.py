from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.barrier import PATIENCE, Barrier
from tests.support.sync_env import mirrored_env, single_thread

from hostaway_sync.errors import SourceUnavailable
from hostaway_sync.model.records import Change, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.records import missing
from hostaway_sync.sync.refresh import RefreshFinding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.model.records import RunReport

    Build = Callable[..., SyncEnv]

LISTINGS, RESERVATIONS, CONVERSATIONS = Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS
MESSAGES = "GET /conversations/{id}/messages"
DUE = "SELECT id FROM conversations WHERE thread_due_at IS NOT NULL"


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """Return threads for concurrent work."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


def a_run(env: SyncEnv, beside: ThreadPoolExecutor, **options: Any) -> Future[RunReport]:
    """Start a run that goes on while the test continues."""
    return beside.submit(env.mirror().sync.run, env.account_id, **options)


def end(run: Future[RunReport]) -> RunReport:
    """Return the report of a whole run."""
    report = run.result(PATIENCE)
    assert report.state is RunState.SUCCESS, report.error
    return report


def test_page_from_before_a_404_does_not_end_its_suspicion(sync_env: Build, beside: ThreadPoolExecutor) -> None:
    """It was requested before the object was gone: the next run judges, and marks the row."""
    env = mirrored_env(sync_env)
    gone = next(iter(env.truth("reservations")))
    env.sandbox.world.pay(gone)
    with Barrier(env.sandbox, "GET /reservations", answered=True) as page:
        run = a_run(env, beside, full=True)
        page.wait()
        env.sandbox.world.delete_reservation(gone)
        assert env.mirror().sync.refresh(env.account_id, RESERVATIONS, gone).finding is RefreshFinding.GONE
    end(run)
    assert gone in env.rows("reservations")
    env.mirror().sync.run(env.account_id)
    assert gone not in env.rows("reservations")


def test_page_from_before_the_proof_revives_no_missing_row(sync_env: Build, beside: ThreadPoolExecutor) -> None:
    """Its version is newer than the stored one, but older than the proof."""
    env = mirrored_env(sync_env)
    gone = next(iter(env.truth("reservations")))
    env.sandbox.world.pay(gone)
    with Barrier(env.sandbox, "GET /reservations", answered=True) as page:
        run = a_run(env, beside, full=True)
        page.wait()
        env.database.transaction(lambda c: missing.mark_missing(c, env.account_id, RESERVATIONS, gone))
    assert end(run).resources[RESERVATIONS].counts.stale == 1
    assert gone not in env.rows("reservations")


@pytest.mark.parametrize("resource", [RESERVATIONS, CONVERSATIONS])
def test_unchanged_page_outweighs_an_earlier_answer(
    sync_env: Build, beside: ThreadPoolExecutor, resource: Resource
) -> None:
    """A run read the row after a delivery had requested it: the delivery's answer is older."""
    env = mirrored_env(sync_env)
    world = env.sandbox.world
    conversation_id, reservation_id = single_thread(env)
    row_id = conversation_id if resource is CONVERSATIONS else reservation_id
    true = env.truth(resource)[row_id]
    world.corrupt(resource.value, row_id, json.dumps(true | {"hostEmail": "for a moment"}).encode())
    with Barrier(env.sandbox, f"GET /{resource.value}/{{id}}", answered=True) as answer:
        reading = beside.submit(env.mirror().sync.refresh, env.account_id, resource, row_id)
        answer.wait()
        world.heal(resource.value, row_id)
        env.mirror().sync.run(env.account_id, full=True)
    assert reading.result(PATIENCE).change is Change.STALE
    assert env.rows(resource)[row_id].get("hostEmail") == true.get("hostEmail")
    assert env.differences() == {}


@pytest.mark.parametrize("unread", [True, False])
def test_earlier_page_does_not_undo_a_refresh(sync_env: Build, beside: ThreadPoolExecutor, *, unread: bool) -> None:
    """A conversation has no stamp: the later request decides, also where it found nothing new."""
    env = mirrored_env(sync_env)
    world = env.sandbox.world
    conversation_id, _ = single_thread(env)
    stored = bool(env.truth("conversations")[conversation_id]["hasUnreadMessages"])
    world.mark_conversation(conversation_id, unread=not stored)
    with Barrier(env.sandbox, "GET /conversations", answered=True) as page:
        run = a_run(env, beside, full=True)
        page.wait()
        world.mark_conversation(conversation_id, unread=stored)
        if unread:
            world.guest_message(conversation_id)
        change = env.mirror().sync.refresh(env.account_id, CONVERSATIONS, conversation_id).change
        assert change is (Change.UPDATED if unread else Change.UNCHANGED)
    assert end(run).resources[CONVERSATIONS].counts.stale == 1
    assert env.differences().keys() <= {RESERVATIONS}


def test_row_read_during_a_sweep_is_not_requested_again(sync_env: Build, beside: ThreadPoolExecutor) -> None:
    """The sweep did not list it, but a delivery read it since the sweep began."""
    env = mirrored_env(sync_env, switches=Switches(reservations_count="absent"))
    new = env.sandbox.world.create_reservation(conversation=False)
    env.sandbox.faults.add(
        faults.change_rows(lambda rows: [row for row in rows if row["id"] != new]),
        route="GET /reservations",
        times=None,
    )
    with Barrier(env.sandbox, "GET /listings") as beginning:
        run = a_run(env, beside, full=True)
        beginning.wait()
        env.mirror().sync.refresh(env.account_id, RESERVATIONS, new)
    assert end(run).resources[RESERVATIONS].counts.missing == 0
    assert env.sandbox.calls["GET /reservations/{id}"] == 1
    assert env.differences() == {}


def test_concurrent_thread_readings_lose_no_message(sync_env: Build, beside: ThreadPoolExecutor) -> None:
    """The run did not see the new messages, and must not conclude that they are gone."""
    env = mirrored_env(sync_env)
    conversation_id, _ = single_thread(env)
    with Barrier(env.sandbox, "GET /listings") as beginning:
        run = a_run(env, beside, full=True)
        beginning.wait()
        env.mirror().sync.refresh(env.account_id, CONVERSATIONS, conversation_id)
    end(run)
    assert env.sandbox.calls["GET /conversations/{id}/messages/{id}"] == 0


def test_thread_marked_during_its_reading_stays_due(sync_env: Build, beside: ThreadPoolExecutor) -> None:
    """The refresh marks it and fails; the run, whose reading began earlier, leaves the mark."""
    env = mirrored_env(sync_env)
    conversation_id, reservation_id = single_thread(env)
    env.sandbox.world.guest_message(conversation_id)
    with Barrier(env.sandbox, MESSAGES, answered=True) as reading:
        run = a_run(env, beside)
        reading.wait()
        said = env.sandbox.world.guest_message(conversation_id)
        rule = env.sandbox.faults.add(faults.bad_gateway(), route=MESSAGES, times=None)
        with pytest.raises(SourceUnavailable):
            env.mirror(retry_attempts=1).sync.refresh(env.account_id, RESERVATIONS, reservation_id)
        env.sandbox.faults.remove(rule)
    end(run)
    assert sql.rows(env.database, DUE) == [(conversation_id,)]
    env.mirror().sync.run(env.account_id)
    assert said in env.rows("messages")
    assert sql.rows(env.database, DUE) == []


def test_later_of_two_concurrent_thread_readings_wins(sync_env: Build, beside: ThreadPoolExecutor) -> None:
    """What the earlier one stores afterwards changes nothing."""
    env = mirrored_env(sync_env)
    conversation_id, reservation_id = single_thread(env)
    first = env.sandbox.world.guest_message(conversation_id)
    with Barrier(env.sandbox, MESSAGES, answered=True) as reading:
        run = a_run(env, beside)
        reading.wait()
        env.sandbox.world.edit_message(conversation_id, first, "I meant: after nine")
        second = env.sandbox.world.guest_message(conversation_id)
        assert env.mirror().sync.refresh(env.account_id, RESERVATIONS, reservation_id).threads == 1
    end(run)
    assert env.rows("messages").keys() >= {first, second}
    assert env.rows("messages")[first]["body"] == "I meant: after nine"
    assert sql.rows(env.database, DUE) == []


def test_many_refreshes_of_one_reservation_store_it_once(sync_env: Build, beside: ThreadPoolExecutor) -> None:
    """Deliveries come in bursts; no row is doubled and no thread stays due."""
    env = mirrored_env(sync_env)
    booked = env.sandbox.world.create_reservation()
    env.sandbox.world.guest_message(env.sandbox.world.conversations_of(booked)[0])
    mirror = env.mirror()
    readings = [beside.submit(mirror.sync.refresh, env.account_id, RESERVATIONS, booked) for _ in range(4)]
    assert {reading.result(PATIENCE).finding for reading in readings} == {RefreshFinding.THERE}
    assert env.differences() == {}
    env.sandbox.forget()
    assert env.mirror().sync.run(env.account_id).state is RunState.SUCCESS
    assert sql.rows(env.database, DUE) == []


def test_row_that_returned_is_not_marked_missing(sync_env: Build, beside: ThreadPoolExecutor) -> None:
    """A delivery got a 404 and a run has read the row since: it is not marked and not counted."""
    env = mirrored_env(sync_env)
    listing_id = next(iter(env.truth("listings")))
    env.sandbox.world.delete_listing(listing_id)
    with Barrier(env.sandbox, "GET /listings/{id}", answered=True) as answer:
        reading = beside.submit(env.mirror().sync.refresh, env.account_id, LISTINGS, listing_id)
        answer.wait()
        env.sandbox.world.create_listing(listing_id, name="Restored")
        env.mirror().sync.run(env.account_id, full=True)
    assert reading.result(PATIENCE).finding is RefreshFinding.GONE
    assert env.mirror().sync.run(env.account_id).state is RunState.SUCCESS
    assert env.differences() == {}
