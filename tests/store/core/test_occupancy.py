"""Occupancy by month against cases that a person worked out. Each case says how its figures came about."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.support.core_rows import add_days, add_listing, add_stay
from tests.support.records import add_account
from tests.support.sql import row, rows

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

FIGURES = (
    "nights_total, nights_available, nights_booked, nights_owner, occupancy, revenue, accommodation_revenue, currency,"
    " adr, revpar"
)


class Month(NamedTuple):
    """A row of a listing's month, in the order of `FIGURES`."""

    total: int
    available: int
    booked: int
    owner: int
    occupancy: str | None
    revenue: str | None
    accommodation: str | None
    currency: str | None
    adr: str | None
    revpar: str | None


def month_rows(database: Database, listing_id: int, month: str) -> list[tuple[Any, ...]]:
    """Return the rows of a listing's month, the one with its nights first."""
    return rows(
        database,
        f"SELECT {FIGURES} FROM core.occupancy_monthly WHERE listing_key = :key AND month = CAST(:month AS date)"
        " ORDER BY nights_total DESC, nights_booked DESC",
        key=f"hostaway:1:{listing_id}",
        month=month,
    )


def expected(*months: Month) -> list[tuple[Any, ...]]:
    """Return rows whose amounts are numbers."""
    exact = {"occupancy", "revenue", "accommodation", "adr", "revpar"}
    return [
        tuple(
            Decimal(value) if name in exact and value is not None else value
            for name, value in zip(Month._fields, one, strict=True)
        )
        for one in months
    ]


@pytest.fixture
def account(database: Database) -> Database:
    """Return a database with account 1."""
    add_account(database)
    return database


def test_a_house_with_one_of_everything(account: Database) -> None:
    """Guests over the edge of a month, an owner, a cancellation, and days that the calendar closes."""
    add_listing(account, 1, insertedOn="2026-01-15 08:00:00")
    add_stay(account, 1, 1, ("2026-01-30", "2026-02-03"), currency="EUR", totalPrice=400, cleaningFee=40)
    add_stay(
        account, 2, 1, ("2026-02-10", "2026-02-20"), currency="EUR", totalPrice=1000, cleaningFee=100, taxAmount=100
    )
    add_stay(account, 3, 1, ("2026-02-20", "2026-02-22"), "ownerStay", currency="EUR", totalPrice=0)
    add_stay(account, 4, 1, ("2026-02-23", "2026-02-26"), "cancelled", currency="EUR", totalPrice=300)
    add_days(account, 1, "2026-02-10", "2026-02-19", "reserved")
    add_days(account, 1, "2026-02-20", "2026-02-21", "blocked")
    add_days(account, 1, "2026-02-22", "2026-02-24", "available")
    add_days(account, 1, "2026-02-25", "2026-02-28", "blocked")
    # Stay 1: 400 / 4 = 100 a night, rooms (400 - 40) / 4 = 90; two nights in each month.
    # January: 31 days. Booked 2, 2 / 31 = 0.0645; revenue 200, rooms 180; 180 / 2 = 90; 180 / 31 = 5.81.
    assert month_rows(account, 1, "2026-01-01") == expected(
        Month(31, 31, 2, 0, "0.0645", "200", "180", "EUR", "90.00", "5.81")
    )
    # Stay 2: rooms 1000 - 100 - 100 = 800, 80 a night, ten nights.
    # February: 28 days, 2 of the owner (closed in the calendar, too: counted once), 4 closed: 28 - 2 - 4 = 22.
    # Booked 2 + 10 = 12, 12 / 22 = 0.5455; revenue 200 + 1000, rooms 180 + 800 = 980.
    # 980 / 12 = 81.67; 980 / 22 = 44.55.
    assert month_rows(account, 1, "2026-02-01") == expected(
        Month(28, 22, 12, 2, "0.5455", "1200", "980", "EUR", "81.67", "44.55")
    )
    # March has nothing but its 31 days: 0 is known, an average of no nights is not.
    assert month_rows(account, 1, "2026-03-01") == expected(Month(31, 31, 0, 0, "0", "0", "0", "EUR", None, "0"))
    # The listing did not exist in December.
    assert month_rows(account, 1, "2025-12-01") == []


