"""What every benchmark stands on: a sandbox in a process of its own, an embedded PostgreSQL, and the program itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostaway_sync.store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_LIMIT = "1000000/1"
_KEEP = """
import sys
from hostaway_sync.cli.process.open_app import open_mirror
mirror = open_mirror()
print(flush=True)
sys.stdin.read()
mirror.close()
"""


@dataclass(frozen=True)
class Stage:
    """The surroundings of a benchmark.

    Attributes:
        account_id: an account of the sandbox, stored and not yet synced.
        environment: what the program needs to find sandbox and database.
    """

    account_id: int
    environment: dict[str, str]


@dataclass(frozen=True)
class Ended:
    """The result of one run of the program.

    Attributes:
        output: its JSON document.
        seconds: wall time, start-up included.
        peak_mb: the most memory the process held, in MB.
        cpu: seconds of processor time.
    """

    output: Any
    seconds: float
    peak_mb: float
    cpu: float


@contextmanager
def temporary_server() -> Iterator[EmbeddedPostgres]:
    """Start an embedded server alone; stop and delete it afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="hostaway-sync-benchmark-"))
    directory.chmod(0o711)
    server = EmbeddedPostgres(directory / "pg")
    server.start()
    try:
        yield server
    finally:
        server.release()
        shutil.rmtree(directory)


@contextmanager
def stage(*sandbox_options: str, limits: str = NO_LIMIT) -> Iterator[Stage]:
    """Start sandbox and database and store the account; stop and delete all of it afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="hostaway-sync-benchmark-"))
    directory.chmod(0o711)
    command = [sys.executable, "-m", "hostaway_sync.sandbox", "--port", "0", *sandbox_options]
    sandbox = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    keeper = None
    try:
        assert sandbox.stdout is not None  # noqa: S101  (a pipe was asked for)
        found = json.loads(sandbox.stdout.readline())
        environment = os.environ | {
            "HOSTAWAY_SYNC_API_URL": found["url"],
            "HOSTAWAY_SYNC_DATA_DIR": str(directory),
            "HOSTAWAY_SYNC_CLIENT_SECRET": found["client_secret"],
            "HOSTAWAY_SYNC_RATE_LIMIT_IP": limits,
            "HOSTAWAY_SYNC_RATE_LIMIT_ACCOUNT": limits,
        }
        # One user keeps the embedded server up, so that its start is not measured every time.
        keeper = subprocess.Popen(
            [sys.executable, "-c", _KEEP], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert keeper.stdout is not None  # noqa: S101  (a pipe was asked for)
        keeper.stdout.readline()
        account_id = int(found["account_id"])
        play(Stage(account_id, environment), "account", "add", str(account_id), "--no-sync", json_output=False)
        yield Stage(account_id, environment)
    finally:
        if keeper is not None:
            keeper.communicate()
        sandbox.terminate()
        sandbox.wait()
        shutil.rmtree(directory, ignore_errors=True)


def play(on: Stage, *arguments: str, json_output: bool = True) -> Ended:
    """Run the program to its end, and return its output and what it used; any exit code but 0 ends the benchmark."""
    options = ["--json"] if json_output else []
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "hostaway_sync", *arguments, *options], env=on.environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None  # noqa: S101  (a pipe was asked for)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    kilobytes = usage.ru_maxrss / 1024 if sys.platform == "darwin" else usage.ru_maxrss
    cpu = usage.ru_utime + usage.ru_stime
    return Ended(json.loads(output) if json_output else None, seconds, kilobytes / 1024, cpu)
