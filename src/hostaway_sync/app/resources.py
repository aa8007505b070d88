"""Which resources are mirrored: by the setting, by the account, by names that a person asks for; and their views."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.model.calendar.facts import CalendarTerms
from hostaway_sync.model.kinds.choice import choose_known_resources, choose_resources
from hostaway_sync.model.kinds.facts import KindTerms
from hostaway_sync.model.kinds.kind import Scope
from hostaway_sync.model.records import Resource
from hostaway_sync.platforms.hostaway import core as hostaway
from hostaway_sync.platforms.hostaway.kinds.spec import LIMIT
from hostaway_sync.platforms.hostaway.kinds.table import KINDS, list_kinds
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY as _FIRST_WORDS
from hostaway_sync.sync.calendar.plan import CalendarOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hostaway_sync.model.kinds.kind import Kind
    from hostaway_sync.settings import Settings
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.schema.core_sql import CoreSchema

_OWNED: Final = {name: spec for name, spec in KINDS.items() if spec.scope is not Scope.INSTALLATION}
VOCABULARY: Final = replace(
    _FIRST_WORDS,
    object_keys={name: {column: key for column, (key, _) in spec.columns.items()} for name, spec in _OWNED.items()},
    needed_keys={**_FIRST_WORDS.needed_keys, **{name: spec.needed_keys for name, spec in _OWNED.items()}},
)
"""The keys and statuses of the source's payloads, those of all kinds included."""


@dataclass(frozen=True, slots=True)
class MirroredResources:
    """The resources beyond the first four that an account mirrors: the other kinds, and how calendars are read."""

    kinds: tuple[Kind, ...]
    calendar: CalendarOptions


class ResourceChoices:
    """Which resources each account mirrors: those that it chooses itself, else those of the settings.

    Args:
        settings: what accounts mirror that choose nothing themselves, and how calendars are read.

    Raises:
        ConfigurationError: a setting names an unknown resource.
    """

    def __init__(self, settings: Settings) -> None:
        try:
            self._usual = choose_resources(settings.resources, list_kinds())
        except ValueError as error:
            raise ConfigurationError(f"settings: HOSTAWAY_SYNC_RESOURCES {error}") from None
        self._horizon = settings.calendar_days
        self._keeps_prices = settings.keep_price_changes
        self._period = timedelta(hours=settings.calendar_after_hours)

    def choose(self, own: Collection[str] | None) -> MirroredResources:
        """Return what an account mirrors; `own` are the names that it chooses itself, None: those of the settings."""
        choice = self._usual if own is None else choose_known_resources(own, list_kinds())
        horizon = self._horizon if choice.has_calendar else 0
        paths = VOCABULARY.linked_listing_paths
        options = CalendarOptions(
            horizon, self._period, VOCABULARY.archived_listing, paths, keeps_price_changes=self._keeps_prices
        )
        return MirroredResources(choice.kinds, options)

    def require_calendar(self, account_id: int, own: Collection[str] | None) -> CalendarOptions:
        """Return how the calendars of an account are read.

        Raises:
            ConfigurationError: they are not mirrored.
        """
        options = self.choose(own).calendar
        if options.horizon:
            return options
        if not self._horizon:
            raise ConfigurationError(
                "calendars are not mirrored: HOSTAWAY_SYNC_CALENDAR_DAYS is 0; set it, and sync once"
            )
        where = "HOSTAWAY_SYNC_RESOURCES does" if own is None else "its resources do"
        raise ConfigurationError(
            f"calendars of account {account_id} are not mirrored: {where} not name them; "
            f"use `hostaway-sync account update {account_id} --resources default`, and sync once"
        )

    def mirrored_by(self, database: Database, account_id: int) -> MirroredResources:
        """Return what a stored account mirrors; an unknown one what the settings say."""
        from hostaway_sync.store.accounts import queries as account_queries

        account = account_queries.find_account(database, account_id)
        return self.choose(None if account is None else account.resource_sets)

    def terms(self, database: Database) -> tuple[CalendarTerms, KindTerms]:
        """Return how calendars are mirrored, and which other kinds, by account; kinds that none owns are left out."""
        from hostaway_sync.store.accounts import queries as account_queries

        usual, names = self.choose(None), account_queries.find_resource_sets(database)
        own = {number: self.choose(of_account) for number, of_account in names.items()}
        is_usual = usual.calendar.horizon > 0
        exceptions = frozenset(number for number, chosen in own.items() if (chosen.calendar.horizon > 0) != is_usual)
        calendars = CalendarTerms(self._horizon, self._period, is_usual, exceptions)
        known = tuple(kind for kind in list_kinds() if kind.scope is not Scope.INSTALLATION)
        names_of = {number: _names(of_account) for number, of_account in own.items()}
        return calendars, KindTerms(known, _names(usual), names_of, LIMIT)


def _names(chosen: MirroredResources) -> frozenset[str]:
    return frozenset(kind.name for kind in chosen.kinds)


def check_names(names: Collection[str]) -> None:
    """Raise ValueError if the names of sets or resources are not all known; the message lists those that are."""
    choose_resources(names, list_kinds())


def list_view_names() -> list[str]:
    """Return the names of the views of resources that are rows of `resources`."""
    return [kind.name for kind in list_kinds() if not kind.columns and kind.scope is not Scope.INSTALLATION]


def core_schema(settings: Settings) -> CoreSchema:
    """Return the schema of the views of `core` that the settings name, with what each platform brings to them."""
    return name_core(settings.core_schema)


@lru_cache
def name_core(name: str) -> CoreSchema:
    """Return the schema of this name for the views of `core`, with what each platform brings to them."""
    from hostaway_sync.store.schema.core_sql import CoreSchema

    return CoreSchema(name, {hostaway.SOURCE: hostaway.read_selects()})


def list_names() -> list[str]:
    """Return the names of all resources that a run can read alone."""
    return [*(resource.value for resource in Resource), *KINDS]


def find_resources(names: Iterable[str]) -> tuple[tuple[Resource, ...], tuple[Kind, ...]]:
    """Return the resources and the other kinds with these names, which are those of `list_names`."""
    wanted = list(dict.fromkeys(names))
    resources = tuple(Resource(name) for name in wanted if name not in KINDS)
    return resources, tuple(KINDS[name].kind for name in wanted if name in KINDS)
