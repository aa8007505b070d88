from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.sync_env import mirrored_env, single_thread

from hostaway_sync.errors import AccountError, SourceUnavailable
from hostaway_sync.model.records import Change, Mode, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults
from hostaway_sync.sync.refresh import RefreshFinding, RefreshResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

LISTINGS, RESERVATIONS, CONVERSATIONS = Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS
MESSAGES = "GET /conversations/{id}/messages"
DUE = (
    "SELECT (SELECT count(*) FROM conversations WHERE thread_due_at IS NOT NULL)"
    " + (SELECT count(*) FROM reservations WHERE thread_due_at IS NOT NULL)"
)


def missing(env: SyncEnv, resource: Resource) -> list[int]:
    """Return the ids of the rows that are marked as missing."""
    table = "conversation_messages" if resource is Resource.MESSAGES else resource.value
    return [
        row[0] for row in sql.rows(env.database, f"SELECT id FROM {table} WHERE missing_since IS NOT NULL ORDER BY id")
    ]


def test_refreshed_listing_costs_one_call(sync_env: Build) -> None:
    """One row changes."""
    env = mirrored_env(sync_env)
    listing_id = next(iter(env.truth("listings")))
    env.sandbox.world.edit_listing(listing_id, name="Renamed")
    assert env.mirror().sync.refresh(env.account_id, LISTINGS, listing_id) == RefreshResult(
        RefreshFinding.THERE, Change.UPDATED
    )
    assert env.sandbox.calls.total() == 1
    assert env.differences() == {}


def test_unchanged_reservation_costs_one_call(sync_env: Build) -> None:
    """Its thread is not due, so that it is not read."""
    env = mirrored_env(sync_env)
    _, reservation_id = single_thread(env)
    env.sandbox.world.pay(reservation_id)
    done = env.mirror().sync.refresh(env.account_id, RESERVATIONS, reservation_id)
    assert done == RefreshResult(RefreshFinding.THERE, Change.UPDATED)
    assert env.sandbox.calls.total() == 1
    assert env.differences() == {}


def test_reservation_with_activity_reads_its_thread(sync_env: Build) -> None:
    """The messages are stored and no longer due, so that the next run has nothing to do."""
    env = mirrored_env(sync_env)
    conversation_id, reservation_id = single_thread(env)
    said = env.sandbox.world.guest_message(conversation_id)
    assert env.mirror().sync.refresh(env.account_id, RESERVATIONS, reservation_id).threads == 1
    assert said in env.rows("messages")
    assert sql.rows(env.database, DUE) == [(0,)]
    env.sandbox.forget()
    assert env.mirror().sync.run(env.account_id).api_calls == 2


def test_new_reservation_reads_its_conversation_and_listing(sync_env: Build) -> None:
    """The mirror had neither."""
    env = mirrored_env(sync_env)
    world = env.sandbox.world
    booked = world.create_reservation(listingMapId=world.create_listing())
    world.guest_message(world.conversations_of(booked)[0])
    assert env.mirror().sync.refresh(env.account_id, RESERVATIONS, booked) == RefreshResult(
        RefreshFinding.THERE, Change.INSERTED, threads=1
    )
    assert env.differences() == {}
    assert sql.rows(env.database, DUE) == [(0,)]


def test_unreadable_listing_does_not_stop_its_reservation(sync_env: Build) -> None:
    """The listing has no row yet; the reservation has one."""
    env = mirrored_env(sync_env)
    booked = env.sandbox.world.create_reservation(listingMapId=987_654, conversation=False)
    assert env.mirror().sync.refresh(env.account_id, RESERVATIONS, booked).change is Change.INSERTED
    assert env.differences() == {}
    assert sql.rows(env.database, DUE) == [(0,)]


def test_conversation_reads_its_thread_reservation_and_listing(sync_env: Build) -> None:
    """A message about an unknown booking leaves nothing out."""
    env = mirrored_env(sync_env)
    world = env.sandbox.world
    conversation_id = world.conversations_of(world.create_reservation(listingMapId=world.create_listing()))[0]
    world.guest_message(conversation_id)
    assert env.mirror().sync.refresh(env.account_id, CONVERSATIONS, conversation_id).threads == 1
    assert env.differences() == {}
    assert sql.rows(env.database, DUE) == [(0,)]


def test_inquiry_reads_no_reservation(sync_env: Build) -> None:
    """It has only a conversation and a thread."""
    env = mirrored_env(sync_env)
    inquiry = env.sandbox.world.create_conversation()
    env.sandbox.world.guest_message(inquiry)
    assert env.mirror().sync.refresh(env.account_id, CONVERSATIONS, inquiry).threads == 1
    assert env.sandbox.calls.total() == 2
    assert env.differences() == {}


