"""Stamps that go back at the source: they freeze no row, and one reading alone sets no row back."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql

from hostaway_sync.model.health import assess_health
from hostaway_sync.model.records import Resource, RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

STAMPS = {Resource.LISTINGS: "latestActivityOn", Resource.RESERVATIONS: "updatedOn"}
FORMAT = "%Y-%m-%d %H:%M:%S"
SWEPT = "UPDATE watermarks SET swept_at = swept_at - interval '20 hours' RETURNING 1"


def stamped(env: SyncEnv, resource: Resource, row_id: int, by: timedelta) -> dict[str, Any]:
    """Return a row of the source with its stamp moved."""
    true = env.truth(resource)[row_id]
    moved = datetime.strptime(true[STAMPS[resource]], FORMAT) + by  # noqa: DTZ007  (no zone is written)
    return {**true, STAMPS[resource]: moved.strftime(FORMAT)}


def serve(env: SyncEnv, resource: Resource, row: dict[str, Any]) -> None:
    """Make the source send this row in place of the one with its id, at its old place in the list."""
    env.sandbox.world.corrupt(resource.value, row["id"], json.dumps(row).encode())


def env_with_a_row_ahead(sync_env: Build, resource: Resource) -> tuple[SyncEnv, int, dict[str, Any]]:
    """Return an environment whose source set a stamp back after it was mirrored, and the row's present version."""
    env = sync_env(conversations=False)
    row_id = list(env.truth(resource))[-1]
    back = stamped(env, resource, row_id, timedelta(hours=-9)) | {"note": "cancelled"}
    env.mirror().sync.run(env.account_id)
    serve(env, resource, back)
    return env, row_id, back


def wrong(env: SyncEnv) -> str:
    """Return the problems that `status` names for the account."""
    overview = env.mirror().status.overview(env.account_id)
    return "; ".join(assess_health(overview.accounts[0], overview.now).problems)


@pytest.mark.parametrize("resource", STAMPS)
def test_two_whole_sweeps_that_agree_outweigh_a_stamp(
    sync_env: Build, resource: Resource, caplog: pytest.LogCaptureFixture
) -> None:
    """The first one warns, and `status` shows it; the second one stores the source's version."""
    env, row_id, back = env_with_a_row_ahead(sync_env, resource)
    mirror = env.mirror()
    with caplog.at_level(logging.WARNING):
        first = mirror.sync.run(env.account_id, full=True)
    assert (first.state, first.resources[resource].counts.stale) == (RunState.SUCCESS, 1)
    assert f"{resource}: 1 rows stay as they were" in caplog.text
    assert f"{resource}: 1 row with a stamp that went back" in wrong(env)
    assert "note" not in env.rows(resource)[row_id]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        second = mirror.sync.run(env.account_id, full=True)
    assert second.resources[resource].counts.updated == 1
    assert caplog.text == ""
    assert env.rows(resource)[row_id] == back
    assert "went back" not in wrong(env)
    assert sql.rows(env.database, "SELECT count(*) FROM setbacks") == [(0,)]


def test_row_that_changes_behind_its_stamp_is_followed(sync_env: Build) -> None:
    """Its stamp lies far ahead and it changes every day: the sweeps need not find the same bytes."""
    env, row_id, back = env_with_a_row_ahead(sync_env, Resource.RESERVATIONS)
    mirror = env.mirror()
    mirror.sync.run(env.account_id, full=True)
    serve(env, Resource.RESERVATIONS, stamped(env, Resource.RESERVATIONS, row_id, timedelta(hours=2)) | {"note": "2"})
    mirror.sync.run(env.account_id, full=True)
    assert env.rows("reservations")[row_id]["note"] == "2"
    assert env.rows("reservations")[row_id]["updatedOn"] > back["updatedOn"]


