"""The ledger of writes to calendars: a state machine of conditional updates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.support import sql

from hostaway_sync.errors import LeaseLost, WriteUnsettled
from hostaway_sync.model.calendar.days import Days
from hostaway_sync.model.calendar.writes import CalendarWrite, WriteState
from hostaway_sync.store.calendar import writes as ledger

if TYPE_CHECKING:
    from hostaway_sync.model.calendar.writes import Value
    from hostaway_sync.store.postgres.database import Database

DAYS = Days(date(2099, 12, 1), date(2099, 12, 4))
OLD: dict[date, dict[str, Value]] = {
    day: {"price": Decimal("99.50") if number < 2 else None, "note": "for Jane", "is_available": True}
    for number, day in enumerate(DAYS.list_days())
}
NEW: dict[str, Value] = {"price": Decimal(120), "note": "", "is_available": False}


@pytest.fixture
def store(database: Database) -> Database:
    """Return a database with an account."""
    sql.execute(database, "INSERT INTO accounts (account_id, client_secret) VALUES (70001, '')")
    return database


def begun(store: Database, owner: str = "one") -> CalendarWrite:
    """Store a write."""
    insert = partial(ledger.insert_write, account_id=70001, listing_id=5, days=DAYS, new=NEW, old=OLD, owner=owner)
    return store.transaction(insert)


def sent(store: Database, write: CalendarWrite) -> CalendarWrite:
    """Mark a write as sending."""
    return store.transaction(partial(ledger.mark_sending, write=write))


def settled(store: Database, write: CalendarWrite, state: WriteState, error: str | None = None) -> CalendarWrite:
    """Store the end of a write."""
    return store.transaction(partial(ledger.record_settlement, write=write, state=state, error=error))


def audited(store: Database) -> list[tuple[object, ...]]:
    """Return the entries of the audit log."""
    return sql.rows(store, "SELECT action, os_user, host, changes FROM audit_log")


def test_write_is_read_as_it_was_stored(store: Database) -> None:
    """Amounts exactly, and old values day by day."""
    write = begun(store)
    assert (write.new, write.old, write.days, write.state) == (NEW, OLD, DAYS, WriteState.PENDING)
    assert store.transaction(partial(ledger.list_newest, limit=9)) == [write]


def test_repeated_transaction_stores_and_settles_once(store: Database) -> None:
    """The answer to a commit was lost: the same owner's row is the same write, with one entry in the audit log."""
    write = begun(store)
    assert begun(store) == write
    assert begun(store, "two").write_id != write.write_id
    marked = sent(store, write)
    assert sent(store, write).state is WriteState.SENDING
    done = settled(store, marked, WriteState.DONE)
    assert settled(store, marked, WriteState.FAILED, "late") == done
    assert done.state is WriteState.DONE
    assert len(audited(store)) == 1


def test_days_are_marked_with_the_request_and_at_its_end(store: Database) -> None:
    """Whatever is read in between, the next run reads them once more."""
    write = begun(store)
    query = "SELECT first_day, last_day, reason FROM calendar_due"
    assert sql.rows(store, query) == []
    marked = sent(store, write)
    assert sql.rows(store, query) == [(DAYS.first, DAYS.last, "a host wrote them")]
    sql.execute(store, "DELETE FROM calendar_due")
    settled(store, marked, WriteState.DONE)
    assert sql.rows(store, query) == [(DAYS.first, DAYS.last, "a host wrote them")]


def test_name_of_the_claim_is_that_of_other_releases() -> None:
    """It excludes their processes, so that it must not change."""
    assert ledger.right_name(70001, 5) == "calendar of listing 5 of account 70001"


def test_settled_row_lets_no_request_leave(store: Database) -> None:
    """Another process found its writer dead; neither does the row of another owner."""
    write = begun(store)
    store.transaction(partial(ledger.record_unsent, write=write, error="its process died"))
    with pytest.raises(LeaseLost, match="was settled by another process: this process sent nothing"):
        sent(store, write)
    other = begun(store, "two")
    sql.execute(store, "UPDATE calendar_writes SET owner = 'three'")
    with pytest.raises(LeaseLost):
        sent(store, other)
    assert sql.rows(store, "SELECT 1 FROM calendar_due") == []


def test_interrupted_write_records_how_far_it_came(store: Database) -> None:
    """Before its request left it failed; after that the outcome is unknown."""
    stop = partial(ledger.record_interruption, error="stopped by a signal")
    assert store.transaction(partial(stop, write=begun(store))).state is WriteState.FAILED
    other = sent(store, begun(store, "two"))
    stopped = store.transaction(partial(stop, write=other))
    assert (stopped.state, stopped.error) == (WriteState.OUTCOME_UNKNOWN, "stopped by a signal")
    assert store.transaction(partial(ledger.list_open, account_id=70001)) == [stopped]
    assert store.transaction(partial(ledger.list_open, account_id=70001, listing_id=6)) == []


def test_audit_log_has_the_writer_and_no_note(store: Database) -> None:
    """Another user's process may have settled the write; a failed write changed nothing."""
    write = sent(store, begun(store))
    sql.execute(store, "UPDATE calendar_writes SET os_user = 'kim', host = 'desk'")
    (known,) = store.transaction(partial(ledger.list_open, account_id=70001))
    settled(store, known, WriteState.PARTIAL, "1 of 4 days do not show it")
    settled(store, sent(store, begun(store, "two")), WriteState.FAILED, "the source shows the old values")
    ((action, user, host, changes),) = audited(store)
    assert (action, user, host) == ("calendar_written", "kim", "desk")
    assert changes == {
        "write": write.write_id,
        "listing": 5,
        "days": "2099-12-01/2099-12-04",
        "price": {"old": {"2099-12-01/2099-12-02": "99.50", "2099-12-03/2099-12-04": None}, "new": "120"},
        "note": "replaced",
        "is_available": {"old": True, "new": False},
    }


def test_write_with_a_purged_row_is_reported(store: Database) -> None:
    """Its outcome cannot be known any more."""
    write = begun(store)
    sql.execute(store, "DELETE FROM calendar_writes")
    with pytest.raises(WriteUnsettled, match="is not in the ledger any more"):
        settled(store, write, WriteState.DONE)


def test_restored_write_may_be_done_without_being_sent(store: Database) -> None:
    """A backup holds the row as it was before its request."""
    write = settled(store, begun(store), WriteState.DONE)
    assert (write.state, write.sending_at) == (WriteState.DONE, write.created_at)
    states = partial(ledger.list_newest, states=[WriteState.FAILED], account_id=70001, limit=9)
    assert store.transaction(states) == []
