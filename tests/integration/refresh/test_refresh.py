from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.support.sync_env import a_mirrored_town, a_thread

from hostaway_sync.errors import AccountError, SourceUnavailable
from hostaway_sync.model.records import Change, Mode, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults
from hostaway_sync.sync.refresh import Finding, Refreshed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import Town

    Build = Callable[..., Town]

LISTINGS, RESERVATIONS, CONVERSATIONS = Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS
MESSAGES = "GET /conversations/{id}/messages"
DUE = (
    "SELECT (SELECT count(*) FROM conversations WHERE thread_due_at IS NOT NULL)"
    " + (SELECT count(*) FROM reservations WHERE thread_due_at IS NOT NULL)"
)


def missing(here: Town, resource: Resource) -> list[int]:
    """Give the ids of the rows that are marked."""
    table = "conversation_messages" if resource is Resource.MESSAGES else resource.value
    return [row[0] for row in here.ask(f"SELECT id FROM {table} WHERE missing_since IS NOT NULL ORDER BY id")]


def test_a_listing_is_read_again(town: Build) -> None:
    """One call, one row."""
    here = a_mirrored_town(town)
    listing_id = next(iter(here.truth("listings")))
    here.sandbox.world.edit_listing(listing_id, name="Renamed")
    assert here.mirror().refresh(here.account_id, LISTINGS, listing_id) == Refreshed(Finding.THERE, Change.UPDATED)
    assert here.sandbox.calls.total() == 1
    assert here.differences() == {}


def test_a_reservation_without_news_costs_one_call(town: Build) -> None:
    """Nothing is due, so nothing hangs on it."""
    here = a_mirrored_town(town)
    _, reservation_id = a_thread(here)
    here.sandbox.world.pay(reservation_id)
    done = here.mirror().refresh(here.account_id, RESERVATIONS, reservation_id)
    assert done == Refreshed(Finding.THERE, Change.UPDATED)
    assert here.sandbox.calls.total() == 1
    assert here.differences() == {}


def test_a_reservation_that_moved_brings_its_thread(town: Build) -> None:
    """What was said is stored and no longer due, so that the next run has nothing to do."""
    here = a_mirrored_town(town)
    conversation_id, reservation_id = a_thread(here)
    said = here.sandbox.world.guest_message(conversation_id)
    assert here.mirror().refresh(here.account_id, RESERVATIONS, reservation_id).threads == 1
    assert said in here.rows("messages")
    assert here.ask(DUE) == [(0,)]
    here.sandbox.forget()
    assert here.mirror().sync(here.account_id).api_calls == 2


def test_a_new_reservation_brings_its_conversation_and_its_listing(town: Build) -> None:
    """Neither was known; both are read at once."""
    here = a_mirrored_town(town)
    world = here.sandbox.world
    booked = world.create_reservation(listingMapId=world.create_listing())
    world.guest_message(world.conversations_of(booked)[0])
    assert here.mirror().refresh(here.account_id, RESERVATIONS, booked) == Refreshed(
        Finding.THERE, Change.INSERTED, threads=1
    )
    assert here.differences() == {}
    assert here.ask(DUE) == [(0,)]


def test_a_listing_that_cannot_be_had_does_not_keep_its_reservation(town: Build) -> None:
    """It is not there yet; the reservation is."""
    here = a_mirrored_town(town)
    booked = here.sandbox.world.create_reservation(listingMapId=987_654, conversation=False)
    assert here.mirror().refresh(here.account_id, RESERVATIONS, booked).change is Change.INSERTED
    assert here.differences() == {}
    assert here.ask(DUE) == [(0,)]


def test_a_conversation_brings_its_thread_reservation_and_listing(town: Build) -> None:
    """A message of a booking that nobody has seen yet leaves nothing out."""
    here = a_mirrored_town(town)
    world = here.sandbox.world
    conversation_id = world.conversations_of(world.create_reservation(listingMapId=world.create_listing()))[0]
    world.guest_message(conversation_id)
    assert here.mirror().refresh(here.account_id, CONVERSATIONS, conversation_id).threads == 1
    assert here.differences() == {}
    assert here.ask(DUE) == [(0,)]


def test_an_inquiry_has_no_reservation_to_fetch(town: Build) -> None:
    """Its conversation and thread are all there is."""
    here = a_mirrored_town(town)
    inquiry = here.sandbox.world.create_conversation()
    here.sandbox.world.guest_message(inquiry)
    assert here.mirror().refresh(here.account_id, CONVERSATIONS, inquiry).threads == 1
    assert here.sandbox.calls.total() == 2
    assert here.differences() == {}


