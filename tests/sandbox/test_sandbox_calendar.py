from __future__ import annotations

import random
import time
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostaway_sync.sandbox import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FIRST, LAST = date(2026, 9, 1), date(2027, 3, 31)
FREE = date(2027, 2, 1)
TAKES = ("new", "modified", "ownerStay", "expired")
LEAVES = ("cancelled", "declined", "inquiry", "inquiryPreapproved", "inquiryDenied", "somethingNew")


def nights(arrival: date, departure: date) -> set[str]:
    """Return the days of a stay: the first one and not the last one."""
    return {(arrival + timedelta(days)).isoformat() for days in range((departure - arrival).days)}


def reserved(world: World, listing_id: int, first: date = FIRST, last: date = LAST) -> set[str]:
    """Return the reserved days of a listing, which are never available."""
    days = world.calendar_truth(listing_id, first, last)
    assert all(day["isAvailable"] == int(day["status"] == "available") for day in days)
    return {day["date"] for day in days if day["status"] == "reserved"}


def expected(world: World, listing_id: int) -> set[str]:
    """Return the nights that the reservations, read one by one, take on a listing."""
    taken: set[str] = set()
    for _, row in world.truth("reservations"):
        if row["listingMapId"] == listing_id and row["status"] in TAKES:
            taken |= nights(date.fromisoformat(row["arrivalDate"]), date.fromisoformat(row["departureDate"]))
    return {day for day in taken if FIRST.isoformat() <= day <= LAST.isoformat()}


def stay(world: World, listing_id: int, *, days: int = 3, status: str = "new") -> int:
    """Add a stay on free nights, and return its id."""
    arrival, departure = FREE.isoformat(), (FREE + timedelta(days)).isoformat()
    return world.create_reservation(
        listingMapId=listing_id, status=status, arrivalDate=arrival, departureDate=departure
    )


def test_seeded_days_follow_the_seeded_stays() -> None:
    """On every day of every listing: a day is taken exactly where a stay takes it."""
    world = World(reservations=300, listings=5)
    taken = {number: expected(world, number) for number in world.listing_ids}
    assert {number: reserved(world, number) for number in world.listing_ids} == taken
    assert min(len(days) for days in taken.values()) > 20


def test_a_day_alone_is_as_among_others() -> None:
    """Asked for day by day, the seeded stays take the same nights, and so do later ones."""
    world = World(reservations=120, listings=2)
    listing = world.listing_ids[0]
    stay(world, listing, days=9)
    days = [FIRST + timedelta(number) for number in range((LAST - FIRST).days + 1)]
    assert {day.isoformat() for day in days if reserved(world, listing, day, day)} == expected(world, listing)


@pytest.mark.parametrize("status", [*TAKES, *LEAVES])
def test_a_stay_takes_its_nights_while_its_status_blocks(status: str) -> None:
    """The day of departure stays free; an expired stay keeps its nights, an inquiry takes none."""
    world = World(reservations=20, listings=2)
    number = stay(world, world.listing_ids[0], status=status)
    taken = nights(FREE, FREE + timedelta(3)) if status in TAKES else set()
    assert reserved(world, world.listing_ids[0], FREE, LAST) == taken
    world.update_reservation(number, status="inquiryTimedout")
    assert reserved(world, world.listing_ids[0], FREE, LAST) == set()


def test_days_follow_a_stay_at_once() -> None:
    """Made, shortened, moved, given another listing, cancelled, taken up again, deleted."""
    world = World(reservations=20, listings=2)
    first, second = world.listing_ids
    number = stay(world, first)
    world.move_reservation(number, departure=FREE + timedelta(1))
    assert (reserved(world, first, FREE, LAST), world.reservation(number)["nights"]) == ({FREE.isoformat()}, 1)
    later = FREE + timedelta(9)
    world.move_reservation(number, arrival=later, departure=later + timedelta(2))
    assert reserved(world, first, FREE, LAST) == nights(later, later + timedelta(2))
    world.move_reservation(number, listing_id=second)
    assert reserved(world, first, FREE, LAST) == set()
    assert reserved(world, second, FREE, LAST) == nights(later, later + timedelta(2))
    world.cancel_reservation(number)
    assert reserved(world, second, FREE, LAST) == set()
    world.update_reservation(number, status="modified")
    assert reserved(world, second, FREE, LAST) == nights(later, later + timedelta(2))
    world.delete_reservation(number)
    assert reserved(world, second, FREE, LAST) == set()
    with pytest.raises(ValueError, match="before it arrives"):
        world.move_reservation(stay(world, first), departure=FREE - timedelta(1))


