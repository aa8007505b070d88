"""What was asked of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from hostaway_sync.model.kinds.kind import Scope
from hostaway_sync.model.records import Resource
from hostaway_sync.sync.calendar.plan import CalendarOptions
from hostaway_sync.sync.kinds.plan import Urge

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.kinds.kind import Kind


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What was asked of a run.

    Attributes:
        resources: what to mirror; other resources stay as they are.
        full: read everything, even if an incremental run would do.
        accept_missing: mark rows as missing even if suspiciously many are gone at once.
        dry_run: compare and count, write nothing.
        in_flight: how many requests overlap.
        max_retries: how often the run may be attempted again as a whole.
        sweep_after: a list is read whole when its last sweep began this long ago.
        threads_after: a full run reads a thread again when it was not read whole for this long.
        unless_since: the run is needless if another one began then or later, and was whole.
        calendar: how calendars are read.
        kinds: the other kinds to mirror.
        asks_kinds: a person asked for these kinds: their lists are read whether or not it is their turn.
        will_retry: the caller retries while another run works on the account, so no skipped run is stored.
    """

    resources: tuple[Resource, ...] = tuple(Resource)
    full: bool = False
    accept_missing: bool = False
    dry_run: bool = False
    in_flight: int = 4
    max_retries: int = 0
    sweep_after: timedelta = timedelta(hours=20)
    threads_after: timedelta = timedelta(days=30)
    unless_since: datetime | None = None
    will_retry: bool = False
    calendar: CalendarOptions = field(default_factory=CalendarOptions)
    kinds: tuple[Kind, ...] = ()
    asks_kinds: bool = False

    def urge_of(self, kind: Kind) -> Urge:
        """Return which lists of a kind are read; one that no account owns need not be read again by each of them."""
        if self.full and (self.asks_kinds or kind.scope is not Scope.INSTALLATION):
            return Urge.WHOLE
        return Urge.ALL if self.asks_kinds else Urge.DUE

    def all_mirrored(self) -> frozenset[str] | None:
        """Return the names of all resources that the account mirrors; None: a person asked for some of them."""
        if self.asks_kinds or set(self.resources) != set(Resource):
            return None
        return frozenset([*filter(self.wants, Resource), *(kind.name for kind in self.kinds)])

    def wants(self, resource: Resource) -> bool:
        """Whether a resource is mirrored: it was asked for, and is not switched off."""
        return resource in self.resources and (resource is not Resource.CALENDAR or self.calendar.horizon > 0)
