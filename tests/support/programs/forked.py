"""Programs that run beside a test, forked from a process that has imported everything.

An interpreter takes ten times as long to start. Tests of what a bare one does start one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing import reduction
from typing import IO, TYPE_CHECKING, Any

from tests.support.processes import live_alone, start_process
from tests.support.programs.program import COVERAGE

if TYPE_CHECKING:
    from collections.abc import Mapping


def start_beside(
    environment: Mapping[str, str],
    *arguments: str,
    code: str | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
) -> subprocess.Popen[str]:
    """Start the program, with nothing but this environment, and do not wait for it.

    Args:
        environment: all its variables.
        arguments: of the program.
        code: Python code that replaces the program; its arguments are `sys.argv[1:]`.
        stdin: what it reads, as for `subprocess.Popen`.
        stdout: where it prints.
        stderr: where it complains.
    """
    if not COVERAGE:
        return ForkedProgram(environment, arguments, code, (stdin, stdout, stderr))
    # Only an interpreter of its own is measured.
    command = [sys.executable, *(["-m", "hostaway_sync"] if code is None else ["-c", code]), *arguments]
    return subprocess.Popen(
        command, env={**environment, **COVERAGE}, stdin=stdin, stdout=stdout, stderr=stderr, text=True
    )


class ForkedProgram(subprocess.Popen[str]):
    """A forked program, used as any other one that was started."""

    def __init__(
        self,
        environment: Mapping[str, str],
        arguments: tuple[str, ...],
        code: str | None,
        streams: tuple[int, int, int],
    ) -> None:
        # `Popen` itself starts nothing here: its parts that the tests use are all below.
        self.args = arguments
        self.returncode: int | None = None
        self.stdin, stdin = _ends(streams[0], is_input=True)
        self.stdout, stdout = _ends(streams[1])
        self.stderr, stderr = (None, stdout) if streams[2] == subprocess.STDOUT else _ends(streams[2])
        theirs = [stdin, stdout, stderr]
        self._process = start_process(_run, dict(environment), arguments, code, [_Stream(fd) for fd in theirs])
        assert self._process.pid is not None
        self.pid = self._process.pid
        for descriptor in set(theirs).difference(streams):
            os.close(descriptor)

    def poll(self) -> int | None:
        """Return the exit code, and None while it runs."""
        self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return the exit code."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:  # noqa: A002  (as in `Popen`)
        """Write its input, read what it prints until it ends, and wait."""
        if self.stdin is not None and not self.stdin.closed:
            with suppress(BrokenPipeError), self.stdin:
                self.stdin.write(input or "")
        found = {"stdout": "", "stderr": ""}

        def read(name: str, stream: IO[str]) -> None:
            with stream:
                found[name] = stream.read()

        open_ones = [(name, stream) for name in found if (stream := getattr(self, name)) and not stream.closed]
        readers = [threading.Thread(target=read, args=one, daemon=True) for one in open_ones]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(timeout)
        return found["stdout"], found["stderr"]

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        """Send SIGTERM, unless it has ended."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)


def _ends(wanted: int, *, is_input: bool = False) -> tuple[IO[str] | None, int]:
    """Return the test's end of a stream, where that is a pipe, and the program's."""
    if wanted == subprocess.DEVNULL:
        return None, os.open(os.devnull, os.O_RDWR)
    if wanted != subprocess.PIPE:
        return None, wanted
    to_read, to_write = os.pipe()
    if is_input:
        return os.fdopen(to_write, "w", encoding="utf-8"), to_read
    return os.fdopen(to_read, "r", encoding="utf-8"), to_write


class _Stream:
    """A descriptor that reaches the process with its arguments."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (reduction.DupFd(self._descriptor),)


def _received(sent: Any) -> int:
    return int(sent.detach())


def _run(environment: dict[str, str], arguments: tuple[str, ...], code: str | None, streams: list[int]) -> None:
    live_alone(environment, arguments, code, streams)
