"""The facts that `status`, `doctor` and the metrics report: plain values that the store reads from its tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hostaway_sync.model.doubts import Doubts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from hostaway_sync.model.alarms import Alarm
    from hostaway_sync.model.calendar.facts import CalendarFacts
    from hostaway_sync.model.circuit_breaker import Outage
    from hostaway_sync.model.history.stall import FeedStall
    from hostaway_sync.model.kinds.facts import KindFacts
    from hostaway_sync.model.kinds.new_words import NewWord
    from hostaway_sync.model.records import Mode, Resource, RunState


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Number of rows of one resource; `total` includes the `missing` ones."""

    total: int = 0
    missing: int = 0

    @property
    def live(self) -> int:
        """Rows whose object the platform still has."""
        return self.total - self.missing


@dataclass(frozen=True, slots=True)
class DueThreads:
    """Number of threads that must be read, and since when the oldest of them is due."""

    threads: int
    since: datetime


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, open or finished."""

    mode: Mode
    state: RunState
    triggered_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    api_calls: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """One comparison of the mirror with the platform.

    Attributes:
        verified_at: when its first request was granted.
        is_equal: it found no difference.
        is_deep: it read every thread.
        differences: number of objects that differ.
        late: differences that the platform made after the last complete run; the next run brings them.
        error: what could not be compared, as a sentence; None if everything was.
        swept: differences that are not late, in lists that a complete run has read since.
        is_outdated: a complete run has read every list since.
        is_sudden: suspiciously many rows had disappeared at once.
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
        """Differences that no run will bring, and that no sweep has read since."""
        return max(0, self.differences - self.late - self.swept)


@dataclass(frozen=True, slots=True)
class Lease:
    """The host that works on the account now, and when its lease expires unless it is renewed."""

    host: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RecentRuns:
    """Figures of an account's recent runs.

    Attributes:
        calls: requests of the runs triggered in the last 24 hours.
        abandoned: number of these runs whose process died.
        incremental_calls: mean requests of the complete incremental runs of the last seven days; None without any.
        seconds_per_call: mean duration of a request in the complete full runs of these days; None without any.
    """

    calls: int = 0
    abandoned: int = 0
    incremental_calls: float | None = None
    seconds_per_call: float | None = None


@dataclass(frozen=True, slots=True)
class QuarantineCounts:
    """Number of quarantined records: of the last two days without a row, and of those whose row is a cleaned copy."""

    rowless: int = 0
    cleaned: int = 0


@dataclass(frozen=True, slots=True)
class BucketUsage:
    """The usage of one request limit.

    Attributes:
        used: number of slots taken in the current window.
        limit: the limit of the settings.
        lowered_to: the lower limit that the platform demands until `lowered_until`; None if it demands none.
        silent_until: the platform demands a pause until then; None if it demands none.
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
    """The unfinished work of the queue.

    Attributes:
        deliveries: number of deliveries whose object was not read again yet.
        oldest_at: when the oldest of them arrived.
        dead_letters: number of jobs that failed permanently and wait for a person.
        due_since: since when the oldest job that may start is waiting; None if there is none.
        has_worker: such a job exists, and a worker has sent a recent heartbeat.
    """

    deliveries: int = 0
    oldest_at: datetime | None = None
    dead_letters: int = 0
    due_since: datetime | None = None
    has_worker: bool = False


@dataclass(frozen=True, slots=True)
class MessageBacklog:
    """Numbers of guest messages that are not finished.

    Attributes:
        unsettled: messages with an unknown outcome.
        waiting_for_person: unsettled messages that no further reading looks for: a person must check them.
        unsent: messages that were stored and not sent, because the process died.
        undelivered: messages of the last 24 hours that the platform accepted and did not deliver.
        queued: messages that a worker sends, or is sending.
        resting: queued messages that wait on purpose, such as for the end of quiet hours.
        resting_until: when the first of these may be sent; None if there is none.
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
    """Numbers of reservations that changed in the last 24 hours.

    Attributes:
        unannounced: changes found by runs alone; `store.webhooks.unannounced` decides which changes count.
        announced: changes that a delivery announced.
    """

    unannounced: int
    announced: int


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """The facts about one account.

    Attributes:
        last_sync_at: start of the last run that succeeded for all resources.
        rows: row counts by resource; a resource without rows may be left out.
        due: due threads, of conversations and of reservations without a known conversation; empty ones are left out.
        lease: the lease of the process that works on it now; None if there is none.
        open_run: the open run, whether its process is alive or not.
        records_read: number of records that this run has read so far.
        last_run: the newest finished run that was not skipped.
        certificate: the comparison that counts; `store.runs.certificates` chooses it.
        equal_at: time of the newest comparison without differences.
        limit: usage of its own request limit; None if it never sent a request.
        announcements: changes with and without a webhook; None without any change, or without a registered webhook.
        calendar: how its calendars are mirrored; None: they are not, and none was ever read.
        kinds: how the other kinds are mirrored; a kind that is not, and has no rows, is left out.
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
    calendar: CalendarFacts | None = None
    kinds: tuple[KindFacts, ...] = ()

    def live(self, resource: Resource) -> int:
        """Return the number of rows of a resource whose object the platform still has."""
        return self.rows[resource].live if resource in self.rows else 0


@dataclass(frozen=True, slots=True)
class Overview:
    """The facts about all accounts at one moment.

    Attributes:
        now: that moment, by the database's clock.
        accounts: the accounts, by id.
        address: usage of the request limit that they share; None if there are no accounts.
        outage: the open circuit of the API; None if it is closed.
        stall: what the feed of changes waits for; None if it does not.
        new_words: words of the source that the views of `core` do not know.
    """

    now: datetime
    accounts: tuple[AccountFacts, ...]
    address: BucketUsage | None = None
    outage: Outage | None = None
    stall: FeedStall | None = None
    new_words: tuple[NewWord, ...] = ()


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """The facts about the database server.

    Attributes:
        version: the server's version number, such as `170004`.
        revision: the revision of the schema; None before the first migration.
        wanted_revision: the revision that this program needs.
        is_read_only: it accepts no writes: a replica, or configured so.
        missing_rights: the rights that this program lacks, as `table: right, right`.
        connections: number of connections of all clients to all databases.
        max_connections: the server's limit of connections.
        open_schemas: schemas, of ours and `public`, in which every role may create functions.
        replaced_by_role: the role that a setting `role` puts in place of the login role; None if there is none.
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
        """Whether the schema has the revision that this program needs."""
        return self.revision == self.wanted_revision
