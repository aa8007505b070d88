"""`hostaway-sync calendar block`, `open`, `set` and `writes`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.calendar_writes import HORIZON, CalendarCase, calendar_case
from tests.support.calendars import ahead
from tests.support.db_roles import DbRoles
from tests.support.processes import read_terminal
from tests.support.terminal import start_on_terminal

from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]
    Run = Callable[..., subprocess.CompletedProcess[str]]


def runner(case: CalendarCase, program: Program) -> Run:
    """Return a function that runs a command for some days of the listing, counted from today."""

    def run(name: str, *options: str, first: int = 3, last: int = 7) -> subprocess.CompletedProcess[str]:
        days = (ahead(first).isoformat(), ahead(last).isoformat())
        words = ("calendar", name, str(case.listing_id), *days, *options)
        return program(case.env, *words, CALENDAR_DAYS=str(HORIZON))

    return run


def test_days_are_blocked_opened_and_priced(sync_env: Build, program: Program) -> None:
    """Each command prints what was written, and the ledger lists it."""
    case = calendar_case(sync_env)
    run = runner(case, program)
    done = run("block", "--note", "roof repair")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"Written: listing {case.listing_id}, {ahead(3)} to {ahead(7)} (5 days): available no, note roof repair "
        "(account 70001, write 1)\n"
    )
    assert (case.true("isAvailable", 2, 8), case.stored("note")) == ([1, *[0] * 5, 1], ["roof repair"] * 5)
    assert run("open", last=3).stdout.startswith(
        f"Written: listing {case.listing_id}, {ahead(3)} (1 days): available yes"
    )
    options = ("--price", "99.50", "--minimum-stay", "3", "--maximum-stay", "9", "--closed-on-arrival", "yes")
    done = run("set", *options, "--closed-on-departure", "no", "--note", "")
    assert "price 99.50, minimum stay 3, maximum stay 9, closed on arrival yes, closed on departure no" in done.stdout
    assert case.true("price") + case.true("closedOnArrival") == [99.5] * 5 + [1] * 5
    listed = program(case.env, "calendar", "writes")
    assert [line.split()[:6] for line in listed.stdout.splitlines()[-3:]] == [
        [str(number), "70001", str(case.listing_id), ahead(3).isoformat(), ahead(last).isoformat(), "done"]
        for number, last in ((1, 7), (2, 3), (3, 7))
    ]
    one = json.loads(program(case.env, "calendar", "writes", "--json", "--account", "70001").stdout)
    assert one[2]["values"]["price"] == 99.5
    assert program(case.env, "calendar", "writes", "--state", "failed").stdout == ""
    told = program(case.env, "account", "show", "70001").stdout
    assert "price: 120 → 99.50" in told
    assert "minimum_stay: 2 → 3" in told
    assert "note: replaced" in told


def test_dry_run_shows_old_and_new_values_and_sends_nothing(sync_env: Build, program: Program) -> None:
    """From the mirror: neither a request nor a row."""
    case = calendar_case(sync_env)
    run = runner(case, program)
    case.take(6, 6)
    case.sync()
    case.env.sandbox.forget()
    done = run("set", "--price", "99", "--dry-run", last=36)
    assert (done.returncode, done.stderr) == (0, "")
    title, *rest = done.stdout.splitlines()
    assert title.endswith("account 70001: nothing is sent")
    assert rest == [
        "mind: 34 days are written at once",
        f"mind: a stay takes 1 of these days, the first of them {ahead(6)}",
        f"{ahead(3)} to {ahead(36)}  price 120 -> 99",
    ]
    document = json.loads(run("set", "--price", "99", "--dry-run", "--json").stdout)
    assert document["days"][0] == {"date": ahead(3).isoformat(), "old": {"price": 120}, "new": {"price": 99}}
    assert document["concerns"] == [rest[1].removeprefix("mind: ")]
    assert (case.ledger(), list(case.env.sandbox.requests)) == ([], [])


def test_changed_days_are_shown_with_both_values(sync_env: Build, program: Program) -> None:
    """Exit 1, nothing is sent; the same command succeeds the second time."""
    case = calendar_case(sync_env)
    run = runner(case, program)
    case.edit(5, 5, price=77)
    done = run("set", "--price", "99")
    assert done.returncode == 1
    assert done.stdout == (
        f"{ahead(5)}  mirror: available yes, status available, price 120; now: available yes, status available, "
        "price 77\n"
    )
    assert f"1 days of listing {case.listing_id} changed meanwhile: {ahead(5)}; nothing was sent" in done.stderr
    case.edit(6, 6, isAvailable=0)
    done = run("set", "--price", "99", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["write"]) == (1, None)
    (changed,) = document["changed"]
    assert (changed["mirrored"]["is_available"], changed["live"]["is_available"]) == (True, False)
    document = json.loads(run("set", "--price", "99", "--json").stdout)
    assert (document["write"]["state"], document["changed"]) == ("done", [])
    assert [day["price"] for day in document["days"]] == [99] * 5


def test_many_days_and_taken_days_need_a_confirmation(sync_env: Build, program: Program) -> None:
    """Without a terminal only --yes confirms; on one, an answer does."""
    case = calendar_case(sync_env)
    run = runner(case, program)
    case.take(6, 7)
    case.sync()
    refused = run("open")
    assert refused.returncode == 2
    assert f"a stay takes 2 of these days, the first of them {ahead(6)}. stdin is not a terminal" in refused.stderr
    refused = run("set", "--price", "90", first=8, last=39)
    assert (refused.returncode, case.ledger()) == (2, [])
    assert "32 days are written at once" in refused.stderr
    assert run("set", "--price", "90", "--yes", first=8, last=39).returncode == 0
    assert run("set", "--price", "90", first=9, last=39).returncode == 0
    done = run("open", "--yes")
    assert done.returncode == 0
    assert done.stdout.endswith("A stay takes 2 of these days, which are not available until it is gone.\n")
    words = ("open", str(case.listing_id), ahead(5).isoformat(), ahead(6).isoformat())
    environment = case.env.environment(CALENDAR_DAYS=str(HORIZON)) | {"TERM": "xterm"}
    process, main = start_on_terminal(environment, "calendar", *words)
    os.write(main, b"n\n")
    told = read_terminal(main)
    assert "Go on?" in told
    assert process.wait(60) == 2
    assert case.writes() == 3


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("set",), 2, "nothing is to be set"),
        (("set", "--price", "0"), 2, "the price 0 is not above 0"),
        (("set", "--price", "-3"), 2, "the price -3 is not above 0"),
        (("set", "--price", "1e3"), 2, "'1e3' is not an amount: give a number with a point"),
        (("set", "--price", "99,50"), 2, "'99,50' is not an amount"),
        (("set", "--minimum-stay", "two"), 2, "'two' is not a number of nights"),
        (("set", "--closed-on-arrival", "maybe"), 2, "--closed-on-arrival: 'maybe' is neither yes nor no"),
        (("block", "--account", "70009"), 1, "account 70009 is not known here"),
    ],
)
def test_impossible_write_prints_one_sentence(
    sync_env: Build, program: Program, words: tuple[str, ...], code: int, error: str
) -> None:
    """Before any request."""
    case = calendar_case(sync_env)
    done = runner(case, program)(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert error in done.stderr
    assert not case.env.sandbox.requests


@pytest.mark.parametrize("kind", ["analyst", "writer"])
def test_reader_role_may_not_write_a_calendar(sync_env: Build, program: Program, kind: str) -> None:
    """PostgreSQL refuses it, in one sentence, before anything is sent."""
    case = calendar_case(sync_env)
    roles = DbRoles(case.env.database)
    try:
        roles.create_groups()
        role = roles.create_login("clerk", getattr(roles.groups, kind))
        days = (ahead(3).isoformat(), ahead(3).isoformat())
        words = ("calendar", "block", str(case.listing_id), *days)
        done = program(case.env, *words, CALENDAR_DAYS=str(HORIZON), DATABASE_URL=roles.url(role))
    finally:
        roles.drop_all()
    if kind == "writer":
        assert (done.returncode, done.stderr, case.ledger()) == (0, "", ["done"])
        return
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "permission denied" in done.stderr
    assert not case.env.sandbox.requests


def test_refused_or_ignored_write_ends_with_1(sync_env: Build, program: Program) -> None:
    """The output has Hostaway's own sentence, and what to do."""
    case = calendar_case(sync_env)
    run = runner(case, program)
    case.add_fault(faults.denied())
    done = run("block")
    assert done.returncode == 1
    assert "write 1 of listing" in done.stderr
    assert "was not carried out, and may be tried again" in done.stderr
    assert "the key may read this calendar and not write it" in done.stderr
    case.add_fault(faults.accepted_then(faults.connection_reset()))
    done = run("block")
    assert (done.returncode, done.stderr) == (0, "")
    case.add_fault(faults.connection_reset())
    done = run("set", "--price", "99", "--json")
    assert done.returncode == 1
    assert "is not known" in done.stderr
    assert json.loads(done.stdout)["write"]["state"] == "outcome_unknown"
    again = run("set", "--price", "99")
    assert again.returncode == 1
    assert "nothing was sent; try again in a while" in again.stderr
    case.let_a_minute_pass()
    assert run("set", "--price", "99").returncode == 0
    assert case.ledger() == ["failed", "done", "failed", "done"]
    assert sql.rows(case.env.database, "SELECT count(*) FROM audit_log WHERE action = 'calendar_written'") == [(2,)]
