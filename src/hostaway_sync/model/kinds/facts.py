"""What `status`, `plan` and the metrics report of the other kinds: plain values that the store reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.kinds.kind import Kind, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# As for whole runs: a single daily line in a crontab may be late once, however short the period is.
_LEAST_DELAY: Final = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class KindTerms:
    """Which of the other kinds are mirrored.

    Attributes:
        known: all kinds of the platform, in the order in which they are read.
        usual: the names of those that an account mirrors that chooses nothing itself.
        own: the names that other accounts choose.
        page_size: rows that one request brings at most.
    """

    known: tuple[Kind, ...] = ()
    usual: frozenset[str] = frozenset()
    own: Mapping[int, frozenset[str]] = field(default_factory=dict)
    page_size: int = 500

    def chosen_by(self, account_id: int) -> frozenset[str]:
        """Return the names of the kinds that an account mirrors."""
        return self.own.get(account_id, self.usual)


KINDS_OFF: Final = KindTerms()


@dataclass(frozen=True, slots=True)
class KindFacts:
    """The facts about one kind of one account.

    Attributes:
        kind: which.
        is_on: it is mirrored now.
        live: rows whose object the platform still has.
        missing: rows whose object it has no longer.
        lists: how many lists there are: one, or one for each live listing.
        read: those that were read at least once.
        oldest_read_at: the oldest of their last readings, refused lists left out; None: none was read.
        last_read_at: the newest of these.
        due_at: the earliest time at which one of these is to be read again.
        refused: lists that the platform refused last time.
        refused_since: when it refused the first of them.
        refusal: the most frequent sentence of these refusals.
        failed: lists that could not be read last time, or not without doubt.
        failure: the most frequent sentence of these failures.
    """

    kind: Kind
    is_on: bool = True
    live: int = 0
    missing: int = 0
    lists: int = 1
    read: int = 0
    oldest_read_at: datetime | None = None
    last_read_at: datetime | None = None
    due_at: datetime | None = None
    refused: int = 0
    refused_since: datetime | None = None
    refusal: str | None = None
    failed: int = 0
    failure: str | None = None

    @property
    def is_per_listing(self) -> bool:
        """Whether each listing has a list of it."""
        return self.kind.scope is Scope.LISTING

    @property
    def is_unavailable(self) -> bool:
        """Whether the platform refused all that it was last asked for."""
        return self.refused > 0 and self.last_read_at is None

    @property
    def turn_at(self) -> datetime | None:
        """When the list that waits longest was, or is, to be read again; a failure puts no turn off. None: no list."""
        planned = None if self.oldest_read_at is None else self.oldest_read_at + self.kind.every
        return min((at for at in (self.due_at, planned) if at is not None), default=None)

    @property
    def overdue_at(self) -> datetime | None:
        """When the list that waits longest is, or was, overdue: two periods after its turn. None: no list waits."""
        if not self.is_on or self.turn_at is None:
            return None
        return self.turn_at + max(2 * self.kind.every, _LEAST_DELAY)
