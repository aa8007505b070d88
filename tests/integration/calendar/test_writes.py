"""Writes to calendars: sent once, read back, stored; and not sent where days changed meanwhile."""

from __future__ import annotations

from decimal import Decimal
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.barrier import Barrier
from tests.support.calendar_writes import READ, WRITE, CalendarCase, calendar_case
from tests.support.calendars import ahead, wrong_days

from hostaway_sync.errors import AccountError, ConfigurationError, HostawaySyncError, UsageError, WriteRefused
from hostaway_sync.model.calendar.days import Days
from hostaway_sync.model.calendar.writes import WriteRequest, WriteState
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def test_price_is_sent_once_read_back_and_stored(sync_env: Build) -> None:
    """Only the named column changes, and the next run reads the days once more."""
    case = calendar_case(sync_env)
    outcome = case.write(price=Decimal("99.50"))
    assert outcome.write is not None
    assert (outcome.write.state, outcome.write.error) == (WriteState.DONE, None)
    assert case.true("price", 2, 8) == [120, *[99.5] * 5, 120]
    assert case.true("minimumStay") == [2] * 5
    assert case.stored("price", 2, 8) == [120, *[Decimal("99.5")] * 5, 120]
    assert [request.route for request in case.env.sandbox.requests] == [READ, WRITE, READ]
    assert case.marked() == (ahead(3), ahead(7))
    case.env.sandbox.forget()
    case.sync()
    assert [request.route for request in case.env.sandbox.requests].count(READ) == 1
    assert not wrong_days(case.env, 40)


def test_each_column_is_written_and_read_back(sync_env: Build) -> None:
    """Block with a note, rules of stays, and open again, each as an absolute value."""
    case = calendar_case(sync_env)
    case.write(is_available=False, note="roof repair")
    assert (case.true("isAvailable"), case.stored("note")) == ([0] * 5, ["roof repair"] * 5)
    case.write(minimum_stay=3, maximum_stay=9, closed_on_arrival=True, closed_on_departure=False)
    assert case.true("closedOnArrival") + case.true("closedOnDeparture") == [1] * 5 + [0] * 5
    assert case.stored("minimum_stay") + case.stored("maximum_stay") == [3] * 5 + [9] * 5
    case.write(is_available=True, note="")
    assert (case.true("isAvailable"), case.stored("is_available")) == ([1] * 5, [True] * 5)
    assert case.ledger() == ["done"] * 3


def test_audit_log_has_actor_and_old_and_new_values(sync_env: Build) -> None:
    """A note may name a guest, so that only its replacement is logged."""
    case = calendar_case(sync_env)
    case.edit(3, 4, price=80)
    case.sync_all_days()
    case.write(price=Decimal(99), note="for Jane Roe")
    query = "SELECT action, os_user <> '', changes FROM audit_log ORDER BY audit_id DESC LIMIT 1"
    action, has_user, changes = sql.row(case.env.database, query)
    assert (action, has_user, changes["listing"]) == ("calendar_written", True, case.listing_id)
    assert changes["days"] == f"{ahead(3)}/{ahead(7)}"
    assert changes["price"] == {
        "old": {f"{ahead(3)}/{ahead(4)}": "80", f"{ahead(5)}/{ahead(7)}": "120"},
        "new": "99",
    }
    assert changes["note"] == "replaced"


@pytest.mark.parametrize(
    "change",
    [{"price": 77}, {"isAvailable": 0}],
)
def test_changed_days_are_shown_and_nothing_is_sent(sync_env: Build, change: dict[str, int]) -> None:
    """The mirror stores the read days, so that the second try succeeds."""
    case = calendar_case(sync_env)
    case.edit(5, 6, **change)
    outcome = case.write(price=Decimal(99))
    assert outcome.write is None
    assert [day.live.date for day in outcome.changed] == [ahead(5), ahead(6)]
    (first, _) = outcome.changed
    assert first.mirrored is not None
    assert first.mirrored.price == 120
    assert first.mirrored.is_available
    assert (case.ledger(), case.writes()) == ([], 0)
    assert not wrong_days(case.env, 40)
    again = case.write(price=Decimal(99))
    assert again.write is not None
    assert again.write.state is WriteState.DONE


def test_change_of_another_column_stops_no_write(sync_env: Build) -> None:
    """Only the written columns, availability and status count."""
    case = calendar_case(sync_env)
    case.edit(5, 6, minimumStay=5)
    assert case.write(price=Decimal(99)).write is not None
    assert case.ledger() == ["done"]


def test_new_stay_stops_a_write(sync_env: Build) -> None:
    """No person confirmed it; days that were never mirrored count, too."""
    case = calendar_case(sync_env)
    case.take(5, 5)
    case.take(43, 43)
    assert [day.live.date for day in case.write(price=Decimal(99)).changed] == [ahead(5)]
    far = case.write(41, 44, price=Decimal(99))
    assert [(day.mirrored, day.live.date) for day in far.changed] == [(None, ahead(43))]
    assert not case.writes()
    assert case.write(41, 44, price=Decimal(99)).write is not None


