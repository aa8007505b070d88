from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hostaway_sync.model.history.bookings import describe_stay, read_moment, tell_bookings
from hostaway_sync.model.history.events import LifeEvent, LifeKind, quote_words, tell_differences, tell_value
from hostaway_sync.model.history.feed import RecordChange
from hostaway_sync.model.history.life import (
    StayDayChange,
    StayDelivery,
    StayFacts,
    StayMessage,
    StaySend,
    StayWrite,
    tell_life,
)
from hostaway_sync.model.vocabulary import StayKeys

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = StayKeys(booked_at="booked", arrival="from", departure="to", guests="people", status="state")


def at(hours: float) -> datetime:
    """Return the time so many hours after noon."""
    return NOON + timedelta(hours=hours)


def change(number: int, kind: str, before: Any = None, after: Any = None, **words: Any) -> RecordChange:
    """Return a change of the reservation that was stored `number` hours after noon."""
    keys = tuple(sorted({*(before or {}), *(after or {})})) or None
    usual = {"keys": None if kind == "inserted" else keys, "cause": "sync", "cause_id": f"r{number}"}
    about = (number, 1, None, "reservations", words.pop("record_id", "7"), kind, at(number))
    return RecordChange(*about, before=before, after=after, **usual | words)


def event(*values: Any, **words: Any) -> LifeEvent:
    """Return an event as it should be told."""
    return LifeEvent(*values, **words)


def booked(
    changes: Sequence[RecordChange], payload: dict[str, Any], missing_since: datetime | None = None
) -> list[LifeEvent]:
    """Return what is told of the reservation itself."""
    found = tell_bookings("7", payload, changes, first_seen_at=at(-1), missing_since=missing_since, keys=KEYS)
    return list(found)


def test_an_event_of_a_booking_names_its_change() -> None:
    """With the old and the new values and the cause; what only the row knows has no change."""
    new = {"state": "new", "people": 1}
    changes = (
        change(1, "inserted", after=new),
        change(2, "updated", {"state": "new"}, {"state": "old"}),
        change(3, "returned"),
    )
    assert booked(changes, {}, missing_since=at(4)) == [
        event(
            at(-1),
            LifeKind.BOOKED,
            "first seen: - to -, 1 guest, status new",
            "reservations",
            "7",
            1,
            cause="sync",
            cause_id="r1",
        ),
        event(
            at(2),
            LifeKind.CHANGED,
            "status new → old",
            "reservations",
            "7",
            2,
            {"state": "new"},
            {"state": "old"},
            "sync",
            "r2",
        ),
        event(at(3), LifeKind.RETURNED, "back at the source", "reservations", "7", 3, cause="sync", cause_id="r3"),
        event(at(4), LifeKind.MISSING, "missing: the source no longer has it", "reservations", "7"),
    ]
    assert booked((), {"booked": "2026-03-01 11:30", "state": "new"}) == [
        event(at(-0.5), LifeKind.BOOKED, "booked: - to -, status new", "reservations", "7")
    ]


def test_only_the_first_row_of_a_record_is_its_booking() -> None:
    """Where a record was removed from the mirror and came again, its new values count; the booking is told once."""
    first, again = change(1, "inserted", after={"state": "new"}), change(2, "inserted", after={"state": "old"})
    told = booked((first, again, change(3, "updated", keys=("state",), after={"state": "older"})), {})
    assert [(one.kind, one.change_id) for one in told] == [(LifeKind.BOOKED, 1), (LifeKind.CHANGED, 3)]
    assert told[1].says == "status old → older"
    # Without values the booking is told from nothing, not from the row of today.
    assert booked((change(1, "inserted"),), {"state": "old"})[0].says == "first seen: - to -, status -"


def test_the_time_of_a_booking_bounds_its_changes() -> None:
    """No change is told before it; a stamp counts up to the moment at which the change was stored."""
    early = change(1, "updated", after={"a": 1}, source_updated_at=at(-9))
    exact = change(2, "updated", after={"a": 2}, source_updated_at=at(2))
    assert [one.at for one in booked((early, exact), {"booked": "2026-03-01T13:30+01:00"})[1:]] == [at(0.5), at(2)]
    assert [one.at for one in booked((early, exact), {})[1:]] == [at(-1), at(2)]


def test_other_keys_are_named_up_to_six() -> None:
    """In the order of the alphabet, and how many more there are."""
    six = dict.fromkeys("fedcba", 1)
    assert booked((change(1, "updated", after=six),), {})[1].says == "changed: a, b, c, d, e, f"
    seven = {**six, "g": 1}
    assert booked((change(1, "updated", after=seven),), {})[1].says == "changed: a, b, c, d, e, f and 1 more"
    told = booked((change(1, "updated", after={**seven, "h": 1, "state": "x"}),), {})[1].says
    assert told == "status - → x; also a, b, c, d, e, f and 2 more"


