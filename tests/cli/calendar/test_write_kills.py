"""The program is killed at each point of a write: the next sync settles the write, and mirrors the days."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.barrier import Barrier
from tests.support.calendar_writes import HORIZON, READ, WRITE, CalendarCase, calendar_case
from tests.support.calendars import ahead, wrong_days
from tests.support.deliveries import eventually
from tests.support.processes import kill_process, start_program
from tests.support.store.table_locks import TableGate

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

# By the point at which the program is killed: the row of the ledger then, and what the source did in the end.
POINTS = {
    "while the days are read": ([], False),
    "before the intent": ([], False),
    "after the intent": (["pending"], False),
    "before the source acts": (["sending"], True),
    "before the source answers": (["sending"], True),
    "while the days are read back": (["sending"], True),
    "before the days are stored": (["sending"], True),
    "before the end is stored": (["sending"], True),
}
GATES = {
    "before the intent": (1, "calendar_writes"),
    "after the intent": (1, "calendar_due"),
    "before the days are stored": (2, "calendar_days"),
    "before the end is stored": (2, "calendar_writes"),
}
BARRIERS = {
    "while the days are read": (READ, 1, False),
    "before the source acts": (WRITE, 1, False),
    "before the source answers": (WRITE, 1, True),
    "while the days are read back": (READ, 2, False),
}


def die(case: CalendarCase, point: str) -> None:
    """Kill a writing program at a point."""
    words = ("set", str(case.listing_id), ahead(3).isoformat(), ahead(7).isoformat(), "--price", "99")
    with ExitStack() as stack:
        if point in GATES:
            number, table = GATES[point]
            gate = TableGate(case.env, READ, number, table)
            stack.callback(gate.open)
            process = start(case, words)
            gate.wait(process)
        else:
            route, number, answered = BARRIERS[point]
            barrier = stack.enter_context(Barrier(case.env.sandbox, route, number, answered=answered))
            process = start(case, words)
            barrier.wait()
        kill_process(process)
        if point in BARRIERS:
            assert case.ledger() == POINTS[point][0]
    if point in GATES:
        assert case.ledger() == POINTS[point][0]


def start(case: CalendarCase, words: tuple[str, ...]) -> BaseProcess:
    """Start a command about the calendar."""
    return start_program(case.env.environment(CALENDAR_DAYS=str(HORIZON)), "calendar", *words)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("settler", ["a sync", "the next write"])
def test_killed_write_is_settled_by_its_days(sync_env: Build, point: str, settler: str) -> None:
    """No request is repeated, no row stays open, and the ledger says what the source did."""
    case = calendar_case(sync_env)
    die(case, point)
    states, was_done = POINTS[point]
    if was_done:
        eventually(lambda: case.true("price") == [99] * 5, "the source has acted")
    eventually(lambda: case.writes() == int(was_done), "the source has noted its requests")
    if settler == "a sync":
        case.sync()
    else:
        case.write(20, 21, is_available=False)
    settled = ["done" if was_done else "failed"] if states else []
    assert case.ledger()[: len(settled)] == settled
    assert len(case.ledger()) == len(settled) + (settler != "a sync")
    assert not wrong_days(case.env, HORIZON)
    assert case.writes() == int(was_done) + (settler != "a sync")
    audited = "SELECT count(*) FROM audit_log WHERE action = 'calendar_written'"
    assert sql.row(case.env.database, audited) == (case.ledger().count("done"),)


def test_running_request_of_a_killed_program_stays_open(sync_env: Build) -> None:
    """While the source may still act, the write has not failed, and no other program writes these days."""
    case = calendar_case(sync_env)
    words = ("block", str(case.listing_id), ahead(3).isoformat(), ahead(7).isoformat())
    with Barrier(case.env.sandbox, WRITE) as acting:
        process = start(case, words)
        acting.wait()
        kill_process(process)
        case.sync()
        (row,) = case.ledger("state, error")
        assert row[0] == "outcome_unknown"
        assert row[1].startswith("its process died; the source may still carry it out, and does not show it")
    eventually(lambda: case.true("isAvailable") == [0] * 5, "the source has acted")
    case.sync()
    assert case.ledger("state, error") == [("done", None)]
    assert not wrong_days(case.env, HORIZON)
