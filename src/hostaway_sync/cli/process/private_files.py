"""Files that hold secrets: read only where nobody else may read them."""

from __future__ import annotations

import os
import stat

from hostaway_sync.errors import UsageError


def read_private(file: str, most_bytes: int) -> bytes:
    """Give the beginning of a file, one byte more than `most_bytes` at most.

    Raises:
        UsageError: others may read it, too, or it is not a file.
        OSError: it cannot be read.
    """
    # Looked at through what was opened: the name may lead elsewhere a moment later.
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{file} is not a file: pipe it in, with - in its place")
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise UsageError(f"{file} must be yours and readable by nobody else: `chmod 600` it")
        return opened.read(most_bytes + 1)
