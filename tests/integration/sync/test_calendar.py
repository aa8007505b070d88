from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.calendars import ahead, calendar_requests, marked_days, stored_days, true_days, wrong_days

from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror

    Build = Callable[..., SyncEnv]

HORIZON = 120
CALENDAR = "GET /listings/{id}/calendar"


def filled(sync_env: Build, **options: Any) -> tuple[SyncEnv, Mirror]:
    """Return an environment whose calendars were mirrored once, and its mirror."""
    env = sync_env(**{"listings": 4, "reservations": 12, **options})
    mirror = env.mirrored(calendar_days=HORIZON)
    env.sandbox.forget()
    return env, mirror


def stay(env: SyncEnv, listing_id: int, first: int, last: int) -> int:
    """Book a listing between two days, counted from today; return the reservation."""
    arrival, departure = ahead(first).isoformat(), ahead(last).isoformat()
    return env.sandbox.world.create_reservation(listingMapId=listing_id, arrivalDate=arrival, departureDate=departure)


def report_of(mirror: Mirror, env: SyncEnv, **options: Any) -> Any:
    """Mirror the account, and return the report on its calendars."""
    return mirror.sync.run(env.account_id, **options).resources[Resource.CALENDAR]


def test_first_sync_reads_each_calendar_once(sync_env: Build) -> None:
    """All days of all listings equal the source's; an idle run after it reads no calendar."""
    env = sync_env(listings=4, reservations=12)
    mirror = env.mirror(calendar_days=HORIZON)
    report = mirror.sync.run(env.account_id)
    listings = sorted(env.truth("listings"))
    assert report.state is RunState.SUCCESS
    assert report.resources[Resource.CALENDAR].counts.inserted == len(listings) * (HORIZON + 2)
    assert sorted(calendar_requests(env)) == [(listing, HORIZON + 2) for listing in listings]
    assert wrong_days(env, HORIZON) == {}
    assert sql.rows(env.database, "SELECT count(*) FROM calendar_due") == [(0,)]
    env.sandbox.forget()
    assert mirror.sync.run(env.account_id).api_calls <= 3
    assert calendar_requests(env) == []


def test_stay_that_moves_to_another_listing_costs_two_calls(sync_env: Build) -> None:
    """The old and the new days are read, on both listings, and no other listing."""
    env, mirror = filled(sync_env)
    first, second, *_ = sorted(env.truth("listings"))
    booked = stay(env, first, 20, 24)
    assert report_of(mirror, env).state is RunState.SUCCESS
    assert wrong_days(env, HORIZON) == {}
    env.sandbox.forget()
    env.sandbox.world.move_reservation(booked, listing_id=second, arrival=ahead(40), departure=ahead(43))
    counts = report_of(mirror, env).counts
    assert sorted(calendar_requests(env)) == [(first, 9), (second, 8)]
    assert counts.updated == 7  # four nights that are free again, and three that are taken
    assert wrong_days(env, HORIZON) == {}
    assert marked_days(env) == {}


@pytest.mark.parametrize("change", ["cancelled", "deleted", "shortened", "re-listed"])
def test_days_of_a_changed_stay_are_free_again(sync_env: Build, change: str) -> None:
    """The next run that sees the change reads them, whatever changed."""
    env, mirror = filled(sync_env)
    listing = min(env.truth("listings"))
    world, booked = env.sandbox.world, stay(env, listing, 30, 36)
    report_of(mirror, env)
    assert stored_days(env, listing)[ahead(33)]["status"] == "reserved"
    if change == "deleted":
        world.delete_reservation(booked)
    elif change == "shortened":
        world.move_reservation(booked, departure=ahead(32))
    else:
        world.cancel_reservation(booked)
    report_of(mirror, env, full=change == "deleted")
    assert stored_days(env, listing)[ahead(33)] == true_days(env, listing, ahead(33), ahead(33))[ahead(33)]
    assert stored_days(env, listing)[ahead(33)]["status"] != "reserved"
    if change == "re-listed":
        world.update_reservation(booked, status="new")
        report_of(mirror, env)
        assert stored_days(env, listing)[ahead(33)]["status"] == "reserved"
    assert wrong_days(env, HORIZON) == {}


