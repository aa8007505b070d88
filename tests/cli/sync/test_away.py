from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import sql

from hostaway_sync.errors import SourceAway
from hostaway_sync.model.circuit_breaker import FAILURES_TO_OPEN
from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def test_fleet_ends_soon_without_an_answer(sync_env: Build, program: Program) -> None:
    """The first accounts find out, the others are not tried; one sentence says since when."""
    specs = [AccountSpec(number, reservations=1, listings=1) for number in range(70001, 70031)]
    env = sync_env(accounts=specs)
    env.sandbox.faults.add(faults.status(503), route="GET /listings", times=None)
    done = program(env, "sync-all")
    assert done.returncode == 1
    # Each of the four running accounts may have sent a request before it knew.
    assert env.sandbox.calls["GET /listings"] <= FAILURES_TO_OPEN + 8
    assert "accounts were not mirrored: the source has not answered since" in done.stderr
    assert done.stderr.count("has not answered") == 1
    assert sql.rows(env.database, "SELECT count(*) FROM sync_runs WHERE state IN ('running', 'retrying')") == [(0,)]
    calls = env.sandbox.calls.total()
    report = env.mirror().sync.run(70030)
    assert (report.state, report.away is not None, env.sandbox.calls.total()) == (RunState.FAILED, True, calls)
    with pytest.raises(SourceAway):
        env.mirror().sync.refresh(70030, Resource.LISTINGS, 1)
    status = program(env, "status")
    assert "Hostaway has not answered since" in status.stdout
    env.sandbox.faults.clear()
    assert env.mirror().sync.run(70030, force_probe=True).state is RunState.SUCCESS
    assert sql.rows(env.database, "SELECT count(*) FROM source_outages") == [(0,)]
