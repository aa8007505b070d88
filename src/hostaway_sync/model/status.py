"""What the tables know about how mirroring goes: plain values, read beside and judged further up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hostaway_sync.model.doubts import Doubts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from hostaway_sync.model.alarms import Alarm
    from hostaway_sync.model.circuit_breaker import Outage
    from hostaway_sync.model.records import Mark, Mode, Resource, RunState


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What is known of an account before its next run.

    Attributes:
        marks: how far each resource is mirrored.
        calls: requests of its last successful run of each mode; a mode without one is left out.
    """

    account_id: int
    marks: dict[Resource, Mark]
    calls: Mapping[Mode, int]


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows of one resource; those that are `missing` are counted in `total`, too."""

    total: int = 0
    missing: int = 0

    @property
    def live(self) -> int:
        """Rows that the source still has."""
        return self.total - self.missing


@dataclass(frozen=True, slots=True)
class DueThreads:
    """Threads that must be read: how many, and since when the oldest of them waits."""

    threads: int
    since: datetime


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, over or under way."""

    mode: Mode
    state: RunState
    triggered_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    api_calls: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """One comparison of the mirror with its source.

    Attributes:
        differences: objects that were not what they are at the source.
        late: of those, how many the source changed after the last run that was whole: the next one brings them.
        error: what could not be compared; None when all was.
        swept: differences that are not late, in lists that a whole run has read since.
        is_outdated: a whole run has read every list since.
        is_sudden: suspiciously many rows were gone at once.
    """

    verified_at: datetime
    is_equal: bool
    is_deep: bool
    api_calls: int
    differences: int = 0
    late: int = 0
    error: str | None = None
    swept: int = 0
    is_outdated: bool = False
    is_sudden: bool = False

    @property
    def damage(self) -> int:
        """Differences that no run brings by itself, and that no sweep has outdated."""
        return max(0, self.differences - self.late - self.swept)


@dataclass(frozen=True, slots=True)
class Lease:
    """Who works on the account now: a host, until when unless it is renewed."""

    host: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RecentRuns:
    """What runs asked lately.

    Attributes:
        calls: requests of the runs that were asked for in the last day.
        abandoned: those runs whose process died.
        incremental_calls: mean requests of the incremental runs of the last seven days that were whole.
        seconds_per_call: of their full runs, from start to end; None where there was none.
    """

    calls: int = 0
    abandoned: int = 0
    incremental_calls: float | None = None
    seconds_per_call: float | None = None


@dataclass(frozen=True, slots=True)
class QuarantineCounts:
    """Records not stored as they came: those of two days that have no row, and those whose row is a cleaned copy."""

    rowless: int = 0
    cleaned: int = 0


@dataclass(frozen=True, slots=True)
class BucketUsage:
    """How much of one request limit is used.

    Attributes:
        used: slots of the current window that are taken.
        limit: the most there may be, by the settings.
        lowered_to: a lower limit that the source named, until `lowered_until`; None when there is none now.
        silent_until: the source asked for silence until then; None when it does not.
    """

    key: str
    used: int
    limit: int
    window: timedelta
    lowered_to: int | None = None
    lowered_until: datetime | None = None
    silent_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeferredWork:
    """What the push pipe has not done yet.

    Attributes:
        deliveries: those whose object is not read again yet.
        oldest_at: when the oldest of them came.
        dead_letters: work that failed for good and waits for a person.
        due_since: since when the oldest job waits that could be started; None when there is none.
        has_worker: there is one, and a worker said lately that it lives.
    """

    deliveries: int = 0
    oldest_at: datetime | None = None
    dead_letters: int = 0
    due_since: datetime | None = None
    has_worker: bool = False


@dataclass(frozen=True, slots=True)
class MessageBacklog:
    """Messages to guests that need a look.

    Attributes:
        unsettled: those whose outcome is not known.
        waiting_for_person: those of them that were looked for in vain as often as is worth it: a person must look.
        unsent: those that were written down and never left, because their process died.
        queued: those that a worker is to send, or is sending.
        resting: those of them that wait on purpose, such as until quiet hours end.
        resting_until: when the first of these may leave; None when there is none.
        undelivered: those of the last day that the source took and did not deliver.
    """

    unsettled: int = 0
    waiting_for_person: int = 0
    unsent: int = 0
    undelivered: int = 0
    queued: int = 0
    resting: int = 0
    resting_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AnnouncementCounts:
    """Reservations that changed in the last day.

    Attributes:
        unannounced: those that only runs found; `store.polled` says which changes count.
        announced: those that deliveries were about.
    """

    unannounced: int
    announced: int


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What is known of one account.

    Attributes:
        last_sync_at: start of the last run that was a success in all resources.
        rows: per resource; one without rows may be left out.
        due: marks on conversations, and on reservations whose conversation is not known yet; none is left out.
        lease: who works on it now; None: nobody.
        open_run: the run that is open, be its process alive or not.
        records_read: records that this run has met so far.
        last_run: the newest run that is over and was not skipped.
        certificate: the comparison with the source that counts: see `store.certificates`.
        equal_at: moment of the newest comparison that found no difference.
        limit: its own request limit; None when it never asked.
        deferred: what the push pipe has not done yet.
        messages: messages to guests that need a look.
        announcements: changes that were not announced; None when there were none, or nothing is registered.
        alarms: what is wrong until its cause was seen to be gone.
        doubts: rows that may be gone, or may not be the newest.
    """

    account_id: int
    name: str | None
    is_active: bool
    created_at: datetime
    last_sync_at: datetime | None = None
    rows: Mapping[Resource, RowCounts] = field(default_factory=dict)
    due: Mapping[Resource, DueThreads] = field(default_factory=dict)
    lease: Lease | None = None
    open_run: RunSummary | None = None
    records_read: int = 0
    last_run: RunSummary | None = None
    certificate: Certificate | None = None
    equal_at: datetime | None = None
    recent: RecentRuns = RecentRuns()
    quarantine: QuarantineCounts = QuarantineCounts()
    limit: BucketUsage | None = None
    deferred: DeferredWork = DeferredWork()
    messages: MessageBacklog = MessageBacklog()
    announcements: AnnouncementCounts | None = None
    alarms: tuple[Alarm, ...] = ()
    doubts: Doubts = field(default_factory=Doubts)

    def live(self, resource: Resource) -> int:
        """Give the rows of a resource that the source still has."""
        return self.rows[resource].live if resource in self.rows else 0


@dataclass(frozen=True, slots=True)
class Overview:
    """All accounts by id, and the request limit that they share, at one moment of the database's clock.

    `address` is None when there are no accounts; `outage` is None while the source is not away.
    """

    now: datetime
    accounts: tuple[AccountFacts, ...]
    address: BucketUsage | None = None
    outage: Outage | None = None


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """The database itself, beside what is in it.

    Attributes:
        version: of the server, as `170004`.
        revision: of the schema; None: nothing was migrated yet.
        wanted_revision: the revision that this program needs.
        is_read_only: it is a replica, or was made so.
        missing_rights: what we may not do, as `table: right, right`.
        connections: of all its clients, in all databases.
        max_connections: that it takes.
        open_schemas: those in which every role may create functions, of ours and `public`.
        replaced_by_role: the role that a setting `role` puts in place of the one that logs in; None: there is none.
    """

    version: int
    revision: str | None
    wanted_revision: str
    is_read_only: bool
    missing_rights: tuple[str, ...]
    connections: int
    max_connections: int
    open_schemas: tuple[str, ...] = ()
    replaced_by_role: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether the tables are those that this program knows."""
        return self.revision == self.wanted_revision
