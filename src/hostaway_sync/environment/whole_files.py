"""Files that appear whole or not at all, and that only their owner may read."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hostaway_sync.environment.file_locks import try_lock_exclusive
from hostaway_sync.environment.trusted_files import open_trusted
from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class UnfinishedFile:
    """A file under its hidden name.

    Attributes:
        stream: writes it; its descriptor holds the lock by which this process, and its children, have it alone.
        path: the hidden name, for a program that opens it itself.
    """

    stream: IO[bytes]
    path: Path


@contextmanager
def whole_file(path: Path, *, may_replace: bool) -> Iterator[UnfinishedFile]:
    """Open a file that is written under a hidden name, and gets its own at the end of the block, on disk.

    After an error nothing is left. A killed process leaves the hidden file, which the next one writes anew.

    Args:
        path: its name; a link leads to the file that is replaced.
        may_replace: a file of this name may exist.

    Raises:
        UsageError: it exists, is no file, or another process writes it.
        OSError: it cannot be written.
    """
    target = Path(os.path.realpath(path))
    _require_free(target, path, may_replace=may_replace)
    part = target.with_name(f".{target.name}.part")
    descriptor = _open_part(part, path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield UnfinishedFile(file, part)
            file.flush()
            os.fsync(descriptor)
            # The lock is held until the file has its name.
            _give_name(part, target, path, may_replace=may_replace)
    except BaseException:
        with suppress(FileNotFoundError):
            part.unlink()
        raise
    flush_directory(target.parent)


def flush_directory(directory: Path) -> None:
    """Make names that are new in a directory survive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_free(target: Path, shown: Path, *, may_replace: bool) -> None:
    try:
        found = target.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{shown} is not a file: name one that may be written")
    if not may_replace:
        raise _exists(shown)


def _open_part(part: Path, shown: Path) -> int:
    """Open the hidden file for this process alone, and empty it."""
    while True:
        descriptor = open_trusted(part, os.O_RDWR | os.O_CREAT, shown=part)
        try:
            _require_lock(descriptor, shown)
            if _is_still(part, descriptor):
                os.ftruncate(descriptor, 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        # The process that had the lock has just given the file its name.
        os.close(descriptor)


def _require_lock(descriptor: int, shown: Path) -> None:
    if not try_lock_exclusive(descriptor):
        raise UsageError(f"another process is writing {shown}: wait until it has ended")


def _is_still(part: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(part.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _give_name(part: Path, target: Path, shown: Path, *, may_replace: bool) -> None:
    if may_replace:
        part.replace(target)
        return
    try:
        os.link(part, target)  # fails where another process has made such a file meanwhile
    except FileExistsError:
        raise _exists(shown) from None
    part.unlink()


def _exists(shown: Path) -> UsageError:
    return UsageError(f"{shown} exists: name another file, or use --force to replace it")
