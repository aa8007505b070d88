"""The few values that cross rooms, named by stage: Record → Page → Change → RunReport; and where rooms meet."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from hostaway_sync.model.alarms import AlarmUpdate
from hostaway_sync.model.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from pydantic import SecretStr


class Resource(StrEnum):
    """A kind of object with a list endpoint, in the order in which a run mirrors them."""

    LISTINGS = "listings"
    RESERVATIONS = "reservations"
    CONVERSATIONS = "conversations"
    MESSAGES = "messages"


class Mode(StrEnum):
    """How much a run reads."""

    FULL = "full"
    INCREMENTAL = "incremental"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a resource is mirrored.

    Attributes:
        watermark_at: everything stamped up to here is mirrored; None where nothing has a stamp.
        swept_at: start of the last full walk that was whole; None: there was none.
        suspected_at: since when a row is suspected to be gone that no such walk has judged yet; None: none is.
        hurried_at: start of the last full walk that was made because of such a suspicion.
    """

    watermark_at: datetime | None
    swept_at: datetime | None
    suspected_at: datetime | None = None
    hurried_at: datetime | None = None


class RunState(StrEnum):
    """States of a run; the arrows are in `store.runs`."""

    TRIGGERED = "triggered"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    ABANDONED = "abandoned"
    SKIPPED = "skipped"


class Change(StrEnum):
    """What became of one record; ordered from the strongest, which wins when a run meets a record twice."""

    INSERTED = "inserted"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    STALE = "stale"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the store must know of a resource to compare two payloads of it.

    Attributes:
        resource: whose payloads these are.
        columns: the typed columns that every record of this resource fills.
        volatile: top-level keys that say nothing about the object itself and are left out of comparisons.
        signed: top-level keys with signed URLs, whose query parts are left out of comparisons.
        is_ordered_by_stamp: the greater of two stamps is of the newer version; otherwise the later request is right.
        with_parts: top-level keys that move with the object's parts, which runs read without reading the object again.
        silent: top-level keys that move without any sign.
        vocabulary: what the platform calls the fields of a payload; says nothing about how two are compared.
    """

    resource: Resource
    columns: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    is_ordered_by_stamp: bool = True
    with_parts: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    vocabulary: Vocabulary = field(default_factory=Vocabulary, compare=False)


@dataclass(frozen=True, slots=True)
class Record:
    """One object as received.

    Attributes:
        id: the source's id, 1 to 2**63-1; None when it has no usable one, and then it gets no row.
        payload: JSON text that JSONB accepts; cleaned where the received bytes would be refused.
        payload_hash: first byte the version of the rule, then 128 bits over the exact bytes received.
        source_updated_at: the source's own stamp, aware, UTC; None when it has none that can be read.
        columns: value per typed column; None where the source's value does not fit the column's type.
        exact: the bytes received, when `payload` is not exactly them or when there is no id; else None.
        reason: why `exact` is kept, as a short phrase; None when it is not.
        misfits: names of columns whose value was there but did not fit its type.
        activity: what moves when messages may have come or gone, in the source's own words; None where nothing tells.
    """

    id: int | None
    payload: str
    payload_hash: bytes
    source_updated_at: datetime | None
    columns: Mapping[str, object] = field(default_factory=dict)
    exact: bytes | None = None
    reason: str | None = None
    misfits: tuple[str, ...] = ()
    activity: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The records of one answer of a list endpoint.

    Attributes:
        shape: how to compare these records.
        records: at most one per id, the newest of those that the source repeated; perhaps made when first looked at.
        observed_at: the database's clock when the budget granted the request.
        total: rows the source says the whole list has now; None when it did not say.
        doubt: why this walk may have missed something, in a phrase; only its last page carries one.
        position: where the walk of a whole list stands after this page, for `resume`; None: it has to begin again.
        observed_at_by_id: the same clock for records that were asked for one by one, by their ids.
        parent: the object that the list belongs to, where it belongs to one, whatever its records say.
    """

    shape: Shape
    records: Sequence[Record]
    observed_at: datetime
    total: int | None = None
    doubt: str | None = None
    position: str | None = None
    observed_at_by_id: Mapping[int, datetime] = field(default_factory=dict)
    parent: int | None = None

    def record_observed_at(self, record_id: int | None) -> datetime:
        """Give when a record was asked for."""
        return self.observed_at if record_id is None else self.observed_at_by_id.get(record_id, self.observed_at)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose rows are written: the account, and the customer whose id every row repeats."""

    account_id: int
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token as issued: usable as soon as it is in anyone's hands, until `expires_at`."""

    value: SecretStr
    issued_at: datetime
    expires_at: datetime


