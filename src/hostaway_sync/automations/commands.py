"""A program as consumer: started without a shell, the event on its standard input, ended with all that it started."""

from __future__ import annotations

import json
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from hostaway_sync.automations.answer import Answer
from hostaway_sync.errors import UsageError
from hostaway_sync.safe_text import strip_invisible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIMEOUT_S: Final = 60.0
MAX_OUTPUT: Final = 2_000
_KEPT: Final = 4 * MAX_OUTPUT
_PIECE: Final = 65_536
_LOOK_S: Final = 0.1
# The most that a pipe of Linux holds without a privilege.
_PIPE: Final = 1 << 20
# A killed process is gone at once, unless the disk holds it up.
_DEATH_S: Final = 2.0
# Our settings hold secrets, and what libpq reads leads to our database.
_OURS: Final = ("HOSTAWAY_SYNC_", "PG", "CREDENTIALS_DIRECTORY", "OTEL_", "AWS_", "VAULT_", "NOTIFY_SOCKET")


def read_command(text: str) -> tuple[str, ...]:
    """Read a command line as a shell splits it, without any other meaning of a shell's signs.

    Raises:
        UsageError: it is empty, has an open quotation mark, or names no program.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise UsageError("--command has a quotation mark that is not closed") from None
    if not words:
        raise UsageError("--command is empty: give a program and its arguments")
    program = shutil.which(words[0])
    if program is None:
        raise UsageError(f"--command {words[0]!r}: there is no such program that this user may run")
    return (os.path.abspath(program), *words[1:])  # noqa: PTH100  (a Path would resolve links that are meant)


def as_secret(command: Sequence[str]) -> SecretStr:
    """Return a command as it is sealed beside its row, so that nobody has another one run by writing to the table."""
    return SecretStr(json.dumps(list(command)))


def run_command(
    command: Sequence[str], body: bytes, event: Mapping[str, str], *, timeout_s: float = TIMEOUT_S
) -> Answer:
    """Run a command with an event on its standard input; exit code 0 says that it was told.

    Args:
        command: the program and its arguments.
        body: the event.
        event: variables for its environment: the id and the type.
        timeout_s: after so long it is killed, with its process group.
    """
    deadline = time.monotonic() + timeout_s
    # The event is given as a file: a command that reads nothing cannot hold us up.
    with tempfile.TemporaryFile() as given:
        given.write(body)
        given.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603  (an operator named the program; no shell reads the words)
                list(command),
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**_environment(), **event},
                start_new_session=True,
            )
        except OSError as error:
            return Answer(f"{command[0]} cannot be run: {error.strerror}", is_away=True)
    assert process.stdout is not None  # noqa: S101  (it is a pipe)
    with process.stdout:
        try:
            output, code = _follow(process, deadline)
        except BaseException:
            _kill_group(process)
            raise
        if code is None:
            _kill_group(process)
            return Answer(f"{command[0]} was killed after {timeout_s:.0f} s", output=_shown(output), is_away=True)
    if code:
        return Answer(f"{command[0]} ended with {_describe(code)}", code, _shown(output))
    return Answer(status=0, output=_shown(output))


def _follow(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, int | None]:
    """Return the end of what a process writes until it ends, and its exit code; None: it did not end in time.

    What it left running may hold its output open, or write on: nobody waits for that.
    """
    assert process.stdout is not None  # noqa: S101  (it is a pipe)
    output = b""
    place = process.stdout.fileno()
    os.set_blocking(place, False)
    with selectors.DefaultSelector() as selector:
        selector.register(place, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            code = process.poll()
            is_ready = bool(selector.select(0 if code is not None else min(left, _LOOK_S)))
            # A process that has ended left no more than this in the pipe.
            piece = os.read(place, _PIPE if code is not None else _PIECE) if is_ready else None
            output = (output + (piece or b""))[-_KEPT:]
            if code is not None:
                return output, code
            if piece == b"":
                with suppress(subprocess.TimeoutExpired):
                    return output, process.wait(left)
    return output, None


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its group; one that became another user's cannot be killed, and is not waited for."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_DEATH_S)


def _shown(output: bytes) -> str | None:
    lines = output.decode(errors="replace").splitlines()
    return "\n".join(map(strip_invisible, lines))[-MAX_OUTPUT:] or None


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


def _describe(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {-code}"
