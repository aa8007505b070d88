"""The embedded server for its users: start, URL and release.

Three lock files lie beside the data (not in XDG_RUNTIME_DIR: cron and a login shell must find the same ones):

    users.lock     shared by every process that uses the server; the last user is the one that gets it exclusively
    start.lock     held by the one process that starts the server
    server.lock    inherited by the server and all its backends: while it is free, none of them is alive

A process starts the server only while it shares `users.lock` and holds `start.lock`, and stops it only while it holds
`users.lock` exclusively. So the two never happen at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from hostaway_sync.environment.file_locks import (
    lock_exclusive,
    lock_if_free,
    lock_shared,
    poll_with_backoff,
    try_lock_exclusive,
)
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.store.connection.libpq_environment import ignore_environment
from hostaway_sync.store.embedded import cluster
from hostaway_sync.store.embedded.binaries import find_binaries
from hostaway_sync.store.embedded.location import find_location, settle_location
from hostaway_sync.store.embedded.processes import find_postmaster, kill_processes, request_shutdown

# Seconds. Crash recovery of a big database takes minutes; backends of a killed server end as soon as they notice.
START_PATIENCE = 600.0
STOP_PATIENCE = 60.0
LOCK_PATIENCE = START_PATIENCE + STOP_PATIENCE
ORPHAN_PATIENCE = 30.0

_LAUNCHES = 3


class EmbeddedPostgres:
    """The PostgreSQL server of one state directory, shared by all processes that use the same one.

    Args:
        state_dir: directory of the cluster; created if it is missing.
        bin_dir: directory with `postgres` and `initdb`; by default the wheel's, else the system's.
    """

    def __init__(self, state_dir: Path, *, bin_dir: Path | None = None) -> None:
        self._state_dir = Path(os.path.realpath(state_dir))
        self._bin_dir = bin_dir
        self._location = find_location(self._state_dir)
        self._users: int | None = None
        self._thread_lock = threading.Lock()

    @property
    def socket_dir(self) -> Path:
        """Directory of the Unix socket; may still change until `start`."""
        return self._location.sockets

    @property
    def pgdata(self) -> Path:
        """PostgreSQL's data directory; may still change until `start`."""
        return self._location.data

    @property
    def log_path(self) -> Path:
        """File of the server's log; may still change until `start`."""
        return self._location.log

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database on this server; it names the port, so that PGPORT does not count."""
        host = quote(str(self.socket_dir), safe="")
        return f"postgresql+psycopg://postgres@/{quote(database, safe='')}?host={host}&port=5432"

    def start(self) -> None:
        """Join the users of the server and make sure that it answers: attach to it, or start it.

        Raises:
            ConfigurationError: the server cannot run here; the message says why and what to do.
        """
        if sys.platform == "win32":
            raise ConfigurationError(
                "The embedded PostgreSQL does not run on Windows: set HOSTAWAY_SYNC_DATABASE_URL to another PostgreSQL."
            )
        with self._thread_lock:
            try:
                self._start()
            except (OSError, subprocess.SubprocessError) as error:
                raise ConfigurationError(
                    f"The embedded PostgreSQL cannot use {self._state_dir} ({error}): set HOSTAWAY_SYNC_DATA_DIR to a "
                    f"local directory that you can write to, or set HOSTAWAY_SYNC_DATABASE_URL."
                ) from error

    def release(self, *, stop_if_last: bool = True) -> bool:
        """Leave the users of the server; the last one stops it. A second call does nothing.

        Returns:
            Whether this was the last user.
        """
        with self._thread_lock:
            if self._users is None:
                return False
            users, self._users = self._users, None
            try:
                last = try_lock_exclusive(users)
                if last and stop_if_last:
                    self._stop_server()
                return last
            finally:
                os.close(users)

    def _start(self) -> None:
        self._location = settle_location(self._state_dir)
        users = self._users
        if users is None:
            users = lock_shared(self._location.directory / "users.lock", LOCK_PATIENCE)
        try:
            if not self._answers():
                with lock_exclusive(self._location.directory / "start.lock", LOCK_PATIENCE):
                    self._start_server()
        except BaseException:
            if self._users is None:
                # Perhaps a signal came when the server ran already and this was its only user.
                if try_lock_exclusive(users):
                    self._stop_server()
                os.close(users)
            raise
        self._users = users

    def _answers(self) -> bool:
        """Whether the server accepts connections now."""
        ignore_environment()
        target = make_conninfo(
            host=str(self.socket_dir), port=5432, user="postgres", dbname="postgres", connect_timeout=3
        )
        answer = PGconn.ping(target.encode())
        if answer == Ping.NO_ATTEMPT:
            raise ConfigurationError(
                "PostgreSQL's client library refuses to connect: look for a wrong environment variable whose name "
                "starts with PG, such as PGSSLMODE."
            )
        return answer == Ping.OK

    def _start_server(self) -> None:
        launches = 0
        logged_before = cluster.log_size(self._location)
        orphans_may_stay_until = time.monotonic() + ORPHAN_PATIENCE
        for _ in poll_with_backoff(START_PATIENCE):
            if self._answers():
                return
            with lock_if_free(self._location.directory / "server.lock") as server_lock:
                if server_lock is None:
                    if time.monotonic() > orphans_may_stay_until and find_postmaster(self.pgdata) is None:
                        kill_processes(self.pgdata)
                elif find_postmaster(self.pgdata) is None:
                    if launches == _LAUNCHES:
                        raise ConfigurationError(
                            f"PostgreSQL does not start in {self.pgdata}, its log {self.log_path} ends with: "
                            f"{cluster.read_log_since(self._location, logged_before)}"
                        )
                    self._launch(server_lock)
                    launches += 1
                    orphans_may_stay_until = time.monotonic() + ORPHAN_PATIENCE
        raise ConfigurationError(
            f"A PostgreSQL server is alive in {self.pgdata} but has not answered on {self.socket_dir} for "
            f"{START_PATIENCE:.0f} seconds: see its log {self.log_path}, and stop it if it hangs."
        )

    def _launch(self, server_lock: int) -> None:
        binaries = find_binaries(self._bin_dir, self._location.account)
        cluster.prepare_cluster(self._location, binaries)
        cluster.launch_server(self._location, binaries, server_lock)

    def _stop_server(self) -> None:
        if request_shutdown(self.pgdata):
            for _ in poll_with_backoff(STOP_PATIENCE):
                with lock_if_free(self._location.directory / "server.lock") as server_lock:
                    if server_lock is not None:
                        return