def test_change_that_takes_no_other_day_costs_no_call(sync_env: Build) -> None:
    """A payment, an inquiry and a past stay change no calendar."""
    env, mirror = filled(sync_env)
    listing = min(env.truth("listings"))
    booked = stay(env, listing, 10, 12)
    report_of(mirror, env)
    env.sandbox.forget()
    env.sandbox.world.pay(booked)
    env.sandbox.world.create_reservation(
        listingMapId=listing,
        status="inquiry",
        arrivalDate=ahead(50).isoformat(),
        departureDate=ahead(52).isoformat(),
    )
    stay(env, listing, -60, -50)
    assert report_of(mirror, env).counts.seen == 0
    assert calendar_requests(env) == []


def test_change_without_a_stay_is_found_in_turn(sync_env: Build) -> None:
    """A price or a block at the source moves no stamp; only changed days are written."""
    env, mirror = filled(sync_env)
    listing = min(env.truth("listings"))
    env.sandbox.world.edit_days(listing, ahead(5), ahead(7), price=999)
    before = sql.rows(env.database, "SELECT date, updated_at FROM calendar_days ORDER BY listing_id, date")
    assert report_of(mirror, env).counts.seen == 0
    due = env.mirror(calendar_days=HORIZON, calendar_after_hours=0)
    counts = report_of(due, env).counts
    assert (counts.updated, counts.inserted) == (3, 0)
    after = sql.rows(env.database, "SELECT date, updated_at FROM calendar_days ORDER BY listing_id, date")
    assert len(set(after) - set(before)) == 3
    assert wrong_days(env, HORIZON) == {}


def test_dry_run_writes_no_day_and_clears_no_mark(sync_env: Build) -> None:
    """It reads the same calendars as a run, and counts."""
    env, mirror = filled(sync_env)
    listing = min(env.truth("listings"))
    stay(env, listing, 10, 12)
    mirror.sync.run(env.account_id, resources=(Resource.RESERVATIONS,))
    marks, days = marked_days(env), stored_days(env, listing)
    assert report_of(mirror, env, dry_run=True).counts.updated == 2
    assert (marked_days(env), stored_days(env, listing)) == (marks, days)
    assert report_of(mirror, env).counts.updated == 2


def test_calendars_that_are_switched_off_cost_no_call(sync_env: Build) -> None:
    """Marks are stored all the same, so that a later run finds the changes."""
    env, _ = filled(sync_env)
    stay(env, min(env.truth("listings")), 10, 12)
    report = env.mirror(calendar_days=0).sync.run(env.account_id)
    assert Resource.CALENDAR not in report.resources
    assert calendar_requests(env) == []
    assert len(marked_days(env)) == 1


@pytest.mark.parametrize(
    "switches",
    [
        Switches(short_calendar="half"),
        Switches(calendar_order="shuffled", calendar_doubles=True),
    ],
)
def test_missing_days_are_requested_again(sync_env: Build, switches: Switches) -> None:
    """In parts, until all have come; repeated or unordered days count once."""
    env = sync_env(listings=2, reservations=4, switches=switches)
    report = env.mirror(calendar_days=365).sync.run(env.account_id)
    assert report.state is RunState.SUCCESS
    assert report.resources[Resource.CALENDAR].counts.inserted == 2 * 367
    assert wrong_days(env, 365) == {}


