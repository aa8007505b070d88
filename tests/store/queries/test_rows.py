from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.api_rows import fill_accounts, open_rows, walk

from hostaway_sync.app.resources import VOCABULARY
from hostaway_sync.errors import AmbiguousRecord, StoreError, UsageError
from hostaway_sync.model.callers import Access
from hostaway_sync.model.rows.cursor import RowCursor, digest_question
from hostaway_sync.model.rows.lists import EVERYTHING, FILTERS, Part, RowFilters, RowList
from hostaway_sync.store.callers.scoped_reads import ScopedReads
from hostaway_sync.store.tables import reservations

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.app.data.rows import Rows
    from hostaway_sync.store.postgres.database import Database

ALL = Access.everything()
RESERVATIONS = RowList.RESERVATIONS
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def rows(database: Database) -> Rows:
    """Return the rows of accounts 1 and 2."""
    fill_accounts(database, 1, 2)
    return open_rows(ScopedReads(database, None))


def ids(found: Any, name: str) -> list[tuple[str, str]]:
    """Return of each row its account and one more column."""
    return [(row["account_id"], row[name]) for row in found]


def test_lists_go_by_account_and_key(rows: Rows) -> None:
    """Whatever the length of a page: numbers are in the order of numbers, days in that of days, runs newest first."""
    expected = {
        RowList.ACCOUNTS: ("account_key", ["hostaway:{n}:{n}"]),
        RowList.LISTINGS: ("listing_id", ["5"]),
        RESERVATIONS: ("reservation_id", ["7", "8", "{n}0001"]),
        RowList.SYNC_RUNS: ("triggered_at", ["2026-05-01T{m}:00:00+00:00", "2026-05-01T{n}:00:00+00:00"]),
    }
    for wanted, (column, keys) in expected.items():
        whole = [
            (str(n), key.format(n=n if wanted is not RowList.SYNC_RUNS else n + 12, m=n + 14))
            for n in (1, 2)
            for key in keys
        ]
        for limit in (1, 2, len(whole), 500):
            assert ids(walk(rows, ALL, wanted, EVERYTHING, limit), column) == whole, (wanted, limit)


def test_parts_of_an_object_are_listed_by_its_id(rows: Rows) -> None:
    """Messages of its conversations are a reservation's, too; days are from the first to the last, both included."""
    page = rows.list_rows_of(ALL, RowList.MESSAGES, "hostaway:2:7", limit=1)
    assert page is not None
    assert ids(page.items, "message_id") == [("2", "9")]
    page = rows.list_rows_of(ALL, RowList.MESSAGES, "7", account_id=2, limit=1, after=page.next)
    assert page is not None
    assert ids(page.items, "message_id") == [("2", "10")]
    assert page.next is None
    days = RowFilters(first_day=date(2026, 5, 2), last_day=date(2026, 5, 3))
    page = rows.list_rows_of(ALL, RowList.CALENDAR_DAYS, "5", days, account_id=1, limit=1)
    assert page is not None
    rest = rows.list_rows_of(ALL, RowList.CALENDAR_DAYS, "5", days, account_id=1, after=page.next)
    assert rest is not None
    assert ids([*page.items, *rest.items], "date") == [("1", "2026-05-02"), ("1", "2026-05-03")]
    for parent in ("6", "hostaway:3:5", "x"):
        assert rows.list_rows_of(ALL, RowList.CALENDAR_DAYS, parent, days) is None


