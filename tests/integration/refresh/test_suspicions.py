"""A single 404 marks nothing, whoever meets it: it is a suspicion, and only a sweep judges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.sync_env import a_mirrored_town, a_thread

from hostaway_sync.errors import MessageRefused
from hostaway_sync.model.health import judge
from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import Town

    Build = Callable[..., Town]

LISTINGS, RESERVATIONS, CONVERSATIONS = Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS
MISSING = "SELECT count(*) FROM {} WHERE missing_since IS NOT NULL"
SUSPECTED = "SELECT resource, record_id FROM suspicions ORDER BY record_id"


def wrong(here: Town) -> str:
    """Give what `status` says is wrong with the account."""
    overview = here.mirror().status(here.account_id)
    return "; ".join(judge(overview.accounts[0], overview.now).wrong)


def later(here: Town, span: timedelta) -> None:
    """Let the last sweeps, and what made them, lie so much further back."""
    moments = ", ".join(f"{name} = {name} - interval '{span.total_seconds()} s'" for name in ("swept_at", "hurried_at"))
    here.ask(f"UPDATE watermarks SET {moments} RETURNING 1")


def by_delivery(here: Town, resource: Resource, row_id: int) -> None:
    """Read one object again, as for a delivery."""
    here.mirror().refresh(here.account_id, resource, row_id)


def by_thread(here: Town, _resource: Resource, row_id: int) -> None:
    """Let a run read the thread of a conversation."""
    here.sandbox.world.guest_message(row_id)
    here.mirror().sync(here.account_id)


def by_lookup(here: Town, _resource: Resource, row_id: int) -> None:
    """Let a run look up the conversations of a reservation."""
    here.ask(f"DELETE FROM conversations WHERE reservation_id = {row_id} RETURNING 1")
    here.sandbox.world.update_reservation(row_id, guestName="Somebody else")
    here.mirror().sync(here.account_id)


def by_message(here: Town, _resource: Resource, row_id: int) -> None:
    """Look for the thread of a guest who is to be written to."""
    here.ask(f"DELETE FROM conversations WHERE reservation_id = {row_id} RETURNING 1")
    with pytest.raises(MessageRefused), here.mirror().messages.draft(row_id, "Welcome"):
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
def test_a_404_of_a_moment_hides_nothing(
    town: Build, way: Callable[[Town, Resource, int], None], resource: Resource, route: str
) -> None:
    """Nothing is marked, `status` speaks of it, and the next run sweeps that list and finds the row there."""
    here = a_mirrored_town(town)
    conversation_id, reservation_id = a_thread(here)
    row_id = {LISTINGS: next(iter(here.truth("listings"))), RESERVATIONS: reservation_id}.get(resource, conversation_id)
    rule = here.sandbox.faults.add(faults.status(404), route=route, times=None)
    way(here, resource, row_id)
    here.sandbox.faults.remove(rule)
    assert here.ask(MISSING.format(resource.value)) == [(0,)]
    assert here.ask(SUSPECTED) == [(resource.value, row_id)]
    assert f"{resource}: 1 row not found when asked for" in wrong(here)
    report = here.mirror().sync(here.account_id)
    assert (report.state, report.mode) == (RunState.SUCCESS, Mode.FULL)
    assert here.ask(MISSING.format(resource.value)) == [(0,)]
    assert here.ask(SUSPECTED) == []
    assert "not found" not in wrong(here)
    assert here.mirror().sync(here.account_id).mode is Mode.INCREMENTAL


def test_an_object_that_answers_again_is_no_longer_suspected(town: Build) -> None:
    """The next delivery read it: no sweep is needed."""
    here = a_mirrored_town(town)
    _, reservation_id = a_thread(here)
    here.sandbox.faults.add(faults.status(404), route="GET /reservations/{id}")
    for _ in range(2):
        by_delivery(here, RESERVATIONS, reservation_id)
    assert "not found" not in wrong(here)
    assert here.mirror().sync(here.account_id).mode is Mode.INCREMENTAL


def test_a_storm_of_404_hides_nothing_and_costs_one_sweep(town: Build) -> None:
    """Each run would sweep because of new suspicions: the first does, the next one only hours later."""
    here = a_mirrored_town(town, reservations=40, conversations=False)
    mirror = here.mirror()
    modes = []
    for span in (timedelta(0), timedelta(hours=1), timedelta(hours=3)):
        later(here, span)
        rule = here.sandbox.faults.add(faults.status(404), route="GET /reservations/{id}", times=None)
        for row_id in here.truth("reservations"):
            mirror.refresh(here.account_id, RESERVATIONS, row_id)
        here.sandbox.faults.remove(rule)
        assert "reservations: 40 rows not found" in wrong(here)
        here.sandbox.forget()
        modes.append((mirror.sync(here.account_id).mode, here.sandbox.calls.total() <= 4))
    assert modes == [(Mode.FULL, True), (Mode.INCREMENTAL, True), (Mode.FULL, True)]
    assert here.ask(MISSING.format("reservations")) == [(0,)]
    assert here.differences() == {}


def hide(here: Town, rows: list[int]) -> None:
    """Have the source neither list these reservations nor find them."""
    here.sandbox.faults.clear()
    here.sandbox.faults.add(
        faults.change_rows(lambda found: [row for row in found if row["id"] not in rows]),
        route="GET /reservations",
        times=None,
    )
    here.sandbox.faults.add(faults.status(404), route="GET /reservations/{id}", times=None)


@pytest.mark.parametrize("first", ["sync", "verify"])
@pytest.mark.parametrize("second", ["sync", "verify"])
def test_the_brake_counts_what_any_way_has_marked(town: Build, first: str, second: str) -> None:
    """Six rows a time are too few to be doubted, but twelve within a day are not, whoever finds them."""
    here = a_mirrored_town(town, reservations=60, conversations=False, switches=Switches(reservations_count="absent"))
    rows = list(here.truth("reservations"))
    mirror = here.mirror()

    def judged(way: str) -> str | None:
        if way == "sync":
            return mirror.sync(here.account_id, full=True).error
        return mirror.verify(here.account_id, repair=True).resources[RESERVATIONS].note

    hide(here, rows[:6])
    assert judged(first) is None
    assert here.ask(MISSING.format("reservations")) == [(6,)]
    hide(here, rows[:12])
    assert "6 of 54 rows are no longer listed, all at once, after 6 that were marked" in (judged(second) or "")
    assert here.ask(MISSING.format("reservations")) == [(6,)]
    here.ask("UPDATE reservations SET missing_since = missing_since - interval '20 hours' RETURNING 1")
    assert judged(second) is None
    assert here.ask(MISSING.format("reservations")) == [(12,)]


def test_what_a_person_accepted_does_not_count_for_the_brake(town: Build) -> None:
    """After --accept-missing, one more row that is gone is one row."""
    here = a_mirrored_town(town, reservations=40, conversations=False)
    rows = list(here.truth("reservations"))
    mirror = here.mirror()
    for row_id in rows[:15]:
        here.sandbox.world.delete_reservation(row_id)
    assert mirror.sync(here.account_id, full=True).state is RunState.PARTIAL
    assert mirror.sync(here.account_id, full=True, accept_missing=True).state is RunState.SUCCESS
    here.sandbox.world.delete_reservation(rows[15])
    assert mirror.sync(here.account_id, full=True).state is RunState.SUCCESS
    assert here.ask(MISSING.format("reservations")) == [(16,)]


def test_messages_that_went_with_their_conversation_do_not_count_for_the_brake(town: Build) -> None:
    """Nobody found them missing; a message that is lost beside them is marked."""
    here = a_mirrored_town(town, reservations=12)
    mirror = here.mirror()
    conversations = list(here.truth("conversations"))
    here.sandbox.world.delete_conversation(conversations[0])
    mirror.sync(here.account_id, full=True)
    message_id, message = next(iter(here.truth("messages").items()))
    here.sandbox.world.delete_message(message["conversationId"], message_id)
    assert here.mirror(threads_after_days=0).sync(here.account_id, full=True).state is RunState.SUCCESS
    assert here.differences() == {}


def test_verify_raises_a_suspicion_where_a_listed_row_is_not_found(town: Build) -> None:
    """Its row knows later facts than the list, so it is asked for by itself; a 404 then marks nothing."""
    here = a_mirrored_town(town, conversations=False)
    row_id = next(iter(here.truth("reservations")))
    here.ask(
        f"UPDATE reservations SET raw_payload = '{{}}', observed_at = now() + interval '1 minute' WHERE id = {row_id}"
        " RETURNING 1"
    )
    here.sandbox.faults.add(faults.status(404), route="GET /reservations/{id}")
    here.mirror().verify(here.account_id, repair=True)
    assert here.ask(MISSING.format("reservations")) == [(0,)]
    assert here.ask(SUSPECTED) == [("reservations", row_id)]


def test_the_moment_of_a_suspicion_is_the_databases(town: Build) -> None:
    """It is compared with the moments of readings, which are the database's, too."""
    here = a_mirrored_town(town)
    here.sandbox.faults.add(faults.status(404), route="GET /listings/{id}")
    by_delivery(here, LISTINGS, next(iter(here.truth("listings"))))
    [(raised_at, refused_at)] = here.ask("SELECT raised_at, refused_at FROM suspicions")
    assert raised_at <= refused_at <= datetime.now(UTC) + timedelta(seconds=1)