def test_currencies_have_rows_of_their_own(account: Database) -> None:
    """Amounts are never added; the nights of the listing stand in one row, so that sums over rows are right."""
    add_listing(account, 2, currencyCode="NOK")
    add_stay(account, 1, 2, ("2026-02-01", "2026-02-04"), currency="EUR", totalPrice=300)
    add_stay(account, 2, 2, ("2026-02-10", "2026-02-15"), currency="USD", totalPrice=1000, cleaningFee=250)
    add_stay(account, 3, 2, ("2026-02-20", "2026-02-21"), "ownerStay", currency="NOK")
    # Available 28 - 1 = 27. Dollars have most nights, and the listing's: 5 + 3 = 8 booked, 8 / 27 = 0.2963.
    # Dollars: rooms 750; 750 / 5 = 150; 750 / 27 = 27.78. Euros: 300 / 3 = 100; 300 / 27 = 11.11.
    assert month_rows(account, 2, "2026-02-01") == expected(
        Month(28, 27, 5, 1, "0.2963", "1000", "750", "USD", "150", "27.78"),
        Month(0, 0, 3, 0, None, "300", "300", "EUR", "100", "11.11"),
    )
    sums = "sum(nights_total), sum(nights_available), sum(nights_booked), sum(nights_owner)"
    assert row(account, f"SELECT {sums} FROM core.occupancy_monthly WHERE month = '2026-02-01'") == (28, 27, 8, 1)


def test_units_of_a_listing_are_counted(account: Database) -> None:
    """Three units are three nights a day; a stay may take two of them; closed are those that no stay takes."""
    add_listing(account, 3, listingUnits=[{"id": 7, "name": "A"}, {"id": 8, "name": "B"}, {"id": 9, "name": "C"}])
    add_stay(account, 1, 3, ("2026-02-01", "2026-02-11"), currency="EUR", totalPrice=1000, reservationUnit=[{"id": 1}])
    add_stay(account, 2, 3, ("2026-02-06", "2026-02-11"), currency="EUR", totalPrice=500)
    add_stay(account, 3, 3, ("2026-02-20", "2026-02-22"), currency="EUR", totalPrice=400, reservationUnit=[{}, {}])
    add_stay(account, 4, 3, ("2026-02-15", "2026-02-16"), "ownerStay", reservationUnit=[{}, {}])
    add_days(account, 3, "2026-02-06", "2026-02-06", "blocked")
    add_days(account, 3, "2026-02-25", "2026-02-25", "blocked")
    # 28 x 3 = 84 in all, 2 of the owner. Closed: on the 6th 3 - 2 = 1, on the 25th 3; available 84 - 2 - 4 = 78.
    # Booked 10 + 5 + 2 x 2 = 19, 19 / 78 = 0.2436. Revenue 1900; 1900 / 19 = 100; 1900 / 78 = 24.36.
    assert month_rows(account, 3, "2026-02-01") == expected(
        Month(84, 78, 19, 2, "0.2436", "1900", "1900", "EUR", "100", "24.36")
    )


