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
    """Keep a lock while the block runs, and wait inside until somebody stands before it."""
    with env.database.engine.connect() as connection:
        connection.execute(sa.text(statement))
        yield


def wait_for_waiter(env: SyncEnv) -> None:
    """Wait until somebody stands before a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    eventually(lambda: sql.rows(env.database, query) != [(0,)], "somebody waits")


class TableGate:
    """Lets nobody write into a table once a request has come, and says when somebody wants to."""

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
        """Wait until somebody stands before the gate, which only this process can be."""
        assert self._closed.wait(PATIENCE)
        query = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{}'::regclass"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        while sql.rows(self._env.database, query.format(self._table)) == [(0,)]:
            process.join(0.02)
            assert process.exitcode is None

    def open(self) -> None:
        """Let everybody pass."""
        self._connection.close()

    def _close(self, request: Request) -> None:
        if request.route != self._route:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._connection.execute(sa.text(f"LOCK TABLE {self._table} IN EXCLUSIVE MODE"))
                self._closed.set()
