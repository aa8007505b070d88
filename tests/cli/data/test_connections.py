from __future__ import annotations

import subprocess
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.deliveries import deliver, eventually
from tests.support.programs.forked import start_beside

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import AccountSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

# The most connections that each may hold, as docs/how-to/many-machines.md says.
MOST = {"worker": 4, "serve-webhooks --port 0": 8, "serve-webhooks --port 0 --no-worker": 6, "sync-all --jobs 4": 6}
# A worker that would take 18 of them.
LIMITED = {"worker --concurrency 32": 5}
LEAST = {"worker": 4, "serve-webhooks --port 0": 8, "serve-webhooks --port 0 --no-worker": 6, "serve-api": 4}
# PostgreSQL accepts 100 connections, and reserves three of them for superusers.
TAKEN = 97
_SEEN = """
SELECT application_name FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND application_name LIKE 'hostaway-sync %'
"""


def test_twenty_workers_a_receiver_and_cron_fit_one_server() -> None:
    """Each of them holds the most connections that it may."""
    assert 20 * MOST["worker"] + MOST["serve-webhooks --port 0 --no-worker"] + MOST["sync-all --jobs 4"] < TAKEN


@pytest.mark.parametrize("words", [*MOST, *LIMITED])
def test_working_programs_keep_their_limit_of_connections(sync_env: Callable[..., SyncEnv], words: str) -> None:
    """Much work at once does not exceed it; the server shows which command holds each connection."""
    accounts = [AccountSpec(id=70001 + number, reservations=12) for number in range(4)]
    env = sync_env(accounts=accounts)
    for account_id in env.sandbox.accounts:
        for number in sorted(env.truth("reservations", account_id))[:6]:
            deliver(env.database, account_id, Resource.RESERVATIONS, number)
    seen: list[Counter[str]] = []
    lock = threading.Lock()
    engine = sa.create_engine(env.environment()["HOSTAWAY_SYNC_DATABASE_URL"], poolclass=sa.NullPool)

    def look() -> Counter[str]:
        with lock, engine.connect() as connection:
            return Counter(connection.scalars(sa.text(_SEEN)))

    env.sandbox.on_request(lambda _: seen.append(look()))
    limit = {"HOSTAWAY_SYNC_POOL_SIZE": str(LIMITED[words])} if words in LIMITED else {}
    process = start_beside(env.environment() | limit, *words.split(), stderr=subprocess.PIPE)
    if "sync-all" in words:
        process.wait(60)
    elif "--no-worker" in words:
        seen.append(eventually(look, "it is there"))
    else:
        eventually(lambda: sql.rows(env.database, "SELECT count(*) FROM procrastinate_jobs") == [(0,)], "all is done")
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert said == ""
    assert seen
    assert max(count.total() for count in seen) <= (MOST | LIMITED)[words]
    name = f"hostaway-sync {words.split(maxsplit=1)[0]}"
    assert {place for count in seen for place in count} <= {name, f"{name}: queue"}


def test_too_few_connections_are_refused_with_a_sentence(sync_env: Callable[..., SyncEnv], program: Program) -> None:
    """Each command says how many it needs; nothing is begun."""
    env = sync_env()
    for words, least in LEAST.items():
        done = program(env, *words.split(), POOL_SIZE=str(least - 1))
        command = words.split(maxsplit=1)[0]
        assert (
            f"POOL_SIZE is {least - 1}, but `hostaway-sync {command}` needs {least} connections or more" in done.stderr
        )
        assert done.returncode == 78
    assert program(env, "account", "list", POOL_SIZE="2").returncode == 0
