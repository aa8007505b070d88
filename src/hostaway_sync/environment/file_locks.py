"""File locks that end with their process, and polling with growing pauses.

The locks are `flock`s, which belong to an open file: a child that inherits the file holds the lock as well, and a
killed process releases it.
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
    """Yield at once, and then after pauses that grow from 2 to 100 ms, for so many seconds."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        yield
        if time.monotonic() >= deadline:
            return
        time.sleep(pause)
        pause = min(pause * 1.3, 0.1)


def open_lock(path: Path) -> int:
    """Open a lock file, and create it if necessary; it belongs to the directory's owner even if root creates it.

    Raises:
        UntrustedFile: another user created the file, or may write to it.
        OSError: the file cannot be opened.
    """
    directory = path.parent.stat()
    handle = open_trusted(path, os.O_RDWR | os.O_CREAT, owners={directory.st_uid})
    try:
        found = os.fstat(handle)
        # A second hard link could make the directory's owner the owner of any file of root.
        if os.geteuid() == 0 and found.st_uid == 0 and found.st_nlink == 1:
            os.fchown(handle, directory.st_uid, directory.st_gid)
        # Cron may start us without stdin, stdout and stderr: a child would overwrite a file with one of their numbers.
        return fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(handle)


def try_lock_exclusive(handle: int) -> bool:
    """Lock exclusively if no other process holds the lock. A failure releases a shared lock of `handle`."""
    return _try_lock(handle, fcntl.LOCK_EX)


def lock_shared(path: Path, patience: float) -> int:
    """Wait for a shared lock. Closing the returned handle releases it.

    Raises:
        ConfigurationError: another process has held it exclusively for `patience` seconds.
    """
    return _lock(path, fcntl.LOCK_SH, patience)


@contextlib.contextmanager
def lock_exclusive(path: Path, patience: float) -> Iterator[None]:
    """Wait for an exclusive lock, and hold it during the block.

    Raises:
        ConfigurationError: another process has held it for `patience` seconds.
    """
    handle = _lock(path, fcntl.LOCK_EX, patience)
    try:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def lock_if_free(path: Path) -> Iterator[int | None]:
    """Hold an exclusive lock during the block and yield its handle; yield None if another process holds it."""
    handle = open_lock(path)
    try:
        yield handle if try_lock_exclusive(handle) else None
    finally:
        os.close(handle)


def _lock(path: Path, how: int, patience: float) -> int:
    handle = open_lock(path)
    with contextlib.ExitStack() as unless_locked:
        unless_locked.callback(os.close, handle)
        for _ in poll_with_backoff(patience):
            if _try_lock(handle, how):
                unless_locked.pop_all()
                return handle
        raise ConfigurationError(_held_by_another(path, handle, patience))


def lock_open_file(handle: int, path: Path, patience: float) -> None:
    """Wait for an exclusive lock of an open file or directory; closing `handle` releases it.

    Raises:
        ConfigurationError: another process has held it for `patience` seconds.
    """
    for _ in poll_with_backoff(patience):
        if _try_lock(handle, fcntl.LOCK_EX):
            return
    raise ConfigurationError(_held_by_another(path, handle, patience))


def _held_by_another(path: Path, handle: int, patience: float) -> str:
    holders = _holders(os.fstat(handle))
    who = f"process {holders[0]}" if holders else "another process, which cannot be seen from here,"
    find = f"`ps -fp {holders[0]}` shows it" if holders else "find it with `fuser`"
    return f"{who} has held {path} for {patience:.0f} seconds: {find}; end it if it hangs"


def _holders(file: os.stat_result) -> list[int]:
    """Return the processes that lock a file, if Linux shows them; processes of other containers have the id 0 or -1."""
    try:
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    wanted = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    # "1: FLOCK  ADVISORY  WRITE 5165 fe:00:2433539 0 EOF"; a waiting process has an arrow after its number.
    locks = [line.split() for line in lines if " FLOCK " in line and "->" not in line]
    return [int(words[4]) for words in locks if words[5] == wanted and words[4].isdecimal() and words[4] != "0"]


def _try_lock(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