def test_days_that_a_sync_read_after_they_were_seen_are_not_written(sync_env: Build) -> None:
    """Whoever confirmed the write has seen them as they were: the new stay is shown, and nothing is sent."""
    case = calendar_case(sync_env)
    writes = case.mirror.calendar_writes
    prepared = writes.prepare(WriteRequest(case.listing_id, Days(ahead(3), ahead(7)), {"is_available": False}))
    assert prepared.concerns == ()
    case.take(5, 5)
    case.sync_all_days()
    assert [day.live.date for day in writes.write(prepared).changed] == [ahead(5)]
    assert case.ledger() == []


def test_write_to_a_taken_day_leaves_it_taken(sync_env: Build) -> None:
    """The new values show when the stay is gone."""
    case = calendar_case(sync_env)
    case.take(5, 5)
    case.sync()
    case.edit(3, 3, isAvailable=0)
    case.sync_all_days()
    assert case.write(is_available=True).write is not None
    assert (case.ledger(), case.true("isAvailable")) == (["done"], [1, 1, 0, 1, 1])


def test_write_that_the_source_ignores_is_reported(sync_env: Build) -> None:
    """In part, or not at all, as the days that were read back show."""
    case = calendar_case(sync_env)
    world, write = case.env.sandbox.world, case.env.sandbox.world.write_days

    def keep(listing_id: int, first: int, last: int, keys: Mapping[str, Any]) -> None:
        write(listing_id, first, last - lost, keys)

    lost = 2
    world.write_days = keep  # type: ignore[method-assign]  # a source that does less than it says
    outcome = case.write(price=Decimal(99))
    assert outcome.write is not None
    assert outcome.write.state is WriteState.PARTIAL
    assert outcome.write.error == f"2 of 5 days do not show it: {ahead(6)} to {ahead(7)}"
    assert [str(day.price) for day in outcome.shown] == ["99", "99", "99", "120", "120"]
    lost = 9
    outcome = case.write(10, 12, price=Decimal(99))
    assert outcome.write is not None
    assert outcome.write.state is WriteState.FAILED
    assert "the source accepted it; the source shows the old values" in (outcome.write.error or "")
    assert not wrong_days(case.env, 40)


def test_second_write_to_a_listing_is_refused_meanwhile(sync_env: Build) -> None:
    """It is refused at once; another listing's calendar can be written."""
    case = calendar_case(sync_env, listings=2)
    other = CalendarCase(case.env, case.mirror, max(case.env.truth("listings")))
    with Barrier(case.env.sandbox, WRITE) as writing:
        first = Thread(target=case.write, kwargs={"price": Decimal(99)})
        first.start()
        writing.wait()
        with pytest.raises(WriteRefused, match="another process writes the calendar of listing"):
            case.write(price=Decimal(150))
        assert other.write(minimum_stay=4).write is not None
    first.join()
    assert case.true("price") == [99] * 5
    assert case.write(price=Decimal(150)).write is not None
    assert sorted(case.ledger()) == ["done"] * 3


def test_days_that_the_source_does_not_send_are_not_written(sync_env: Build) -> None:
    """Their old values are unknown, and they could not be read back."""
    case = calendar_case(sync_env)
    case.add_fault(faults.change_rows(lambda rows: rows[:-2]), READ, times=None)
    with pytest.raises(HostawaySyncError, match=f"does not show 2 of these days .*{ahead(6)} to {ahead(7)}"):
        case.write(price=Decimal(99))
    assert (case.ledger(), case.writes()) == ([], 0)


@pytest.mark.parametrize(
    ("first", "last", "values", "error"),
    [
        (7, 3, {"price": Decimal(9)}, "is before the first"),
        (-2, 3, {"price": Decimal(9)}, "is over where the listing is"),
        (3, 735, {"price": Decimal(9)}, "more than 730 days ahead"),
        (3, 7, {}, "nothing is to be set"),
        (3, 7, {"price": Decimal(0)}, "not above 0"),
        (3, 7, {"minimum_stay": 0}, "minimum stay, 0, is not"),
    ],
)
def test_impossible_write_is_refused(
    sync_env: Build, first: int, last: int, values: dict[str, object], error: str
) -> None:
    """In one sentence, before any request."""
    case = calendar_case(sync_env)
    with pytest.raises(UsageError, match=error):
        case.write(first, last, **values)
    assert (case.ledger(), list(case.env.sandbox.requests)) == ([], [])


