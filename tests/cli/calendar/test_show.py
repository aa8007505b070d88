from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.calendars import ahead
from tests.support.processes import read_terminal
from tests.support.terminal import start_on_terminal

from hostaway_sync.sandbox import AccountSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

HORIZON = 40


def mirrored(sync_env: Build) -> tuple[SyncEnv, str]:
    """Return an environment with one listing without reservations, mirrored for some weeks, and the listing's id."""
    env = sync_env(listings=1, reservations=0)
    (listing_id,) = env.truth("listings")
    env.sandbox.world.edit_days(listing_id, ahead(-1), ahead(HORIZON), isAvailable=1, price=120, note=None)
    return env, str(listing_id)


def read(env: SyncEnv) -> None:
    """Mirror the account with its calendars."""
    env.mirror(calendar_days=HORIZON).sync.run(env.account_id)


def days(first: int, last: int) -> tuple[str, str]:
    """Return two days, counted from today, in the form in which a user types them."""
    return ahead(first).isoformat(), ahead(last).isoformat()


def test_calendar_in_a_pipe_has_one_line_a_day(sync_env: Build, program: Program) -> None:
    """State, rules and note are in their columns; the command sends no request."""
    env, listing = mirrored(sync_env)
    world = env.sandbox.world
    world.edit_days(int(listing), ahead(3), ahead(4), isAvailable=0, note="roof\nrepair")
    world.edit_days(int(listing), ahead(2), ahead(2), closedOnArrival=1, closedOnDeparture=1, price=99.5)
    arrival, departure = days(5, 7)
    world.create_reservation(listingMapId=int(listing), arrivalDate=arrival, departureDate=departure)
    read(env)
    env.sandbox.forget()
    done = program(env, "calendar", "show", listing, *days(1, 7))
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines() if line[:2] == "20"]
    assert [line[0] for line in lines] == [ahead(number).isoformat() for number in range(1, 8)]
    assert [line[2] for line in lines] == ["free", "free", "blocked", "blocked", "taken", "taken", "free"]
    assert lines[1][3:7] == ["99.5", "2", "365", "no-arrival,no-departure"]
    assert lines[2][-2:] == ["roof", "repair"]
    assert f"7 days, {ahead(1)} to {ahead(7)}: 3 free, 2 taken, 2 blocked" in done.stdout
    assert "last read whole on" in done.stdout
    assert f"read as far as {ahead(HORIZON)}" in done.stdout
    assert not env.sandbox.requests


def test_calendar_without_days_shows_three_months_from_today(sync_env: Build, program: Program) -> None:
    """Today is the listing's local day; days beyond the mirrored ones have no values."""
    env, listing = mirrored(sync_env)
    read(env)
    zone = "UPDATE hostaway.listings SET raw_payload = raw_payload || jsonb_build_object('timeZoneName', '{}')"
    found = set()
    for name in ("Pacific/Kiritimati", "Pacific/Niue", "nowhere"):
        sql.execute(env.database, zone.format(name))
        document = json.loads(program(env, "calendar", "show", listing, "--json").stdout)
        assert document["days"][0]["date"] == document["first"]
        assert 88 <= len(document["days"]) <= 92
        assert set(document["days"][-1].values()) == {document["last"], None}
        found.add(document["first"])
    # 25 hours lie between the two zones: never the same day.
    assert len(found) >= 2


def test_csv_is_one_line_a_day_without_formulas(sync_env: Build, program: Program) -> None:
    """Line ends, quotes and names follow RFC 4180; text that a spreadsheet would run is made harmless."""
    env, listing = mirrored(sync_env)
    notes = ["=HYPERLINK(A1)", 'say "hi", twice\nor more', "ok; @SUM(1)", "+1 guest", "\uff1d1", "\x1b[31mred"]
    for number, note in enumerate(notes):
        env.sandbox.world.edit_days(int(listing), ahead(number), ahead(number), note=note)
    read(env)
    done = program(env, "calendar", "show", listing, *days(0, 6), "--csv")
    assert done.stdout.count("\n") == 8
    head, *rows = csv.reader(io.StringIO(done.stdout, newline=""), strict=True)
    assert ",".join(head) == (
        "date,is_available,status,price,minimum_stay,maximum_stay,closed_on_arrival,closed_on_departure,"
        "available_units,note"
    )
    assert rows[0][:6] == [ahead(0).isoformat(), "true", "available", "120", "2", "365"]
    assert [row[-1] for row in rows] == [
        "'=HYPERLINK(A1)", 'say "hi", twice or more', "ok; '@SUM(1)", "'+1 guest", "'\uff1d1", "[31mred", "",
    ]  # fmt: skip


