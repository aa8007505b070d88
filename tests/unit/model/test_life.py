from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hostaway_sync.model.history.bookings import describe_stay, read_moment, tell_price
from hostaway_sync.model.history.events import LifeKind, quote_words, tell_differences, tell_name, tell_value
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

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = StayKeys(
    booked_at="booked",
    arrival="from",
    departure="to",
    price="sum",
    currency="money",
    guests="people",
    listing="home",
    status="state",
    channel="way",
    body="words",
    silent=frozenset({"stamp"}),
)
NOW = {"booked": "2026-02-01 09:00:00", "from": "2026-05-02", "to": "2026-05-05", "sum": 610, "money": "EUR"}
NOW |= {"people": 3, "home": 8, "state": "modified", "way": "airbnb", "stamp": "now", "door": 1, "note": "x"}


def at(hours: float) -> datetime:
    """Return the time so many hours after noon."""
    return NOON + timedelta(hours=hours)


def change(number: int, kind: str = "updated", *, stamp: float | None = None, **words: Any) -> RecordChange:
    """Return a change of the reservation that was stored `number` hours after noon."""
    keys = sorted({*words.get("before", {}), *words.get("after", {})})
    stamped = None if stamp is None else at(stamp)
    return RecordChange(number, 1, None, "reservations", "7", kind, at(number), stamped, tuple(keys) or None, **words)


def message(number: int, hours: float, body: str, **words: Any) -> StayMessage:
    """Return a message of the host that was sent so many hours after noon."""
    usual: dict[str, Any] = {"is_incoming": False, "status": "sent", "missing_since": None}
    return StayMessage(number, at(hours), at(9), body=body, **usual | words)


def told(**words: Any) -> list[str]:
    """Return the life of a reservation as lines: hours after noon, and what happened."""
    facts = StayFacts(1, 7, words.pop("payload", NOW), at(-9), words.pop("missing_since", None), **words)
    return [f"{(event.at - NOON) / timedelta(hours=1):g}: {event.says}" for event in tell_life(facts, KEYS)]


def test_a_booking_is_told_from_what_was_replaced() -> None:
    """Its first values are those of now less all changes; each change names what a person looks for, and no stamps."""
    changes = (
        change(1, before={"state": "new", "sum": 540.5}, after={"state": "modified", "sum": 600}, cause="webhook"),
        change(2, before={"from": "2026-05-01", "to": "2026-05-04"}, after={"from": "2026-05-02", "to": "2026-05-05"}),
        change(3, before={"people": 2, "home": 9, "sum": 600}, after={"people": 3, "home": 8, "sum": 610, "door": 1}),
        change(4, before={"stamp": "then"}, after={"stamp": "now"}),
        change(5, before={"note": "Ida"}, after={"note": "x"}),
    )
    assert told(changes=changes) == [
        "-675: booked: 2026-05-01 to 2026-05-04 (3 nights), 2 guests, 540.50 EUR, status new, by airbnb",
        "1: status new → modified; price 540.50 EUR → 600.00 EUR",
        "2: dates 2026-05-01 to 2026-05-04 (3 nights) → 2026-05-02 to 2026-05-05 (3 nights)",
        "3: price 600.00 EUR → 610.00 EUR; guests 2 → 3; listing 9 → 8; also door",
        "5: changed: note",
    ]


def test_a_key_that_is_gone_is_told_and_stays_gone() -> None:
    """Hostaway, or a rule for payloads, may leave one out, and it may come back with the same value."""
    changes = (
        change(1, before={"state": "new", "people": 2, "sum": 610}),
        change(2, after={"state": "new", "people": 2}),
    )
    payload = {key: value for key, value in NOW.items() if key != "sum"} | {"state": "new", "people": 2}
    assert told(changes=changes, payload=payload)[1:] == [
        "1: status new → -; price 610.00 EUR → -; guests 2 → -",
        "2: status - → new; guests - → 2",
    ]


def test_a_booking_in_the_history_is_told_as_it_came() -> None:
    """Where its first change is kept, and it tells no time, its life begins when it was stored."""
    first = change(1, "inserted", after={"state": "new", "people": 1, "from": "2026-05-01", "to": "2026-05-02"})
    assert told(changes=(first, change(2, before={"state": "new"}, after={"state": "gone"}))) == [
        "-9: first seen: 2026-05-01 to 2026-05-02 (1 night), 1 guest, status new",
        "2: status new → gone",
    ]


def test_missing_and_back_are_told_once() -> None:
    """From the history, or from the row alone where that is older."""
    assert told(missing_since=at(3))[1:] == ["3: missing: the source no longer has it"]
    gone = (change(1, "missing"), change(2, "returned", before={"state": "a"}, after={"state": "b"}))
    assert told(changes=(*gone, change(3, "missing"), change(4, "erased")), missing_since=at(3))[1:] == [
        "1: missing: the source no longer has it",
        "2: back at the source; status a → b",
        "3: missing: the source no longer has it",
        "4: erased: the guest was forgotten",
    ]


def test_changes_keep_their_order_whatever_their_stamps_say() -> None:
    """The source's time counts where it may be true: not later than it was stored, nor before the change before."""
    note = {"note": "x"}
    stamps = {5: 2, 6: 1, 7: 9, 8: 7.5}
    changes = tuple(change(number, stamp=stamp, after=note) for number, stamp in stamps.items())
    assert [line.split(":")[0] for line in told(changes=changes)[1:]] == ["2", "2", "7", "7.5"]


