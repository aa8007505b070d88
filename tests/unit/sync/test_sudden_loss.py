"""When so many rows are missing at once that the source is doubted, and not the rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.sync import plan


@pytest.mark.parametrize(
    ("unlisted", "live", "marked", "is_sudden"),
    [
        (0, 5, 100, False),
        (10, 100, 0, False),
        (11, 100, 0, True),
        (1, 100, 10, False),
        (2, 100, 10, True),
        (6, 94, 6, True),
        (1, 1, 2, True),
        (1, 1, 1, False),
        (1, 1_000, 50, False),
    ],
)
def test_recently_marked_rows_count_as_gone_at_once(unlisted: int, live: int, marked: int, *, is_sudden: bool) -> None:
    """Many small steps are one large one; without a new missing row there is nothing to stop."""
    assert plan.is_sudden(unlisted, live, marked) is is_sudden


@given(gone=st.integers(11, 1_000_000))
def test_at_most_a_tenth_may_be_gone_at_once(gone: int) -> None:
    """Exactly a tenth is accepted, whether found now or marked recently."""
    for marked in (0, gone - 1):
        assert not plan.is_sudden(gone - marked, 10 * gone - marked, marked)
        assert plan.is_sudden(gone - marked, 10 * gone - 1 - marked, marked)


@pytest.mark.parametrize(
    ("gone", "known", "is_sudden"),
    [(10, 11, False), (11, 12, True), (9, 10, False), (2, 2, False), (3, 3, True), (3, 4, False), (10, 10, True)],
)
@pytest.mark.parametrize("marked", [0, 1])
def test_few_rows_may_be_gone_whatever_their_share(gone: int, known: int, marked: int, *, is_sudden: bool) -> None:
    """Ten of eleven are accepted and eleven of twelve are not; of all rows, two are."""
    assert plan.is_sudden(gone - marked, known - marked, marked) is is_sudden


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        (0, "40 of 90 rows are no longer listed, all at once"),
        (7, "40 of 90 rows are no longer listed, all at once, after 7 that were marked missing lately"),
    ],
)
def test_sudden_loss_is_reported_in_numbers(marked: int, said: str) -> None:
    """Recently marked rows are named only where there are some."""
    assert plan.describe_sudden_loss(40, 90, marked) == said


def test_number_of_recently_marked_rows_defaults_to_none() -> None:
    """Ten of a hundred rows are accepted."""
    assert not plan.is_sudden(10, 100)
