"""The program as cron runs it: a process of its own, a bare environment, no terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

Program = Callable[..., "subprocess.CompletedProcess[str]"]
SECRETS = ("sandbox-secret", "Bearer", "eyJ")
COVERAGE = {name: value for name, value in os.environ.items() if name.startswith(("COV_", "COVERAGE_"))}
