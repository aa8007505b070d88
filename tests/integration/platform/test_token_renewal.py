"""One token for all processes: one of them renews it, and the others wait."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.barrier import PATIENCE, Barrier
from tests.support.deliveries import eventually
from tests.support.processes import printed_text, start_refresh

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

TOKENS = "POST /accessTokens"


def readers(env: SyncEnv, count: int) -> list[BaseProcess]:
    """Start processes that each read one reservation repeatedly."""
    (reservation_id, *_) = sorted(env.truth("reservations"))
    return [
        start_refresh(env.environment(), env.account_id, Resource.RESERVATIONS, reservation_id) for _ in range(count)
    ]


def end(env: SyncEnv, processes: list[BaseProcess]) -> None:
    """Wait for processes to end with 0."""
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0, printed_text(env.environment())


def last_query_at(env: SyncEnv) -> object:
    """Return when another connection last sent a query to the database."""
    query = (
        "SELECT max(query_start) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    return sql.rows(env.database, query)[0][0]


@pytest.mark.parametrize("why", ["none is stored", "it was revoked"])
def test_processes_that_need_a_token_at_once_ask_for_one(sync_env: Build, why: str) -> None:
    """During the first one's request the others wait, and then read the token that it stored."""
    env = sync_env(token_delay=1.0)
    if why == "none is stored":
        sql.execute(env.database, "UPDATE accounts SET access_token = NULL")
    else:
        env.sandbox.revoke_tokens()
    with Barrier(env.sandbox, TOKENS) as barrier:
        processes = readers(env, 2)
        barrier.wait()
        if why == "it was revoked":
            eventually(lambda: env.sandbox.calls["GET /reservations/{id}"] == 2, "both were refused")
        # The waiting processes poll the database, and no other connection sends queries.
        for _ in range(6):
            before = last_query_at(env)
            eventually(lambda: last_query_at(env) != before, "the other one asks")  # noqa: B023  (called at once)
    end(env, processes)
    assert env.sandbox.calls[TOKENS] == 1
    assert sql.rows(env.database, "SELECT count(*) FROM reservations") == [(1,)]


def test_claim_to_renew_ends_with_its_process(sync_env: Build) -> None:
    """A process killed during its request does not block the others."""
    env = sync_env()
    env.sandbox.revoke_tokens()
    with Barrier(env.sandbox, TOKENS) as barrier:
        (killed,) = readers(env, 1)
        barrier.wait()
        killed.kill()
        killed.join(PATIENCE)
        end(env, readers(env, 1))
    assert sql.rows(env.database, "SELECT count(*) FROM reservations") == [(1,)]


def test_failed_renewal_lets_the_next_process_try(sync_env: Build) -> None:
    """The others do not wait for a token that never comes."""
    env = sync_env()
    env.sandbox.revoke_tokens()
    env.sandbox.faults.add(faults.bad_gateway(), route=TOKENS, times=2)
    with Barrier(env.sandbox, TOKENS) as barrier:
        processes = readers(env, 2)
        barrier.wait()
    end(env, processes)
    assert env.sandbox.calls[TOKENS] == 3
    assert sql.rows(env.database, "SELECT count(*) FROM reservations") == [(1,)]


def test_claim_has_one_holder(database: Database, database_url: str) -> None:
    """Of all connections; other names and schemas have claims of their own; it is free again after its block."""
    other = Database(database_url, schema="hostaway")
    elsewhere = Database(database_url, schema="elsewhere")
    with database.claim("token of account 1") as first, other.claim("token of account 1") as second:
        assert (first, second) == (True, False)
        with other.claim("token of account 2") as third, elsewhere.claim("token of account 1") as fourth:
            assert (third, fourth) == (True, True)
    with other.claim("token of account 1") as later:
        assert later
    other.close()
    elsewhere.close()


def test_claims_leave_connections_to_other_threads(database_url: str) -> None:
    """However many threads renew at once, each still reaches the database."""
    small = Database(database_url, schema="hostaway", pool_size=2)
    held = threading.Barrier(6)

    def renew(number: int) -> None:
        with small.claim(f"token of account {number}") as is_ours:
            held.wait(PATIENCE)
            assert is_ours
            small.transaction(lambda connection: connection.exec_driver_sql("SELECT 1"))

    threads = [threading.Thread(target=renew, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert held.n_waiting == 0
    small.close()