def test_each_date_of_a_stay_is_told_when_it_moves() -> None:
    """The nights of a stay that ends before it begins are told as they are."""
    payload = {"from": "2026-05-02", "to": "2026-05-01"}
    for key, old in (("from", "2026-05-01"), ("to", "2026-05-03")):
        (_, moved) = booked((change(1, "updated", {key: old}, {key: payload[key]}),), payload)
        assert moved.says.startswith("dates ")
        assert moved.says.endswith("→ 2026-05-02 to 2026-05-01 (-1 nights)")
    assert describe_stay({**payload, "people": 0}, KEYS) == "2026-05-02 to 2026-05-01 (-1 nights), status -"
    assert read_moment("9999-12-31T23:59-14:00") is None


def life(**words: Any) -> list[LifeEvent]:
    """Return all events of the reservation but its booking."""
    booking, *others = tell_life(StayFacts(1, 7, {}, at(-1), None, **words), KEYS)
    assert (booking.resource, booking.record_id) == ("reservations", "7")
    return others


def message(number: int, sent_at: datetime | None, created_at: datetime, **words: Any) -> StayMessage:
    """Return a message of the host."""
    usual: dict[str, Any] = {"is_incoming": False, "status": "sent", "body": None, "missing_since": None}
    return StayMessage(number, sent_at, created_at, **usual | words)


def test_an_event_of_a_message_names_the_message() -> None:
    """At the time that it was sent, or stored; a message of ours is told by what it was sent from."""
    told = life(
        messages=(
            message(1, at(1), at(9), is_incoming=True, status="", body="<p>Hi</p>"),
            message(2, at(2), at(9), body="x", missing_since=at(3)),
            message(3, None, at(4), status="failed\n"),
        ),
        sends=(
            StaySend(5, "email", "Hi", "sent", "ida", 8, "", at(5), at(6), at(7)),
            StaySend(6, "sms", "Hi", "sending", "ida", None, None, at(8), at(9), None),
            StaySend(7, "sms", "Hi", "failed", "ida", None, "no", at(10), at(11), None),
            StaySend(8, "sms", "Hi", "failed", "ida", None, "no", at(12), None, None),
        ),
    )
    of_messages = [one for one in told if one.resource == "messages"]
    assert of_messages == [
        event(at(1), LifeKind.MESSAGE, 'guest: "Hi"', "messages", "1"),
        event(at(2), LifeKind.MESSAGE, 'host: "x"', "messages", "2"),
        event(at(3), LifeKind.MISSING, 'a message is gone at the source: "x"', "messages", "2"),
        event(at(4), LifeKind.MESSAGE, "host (failed): (no text)", "messages", "3"),
    ]
    assert [one for one in told if one not in of_messages] == [
        event(at(5), LifeKind.SEND, 'we, by ida, email: "Hi"', "send", "5"),
        event(at(7), LifeKind.SEND, "our message 5: sent as message 8", "send", "5"),
        event(at(8), LifeKind.SEND, 'we, by ida, sms, is being sent: "Hi"', "send", "6"),
        event(at(10), LifeKind.SEND, 'we, by ida, sms: "Hi"', "send", "7"),
        event(at(11), LifeKind.SEND, "our message 7: failed: no", "send", "7"),
        event(at(12), LifeKind.SEND, 'we, by ida, sms: "Hi"', "send", "8"),
        event(at(12), LifeKind.SEND, "our message 8: failed: no", "send", "8"),
    ]


def test_an_event_of_days_or_deliveries_names_its_source() -> None:
    """A stretch of days is told by its first day."""
    values = ({"status": "available"}, {"status": "reserved"})
    days = [
        StayDayChange(1, date(2026, 5, number), change(number, "updated", *values, record_id=f"9/{number}"))
        for number in (3, 2)
    ]
    writes = (
        StayWrite(4, date(2026, 5, 1), date(2026, 5, 2), {"b": 1, "a": 2}, "in_doubt_now", "i\n", "no\nanswer", at(5)),
    )
    deliveries = (StayDelivery("d1", "reservation.updated\n", "dead", "no\nanswer", at(6)),)
    assert life(days=days, writes=writes, deliveries=deliveries) == [
        event(
            at(2),
            LifeKind.CALENDAR,
            "calendar 2026-05-02 to 2026-05-03: status available → reserved",
            "reservations",
            "9/2",
            2,
            *values,
            "sync",
            "r2",
        ),
        event(
            at(5),
            LifeKind.WRITE,
            "we, by i, write 2026-05-01 to 2026-05-02: a 2, b 1: in doubt now: no answer",
            "calendar",
            "4",
            None,
            None,
            {"b": 1, "a": 2},
            "write",
        ),
        event(
            at(6),
            LifeKind.DELIVERY,
            "delivery reservation.updated: dead: no answer",
            "reservations",
            "d1",
            cause_id="d1",
        ),
    ]


def test_words_are_cut_where_they_get_too_long() -> None:
    """Forty signs of a value and sixty of a text are shown as they are."""
    assert (tell_value("x" * 40), tell_value("x" * 41)) == ("x" * 40, f"{'x' * 40}…")
    assert (quote_words("y" * 60), quote_words("y" * 61)) == (f'"{"y" * 60}"', f'"{"y" * 60}…"')
    assert quote_words(f"{'y' * 59} z") == f'"{"y" * 59}…"'
    assert [tell_value(value) for value in (False, 0)] == ["no", "0"]
    assert tell_differences({"b": 1}, None) == "b 1 → -"
