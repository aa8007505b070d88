"""The outcome of a write by the days that were read back, changes meanwhile, and the limits of a write."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hostaway_sync.errors import UsageError, WriteRefused
from hostaway_sync.model.calendar.days import Days, ListingReading
from hostaway_sync.model.calendar.listing_calendar import ListingCalendar, ListingFacts, StoredDay
from hostaway_sync.model.calendar.writes import CalendarWrite, WriteState, pick_values
from hostaway_sync.sync.calendar.writes import decision, guards

DAY = timedelta(days=1)
FIRST = date(2026, 12, 1)
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
TAKEN = frozenset({"reserved"})
RANGE = Days(FIRST, FIRST + 3 * DAY)


def day(number: int, **values: Any) -> StoredDay:
    """Return the day so many days after the first."""
    known: dict[str, Any] = {"is_available": True, "status": "available", "price": Decimal(100)}
    return StoredDay(FIRST + number * DAY, **known | values)


def days(**values: Any) -> dict[date, StoredDay]:
    """Return all four days with equal values."""
    return {one.date: one for one in (day(number, **values) for number in range(4))}


def written(new: dict[str, Any], **changes: Any) -> CalendarWrite:
    """Return a write over the usual days."""
    old = {one: pick_values(known, tuple(new)) for one, known in days().items()}
    write = CalendarWrite(1, 2, 3, RANGE, new, old, WriteState.SENDING, "us", "me", "here", None, NOW, NOW)
    return replace(write, **changes)


PRICE = {"price": Decimal("99.0")}


def test_write_is_done_when_every_day_shows_it() -> None:
    """In any notation of an amount; white space around a note does not count, and an empty note is none."""
    shown = days(price=Decimal(99), note="roof ")
    assert decision.settle(written(PRICE), shown, TAKEN) == decision.Settlement(WriteState.DONE)
    assert decision.settle(written({"note": " roof"}), shown, TAKEN) == decision.Settlement(WriteState.DONE)
    assert decision.settle(written({"note": ""}), days(), TAKEN) == decision.Settlement(WriteState.DONE)
    late = decision.settle(written(PRICE), shown, TAKEN, may_come_late=True)
    assert late == decision.Settlement(WriteState.DONE)


def test_write_that_some_days_show_is_partial() -> None:
    """The sentence names the other days; while they may still change the outcome is unknown."""
    shown = days(price=Decimal(99)) | {one.date: one for one in (day(1), day(3, price=Decimal(5)))}
    settled = decision.settle(written(PRICE), shown, TAKEN)
    assert settled == decision.Settlement(WriteState.PARTIAL, "2 of 4 days do not show it: 2026-12-02, 2026-12-04")
    late = decision.settle(written(PRICE), shown, TAKEN, may_come_late=True)
    assert late is not None
    assert late.state is WriteState.OUTCOME_UNKNOWN


def test_write_that_no_day_shows_has_failed() -> None:
    """Unknown while it may still take effect, or where a day was not read."""
    write = written(PRICE)
    old = decision.settle(write, days(), TAKEN)
    assert old == decision.Settlement(WriteState.FAILED, "the source shows the old values: 2026-12-01 to 2026-12-04")
    other = decision.settle(write, days(price=Decimal(7)), TAKEN)
    assert other == decision.Settlement(
        WriteState.FAILED, "the source shows neither the old values nor the new ones: 2026-12-01 to 2026-12-04"
    )
    late = decision.settle(write, days(), TAKEN, may_come_late=True)
    assert late == decision.Settlement(
        WriteState.OUTCOME_UNKNOWN,
        "the source may still carry it out, and does not show it: 2026-12-01 to 2026-12-04",
    )
    short = days(price=Decimal(99))
    del short[FIRST]
    assert decision.settle(write, short, TAKEN) is None


def test_days_with_the_value_before_prove_nothing() -> None:
    """Only days that were to change show whether the write was done."""
    old = {one: {"price": Decimal(99)} for one in list(days())[:2]} | {
        one: {"price": Decimal(100)} for one in list(days())[2:]
    }
    shown = days(price=Decimal(99)) | {one.date: one for one in (day(2), day(3))}
    settled = decision.settle(written(PRICE, old=old), shown, TAKEN)
    assert settled is not None
    assert settled.state is WriteState.FAILED


def test_taken_day_counts_as_opened_and_proves_nothing() -> None:
    """It cannot be available: the other days decide."""
    write = written({"is_available": True}, old={one: {"is_available": False} for one in days()})
    taken = day(0, is_available=False, status="reserved")
    assert decision.settle(write, days() | {FIRST: taken}, TAKEN) == decision.Settlement(WriteState.DONE)
    closed = days(is_available=False, status="blocked") | {FIRST: taken}
    settled = decision.settle(write, closed, TAKEN)
    assert settled is not None
    assert settled.state is WriteState.FAILED
    assert not decision.shows_values(replace(taken, is_available=True), {"is_available": False}, TAKEN)
    assert decision.shows_values(taken, {"is_available": False}, TAKEN)


def test_write_with_erased_values_is_settled() -> None:
    """Its note named a guest who was forgotten."""
    settled = decision.settle(written({}), days(), TAKEN)
    assert settled is not None
    assert (settled.state, settled.error) == (
        WriteState.FAILED,
        "what was to be written was erased, so nothing can be compared",
    )


def test_changes_that_concern_a_write_are_found() -> None:
    """Availability, status and the written columns; not other columns, nor unknown days without a stay."""
    live = [day(0, note="x"), day(1, price=Decimal(5)), day(2, status="pending"), day(3, is_available=False)]

    def changed(columns: tuple[str, ...]) -> list[int]:
        found = decision.find_changed_days(days(), live, columns, TAKEN)
        assert all(one.mirrored == days()[one.live.date] for one in found)
        return [(one.live.date - FIRST).days for one in found]

    assert changed(("note",)) == [0, 2, 3]
    assert changed(("price",)) == [1, 2, 3]
    stay = day(1, status="reserved")
    assert decision.find_changed_days({}, [day(0), stay], ("price",), TAKEN) == (decision.ChangedDay(None, stay),)


def test_request_may_be_running_until_its_process_has_surely_ended() -> None:
    """Only one that left recently, of a process that neither died nor released its claim."""

    def may_be(write: CalendarWrite, since: timedelta | None, *, died: bool = False, released: bool = False) -> bool:
        return decision.may_be_under_way(write, has_died=died, was_released=released, since_mark=since)

    sending, short = written(PRICE), timedelta(seconds=5)
    assert may_be(sending, timedelta(0))
    assert may_be(sending, short)
    assert may_be(sending, decision.LONGEST_REQUEST)
    assert not may_be(sending, decision.LONGEST_REQUEST + short)
    assert not may_be(sending, -short)
    assert not may_be(sending, None)
    assert not may_be(sending, short, died=True)
    assert not may_be(sending, short, released=True)
    assert not may_be(replace(sending, state=WriteState.OUTCOME_UNKNOWN), short)


def test_unanswered_request_may_take_effect_for_a_minute() -> None:
    """One that never left may not."""
    write = written(PRICE)
    assert decision.may_come_late(write, NOW)
    assert decision.may_come_late(write, NOW + timedelta(seconds=59))
    assert not decision.may_come_late(write, NOW + timedelta(seconds=60))
    assert not decision.may_come_late(write, NOW - timedelta(seconds=1))
    assert not decision.may_come_late(replace(write, sending_at=None), NOW)


def test_dates_are_printed_as_stretches() -> None:
    """The first three of them, and how many more."""
    dates = [FIRST + number * DAY for number in (0, 1, 3, 5, 7, 9)]
    told = "2026-12-01 to 2026-12-02, 2026-12-04, 2026-12-06"
    assert decision.describe_dates(dates[:4]) == told
    assert decision.describe_dates(dates) == f"{told} and 2 other stretches"
    assert decision.describe_dates(dates[:5]) == f"{told} and 1 other stretches"
    assert decision.describe_dates([]) == ""


@pytest.mark.parametrize(
    ("first", "last", "error"),
    [
        (-1, 3, "2026-11-30 is over where the listing is (today is 2026-12-01): give 2026-12-01 or a later day"),
        (0, 731, "2028-12-01 is more than 730 days ahead: nothing so far ahead is written"),
    ],
)
def test_days_that_cannot_be_written_are_refused(first: int, last: int, error: str) -> None:
    """Past days, or days too far ahead; today and the last possible day are allowed."""
    with pytest.raises(UsageError) as raised:
        guards.require_days(Days(FIRST + first * DAY, FIRST + last * DAY), FIRST)
    assert str(raised.value) == error
    guards.require_days(Days(FIRST, FIRST + 730 * DAY), FIRST)


def test_days_in_the_wrong_order_are_refused() -> None:
    """The same day twice is one day."""
    guards.require_order(Days(FIRST, FIRST))
    with pytest.raises(UsageError, match="the last day, 2026-12-01, is before the first, 2026-12-02"):
        guards.require_order(Days(FIRST + DAY, FIRST))


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({}, "nothing is to be set: give --price, --minimum-stay or another option"),
        ({"price": Decimal(0)}, "the price 0 is not above 0: `calendar block` closes days, a price does not"),
        ({"price": Decimal(-5)}, "the price -5 is not above 0: `calendar block` closes days, a price does not"),
        ({"price": Decimal("NaN")}, "the price NaN is not above 0: `calendar block` closes days, a price does not"),
        ({"price": Decimal("1.2345")}, "the price 1.2345 is no amount: give at most 3 decimals, below 1,000,000,000"),
        (
            {"price": Decimal(1_000_000_000)},
            "the price 1000000000 is no amount: give at most 3 decimals, below 1,000,000,000",
        ),
        ({"minimum_stay": 0}, "the minimum stay, 0, is not 1 to 3,650 nights"),
        ({"maximum_stay": 3_651}, "the maximum stay, 3651, is not 1 to 3,650 nights"),
        ({"minimum_stay": 5, "maximum_stay": 4}, "the minimum stay, 5 nights, is longer than the maximum, 4"),
        ({"note": "x" * 1_001}, "the note has 1,001 characters: 1,000 at most are written"),
        ({"note": "a\ud800"}, "the note is not plain UTF-8 text: it holds control characters or broken letters"),
        ({"note": "a\x1b[2J"}, "the note is not plain UTF-8 text: it holds control characters or broken letters"),
    ],
)
def test_values_that_no_day_can_have_are_refused(values: dict[str, Any], error: str) -> None:
    """In one sentence that says what is allowed."""
    with pytest.raises(UsageError) as raised:
        guards.require_values(values)
    assert str(raised.value) == error


def test_values_at_their_bounds_are_accepted() -> None:
    """The highest price, one night, the longest note, and a block without other values."""
    guards.require_values({"price": Decimal("999999999.999"), "minimum_stay": 1, "maximum_stay": 3_650})
    guards.require_values({"price": Decimal("1.2000"), "minimum_stay": 4, "maximum_stay": 4})
    guards.require_values({"is_available": False, "note": "a\n\tb" + "x" * 996})
    guards.require_values({"note": ""})
    guards.require_values({"price": Decimal("0.001")})


def calendar(*shown: StoredDay, archived: bool = False, gone: bool = False) -> ListingCalendar:
    """Return the calendar of a listing."""
    facts = ListingFacts(1, 10, missing_since=NOW if gone else None)
    reading = ListingReading(10, is_archived=archived)
    return ListingCalendar(facts, Days(shown[0].date, shown[-1].date), reading, shown, TAKEN)


def test_archived_or_missing_listing_is_not_written() -> None:
    """The source would refuse it."""
    guards.require_writable(calendar(day(0)))
    with pytest.raises(WriteRefused, match="listing 10 is archived: its calendar cannot be written"):
        guards.require_writable(calendar(day(0), archived=True))
    with pytest.raises(WriteRefused, match="listing 10 is gone at the source: nothing was written"):
        guards.require_writable(calendar(day(0), gone=True))


def test_many_days_and_days_with_a_stay_need_a_confirmation() -> None:
    """31 free days do not."""
    assert guards.list_concerns(calendar(*(day(number) for number in range(31)))) == ()
    assert guards.list_concerns(calendar(*(day(number) for number in range(32)))) == ("32 days are written at once",)
    stay = {"is_available": False, "status": "reserved"}
    assert guards.list_concerns(calendar(day(0), day(1, **stay), day(2, **stay))) == (
        "a stay takes 2 of these days, the first of them 2026-12-02",
    )
