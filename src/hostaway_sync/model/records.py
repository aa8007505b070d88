"""Values and Protocols of the pull pipeline: Record → Page → Change → RunReport, and the platform's read API."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from hostaway_sync.model.alarms import AlarmUpdate
from hostaway_sync.model.kinds.kind import KindSource
from hostaway_sync.model.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from pydantic import SecretStr

    from hostaway_sync.model.calendar.days import CalendarAnswer


class Resource(StrEnum):
    """A kind of record, in the order in which a run mirrors them; a record of `CALENDAR` is a day of a listing."""

    LISTINGS = "listings"
    RESERVATIONS = "reservations"
    CONVERSATIONS = "conversations"
    MESSAGES = "messages"
    CALENDAR = "calendar"


OBJECTS: Final[tuple[Resource, ...]] = tuple(resource for resource in Resource if resource is not Resource.CALENDAR)
"""The resources whose records have an id of the platform."""


class Mode(StrEnum):
    """How much a run reads."""

    FULL = "full"
    INCREMENTAL = "incremental"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a resource of an account is mirrored.

    Attributes:
        watermark_at: all objects with a timestamp up to here are mirrored; None if no object has a timestamp.
        swept_at: start of the last complete full walk; None if there was none.
        suspected_at: since when a row is suspected to be gone that no full walk has checked yet; None if none is.
        hurried_at: start of the last full walk that such a suspicion caused.
    """

    watermark_at: datetime | None
    swept_at: datetime | None
    suspected_at: datetime | None = None
    hurried_at: datetime | None = None


class RunState(StrEnum):
    """The state of a run; `store.runs` shows the transitions."""

    TRIGGERED = "triggered"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    ABANDONED = "abandoned"
    SKIPPED = "skipped"


class Change(StrEnum):
    """What a run did with a record; if it reads a record twice, the change that comes first here counts."""

    INSERTED = "inserted"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    STALE = "stale"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the store must know about a resource to compare two payloads.

    Attributes:
        resource: the resource of the payloads.
        columns: the typed columns that every record of this resource fills.
        volatile: top-level keys that do not describe the object; comparisons ignore them.
        signed: top-level keys with signed URLs; comparisons ignore the query parts of these.
        is_ordered_by_stamp: the version with the greater timestamp is newer; if False, the later request is.
        with_parts: top-level keys that change with the object's parts, which runs read without the object.
        silent: top-level keys that change without a change of the timestamp or any other sign.
        vocabulary: the platform's payload keys; comparisons do not use it.
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
        id: the platform's id, 1 to 2**63-1; None if it has no usable one: then it gets no row.
        payload: JSON text that JSONB accepts, cleaned where necessary.
        payload_hash: the version of the hash rule in the first byte, then 128 bits over the exact bytes received.
        source_updated_at: the object's own timestamp in UTC; None if it has no readable one.
        columns: the value of each typed column; None if the received value does not fit the column's type.
        exact: the bytes received, if `payload` differs from them or `id` is None; else None.
        reason: why `exact` is kept, as a short phrase; None if it is not.
        misfits: names of the columns whose value did not fit their type.
        activity: a value that changes whenever messages may have come or gone; None if the object has none.
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
        records: at most one per id, the newest if the answer repeats an id; may be parsed on first access.
        observed_at: when the budget granted the request, by the database's clock.
        total: the length of the whole list, as the answer states it; None if it does not.
        doubt: why this walk may have missed objects, as a phrase; only the last page of a walk has one.
        position: the position of the walk after this page, for `resume`; None: it cannot be resumed here.
        observed_at_by_id: the same as `observed_at` for records that were requested one by one.
        parent: id of the object that the list belongs to; None if it belongs to none.
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
        """Return when a record was requested."""
        return self.observed_at if record_id is None else self.observed_at_by_id.get(record_id, self.observed_at)


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of the rows to write: an account, and the customer whose id every row repeats."""

    account_id: int
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token of the platform, valid from `issued_at` until `expires_at`."""

    value: SecretStr
    issued_at: datetime
    expires_at: datetime


class Source(KindSource, Protocol):
    """The platform's API for reading the objects of one account."""

    @property
    def api_calls(self) -> int:
        """Number of requests sent so far, with token requests."""

    def lower_priority(self) -> None:
        """Send all further requests with `Priority.LOW`, unless they are urgent."""

    def walk(
        self,
        resource: Resource,
        *,
        parent: int | None = None,
        since: datetime | None = None,
        resume: str | None = None,
        why: str = "",
    ) -> Iterator[Page]:
        """Read a list page by page; safe for several threads, each with a walk of its own.

        Args:
            resource: the kind of objects.
            parent: the conversation of the messages, or the reservation of the conversations.
            since: only objects with this timestamp or a later one, if the platform can select these.
            resume: the `position` to continue from; then what changed since that walk began is read, too.
            why: the reason for `ApiCall`.

        Raises:
            Forbidden: the account may not read this list, though its token is valid.
            NotFound: the parent is gone.
            SourceError: any other failure, after the retries that it allows.
        """

    def get(self, resource: Resource, record_id: int, *, parent: int | None = None, why: str = "") -> Page:
        """Return one object as a page of one record; `parent` is the conversation of a message.

        Raises:
            NotFound: there is no such object.
            Forbidden: the account may not read it, though its token is valid.
            SourceError: any other failure, after the retries that it allows.
        """

    def read_calendar(self, listing_id: int, first: date, last: date, *, why: str = "") -> CalendarAnswer:
        """Request the days of a listing from `first` to `last`, both included; raises what `get` raises."""

    def close(self) -> None:
        """Close the connections; another thread may call this to end waiting requests."""


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """Numbers of distinct records of one resource in one run; `seen` is the sum of the five after it."""

    seen: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    quarantined: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class QualityCounts:
    """Numbers of cleaned payloads, and of values that did not fit their column and became NULL."""

    cleaned: int = 0
    misfits: int = 0


@dataclass(frozen=True, slots=True)
class ResourceReport:
    """The result of one run for one resource.

    Attributes:
        error: what went wrong, as a sentence; None if nothing did.
        away: why requests are stopped for a while, as a sentence; None if they are not.
        ids: of a dry run, the ids that a run would insert or update; None otherwise.
        caused_by: the incomplete resource that is the only reason of this error; None if there is another.
        is_excused: the error does not count for the run: it is the first one of a resource that may fail once.
    """

    state: RunState
    counts: ChangeCounts
    quality: QualityCounts = QualityCounts()
    error: str | None = None
    can_recover: bool = False
    away: str | None = None
    ids: Mapping[Change, Sequence[int]] | None = None
    caused_by: Resource | None = None
    is_excused: bool = False


@dataclass(frozen=True, slots=True)
class RunReport:
    """The result of one run for one account."""

    account_id: int
    mode: Mode
    state: RunState
    api_calls: int
    duration_s: float
    resources: Mapping[str, ResourceReport]
    error: str | None = None
    alarms: AlarmUpdate = field(default_factory=AlarmUpdate)

    @property
    def can_recover(self) -> bool:
        """Whether another attempt may succeed."""
        return any(part.can_recover for part in self.resources.values())

    @property
    def away(self) -> str | None:
        """Why requests are stopped for a while, as a sentence; None if they are not."""
        return next((part.away for part in self.resources.values() if part.away), None)