def test_listing_that_cannot_be_written_is_refused(sync_env: Build) -> None:
    """Unknown, of another account, in several, archived, missing; a disabled or unknown account."""
    accounts = [AccountSpec(listings=2, reservations=0), AccountSpec(id=70002, same_ids_as_first=True, listings=2)]
    env = sync_env(accounts=accounts, listings=2)
    mirror = env.mirrored(calendar_days=9)
    one, other = sorted(env.truth("listings"))
    days, values = Days(ahead(1), ahead(2)), {"price": Decimal(9)}

    def refusal(kind: type[HostawaySyncError], listing_id: int, account_id: int | None = None) -> str:
        with pytest.raises(kind) as raised:
            mirror.calendar_writes.prepare(WriteRequest(listing_id, days, values, account_id))
        return str(raised.value)

    assert "no account has a listing 5 here" in refusal(HostawaySyncError, 5)
    assert "account 70002 has a listing" in refusal(HostawaySyncError, one, 70002)
    assert "is not known here" in refusal(AccountError, one, 70009)
    archived = """UPDATE listings SET raw_payload = raw_payload || '{"specialStatus": "archived"}' WHERE id = """
    sql.execute(env.database, f"{archived}{one}")
    sql.execute(env.database, f"UPDATE listings SET missing_since = now() WHERE id = {other}")
    assert "is archived" in refusal(WriteRefused, one)
    assert "is gone" in refusal(WriteRefused, other)
    sql.execute(env.database, "UPDATE listings SET missing_since = NULL")
    mirror.accounts.disable(70001)
    assert "is disabled" in refusal(AccountError, other)
    mirror.accounts.enable(70001)
    mirror.sync.run(70002)
    assert "accounts 70001, 70002 have a listing" in refusal(UsageError, other)
    with pytest.raises(ConfigurationError, match="CALENDAR_DAYS is 0"):
        env.mirror().calendar_writes.prepare(WriteRequest(other, days, values))
    assert not [request for request in env.sandbox.requests if request.route == WRITE]


def test_forgotten_guest_leaves_no_trace_in_a_write(sync_env: Build) -> None:
    """A note may name one: it is erased in the ledger, and was never in the audit log."""
    case = calendar_case(sync_env)
    case.take(5, 5)
    case.sync()
    (number,) = case.env.truth("reservations")
    name = case.env.truth("reservations")[number]["guestName"]
    assert case.write(note=f"key for {name}").write is not None
    assert case.write(note="nobody").write is not None
    case.sync()
    tables = (
        "SELECT (SELECT string_agg(to_jsonb(w)::text, ' ') FROM calendar_writes w), (SELECT count(*) FROM audit_log"
    )
    query = f"{tables} WHERE changes::text LIKE '%{name}%')"
    assert name in sql.row(case.env.database, query)[0]
    case.mirror.privacy.forget_guests(case.env.account_id, [number], [])
    left, audited = sql.row(case.env.database, query)
    assert name not in left
    assert audited == 0
    assert case.ledger("new_values, old_values") == [({}, []), ({}, [])]


def test_next_run_reads_days_that_the_source_blocks_again(sync_env: Build) -> None:
    """Those outside the booking window, some hours later: the days of a write stay marked."""
    case = calendar_case(sync_env)
    case.edit(3, 7, isAvailable=0)
    case.sync_all_days()
    assert case.write(is_available=True).write is not None
    case.edit(6, 7, isAvailable=0)
    case.sync()
    assert case.stored("is_available") == [True, True, True, False, False]
    assert case.ledger() == ["done"]


@pytest.mark.parametrize("code", [400, 403, 404, 429])
def test_refused_write_was_not_carried_out(sync_env: Build, code: int) -> None:
    """A listing that was archived meanwhile, a missing permission, a listing that is gone, a limit: known at once."""
    case = calendar_case(sync_env)
    case.add_fault(faults.status(code, b'{"status": "fail", "message": "The listing is archived"}'))
    outcome = case.write(price=Decimal(99))
    assert outcome.write is not None
    assert outcome.write.state is WriteState.FAILED
    assert f"with {code}: The listing is" in (outcome.write.error or "")
    assert [request.route for request in case.env.sandbox.requests] == [READ, WRITE]


def test_days_decide_about_a_write_without_an_answer(sync_env: Build) -> None:
    """A torn answer after its effect is done; where the days cannot be read either, the next run decides."""
    case = calendar_case(sync_env)
    case.add_fault(faults.torn_connection())
    outcome = case.write(price=Decimal(99))
    assert outcome.write is not None
    assert (outcome.write.state, case.writes()) == (WriteState.DONE, 1)
    case.add_fault(faults.connection_reset())
    case.add_fault(faults.bad_gateway(), READ, skip=1, times=None)
    outcome = case.write(price=Decimal(150))
    assert outcome.write is not None
    assert outcome.write.state is WriteState.OUTCOME_UNKNOWN
    assert "its days could not be read" in (outcome.write.error or "")
    case.env.sandbox.faults.clear()
    case.let_a_minute_pass()
    case.sync()
    assert case.ledger() == ["done", "failed"]
