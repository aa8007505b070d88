"""The program as cron runs it: a real process, a bare environment, no terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.town import Town

Program = Callable[..., "subprocess.CompletedProcess[str]"]

SECRETS = ("sandbox-secret", "Bearer", "eyJ")
COVERAGE = {name: value for name, value in os.environ.items() if name.startswith(("COV_", "COVERAGE_"))}


@pytest.fixture
def program() -> Program:
    """Give a function that runs `hostaway-sync` to its end and holds what it prints free of secrets."""

    def run(town: Town | None, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        environment = (town.environment(**settings) if town else settings) | COVERAGE
        done = subprocess.run(
            [sys.executable, "-m", "hostaway_sync", *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert not any(secret in printed for secret in SECRETS), printed
        assert "Traceback" not in printed, printed
        return done

    return run