def test_a_row_is_found_by_id_or_key_with_its_parts(rows: Rows) -> None:
    """Amounts keep their digits, and only who asks for it gets what the source sent."""
    found = rows.find_row(ALL, RESERVATIONS, "7", account_id=1, include=list(Part))
    assert found is not None
    assert found.row == rows.find_row(ALL, RESERVATIONS, "hostaway:1:7").row  # type: ignore[union-attr]
    assert (found.account_id, found.row["reservation_key"], found.row["status"]) == (1, "hostaway:1:7", "confirmed")
    assert repr(found.row["guest_total"]) == "Decimal('100.10')"
    assert found.messages is not None
    assert ids(found.messages.items, "message_id") == [("1", "9"), ("1", "10")]
    assert found.history is not None
    assert {'guest: "message of-1"', 'we, by somebody, email, waits to be sent: "sent of-1"'} <= {
        event.says for event in found.history
    }
    assert rows.tell_history(ALL, "hostaway:1:7") == (1, found.history)
    assert found.listing is not None
    assert (found.listing["listing_key"], found.listing["name"]) == ("hostaway:1:5", "house of-1")
    assert "raw_payload" not in {**found.row, **found.listing}
    raw = rows.find_row(ALL, RESERVATIONS, "hostaway:1:7", with_raw=True)
    assert raw is not None
    assert raw.row["raw_payload"] == {"guestName": "guest of-1", "totalPrice": Decimal("100.10")}
    assert {name: value for name, value in raw.row.items() if name != "raw_payload"} == found.row
    assert (raw.messages, raw.history, raw.listing) == (None, None, None)


def test_runs_have_their_results_by_resource(rows: Rows) -> None:
    """Without the tables' own words for them: ids are text, moments in UTC."""
    run_id = "00000000-0000-4000-8000-000000000001"
    found = rows.find_row(ALL, RowList.SYNC_RUNS, run_id)
    assert found is not None
    assert {**found.row, "finished_at": None} == {
        "run_id": run_id,
        "account_id": "1",
        "mode": "full",
        "state": "failed",
        "triggered_at": "2026-05-01T13:00:00+00:00",
        "started_at": None,
        "finished_at": None,
        "retry_count": 0,
        "max_retries": 0,
        "error": "failed of-1",
        "api_calls": 0,
        "resources": {
            "listings": {
                "state": "success",
                "error": None,
                **dict.fromkeys(("updated", "unchanged", "stale", "quarantined", "missing"), 0),
                **dict.fromkeys(("seen", "inserted"), 3),
            }
        },
    }
    for text in ("1", "x", run_id.replace("-", ""), "00000000-0000-4000-8000-000000000009"):
        assert rows.find_row(ALL, RowList.SYNC_RUNS, text) is None


def test_an_id_of_several_accounts_needs_the_account(rows: Rows) -> None:
    """The sentence names those that the caller may see."""
    with pytest.raises(AmbiguousRecord, match=r"^accounts 1, 2 have a reservation 7: give account_id$"):
        rows.find_row(ALL, RESERVATIONS, "7")
    with pytest.raises(AmbiguousRecord, match="have a listing 5"):
        rows.list_rows_of(ALL, RowList.CALENDAR_DAYS, "5")
    with pytest.raises(AmbiguousRecord, match="have a reservation 7"):
        rows.tell_history(ALL, "7")
    for access, account in ((ALL, 2), (Access.of_accounts([2, 3]), None)):
        found = rows.find_row(access, RESERVATIONS, "7", account_id=account)
        assert found is not None
        assert found.account_id == 2
    with pytest.raises(UsageError, match="a day of a calendar has no id"):
        rows.find_row(ALL, RowList.CALENDAR_DAYS, "5")


