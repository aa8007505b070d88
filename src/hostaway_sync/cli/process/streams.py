"""stdin, stdout and stderr as the program may rely on: there, and able to take any text."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from hostaway_sync.safe_text import join_lines, strip_invisible

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}

NO_WORKER: Final = "no worker runs: what is queued waits until `hostaway-sync worker` is started"


def prepare() -> None:
    """Put /dev/null where a stream was closed, and escape what the encoding of an output does not have.

    A number from 0 to 2 that stayed free would be given to the next file or connection, which would then be written
    over by whoever prints.
    """
    for number in range(len(_MODES)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the system gives the lowest free number, which is this one
            os.set_inheritable(number, True)  # noqa: FBT003  (it takes no keyword)
    for name, mode in _MODES.items():
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  (for good)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(sentence: str) -> None:
    """Write one line to stderr, wherever that leads."""
    with suppress(OSError):
        sys.stderr.write(f"hostaway-sync: {strip_invisible(join_lines(sentence))}\n")


def flush() -> OSError | None:
    """Write out what is still held back.

    Returns:
        Why stdout could not take it; what is left is thrown away then, so that nobody stumbles over it later.
    """
    failure = None
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            failure = error if stream is sys.stdout else failure
    return failure
