"""The real program in processes of its own; forked from one that has imported everything already.

A process starts in some milliseconds so, and not in a second, of which it would import for most. Tests of what a bare
interpreter does start one.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.barrier import PATIENCE

from hostaway_sync.app.mirror import Mirror
from hostaway_sync.errors import SourceError
from hostaway_sync.model.records import Resource
from hostaway_sync.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.process import BaseProcess


_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.support.preload"])
_STREAMS = ("in", "out", "err")


def start_program(environment: Mapping[str, str], *arguments: str) -> BaseProcess:
    """Start `hostaway-sync` with these arguments."""
    return start_process(_program, dict(environment), arguments)


def run_program(
    environment: Mapping[str, str],
    *arguments: str,
    stdin: str = "",
    patience: float = 60,
    uid: int | None = None,
    directory: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `hostaway-sync` to its end, with these arguments and nothing but this environment.

    Args:
        environment: all its variables.
        arguments: of the program.
        stdin: what it reads.
        patience: seconds after which it is killed.
        uid: the user that it runs as; only root can name another one.
        directory: where it runs.
    """
    return _run(_ProgramRun(dict(environment), arguments, uid, directory), stdin, patience)


def run_code(
    code: str, *arguments: str, uid: int | None = None, directory: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python code to its end, as a user and in a directory; its arguments are `sys.argv[1:]`."""
    return _run(_ProgramRun(dict(os.environ), arguments, uid, directory, code), "", 60)


def start_refresh(environment: Mapping[str, str], account_id: int, resource: Resource, record_id: int) -> BaseProcess:
    """Start a process that reads one object again."""
    return start_process(_refresh, dict(environment), (str(account_id), resource.value, str(record_id)))


def printed_text(environment: Mapping[str, str]) -> str:
    """Return all that the processes of an environment have printed."""
    paper = _paper(environment)
    return paper.read_text(encoding="utf-8") if paper.exists() else ""


@dataclass(frozen=True, slots=True)
class _ProgramRun:
    """The program or code of a process, and its user and directory; `code` replaces the program."""

    environment: dict[str, str]
    arguments: tuple[str, ...]
    uid: int | None
    directory: Path | None
    code: str | None = None


def _run(run: _ProgramRun, stdin: str, patience: float) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as room:
        files = [Path(room, name) for name in _STREAMS]
        files[0].write_text(stdin, encoding="utf-8")
        process = start_process(_alone, run, files)
        process.join(patience)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(run.arguments, patience, *(file.read_bytes() for file in files[1:]))
        printed = [file.read_text(encoding="utf-8") for file in files[1:]]
    return subprocess.CompletedProcess(run.arguments, process.exitcode, *printed)


def start_process(target: object, *arguments: object) -> BaseProcess:
    """Fork a process that calls a function of a module with these arguments."""
    process = _CONTEXT.Process(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]  # a function
    process.start()
    return process


def _program(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    from hostaway_sync.__main__ import main

    _live_in(environment)
    sys.argv = ["hostaway-sync", *arguments]
    main()


def _alone(run: _ProgramRun, files: list[Path]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    streams = [os.open(path, flags if number else os.O_RDONLY, 0o600) for number, path in enumerate(files)]
    if run.directory is not None:
        os.chdir(run.directory)
    if run.uid is not None and run.uid != os.geteuid():
        os.setgroups([])
        os.setgid(run.uid)
        os.setuid(run.uid)
    live_alone(run.environment, run.arguments, run.code, streams)


def live_alone(
    environment: Mapping[str, str], arguments: tuple[str, ...], code: str | None, streams: list[int]
) -> None:
    """Run the program, or code in its place, to its end in this process, as if it were an interpreter of its own."""
    from hostaway_sync.__main__ import main

    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    for descriptor in set(streams):
        os.close(descriptor)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  (for the life of the process)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  (as above)
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115  (as above)
    sys.argv = ["hostaway-sync", *arguments]
    try:
        if code is None:
            main()
        else:
            exec(code, {"__name__": "__main__"})  # noqa: S102  (code of the tests)
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001  (a forked process leaves them out, and there is no other way)


def _refresh(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    _live_in(environment)
    account_id, resource, record_id = arguments
    with Mirror(load_settings()) as mirror, suppress(SourceError):
        mirror.sync.refresh(int(account_id), Resource(resource), int(record_id))


def _live_in(environment: dict[str, str]) -> None:
    os.environ.update(environment)
    paper = os.open(_paper(environment), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(paper, stream)


def _paper(environment: Mapping[str, str]) -> Path:
    return Path(environment["HOSTAWAY_SYNC_DATA_DIR"], "printed_text")


def kill_process(process: BaseProcess) -> None:
    """End a process with SIGKILL."""
    process.kill()
    process.join(PATIENCE)
    assert process.exitcode == -9


def read_terminal(descriptor: int) -> str:
    """Return everything that a program writes to a pseudo-terminal until it closes its side, and close this one."""
    seen = b""
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # the other end was closed
            break
        if not chunk:
            break
        seen += chunk
    os.close(descriptor)
    return seen.decode()
