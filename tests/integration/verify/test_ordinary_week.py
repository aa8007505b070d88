"""An ordinary week: after every quiet run the mirror equals the source, whatever guests, hosts and jobs do."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.chaos.random_changes import WORLDS

from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sync.verify.certificate import Equality

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sandbox import World
    from hostaway_sync.sync.verify.certificate import Certificate

    Build = Callable[..., SyncEnv]

CONVERSATIONS, MESSAGES = Resource.CONVERSATIONS, Resource.MESSAGES


class Day:
    """What happens to an account on an ordinary day; all of it moves a stamp that an incremental run sees.

    But for read marks, which move none: nothing but a reading of the conversation itself tells of them.
    """

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world = world
        self._chance = chance
        self._planned: list[tuple[int, int]] = []

    def happen(self) -> None:
        """Let one event happen."""
        world, chance = self._world, self._chance
        booked = [row_id for row_id, _ in world.truth("reservations")]
        threads = [row_id for row_id, row in world.truth("conversations") if row["reservationId"] in set(booked)]
        listings = [row_id for row_id, _ in world.truth("listings")]
        earlier = world.now - timedelta(minutes=25)
        happenings: list[Callable[[], Any]] = [
            lambda: world.guest_message(chance.choice(threads)),
            lambda: world.guest_message(chance.choice(threads), lag=3_000),
            lambda: world.host_reply(chance.choice(threads)),
            lambda: world.host_reply(chance.choice(threads), via="ota"),
            lambda: world.host_reply(chance.choice(threads), via="automation", at=earlier),
            lambda: world.mark_conversation(chance.choice(threads), unread=chance.random() < 0.3),
            lambda: self._plan(chance.choice(threads)),
            self._send,
            lambda: world.pay(chance.choice(booked)),
            lambda: world.cancel_reservation(chance.choice(booked)),
            lambda: world.touch(chance.sample(booked, 5)),
            lambda: world.update_reservation(chance.choice(booked), guestName="Somebody else"),
            lambda: world.guest_message(world.conversations_of(world.create_reservation())[0]),
            lambda: world.edit_listing(chance.choice(listings), name="New"),
        ]
        chance.choice(happenings)()

    def _plan(self, conversation_id: int) -> None:
        """Plan a message, together with an event that moves its reservation, as a booking or a reply does."""
        planned = self._world.schedule_message(conversation_id, self._world.now + timedelta(hours=1))
        self._planned.append((conversation_id, planned))
        self._world.host_reply(conversation_id)

    def _send(self) -> None:
        if self._planned:
            self._world.send_scheduled(*self._planned.pop())


def brought_up_to_date(env: SyncEnv) -> Certificate:
    """Run once without further events, and compare."""
    report = env.mirror().sync.run(env.account_id)
    assert (report.state, report.mode) == (RunState.SUCCESS, Mode.INCREMENTAL)
    return env.mirror().sync.verify(env.account_id)


def live_through(env: SyncEnv, seed: int, *, days: int) -> None:
    """Let days pass, and check after each that the mirror is equal."""
    env.empty_database()
    env.store_account()
    env.mirror().sync.run(env.account_id)
    chance = random.Random(seed)  # noqa: S311  (a test that can be repeated)
    day = Day(env.sandbox.world, chance)
    for _ in range(days):
        for _ in range(chance.randint(1, 8)):
            day.happen()
        certificate = brought_up_to_date(env)
        assert certificate.state is Equality.EQUAL, certificate.document()


@settings(WORLDS, max_examples=3)
@given(seed=st.integers(0, 1_000_000), read_marks_bump=st.booleans())
def test_verify_is_equal_after_every_quiet_run(sync_env: Build, seed: int, *, read_marks_bump: bool) -> None:
    """Each run reads changed rows, and no conversation again: that delay is no difference."""
    switches = Switches(read_marks_bump=read_marks_bump)
    live_through(sync_env(store=False, reservations=12, switches=switches), seed, days=3)


@pytest.mark.soak
@settings(WORLDS, max_examples=30)
@given(seed=st.integers(0, 1_000_000), read_marks_bump=st.booleans())
def test_verify_is_equal_all_week(sync_env: Build, seed: int, *, read_marks_bump: bool) -> None:
    """The same for many weeks of a larger account."""
    switches = Switches(read_marks_bump=read_marks_bump)
    live_through(sync_env(store=False, reservations=40, switches=switches), seed, days=7)


def mirrored_env(sync_env: Build, **options: Any) -> SyncEnv:
    """Return an environment that was mirrored in full."""
    env = sync_env(**options)
    env.mirrored()
    return env


def a_thread(env: SyncEnv) -> int:
    """Return a conversation that is the only one of its reservation."""
    world = env.sandbox.world
    return next(
        number
        for number, payload in world.truth("conversations")
        if len(world.conversations_of(payload["reservationId"])) == 1
    )


@pytest.mark.parametrize("how", ["sweep", "repair"])
def test_conversation_behind_its_thread_counts_as_newer(sync_env: Build, how: str) -> None:
    """Verify reads its thread to be sure, and the run needs no additional request."""
    env = mirrored_env(sync_env)
    conversation_id = a_thread(env)
    env.sandbox.world.guest_message(conversation_id)
    env.sandbox.forget()
    report = env.mirror().sync.run(env.account_id)
    assert report.api_calls == 3
    certificate = env.mirror().sync.verify(env.account_id)
    assert certificate.state is Equality.EQUAL
    assert certificate.resources[CONVERSATIONS].newer_at_source == 1
    assert certificate.resources[MESSAGES].threads_read == 1
    if how == "sweep":
        env.mirror().sync.run(env.account_id, full=True)
    else:
        env.mirror().sync.verify(env.account_id, repair=True)
    assert env.mirror().sync.verify(env.account_id).resources[CONVERSATIONS].newer_at_source == 0
    assert env.differences() == {}


def test_read_mark_alone_counts_as_newer_without_a_reading(sync_env: Build) -> None:
    """It moves no stamp, and says nothing about messages."""
    env = mirrored_env(sync_env)
    conversation_id = a_thread(env)
    unread = env.truth("conversations")[conversation_id]["hasUnreadMessages"]
    env.sandbox.world.mark_conversation(conversation_id, unread=not unread)
    certificate = env.mirror().sync.verify(env.account_id)
    assert certificate.state is Equality.EQUAL
    assert certificate.resources[CONVERSATIONS].newer_at_source == 1
    assert certificate.resources[MESSAGES].threads_read == 0


def test_message_that_no_run_has_read_is_a_difference(sync_env: Build) -> None:
    """The conversation's stamps moved after its thread was read: the thread is compared, and lacks the message."""
    env = mirrored_env(sync_env)
    conversation_id = a_thread(env)
    env.sandbox.world.guest_message(conversation_id)
    env.mirror().sync.run(env.account_id)
    env.sandbox.world.guest_message(conversation_id)
    certificate = env.mirror().sync.verify(env.account_id)
    assert certificate.state is Equality.DIFFERENT
    assert certificate.resources[MESSAGES].missing == 1


