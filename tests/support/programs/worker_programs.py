"""Workers as processes of their own, which report to the test line by line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import sql
from tests.support.deliveries import refreshing
from tests.support.programs.forked import start_beside

if TYPE_CHECKING:
    import signal

    from hostaway_sync.store.postgres.database import Database

ROOT = Path(__file__).resolve().parents[3]


def start_worker_program(program: str, database: Database) -> subprocess.Popen[str]:
    """Start a process of its own."""
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    url = database.engine.url.render_as_string(hide_password=False)
    return start_beside(environment, url, code=program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=2)


def read_line(process: subprocess.Popen[str]) -> str:
    """Wait for a line of a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end_process(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal and wait for the end."""
    process.send_signal(number)
    process.communicate(timeout=60)


def is_processed(database: Database) -> bool:
    """Whether no delivery waits."""
    return sql.row(database, "SELECT 1 FROM webhook_log WHERE status <> 'processed'") is None


def no_op_handlers(database: Database) -> Any:
    """Return a handler that reads no object and settles deliveries."""
    return refreshing(database, lambda _: None)
