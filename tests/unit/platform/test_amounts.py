"""Amounts of money, in the many forms in which they are written."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hostaway_sync.platforms.hostaway.parsing import casts


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (None, None),
        ("", None),
        (7, Decimal(7)),
        (-0.5, Decimal("-0.5")),
        (" 310.50 ", Decimal("310.50")),
        (Decimal("310.50"), Decimal("310.50")),
        ("1e3", Decimal(1000)),
    ],
)
def test_amount_is_a_number_or_its_digits(value: object, amount: Decimal | None) -> None:
    """No amount is rounded."""
    assert casts.as_amount(value) == amount


@pytest.mark.parametrize("value", [True, False, [], {}, b"7", "seven", "7 EUR", "NaN", "inf", float("inf")])
def test_other_values_are_no_amount(value: object) -> None:
    """Neither a truth value nor an infinite number."""
    with pytest.raises(casts.Misfit):
        casts.as_amount(value)


@pytest.mark.parametrize("value", ["999999999999999.99", "-999999999999999.99", f"0.{'0' * 29}1"])
def test_amount_fits_its_column(value: str) -> None:
    """Fifteen digits before the point, and thirty behind it."""
    assert casts.as_amount(value) == Decimal(value)


@pytest.mark.parametrize("value", ["1e15", "-1e15", f"0.{'0' * 30}1"])
def test_amount_beyond_its_column_is_none(value: str) -> None:
    """It is not cut: a wrong amount would be worse than none."""
    with pytest.raises(casts.Misfit):
        casts.as_amount(value)