@pytest.mark.parametrize("resource", [LISTINGS, RESERVATIONS, CONVERSATIONS])
def test_what_is_gone_is_suspected_and_the_next_run_judges(town: Build, resource: Resource) -> None:
    """One 404 marks nothing, be it said twice; the next run sweeps that list alone, and marks the row."""
    here = a_mirrored_town(town, switches=Switches(deleted_reservation_keeps_threads=True))
    gone = next(iter(here.truth(resource)))
    getattr(here.sandbox.world, f"delete_{resource.value.removesuffix('s')}")(gone)
    mirror = here.mirror()
    for _ in range(2):
        assert mirror.refresh(here.account_id, resource, gone) == Refreshed(Finding.GONE)
    assert missing(here, resource) == []
    here.sandbox.forget()
    report = mirror.sync(here.account_id)
    assert (report.state, report.mode) == (RunState.SUCCESS, Mode.FULL)
    assert missing(here, resource) == [gone]
    assert here.sandbox.calls[f"GET /{resource.value}/{{id}}"] == 1
    assert here.differences() == {}


def test_what_was_never_known_and_is_gone_leaves_nothing(town: Build) -> None:
    """Neither row nor error."""
    here = a_mirrored_town(town)
    assert here.mirror().refresh(here.account_id, RESERVATIONS, 987_654) == Refreshed(Finding.GONE)
    assert 987_654 not in here.rows("reservations")


def test_a_forbidden_object_is_left_alone(town: Build) -> None:
    """403 is no proof."""
    here = a_mirrored_town(town, switches=Switches(deleted_object=403))
    gone = next(iter(here.truth("reservations")))
    here.sandbox.world.delete_reservation(gone)
    assert here.mirror().refresh(here.account_id, RESERVATIONS, gone) == Refreshed(Finding.FORBIDDEN)
    assert missing(here, RESERVATIONS) == []


def test_a_closed_inbox_keeps_the_reservation(town: Build) -> None:
    """Its thread may not be read: it stays due, and that is no error."""
    here = a_mirrored_town(town)
    conversation_id, reservation_id = a_thread(here)
    here.sandbox.world.guest_message(conversation_id)
    here.sandbox.reconfigure(here.account_id, inbox="closed_threads")
    done = here.mirror().refresh(here.account_id, RESERVATIONS, reservation_id)
    assert done == Refreshed(Finding.THERE, Change.UPDATED)
    assert here.ask(DUE) == [(1,)]


def test_a_thread_that_could_not_be_read_stays_due(town: Build) -> None:
    """The reservation was stored, the error is raised, and the next run reads the thread."""
    here = a_mirrored_town(town)
    conversation_id, reservation_id = a_thread(here)
    said = here.sandbox.world.guest_message(conversation_id)
    here.sandbox.world.pay(reservation_id)
    rule = here.sandbox.faults.add(faults.bad_gateway(), route=MESSAGES, times=None)
    with pytest.raises(SourceUnavailable):
        here.mirror(retry_attempts=2).refresh(here.account_id, RESERVATIONS, reservation_id)
    assert here.differences().keys() <= {CONVERSATIONS, Resource.MESSAGES}
    assert here.ask(DUE) == [(1,)]
    here.sandbox.faults.remove(rule)
    assert here.mirror().sync(here.account_id).state is RunState.SUCCESS
    assert said in here.rows("messages")


def test_a_thread_that_was_not_read_whole_stays_due(town: Build) -> None:
    """Hostaway counts more messages than it gives: what it gave is stored, and the error says so."""
    here = a_mirrored_town(town)
    conversation_id, _ = a_thread(here)
    said = here.sandbox.world.guest_message(conversation_id)

    def count_more(body: bytes) -> bytes:
        return re.sub(rb'"count":\s*(\d+)', lambda found: b'"count":%d' % (int(found[1]) + 1), body)

    here.sandbox.faults.add(faults.rewrite(count_more), route=MESSAGES, times=None)
    with pytest.raises(SourceUnavailable, match="not read whole"):
        here.mirror().refresh(here.account_id, CONVERSATIONS, conversation_id)
    assert said in here.rows("messages")
    assert here.ask(DUE) == [(1,)]


def test_a_thread_that_lost_a_message_stays_due_until_a_run_proves_it(town: Build) -> None:
    """What is new is stored at once; that something is gone is for a run to say."""
    here = a_mirrored_town(town)
    conversation_id, _ = a_thread(here)
    message_id = next(i for i, row in here.truth("messages").items() if row["conversationId"] == conversation_id)
    here.sandbox.world.delete_message(conversation_id, message_id)
    said = here.sandbox.world.guest_message(conversation_id)
    mirror = here.mirror()
    mirror.refresh(here.account_id, CONVERSATIONS, conversation_id)
    assert said in here.rows("messages")
    assert missing(here, Resource.MESSAGES) == []
    assert here.ask(DUE) == [(1,)]
    mirror.sync(here.account_id)
    assert missing(here, Resource.MESSAGES) == [message_id]
    assert here.ask(DUE) == [(0,)]
    assert here.differences() == {}


def test_a_message_alone_is_not_refreshed(town: Build) -> None:
    """It is read as part of its conversation's thread."""
    here = a_mirrored_town(town)
    with pytest.raises(ValueError, match="with their conversation"):
        here.mirror().refresh(here.account_id, Resource.MESSAGES, 1)
    with pytest.raises(AccountError):
        here.mirror().refresh(1, LISTINGS, 1)
