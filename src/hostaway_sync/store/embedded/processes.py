"""Find and end the processes of an embedded server.

A pid file alone proves nothing: its process may be a zombie, or its id may belong to another process by now. psutil is
imported where it is used, because a start that meets a running server never needs it.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil


def find_postmaster(data: Path) -> psutil.Process | None:
    """Return the living process that `postmaster.pid` names, if it is the server of this data directory."""
    try:
        # Read as bytes: another line names the directory, in any encoding.
        pid = int((data / "postmaster.pid").read_bytes().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None

    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return process if _works_in(process, data) else None
    return None


def request_shutdown(data: Path) -> bool:
    """Request a fast shutdown: sessions are cut, commits are kept. Return False if no server runs."""
    postmaster = find_postmaster(data)
    if postmaster is None:
        return False

    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        postmaster.send_signal(signal.SIGINT)
    return True


def kill_processes(data: Path) -> None:
    """Kill every process of this data directory: a backend that outlives its postmaster cannot lose any commit."""
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if _works_in(process, data):
                process.kill()


def _works_in(process: psutil.Process, data: Path) -> bool:
    """Whether a process lives in this very directory, not in one of the same name inside a container."""
    import psutil

    try:
        if process.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
            return False
        directory = Path(f"/proc/{process.pid}/cwd" if sys.platform == "linux" else process.cwd())
        return directory.samefile(data)
    except (OSError, psutil.Error):
        return False
