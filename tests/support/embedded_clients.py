"""Users of the embedded server in processes of their own, and directories that they can enter."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from tests.support.programs.forked import start_beside

from hostaway_sync.environment.file_locks import poll_with_backoff
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

# One user of the server in a process of its own, with one order a line. It imports before it changes its user,
# because the interpreter itself may lie where an ordinary user cannot read.
CLIENT = """
import json, os, pathlib, sys
sys.path[:] = json.loads(sys.argv[1])
import psutil, psycopg
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.store.embedded import EmbeddedPostgres
if int(sys.argv[3]) != os.geteuid():
    os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[3]))
server = EmbeddedPostgres(pathlib.Path(sys.argv[2]))
for line in sys.argv[4:] or sys.stdin:
    try:
        answer = getattr(server, line.strip())()
    except ConfigurationError as error:
        answer = str(error)
    if sys.stdout:
        print(answer, flush=True)
"""


def client_command(state: Path, *orders: str, uid: int = os.geteuid()) -> list[str]:
    """Return the command line of a client that obeys these orders, or those on its standard input."""
    return [sys.executable, "-c", CLIENT, json.dumps(sys.path), str(state), str(uid), *orders]


class Client:
    """A client that lives until its end is ordered."""

    def __init__(self, state: Path, *, uid: int = os.geteuid(), env: dict[str, str] | None = None) -> None:
        words = (json.dumps(sys.path), str(state), str(uid))
        self.process = start_beside(
            os.environ if env is None else env,
            *words,
            code=CLIENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=2,
        )

    def order(self, what: str) -> None:
        """Send an order, and do not wait for its end."""
        assert self.process.stdin
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """Return the answer to the order: `None` after a good start."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def does(self, what: str) -> str:
        """Send an order and return its answer."""
        self.order(what)
        return self.answer()

    def end(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """End the process and wait until it is gone."""
        self.process.send_signal(sig)
        self.process.communicate()


@contextmanager
def passable_directory() -> Iterator[Path]:
    """Yield a directory that other users may enter, unlike pytest's own; without servers afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="hostaway-sync-test-")).resolve()
    directory.chmod(0o711)
    yield directory
    end_processes_below(directory)
    shutil.rmtree(directory)


def end_processes_below(directory: Path) -> None:
    """Kill the servers that work in this directory or deeper."""
    servers = processes_below(directory)
    for process in servers:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    gone(*servers)


def processes_below(directory: Path) -> list[psutil.Process]:
    """Return the living processes that work in this directory or deeper."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and Path(process.cwd()).is_relative_to(directory):
                found.append(process)
    return found


def users_below(directory: Path) -> set[int]:
    """Return the users of these processes; those that end meanwhile are left out."""
    found = set()
    for process in processes_below(directory):
        with suppress(psutil.NoSuchProcess):
            found.add(process.uids().effective)
    return found


def gone(*processes: psutil.Process) -> None:
    """Wait until these processes are dead; a zombie counts as dead."""
    for _ in poll_with_backoff(30):
        if not any(alive(process) for process in processes):
            return
    pytest.fail(f"still alive: {processes}")


def alive(process: psutil.Process) -> bool:
    """Whether a process is more than a zombie."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def postmaster(postgres: EmbeddedPostgres) -> psutil.Process:
    """Return the one server process that has no parent among the server's processes."""
    family = processes_below(postgres.pgdata)
    oldest = []
    for process in family:
        with suppress(psutil.NoSuchProcess):
            if process.parent() not in family:
                oldest.append(process)
    assert len(oldest) == 1
    return oldest[0]


@contextmanager
def running(state: Path, *, bin_dir: Path | None = None) -> Iterator[EmbeddedPostgres]:
    """Yield a started server that is released at the end."""
    postgres = EmbeddedPostgres(state, bin_dir=bin_dir)
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.release()


def connect(postgres: EmbeddedPostgres) -> psycopg.Connection[tuple[object, ...]]:
    """Return a connection for bare SQL."""
    return psycopg.connect(postgres.url().replace("+psycopg", ""), autocommit=True)


def refusal(state: Path, *, bin_dir: Path | None = None) -> str:
    """Return the sentence with which a start is refused."""
    postgres = EmbeddedPostgres(state, bin_dir=bin_dir)
    with pytest.raises(ConfigurationError) as refused:
        postgres.start()
    assert not postgres.release(), "who could not start is no user"
    return str(refused.value)