def test_unusual_months(account: Database) -> None:
    """What is unknown is null, what is none is 0, and nothing is divided by zero."""
    # What the calendar calls reserved is not closed: a stay that is not mirrored may have it.
    add_listing(account, 4)
    add_days(account, 4, "2026-02-05", "2026-02-06", "reserved")
    # Listing 5 is not mirrored. 10001 yen: 5000 and 5001; 10001 / 2 = 5000.5, rounded 5001; 10001 / 28 = 357.2.
    add_stay(account, 1, 5, ("2026-02-01", "2026-02-03"), currency="JPY", totalPrice=10001)
    add_listing(account, 6, specialStatus="archived")
    add_stay(account, 2, 6, ("2026-02-27", "2026-02-28"), currency="EUR", totalPrice=28)
    add_listing(account, 7, missing_since="2026-02-10")
    # One amount of two is known: the average is of the nights whose amount is known, 200 / 2 = 100; 200 / 28 = 7.14.
    add_listing(account, 8)
    add_stay(account, 3, 8, ("2026-02-01", "2026-02-03"), currency="EUR")
    add_stay(account, 4, 8, ("2026-02-05", "2026-02-07"), currency="EUR", totalPrice=200)
    # Sold twice, all month: 56 / 28 = 2.
    add_listing(account, 9)
    add_stay(account, 5, 9, ("2026-02-01", "2026-03-01"), currency="EUR")
    add_stay(account, 6, 9, ("2026-02-01", "2026-03-01"), currency="EUR")
    # Closed all month, and the owner's all month, even twice: no night to be sold.
    add_listing(account, 10)
    add_days(account, 10, "2026-02-01", "2026-02-28", "blocked")
    add_listing(account, 11)
    add_stay(account, 7, 11, ("2026-02-01", "2026-03-01"), "ownerStay", currency="CHF")
    add_stay(account, 9, 11, ("2026-02-01", "2026-03-01"), "ownerStay")
    add_listing(account, 12)
    add_stay(account, 8, 12, ("0001-01-01", "9999-12-31"), currency="EUR", totalPrice=1)
    empty = Month(28, 28, 0, 0, "0", "0", "0", "EUR", None, "0")
    cases = {
        4: [empty],
        5: [Month(28, 28, 2, 0, "0.0714", "10001", "10001", "JPY", "5001", "357")],
        6: [Month(28, 28, 1, 0, "0.0357", "28", "28", "EUR", "28", "1")],
        7: [empty],
        8: [Month(28, 28, 4, 0, "0.1429", "200", "200", "EUR", "100", "7.14")],
        9: [Month(28, 28, 56, 0, "2", None, None, "EUR", None, None)],
        10: [Month(28, 0, 0, 0, None, "0", "0", "EUR", None, None)],
        11: [Month(28, 0, 0, 56, None, "0", "0", "EUR", None, None)],
        12: [empty],
    }
    for listing_id, months in cases.items():
        assert month_rows(account, listing_id, "2026-02-01") == expected(*months), listing_id
    # An archived listing and one that is gone have no further months.
    assert [month_rows(account, listing_id, "2026-03-01") for listing_id in (6, 7)] == [[], []]


def test_listing_has_every_month_from_its_beginning_to_a_year_from_now(account: Database) -> None:
    """Also without any stay: a house that nobody books is what a report must show."""
    add_listing(account, 1, insertedOn="2024-03-31 23:00:00")
    months = [month for (month,) in rows(account, "SELECT month FROM core.occupancy_monthly ORDER BY 1")]
    assert months[0] == date(2024, 3, 1)
    (today,) = row(account, "SELECT current_date")
    assert months[-1] == (today + timedelta(days=365)).replace(day=1)
    assert len(months) == (months[-1].year - 2024) * 12 + months[-1].month - 2


def test_months_add_up_to_nights_and_nights_to_totals(account: Database) -> None:
    """Of any stays, the months have the nights and amounts that the nights have, and these what the guests pay."""
    dice = random.Random(15)  # noqa: S311
    for number in range(1, 151):
        arrival = date(2025, 11, 1) + timedelta(days=dice.randrange(200))
        departure = arrival + timedelta(days=dice.choice((1, 2, 3, 7, 40, 400)))
        add_stay(
            account,
            number,
            dice.randrange(1, 4),
            (arrival.isoformat(), departure.isoformat()),
            dice.choice(("new", "modified", "ownerStay")),
            currency=dice.choice(("EUR", "JPY", "KWD")),
            totalPrice=dice.choice((None, dice.randrange(100_000), round(dice.random() * 1000, 4))),
        )
    by_month = (
        "SELECT listing_key, date_trunc('month', date)::date, currency, count(*), sum(revenue),"
        " sum(accommodation_revenue) FROM core.nights WHERE stay_type = 'guest' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    monthly = (
        "SELECT listing_key, month, currency, nights_booked, revenue, accommodation_revenue FROM core.occupancy_monthly"
        " WHERE nights_booked > 0 ORDER BY 1, 2, 3"
    )
    found = rows(account, monthly)
    assert found == rows(account, by_month)
    assert len(found) > 50
    owners = "SELECT count(*) FROM core.nights WHERE stay_type = 'owner'"
    assert row(account, "SELECT sum(nights_owner) FROM core.occupancy_monthly") == row(account, owners)
    wrong = (
        "SELECT reservation_key FROM core.nights JOIN core.reservations r USING (reservation_key)"
        " WHERE r.stay_type = 'guest' GROUP BY reservation_key, r.guest_total"
        " HAVING sum(revenue) IS DISTINCT FROM r.guest_total"
    )
    assert rows(account, wrong) == []
