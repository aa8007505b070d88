from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.calendars import ahead, calendar_requests, marked_days, stored_days, wrong_days

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror

    Build = Callable[..., SyncEnv]

HORIZON = 60


def linked(sync_env: Build) -> tuple[SyncEnv, Mirror, int, int]:
    """Return an environment with a parent and its unit, its mirror, and the two listings."""
    env = sync_env(listings=4, reservations=4)
    parent, unit, *_ = sorted(env.truth("listings"))
    env.sandbox.world.link_listings(parent, unit)
    mirror = env.mirror(calendar_days=HORIZON, retry_attempts=1)
    mirror.sync.run(env.account_id)
    assert wrong_days(env, HORIZON) == {}
    env.sandbox.forget()
    return env, mirror, parent, unit


def book(env: SyncEnv, listing_id: int, first: int, nights: int = 3) -> int:
    """Book a listing so many days ahead; return the reservation."""
    arrival, departure = ahead(first).isoformat(), ahead(first + nights).isoformat()
    return env.sandbox.world.create_reservation(listingMapId=listing_id, arrivalDate=arrival, departureDate=departure)


@pytest.mark.parametrize("is_parent", [True, False])
def test_stay_blocks_the_days_of_linked_listings(sync_env: Build, *, is_parent: bool) -> None:
    """On either of the two: the next run reads the same days of both, and of no other listing."""
    env, mirror, parent, unit = linked(sync_env)
    booked, other = (parent, unit) if is_parent else (unit, parent)
    number = book(env, booked, 20)
    mirror.sync.run(env.account_id)
    assert sorted(calendar_requests(env)) == [(parent, 8), (unit, 8)]
    assert stored_days(env, booked)[ahead(21)]["status"] == "reserved"
    assert stored_days(env, other)[ahead(21)]["status"] == "blocked"
    assert (wrong_days(env, HORIZON), marked_days(env)) == ({}, {})
    env.sandbox.world.cancel_reservation(number)
    mirror.sync.run(env.account_id)
    assert (wrong_days(env, HORIZON), marked_days(env)) == ({}, {})


def test_linked_days_stay_due_until_they_are_read(sync_env: Build) -> None:
    """The listing with the stay was read before: a failed calendar is requested again."""
    env, mirror, parent, unit = linked(sync_env)
    book(env, unit, 20)
    env.sandbox.faults.add(faults.status(500), path=f"/listings/{parent}/calendar", times=None)
    mirror.sync.run(env.account_id)
    assert marked_days(env) == {parent: (ahead(18), ahead(25))}
    reasons = sql.rows(env.database, "SELECT reason FROM calendar_due")
    assert reasons == [("a stay changed on a linked listing",)]
    env.sandbox.faults.clear()
    mirror.sync.run(env.account_id)
    assert (wrong_days(env, HORIZON), marked_days(env)) == ({}, {})


def test_dry_run_marks_no_linked_day(sync_env: Build) -> None:
    """It reads and counts the days of both listings."""
    env, mirror, _, unit = linked(sync_env)
    book(env, unit, 20)
    mirror.sync.run(env.account_id, resources=(Resource.RESERVATIONS,))
    marks = marked_days(env)
    mirror.sync.run(env.account_id, dry_run=True)
    assert len(calendar_requests(env)) == 2
    assert marked_days(env) == marks


@pytest.mark.parametrize("seed", range(3))
def test_days_of_linked_listings_follow_all_stays(sync_env: Build, seed: int) -> None:
    """Moved, cancelled, booked and moved to another listing in any order, without a turn of any calendar."""
    env, mirror, parent, unit = linked(sync_env)
    chance, world = random.Random(seed), env.sandbox.world  # noqa: S311  (a test that can be repeated)
    booked = [book(env, parent, 5), book(env, unit, 30)]
    for _ in range(6):
        for _ in range(chance.randint(1, 3)):
            number, listing = chance.choice(booked), chance.choice(sorted(env.truth("listings")))
            first = chance.randint(2, 45)
            nights = chance.randint(1, 6)
            change = chance.choice(["move", "cancel", "book", "relist"])
            if change == "move":
                world.move_reservation(
                    number, arrival=ahead(first), departure=ahead(first + nights), listing_id=listing
                )
            elif change == "book":
                booked.append(book(env, listing, first))
            else:
                world.update_reservation(number, status="new" if change == "relist" else "cancelled")
        mirror.sync.run(env.account_id)
        assert (wrong_days(env, HORIZON), marked_days(env)) == ({}, {})
