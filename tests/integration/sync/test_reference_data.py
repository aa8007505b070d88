from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support import sql
from tests.support.kinds import asked_paths, is_shared, stored, wrong_kinds

from hostaway_sync.model.records import RunState
from hostaway_sync.platforms.hostaway.kinds.table import KINDS
from hostaway_sync.sandbox import AccountSpec, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror

    Build = Callable[..., SyncEnv]

SHARED = [name for name in KINDS if is_shared(name)]
PATHS = {KINDS[name].path for name in SHARED}
OTHER = 70_002


def two_accounts(sync_env: Build, **options: Any) -> tuple[SyncEnv, Mirror]:
    """Return an environment with two accounts that mirror reference data and the first four resources."""
    env = sync_env(accounts=[AccountSpec(one, listings=2, reservations=10) for one in (70_001, OTHER)], **options)
    return env, env.mirror(resources=tuple(SHARED))


def make_due(env: SyncEnv) -> None:
    """Move the last reading of reference data, by any account, back by two months."""
    past = "read_at = read_at - interval '60 days', due_at = now()"
    sql.execute(env.database, f"UPDATE reference_readings SET {past}")
    sql.execute(env.database, f"UPDATE resource_readings SET {past}")
    sql.execute(
        env.database,
        "UPDATE reference_data SET observed_at = observed_at - interval '60 days',"
        " unlisted_since = unlisted_since - interval '60 days'",
    )


def test_one_run_reads_reference_data_for_all_accounts(sync_env: Build) -> None:
    """Lists and maps become rows; the other account's run requests none of them, nor does a full one."""
    env, mirror = two_accounts(sync_env)
    report = mirror.sync.run(env.account_id)
    assert report.state is RunState.SUCCESS
    assert wrong_kinds(env, SHARED) == {}
    assert stored(env, "countries")["NO"] == {"value": "Norway"}
    assert set(asked_paths(env)) == PATHS
    env.sandbox.forget()
    mirror.sync.run(OTHER)
    mirror.sync.run(OTHER, full=True)
    assert asked_paths(env) == []


def test_reference_data_is_read_again_after_a_month(sync_env: Build) -> None:
    """The first account's run does it; a row that two answers lack is marked, and stays."""
    env, mirror = two_accounts(sync_env)
    mirror.sync.run(env.account_id)
    for account_id in (env.account_id, OTHER):
        env.sandbox.account(account_id).delete_object("amenities", 7)
        env.sandbox.account(account_id).put_object("countries", {"NO": "Norge"})
    for expected in (None, 7):
        make_due(env)
        env.sandbox.forget()
        assert mirror.sync.run(OTHER).state is RunState.SUCCESS
        assert set(asked_paths(env)) == PATHS
        gone = sql.rows(env.database, "SELECT code::int FROM reference_data WHERE missing_since IS NOT NULL")
        assert gone == ([] if expected is None else [(expected,)])
    assert stored(env, "countries")["NO"] == {"value": "Norge"}
    env.sandbox.forget()
    mirror.sync.run(env.account_id)
    assert asked_paths(env) == []


def test_another_account_reads_refused_reference_data(sync_env: Build) -> None:
    """A refusal fails no run, and another account's run tries an hour later."""
    env, mirror = two_accounts(sync_env, switches=Switches(gate_403=("/amenities",)))
    assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
    first = asked_paths(env)
    for _ in range(2):
        assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
        assert mirror.sync.run(OTHER).state is RunState.SUCCESS
    assert len(asked_paths(env)) == len(first)
    sql.execute(env.database, "UPDATE reference_readings SET due_at = now() WHERE kind = 'amenities'")
    env.sandbox.forget()
    mirror.sync.run(env.account_id)
    assert asked_paths(env) == []
    env.sandbox.account(OTHER).switches = Switches()
    mirror.sync.run(OTHER)
    assert set(asked_paths(env)) == {"/amenities"}
    assert wrong_kinds(env, ["amenities"]) == {}


def test_failed_reference_data_fails_no_run(sync_env: Build) -> None:
    """However often; it is requested once an hour."""
    env, mirror = two_accounts(sync_env)
    env.sandbox.faults.add(faults.status(500), path="/bedTypes", times=None)
    for _ in range(3):
        report = mirror.sync.run(env.account_id)
        assert report.state is RunState.SUCCESS
        assert report.resources["bed_types"].error
        env.sandbox.forget()
        mirror.sync.run(env.account_id)
        mirror.sync.run(OTHER)
        assert asked_paths(env) == []
        make_due(env)
    env.sandbox.faults.clear()
    mirror.sync.run(OTHER)
    assert wrong_kinds(env, SHARED) == {}


def test_concurrent_runs_read_reference_data_once(sync_env: Build) -> None:
    """A claim excludes other runs until it is closed, or until its run must have died."""
    env, mirror = two_accounts(sync_env)
    claimed = "INSERT INTO reference_readings (kind, claimed_until) VALUES ('amenities', now() + interval '{}')"
    sql.execute(env.database, claimed.format("30 minutes"))
    mirror.sync.run(env.account_id)
    assert set(asked_paths(env)) == PATHS - {"/amenities"}
    sql.execute(env.database, "UPDATE reference_readings SET claimed_until = now() - interval '1 second'")
    env.sandbox.forget()
    mirror.sync.run(OTHER)
    assert set(asked_paths(env)) == {"/amenities"}


def test_named_reference_data_is_read_at_once(sync_env: Build) -> None:
    """Also in a dry run, which neither writes nor claims."""
    env, mirror = two_accounts(sync_env)
    report = mirror.sync.run(env.account_id, dry_run=True)
    assert report.resources["bed_types"].counts.inserted == 11
    for table in ("reference_data", "reference_readings"):
        assert sql.rows(env.database, f"SELECT count(*) FROM {table}") == [(0,)]
    for _ in range(2):
        env.sandbox.forget()
        mirror.sync.run(env.account_id, resources=["bed_types"])
        assert set(asked_paths(env)) == {"/bedTypes"}