def test_calendar_that_ends_early_three_times_is_whole(sync_env: Build) -> None:
    """The first run passes, the second is partial, and the third accepts the end of the source's calendar."""
    env = sync_env(listings=1, reservations=2, switches=Switches(short_calendar="horizon"))
    mirror = env.mirror(calendar_days=365, calendar_after_hours=0)
    states = []
    for _ in range(4):
        env.sandbox.forget()
        report = mirror.sync.run(env.account_id)
        states.append((report.state, report.resources[Resource.CALENDAR].state))
    assert states == [
        (RunState.SUCCESS, RunState.PARTIAL),
        (RunState.PARTIAL, RunState.PARTIAL),
        (RunState.SUCCESS, RunState.SUCCESS),
        (RunState.SUCCESS, RunState.SUCCESS),
    ]
    assert len(calendar_requests(env)) == 1
    assert wrong_days(env, 150) == {}


def test_answer_about_other_days_deletes_no_day(sync_env: Build) -> None:
    """A source that ignores the dates sends ninety days; the others keep their rows."""
    env, _ = filled(sync_env, listings=1)
    listing = min(env.truth("listings"))
    before = stored_days(env, listing)
    env.sandbox.world.switches = Switches(ignored_dates=True)
    report_of(env.mirror(calendar_days=HORIZON, calendar_after_hours=0), env)
    assert stored_days(env, listing).keys() == before.keys()
    assert 1 < len(calendar_requests(env)) < 24


@pytest.mark.parametrize("status", [403, 404])
def test_refused_calendar_fails_no_run_and_waits_a_week(sync_env: Build, status: int) -> None:
    """A plan without calendars, or a listing that is gone: other calendars are read."""
    env = sync_env(listings=3, reservations=3)
    listing = min(env.truth("listings"))
    refused = faults.denied() if status == 403 else faults.status(404)
    env.sandbox.faults.add(refused, path=f"/listings/{listing}/calendar", times=None)
    mirror = env.mirror(calendar_days=HORIZON)
    assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
    env.sandbox.forget()
    stay(env, listing, 10, 12)
    assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
    assert calendar_requests(env) == []
    assert wrong_days(env, HORIZON, [one for one in env.truth("listings") if one != listing]) == {}
    weeks = "extract(epoch FROM rota_at - now()) / 86400 BETWEEN 6.9 AND 7"
    assert sql.rows(
        env.database, f"SELECT error IS NOT NULL, {weeks} FROM calendar_readings WHERE listing_id = {listing}"
    ) == [(True, True)]


def test_first_failure_of_calendars_fails_no_run(sync_env: Build) -> None:
    """A second one in a row does; days of other listings are stored all the same."""
    env = sync_env(listings=3, reservations=3)
    listing = min(env.truth("listings"))
    env.sandbox.faults.add(faults.status(500), path=f"/listings/{listing}/calendar", times=None)
    mirror = env.mirror(calendar_days=HORIZON, retry_attempts=1)
    first, second = mirror.sync.run(env.account_id), mirror.sync.run(env.account_id)
    assert (first.state, first.error) == (RunState.SUCCESS, None)
    assert first.resources[Resource.CALENDAR].state is RunState.PARTIAL
    assert "1 calendars could not be read" in str(first.resources[Resource.CALENDAR].error)
    assert second.state is RunState.PARTIAL
    assert wrong_days(env, HORIZON, [one for one in env.truth("listings") if one != listing]) == {}


def test_archived_listings_are_read_weekly_and_fail_no_run(sync_env: Build) -> None:
    """Their calendars may answer anything."""
    env = sync_env(listings=3, reservations=3)
    listing = min(env.truth("listings"))
    env.sandbox.world.archive_listing(listing)
    env.sandbox.faults.add(faults.status(500), path=f"/listings/{listing}/calendar", times=None)
    report = env.mirror(calendar_days=HORIZON, retry_attempts=1).sync.run(env.account_id)
    assert report.resources[Resource.CALENDAR].state is RunState.SUCCESS
    env.sandbox.faults.clear()
    env.sandbox.forget()
    assert env.mirror(calendar_days=HORIZON).sync.run(env.account_id).state is RunState.SUCCESS
    assert calendar_requests(env) == []
