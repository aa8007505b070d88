"""The way to PostgreSQL: one engine, one schema, and transactions that survive a restart of the server."""

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
from hostaway_sync.store.postgres.disconnect import PoolCloser
from hostaway_sync.store.postgres.driver_errors import raise_translated
from hostaway_sync.store.postgres.statement_timing import time_statements
from hostaway_sync.store.processes.held_rights import HeldRights
from hostaway_sync.store.processes.names import name_this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostaway_sync.store.embedded import EmbeddedPostgres
    from hostaway_sync.store.postgres.statement_timing import ObserveStatement

OLDEST_SERVER = 15
_FIRST_PATIENCE = 5.0

log = logging.getLogger(__name__)
T = TypeVar("T")


class Database:
    """PostgreSQL as the rest of the store sees it.

    Args:
        url: of the database, in the notation of libpq.
        schema: where the tables are.
        embedded: the server behind `url` when it is ours to keep running; started again when it dies.
        pool_size: connections it may hold at once, two or more: one is for what it claims.
        patience: seconds after which a server that went away is given up; one that was never reached, sooner:
            its address is wrong more often than it is about to come up.
        sleep: waits between two attempts.
        observe: called with how long each statement took.
        application: whose connections these are, as the server shows it.
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
        # Before libpq judges the URL, and what it lacks.
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
            # Asking for it would be the first question of a session.
            use_native_hstore=False,
            connect_args=session_settings.connect_options(application),
            execution_options={"schema_translate_map": {None: schema}},
        )
        self._held_rights = HeldRights(self.engine, schema)
        self._committing = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._pool_closer = PoolCloser(self.engine)
        # The last one asked: it connects.
        sa.event.listen(self.engine, "do_connect", session_settings.SessionFactory().connect)
        if observe is not None:
            time_statements(self.engine, observe)

    def transaction(self, work: Callable[[sa.Connection], T], *, is_one_statement: bool = False) -> T:
        """Run `work` in one transaction, again when the server went away meanwhile; `work` must bear a repetition.

        One statement is a transaction by itself: without BEGIN and COMMIT it takes a third of the way.

        Raises:
            StoreUnavailable: the server did not come back within `patience`.
            StoreError: the server refuses us (unknown database, wrong password, no permission).
        """
        return self._patiently(partial(self.attempt, work, is_one_statement=is_one_statement))

    def attempt(self, work: Callable[[sa.Connection], T], *, is_one_statement: bool = False) -> T:
        """Run `work` in one transaction, once.

        Raises:
            StoreUnavailable, StoreError: as `transaction`.
        """
        try:
            with (self._committing if is_one_statement else self.engine).begin() as connection:
                self._was_reached = True
                if not self._waits_for_disk and not is_one_statement:
                    connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
                return work(connection)
        except SQLAlchemyError as error:
            raise_translated(error)

    @contextmanager
    def claim(self, right: str) -> Iterator[bool]:
        """Have a right that one holder of all processes can have, while the block runs; give whether it is ours.

        It outlives every connection, and ends by itself when this process dies. No transaction is open meanwhile.

        Raises:
            StoreUnavailable, StoreError: as `transaction`.
        """
        is_ours = self._patiently(partial(self._held_rights.claim, right, name_this_process()))
        try:
            yield is_ours
        finally:
            if is_ours:
                self._held_rights.release(right)

    def separate_pool(self, *, pool_size: int, patience: float) -> Database:
        """Give the same database with connections and a patience of its own; end it with `disconnect`."""
        database = Database(
            self._url,
            schema=self.schema,
            embedded=self.embedded,
            pool_size=pool_size,
            patience=patience,
            observe=self._observe,
            application=self.application,
        )
        self._derived.append(database)
        return database

    def async_commit_twin(self, *, patience: float) -> Database:
        """Give the same database and connections, with a patience of its own and quick commits.

        A crash of the server may undo what they committed last: for whoever begins again from what is there.
        """
        twin = copy(self)
        twin._patience, twin._derived, twin._waits_for_disk = patience, [], False  # noqa: SLF001  (its own twin)
        self._derived.append(twin)
        return twin

    def fail_fast(self) -> None:
        """Give up soon from now on if the server is away: whoever waits wants to be gone."""
        self._was_reached = False
        for database in self._derived:
            database.fail_fast()

    def disconnect(self) -> None:
        """Give back every connection, now or when a thread that has one lets go of it; there will be no other."""
        self._pool_closer.close()

    def close(self) -> None:
        """Disconnect, and give back the embedded server if nobody else uses it."""
        self.disconnect()
        if self.embedded is not None:
            self.embedded.release()

    def _patiently(self, attempt: Callable[[], T]) -> T:
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


def _translating(attempt: Callable[[], T]) -> T:
    try:
        return attempt()
    except SQLAlchemyError as error:
        raise_translated(error)