def test_filters_of_reservations_choose_what_their_rows_say(rows: Rows, database: Database) -> None:
    """Of each status that the source has, of a new one and of none; alone, and together with other filters."""
    known = [word for words in VOCABULARY.core_statuses.values() for word in words]
    for number, status in enumerate([*known, "brandnew", "", None], 100):
        sql.execute(
            database,
            "INSERT INTO reservations (account_id, id, listing_id, channel_id, status, arrival_date, observed_at,"
            " updated_at, missing_since, payload_hash, raw_payload) VALUES (1, :id, :listing, :channel, :status,"
            " date '2026-01-01' + CAST(:day AS int), now(), :stamp, :missing, '', '{}')",
            id=number,
            listing=number % 3,
            channel=[2018, 2005, None][number % 3],
            status=status,
            day=number,
            stamp=LONG_AGO + timedelta(days=number),
            missing=LONG_AGO + timedelta(days=500) if number % 7 == 0 else None,
        )
    sql.execute(database, "UPDATE reservations SET updated_at = :at WHERE id < 100 OR id > 999", at=LONG_AGO)
    everything = list(walk(rows, ALL, RESERVATIONS, EVERYTHING, 500))
    moments = sql.rows(database, "SELECT core_key, greatest(updated_at, missing_since) FROM reservations")
    stamps: dict[str, datetime] = dict(moments)
    since, middle = LONG_AGO + timedelta(days=110), date(2026, 1, 1) + timedelta(days=110)
    words = ["unknown", "withdrawn", "never heard of", *VOCABULARY.core_statuses]
    cases: list[RowFilters] = [
        *(RowFilters(status=word) for word in words),
        *(RowFilters(channel=word) for word in ("airbnb", "booking_com", "expedia", "a\0b")),
        *(RowFilters(listing_id=word) for word in ("1", "5", "hostaway:1:5", "hostaway:2:5", "x")),
        *(RowFilters(updated_since=moment) for moment in (LONG_AGO, since, LONG_AGO + timedelta(days=499))),
        RowFilters(check_in_from=middle),
        RowFilters(check_in_to=middle),
        RowFilters(account_id=1, status="confirmed", channel="airbnb", check_in_from=middle, updated_since=since),
        *(RowFilters(account_id=number) for number in (2, 3)),
    ]

    def fits(row: dict[str, Any], filters: RowFilters) -> bool:
        given = filters.given()
        listing, own = given.pop("listing_id", None), row["listing_key"] or ""
        checks: dict[str, Callable[[Any], bool]] = {
            "account_id": lambda value: row["account_id"] == str(value),
            "check_in_from": lambda value: (row["check_in_date"] or "") >= str(value),
            "check_in_to": lambda value: (row["check_in_date"] or "9") <= str(value),
            "updated_since": lambda value: stamps[row["reservation_key"]] >= value,
            "status": lambda value: row["status"] == value,
            "channel": lambda value: row["channel"] == value,
        }
        is_listing = listing is None or listing in {own, own.rpartition(":")[2]}
        return is_listing and all(checks[name](value) for name, value in given.items())

    assert {row["status"] for row in everything} == {"unknown", *VOCABULARY.core_statuses}
    for filters in cases:
        assert list(walk(rows, ALL, RESERVATIONS, filters, 7)) == [row for row in everything if fits(row, filters)]


def test_filters_of_other_lists(rows: Rows) -> None:
    """What no row has is an empty page, and no error."""
    recent, later = RowFilters(updated_since=LONG_AGO), RowFilters(updated_since=datetime(2999, 1, 1, tzinfo=UTC))
    assert len(rows.list_rows(ALL, RowList.LISTINGS, recent).items) == 2
    assert rows.list_rows(ALL, RowList.LISTINGS, later).items == ()
    assert len(rows.list_rows(ALL, RowList.SYNC_RUNS, RowFilters(state="failed", account_id=2)).items) == 2
    for state in ("success", "nonsense", "\0"):
        assert rows.list_rows(ALL, RowList.SYNC_RUNS, RowFilters(state=state)).items == ()


def test_foreign_and_forged_cursors_are_refused(rows: Rows) -> None:
    """Those of other filters or another list, and those with a key that no row of the list can have."""
    foreign = rows.list_rows(ALL, RESERVATIONS, RowFilters(status="confirmed"), limit=1).next
    for wanted, filters in ((RESERVATIONS, EVERYTHING), (RowList.LISTINGS, EVERYTHING)):
        with pytest.raises(UsageError, match="of another list, or of other filters"):
            rows.list_rows(ALL, wanted, filters, after=foreign)
    keys = ("07", "x", "0", "-1", "9" * 20, "2026-W01-1", "2026-99-01", "1/2", "2026-05-01T12:00:00/x", "2026-05-01/")
    for wanted in FILTERS:
        for key in keys:
            cursor = RowCursor(digest_question(wanted, EVERYTHING), 1, key)
            with pytest.raises(UsageError, match="no cursor of this list"):
                rows.list_rows(ALL, wanted, after=cursor)


