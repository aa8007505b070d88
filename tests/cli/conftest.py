"""The program as cron runs it: a process of its own, a bare environment, no terminal."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.support.processes import run_program
from tests.support.programs.program import COVERAGE, SECRETS, Program

if TYPE_CHECKING:
    from tests.support.sync_env import SyncEnv


@pytest.fixture
def program() -> Program:
    """Return a function that runs `hostaway-sync` to its end and holds what it prints free of secrets."""
    start = _measured if COVERAGE else _forked

    def run(env: SyncEnv | None, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        done = start(env.environment(**settings) if env else settings, arguments, stdin)
        printed = done.stdout + done.stderr
        assert not any(secret in printed for secret in SECRETS), printed
        assert "Traceback" not in printed, printed
        return done

    return run


def _measured(environment: dict[str, str], arguments: tuple[str, ...], stdin: str) -> subprocess.CompletedProcess[str]:
    """Start it as cron does, by an interpreter of its own, which alone can be measured."""
    return subprocess.run(
        [sys.executable, "-m", "hostaway_sync", *arguments],
        env=environment | COVERAGE,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _forked(environment: dict[str, str], arguments: tuple[str, ...], stdin: str) -> subprocess.CompletedProcess[str]:
    return run_program(environment, *arguments, stdin=stdin)