class Source(Protocol):
    """One account of the system that is mirrored."""

    @property
    def api_calls(self) -> int:
        """Requests sent so far, token requests included."""

    def lower_priority(self) -> None:
        """Let others go first from now on: what is asked for next is much, and nobody waits for it."""

    def walk(
        self,
        resource: Resource,
        *,
        parent: int | None = None,
        since: datetime | None = None,
        resume: str | None = None,
        why: str = "",
    ) -> Iterator[Page]:
        """Read a list, page by page: whole, or with `since` only what was stamped then or later.

        `parent` is the conversation whose messages are meant, or the reservation whose conversations. A source that
        cannot give only what is new gives everything. `resume` is the `position` of a page of an earlier walk of the
        whole list: it is read on from there, and then what moved since that walk began; a position that cannot be
        read makes the list be read from its beginning. `why` tells an observer what the requests are for.

        Safe to call from several threads at once, each with its own walk. Ends with a page whose `doubt` is None
        when the source gave no sign of having left something out.

        Raises:
            Forbidden: the account may not read this list; the token itself works.
            NotFound: the parent is gone.
            SourceError: anything else, after the retries it deserves.
        """

    def get(self, resource: Resource, record_id: int, *, parent: int | None = None, why: str = "") -> Page:
        """Read one object, as a page of one record; `parent` is the conversation of a message.

        Raises:
            NotFound: there is none.
            Forbidden: the account may not read it; the token itself works.
            SourceError: anything else, after the retries it deserves.
        """

    def close(self) -> None:
        """Give back connections; may be called from another thread to end requests that wait."""


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """Distinct records of one resource in one run; `seen` is the sum of the five that follow."""

    seen: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    quarantined: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class QualityCounts:
    """How many records were stored cleaned, and how many values did not fit their column, which is NULL."""

    cleaned: int = 0
    misfits: int = 0


@dataclass(frozen=True, slots=True)
class ResourceReport:
    """What one run did with one resource.

    `away`: why no process asks the source for a while, if none does. `ids`: of a dry run, those that a run would insert
    or update; None: it was none. `follows`: the resource that was not whole, where that alone is what is wrong here.
    """

    state: RunState
    counts: ChangeCounts
    quality: QualityCounts = QualityCounts()
    error: str | None = None
    can_recover: bool = False
    away: str | None = None
    ids: Mapping[Change, Sequence[int]] | None = None
    caused_by: Resource | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run did with one account."""

    account_id: int
    mode: Mode
    state: RunState
    api_calls: int
    duration_s: float
    resources: Mapping[Resource, ResourceReport]
    error: str | None = None
    alarms: AlarmUpdate = field(default_factory=AlarmUpdate)

    @property
    def can_recover(self) -> bool:
        """Whether another attempt may do better."""
        return any(part.can_recover for part in self.resources.values())

    @property
    def away(self) -> str | None:
        """Why nobody asks the source for a while, as a sentence; None: it was there."""
        return next((part.away for part in self.resources.values() if part.away), None)


class Progress(Protocol):
    """Watches a run; called from several threads."""

    def advance(self, account_id: int, resource: Resource, done: int, total: int | None) -> None:
        """Say that `done` of `total` (None: not known) records of a resource were read."""
        ...


class NullProgress:
    """The `Progress` of someone who does not watch."""

    def advance(self, account_id: int, resource: Resource, done: int, total: int | None) -> None:
        """Say nothing."""
