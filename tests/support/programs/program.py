"""The program as cron runs it: a process of its own, a bare environment, no terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from tests.support.processes import run_program

Program = Callable[..., subprocess.CompletedProcess[str]]
SECRETS = ("sandbox-secret", "Bearer", "eyJ")
COVERAGE = {name: value for name, value in os.environ.items() if name.startswith(("COV_", "COVERAGE_"))}


def run_alone(
    environment: dict[str, str], *arguments: str, stdin: str = "", patience: float = 60, is_forked: bool = not COVERAGE
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, with nothing but this environment.

    Unless it is forked, an interpreter of its own runs it, as under cron: it takes a second more, and it alone can be
    measured and shows its words to `ps`.
    """
    if is_forked:
        return run_program(environment, *arguments, stdin=stdin, patience=patience)
    return subprocess.run(
        [sys.executable, "-m", "hostaway_sync", *arguments],
        env=environment | COVERAGE,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )
