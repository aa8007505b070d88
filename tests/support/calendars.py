"""What the mirror and the sandbox hold of the days of each listing, and where they differ."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.support import sql

if TYPE_CHECKING:
    from tests.support.sync_env import SyncEnv

# Keys of a day that do not describe it, or are not stored.
_LEFT_OUT = {"reservations", "isProcessed"}


def ahead(days: int) -> date:
    """Return the day so many days from today, in UTC."""
    return datetime.now(UTC).date() + timedelta(days=days)


def stored_days(env: SyncEnv, listing_id: int) -> dict[date, dict[str, Any]]:
    """Return the stored payloads of a listing's days."""
    query = f"SELECT date, raw_payload FROM calendar_days WHERE listing_id = {listing_id}"
    return {day: _settled(payload) for day, payload in sql.rows(env.database, query)}


def true_days(env: SyncEnv, listing_id: int, first: date, last: date) -> dict[date, dict[str, Any]]:
    """Return the sandbox's payloads of a listing's days, without nulls and without keys that are not stored."""
    days = env.sandbox.world.calendar_truth(listing_id, first, last)
    return {date.fromisoformat(day["date"]): _settled(day) for day in days}


def wrong_days(env: SyncEnv, horizon: int, listings: list[int] | None = None) -> dict[int, list[date]]:
    """Return the days from today to the horizon that differ, by listing; without `listings`, of all."""
    wrong: dict[int, list[date]] = {}
    for listing_id in listings or list(env.truth("listings")):
        stored, true = stored_days(env, listing_id), true_days(env, listing_id, ahead(0), ahead(horizon))
        differing = [day for day in true if stored.get(day) != true[day]]
        if differing:
            wrong[listing_id] = differing
    return wrong


def marked_days(env: SyncEnv) -> dict[int, tuple[date, date]]:
    """Return the days that are due, by listing."""
    query = "SELECT listing_id, first_day, last_day FROM calendar_due"
    return {listing_id: (first, last) for listing_id, first, last in sql.rows(env.database, query)}


def calendar_requests(env: SyncEnv) -> list[tuple[int, int]]:
    """Return listing and number of days of each request for a calendar, in order."""
    found = []
    for request in env.sandbox.requests:
        if request.route == "GET /listings/{id}/calendar":
            first, last = (date.fromisoformat(request.query[name]) for name in ("startDate", "endDate"))
            found.append((int(request.path.split("/")[2]), (last - first).days + 1))
    return found


def _settled(day: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in day.items() if value is not None and key not in _LEFT_OUT}