def test_a_row_that_goes_while_it_is_read_is_left_out(rows: Rows, database: Database) -> None:
    """A purge may come between the statement that finds rows and the one that reads them."""
    gone = iter([8, 7])

    def purge(_: object, _cursor: object, statement: str, *_more: object) -> None:
        if "row_to_json" in statement:
            sql.execute(database, "DELETE FROM reservations WHERE account_id = 1 AND id = :id", id=next(gone))

    sa.event.listen(database.engine, "before_cursor_execute", purge)
    page = rows.list_rows(ALL, RESERVATIONS, RowFilters(account_id=1))
    found = rows.find_row(ALL, RESERVATIONS, "hostaway:1:7")
    sa.event.remove(database.engine, "before_cursor_execute", purge)
    assert ids(page.items, "reservation_id") == [("1", "7"), ("1", "10001")]
    assert found is None


def test_missing_views_are_named(rows: Rows, database: Database) -> None:
    """With the command that makes them."""
    sql.execute(database, "ALTER SCHEMA core RENAME TO elsewhere")
    try:
        with pytest.raises(StoreError, match=r"there is no view core.reservations: `hostaway-sync migrate` makes it"):
            rows.list_rows(ALL, RESERVATIONS)
    finally:
        sql.execute(database, "ALTER SCHEMA elsewhere RENAME TO core")


def test_rows_are_planned_once_a_connection(rows: Rows, database: Database) -> None:
    """Planning a row of `core` takes ten times as long as reading it: the plan is kept, and no value asked anew."""
    for number in (7, 8, 20001) * 5:
        rows.find_row(Access.of_accounts([2]), RESERVATIONS, str(number))
    kept = sql.rows(
        database,
        "SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE '%row_to_json%' AND NOT from_sql",
    )
    assert kept
    assert kept[0][0] > 1


OTHERS = st.lists(st.tuples(st.sampled_from("+-"), st.integers(1, 2), st.integers(1, 30)), max_size=6)


def test_paging_loses_and_doubles_nothing_under_writers(database: Database) -> None:
    """Rows that are there from the first page to the last come once each, in order, whatever comes and goes between."""
    fill_accounts(database, 1, 2)
    rows = open_rows(ScopedReads(database, None))
    table = reservations.c

    @settings(max_examples=12)
    @given(st.sets(st.tuples(st.integers(1, 2), st.integers(1, 30)), max_size=20), st.lists(OTHERS), st.integers(1, 5))
    def check(first: set[tuple[int, int]], steps: list[list[tuple[str, int, int]]], limit: int) -> None:
        database.transaction(lambda connection: connection.execute(sa.delete(reservations)))
        write(("+", *one) for one in first)
        stable, ever, seen = set(first), set(first), []
        after, rest = None, iter(steps)
        while True:
            page = rows.list_rows(ALL, RESERVATIONS, after=after, limit=limit)
            seen += [(int(row["account_id"]), int(row["reservation_id"])) for row in page.items]
            if page.next is None:
                break
            assert page.next != after
            after = RowCursor.parse(str(page.next))
            moves = next(rest, [])
            write(moves)
            stable -= {(account, number) for sign, account, number in moves if sign == "-"}
            ever |= {(account, number) for sign, account, number in moves if sign == "+"}
        assert seen == sorted(set(seen))
        assert stable <= set(seen) <= ever

    def write(moves: Any) -> None:
        def work(connection: sa.Connection) -> None:
            for sign, account, number in moves:
                connection.execute(sa.delete(reservations).where(table.account_id == account, table.id == number))
                if sign == "+":
                    row = {"account_id": account, "id": number, "payload_hash": b"", "raw_payload": {}}
                    connection.execute(sa.insert(reservations).values(row | {"observed_at": LONG_AGO}))

        database.transaction(work)

    check()


def test_items_are_json(rows: Rows) -> None:
    """Every value of every list is written as JSON once decimals are numbers."""
    for wanted in (RowList.ACCOUNTS, RowList.LISTINGS, RESERVATIONS, RowList.SYNC_RUNS):
        items = rows.list_rows(ALL, wanted, with_raw=True).items
        assert json.dumps([dict(row) for row in items], default=float)
