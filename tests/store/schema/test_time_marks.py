"""Marks about the past: every column with a time is one, or listed as none; a mark ahead counts as unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model import timestamps
from hostaway_sync.store import time_marks
from hostaway_sync.store.tables import metadata
from hostaway_sync.store.tables.metadata import Timestamp
from hostaway_sync.store.tables.queue import engine_metadata

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

KINDS = {
    "mark": time_marks.MARKS,
    "plan": time_marks.PLANS,
    "moved along": time_marks.MOVED_ALONG,
    "stamp": time_marks.STAMPS,
}
TABLES = {**metadata.tables, **engine_metadata.tables}
SPANS = st.timedeltas(timedelta(0), timedelta(days=3_000_000))


def is_time(column: sa.Column[object]) -> bool:
    """Whether a column holds a time, or several."""
    kind = column.type.item_type if isinstance(column.type, sa.ARRAY) else column.type
    return isinstance(kind, sa.DateTime)


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_time_column_is_in_a_list_of_marks(table: str) -> None:
    """A new one must be added to one of the lists in `store.marks`, and be read accordingly."""
    times = sorted(column.name for column in TABLES[table].c if is_time(column))
    assert sorted(name for kind in KINDS.values() for name in kind.get(table, ())) == times


def test_database_has_no_other_time_column(database: Database) -> None:
    """Views show columns of tables; the queue's engine has tables of its own, of which we read three."""
    query = sa.text(
        "SELECT table_name, column_name FROM information_schema.columns NATURAL JOIN information_schema.tables"
        " WHERE table_schema = 'hostaway' AND table_type = 'BASE TABLE' AND data_type LIKE 'timestamp%'"
        " AND table_name NOT LIKE 'procrastinate%'"
    )
    found = {(table, name) for table, name in database.transaction(lambda connection: connection.execute(query).all())}
    listed = {(table, name) for kind in KINDS.values() for table, names in kind.items() for name in names}
    assert found - listed == set()


@pytest.mark.parametrize(
    ("mark", "is_known"),
    [
        ("now()", True),
        ("now() - interval '10 years'", True),
        ("now() + interval '4 minutes'", True),
        ("now() + interval '6 minutes'", False),
        ("now() + interval '3 days'", False),
        ("'infinity'", False),
        ("'-infinity'", False),
        ("'4713-01-01 BC'", False),
        ("'294276-01-01'", False),
        ("NULL", False),
    ],
)
def test_future_and_extreme_marks_are_unknown(database: Database, mark: str, *, is_known: bool) -> None:
    """In SQL, so that Python, whose time is shorter, never meets it."""
    moment = sa.cast(sa.literal_column(mark), Timestamp)
    query = sa.select(
        time_marks.null_if_unknown(moment),
        sa.func.coalesce(time_marks.is_known(moment), sa.false()),
        sa.func.coalesce(time_marks.is_within(moment, timedelta(days=36500)), sa.false()),
    )
    found = database.transaction(lambda connection: connection.execute(query).one())
    assert ((found[0] is not None), *found[1:]) == (is_known, is_known, is_known)


@given(st.datetimes(), SPANS, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
def test_no_mark_is_too_extreme_to_compute_with(moment: datetime, span: timedelta, zone: timedelta) -> None:
    """Both limits of time are clamped, in every zone of a stamp."""
    from datetime import timezone

    try:
        held = timestamps.clamp_moment(moment.replace(tzinfo=timezone(zone)))
    except OverflowError:  # it is none in UTC
        return
    assert timestamps.EARLIEST <= held <= timestamps.LATEST
    assert (
        timestamps.EARLIEST
        <= timestamps.subtract_clamped(held, span)
        <= held
        <= timestamps.add_clamped(held, span)
        <= timestamps.LATEST
    )
    if timestamps.EARLIEST + span <= held <= timestamps.LATEST - span:
        assert (timestamps.subtract_clamped(held, span), timestamps.add_clamped(held, span)) == (
            held - span,
            held + span,
        )


@given(st.timedeltas(timedelta(days=-400), timedelta(days=400)))
def test_mark_is_known_until_five_minutes_ahead(by: timedelta) -> None:
    """A source's stamp counts until fifteen."""
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert timestamps.is_credible_mark(now + by, now) is (by <= timedelta(minutes=5))
    assert timestamps.is_credible_stamp(now + by, now) is (by <= timedelta(minutes=15))
    assert not timestamps.is_credible_mark(None, now)
