"""Wait for NOTIFY, or for a time to pass where notifications do not come.

A notification is a hint and no more: every role that may log in can send one, a pooler may keep them back, and those
sent while the connection was lost never come. Who waits here looks afterwards, whatever ended the wait.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg
import sqlalchemy as sa

from hostaway_sync.errors import HostawaySyncError

if TYPE_CHECKING:
    from types import TracebackType

    from hostaway_sync.store.postgres.database import Database

_FAILED: Final = (psycopg.Error, sa.exc.SQLAlchemyError, HostawaySyncError)

log = logging.getLogger(__name__)


class Listener:
    """Listens on one channel over a connection of its own, which is opened again after it broke; a context manager.

    Args:
        database: its pool lends the connection.
        channel: as SQL writes it.
    """

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel
        self._connection: sa.Connection | None = None

    def __enter__(self) -> Self:
        with suppress(*_FAILED):
            self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def wait(self, seconds: float) -> None:
        """Return after a notification, or after so many seconds; without a connection after all of them."""
        until = time.monotonic() + seconds
        try:
            driver: psycopg.Connection[Any] = self._open().connection.driver_connection  # type: ignore[assignment]
            if list(driver.notifies(timeout=seconds, stop_after=1)):
                # All others that have come say the same.
                list(driver.notifies(timeout=0))
        except _FAILED as error:
            log.debug("notifications do not come, looks by the clock: %s", error)
            self._close()
            time.sleep(max(0.0, until - time.monotonic()))

    def _open(self) -> sa.Connection:
        if self._connection is None:
            connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection = connection
            connection.exec_driver_sql(f"LISTEN {self._channel}")
        return self._connection

    def _close(self) -> None:
        """Close the connection for good: in the pool it would go on listening."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error, sa.exc.SQLAlchemyError):
                connection.invalidate()
                connection.close()
