"""Nights of stays against cases that a person worked out. Each case says how its amounts came about."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.core_rows import add_stay, days
from tests.support.records import add_account
from tests.support.sql import row, rows

if TYPE_CHECKING:
    from datetime import date

    from hostaway_sync.store.postgres.database import Database


class Case(NamedTuple):
    """A reservation, and the nights that it makes: the day, its part of the total, and its part for the rooms alone."""

    title: str
    arrival: str
    departure: str
    payload: dict[str, Any]
    nights: list[tuple[date, str | None, str | None]]
    status: str = "new"
    missing_since: str | None = None


def _same(first: str, *parts: tuple[str | None, str | None]) -> list[tuple[date, str | None, str | None]]:
    return [(day, *part) for day, part in zip(days(first, len(parts)), parts, strict=True)]


EUR = {"currency": "EUR"}
CASES = [
    # 100.00 / 3 = 33.333…, cut to cents 33.33; the last night has 100.00 - 2 x 33.33 = 33.34.
    # Rooms: 100.00 - 10.00 cleaning - 7.50 taxes = 82.50; 82.50 / 3 = 27.50, the last night the same.
    Case(
        "cents are left over",
        "2026-03-01",
        "2026-03-04",
        EUR | {"totalPrice": 100, "cleaningFee": 10, "taxAmount": 7.5},
        _same("2026-03-01", ("33.33", "27.50"), ("33.33", "27.50"), ("33.34", "27.50")),
    ),
    # A yen has no cents: 10000 / 3 = 3333.3, cut 3333; the last night has 10000 - 6666 = 3334.
    Case(
        "a currency without cents",
        "2026-03-01",
        "2026-03-04",
        {"currency": "JPY", "totalPrice": 10000},
        _same("2026-03-01", ("3333", "3333"), ("3333", "3333"), ("3334", "3334")),
    ),
    # A dinar has thousandths: 10.000 / 3 = 3.3333, cut 3.333; the last night has 10.000 - 6.666 = 3.334.
    Case(
        "a currency of thousandths",
        "2026-03-01",
        "2026-03-04",
        {"currency": "KWD", "totalPrice": "10.000"},
        _same("2026-03-01", ("3.333", "3.333"), ("3.333", "3.333"), ("3.334", "3.334")),
    ),
    # 100.00 / 6 = 16.666…, cut, not rounded: 16.66; the last night has 100.00 - 5 x 16.66 = 16.70.
    Case(
        "more cents are left over",
        "2026-03-01",
        "2026-03-07",
        EUR | {"totalPrice": 100},
        _same("2026-03-01", *[("16.66", "16.66")] * 5, ("16.70", "16.70")),
    ),
    # One night has all of it, and what is finer than a cent stays: 99.999.
    Case(
        "one night", "2026-03-01", "2026-03-02", EUR | {"totalPrice": 99.999}, _same("2026-03-01", ("99.999", "99.999"))
    ),
    # 0.01 / 3 = 0.0033, cut 0.00; the last night has the cent.
    Case(
        "less than a cent a night",
        "2026-03-01",
        "2026-03-04",
        EUR | {"totalPrice": 0.01},
        _same("2026-03-01", ("0", "0"), ("0", "0"), ("0.01", "0.01")),
    ),
    # -10.00 / 3 = -3.333, cut -3.33; the last night has -10.00 + 6.66 = -3.34. A credit is not lost.
    Case(
        "a credit",
        "2026-03-01",
        "2026-03-04",
        EUR | {"totalPrice": -10},
        _same("2026-03-01", ("-3.33", "-3.33"), ("-3.33", "-3.33"), ("-3.34", "-3.34")),
    ),
    # Free is known to be 0, not unknown. Rooms: 0 - 60 cleaning = -60; -60 / 2 = -30.
    Case(
        "a gift",
        "2026-03-01",
        "2026-03-03",
        EUR | {"totalPrice": 0, "cleaningFee": 60},
        _same("2026-03-01", ("0", "-30"), ("0", "-30")),
    ),
    # Two nights in January, one in February; 90 / 3 = 30. The leap day of 2028 is a night, too.
    Case(
        "over the edge of a month",
        "2026-01-30",
        "2026-02-02",
        EUR | {"totalPrice": 90},
        _same("2026-01-30", ("30", "30"), ("30", "30"), ("30", "30")),
    ),
    Case(
        "a leap day",
        "2028-02-28",
        "2028-03-01",
        EUR | {"totalPrice": 20},
        _same("2028-02-28", ("10", "10"), ("10", "10")),
    ),
    Case("no amount", "2026-03-01", "2026-03-03", EUR, _same("2026-03-01", (None, None), (None, None))),
    Case(
        "an amount that is no number",
        "2026-03-01",
        "2026-03-02",
        EUR | {"totalPrice": "NaN"},
        _same("2026-03-01", (None, None)),
    ),
    # Without a currency, cents: 10 / 3 = 3.33, 3.33, and 3.34.
    Case(
        "no currency",
        "2026-03-01",
        "2026-03-04",
        {"totalPrice": 10},
        _same("2026-03-01", ("3.33", "3.33"), ("3.33", "3.33"), ("3.34", "3.34")),
    ),
    # The owner's nights are taken, but earn nothing, whatever the payload says.
    Case(
        "a stay of the owner",
        "2026-03-01",
        "2026-03-03",
        EUR | {"totalPrice": 500},
        _same("2026-03-01", (None, None), (None, None)),
        status="ownerStay",
    ),
    Case(
        "the old word of a confirmed stay",
        "2026-03-01",
        "2026-03-02",
        EUR | {"totalPrice": 5},
        _same("2026-03-01", ("5", "5")),
        status="confirmed",
    ),
    Case("zero nights", "2026-03-01", "2026-03-01", EUR | {"totalPrice": 100}, []),
    Case("dates the wrong way round", "2026-03-04", "2026-03-01", EUR | {"totalPrice": 100}, []),
    Case("cancelled", "2026-03-01", "2026-03-04", EUR | {"totalPrice": 100}, [], status="cancelled"),
    Case("not paid yet", "2026-03-01", "2026-03-04", EUR | {"totalPrice": 100}, [], status="awaitingPayment"),
    Case("only asked", "2026-03-01", "2026-03-04", EUR | {"totalPrice": 100}, [], status="inquiry"),
    Case("a status that is new", "2026-03-01", "2026-03-04", EUR | {"totalPrice": 100}, [], status="somethingNew"),
    Case(
        "deleted at the source", "2026-03-01", "2026-03-04", EUR | {"totalPrice": 100}, [], missing_since="2026-03-01"
    ),
    # 9998 years are 3,651,695 nights: a mistake, and no rows.
    Case("absurd dates", "0001-01-01", "9999-12-31", EUR | {"totalPrice": 100}, []),
    Case("an absurd departure", "2026-03-01", "9999-12-31", EUR | {"totalPrice": 100}, []),
    Case("an absurd arrival", "0001-01-01", "2026-03-01", EUR | {"totalPrice": 100}, []),
    Case("an arrival before 2000", "1999-12-31", "2000-01-02", EUR | {"totalPrice": 100}, []),
    Case("a departure after 2049", "2049-12-31", "2050-01-02", EUR | {"totalPrice": 100}, []),
    # 2026-01-01 to 2029-01-02 are 365 + 365 + 366 + 1 = 1,097 nights: one more than is believed.
    Case("more than three years", "2026-01-01", "2029-01-02", EUR | {"totalPrice": 100}, []),
]


def test_nights_are_those_worked_out_by_hand(database: Database) -> None:
    """Every case above, in one database: the nights of each reservation, in order."""
    add_account(database)
    for number, case in enumerate(CASES, start=1):
        add_stay(database, number, 10, (case.arrival, case.departure), case.status, case.missing_since, **case.payload)
    found: dict[str, list[tuple[date, Decimal | None, Decimal | None]]] = {}
    query = "SELECT reservation_key, date, revenue, accommodation_revenue FROM core.nights ORDER BY date"
    for key, *night in rows(database, query):
        found.setdefault(key, []).append((night[0], night[1], night[2]))
    for number, case in enumerate(CASES, start=1):
        expected = [(day, *map(_decimal, amounts)) for day, *amounts in case.nights]
        assert found.pop(f"hostaway:1:{number}", []) == expected, case.title
    assert found == {}
    assert row(database, "SELECT count(*) FROM core.stays WHERE revenue_per_night IS DISTINCT FROM 1") == (
        sum(1 for case in CASES if case.nights),
    )


def test_a_stay_of_three_years_has_all_its_nights(database: Database) -> None:
    """2026-01-01 to 2029-01-01 are 365 + 365 + 366 = 1,096 nights, the most that are believed."""
    add_account(database)
    add_stay(database, 1, 10, ("2026-01-01", "2029-01-01"), currency="EUR", totalPrice=1096)
    found = row(
        database, "SELECT count(*) AS nights, sum(revenue) AS revenue, max(date)::text AS last FROM core.nights"
    )
    assert found == (1096, 1096, "2028-12-31")


def test_a_night_says_whose_it_is(database: Database) -> None:
    """Two units of a listing are two rows of the same night; a stay that takes two units says so."""
    add_account(database)
    add_stay(database, 1, 10, ("2026-03-01", "2026-03-02"), reservationUnit=[{"listingUnitId": 7}], totalPrice=1)
    add_stay(
        database, 2, 10, ("2026-03-01", "2026-03-02"), reservationUnit=[{"listingUnitId": 8}, {"listingUnitId": 9}]
    )
    add_stay(database, 3, 11, ("2026-03-01", "2026-03-02"), "ownerStay", reservationUnit="broken")
    columns = "source, account_id, listing_key, reservation_key, unit_key, unit_count, channel, stay_type"
    assert rows(database, f"SELECT {columns} FROM core.nights ORDER BY reservation_key") == [
        ("hostaway", "1", "hostaway:1:10", "hostaway:1:1", "hostaway:1:7", 1, "airbnb", "guest"),
        ("hostaway", "1", "hostaway:1:10", "hostaway:1:2", "hostaway:1:8", 2, "airbnb", "guest"),
        ("hostaway", "1", "hostaway:1:11", "hostaway:1:3", None, 1, "airbnb", "owner"),
    ]


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
