from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.support.embedded_clients import (
    Client,
    alive,
    client_command,
    connect,
    end_processes_below,
    gone,
    passable_directory,
    postmaster,
    processes_below,
    refusal,
    running,
)

from hostaway_sync.environment.file_locks import lock_exclusive, poll_with_backoff
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.store.embedded import EmbeddedPostgres, server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def room() -> Iterator[Path]:
    """Return a directory for a first start from nothing."""
    with passable_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """Return a state directory with a cluster: creating one takes ten times as long as starting it."""
    with passable_directory() as directory:
        with running(directory / "state"):
            pass
        yield directory / "state"


@pytest.fixture
def state(made: Path) -> Iterator[Path]:
    """Return that state directory, its server stopped before and after each test."""
    yield made
    end_processes_below(made)


def test_last_user_stops_the_server_and_rows_outlive_it(room: Path) -> None:
    """Started from nothing, shared, stopped by its last user, and started again with its rows."""
    first, second = EmbeddedPostgres(room / "state"), EmbeddedPostgres(room / "state")
    first.start()
    first.start()
    second.start()
    with connect(first) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'ü' AS letter")
    assert first.release() is False
    assert processes_below(second.pgdata), "a server with a user left goes on"
    assert second.release() is True
    assert processes_below(second.pgdata) == []
    assert second.release() is False
    with running(room / "state") as again, connect(again) as connection:
        assert connection.execute("SELECT upper(letter) FROM kept").fetchone() == ("Ü",)


def test_server_is_private_and_durable(state: Path) -> None:
    """No network, a socket for its owner alone, UTF-8, and fsync on: it holds users' data."""
    with running(state) as postgres, connect(postgres) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in ("listen_addresses", "fsync", "server_encoding", "max_connections", "timezone")
        }
        assert shown == {
            "listen_addresses": ("",),
            "fsync": ("on",),
            "server_encoding": ("UTF8",),
            "max_connections": ("100",),
            "timezone": ("UTC",),
        }
        assert stat.S_IMODE(postgres.socket_dir.stat().st_mode) == 0o700
        assert postgres.log_path.is_file()


def test_release_can_leave_the_server_running(state: Path) -> None:
    """The last user may leave it running, and the next one connects to it."""
    postgres = EmbeddedPostgres(state)
    postgres.start()
    before = postmaster(postgres)
    assert postgres.release(stop_if_last=False) is True
    with running(state) as again:
        assert postmaster(again) == before


def test_cron_and_a_login_shell_start_one_server_at_once(room: Path) -> None:
    """Two cold starts with different environments race; there is one server, and both use it."""
    login = dict(os.environ) | {"XDG_RUNTIME_DIR": str(room), "TMPDIR": str(room), "PGPORT": "7777", "TZ": "Asia/Tokyo"}
    clients = [Client(room / "state", env=login), Client(room / "state", env={})]
    for client in clients:
        client.order("start")
    assert [client.answer() for client in clients] == ["None", "None"]
    assert postmaster(EmbeddedPostgres(room / "state"))
    assert [client.does("release") for client in clients] == ["False", "True"]
    for client in clients:
        client.end()


def test_killed_client_is_no_user_any_more(state: Path) -> None:
    """After kill -9 of one client the other is the last, and stops the server."""
    killed, last = Client(state), Client(state)
    assert [killed.does("start"), last.does("start")] == ["None", "None"]
    killed.end(signal.SIGKILL)
    assert last.does("release") == "True"
    assert processes_below(state) == []
    last.end()


def test_stopped_client_is_still_a_user(state: Path) -> None:
    """A client under SIGSTOP keeps the server running, and blocks no start and no end of others."""
    sleeper = Client(state)
    assert sleeper.does("start") == "None"
    sleeper.process.send_signal(signal.SIGSTOP)
    postgres = EmbeddedPostgres(state)
    postgres.start()
    assert postgres.release() is False
    sleeper.end(signal.SIGKILL)


