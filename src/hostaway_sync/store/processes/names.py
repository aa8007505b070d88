"""How a process is named in the database, so that another one of the same host can tell whether it still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from uuid import uuid4


def name_this_process() -> str:
    """Name this process so that another one on the same host can tell whether it still lives.

    Every name is a new one, so that a lease which was taken but whose confirmation was lost is known for one's own.
    """
    return f"{_host()}/{os.getpid()}/{_started(os.getpid())}#{uuid4().hex[:8]}"


def is_dead(owner: str, *, host: str, started: str | None) -> bool:
    """Say whether an owner surely died: on our host, with its process gone or its number given to another.

    Args:
        owner: as `name_this_process` named it.
        host: our own host, as `name_this_process` names it.
        started: when the process with the owner's number started; None where there is none.
    """
    process, _, owner_started = owner.partition("#")[0].rpartition("/")
    owner_host, _, number = process.rpartition("/")
    return bool(number) and owner_host == host and owner_started != started


def has_died(owner: str) -> bool:
    """Whether the process with this name surely died; False where it cannot be known from here."""
    process = owner.rpartition("/")[0].rpartition("/")[2]
    if not process.isdecimal() or is_hidden(int(process)):
        return False
    return is_dead(owner, host=_host(), started=_started(int(process)))


def is_hidden(process: int) -> bool:
    """Say whether a process lives that we may not look at: another user's, where /proc is mounted with `hidepid`."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return not Path(f"/proc/{process}").exists()
    return False


def _host() -> str:
    """Name the host and, where containers share its name, the boot and the process numbering we live in."""
    boot, numbering = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{socket.gethostname()}/{boot.read_text(encoding='ascii').strip()}/{numbering.readlink()}"
    except OSError:
        return socket.gethostname()


def _started(process: int) -> str | None:
    """Give what tells two processes with one number apart; None when there is no such process."""
    try:
        state, *fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _started_without_proc(process)
    return None if state in "ZX" else fields[18]


def _started_without_proc(process: int) -> str | None:
    import psutil

    try:
        # Whole minutes: the clock this is computed from may be corrected meanwhile.
        return f"{psutil.Process(process).create_time() // 60:.0f}"
    except psutil.NoSuchProcess:
        return None
