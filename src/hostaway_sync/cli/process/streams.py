"""stdin, stdout and stderr: always open, and able to write any text."""

from __future__ import annotations

import io
import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from hostaway_sync.safe_text import join_lines, strip_invisible

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}

NO_WORKER: Final = "no worker runs: what is queued waits until `hostaway-sync worker` is started"


def prepare() -> None:
    """Put /dev/null where a stream was closed, and escape what the encoding of an output does not have.

    A descriptor from 0 to 2 that stayed free would be given to the next file or connection, and printing would write
    into that.
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


def print_notice(sentence: str) -> None:
    """Write one line to stderr; an error of stderr is ignored."""
    with suppress(OSError):
        sys.stderr.write(f"hostaway-sync: {strip_invisible(join_lines(sentence))}\n")


def require_reader() -> None:
    """Raise BrokenPipeError if stdout is a pipe whose reader left: who has nothing to write would not notice."""
    try:
        descriptor = sys.stdout.fileno()
    except OSError:
        return
    waiting = select.poll()
    waiting.register(descriptor, 0)
    if any(event & select.POLLERR for _, event in waiting.poll(0)):
        raise BrokenPipeError


def flush() -> OSError | None:
    """Write out what is still buffered.

    Returns:
        The error of stdout, or None. After an error the rest goes to /dev/null, so that Python does not fail again at
        its exit.
    """
    failure = None
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            failure = error if stream is sys.stdout else failure
    return failure