@pytest.mark.parametrize("resource", [LISTINGS, RESERVATIONS, CONVERSATIONS])
def test_404_raises_a_suspicion_for_the_next_run(sync_env: Build, resource: Resource) -> None:
    """Also two 404s mark nothing; the next run sweeps that list alone, and marks the row."""
    env = mirrored_env(sync_env, switches=Switches(deleted_reservation_keeps_threads=True))
    gone = next(iter(env.truth(resource)))
    getattr(env.sandbox.world, f"delete_{resource.value.removesuffix('s')}")(gone)
    mirror = env.mirror()
    for _ in range(2):
        assert mirror.sync.refresh(env.account_id, resource, gone) == RefreshResult(RefreshFinding.GONE)
    assert missing(env, resource) == []
    env.sandbox.forget()
    report = mirror.sync.run(env.account_id)
    assert (report.state, report.mode) == (RunState.SUCCESS, Mode.FULL)
    assert missing(env, resource) == [gone]
    assert env.sandbox.calls[f"GET /{resource.value}/{{id}}"] == 1
    assert env.differences() == {}


def test_404_for_an_unknown_object_stores_nothing(sync_env: Build) -> None:
    """Neither a row nor an error."""
    env = mirrored_env(sync_env)
    assert env.mirror().sync.refresh(env.account_id, RESERVATIONS, 987_654) == RefreshResult(RefreshFinding.GONE)
    assert 987_654 not in env.rows("reservations")


def test_forbidden_object_is_left_alone(sync_env: Build) -> None:
    """403 does not prove that it is gone."""
    env = mirrored_env(sync_env, switches=Switches(deleted_object=403))
    gone = next(iter(env.truth("reservations")))
    env.sandbox.world.delete_reservation(gone)
    assert env.mirror().sync.refresh(env.account_id, RESERVATIONS, gone) == RefreshResult(RefreshFinding.FORBIDDEN)
    assert missing(env, RESERVATIONS) == []


def test_forbidden_thread_keeps_its_reservation(sync_env: Build) -> None:
    """The thread stays due, and there is no error."""
    env = mirrored_env(sync_env)
    conversation_id, reservation_id = single_thread(env)
    env.sandbox.world.guest_message(conversation_id)
    env.sandbox.reconfigure(env.account_id, inbox="closed_threads")
    done = env.mirror().sync.refresh(env.account_id, RESERVATIONS, reservation_id)
    assert done == RefreshResult(RefreshFinding.THERE, Change.UPDATED)
    assert sql.rows(env.database, DUE) == [(1,)]


def test_unread_thread_stays_due(sync_env: Build) -> None:
    """The reservation is stored, the error is raised, and the next run reads the thread."""
    env = mirrored_env(sync_env)
    conversation_id, reservation_id = single_thread(env)
    said = env.sandbox.world.guest_message(conversation_id)
    env.sandbox.world.pay(reservation_id)
    rule = env.sandbox.faults.add(faults.bad_gateway(), route=MESSAGES, times=None)
    with pytest.raises(SourceUnavailable):
        env.mirror(retry_attempts=2).sync.refresh(env.account_id, RESERVATIONS, reservation_id)
    assert env.differences().keys() <= {CONVERSATIONS, Resource.MESSAGES}
    assert sql.rows(env.database, DUE) == [(1,)]
    env.sandbox.faults.remove(rule)
    assert env.mirror().sync.run(env.account_id).state is RunState.SUCCESS
    assert said in env.rows("messages")


def test_partly_read_thread_stays_due(sync_env: Build) -> None:
    """Hostaway counts more messages than it sends: those are stored, and the error says so."""
    env = mirrored_env(sync_env)
    conversation_id, _ = single_thread(env)
    said = env.sandbox.world.guest_message(conversation_id)

    def count_more(body: bytes) -> bytes:
        return re.sub(rb'"count":\s*(\d+)', lambda found: b'"count":%d' % (int(found[1]) + 1), body)

    env.sandbox.faults.add(faults.rewrite(count_more), route=MESSAGES, times=None)
    with pytest.raises(SourceUnavailable, match="not read whole"):
        env.mirror().sync.refresh(env.account_id, CONVERSATIONS, conversation_id)
    assert said in env.rows("messages")
    assert sql.rows(env.database, DUE) == [(1,)]


def test_thread_with_a_missing_message_stays_due(sync_env: Build) -> None:
    """New messages are stored at once; whether one is gone is for a run to prove."""
    env = mirrored_env(sync_env)
    conversation_id, _ = single_thread(env)
    message_id = next(i for i, row in env.truth("messages").items() if row["conversationId"] == conversation_id)
    env.sandbox.world.delete_message(conversation_id, message_id)
    said = env.sandbox.world.guest_message(conversation_id)
    mirror = env.mirror()
    mirror.sync.refresh(env.account_id, CONVERSATIONS, conversation_id)
    assert said in env.rows("messages")
    assert missing(env, Resource.MESSAGES) == []
    assert sql.rows(env.database, DUE) == [(1,)]
    mirror.sync.run(env.account_id)
    assert missing(env, Resource.MESSAGES) == [message_id]
    assert sql.rows(env.database, DUE) == [(0,)]
    assert env.differences() == {}


def test_single_message_is_not_refreshed(sync_env: Build) -> None:
    """It is read as a part of its thread."""
    env = mirrored_env(sync_env)
    with pytest.raises(ValueError, match="with their conversation"):
        env.mirror().sync.refresh(env.account_id, Resource.MESSAGES, 1)
    with pytest.raises(AccountError):
        env.mirror().sync.refresh(1, LISTINGS, 1)