def test_messages_and_what_was_sent_are_told_once() -> None:
    """Who said it, the first words, what waits; a message of ours by its own story alone."""
    long = "The key is under the mat, the code of the door is on the wall, and breakfast is at eight"
    messages = (
        message(1, 1, f"Hello,\n\x1b[31mis it free?\u202e{long}", is_incoming=True),
        message(2, 2, f"<p>{long}", status="awaiting", missing_since=at(6)),
        StayMessage(3, None, at(3), None, None, None, None),
        message(9, 4, "Ours"),
    )
    sends = (
        StaySend(1, "email", "Ours", "sent", "ida", 9, None, at(3.5), at(4), at(4.5)),
        StaySend(2, "sms", "Again", "outcome_unknown", "cron", None, "no answer within\n30 s", at(5), at(5.5), None),
        StaySend(3, "email", "Later", "pending", "cron", None, None, at(7), None, None),
    )
    assert told(messages=messages, sends=sends)[1:] == [
        '1: guest: "Hello, [31mis it free?The key is under the mat, the code of…"',
        '2: host (awaiting): "The key is under the mat, the code of the door is on the wal…"',
        "3: somebody: (no text)",
        '3.5: we, by ida, email: "Ours"',
        "4.5: our message 1: sent as message 9",
        '5: we, by cron, sms: "Again"',
        "5.5: our message 2: outcome unknown: no answer within 30 s",
        '6: a message is gone at the source: "The key is under the mat, the code of the door is on the wal…"',
        '7: we, by cron, email, waits to be sent: "Later"',
    ]


def test_days_that_changed_alike_are_one_line() -> None:
    """A stretch of one transaction; a gap, another difference and another transaction begin a line of their own."""

    def day(number: int, position: int = 1, status: str = "reserved") -> StayDayChange:
        of_day = change(number, before={"status": "available"}, after={"status": status})
        return StayDayChange(position, date(2026, 5, number), of_day)

    days = (day(1), day(2), day(4), day(3, 2), day(5, status="blocked"))
    assert told(days=days)[1:] == [
        "1: calendar 2026-05-01 to 2026-05-02: status available → reserved",
        "3: calendar 2026-05-03: status available → reserved",
        "4: calendar 2026-05-04: status available → reserved",
        "5: calendar 2026-05-05: status available → blocked",
    ]


def test_deliveries_and_writes_say_how_they_ended() -> None:
    """With the reason where they failed."""
    first, last = date(2026, 5, 1), date(2026, 5, 3)
    writes = (
        StayWrite(4, first, last, {"price": Decimal("90.50"), "is_available": False}, "done", "ida", None, at(1)),
        StayWrite(5, first, first, {"note": None}, "outcome_unknown", "ida", "no answer", at(2)),
    )
    deliveries = (
        StayDelivery("a", "reservation.updated", "processed", None, at(3)),
        StayDelivery("b", "reservation.updated", "dead", "the source does not answer", at(4)),
    )
    assert told(writes=writes, deliveries=deliveries)[1:] == [
        "1: we, by ida, write 2026-05-01 to 2026-05-03: available no, price 90.50: done",
        "2: we, by ida, write 2026-05-01: note -: outcome unknown: no answer",
        "3: delivery reservation.updated: processed",
        "4: delivery reservation.updated: dead: the source does not answer",
    ]


def test_names_of_columns_and_keys_are_words() -> None:
    """Of a day's columns and of the source's keys; what a terminal obeys is left out."""
    days = {"is_available": True, "closed_on_arrival": False, "available_units": 2}
    assert tell_differences(None, days) == "free units - → 2, closed on arrival - → no, available - → yes"
    names = ("minimum_stay", "hostNote", "externalHAId", "confirmationCode", "a\x1b[31m_b")
    assert [tell_name(name) for name in names] == [
        *("minimum stay", "host note", "external haid", "confirmation code", "a[31m b"),
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"),
        ("", "-"),
        (True, "yes"),
        (Decimal("1E+2"), "100"),
        (Decimal("1E+39"), f"1{'0' * 39}"),
        (Decimal("1E+40"), "1E+40"),
        ("a\nb\x1b", "a b"),
        ([1, 2], "[1, 2]"),
        ("x" * 41, f"{'x' * 40}…"),
    ],
)
def test_a_value_is_one_short_line(value: object, words: str) -> None:
    """Whatever the source put there."""
    assert tell_value(value) == words


def test_payloads_of_any_shape_are_told() -> None:
    """A stay without dates, guests or a price, with text for numbers, or with nothing at all."""
    assert describe_stay({}, KEYS) == "- to -, status -"
    assert describe_stay({"from": "soon", "to": 7, "sum": "much", "people": "two"}, KEYS) == (
        "soon to 7, two guests, much, status -"
    )
    assert tell_price("", {}, KEYS) == ""
    assert tell_price("1200.5", {}, KEYS) == "1,200.50"
    assert [read_moment(value) for value in (None, 7, "soon", "0000-00-00", " 2026-03-01T12:00:00Z")] == [
        *[None] * 4,
        NOON,
    ]
    assert tell_differences(None, {"b": 1, "a": None}) == "a - → -, b - → 1"
    assert quote_words("  \u200b ") == "(no text)"
    assert LifeKind.BOOKED.value == "booked"
