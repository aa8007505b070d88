"""The facade of the library: `Mirror` opens everything from the settings, and has one property a subject."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

from hostaway_sync.app.container import Container
from hostaway_sync.app.database import is_behind, upgrade_schema
from hostaway_sync.store.messages import restored
from hostaway_sync.store.schema import revisions

if TYPE_CHECKING:
    from types import TracebackType

    from hostaway_sync.app.accounts import Accounts
    from hostaway_sync.app.api.limits import ApiLimits
    from hostaway_sync.app.api.state import ApiState
    from hostaway_sync.app.api.tokens import ApiTokens
    from hostaway_sync.app.api_keys import ApiKeys
    from hostaway_sync.app.calendar import Calendar
    from hostaway_sync.app.calendar_writes import CalendarWrites
    from hostaway_sync.app.data.dumps import Dumps
    from hostaway_sync.app.data.exports import Exports
    from hostaway_sync.app.data.queries import Queries
    from hostaway_sync.app.data.rows import Rows
    from hostaway_sync.app.database import DatabaseOperations
    from hostaway_sync.app.fleet.fleet import Fleet
    from hostaway_sync.app.history.history import History
    from hostaway_sync.app.jobs.automations import Automations
    from hostaway_sync.app.jobs.jobs import Jobs
    from hostaway_sync.app.maintenance import Maintenance
    from hostaway_sync.app.messages.batches import MessageBatches
    from hostaway_sync.app.messages.messages import Messages
    from hostaway_sync.app.privacy import PayloadFields, Privacy
    from hostaway_sync.app.secrets import Secrets
    from hostaway_sync.app.status import Status
    from hostaway_sync.app.sync import ReservationObjects, Sync
    from hostaway_sync.app.webhooks import Webhooks
    from hostaway_sync.settings import Settings
    from hostaway_sync.store.callers.scoped_reads import ScopedReads
    from hostaway_sync.store.schema.roles import Roles


class Mirror:
    """Accounts mirrored into one database; a context manager.

    Each property is one subject. Its module is imported when the property is first read, so that a command starts
    without the modules of the others.

    Args:
        settings: where the database is, the limits, the keys.
        check_schema: refuse an outdated schema at once; only `migrate` may work on one. The embedded database is
            migrated without being asked.
        application: the name under which the server lists these connections.
        connections: the most that this mirror takes of the database at once, unless the settings say otherwise; None:
            the usual number.
        beside: how many more a receiver or a worker in this process will take.

    Raises:
        ConfigurationError: the settings cannot be right.
        SchemaOutdated: the database must be migrated first.
        StoreUnavailable: the database cannot be reached.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        check_schema: bool = True,
        application: str = "hostaway-sync",
        connections: int | None = None,
        beside: int = 0,
    ) -> None:
        self._container = Container(settings, application=application, connections=connections, beside=beside)
        self._database = self._container.database
        try:
            if self._database.embedded is not None and is_behind(self._database, settings):
                upgrade_schema(self._database, settings)
            if check_schema:
                revisions.require_current(self._database)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, and stop the embedded database if no other program uses it."""
        self._container.close()

    def migrate(self) -> tuple[str | None, str]:
        """Bring the schema to this program's revision; return the revision before and after."""
        before = revisions.read_revision(self._database)
        upgrade_schema(self._database, self._container.settings)
        self._database.transaction(restored.detect_restore)
        return before, revisions.head_revision()

    @cached_property
    def accounts(self) -> Accounts:
        """Which accounts are mirrored: add, change, disable and remove them."""
        from hostaway_sync.app.accounts import Accounts

        return Accounts(self._container)

    @cached_property
    def sync(self) -> Sync:
        """Mirror one account, all accounts or one object; compare a mirror with the source."""
        from hostaway_sync.app.sync import Sync

        return Sync(self._container)

    @cached_property
    def status(self) -> Status:
        """What the tables know: accounts, runs, alarms, sizes, forecasts, metrics."""
        from hostaway_sync.app.status import Status

        return Status(self._container)

    @cached_property
    def history(self) -> History:
        """What changed, and when: the feed of changes."""
        from hostaway_sync.app.history.history import History

        return History(self._container)

    @cached_property
    def calendar(self) -> Calendar:
        """The mirrored calendars of listings."""
        from hostaway_sync.app.calendar import Calendar

        return Calendar(self._container)

    @cached_property
    def calendar_writes(self) -> CalendarWrites:
        """Writes to calendars: prepare, send, list."""
        from hostaway_sync.app.calendar_writes import CalendarWrites

        return CalendarWrites(self._container)

    @cached_property
    def reservation_objects(self) -> ReservationObjects:
        """What a person asks the source of one reservation."""
        from hostaway_sync.app.sync import ReservationObjects

        return ReservationObjects(self._container)

    @cached_property
    def messages(self) -> Messages:
        """Messages to guests: prepare, cancel, resolve, list."""
        from hostaway_sync.app.messages.messages import Messages

        return Messages(self._container)

    @cached_property
    def batches(self) -> MessageBatches:
        """Many messages at once."""
        from hostaway_sync.app.messages.batches import MessageBatches

        return MessageBatches(self._container)

    @cached_property
    def webhooks(self) -> Webhooks:
        """The webhooks of accounts: register them at the source, receive their deliveries."""
        from hostaway_sync.app.webhooks import Webhooks

        return Webhooks(self._container)

    @cached_property
    def jobs(self) -> Jobs:
        """Queued work: enqueue syncs, run a worker, settle dead letters."""
        from hostaway_sync.app.jobs.jobs import Jobs

        return Jobs(self._container)

    @cached_property
    def automations(self) -> Automations:
        """Who is told of what changes."""
        from hostaway_sync.app.jobs.automations import Automations

        return Automations(self._container)

    @cached_property
    def api_keys(self) -> ApiKeys:
        """Who may call the API, and with which keys."""
        from hostaway_sync.app.api_keys import ApiKeys

        return ApiKeys(self._container)

    @cached_property
    def api_limits(self) -> ApiLimits:
        """How many requests each caller of the API may make."""
        from hostaway_sync.app.api.limits import ApiLimits

        return ApiLimits(self._container)

    @cached_property
    def api_state(self) -> ApiState:
        """How a process that serves the API does."""
        from hostaway_sync.app.api.state import ApiState

        return ApiState(self._container)

    @cached_property
    def api_tokens(self) -> ApiTokens | None:
        """Callers of the API who bring tokens of an identity provider; None: the settings name none."""
        from hostaway_sync.app.api.tokens import open_tokens

        return open_tokens(self._container.settings)

    @cached_property
    def scoped_reads(self) -> ScopedReads:
        """Transactions in which a caller of the API sees its own accounts alone."""
        from hostaway_sync.store.callers.scoped_reads import open_scoped_reads

        return open_scoped_reads(self._database, self._container.settings.core_schema)

    @cached_property
    def secrets(self) -> Secrets:
        """Where secrets are stored, and the keys that seal them."""
        from hostaway_sync.app.secrets import Secrets

        return Secrets(self._container)

    @cached_property
    def privacy(self) -> Privacy:
        """Guests who are to be forgotten."""
        from hostaway_sync.app.privacy import Privacy

        return Privacy(self._container)

    @cached_property
    def payload_fields(self) -> PayloadFields:
        """Which fields of payloads this database hides."""
        from hostaway_sync.app.privacy import PayloadFields

        return PayloadFields(self._container)

    @cached_property
    def maintenance(self) -> Maintenance:
        """What is deleted when it is settled and old."""
        from hostaway_sync.app.maintenance import Maintenance

        return Maintenance(self._container)

    @cached_property
    def database(self) -> DatabaseOperations:
        """The database as a whole: query it, move it, declare it restored."""
        from hostaway_sync.app.database import DatabaseOperations

        return DatabaseOperations(self._container)

    @cached_property
    def dumps(self) -> Dumps:
        """The whole mirror in one file, and back; a shell on it."""
        from hostaway_sync.app.data.dumps import Dumps

        return Dumps(self._container)

    @cached_property
    def exports(self) -> Exports:
        """Rows of the views of `core`, by name."""
        from hostaway_sync.app.data.exports import Exports

        return Exports(self._container)

    @cached_property
    def queries(self) -> Queries:
        """Queries in plain SQL, answered in a stream."""
        from hostaway_sync.app.data.queries import Queries

        return Queries(self._container)

    @cached_property
    def rows(self) -> Rows:
        """Rows for callers of the API, each of whom sees its own accounts alone."""
        from hostaway_sync.app.data.rows import Rows

        container = self._container
        return Rows(self.scoped_reads, container.settings.core_schema, container.vocabulary)

    @cached_property
    def fleet(self) -> Fleet:
        """What an operator sees of the accounts of a key."""
        from hostaway_sync.app.fleet.fleet import Fleet

        return Fleet(self._container, self.scoped_reads)

    @cached_property
    def roles(self) -> Roles:
        """The database roles that may read or write the mirror."""
        from hostaway_sync.store.schema.roles import Roles

        return Roles(self._database, self._container.settings.core_schema)
