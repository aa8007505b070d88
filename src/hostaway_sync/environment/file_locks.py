"""File locks that end with their process, and waiting with growing pauses.

The locks are `flock`s: they belong to an open file, so a child that inherits the file holds the lock as well, and a
killed process cannot leave one behind.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hostaway_sync.environment.trusted_files import open_trusted
from hostaway_sync.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCKS: Final = Path("/proc/locks")


def poll_with_backoff(seconds: float) -> Iterator[None]:
    """Yield at once and then after pauses that grow from 2 to 100 ms, for so many seconds."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        yield
        if time.monotonic() >= deadline:
            return
        time.sleep(pause)
        pause = min(pause * 1.3, 0.1)


def open_lock(path: Path) -> int:
    """Open a lock file, creating it if need be; it belongs to the owner of its directory even if root is the first.

    Raises:
        UntrustedFile: another user made it, or may write to it.
        OSError: it cannot be opened.
    """
    directory = path.parent.stat()
    handle = open_trusted(path, os.O_RDWR | os.O_CREAT, owners={directory.st_uid})
    try:
        found = os.fstat(handle)
        # A file with a second name may be anything of root's that the directory's owner wants to have.
        if os.geteuid() == 0 and found.st_uid == 0 and found.st_nlink == 1:
            os.fchown(handle, directory.st_uid, directory.st_gid)
        # Cron may start us with stdin, stdout and stderr closed: a file with one of their numbers is lost in a child.
        return fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(handle)


def try_lock_exclusive(handle: int) -> bool:
    """Take the lock for this process alone if nobody else holds it. Failing drops a shared lock held on `handle`."""
    return _try(handle, fcntl.LOCK_EX)


def lock_shared(path: Path, patience: float) -> int:
    """Wait to share a lock. Closing the returned handle leaves it.

    Raises:
        ConfigurationError: another process has held it alone for `patience` seconds.
    """
    return _take(path, fcntl.LOCK_SH, patience)


@contextlib.contextmanager
def lock_exclusive(path: Path, patience: float) -> Iterator[None]:
    """Wait for a lock and hold it alone.

    Raises:
        ConfigurationError: another process has held it for `patience` seconds.
    """
    handle = _take(path, fcntl.LOCK_EX, patience)
    try:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def lock_if_free(path: Path) -> Iterator[int | None]:
    """Hold a lock alone and yield its handle, or yield None while somebody else holds it."""
    handle = open_lock(path)
    try:
        yield handle if try_lock_exclusive(handle) else None
    finally:
        os.close(handle)


def _take(path: Path, how: int, patience: float) -> int:
    handle = open_lock(path)
    with contextlib.ExitStack() as unless_taken:
        unless_taken.callback(os.close, handle)
        for _ in poll_with_backoff(patience):
            if _try(handle, how):
                unless_taken.pop_all()
                return handle
        raise ConfigurationError(_held_by_another(path, handle, patience))


def lock_open_file(handle: int, path: Path, patience: float) -> None:
    """Wait for a lock on an open file or directory and hold it alone; closing `handle` leaves it.

    Raises:
        ConfigurationError: another process has held it for `patience` seconds.
    """
    for _ in poll_with_backoff(patience):
        if _try(handle, fcntl.LOCK_EX):
            return
    raise ConfigurationError(_held_by_another(path, handle, patience))


def _held_by_another(path: Path, handle: int, patience: float) -> str:
    holders = _holders(os.fstat(handle))
    who = f"process {holders[0]}" if holders else "another process, which cannot be seen from here,"
    find = f"`ps -fp {holders[0]}` shows it" if holders else "find it with `fuser`"
    return f"{who} has held {path} for {patience:.0f} seconds: {find}; end it if it hangs"


def _holders(file: os.stat_result) -> list[int]:
    """Return the processes that have a file locked, as far as Linux tells us; it numbers those of others as 0 or -1."""
    try:
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    wanted = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    # "1: FLOCK  ADVISORY  WRITE 5165 fe:00:2433539 0 EOF"; one that waits has an arrow after its number.
    locks = [line.split() for line in lines if " FLOCK " in line and "->" not in line]
    return [int(words[4]) for words in locks if words[5] == wanted and words[4].isdecimal() and words[4] != "0"]


def _try(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
