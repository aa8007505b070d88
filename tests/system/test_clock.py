from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.sandbox import AccountSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.cron_host import CronHost
    from tests.support.sync_env import SyncEnv

ACCOUNT = 70001
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)

pytestmark = [
    pytest.mark.skipif(shutil.which("cron") is None, reason="there is no cron here: install Debian's `cron`"),
    pytest.mark.skipif(FAKETIME is None, reason="no clock can be played here: install Debian's `faketime`"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may give cron a crontab that nobody else sees"),
]


def test_changed_clock_causes_no_trouble(sync_env: Callable[..., SyncEnv], host: CronHost) -> None:
    """An hour ahead, and two back, for cron and program: no output, no failure, and no row is missing."""
    env = sync_env(accounts=[AccountSpec(id=ACCOUNT, reservations=6)])
    clock = host.directory / "clock"
    clock.write_text("+0\n")
    played = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    dated = f"date +\\%s >> {host.directory}/dates; hostaway-sync sync {ACCOUNT}"
    host.start(env.environment() | played, [host.line(dated, ACCOUNT)], **played)
    for done, offset in enumerate(["+0", "+3600", "-3600"]):
        for reservation_id in sorted(env.truth("reservations")):
            env.sandbox.world.update_reservation(reservation_id, guestName=f"Guest {done}")
        clock.write_text(f"{offset}\n")
        host.wait_for_run(ACCOUNT, done + 1)
        assert env.differences() == {}, offset
    assert set(host.codes(ACCOUNT)) == {0}
    assert host.mails(ACCOUNT) == []
    first, ahead, behind = [int(line) for line in (host.directory / "dates").read_text().split()][:3]
    assert ahead - first >= 3600
    assert ahead - behind >= 7000
