from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.calendars import ahead
from tests.support.prometheus_text import parse_samples

from hostaway_sync.model.health import assess_health
from hostaway_sync.model.records import Resource
from hostaway_sync.observability.prometheus import TEXTFILE_NAME
from hostaway_sync.sandbox import AccountSpec, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.model.calendar.facts import CalendarFacts

    Build = Callable[..., SyncEnv]

HORIZON = 60
ON = {"CALENDAR_DAYS": str(HORIZON)}


def known(mirror: Mirror, account_id: int = 70001) -> CalendarFacts:
    """Return what `status` knows of the calendars of an account, which is the same for one account and for all."""
    (facts,) = mirror.status.overview(account_id).accounts
    assert facts.calendar is not None
    assert facts.calendar in [one.calendar for one in mirror.status.overview().accounts]
    return facts.calendar


def problems(mirror: Mirror) -> list[str]:
    """Return what `status` finds wrong with the account."""
    overview = mirror.status.overview(70001)
    return list(assess_health(overview.accounts[0], overview.now).problems)


def set_turns(env: SyncEnv, ago: str) -> None:
    """Set the reading and the next turn of every listing to so long ago."""
    sql.execute(
        env.database,
        f"UPDATE calendar_readings SET rota_at = now() - interval '{ago}', "
        f"read_at = least(now(), now() - interval '{ago}')",
    )


def book(env: SyncEnv, first: int, last: int) -> int:
    """Book the first listing between two days, counted from today; return the listing."""
    listing = min(env.truth("listings"))
    env.sandbox.world.create_reservation(
        listingMapId=listing, arrivalDate=ahead(first).isoformat(), departureDate=ahead(last).isoformat()
    )
    return listing


def test_status_says_how_far_calendars_are_read(sync_env: Build, program: Program) -> None:
    """Listings read, due by a changed stay, and never read: one line, and one JSON key."""
    env = sync_env(listings=3, reservations=3)
    mirror = env.mirror(calendar_days=HORIZON)
    mirror.sync.run(70001, resources=(Resource.LISTINGS,))
    assert (known(mirror).listings, known(mirror).never_read, known(mirror).oldest_read_at) == (3, 3, None)
    mirror.sync.run(70001)
    book(env, 10, 14)
    mirror.sync.run(70001, resources=(Resource.RESERVATIONS,))
    done = program(env, "status", "70001", **ON)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("calendars")]
    assert "3 of 3 listings read; the oldest reading 2" in line
    assert "; due since 2" in line
    assert line.endswith(": 9 days of 1 listing")
    (account,) = json.loads(program(env, "status", "70001", "--json", **ON).stdout)["accounts"]
    calendar = account["calendar"]
    assert (calendar["is_on"], calendar["listings"], calendar["read"], calendar["never_read"]) == (True, 3, 3, 0)
    assert (calendar["due"]["listings"], calendar["due"]["days"]) == (1, 9)
    assert datetime.fromisoformat(calendar["oldest_read_at"]) <= datetime.fromisoformat(calendar["due"]["since"])
    assert "calendar" not in json.loads(program(env, "status", "--json", **ON).stdout)["accounts"][0]


def test_status_omits_calendars_that_were_never_read(sync_env: Build, program: Program) -> None:
    """The key is null while they are off; earlier readings stay visible."""
    env = sync_env(listings=2, reservations=2)
    env.mirrored()
    assert "calendars" not in program(env, "status", "70001").stdout
    assert json.loads(program(env, "status", "70001", "--json").stdout)["accounts"][0]["calendar"] is None
    env.mirror(calendar_days=HORIZON).sync.run(70001)
    set_turns(env, "30 days")
    env.mirror().sync.run(70001)
    assert "switched off; 2 of 2 listings read" in program(env, "status", "70001").stdout
    assert problems(env.mirror()) == []


def test_calendar_that_ends_early_is_accepted_after_three_readings(sync_env: Build, program: Program) -> None:
    """Two readings count missing days; then the source's last day is known."""
    env = sync_env(listings=1, reservations=1, switches=Switches(short_calendar="horizon"))
    mirror = env.mirrored(calendar_days=365, calendar_after_hours=0)
    first = known(mirror)
    assert first.missing_listings == 1
    assert first.missing_days > 0
    assert first.short_listings == 0
    for _ in range(2):
        mirror.sync.run(70001)
    (until,) = sql.row(env.database, "SELECT known_until FROM calendar_readings")
    assert (known(mirror).missing_days, known(mirror).short_listings, known(mirror).known_until) == (0, 1, until)
    assert isinstance(until, date)
    said = program(env, "status", "70001", CALENDAR_DAYS="365").stdout
    assert f"1 calendar that Hostaway ends early, the first on {until}" in said


def test_refusal_is_shown_without_guest_data(sync_env: Build, program: Program) -> None:
    """The sentence passes the same filter as every other error."""
    env = sync_env(listings=2, reservations=2)
    listing = min(env.truth("listings"))
    words = {"status": "fail", "message": "Zebedee Quux <zeb@quux.example> may not \x1b[31mread the calendar"}
    refusal = faults.status(403, body=json.dumps(words).encode())
    env.sandbox.faults.add(refusal, path=f"/listings/{listing}/calendar", times=None)
    mirror = env.mirror(calendar_days=HORIZON)
    mirror.sync.run(70001)
    facts = known(mirror)
    assert (facts.refused, facts.read, facts.never_read) == (1, 1, 0)
    assert facts.refused_since is not None
    for options in ([], ["--json"]):
        said = program(env, "status", "70001", *options, **ON).stdout
        assert "though its token works elsewhere" in said
        assert not any(word in said for word in ("Zebedee", "Quux", "quux", "\x1b", "\\u001b"))