def test_sweep_with_a_still_older_version_does_not_agree(sync_env: Build) -> None:
    """The source sends one old version, then an older one: the third sweep shows which is right."""
    env, row_id, _ = env_with_a_row_ahead(sync_env, Resource.RESERVATIONS)
    mirror = env.mirror()
    mirror.sync.run(env.account_id, full=True)
    older = stamped(env, Resource.RESERVATIONS, row_id, timedelta(hours=-3)) | {"note": "older"}
    serve(env, Resource.RESERVATIONS, older)
    mirror.sync.refresh(env.account_id, Resource.RESERVATIONS, row_id)
    mirror.sync.run(env.account_id, full=True)
    assert "note" not in env.rows("reservations")[row_id]
    mirror.sync.run(env.account_id, full=True)
    assert env.rows("reservations")[row_id] == older


@pytest.mark.parametrize("reading", ["refresh", "incremental", "partial sweep"])
def test_only_whole_sweeps_outweigh_a_stamp(sync_env: Build, reading: str) -> None:
    """A lagging copy of the source may send old answers: single readings and cut walks prove nothing."""
    env, row_id, back = env_with_a_row_ahead(sync_env, Resource.RESERVATIONS)
    mirror = env.mirror()
    mirror.sync.run(env.account_id, full=True)
    for _ in range(3):
        if reading == "refresh":
            mirror.sync.refresh(env.account_id, Resource.RESERVATIONS, row_id)
        elif reading == "incremental":
            mirror.sync.run(env.account_id)
    assert "note" not in env.rows("reservations")[row_id]
    mirror.sync.run(env.account_id, full=True)
    assert env.rows("reservations")[row_id] == back


def test_newer_version_ends_a_setback(sync_env: Build) -> None:
    """The source sends a greater stamp again: `status` shows no problem, and the next sweep forgets it."""
    env, row_id, _ = env_with_a_row_ahead(sync_env, Resource.RESERVATIONS)
    mirror = env.mirror()
    mirror.sync.run(env.account_id, full=True)
    env.sandbox.world.heal("reservations", row_id)
    env.sandbox.world.pay(row_id)
    mirror.sync.run(env.account_id)
    assert "went back" not in wrong(env)
    mirror.sync.run(env.account_id, full=True)
    assert sql.rows(env.database, "SELECT count(*) FROM setbacks") == [(0,)]
    assert env.differences() == {}


def test_verify_with_a_repair_takes_the_older_version_at_once(sync_env: Build) -> None:
    """After a restored backup of the source, an operator need not wait for two sweeps."""
    env, row_id, back = env_with_a_row_ahead(sync_env, Resource.RESERVATIONS)
    env.mirror().sync.run(env.account_id, full=True)
    env.mirror().sync.verify(env.account_id, repair=True)
    assert env.rows("reservations")[row_id] == back
    assert "went back" not in wrong(env)


def test_row_listed_again_returns_with_any_stamp(sync_env: Build) -> None:
    """It was missing, and the source was restored: that it is listed outweighs its stamp."""
    env, row_id, back = env_with_a_row_ahead(sync_env, Resource.RESERVATIONS)
    sql.execute(env.database, f"UPDATE reservations SET missing_since = now() WHERE id = {row_id}")
    env.mirror().sync.run(env.account_id, full=True)
    assert env.rows("reservations")[row_id] == back


@pytest.mark.parametrize("ahead", [timedelta(minutes=20), timedelta(hours=20), timedelta(days=9)])
def test_stamp_from_the_future_freezes_no_row(sync_env: Build, ahead: timedelta) -> None:
    """The source made an error; the true stamp that follows counts at once."""
    env = sync_env(conversations=False)
    row_id = list(env.truth("reservations"))[3]
    true = env.truth("reservations")[row_id]
    [(now,)] = sql.rows(env.database, "SELECT now() AT TIME ZONE 'UTC'")
    serve(env, Resource.RESERVATIONS, true | {"updatedOn": (now + ahead).strftime(FORMAT)})
    mirror = env.mirror()
    mirror.sync.run(env.account_id, full=True)
    cancelled = true | {"updatedOn": now.strftime(FORMAT), "status": "cancelled"}
    serve(env, Resource.RESERVATIONS, cancelled)
    mirror.sync.refresh(env.account_id, Resource.RESERVATIONS, row_id)
    assert env.rows("reservations")[row_id] == {**env.rows("reservations")[row_id], **cancelled}
