from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.sandbox import Switches, World

if TYPE_CHECKING:
    from collections.abc import Callable


Stamps = tuple[str, str]


def _first(world: World) -> tuple[int, int]:
    """Return a reservation that has a thread, far from the top, and that thread."""
    for _, number in list(world.reservation_order)[40:]:
        for thread in world.conversations_of(number):
            return number, thread
    raise AssertionError


def _stamps(world: World, reservation: int) -> Stamps:
    row = world.reservation(reservation)
    return row["updatedOn"], row["latestActivityOn"]


def _moved(world: World, change: Callable[[World, int, int], object]) -> tuple[bool, bool]:
    """Return which of a reservation's `updatedOn` and `latestActivityOn` a change moves to now."""
    reservation, thread = _first(world)
    before = _stamps(world, reservation)
    change(world, reservation, thread)
    after = _stamps(world, reservation)
    now = world.now.strftime("%Y-%m-%d %H:%M:%S")
    moved = (after[0] != before[0], after[1] != before[1])
    assert [stamp for stamp, changed in zip(after, moved, strict=True) if changed] == [now] * sum(moved)
    return moved


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        (lambda w, r, _t: w.update_reservation(r, guestNote="quiet please"), (True, True)),
        (lambda w, r, _t: w.cancel_reservation(r), (True, True)),
        (lambda w, r, _t: w.pay(r), (True, False)),
        (lambda w, r, _t: w.touch([r]), (True, False)),
        (lambda w, _r, t: w.guest_message(t), (True, True)),
        (lambda w, _r, t: w.host_reply(t), (True, True)),
        (lambda w, _r, t: w.host_reply(t, via="ota"), (True, True)),
        (lambda w, _r, t: w.schedule_message(t, w.now), (False, False)),
        (lambda w, _r, t: w.send_scheduled(t, w.schedule_message(t, w.now)), (True, True)),
        (lambda w, _r, t: w.mark_conversation(t, unread=False), (False, False)),
        (lambda w, _r, t: w.delete_message(t, w.schedule_message(t, w.now)), (False, False)),
    ],
)
def test_each_change_moves_the_right_stamps(
    change: Callable[[World, int, int], object], moved: tuple[bool, bool]
) -> None:
    """Messages move both stamps, payments and nightly jobs only `updatedOn`, waiting automations none."""
    assert _moved(World(reservations=120), change) == moved


@pytest.mark.parametrize("bumps", [True, False])
def test_edits_failed_sends_and_read_marks_follow_the_switches(*, bumps: bool) -> None:
    """They move both stamps, or neither."""
    switches = Switches(edits_bump=bumps, failed_sends_bump=bumps, read_marks_bump=bumps)

    def edit(world: World, _reservation: int, thread: int) -> None:
        message = world.threads.entries(world.conversation(thread))[0].id
        world.edit_message(thread, message, "corrected", isSeen=1)
        row = dict(world.truth("messages"))[message]
        assert (row["body"], row["isSeen"]) == ("corrected", 1)
        assert row["updatedOn"] > row["insertedOn"]
        world.edit_message(thread, message, date="0000-00-00 00:00:00")
        world.edit_message(thread, message, date=None)
        assert dict(world.truth("messages"))[message]["date"] is None

    assert _moved(World(reservations=120, switches=switches), edit) == (bumps, bumps)
    failed = _moved(World(reservations=120, switches=switches), lambda w, _r, t: w.fail_message(t))
    assert failed == (bumps, bumps)
    read = _moved(World(reservations=120, switches=switches), lambda w, _r, t: w.mark_conversation(t, unread=False))
    assert read == (bumps, bumps)


def test_bumped_reservations_stand_on_top_and_ties_stand_by_id() -> None:
    """A mass touch puts many rows into one second, the highest id first."""
    world = World(reservations=120)
    chosen = [number for _, number in world.reservation_order.slice(50, 20)]
    world.touch(chosen)
    assert [number for _, number in world.reservation_order.slice(0, 20)] == sorted(chosen, reverse=True)
    world.step = timedelta(0)
    moment = world.now
    world.pay(chosen[0])
    world.pay(chosen[1])
    assert world.now == moment
    world.now = datetime(2027, 1, 1, tzinfo=UTC)
    world.pay(chosen[2])
    assert world.reservation(chosen[2])["updatedOn"] == "2027-01-01 00:00:00"


def test_an_automation_flips_under_the_same_id_and_old_stamps() -> None:
    """`date` and `insertedOn` stay, `messageSentOn` may lie in the past."""
    world = World(reservations=120)
    _, thread = _first(world)
    planned = world.now + timedelta(minutes=3)
    message = world.schedule_message(thread, planned, "Welcome!")
    before = dict(world.truth("messages"))[message]
    world.now += timedelta(minutes=20)
    world.send_scheduled(thread, message)
    after = dict(world.truth("messages"))[message]
    assert (before["status"], after["status"]) == ("awaiting", "sent")
    assert (after["date"], after["insertedOn"], after["body"]) == (before["date"], before["insertedOn"], "Welcome!")
    assert after["sentToChannelDate"] == after["updatedOn"] == world.now.strftime("%Y-%m-%d %H:%M:%S")
    sent = dict(world.truth("conversations"))[thread]["messageSentOn"]
    assert sent == planned.strftime("%Y-%m-%d %H:%M:%S") < after["updatedOn"]


