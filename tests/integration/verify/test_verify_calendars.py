from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.calendars import ahead, calendar_requests, marked_days, stored_days, true_days

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.sync.verify.certificate import Certificate

    Build = Callable[..., SyncEnv]

HORIZON = 90


def filled(sync_env: Build, **options: Any) -> tuple[SyncEnv, Mirror, int]:
    """Return an environment whose calendars were mirrored once, its mirror, and its first listing."""
    env = sync_env(**{"listings": 3, "reservations": 6, **options})
    mirror = env.mirrored(calendar_days=HORIZON)
    env.sandbox.forget()
    return env, mirror, min(env.truth("listings"))


def verify(mirror: Mirror, **options: Any) -> Certificate:
    """Compare the account, its calendars included."""
    return mirror.sync.verify(70001, calendar=True, **options)


def answered(env: SyncEnv, listing: int, changed: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all days of a listing, one of them changed."""
    days = env.sandbox.world.calendar_truth(listing, ahead(-1), ahead(HORIZON))
    return [changed if day["date"] == changed["date"] else day for day in days]


def found(certificate: Certificate) -> tuple[int, int, int, int | None]:
    """Return how many days are missing, different, undecided, and late."""
    part = certificate.parts[Resource.CALENDAR]
    return part.missing, part.different, part.undecided, part.newer_at_source


def test_equal_calendars_cost_one_call_a_listing(sync_env: Build) -> None:
    """The stored certificate does not mention them."""
    env, mirror, _ = filled(sync_env)
    certificate = verify(mirror)
    part = certificate.parts[Resource.CALENDAR]
    assert (certificate.state, found(certificate)) == ("equal", (0, 0, 0, 0))
    assert (part.source, part.mirror) == (3 * (HORIZON + 2), 3 * (HORIZON + 2))
    assert [days for _, days in calendar_requests(env)] == [HORIZON + 2] * 3
    (stored,) = sql.row(env.database, "SELECT certificate FROM verifications")
    assert "calendar" not in stored["resources"]
    assert "calendar" not in mirror.sync.verify(70001).document()["resources"]


@pytest.mark.parametrize("spoil", ["payload_hash = '\\x00'", "price = price + 1", "note = 'x'", "is_available = NULL"])
def test_damaged_day_is_found_and_repaired(sync_env: Build, spoil: str) -> None:
    """By its hash or by a typed column; it is read again first."""
    env, mirror, listing = filled(sync_env)
    sql.execute(env.database, f"UPDATE calendar_days SET {spoil} WHERE listing_id = {listing} AND date = '{ahead(7)}'")
    certificate = verify(mirror)
    assert (certificate.state, found(certificate)) == ("different", (0, 1, 0, 0))
    assert certificate.parts[Resource.CALENDAR].ids["different"] == [f"{listing}/{ahead(7)}"]
    assert min(calendar_requests(env)) == (listing, 1)
    repaired = verify(mirror, repair=True)
    assert (repaired.state, found(repaired)) == ("equal", (0, 0, 0, 0))
    assert repaired.document()["repaired"]["calendar"] == 1
    assert found(verify(mirror)) == (0, 0, 0, 0)
    assert mirror.status.overview(70001).accounts[0].certificate is not None


def test_missing_day_and_changed_price_are_repaired(sync_env: Build) -> None:
    """Marks and turns stay as they were."""
    env, mirror, listing = filled(sync_env)
    sql.execute(env.database, f"DELETE FROM calendar_days WHERE listing_id = {listing} AND date = '{ahead(3)}'")
    env.sandbox.world.edit_days(listing, ahead(20), ahead(21), price=999)
    turns = sql.rows(env.database, "SELECT listing_id, read_at, rota_at FROM calendar_readings ORDER BY 1")
    assert found(verify(mirror)) == (1, 2, 0, 0)
    assert found(verify(mirror, repair=True)) == (0, 0, 0, 0)
    assert stored_days(env, listing) == true_days(env, listing, ahead(-1), ahead(HORIZON))
    assert sql.rows(env.database, "SELECT listing_id, read_at, rota_at FROM calendar_readings ORDER BY 1") == turns


def test_marked_days_are_late_and_not_different(sync_env: Build) -> None:
    """The next run brings them; a comparison clears no mark."""
    env, mirror, listing = filled(sync_env)
    env.sandbox.world.create_reservation(
        listingMapId=listing, arrivalDate=ahead(10).isoformat(), departureDate=ahead(13).isoformat()
    )
    mirror.sync.run(70001, resources=(Resource.RESERVATIONS,))
    marks = marked_days(env)
    _, different, _, late = found(verify(mirror))
    assert different == late
    assert different > 0
    assert marked_days(env) == marks


def test_day_that_changes_meanwhile_is_read_again(sync_env: Build) -> None:
    """An answer that is no longer right is no difference; the row has the present value."""
    env, mirror, listing = filled(sync_env, listings=1)
    (stale,) = env.sandbox.world.calendar_truth(listing, ahead(5), ahead(5))
    first = json.dumps({"status": "success", "result": answered(env, listing, {**stale, "price": 4711})}).encode()
    env.sandbox.faults.add(faults.status(200, first), path=f"/listings/{listing}/calendar", times=1)
    certificate = verify(mirror)
    assert (certificate.state, found(certificate)) == ("equal", (0, 0, 0, 0))
    assert [days for _, days in calendar_requests(env)] == [HORIZON + 2, 1]


@pytest.mark.parametrize("repair", [True, False])
def test_days_that_did_not_come_are_undecided(sync_env: Build, repair: bool) -> None:  # noqa: FBT001  (pytest gives it)
    """They keep their rows, and the result is not equal."""
    env, mirror, listing = filled(sync_env, listings=1)
    before = stored_days(env, listing)
    env.sandbox.world.switches = Switches(short_calendar="horizon", ignored_dates=True)
    sql.execute(env.database, "DELETE FROM verifications")
    certificate = verify(mirror, repair=repair)
    missing, different, undecided, _ = found(certificate)
    assert (missing, different) == (0, 0)
    assert undecided > 0
    assert certificate.state == "incomplete"
    assert stored_days(env, listing) == before


@pytest.mark.parametrize("status", [403, 404])
def test_refused_calendar_is_named_and_not_compared(sync_env: Build, status: int) -> None:
    """It is no difference; the others are compared."""
    env, mirror, listing = filled(sync_env)
    refused = faults.denied() if status == 403 else faults.status(404)
    env.sandbox.faults.add(refused, path=f"/listings/{listing}/calendar", times=None)
    certificate = verify(mirror)
    assert (certificate.state, found(certificate)) == ("equal", (0, 0, 0, 0))
    assert "1 calendars are refused" in str(certificate.parts[Resource.CALENDAR].note)
    assert sql.row(env.database, "SELECT count(*) FROM calendar_readings WHERE refused_at IS NOT NULL") == (0,)


def test_failed_calendar_leaves_the_comparison_incomplete(sync_env: Build) -> None:
    """As with any other resource that could not be read whole."""
    env, _, listing = filled(sync_env)
    env.sandbox.faults.add(faults.status(500), path=f"/listings/{listing}/calendar", times=None)
    certificate = verify(env.mirror(calendar_days=HORIZON, retry_attempts=1))
    assert certificate.state == "incomplete"
    assert "calendar: 1 calendars could not be read" in str(certificate.error)


def test_longer_horizon_is_no_difference_yet(sync_env: Build) -> None:
    """Days that no run was to read are not missing."""
    env, _, _ = filled(sync_env)
    assert found(verify(env.mirror(calendar_days=HORIZON + 30))) == (0, 0, 0, 0)


def test_calendars_that_are_not_mirrored_cannot_be_compared(sync_env: Build) -> None:
    """One sentence that names the setting."""
    env = sync_env()
    with pytest.raises(ConfigurationError, match="HOSTAWAY_SYNC_CALENDAR_DAYS is 0"):
        verify(env.mirror())
