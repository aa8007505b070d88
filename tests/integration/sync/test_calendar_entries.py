from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support import sql
from tests.support.calendars import ahead, calendar_requests, marked_days, stored_days, wrong_days

from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

HORIZON = 120
CALENDAR = "GET /listings/{id}/calendar"
KEPT = "SELECT reason, record_id, exact FROM quarantined_records WHERE resource = 'calendar' ORDER BY reason, exact"


def spoil(env: SyncEnv, day: str, *, extra: tuple[Any, ...] = ()) -> None:
    """Let each answer hold one day without its date, and further entries at its end."""

    def change(rows: list[Any]) -> list[Any]:
        return [row | {"date": None} if row["date"] == day else row for row in rows] + list(extra)

    env.sandbox.faults.add(faults.change_rows(change), route=CALENDAR, times=None)


def test_entries_that_are_no_day_are_stored_once(sync_env: Build) -> None:
    """With their exact bytes, however often they come; the report counts each of them once a listing."""
    env = sync_env(listings=1, reservations=2)
    spoil(env, ahead(50).isoformat(), extra=(None, "free", {"id": 7}))
    mirror = env.mirror(calendar_days=HORIZON, calendar_after_hours=0)
    first = mirror.sync.run(env.account_id).resources[Resource.CALENDAR]
    assert len(calendar_requests(env)) > 1
    assert (first.counts.inserted, first.counts.quarantined) == (HORIZON + 1, 4)
    assert first.state is RunState.PARTIAL
    kept = sql.rows(env.database, KEPT)
    assert [(reason, number) for reason, number, _ in kept] == [
        ("no usable date", None),
        ("no usable date", None),
        ("not an object", None),
        ("not an object", None),
    ]
    assert [json.loads(exact) for _, _, exact in kept[2:]] == ["free", None]
    assert any(json.loads(exact).get("date", 0) is None for _, _, exact in kept[:2])
    second = mirror.sync.run(env.account_id).resources[Resource.CALENDAR]
    assert second.counts.quarantined == 4
    assert sql.rows(env.database, KEPT) == kept


def test_unusable_entry_beside_all_days_has_no_other_effect(sync_env: Build) -> None:
    """One request, no missing day, and a successful run."""
    env = sync_env(listings=1, reservations=2)
    spoil(env, "never", extra=([],))
    report = env.mirror(calendar_days=HORIZON).sync.run(env.account_id)
    counts = report.resources[Resource.CALENDAR].counts
    assert (report.state, counts.quarantined, counts.seen) == (RunState.SUCCESS, 1, HORIZON + 3)
    assert len(calendar_requests(env)) == 1
    assert (wrong_days(env, HORIZON), marked_days(env)) == ({}, {})


def test_dry_run_counts_unusable_entries_and_stores_none(sync_env: Build) -> None:
    """It writes nothing."""
    env = sync_env(listings=1, reservations=2)
    mirror = env.mirror(calendar_days=HORIZON)
    mirror.sync.run(env.account_id, resources=(Resource.LISTINGS,))
    spoil(env, "never", extra=(None,))
    report = mirror.sync.run(env.account_id, dry_run=True)
    assert report.resources[Resource.CALENDAR].counts.quarantined == 1
    assert (sql.rows(env.database, KEPT), stored_days(env, min(env.truth("listings")))) == ([], {})
