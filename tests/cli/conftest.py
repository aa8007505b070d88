"""The program as cron runs it: a process of its own, a bare environment, no terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.programs.program import SECRETS, Program, run_alone

if TYPE_CHECKING:
    import subprocess

    from tests.support.sync_env import SyncEnv


@pytest.fixture
def program() -> Program:
    """Return a function that runs `hostaway-sync` to its end and fails where its output holds a secret."""

    def run(env: SyncEnv | None, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        done = run_alone(env.environment(**settings) if env else settings, *arguments, stdin=stdin)
        printed = done.stdout + done.stderr
        assert not any(secret in printed for secret in SECRETS), printed
        assert "Traceback" not in printed, printed
        return done

    return run
