"""The public package, and the code of its documentation page."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.support.programs.program import COVERAGE
from tests.support.project.pages import blocks

import hostaway_sync
from hostaway_sync.app.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ONE_OF_OURS = "sorted(name for name in sys.modules if name.partition('.')[0] == 'hostaway_sync')"
HEAVY = "sqlalchemy", "psycopg", "httpx", "pydantic", "alembic", "cryptography"


def run(code: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_code_of_the_library_page_runs(sync_env: Build) -> None:
    """The unchanged code migrates, adds the account, mirrors it, asks, and closes."""
    env = sync_env(store=False, reservations=12)
    (page,) = (block for block in blocks("python") if block.page.name == "library.md")
    done = run(page.text, env.environment() | COVERAGE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"success ['bookings'] [({len(env.truth('reservations'))},)]\n"
    assert env.differences() == {}


def test_package_imports_mirror_only_on_demand() -> None:
    """The bare package loads its version, no other module of ours, and nothing heavy."""
    code = f"import sys, hostaway_sync; print({ONE_OF_OURS}, [name for name in {HEAVY} if name in sys.modules])"
    done = run(code, dict(os.environ))
    assert (done.stdout, done.stderr) == ("['hostaway_sync', 'hostaway_sync.version'] []\n", "")


def test_package_lists_its_public_names() -> None:
    """Mirror and version; any other name is refused as every module refuses it."""
    assert hostaway_sync.Mirror is Mirror
    assert dir(hostaway_sync) == ["Mirror", "__version__"]
    with pytest.raises(AttributeError, match="module 'hostaway_sync' has no attribute 'Mirrors'"):
        _ = hostaway_sync.Mirrors
