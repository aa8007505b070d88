"""What is alive of an embedded server. A pid file alone proves nothing: its process may be a zombie, or another by now.

psutil is imported where it is used: who meets a running server, as nearly everybody does, never needs it.
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
    """The living process that `postmaster.pid` names, if it really is the server of this data directory."""
    try:
        # In bytes: another line of it names the directory, which may be in any encoding.
        pid = int((data / "postmaster.pid").read_bytes().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None

    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return process if _works_in(process, data) else None
    return None


def request_shutdown(data: Path) -> bool:
    """Start a fast shutdown: sessions are cut, everything committed is written. False if there is no server to ask."""
    postmaster = find_postmaster(data)
    if postmaster is None:
        return False

    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        postmaster.send_signal(signal.SIGINT)
    return True


def kill_processes(data: Path) -> None:
    """Kill every process of this data directory: backends that outlive their postmaster have nothing left to lose."""
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if _works_in(process, data):
                process.kill()


def _works_in(process: psutil.Process, data: Path) -> bool:
    """Whether a process is alive in this very directory, not in one of the same name inside a container."""
    import psutil

    try:
        if process.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
            return False
        here = Path(f"/proc/{process.pid}/cwd" if sys.platform == "linux" else process.cwd())
        return here.samefile(data)
    except (OSError, psutil.Error):
        return False