@pytest.mark.parametrize(
    "broken",
    [
        {"listingMapId": None},
        {"listingMapId": 5},
        {"arrivalDate": None},
        {"departureDate": "0000-00-00"},
        {"departureDate": FREE.isoformat()},
        {"departureDate": "2027-01-02"},
    ],
)
def test_a_stay_without_place_or_nights_takes_no_day(broken: dict[str, Any]) -> None:
    """No listing, one that is not there, no dates, no night."""
    world = World(reservations=20, listings=2)
    number = stay(world, world.listing_ids[0])
    world.update_reservation(number, **broken)
    assert [reserved(world, listing, FREE, LAST) for listing in world.listing_ids] == [set(), set()]


def test_a_day_is_taken_until_its_last_stay_is_gone() -> None:
    """Two stays overlap, as after a double booking."""
    world = World(reservations=20, listings=2)
    first, second = stay(world, world.listing_ids[0], days=2), stay(world, world.listing_ids[0], days=4)
    both = world.calendar_truth(world.listing_ids[0], FREE, FREE, resources=True)[0]
    assert {row["id"] for row in both["reservations"]} == {first, second}
    world.cancel_reservation(second)
    assert reserved(world, world.listing_ids[0], FREE, LAST) == nights(FREE, FREE + timedelta(2))
    world.delete_reservation(first)
    assert reserved(world, world.listing_ids[0], FREE, LAST) == set()


