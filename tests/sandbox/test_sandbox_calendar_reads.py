from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.sandbox import Sandbox, Switches, World

if TYPE_CHECKING:
    from tests.support.servers.sandbox_client import OpenSandbox

FREE = date(2027, 2, 1)


def days_from(first: date, days: int) -> list[str]:
    """Return so many days from this one on."""
    return [(first + timedelta(number)).isoformat() for number in range(days)]


def today_of(sandbox: Sandbox) -> date:
    """Return today, by the sandbox's clock."""
    return datetime.fromtimestamp(sandbox.clock(), UTC).date()


def calendar_path(world: World, place: int = 0) -> str:
    """Return the path of a listing's calendar."""
    return f"/listings/{world.listing_ids[place]}/calendar"


def test_the_route_gives_the_true_days(open_sandbox: OpenSandbox) -> None:
    """The stay is embedded where it is asked for, and where the account's default says so."""
    sandbox, caller = open_sandbox()
    world, path = sandbox.world, calendar_path(sandbox.world)
    arrival, departure = FREE.isoformat(), (FREE + timedelta(2)).isoformat()
    number = world.create_reservation(listingMapId=world.listing_ids[0], arrivalDate=arrival, departureDate=departure)
    query = {"startDate": arrival, "endDate": departure}
    assert caller.rows(path, **query, includeResources=0) == world.calendar_truth(
        world.listing_ids[0], FREE, FREE + timedelta(2)
    )
    assert [row["reservations"] for row in caller.rows(path, **query)] == [[], [], []]
    full = caller.rows(path, **query, includeResources=1)
    assert [row["reservations"] for row in full] == [[world.reservation(number)]] * 2 + [[]]
    _, other = open_sandbox(switches=Switches(resources_by_default=True))
    days = other.rows(path, startDate="2026-09-01", endDate=FREE.isoformat())
    assert all(bool(day["reservations"]) == (day["status"] == "reserved") for day in days)


def test_without_dates_the_next_thirty_days_come(open_sandbox: OpenSandbox) -> None:
    """From today by the sandbox's clock; one date alone gives the rest; the calendar ends with the year 9999."""
    sandbox, caller = open_sandbox()
    path = calendar_path(sandbox.world)
    today = today_of(sandbox)
    assert [row["date"] for row in caller.rows(path)] == days_from(today, 30)
    assert len(caller.rows(path, startDate="2027-05-01")) == 30
    assert len(caller.rows(path, endDate=(today + timedelta(4)).isoformat())) == 5
    assert caller.rows(path, startDate="2027-05-02", endDate="2027-05-01") == []
    assert [row["date"] for row in caller.rows(path, startDate="9999-12-30")] == ["9999-12-30", "9999-12-31"]


def asked(open_sandbox: OpenSandbox, switches: Switches, days: int) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the days from today that were asked for, and the rows that came; all of them are true."""
    sandbox, caller = open_sandbox(switches=switches)
    today = today_of(sandbox)
    last = today + timedelta(days - 1)
    rows = caller.rows(calendar_path(sandbox.world), startDate=today.isoformat(), endDate=last.isoformat())
    truth = {
        row["date"]: row
        for row in sandbox.world.calendar_truth(sandbox.world.listing_ids[0], today, today + timedelta(400))
    }
    assert all(row == truth[row["date"]] for row in rows)
    return days_from(today, days), rows


@pytest.mark.parametrize(
    ("switches", "days", "kept"),
    [
        (Switches(short_calendar="half"), 365, 183),
        (Switches(short_calendar="half"), 101, 51),
        (Switches(short_calendar="half"), 100, 100),
        (Switches(short_calendar="horizon"), 365, 181),
        (Switches(short_calendar="horizon"), 90, 90),
        (Switches(), 365, 365),
    ],
)
def test_a_short_calendar_lacks_its_end(open_sandbox: OpenSandbox, switches: Switches, days: int, kept: int) -> None:
    """The second half of a long range, or what lies beyond the horizon."""
    wanted, rows = asked(open_sandbox, switches, days)
    assert [row["date"] for row in rows] == wanted[:kept]


def test_days_beyond_the_horizon_are_nowhere(open_sandbox: OpenSandbox) -> None:
    """Also in a short range."""
    sandbox, caller = open_sandbox(switches=Switches(short_calendar="horizon"))
    first, last = (today_of(sandbox) + timedelta(days) for days in (190, 220))
    assert caller.rows(calendar_path(sandbox.world), startDate=first.isoformat(), endDate=last.isoformat()) == []


def test_ignored_dates_give_the_next_ninety_days(open_sandbox: OpenSandbox) -> None:
    """Whichever dates were asked for."""
    sandbox, caller = open_sandbox(switches=Switches(ignored_dates=True))
    today = today_of(sandbox)
    rows = caller.rows(calendar_path(sandbox.world), startDate="2027-08-01", endDate="2027-08-31")
    assert [row["date"] for row in rows] == days_from(today, 90)


def test_days_may_come_unordered_and_repeated(open_sandbox: OpenSandbox) -> None:
    """Every day that was asked for comes all the same, each time in the same order."""
    wanted, rows = asked(open_sandbox, Switches(calendar_order="shuffled"), 365)
    days = [row["date"] for row in rows]
    assert sorted(days) == wanted != days
    assert asked(open_sandbox, Switches(calendar_order="shuffled"), 365)[1] == rows
    for switches in (Switches(calendar_doubles=True), Switches(calendar_doubles=True, calendar_order="shuffled")):
        wanted, rows = asked(open_sandbox, switches, 60)
        assert (len(rows), {row["date"] for row in rows}) == (61, set(wanted))
    assert len(asked(open_sandbox, Switches(calendar_doubles=True), 1)[1]) == 2
