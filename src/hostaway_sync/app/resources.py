"""Which resources are mirrored: by the setting, and by the names that a person asks for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.model.kinds.choice import choose_resources
from hostaway_sync.model.kinds.kind import Scope
from hostaway_sync.model.records import Resource
from hostaway_sync.platforms.hostaway.kinds.table import KINDS, list_kinds
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY
from hostaway_sync.sync.calendar.plan import CalendarOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.model.kinds.kind import Kind
    from hostaway_sync.settings import Settings


def choose_by_settings(settings: Settings) -> tuple[tuple[Kind, ...], CalendarOptions]:
    """Return the other kinds that are mirrored, and how calendars are read.

    Raises:
        ConfigurationError: a setting names an unknown resource.
    """
    try:
        choice = choose_resources(settings.resources, list_kinds())
    except ValueError as error:
        raise ConfigurationError(f"settings: HOSTAWAY_SYNC_RESOURCES {error}") from None
    period = timedelta(hours=settings.calendar_after_hours)
    horizon = settings.calendar_days if choice.has_calendar else 0
    return choice.kinds, CalendarOptions(horizon, period, VOCABULARY.archived_listing, VOCABULARY.linked_listing_paths)


def list_view_names() -> list[str]:
    """Return the names of the views of resources that are rows of `resources`."""
    return [kind.name for kind in list_kinds() if not kind.columns and kind.scope is not Scope.INSTALLATION]


def list_names() -> list[str]:
    """Return the names of all resources that a run can read alone."""
    return [*(resource.value for resource in Resource), *KINDS]


def find_resources(names: Iterable[str]) -> tuple[tuple[Resource, ...], tuple[Kind, ...]]:
    """Return the resources and the other kinds with these names, which are those of `list_names`."""
    wanted = list(dict.fromkeys(names))
    resources = tuple(Resource(name) for name in wanted if name not in KINDS)
    return resources, tuple(KINDS[name].kind for name in wanted if name in KINDS)
