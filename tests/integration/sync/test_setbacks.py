"""Stamps that go back at the source: they freeze no row, and a row is not set back by one reading alone."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.model.health import judge
from hostaway_sync.model.records import Resource, RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import Town

    Build = Callable[..., Town]

STAMPS = {Resource.LISTINGS: "latestActivityOn", Resource.RESERVATIONS: "updatedOn"}
FORMAT = "%Y-%m-%d %H:%M:%S"
SWEPT = "UPDATE watermarks SET swept_at = swept_at - interval '20 hours' RETURNING 1"


def stamped(here: Town, resource: Resource, row_id: int, by: timedelta) -> dict[str, Any]:
    """Give a row as the source has it, with its stamp moved."""
    true = here.truth(resource)[row_id]
    moved = datetime.strptime(true[STAMPS[resource]], FORMAT) + by  # noqa: DTZ007  (no zone is written)
    return {**true, STAMPS[resource]: moved.strftime(FORMAT)}


def serve(here: Town, resource: Resource, row: dict[str, Any]) -> None:
    """Let the source give this row for what it has under the same id, at its old place in the list."""
    here.sandbox.world.corrupt(resource.value, row["id"], json.dumps(row).encode())


def a_town_with_a_row_ahead(town: Build, resource: Resource) -> tuple[Town, int, dict[str, Any]]:
    """Give a town in which the source has taken back a stamp since it was mirrored, and the row as it is now."""
    here = town(conversations=False)
    row_id = list(here.truth(resource))[-1]
    back = stamped(here, resource, row_id, timedelta(hours=-9)) | {"note": "cancelled"}
    here.mirror().sync(here.account_id)
    serve(here, resource, back)
    return here, row_id, back


def wrong(here: Town) -> str:
    """Give what `status` says is wrong with the account."""
    overview = here.mirror().status(here.account_id)
    return "; ".join(judge(overview.accounts[0], overview.now).wrong)


@pytest.mark.parametrize("resource", STAMPS)
def test_two_whole_sweeps_that_agree_outweigh_a_stamp(
    town: Build, resource: Resource, caplog: pytest.LogCaptureFixture
) -> None:
    """The first one warns, and `status` shows it; the second one stores what the source has."""
    here, row_id, back = a_town_with_a_row_ahead(town, resource)
    mirror = here.mirror()
    with caplog.at_level(logging.WARNING):
        first = mirror.sync(here.account_id, full=True)
    assert (first.state, first.resources[resource].counts.stale) == (RunState.SUCCESS, 1)
    assert f"{resource}: 1 rows stay as they were" in caplog.text
    assert f"{resource}: 1 row with a stamp that went back" in wrong(here)
    assert "note" not in here.rows(resource)[row_id]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        second = mirror.sync(here.account_id, full=True)
    assert second.resources[resource].counts.updated == 1
    assert caplog.text == ""
    assert here.rows(resource)[row_id] == back
    assert "went back" not in wrong(here)
    assert here.ask("SELECT count(*) FROM setbacks") == [(0,)]


def test_a_row_that_goes_on_changing_behind_its_stamp_is_followed(town: Build) -> None:
    """It was stamped far ahead and is touched every day: the sweeps need not find the same bytes."""
    here, row_id, back = a_town_with_a_row_ahead(town, Resource.RESERVATIONS)
    mirror = here.mirror()
    mirror.sync(here.account_id, full=True)
    serve(here, Resource.RESERVATIONS, stamped(here, Resource.RESERVATIONS, row_id, timedelta(hours=2)) | {"note": "2"})
    mirror.sync(here.account_id, full=True)
    assert here.rows("reservations")[row_id]["note"] == "2"
    assert here.rows("reservations")[row_id]["updatedOn"] > back["updatedOn"]


def test_a_sweep_that_met_a_still_older_version_does_not_agree(town: Build) -> None:
    """The source gives one old version, then an older one: which is right is not known before the third."""
    here, row_id, _ = a_town_with_a_row_ahead(town, Resource.RESERVATIONS)
    mirror = here.mirror()
    mirror.sync(here.account_id, full=True)
    older = stamped(here, Resource.RESERVATIONS, row_id, timedelta(hours=-3)) | {"note": "older"}
    serve(here, Resource.RESERVATIONS, older)
    mirror.refresh(here.account_id, Resource.RESERVATIONS, row_id)
    mirror.sync(here.account_id, full=True)
    assert "note" not in here.rows("reservations")[row_id]
    mirror.sync(here.account_id, full=True)
    assert here.rows("reservations")[row_id] == older


@pytest.mark.parametrize("reading", ["refresh", "incremental", "partial sweep"])
def test_nothing_but_whole_sweeps_outweighs_a_stamp(town: Build, reading: str) -> None:
    """An old answer may come from a copy of the source that lags: single readings and cut walks prove nothing."""
    here, row_id, back = a_town_with_a_row_ahead(town, Resource.RESERVATIONS)
    mirror = here.mirror()
    mirror.sync(here.account_id, full=True)
    for _ in range(3):
        if reading == "refresh":
            mirror.refresh(here.account_id, Resource.RESERVATIONS, row_id)
        elif reading == "incremental":
            mirror.sync(here.account_id)
    assert "note" not in here.rows("reservations")[row_id]
    mirror.sync(here.account_id, full=True)
    assert here.rows("reservations")[row_id] == back


def test_a_row_that_is_overtaken_is_no_setback_any_more(town: Build) -> None:
    """The source gave it a greater stamp again: `status` is silent at once, and the next sweep forgets it."""
    here, row_id, _ = a_town_with_a_row_ahead(town, Resource.RESERVATIONS)
    mirror = here.mirror()
    mirror.sync(here.account_id, full=True)
    here.sandbox.world.heal("reservations", row_id)
    here.sandbox.world.pay(row_id)
    mirror.sync(here.account_id)
    assert "went back" not in wrong(here)
    mirror.sync(here.account_id, full=True)
    assert here.ask("SELECT count(*) FROM setbacks") == [(0,)]
    assert here.differences() == {}


def test_verify_with_a_repair_takes_the_older_version_at_once(town: Build) -> None:
    """An operator who restored the source from a backup need not wait for two sweeps."""
    here, row_id, back = a_town_with_a_row_ahead(town, Resource.RESERVATIONS)
    here.mirror().sync(here.account_id, full=True)
    here.mirror().verify(here.account_id, repair=True)
    assert here.rows("reservations")[row_id] == back
    assert "went back" not in wrong(here)


def test_a_row_that_is_listed_again_comes_back_with_any_stamp(town: Build) -> None:
    """It was gone, and the source was restored from a backup: that it is there again outweighs its stamp."""
    here, row_id, back = a_town_with_a_row_ahead(town, Resource.RESERVATIONS)
    here.ask(f"UPDATE reservations SET missing_since = now() WHERE id = {row_id} RETURNING 1")
    here.mirror().sync(here.account_id, full=True)
    assert here.rows("reservations")[row_id] == back


@pytest.mark.parametrize("ahead", [timedelta(minutes=20), timedelta(hours=20), timedelta(days=9)])
def test_a_stamp_from_the_future_freezes_no_row(town: Build, ahead: timedelta) -> None:
    """It was a mistake of the source's; the true stamp that follows is believed at once."""
    here = town(conversations=False)
    row_id = list(here.truth("reservations"))[3]
    true = here.truth("reservations")[row_id]
    [(now,)] = here.ask("SELECT now() AT TIME ZONE 'UTC'")
    serve(here, Resource.RESERVATIONS, true | {"updatedOn": (now + ahead).strftime(FORMAT)})
    mirror = here.mirror()
    mirror.sync(here.account_id, full=True)
    cancelled = true | {"updatedOn": now.strftime(FORMAT), "status": "cancelled"}
    serve(here, Resource.RESERVATIONS, cancelled)
    mirror.refresh(here.account_id, Resource.RESERVATIONS, row_id)
    assert here.rows("reservations")[row_id] == {**here.rows("reservations")[row_id], **cancelled}
