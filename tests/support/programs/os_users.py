"""Other users of the machine: code and programs run as them, which only root can have done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

# It imports before it changes its user: the interpreter itself may lie where an ordinary user cannot read.
_BECOME = """
import json, os, sys
sys.path[:] = json.loads(sys.argv[1])
import tests.support.preload
uid = int(sys.argv[2])
if sys.argv[3]:
    os.chdir(sys.argv[3])
if uid != os.geteuid():
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
"""
_PROGRAM = """
from hostaway_sync.__main__ import main
sys.argv = ["hostaway-sync", *sys.argv[4:]]
main()
"""


def run_as(uid: int, code: str, *arguments: str, directory: Path | None = None) -> Any:
    """Run code as a user, and give what it printed, as JSON; its arguments are `sys.argv[4:]`."""
    done = _run(uid, code, directory, arguments, dict(os.environ))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def program_as(
    uid: int, *arguments: str, directory: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `hostaway-sync` as a user, in a directory."""
    return _run(uid, _PROGRAM, directory, arguments, environment)


def _run(
    uid: int, code: str, directory: Path | None, arguments: tuple[str, ...], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    where = str(directory) if directory else ""
    path = json.dumps([*sys.path, str(Path(__file__).resolve().parents[3])])
    return subprocess.run(
        [sys.executable, "-c", _BECOME + code, path, str(uid), where, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def open_room(mode: int = 0o755) -> Iterator[Path]:
    """Return a directory that other users may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="hostaway-sync-test-") as name:
        Path(name).chmod(mode)
        yield Path(name)
