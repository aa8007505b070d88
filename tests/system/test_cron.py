from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql

from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.cron_host import CronHost
    from tests.support.sync_env import SyncEnv

WELL, HUNG, FAILING = 70001, 70002, 70003
WHAT_CRON_SETS = {"HOME", "LOGNAME", "MAILTO", "PATH", "PWD", "SHELL", "LANG", "_"}

pytestmark = [
    pytest.mark.skipif(shutil.which("cron") is None, reason="there is no cron here: install Debian's `cron`"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may give cron a crontab that nobody else sees"),
]


def test_cron_gets_output_only_on_trouble(sync_env: Callable[..., SyncEnv], host: CronHost) -> None:
    """A real cron: silence on success, one line on failure, overlaps skipped, a killed run made good."""
    specs = [AccountSpec(id=number, reservations=3) for number in (WELL, HUNG, FAILING)]
    env = sync_env(accounts=specs)
    gate = threading.Event()
    hang = env.sandbox.faults.add(faults.silence(gate), account_id=HUNG, times=None)
    lines = [host.line(f"hostaway-sync sync {number}", number) for number in (WELL, HUNG)]
    lines.append(host.line(f"HOSTAWAY_SYNC_API_URL=http://127.0.0.1:1/v1 hostaway-sync sync {FAILING}", FAILING))
    lines.append(host.line("env; test -t 0 || test -t 1 || test -t 2", "surroundings"))
    host.start(env.environment(), lines)

    host.until(lambda: host.codes(WELL) and host.codes(FAILING), "the first minute")
    assert host.codes(WELL)[0] == 0
    assert host.codes(FAILING)[0] == 1
    host.until(lambda: host.mails(FAILING), "the mail about what fails")
    _is_one_readable_line(host.mails(FAILING)[0])

    host.until(lambda: host.codes(HUNG), "the run that meets another one")
    assert host.codes(HUNG) == [75]
    assert host.mails(HUNG) == []
    (hung,) = host.processes(HUNG)
    hung.send_signal(signal.SIGKILL)
    env.sandbox.faults.remove(hang)
    gate.set()
    host.until(lambda: len(host.codes(HUNG)) == 2, "the end of the killed run")
    _let_90_seconds_pass(env)

    host.until(lambda: host.codes(HUNG)[-1] == 0, "the run after the killed one")
    assert host.codes(HUNG) == [75, 137, 0]
    assert [mail.strip() for mail in host.mails(HUNG)] == ["Killed"]
    states = sql.rows(env.database, f"SELECT state FROM sync_runs WHERE account_id = {HUNG} ORDER BY triggered_at")
    assert ("abandoned",) in states
    assert states[-1] == ("success",)

    assert set(host.codes(WELL)) == {0}
    assert host.mails(WELL) == []
    assert list((host.directory / "home").iterdir()) == []
    names = set(re.findall(r"^(\w+)=", host.mails("test -t")[0], re.MULTILINE))
    assert {name for name in names if not name.startswith("HOSTAWAY_SYNC_")} <= WHAT_CRON_SETS
    assert set(host.codes("surroundings")) == {1}, "there is no terminal"
    assert env.differences(WELL) == env.differences(HUNG) == {}


def _is_one_readable_line(mail: str) -> None:
    assert mail.count("\n") == 1, mail
    assert str(FAILING) in mail
    assert "Traceback" not in mail


def _let_90_seconds_pass(env: SyncEnv) -> None:
    """Make the lease of the killed run expire, as time would."""
    with env.database.engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE hostaway.leases SET expires_at = now() WHERE account_id = {HUNG}"))
