"""A lock that other sessions wait for."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
from tests.support import sql
from tests.support.barrier import PATIENCE
from tests.support.deliveries import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sandbox import Request


@contextmanager
def hold_lock(env: SyncEnv, statement: str) -> Iterator[None]:
    """Hold the lock of a statement while the block runs."""
    with env.database.engine.connect() as connection:
        connection.execute(sa.text(statement))
        yield


def wait_for_waiter(env: SyncEnv) -> None:
    """Wait until another session waits for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    eventually(lambda: sql.rows(env.database, query) != [(0,)], "a session waits")


class TableGate:
    """Locks a table against writes once a request has come, and tells when a process waits for the lock."""

    def __init__(self, env: SyncEnv, route: str, number: int, table: str) -> None:
        self._env = env
        self._route = route
        self._left = number
        self._table = f"hostaway.{table}"
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._connection = env.database.engine.connect()
        env.sandbox.on_request(self._close)

    def wait(self, process: BaseProcess) -> None:
        """Wait until this process waits for the lock."""
        assert self._closed.wait(PATIENCE)
        query = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{}'::regclass"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        while sql.rows(self._env.database, query.format(self._table)) == [(0,)]:
            process.join(0.02)
            assert process.exitcode is None

    def open(self) -> None:
        """Release the lock."""
        self._connection.close()

    def _close(self, request: Request) -> None:
        if request.route != self._route:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._connection.execute(sa.text(f"LOCK TABLE {self._table} IN EXCLUSIVE MODE"))
                self._closed.set()