@pytest.mark.parametrize(
    ("waited", "is_wrong"), [("39 hours", False), ("45 hours", True), ("-3 hours", False), ("-90 days", False)]
)
def test_calendar_is_a_problem_two_periods_after_its_turn(sync_env: Build, waited: str, is_wrong: bool) -> None:  # noqa: FBT001  (pytest gives it)
    """Only where a run began after that time and did not read it."""
    env = sync_env(listings=3, reservations=2)
    mirror = env.mirrored(calendar_days=HORIZON)
    set_turns(env, waited)
    mirror.sync.run(70001, resources=(Resource.RESERVATIONS,))
    said = "3 calendars not read again in time, the first has been waiting for 45 h"
    assert problems(mirror) == ([said] if is_wrong else [])
    mirror.sync.run(70001)
    assert problems(mirror) == []


def test_mirror_that_rested_for_days_raises_no_false_alarm(sync_env: Build) -> None:
    """No run has failed to read the calendars: the next one will."""
    env = sync_env(listings=2, reservations=2)
    mirror = env.mirrored(calendar_days=HORIZON)
    set_turns(env, "9 days")
    sql.execute(
        env.database,
        "UPDATE sync_runs SET triggered_at = now() - interval '9 days', started_at = now() - interval '9 days'",
    )
    assert problems(mirror) == []


def test_calendar_metrics_follow_the_due_listings(sync_env: Build, tmp_path: Path) -> None:
    """One value an account; the rows of the last day count days as records of a resource."""
    env = sync_env(accounts=[AccountSpec(number, reservations=2, listings=2) for number in (70001, 70002)])
    mirror = env.mirror(calendar_days=HORIZON)

    def number(name: str, **labels: str) -> float:
        mirror.status.write_metrics(tmp_path)
        found = parse_samples((tmp_path / TEXTFILE_NAME).read_text())
        return found[f"hostaway_sync_{name}", frozenset(labels.items())]

    mirror.sync.run(70001)
    mirror.sync.run(70002, resources=(Resource.LISTINGS,))
    assert number("rows_last_day", resource="calendar", change="inserted") == 2 * (HORIZON + 2)
    assert number("calendar_unread_listings", account="70001") == 0
    assert number("calendar_unread_listings", account="70002") == 2
    assert number("calendar_due_listings", account="70001") == 0
    book(env, 5, 8)
    mirror.sync.run(70001, resources=(Resource.RESERVATIONS,))
    assert number("calendar_due_listings", account="70001") == 1
    sql.execute(env.database, "UPDATE calendar_due SET due_at = now() - interval '2 hours'")
    assert number("calendar_oldest_mark_seconds", account="70001") == pytest.approx(7200, abs=60)
    assert number("calendar_oldest_mark_seconds", account="70002") == 0
    assert number("calendar_refused_listings", account="70001") == 0
    sql.execute(env.database, "UPDATE calendar_readings SET refused_at = now()")
    assert number("calendar_refused_listings", account="70001") == 2
    sql.execute(env.database, "UPDATE calendar_readings SET refused_at = NULL")
    assert number("calendar_oldest_turn_seconds", account="70001") == 0
    sql.execute(env.database, "UPDATE calendar_readings SET missing_days = 4")
    set_turns(env, "2 hours")
    assert number("calendar_missing_days", account="70001") == 8
    assert number("calendar_oldest_turn_seconds", account="70001") == pytest.approx(7200, abs=60)
    assert number("calendar_oldest_reading_seconds", account="70001") == pytest.approx(7200, abs=60)
    assert number("calendar_oldest_reading_seconds", account="70002") == 0
    mirror = env.mirror()
    assert number("calendar_due_listings", account="70001") == 0
    assert number("calendar_oldest_reading_seconds", account="70001") == 0


def test_calendar_facts_take_one_statement(sync_env: Build) -> None:
    """The number of accounts and listings does not matter."""
    env = sync_env(accounts=[AccountSpec(number, reservations=1, listings=2) for number in range(70001, 70004)])
    mirror = env.mirror(calendar_days=HORIZON)
    mirror.sync.run_all()
    seen: list[str] = []
    engine = mirror._container.database.engine  # noqa: SLF001  (its own connections)
    sa.event.listen(engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    assert [account.calendar.read for account in mirror.status.overview().accounts if account.calendar] == [2, 2, 2]
    assert sum("calendar_readings" in statement for statement in seen) == 1


def test_marks_outside_the_mirrored_days_are_not_due(sync_env: Build) -> None:
    """A stay in two years, or a past one, changes no day that is read now."""
    env = sync_env(listings=1, reservations=1)
    mirror = env.mirrored(calendar_days=HORIZON)
    for first, last, days in ((-9, 3, 5), (HORIZON - 1, HORIZON + 9, 2), (HORIZON + 1, HORIZON + 9, 0), (-9, -2, 0)):
        sql.execute(
            env.database,
            "INSERT INTO calendar_due (account_id, listing_id, first_day, last_day, due_at, reason) "
            f"SELECT account_id, id, current_date + {first}, current_date + {last}, now(), '' FROM listings "
            "ON CONFLICT (account_id, listing_id) DO UPDATE SET first_day = excluded.first_day, "
            "last_day = excluded.last_day",
        )
        assert known(mirror).due_days == days
        assert known(mirror).due_listings == min(days, 1)
