"""Reads a file of any kind that an operator named, with limits of size and time.

The file may be a pipe, as a shell makes of `<(command)`. A pipe without a writer and an endless device are errors.
"""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 1024 * 1024
# Long enough for a program that fetches a secret over the network.
READ_TIMEOUT_S: Final = 10.0


def open_named_file(path: Path) -> BinaryIO:
    """Open a file for `read_to_end`, following links, without waiting for the other end of a pipe.

    Raises:
        OSError: the file cannot be opened.
    """
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY), "rb", buffering=0)


def read_to_end(file: BinaryIO) -> bytes:
    """Return the content of a file of `open_named_file`.

    Raises:
        OSError: it is larger than `MAX_BYTES`, has no end after `READ_TIMEOUT_S` seconds, or cannot be read.
    """
    until = time.monotonic() + READ_TIMEOUT_S
    content = b""
    waiting = select.poll()
    waiting.register(file, select.POLLIN)
    while waiting.poll(max(0.0, until - time.monotonic()) * 1000):
        piece = file.read(MAX_BYTES)
        if piece == b"":
            return content
        content += piece or b""
        if len(content) > MAX_BYTES:
            raise OSError(None, f"it is larger than {MAX_BYTES // 1024**2} MB")
    raise OSError(None, f"no program wrote all of it within {READ_TIMEOUT_S:.0f} s")
