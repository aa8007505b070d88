"""API calls of a day, by resource: an account of 50 listings and 5,000 reservations of which 60 change a day.

A run an hour. Between two runs an hour passes: whatever says when something was read, or is to be read again, is put
back by an hour. The first day follows the first sync; the second one is as all others.

    python benchmarks/day_of_calls.py               two days, 50 listings, 5,000 reservations, 60 changes
    python benchmarks/day_of_calls.py 1 10 200 12   one day of a smaller account
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from inbox import run, settings_of
from stage import play, stage

from hostaway_sync.app.container import Container
from hostaway_sync.sandbox import Sandbox
from hostaway_sync.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.sandbox.world.world import World

HOURS = 24
CALENDAR = "calendar"
# Mirrored since the beginning, with the tokens for it.
FIRST = ("accessTokens", "listings", "reservations", "conversations", "messages")
# Columns that say when something was read, or is to be read again.
MOMENTS = {
    "calendar_readings": ("asked_at", "read_at", "rota_at", "refused_at"),
    "calendar_due": ("due_at",),
    "watermarks": ("swept_at", "hurried_at"),
    "resource_readings": ("read_at", "whole_at", "due_at", "refused_at"),
    "reference_readings": ("read_at", "due_at"),
}


def main() -> None:
    """Play the days given and print the calls of each."""
    days, listings, reservations, changes = [int(word) for word in sys.argv[1:]] or [2, 50, 5_000, 60]
    chance = random.Random(7)  # noqa: S311  (the same day every time)
    with Sandbox(listings=listings, reservations=reservations) as sandbox, stage("--reservations", "1") as on:
        on.environment["HOSTAWAY_SYNC_API_URL"] = sandbox.url
        container = Container(load_settings(**settings_of(on)))
        play(on, "sync", str(on.account_id))
        print(f"{listings} listings, {reservations:,} reservations, {changes} changes a day, a run an hour")
        _print("first sync", _by_resource(sandbox.calls))
        for day in range(1, days + 1):
            sandbox.forget()
            for hour in range(HOURS):
                _pass_an_hour(container)
                for _ in range((hour + 1) * changes // HOURS - hour * changes // HOURS):
                    _change(sandbox.world, chance)
                play(on, "sync", str(on.account_id))
            _print(f"day {day}", _by_resource(sandbox.calls))
        container.close()


def _pass_an_hour(container: Container) -> None:
    for table, columns in MOMENTS.items():
        moved = ", ".join(f"{column} = {column} - interval '1 hour'" for column in columns)
        run(container, f"UPDATE hostaway.{table} SET {moved}")  # noqa: S608  (names from above)


def _change(world: World, chance: random.Random) -> None:
    """Book, move, cancel or pay a stay of the next months: three of four change days of a calendar."""
    kind = chance.choice(("book", "move", "cancel", "pay"))
    arrival = datetime.now(UTC).date() + timedelta(days=chance.randint(1, 120))
    departure = arrival + timedelta(days=chance.randint(2, 7))
    if kind == "book":
        listing_id = chance.choice(world.listing_ids)
        first, last = arrival.isoformat(), departure.isoformat()
        world.create_reservation(listingMapId=listing_id, arrivalDate=first, departureDate=last)
    elif kind == "move":
        world.move_reservation(_pick(world, chance), arrival=arrival, departure=departure)
    elif kind == "cancel":
        world.cancel_reservation(_pick(world, chance))
    else:
        world.pay(_pick(world, chance))


def _pick(world: World, chance: random.Random) -> int:
    """Return a stay that takes days ahead."""
    today = datetime.now(UTC).date()
    ahead = [
        number
        for number, row in world.truth("reservations")
        if row["status"] in {"new", "modified"} and date.fromisoformat(row["arrivalDate"]) > today
    ]
    return chance.choice(ahead)


def _by_resource(calls: Mapping[str, int]) -> Counter[str]:
    """Count calls by what they read: the last named part of the route."""
    counted: Counter[str] = Counter()
    for route, number in calls.items():
        parts = [part for part in route.partition(" ")[2].split("/") if part and not part.startswith("{")]
        counted[parts[-1] if parts else "other"] += number
    return counted


def _print(what: str, calls: Counter[str]) -> None:
    first = sum(calls[name] for name in FIRST)
    others = calls.total() - first - calls[CALENDAR]
    print(
        f"{what}: {calls.total():,} calls: {first:,} as before, {calls[CALENDAR]} calendars, {others} other resources"
    )
    for name, number in calls.most_common():
        print(f"{number:>8,}  {name}")


if __name__ == "__main__":
    main()
