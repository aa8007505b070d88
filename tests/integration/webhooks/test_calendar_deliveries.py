from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.support.calendars import ahead, calendar_requests, marked_days, stored_days, wrong_days
from tests.support.deliveries import ONE_RETRY, PATIENCE, QUICK, deliver

from hostaway_sync.errors import SourceUnavailable
from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox.server import faults
from hostaway_sync.webhooks.calendar_follower import CalendarFollower

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror

    Build = Callable[..., SyncEnv]

HORIZON = 60


def mirrored(sync_env: Build) -> tuple[SyncEnv, Mirror, int]:
    """Return an environment whose calendars were mirrored, its mirror, and a listing."""
    env = sync_env(listings=2, reservations=4)
    mirror = env.mirrored(calendar_days=HORIZON, retry_attempts=1)
    env.sandbox.forget()
    return env, mirror, min(env.truth("listings"))


def book(env: SyncEnv, listing_id: int, first: int) -> None:
    """Book two nights so many days ahead, and send the delivery for it."""
    arrival, departure = ahead(first).isoformat(), ahead(first + 2).isoformat()
    number = env.sandbox.world.create_reservation(listingMapId=listing_id, arrivalDate=arrival, departureDate=departure)
    deliver(env.database, env.account_id, Resource.RESERVATIONS, number)


def work_off(mirror: Mirror) -> None:
    """Work until nothing is due."""
    with mirror.jobs.start_worker(drain=True, policy=ONE_RETRY, timings=QUICK) as working:
        working.wait()


def test_burst_of_deliveries_costs_one_call_a_listing(sync_env: Build) -> None:
    """The days of all stays are stored without a run."""
    env, mirror, listing = mirrored(sync_env)
    for first in (10, 14, 20, 30):
        book(env, listing, first)
    work_off(mirror)
    assert calendar_requests(env) == [(listing, 27)]
    assert stored_days(env, listing)[ahead(31)]["status"] == "reserved"
    assert (wrong_days(env, HORIZON), marked_days(env)) == ({}, {})


def test_next_sync_reads_days_that_a_job_could_not(sync_env: Build) -> None:
    """The delivery is processed all the same: its reservation was read."""
    env, mirror, listing = mirrored(sync_env)
    rule = env.sandbox.faults.add(faults.status(500), route="GET /listings/{id}/calendar", times=None)
    book(env, listing, 10)
    work_off(mirror)
    assert list(marked_days(env)) == [listing]
    env.sandbox.faults.remove(rule)
    mirror.sync.run(env.account_id)
    assert (wrong_days(env, HORIZON), marked_days(env)) == ({}, {})


def test_deliveries_read_no_calendar_while_calendars_are_off(sync_env: Build) -> None:
    """No request for a calendar is sent."""
    env, _, listing = mirrored(sync_env)
    book(env, listing, 10)
    work_off(env.mirror(calendar_days=0))
    assert calendar_requests(env) == []
    assert list(marked_days(env)) == [listing]


def test_changes_of_an_account_are_collected_for_seconds() -> None:
    """From the first one on; another account does not wait for it."""
    read: list[int] = []
    both, go_on = threading.Event(), threading.Event()

    def note(account_id: int) -> None:
        read.append(account_id)
        if len(read) == 2:
            both.set()
            go_on.wait(PATIENCE)

    with CalendarFollower(note, drain=True, gather_s=0.01) as follower:
        for account_id in (1, 1, 1, 2):
            follower.note(account_id)
        assert both.wait(PATIENCE)
        follower.note(1)
        go_on.set()
    assert read == [1, 2, 1]


def test_error_of_one_account_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """It is a line in the log, and its marks stay."""
    read: list[int] = []

    def fail(account_id: int) -> None:
        read.append(account_id)
        if account_id == 1:
            raise SourceUnavailable("away")

    caplog.set_level("INFO")
    with CalendarFollower(fail, drain=True, gather_s=60) as follower:
        follower.note(1)
        follower.note(2)
    assert read == [1, 2]
    assert "account 1: calendar: days that stays changed wait for the next sync: away" in caplog.text


def test_stopped_calendar_reader_reads_no_more_calendars() -> None:
    """Unread days stay marked."""
    read: list[int] = []
    with CalendarFollower(read.append, gather_s=60) as follower:
        follower.note(1)
    assert read == []
