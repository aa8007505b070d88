from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model.records import Resource
from hostaway_sync.model.redaction import Redaction, parse_rules
from hostaway_sync.platforms.hostaway.parsing.calendar_days import as_calendar_day, read_entries
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY

DAY = {
    "id": 6002040786,
    "date": "2026-11-29",
    "isAvailable": 1,
    "isProcessed": 1,
    "status": "available",
    "price": 170,
    "minimumStay": 2,
    "maximumStay": 365,
    "closedOnArrival": None,
    "closedOnDeparture": 0,
    "note": None,
    "countAvailableUnits": None,
    "reservations": [],
}


def read(**changes: Any) -> Any:
    """Read a day with these keys changed."""
    return as_calendar_day(json.dumps(DAY | changes).encode())


def test_day_is_stored_without_nulls_and_embedded_stays() -> None:
    """Its columns have the values of its payload."""
    day = read(reservations=[{"guestName": "Mette"}])
    assert day.date == date(2026, 11, 29)
    left = {key: value for key, value in DAY.items() if value is not None and key != "reservations"}
    assert json.loads(day.read().payload) == left
    assert day.read().columns == {
        "is_available": True,
        "status": "available",
        "price": Decimal(170),
        "minimum_stay": 2,
        "maximum_stay": 365,
        "closed_on_arrival": None,
        "closed_on_departure": False,
        "available_units": None,
        "note": None,
    }
    assert day.read().misfits == 0


def test_hash_of_a_day_ignores_volatile_parts() -> None:
    """Whether it was sent to the channels, embedded stays, and the order of keys."""
    same = read().payload_hash
    assert read(isProcessed=0).payload_hash == same
    assert read(reservations=[{"id": 1}]).payload_hash == same
    assert as_calendar_day(json.dumps(dict(reversed(DAY.items()))).encode()).payload_hash == same  # type: ignore[union-attr]
    assert read(unknownKey=None).payload_hash == same
    for changes in ({"price": 171}, {"isAvailable": 0}, {"note": "x"}, {"unknownKey": 1}, {"price": "170"}):
        assert read(**changes).payload_hash != same


def test_hash_of_a_day_stays_the_same_between_releases() -> None:
    """Another rule would make every mirrored day a changed one; such a rule needs a new first byte."""
    assert read().payload_hash.hex() == "01a86c11ac8b86562158b626d6b0405d65"
    # Keys and values are kept apart: the same characters in other places make another hash.
    assert read(a1=2).payload_hash != read(a=12).payload_hash


def test_hidden_fields_of_a_day_are_neither_stored_nor_compared() -> None:
    """Hashes need the secret, so that no guess can be compared; entries that are no day are hidden, too."""
    secret = b"s" * 32
    redactor = Redaction(parse_rules("calendar.note=drop"), secret, VOCABULARY).redactor_for(Resource.CALENDAR)
    assert redactor is not None
    (first, second), (entry,) = read_entries(
        [
            b'{"date":"2026-11-29","note":"Mette"}',
            b'{"date":"2026-11-29","note":"Ida"}',
            b'{"date":"soon","note":"Mette"}',
        ],
        redactor,
    )
    assert first.payload_hash == second.payload_hash == redactor.digest(b'date\0"2026-11-29"')
    assert first.read().payload == '{"date":"2026-11-29"}'
    assert (entry.exact, entry.reason) == (b'{"date":"soon"}', "no usable date")
    assert entry.payload_hash == redactor.digest(b'{"date":"soon","note":"Mette"}')


def test_each_value_that_does_not_fit_is_counted() -> None:
    """The day itself is stored, with no value in these columns."""
    day = read(price="free", minimumStay="long", isAvailable="perhaps")
    columns = day.read().columns
    assert [columns[name] for name in ("price", "minimum_stay", "is_available")] == [None, None, None]
    assert day.read().misfits == 3


@pytest.mark.parametrize(
    ("price", "amount", "misfits"),
    [
        (0, Decimal(0), 0),
        (None, None, 0),
        ("", None, 0),
        ("180.50", Decimal("180.50"), 0),
        (180.5, Decimal("180.5"), 0),
        (-3, Decimal(-3), 0),
        ("free", None, 1),
        (True, None, 1),
        ([], None, 1),
        ("NaN", None, 1),
        ("1e99", None, 1),
        ("1e-99", None, 1),
    ],
)
def test_prices_come_in_many_forms(price: object, amount: Decimal | None, misfits: int) -> None:
    """A value that is no amount costs its column, not the day; the payload keeps it."""
    day = read(price=price)
    assert (day.read().columns["price"], day.read().misfits) == (amount, misfits)
    if price is not None:
        assert json.loads(day.read().payload)["price"] == price


@pytest.mark.parametrize("stamp", [None, "", "0000-00-00", "soon", 20261129, "2026-02-30"])
def test_entry_without_a_usable_date_is_no_day(stamp: object) -> None:
    """It counts as a day that did not come."""
    assert read(date=stamp) is None


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"7", b'{"date"', b'{"id": 1}', b"\xff", b'{"date": "2026-11-29"']
)
def test_bytes_that_are_no_day_raise_no_error(raw: bytes) -> None:
    """They are no day, whatever they hold."""
    assert as_calendar_day(raw) is None


def test_text_that_jsonb_refuses_is_cleaned() -> None:
    """A note may hold anything that a person's clipboard held."""
    day = as_calendar_day(b'{"date":"2026-11-29","note":"a\\u0000b\\ud800"}')
    assert day is not None
    assert day.read().columns["note"] == "a\ufffdb\ufffd"
    assert "\\u0000" not in day.read().payload


def test_numbers_keep_their_digits() -> None:
    """An id beyond 2**53 and a price of many digits are stored as they came."""
    day = as_calendar_day(b'{"date":"2026-11-29","id":9007199254740993,"price":1.10}')
    assert day is not None
    assert '"id":9007199254740993' in day.read().payload
    assert '"price":1.10' in day.read().payload


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5) | st.lists(st.none())))
def test_unknown_keys_of_a_day_are_kept(others: dict[str, Any]) -> None:
    """Keys of a later version of the API, too."""
    clean = json.loads(json.dumps(others).replace("\\u0000", "\\ufffd"))
    day = as_calendar_day(json.dumps(others | {"date": "2026-11-29"}).encode())
    assert day is not None
    kept = json.loads(day.read().payload)
    for key, value in clean.items():
        if value is not None and key not in {"date", "reservations"}:
            assert kept[key] == value
