"""Other users of the machine: code and programs run as them, which only root can start."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.processes import run_code, run_program

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

NOBODY = 65534
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def run_as(uid: int, code: str, *arguments: str, directory: Path | None = None) -> Any:
    """Run code as a user, and return what it printed, as JSON; its arguments are `sys.argv[1:]`."""
    done = run_code(code, *arguments, uid=uid, directory=directory)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def program_as(
    uid: int, *arguments: str, directory: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `hostaway-sync` as a user, in a directory."""
    return run_program(environment, *arguments, uid=uid, directory=directory, patience=120)


@contextmanager
def open_room(mode: int = 0o755) -> Iterator[Path]:
    """Return a directory that other users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="hostaway-sync-test-") as name:
        Path(name).chmod(mode)
        yield Path(name)