def test_calendar_says_what_is_due_refused_or_missing(sync_env: Build, program: Program) -> None:
    """Before the first reading, after a changed stay, at the calendar's end, and after a refusal."""
    env, listing = mirrored(sync_env)
    env.mirror().sync.run(env.account_id)
    shown = program(env, "calendar", "show", listing).stdout
    assert "never read whole: `hostaway-sync sync 70001 --resource calendar` reads it" in shown
    assert "not known" in shown
    read(env)
    arrival, departure = days(5, 7)
    env.sandbox.world.create_reservation(listingMapId=int(listing), arrivalDate=arrival, departureDate=departure)
    env.mirror().sync.run(env.account_id)
    shown = program(env, "calendar", "show", listing).stdout
    assert f"due: {ahead(3)} to {ahead(9)}, because a stay changed" in shown
    document = json.loads(program(env, "calendar", "show", listing, "--json").stdout)
    assert document["due"] == {"first": ahead(3).isoformat(), "last": ahead(9).isoformat()}
    sql.execute(env.database, "UPDATE hostaway.calendar_readings SET short_count = 3, missing_days = 2")
    sql.execute(env.database, "UPDATE hostaway.calendar_readings SET refused_at = '2026-11-01'")
    sql.execute(env.database, "UPDATE hostaway.listings SET missing_since = '2026-11-02'")
    shown = program(env, "calendar", "show", listing).stdout
    for expected in (
        f"Hostaway's calendar ends {ahead(HORIZON)}",
        "2 days did not come in that reading",
        "Hostaway refused this calendar on 2026-11-01 00:00 UTC",
        "the listing is gone at Hostaway since 2026-11-02 00:00 UTC",
    ):
        assert expected in shown


def test_listing_id_in_two_accounts_needs_the_account_option(sync_env: Build, program: Program) -> None:
    """One sentence names both accounts; `--account` chooses one."""
    env = sync_env(accounts=[AccountSpec(id=number, listings=1, reservations=0) for number in (70001, 70002)])
    env.mirrored()
    (listing,) = map(str, env.truth("listings"))
    columns = "id, observed_at, payload_hash, raw_payload"
    sql.execute(
        env.database,
        f"INSERT INTO hostaway.listings (account_id, {columns}) SELECT 70002, {columns} FROM hostaway.listings",
    )
    done = program(env, "calendar", "show", listing)
    assert done.returncode == 2
    assert f"accounts 70001, 70002 have a listing {listing}: use --account" in done.stderr
    shown = program(env, "calendar", "show", listing, "--account", "70002", "--json")
    assert json.loads(shown.stdout)["account_id"] == 70002


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["5"], 1, "no account has a listing 5 here: check the id, or sync first"),
        (["5", "--account", "70001"], 1, "account 70001 has a listing 5 here"),
        (["5", "--account", "9"], 1, "account 9 is not known here"),
        (["5", "2026-12-09", "2026-12-01"], 2, "is before the first, 2026-12-09: give the earlier day first"),
        (["5", "2026-12-09"], 2, "the last day is missing"),
        (["5", "2026-02-30", "2026-12-01"], 2, "'2026-02-30' is not a day: give YYYY-MM-DD"),
        (["5", "20261201", "2026-12-01"], 2, "'20261201' is not a day"),
        (["5", "0001-01-01", "9999-12-31"], 2, "give 3,660 at most"),
        (["5", "--json", "--csv"], 2, "--json and --csv exclude each other"),
        (["five"], 2, "'five' is not an id"),
    ],
)
def test_unknown_listing_or_wrong_days_print_one_sentence(
    sync_env: Build, program: Program, words: list[str], code: int, sentence: str
) -> None:
    """An unknown object ends with 1, an impossible argument with 2."""
    done = program(sync_env(), "calendar", "show", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr


@pytest.mark.parametrize("settings", [{}, {"NO_COLOR": "1"}])
def test_terminal_shows_months_and_harmless_notes(sync_env: Build, settings: dict[str, str]) -> None:
    """The picture fits the width, and has colours only where they are allowed."""
    env, listing = mirrored(sync_env)
    env.sandbox.world.edit_days(int(listing), ahead(3), ahead(4), isAvailable=0, note="\x1b[2Jcalm\u202e\r waters" * 9)
    read(env)
    environment = env.environment() | {"TERM": "xterm", "COLUMNS": "72"} | settings
    process, main = start_on_terminal(environment, "calendar", "show", listing, *days(0, 30))
    shown = read_terminal(main)
    assert process.wait(60) == 0
    lines = shown.replace("\r\n", "\n").split("\n")
    assert f"{ahead(0):%B %Y}" in shown
    assert f"{ahead(3)} to {ahead(4)}: [2Jcalm waters" in shown
    assert "\r" not in "".join(lines)
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert ("\x1b[32m" in shown) is not bool(settings)
    plain = [line for line in lines if "\x1b" not in line]
    assert max(map(len, plain)) <= 72
