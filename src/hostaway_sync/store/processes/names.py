"""Names of processes in the database, by which another process of the host can tell whether one still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from uuid import uuid4


def name_this_process() -> str:
    """Return a new name for this process: host, boot, process id, start and a random part.

    The random part lets a process recognize its own lease after the confirmation of the lease was lost.
    """
    return f"{_host()}/{os.getpid()}/{_started(os.getpid())}#{uuid4().hex[:8]}"


def is_dead(owner: str, *, host: str, started: str | None) -> bool:
    """Return whether an owner is surely dead: of our host, and its process is gone or its id belongs to another.

    Args:
        owner: name by `name_this_process`.
        host: our own host, as in that name.
        started: start of the process that now has the owner's id; None: there is none.
    """
    process, _, owner_started = owner.partition("#")[0].rpartition("/")
    owner_host, _, number = process.rpartition("/")
    return bool(number) and owner_host == host and owner_started != started


def has_died(owner: str) -> bool:
    """Return whether the process with this name is surely dead; False where this host cannot know it."""
    process = owner.rpartition("/")[0].rpartition("/")[2]
    if not process.isdecimal() or is_hidden(int(process)):
        return False
    return is_dead(owner, host=_host(), started=_started(int(process)))


def is_hidden(process: int) -> bool:
    """Return whether a process lives that /proc hides: another user's, where it is mounted with `hidepid`."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return not Path(f"/proc/{process}").exists()
    return False


def _host() -> str:
    """Return the host's name with its boot and pid namespace, which tell apart containers with one host name."""
    boot, numbering = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{socket.gethostname()}/{boot.read_text(encoding='ascii').strip()}/{numbering.readlink()}"
    except OSError:
        return socket.gethostname()


def _started(process: int) -> str | None:
    """Return the start of a process, which tells apart two with the same id; None: there is no such process."""
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