def test_killed_server_comes_back_with_all_committed_rows(state: Path) -> None:
    """After kill -9 of the server, the same user can start it again."""
    with running(state) as postgres:
        with connect(postgres) as connection:
            connection.execute("CREATE TABLE thousand AS SELECT generate_series(1, 1000)")
        killed = postmaster(postgres)
        killed.kill()
        gone(killed)
        postgres.start()
        with connect(postgres) as connection:
            assert connection.execute("SELECT count(*) FROM thousand").fetchone() == (1000,)
    assert processes_below(postgres.pgdata) == []


def test_orphans_of_a_killed_server_are_ended_before_the_next(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that hangs after its postmaster died must not change the data beside a new server."""
    monkeypatch.setattr(server, "ORPHAN_PATIENCE", 0.0)
    with running(state) as postgres:
        with connect(postgres) as connection:
            orphan = psutil.Process(connection.info.backend_pid)
            orphan.suspend()
            killed = postmaster(postgres)
            killed.kill()
            gone(killed)
            postgres.start()
            assert not alive(orphan)
        with connect(postgres) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_release_after_the_server_died_is_quiet(state: Path) -> None:
    """The last user of a dead server need not stop it."""
    with running(state) as postgres:
        family = processes_below(postgres.pgdata)
        postmaster(postgres).kill()
        gone(*family)
        assert postgres.release() is True


def test_stale_pid_and_socket_locks_are_no_server(state: Path) -> None:
    """After a reboot the pid in the files can be any process's; here it is that of this test."""
    with running(state) as postgres:
        pass
    stale = f"{os.getpid()}\n{postgres.pgdata}\n1\n5432\n{postgres.socket_dir}\n\n5432001 0\nready\n"
    (postgres.pgdata / "postmaster.pid").write_text(stale)
    (postgres.socket_dir / ".s.PGSQL.5432.lock").write_text(stale)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(postgres.socket_dir / ".s.PGSQL.5432"))
    with running(state) as again, connect(again) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_killed_initdb_leaves_nothing(room: Path) -> None:
    """A first start that is killed in the middle costs only its time."""
    cluster = EmbeddedPostgres(room / "state").pgdata.parent
    killed = Client(room / "state")
    killed.order("start")
    for _ in poll_with_backoff(30):
        if list(cluster.glob("init-*/base")):
            break
    killed.end(signal.SIGKILL)
    with running(room / "state") as postgres, connect(postgres) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with running(room / "state"):
        assert list(cluster.glob("init-*")) == []


@pytest.mark.parametrize("redirect", ["", " <&- >&- 2>&-"], ids=["captured", "closed"])
def test_server_inherits_no_open_file(state: Path, redirect: str) -> None:
    """A caller that waits for the end of our output does not wait for the server; closed files do no harm."""
    command = ["/bin/sh", "-c", f'exec "$@"{redirect}', "sh", *client_command(state, "start")]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    with running(state) as postgres:
        started = postmaster(postgres)
        assert os.getsid(started.pid) != os.getsid(0)
        if sys.platform == "linux":
            files = {Path(f"/proc/{started.pid}/fd/{number}").readlink() for number in range(3)}
            assert files == {Path(os.devnull), postgres.log_path}
        assert "has held" in refused_lock(state / "server.lock")
    assert refused_lock(state / "server.lock") == ""


def refused_lock(path: Path) -> str:
    """Return why a lock cannot be had now; empty if it can."""
    try:
        with lock_exclusive(path, 0):
            return ""
    except ConfigurationError as error:
        return str(error)


def test_wait_for_the_server_ends(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the process that hangs with a lock."""
    monkeypatch.setattr(server, "START_PATIENCE", 0.0)
    monkeypatch.setattr(server, "LOCK_PATIENCE", 0.0)
    (room / "state").mkdir(mode=0o711)
    (room / "state").chmod(0o711)
    with lock_exclusive(room / "state" / "start.lock", 0):
        assert "start.lock" in refusal(room / "state")
    with lock_exclusive(room / "state" / "server.lock", 0):
        assert "alive in" in refusal(room / "state")


def test_huge_log_is_rotated(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cron starts for years does not fill the disk with its log."""
    with running(state) as postgres:
        pass
    monkeypatch.setattr("hostaway_sync.store.embedded.cluster.LONGEST_LOG", 10)
    with running(state):
        assert postgres.log_path.with_suffix(".log.1").exists()