def test_messages_carry_what_tells_them_apart() -> None:
    """Guests, people in the dashboard, replies from a channel's app, automations, failures, and lagging dates."""
    world = World(reservations=120)
    _, thread = _first(world)
    numbers = [
        world.guest_message(thread, "Hi \ud83d", lag=2_325),
        world.host_reply(thread, at=world.now - timedelta(days=2)),
        world.host_reply(thread, via="ota"),
        world.host_reply(thread, via="automation"),
        world.fail_message(thread, "lost"),
    ]
    rows = dict(world.truth("messages"))
    guest, dashboard, ota, automation, failed = (rows[number] for number in numbers)
    assert (guest["isIncoming"], guest["body"]) == (1, "Hi \ud83d")
    assert guest["date"] < guest["insertedOn"]
    assert dashboard["date"] < guest["date"]
    assert (dashboard["userId"], dashboard["sentUsingHostaway"]) == (7_001, 1)
    assert (ota["userId"], ota["sentUsingHostaway"], ota["originatedBy"]) == (None, 0, "system")
    assert automation["messageSource"] == "pre-generated"
    assert (failed["status"], failed["readableReasonFailed"]) == ("failed", "The e-mail bounced")
    assert dict(world.truth("conversations"))[thread]["conversationMessages"][0]["id"] == numbers[-1]


def test_message_of_a_host_lifts_a_thread_a_guests_not() -> None:
    """Conversations stand by `messageSentOn` alone."""
    world = World(reservations=120)
    _, thread = _first(world)
    place = [number for _, number in world.conversation_order].index(thread)
    world.guest_message(thread)
    assert [number for _, number in world.conversation_order].index(thread) == place
    world.host_reply(thread)
    assert next(number for _, number in world.conversation_order) == thread


def test_bookings_come_with_a_thread_change_and_go() -> None:
    """Created rows are whole rows; a listing need not be there; deleting takes the threads along."""
    world = World(reservations=120)
    counts = world.counts()
    number = world.create_reservation(listingMapId=999_999, guestName="Ada", status="somethingNew")
    row = dict(world.truth("reservations"))[number]
    assert (row["listingMapId"], row["guestName"], row["status"], len(row)) == (999_999, "Ada", "somethingNew", 117)
    first = world.conversations_of(number)
    second = world.create_conversation(number)
    world.host_reply(second)
    assert world.conversations_of(number) == [second, *first]
    assert dict(world.truth("conversations"))[second]["Reservation"]["guestName"] == "Ada"
    world.update_reservation(number, status="modified")
    assert world.reservation(number)["status"] == "modified"
    world.delete_reservation(number)
    assert world.counts() == counts
    with pytest.raises(KeyError):
        world.reservation(number)
    alone = world.create_reservation(conversation=False)
    assert world.conversations_of(alone) == []


def test_threads_may_outlive_their_reservation() -> None:
    """Where the switch says so, they stay listed, without the copy; and they still take messages."""
    world = World(reservations=120, switches=Switches(deleted_reservation_keeps_threads=True))
    reservation, thread = _first(world)
    world.delete_reservation(reservation)
    row = dict(world.truth("conversations"))[thread]
    assert (row["reservationId"], row["Reservation"]) == (reservation, None)
    world.guest_message(thread)
    with pytest.raises(KeyError):
        world.pay(reservation)


def test_conversations_need_no_reservation() -> None:
    """A new one is empty and stands last until a host writes."""
    world = World(reservations=120)
    thread = world.create_conversation()
    row = dict(world.truth("conversations"))[thread]
    assert (row["reservationId"], row["listingMapId"], row["Reservation"]) == (None, None, None)
    assert (row["conversationMessages"], row["messageSentOn"], row["messageReceivedOn"]) == ([], None, None)
    assert [number for _, number in world.conversation_order][-1] == thread
    message = world.guest_message(thread)
    assert dict(world.truth("messages"))[message]["reservationId"] is None
    world.delete_conversation(thread)
    assert message not in dict(world.truth("messages"))
    later = world.create_conversation(_first(world)[0])
    assert dict(world.truth("conversations"))[later]["Reservation"]["id"] == _first(world)[0]


def test_listings_come_change_are_archived_and_go() -> None:
    """Edits move `latestActivityOn` unless told not to; deleted ones vanish."""
    world = World(reservations=20, listings=3)
    first, second, third = world.listing_ids
    number = world.create_listing(name="Loft")
    assert world.listing_ids == [first, second, third, number]
    stamp = world.listing(first)["latestActivityOn"]
    world.edit_listing(first, stamp=False, wifiPassword="new")
    assert (world.listing(first)["wifiPassword"], world.listing(first)["latestActivityOn"]) == ("new", stamp)
    world.archive_listing(second)
    assert world.listing(second)["specialStatus"] == "archived"
    assert world.listing(second)["latestActivityOn"] > stamp
    world.delete_listing(third)
    assert [row["id"] for _, row in world.truth("listings")] == [first, second, number]
    with pytest.raises(KeyError):
        world.delete_listing(third)
    with pytest.raises(KeyError):
        world.listing(third)
    world.create_listing(third, name="back again")
    assert world.listing(third)["name"] == "back again"
    assert world.listing_edited(5) == 0


def test_changed_rows_are_written_like_seeded_ones() -> None:
    """But for what changed, the bytes stay the same."""
    world = World(reservations=30)
    position, number = world.reservation_order.slice(4, 1)[0]
    before = str(world.reservation_text(position, number))
    row = json.loads(before)
    world.update_reservation(number, updatedOn=row["updatedOn"], latestActivityOn=row["latestActivityOn"])
    assert world.reservation_text(-1, number) == before


def test_every_switch_says_what_it_may_be() -> None:
    """The default comes first, and there is always a choice."""
    for name, values in Switches.choices().items():
        assert values[0] == getattr(Switches(), name)
        assert len(set(values)) == len(values) > 1
        assert name in str(Switches.__doc__)
