"""Files that hold secrets: read only where no other user may read them."""

from __future__ import annotations

import os
import stat

from hostaway_sync.errors import UsageError


def read_private(file: str, most_bytes: int) -> bytes:
    """Return the content of a file, or its first `most_bytes` + 1 bytes.

    Raises:
        UsageError: other users may read the file, or it is not a regular file.
        OSError: the file cannot be read.
    """
    # Checked on the open file: the name may lead to another file a moment later.
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{file} is not a file: pipe it in, and give - instead")
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise UsageError(f"{file} must be yours and readable by no other user: `chmod 600 {file}`")
        return opened.read(most_bytes + 1)