def without_stays(days: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return days without the keys whose values a stay decides."""
    return [{key: value for key, value in day.items() if key not in ("isAvailable", "status")} for day in days]


def test_other_keys_of_a_day_come_from_the_seed_alone() -> None:
    """A stay changes neither price nor note; another seed has other days."""
    world, other = World(reservations=0, listings=2), World(reservations=0, listings=2, seed=2)
    listing = world.listing_ids[0]
    before = world.calendar_truth(listing, FREE, LAST)
    assert before == World(reservations=0, listings=2).calendar_truth(listing, FREE, LAST)
    assert before != other.calendar_truth(listing, FREE, LAST)
    year = world.calendar_truth(listing, FREE, FREE + timedelta(400))
    assert {day["status"] for day in year} == {"available", "blocked", "pending"}
    world.move_reservation(stay(world, listing), departure=LAST)
    after = world.calendar_truth(listing, FREE, LAST)
    assert without_stays(after) == without_stays(before)
    assert after != before


def test_edited_days_keep_what_was_not_edited() -> None:
    """An owner's block, a pricing tool's price: over the seed's values, silent, and day by day."""
    world = World(reservations=0, listings=2)
    listing, other = world.listing_ids
    before = world.calendar_truth(listing, FREE, LAST)
    stamps = (world.revision, len(world.outbox))
    world.edit_days(listing, FREE, FREE + timedelta(4), isAvailable=0, note="The owner's sister 🎈")
    world.edit_days(listing, FREE + timedelta(4), FREE + timedelta(6), price="180.50", isAvailable=1)
    block = {"isAvailable": 0, "status": "blocked", "note": "The owner's sister 🎈"}
    fresh = {"isAvailable": 1, "status": "available", "price": "180.50"}
    assert world.calendar_truth(listing, FREE, LAST) == [
        *(day | block for day in before[:4]),
        before[4] | block | fresh,
        *(day | fresh for day in before[5:7]),
        *before[7:],
    ]
    assert stamps == (world.revision, len(world.outbox))
    clean = World(reservations=0, listings=2)
    assert world.calendar_truth(other, FREE, LAST) == clean.calendar_truth(other, FREE, LAST)
    last = FREE + timedelta(6)
    world.edit_days(listing, last, last, status="pending", price=None, isProcessed=0)
    day = world.calendar_truth(listing, last, last)[0]
    assert (day["isAvailable"], day["status"], day["price"], day["isProcessed"]) == (0, "pending", None, 0)
    world.edit_days(listing, last, last, isAvailable="1")
    day = world.calendar_truth(listing, last, last)[0]
    assert (day["isAvailable"], day["status"]) == ("1", "available")


def test_no_edit_frees_a_day_that_a_stay_takes() -> None:
    """The written value shows once the stay is gone."""
    world = World(reservations=0, listings=1)
    number = stay(world, world.listing_ids[0], days=1)
    world.edit_days(world.listing_ids[0], FREE, FREE, isAvailable=1, status="available", price=99)
    day = world.calendar_truth(world.listing_ids[0], FREE, FREE)[0]
    assert (day["isAvailable"], day["status"], day["price"]) == (0, "reserved", 99)
    world.edit_days(world.listing_ids[0], FREE, FREE, isAvailable=0)
    world.cancel_reservation(number)
    day = world.calendar_truth(world.listing_ids[0], FREE, FREE)[0]
    assert (day["isAvailable"], day["status"], day["price"]) == (0, "blocked", 99)


def test_only_keys_of_a_listed_listing_can_be_edited() -> None:
    """A misspelt key, a fixed one, a listing that is not there."""
    world = World(reservations=0, listings=1)
    for key in ("minimum_stay", "id", "date", "reservations"):
        with pytest.raises(ValueError, match=f"'{key}' is no key"):
            world.edit_days(world.listing_ids[0], FREE, FREE, **{key: 1})
    with pytest.raises(KeyError):
        world.edit_days(5, FREE, FREE, price=1)
    with pytest.raises(KeyError):
        world.calendar_truth(5, FREE, FREE)


def random_change(world: World, chance: random.Random) -> None:
    """Make one random change of a stay."""
    rows = [number for _, number in world.reservation_order]
    number, listing = chance.choice(rows), chance.choice(world.listing_ids)
    arrival = FIRST + timedelta(chance.randrange(180))
    departure = arrival + timedelta(chance.randrange(6))
    changes: list[Callable[[], object]] = [
        lambda: world.move_reservation(number, arrival=arrival, departure=departure),
        lambda: world.move_reservation(number, listing_id=listing),
        lambda: world.move_reservation(number, arrival=arrival, departure=departure, listing_id=listing),
        lambda: world.update_reservation(number, status=chance.choice([*TAKES, *LEAVES])),
        lambda: world.cancel_reservation(number),
        lambda: world.delete_reservation(number),
        lambda: world.pay(number),
        lambda: world.touch(chance.sample(rows, 3)),
        lambda: stay(world, listing, status=chance.choice([*TAKES, *LEAVES])),
    ]
    chance.choice(changes)()


@given(seed=st.integers(0, 10_000), questions=st.lists(st.booleans(), min_size=1, max_size=25))
@settings(max_examples=40, deadline=None)
def test_whatever_happens_days_follow_the_stays(seed: int, questions: list[bool]) -> None:
    """However the calendars were asked for in between, they agree with the reservations read one by one."""
    world = World(reservations=40, listings=3, seed=seed, conversations=False)
    chance = random.Random(seed)  # noqa: S311  (a test that can be repeated)
    for asks in questions:
        random_change(world, chance)
        if asks:
            reserved(world, chance.choice(world.listing_ids))
    assert {number: reserved(world, number) for number in world.listing_ids} == {
        number: expected(world, number) for number in world.listing_ids
    }


def test_a_deleted_listing_has_no_calendar_and_its_stays_wait() -> None:
    """A listing that comes back under the same id has its stays again."""
    world = World(reservations=60, listings=2)
    listing = world.listing_ids[0]
    before = reserved(world, listing)
    world.delete_listing(listing)
    with pytest.raises(KeyError):
        world.calendar_truth(listing, FIRST, LAST)
    world.create_listing(listing)
    assert reserved(world, listing) == before


def test_a_year_of_days_is_cheap() -> None:
    """About a millisecond; the bound leaves room for slow machines."""
    world = World(reservations=5_000, listings=50, conversations=False)
    world.calendar_truth(world.listing_ids[0], FREE, FREE)
    started = time.process_time()
    for number in world.listing_ids:
        assert len(world.calendar_texts(number, 20_700, 21_064)) == 365
    assert time.process_time() - started < 50 * 0.01