@pytest.mark.parametrize("damage", [{"messageReceivedOn": "2020-01-01 00:00:00"}, {"hostEmail": "x"}, {"type": None}])
def test_damage_to_a_conversation_is_found(sync_env: Build, damage: dict[str, Any]) -> None:
    """A damaged row, or a stamp that moved without a message, is no delay."""
    env = mirrored_env(sync_env)
    conversation_id = a_thread(env)
    sql.execute(
        env.database,
        f"UPDATE conversations SET raw_payload = raw_payload || '{json.dumps(damage)}' WHERE id = {conversation_id}",
    )
    certificate = env.mirror().sync.verify(env.account_id)
    assert certificate.resources[CONVERSATIONS].different == 1
    assert env.mirror().sync.verify(env.account_id, repair=True).state is Equality.EQUAL
    assert env.differences() == {}


def test_late_conversation_hides_no_damage_from_status(sync_env: Build) -> None:
    """It does not count among the differences."""
    env = mirrored_env(sync_env)
    env.sandbox.world.guest_message(a_thread(env))
    env.mirror().sync.run(env.account_id)
    sql.execute(
        env.database,
        'UPDATE listings SET raw_payload = raw_payload || \'{"name": "damaged"}\''
        " WHERE id = (SELECT min(id) FROM listings)",
    )
    env.mirror().sync.verify(env.account_id)
    [facts] = env.mirror().status.overview(env.account_id).accounts
    assert facts.certificate is not None
    assert (facts.certificate.differences, facts.certificate.late) == (1, 0)
