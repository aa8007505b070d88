"""`prune` deletes old rows, and `status --size` shows what takes space."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support import sql

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def test_prune_counts_and_then_deletes_old_rows(sync_env: Build, program: Program) -> None:
    """A dry run deletes nothing; the newest run of each kind and all mirrored rows stay."""
    env = sync_env()
    for _ in range(3):
        env.mirror().sync.run(env.account_id)
    sql.execute(env.database, "UPDATE sync_runs SET started_at = started_at - interval '91 days'")
    sql.execute(env.database, "UPDATE sync_runs SET finished_at = finished_at - interval '91 days'")
    counted = json.loads(program(env, "prune", "--dry-run", "--json").stdout)
    assert (counted["dry_run"], counted["rows"]["sync_runs"]) == (True, 1)
    assert sql.rows(env.database, "SELECT count(*) FROM sync_runs") == [(3,)]
    done = program(env, "prune")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sql.rows(env.database, "SELECT count(*) FROM sync_runs") == [(2,)]
    assert env.differences() == {}
    assert program(env, "prune", "--dry-run").stdout == "Nothing is old enough to go.\n"


def test_status_shows_the_largest_tables(sync_env: Build, program: Program) -> None:
    """Each has its rows; JSON has all tables, in bytes."""
    env = sync_env()
    env.mirrored()
    with env.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
    shown = program(env, "status", "--size").stdout
    (count,) = sql.rows(env.database, "SELECT count(*) FROM reservations")[0]
    line = next(line for line in shown.splitlines() if line.startswith("reservations "))
    assert line.split()[1] == f"{count:,}"
    assert "others" in shown
    document = json.loads(program(env, "status", "--size", "--json").stdout)
    tables = {table["name"]: table for table in document["tables"]}
    assert tables["reservations"]["rows"] == count
    assert document["database"] > sum(table["total"] for table in document["tables"])
