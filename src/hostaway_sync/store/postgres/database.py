"""The database: one engine, one schema, and transactions that survive a restart of the server."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from hostaway_sync.errors import StoreUnavailable
from hostaway_sync.store.connection import session_settings
from hostaway_sync.store.connection.database_url import parse_database_url
from hostaway_sync.store.connection.libpq_environment import ignore_environment
from hostaway_sync.store.postgres.compiled_statements import CompiledStatements
from hostaway_sync.store.postgres.disconnect import PoolCloser
from hostaway_sync.store.postgres.driver_errors import raise_translated
from hostaway_sync.store.postgres.json_values import read_json
from hostaway_sync.store.postgres.statement_timing import time_statements
from hostaway_sync.store.processes.held_rights import HeldRights
from hostaway_sync.store.processes.names import name_this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostaway_sync.store.embedded import EmbeddedPostgres
    from hostaway_sync.store.postgres.statement_timing import ObserveStatement

OLDEST_SERVER = 15
_FIRST_PATIENCE = 5.0

_COMPILED = CompiledStatements()
_CHANGES = "hostaway_sync.changes"

log = logging.getLogger(__name__)
T = TypeVar("T")


class Database:
    """A PostgreSQL database, as the rest of the store uses it.

    Args:
        url: of the database, as libpq writes it.
        schema: of the tables.
        embedded: the server behind `url` if this program runs it; it is started again when it dies.
        pool_size: most connections at a time, two or more: one is for claimed rights.
        patience: seconds after which a server that went away is given up. A server that was never reached is given
            up after 5 seconds: its address is probably wrong.
        sleep: waits between two attempts.
        observe: called with the operation and the seconds of each statement.
        application: name of the connections, as the server shows it.

    Attributes:
        on_changes: called with this database after a transaction that may have changed mirrored records; see
            `note_changes`. None: nothing is.
    """

    def __init__(
        self,
        url: str | sa.URL,
        *,
        schema: str,
        embedded: EmbeddedPostgres | None = None,
        pool_size: int = 10,
        patience: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        observe: ObserveStatement | None = None,
        application: str = "hostaway-sync",
    ) -> None:
        # Before libpq judges the URL: its variables would fill in what the URL lacks.
        ignore_environment()
        self._url = parse_database_url(url) if isinstance(url, str) else url
        self.schema = schema
        self.application = application
        self.embedded = embedded
        self._patience = patience
        self._was_reached = False
        self._derived: list[Database] = []
        self._sleep = sleep
        self._observe = observe
        self._waits_for_disk = True
        self.engine = sa.create_engine(
            self._url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=60,
            hide_parameters=True,
            # Otherwise the first statement of a session would look for the type hstore.
            use_native_hstore=False,
            json_deserializer=read_json,
            connect_args=session_settings.connect_options(application),
            execution_options={"schema_translate_map": {None: schema}, "compiled_cache": _COMPILED},
        )
        self.on_changes: Callable[[Database], object] | None = None
        self._held_rights = HeldRights(self.engine, schema)
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._pool_closer = PoolCloser(self.engine)
        # The last listener of this event is the one that connects.
        sa.event.listen(self.engine, "do_connect", session_settings.SessionFactory().connect)
        if observe is not None:
            time_statements(self.engine, observe)

    def transaction(self, work: Callable[[sa.Connection], T], *, is_one_statement: bool = False) -> T:
        """Run `work` in one transaction, and again when the server went away; `work` must be safe to repeat.

        A single statement runs without BEGIN and COMMIT, which saves two of three round trips.

        Raises:
            StoreUnavailable: the server did not come back within `patience`.
            StoreError: the server refuses the connection or the work (unknown database, wrong password, no permission).
        """
        return self._retry(partial(self.attempt, work, is_one_statement=is_one_statement))

    def attempt(self, work: Callable[[sa.Connection], T], *, is_one_statement: bool = False) -> T:
        """Run `work` in one transaction, once.

        Raises:
            StoreUnavailable, StoreError: as `transaction`.
        """
        try:
            with (self._autocommit if is_one_statement else self.engine).begin() as connection:
                self._was_reached = True
                if not self._waits_for_disk and not is_one_statement:
                    connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
                connection.info.pop(_CHANGES, None)  # of a transaction that was rolled back
                result = work(connection)
                has_changes = connection.info.pop(_CHANGES, False)
        except SQLAlchemyError as error:
            raise_translated(error)
        if has_changes and self.on_changes is not None:
            self.on_changes(self)
        return result

    @contextmanager
    def session(self) -> Iterator[sa.Connection]:
        """Open a connection for this block alone; it is closed at the end, and whatever was not committed is undone.

        Raises:
            StoreUnavailable, StoreError: as `transaction`.
        """
        connection = self._retry(self.engine.connect)
        self._was_reached = True
        try:
            yield connection
        finally:
            connection.invalidate()
            connection.close()

    @contextmanager
    def claim(self, right: str) -> Iterator[bool]:
        """Claim a right, which one process of all holds at a time, while the block runs; yield whether we hold it.

        The claim outlives every connection, and expires when this process dies. No transaction is open meanwhile.

        Raises:
            StoreUnavailable, StoreError: as `transaction`.
        """
        is_ours = self._retry(partial(self._held_rights.claim, right, name_this_process()))
        try:
            yield is_ours
        finally:
            if is_ours:
                self._held_rights.release(right)

    def separate_pool(self, *, pool_size: int, patience: float) -> Database:
        """Return the same database with a connection pool and patience of its own; close it with `disconnect`."""
        database = Database(
            self._url,
            schema=self.schema,
            embedded=self.embedded,
            pool_size=pool_size,
            patience=patience,
            observe=self._observe,
            application=self.application,
        )
        database.on_changes = self.on_changes
        self._derived.append(database)
        return database

    def async_commit_twin(self, *, patience: float) -> Database:
        """Return the same database and pool, with a patience of its own and asynchronous commits.

        A crash of the server may undo the last commits: only for work that begins again from what is stored.
        """
        twin = copy(self)
        twin._patience, twin._derived, twin._waits_for_disk = patience, [], False  # noqa: SLF001  (its own copy)
        self._derived.append(twin)
        return twin

    def fail_fast(self) -> None:
        """Give up a server that is away after 5 seconds from now on, because the program is about to end."""
        self._was_reached = False
        for database in self._derived:
            database.fail_fast()

    def disconnect(self) -> None:
        """Close every connection, now or when its thread gives it back; no new one is opened."""
        self._pool_closer.close()

    def close(self) -> None:
        """Disconnect, and release the embedded server, which stops if no other process uses it."""
        self.disconnect()
        if self.embedded is not None:
            self.embedded.release()

    def _retry(self, attempt: Callable[[], T]) -> T:
        retrying = Retrying(
            retry=retry_if_exception_type(StoreUnavailable),
            wait=wait_random_exponential(multiplier=0.1, max=3),
            stop=stop_after_delay(self._patience if self._was_reached else min(self._patience, _FIRST_PATIENCE)),
            sleep=self._sleep,
            before_sleep=self._revive,
            reraise=True,
        )
        return retrying(partial(_translating, attempt))

    def _revive(self, state: RetryCallState) -> None:
        reason = state.outcome.exception() if state.outcome else None
        log.info("the database is away, trying again: %s", reason)
        if self.embedded is not None:
            self.embedded.start()


def note_changes(connection: sa.Connection) -> None:
    """Have `on_changes` called after the transaction of a connection, because it may change mirrored records."""
    connection.info[_CHANGES] = True


def _translating(attempt: Callable[[], T]) -> T:
    try:
        return attempt()
    except SQLAlchemyError as error:
        raise_translated(error)
