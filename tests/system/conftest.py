"""A machine on which cron runs: Debian's own, in namespaces of its own, with one crontab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.programs.cron_host import CronHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> Iterator[CronHost]:
    """Return a machine whose cron is not running yet."""
    here = CronHost(tmp_path)
    yield here
    here.stop()
