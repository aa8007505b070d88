"""Files that the operator named, of any kind, read to their end: a bounded number of bytes, within a bounded time.

A pipe may be what a shell makes of `<(command)`; one that no program writes to, and a device without end, are errors.
"""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from pathlib import Path

LARGEST: Final = 1024 * 1024
# As long as a program may take that fetches a secret from elsewhere.
WITHIN: Final = 10.0


def open_named(path: Path) -> BinaryIO:
    """Open a file for `read_whole`, following links, without waiting for the other end of a pipe.

    Raises:
        OSError: it cannot be opened.
    """
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY), "rb", buffering=0)


def read_whole(file: BinaryIO) -> bytes:
    """Return all that a file of `open_named` holds.

    Raises:
        OSError: it is larger than `LARGEST`, has no end after `WITHIN` seconds, or cannot be read.
    """
    until = time.monotonic() + WITHIN
    content = b""
    waiting = select.poll()
    waiting.register(file, select.POLLIN)
    while waiting.poll(max(0.0, until - time.monotonic()) * 1000):
        piece = file.read(LARGEST)
        if piece == b"":
            return content
        content += piece or b""
        if len(content) > LARGEST:
            raise OSError(None, f"it is larger than {LARGEST // 1024**2} MB")
    raise OSError(None, f"no program wrote all of it within {WITHIN:.0f} s")
