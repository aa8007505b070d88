from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.barrier import PATIENCE, Barrier
from tests.support.sync_env import a_mirrored_town, a_thread

from hostaway_sync.errors import SourceUnavailable
from hostaway_sync.model.records import Change, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.records import missing
from hostaway_sync.sync.refresh import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from tests.support.sync_env import Town

    from hostaway_sync.model.records import RunReport

    Build = Callable[..., Town]

LISTINGS, RESERVATIONS, CONVERSATIONS = Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS
MESSAGES = "GET /conversations/{id}/messages"
DUE = "SELECT id FROM conversations WHERE thread_due_at IS NOT NULL"


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """Give threads for what happens at the same time."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


def a_run(here: Town, beside: ThreadPoolExecutor, **options: Any) -> Future[RunReport]:
    """Start a run that goes on while the test does something else."""
    return beside.submit(here.mirror().sync, here.account_id, **options)


def end(run: Future[RunReport]) -> RunReport:
    """Give the report of a run that was whole."""
    report = run.result(PATIENCE)
    assert report.state is RunState.SUCCESS, report.error
    return report


def test_a_page_from_before_a_suspicion_does_not_settle_it(town: Build, beside: ThreadPoolExecutor) -> None:
    """It shows the object, and was asked for before the object was gone: the next run judges, and marks the row."""
    here = a_mirrored_town(town)
    gone = next(iter(here.truth("reservations")))
    here.sandbox.world.pay(gone)
    with Barrier(here.sandbox, "GET /reservations", answered=True) as page:
        run = a_run(here, beside, full=True)
        page.wait()
        here.sandbox.world.delete_reservation(gone)
        assert here.mirror().refresh(here.account_id, RESERVATIONS, gone).finding is Finding.GONE
    end(run)
    assert gone in here.rows("reservations")
    here.mirror().sync(here.account_id)
    assert gone not in here.rows("reservations")


def test_a_page_from_before_does_not_bring_back_what_is_gone(town: Build, beside: ThreadPoolExecutor) -> None:
    """It shows a newer version than the stored one, and still it is older than the proof."""
    here = a_mirrored_town(town)
    gone = next(iter(here.truth("reservations")))
    here.sandbox.world.pay(gone)
    with Barrier(here.sandbox, "GET /reservations", answered=True) as page:
        run = a_run(here, beside, full=True)
        page.wait()
        here.database.transaction(lambda c: missing.mark(c, here.account_id, RESERVATIONS, gone))
    assert end(run).resources[RESERVATIONS].counts.stale == 1
    assert gone not in here.rows("reservations")


@pytest.mark.parametrize("resource", [RESERVATIONS, CONVERSATIONS])
def test_a_page_that_found_nothing_new_outweighs_an_answer_from_before(
    town: Build, beside: ThreadPoolExecutor, resource: Resource
) -> None:
    """A run read the row after a delivery had asked for it: what the delivery brings afterwards is older."""
    here = a_mirrored_town(town)
    world = here.sandbox.world
    conversation_id, reservation_id = a_thread(here)
    row_id = conversation_id if resource is CONVERSATIONS else reservation_id
    true = here.truth(resource)[row_id]
    world.corrupt(resource.value, row_id, json.dumps(true | {"hostEmail": "for a moment"}).encode())
    with Barrier(here.sandbox, f"GET /{resource.value}/{{id}}", answered=True) as answer:
        reading = beside.submit(here.mirror().refresh, here.account_id, resource, row_id)
        answer.wait()
        world.heal(resource.value, row_id)
        here.mirror().sync(here.account_id, full=True)
    assert reading.result(PATIENCE).change is Change.STALE
    assert here.rows(resource)[row_id].get("hostEmail") == true.get("hostEmail")
    assert here.differences() == {}


@pytest.mark.parametrize("unread", [True, False])
def test_a_page_from_before_does_not_undo_a_refresh(town: Build, beside: ThreadPoolExecutor, *, unread: bool) -> None:
    """A conversation has no stamp: the later request decides, even where it found what was stored already."""
    here = a_mirrored_town(town)
    world = here.sandbox.world
    conversation_id, _ = a_thread(here)
    stored = bool(here.truth("conversations")[conversation_id]["hasUnreadMessages"])
    world.mark_conversation(conversation_id, unread=not stored)
    with Barrier(here.sandbox, "GET /conversations", answered=True) as page:
        run = a_run(here, beside, full=True)
        page.wait()
        world.mark_conversation(conversation_id, unread=stored)
        if unread:
            world.guest_message(conversation_id)
        change = here.mirror().refresh(here.account_id, CONVERSATIONS, conversation_id).change
        assert change is (Change.UPDATED if unread else Change.UNCHANGED)
    assert end(run).resources[CONVERSATIONS].counts.stale == 1
    assert here.differences().keys() <= {RESERVATIONS}


def test_a_row_that_came_during_a_sweep_is_not_asked_for(town: Build, beside: ThreadPoolExecutor) -> None:
    """The sweep did not list it; that somebody has read it since the sweep began is enough."""
    here = a_mirrored_town(town, switches=Switches(reservations_count="absent"))
    new = here.sandbox.world.create_reservation(conversation=False)
    here.sandbox.faults.add(
        faults.change_rows(lambda rows: [row for row in rows if row["id"] != new]),
        route="GET /reservations",
        times=None,
    )
    with Barrier(here.sandbox, "GET /listings") as beginning:
        run = a_run(here, beside, full=True)
        beginning.wait()
        here.mirror().refresh(here.account_id, RESERVATIONS, new)
    assert end(run).resources[RESERVATIONS].counts.missing == 0
    assert here.sandbox.calls["GET /reservations/{id}"] == 1
    assert here.differences() == {}


def test_threads_that_are_read_beside_a_run_do_not_look_empty_to_it(town: Build, beside: ThreadPoolExecutor) -> None:
    """The run did not read them, and so it may not conclude from them that messages are gone."""
    here = a_mirrored_town(town)
    conversation_id, _ = a_thread(here)
    with Barrier(here.sandbox, "GET /listings") as beginning:
        run = a_run(here, beside, full=True)
        beginning.wait()
        here.mirror().refresh(here.account_id, CONVERSATIONS, conversation_id)
    end(run)
    assert here.sandbox.calls["GET /conversations/{id}/messages/{id}"] == 0


def test_a_message_that_comes_while_a_run_reads_its_thread_is_not_lost(town: Build, beside: ThreadPoolExecutor) -> None:
    """The refresh marks the thread, fails to read it, and the run, whose reading began before, leaves the mark."""
    here = a_mirrored_town(town)
    conversation_id, reservation_id = a_thread(here)
    here.sandbox.world.guest_message(conversation_id)
    with Barrier(here.sandbox, MESSAGES, answered=True) as reading:
        run = a_run(here, beside)
        reading.wait()
        said = here.sandbox.world.guest_message(conversation_id)
        rule = here.sandbox.faults.add(faults.bad_gateway(), route=MESSAGES, times=None)
        with pytest.raises(SourceUnavailable):
            here.mirror(retry_attempts=1).refresh(here.account_id, RESERVATIONS, reservation_id)
        here.sandbox.faults.remove(rule)
    end(run)
    assert here.ask(DUE) == [(conversation_id,)]
    here.mirror().sync(here.account_id)
    assert said in here.rows("messages")
    assert here.ask(DUE) == []


def test_a_thread_may_be_read_twice_at_once(town: Build, beside: ThreadPoolExecutor) -> None:
    """The one that began later knows more; what the other one brings afterwards changes nothing."""
    here = a_mirrored_town(town)
    conversation_id, reservation_id = a_thread(here)
    first = here.sandbox.world.guest_message(conversation_id)
    with Barrier(here.sandbox, MESSAGES, answered=True) as reading:
        run = a_run(here, beside)
        reading.wait()
        here.sandbox.world.edit_message(conversation_id, first, "I meant: after nine")
        second = here.sandbox.world.guest_message(conversation_id)
        assert here.mirror().refresh(here.account_id, RESERVATIONS, reservation_id).threads == 1
    end(run)
    assert here.rows("messages").keys() >= {first, second}
    assert here.rows("messages")[first]["body"] == "I meant: after nine"
    assert here.ask(DUE) == []


def test_one_reservation_may_be_read_by_many(town: Build, beside: ThreadPoolExecutor) -> None:
    """Deliveries come in bursts; whoever reads, nothing is doubled and nothing stays due."""
    here = a_mirrored_town(town)
    booked = here.sandbox.world.create_reservation()
    here.sandbox.world.guest_message(here.sandbox.world.conversations_of(booked)[0])
    mirror = here.mirror()
    readings = [beside.submit(mirror.refresh, here.account_id, RESERVATIONS, booked) for _ in range(4)]
    assert {reading.result(PATIENCE).finding for reading in readings} == {Finding.THERE}
    assert here.differences() == {}
    here.sandbox.forget()
    assert here.mirror().sync(here.account_id).state is RunState.SUCCESS
    assert here.ask(DUE) == []


def test_what_came_back_meanwhile_is_not_marked(town: Build, beside: ThreadPoolExecutor) -> None:
    """A delivery was told 404 and a run has read the row since: nothing is marked, and it is no loss either."""
    here = a_mirrored_town(town)
    listing_id = next(iter(here.truth("listings")))
    here.sandbox.world.delete_listing(listing_id)
    with Barrier(here.sandbox, "GET /listings/{id}", answered=True) as answer:
        reading = beside.submit(here.mirror().refresh, here.account_id, LISTINGS, listing_id)
        answer.wait()
        here.sandbox.world.create_listing(listing_id, name="Restored")
        here.mirror().sync(here.account_id, full=True)
    assert reading.result(PATIENCE).finding is Finding.GONE
    assert here.mirror().sync(here.account_id).state is RunState.SUCCESS
    assert here.differences() == {}
