"""The document of `plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostaway_sync.model.records import OBJECTS

if TYPE_CHECKING:
    from hostaway_sync.model.capacity import AddressLoad, CalendarNeed, Forecast, RequestNeed
    from hostaway_sync.model.kinds.costs import KindNeed


def forecast_document(forecast: Forecast, *, every_minutes: int) -> dict[str, Any]:
    """Return how many requests accounts need."""
    return {
        "every_minutes": every_minutes,
        "accounts": [
            {
                "account_id": facts.account_id,
                "name": facts.name,
                "rows": {resource.value: facts.live(resource) for resource in OBJECTS},
                "need": _need(need) if need else None,
            }
            for facts, need in forecast.needs
        ],
        "address": _load(forecast.load),
    }


def _need(need: RequestNeed) -> dict[str, Any]:
    return {
        "first_sync": need.first_sync_calls,
        "first_sync_minutes": need.first_sync_minutes,
        "sweep": need.sweep_calls,
        "run": need.run_calls,
        "is_assumed": need.is_assumed,
        "runs_a_day": need.runs_per_day,
        "sweeps_a_day": need.sweeps_per_day,
        "a_day": need.per_day,
        "calendar": _calendar(need.calendar) if need.calendar else None,
        "other_resources": _kinds(need.kinds) if need.kinds else None,
    }


def _calendar(need: CalendarNeed) -> dict[str, Any]:
    return {
        "in_turn_a_day": need.in_turn_per_day,
        "marks_a_day": need.marks_per_day,
        "a_day": need.per_day,
    }


def _kinds(need: KindNeed) -> dict[str, Any]:
    return {
        "first_sync": need.first_sync_calls,
        "a_day": need.per_day,
        "resources": dict(need.by_kind),
    }


def _load(load: AddressLoad) -> dict[str, Any]:
    return {
        "accounts": load.accounts,
        "a_day": load.per_day,
        "a_day_at_most": load.max_per_day,
        "fitting": load.accounts_that_fit,
        "sweeps_minutes": load.sweeps_minutes,
        "share": load.share,
        "calendar_a_day": load.calendar_per_day,
        "other_resources_a_day": load.kinds_per_day,
    }
