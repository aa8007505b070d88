"""One token for all processes: who renews it, and what the others do meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from tests.support.barrier import PATIENCE, Barrier
from tests.support.deliveries import until
from tests.support.processes import printed, start_refresh

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

    from tests.support.sync_env import Town

    Build = Callable[..., Town]

TOKENS = "POST /accessTokens"


def readers(town: Town, count: int) -> list[BaseProcess]:
    """Start processes that each read one reservation again."""
    (reservation_id, *_) = sorted(town.truth("reservations"))
    return [
        start_refresh(town.environment(), town.account_id, Resource.RESERVATIONS, reservation_id) for _ in range(count)
    ]


def end(town: Town, processes: list[BaseProcess]) -> None:
    """Wait for processes to end well."""
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0, printed(town.environment())


def last_question(town: Town) -> object:
    """Give when anybody but us last asked the database anything."""
    query = (
        "SELECT max(query_start) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    return town.ask(query)[0][0]


@pytest.mark.parametrize("why", ["none is stored", "it was revoked"])
def test_processes_that_need_a_token_at_once_ask_for_one(town: Build, why: str) -> None:
    """While the first one's request is under way the others wait, and then take what it stored."""
    here = town(token_delay=1.0)
    if why == "none is stored":
        here.ask("UPDATE accounts SET access_token = NULL RETURNING 1")
    else:
        here.sandbox.revoke_tokens()
    with Barrier(here.sandbox, TOKENS) as barrier:
        processes = readers(here, 2)
        barrier.wait()
        if why == "it was revoked":
            until(lambda: here.sandbox.calls["GET /reservations/{id}"] == 2, "both were refused")
        # Whoever waits asks again and again, and nobody else asks anything.
        for _ in range(6):
            before = last_question(here)
            until(lambda: last_question(here) != before, "the other one asks")  # noqa: B023  (called at once)
    end(here, processes)
    assert here.sandbox.calls[TOKENS] == 1
    assert here.ask("SELECT count(*) FROM reservations") == [(1,)]


def test_the_right_to_renew_ends_with_the_process_that_had_it(town: Build) -> None:
    """Killed in the middle of its request, it keeps nobody from theirs."""
    here = town()
    here.sandbox.revoke_tokens()
    with Barrier(here.sandbox, TOKENS) as barrier:
        (killed,) = readers(here, 1)
        barrier.wait()
        killed.kill()
        killed.join(PATIENCE)
        end(here, readers(here, 1))
    assert here.ask("SELECT count(*) FROM reservations") == [(1,)]


def test_a_renewal_that_fails_lets_the_next_one_try(town: Build) -> None:
    """The others do not wait for a token that never comes."""
    here = town()
    here.sandbox.revoke_tokens()
    here.sandbox.faults.add(faults.bad_gateway(), route=TOKENS, times=2)
    with Barrier(here.sandbox, TOKENS) as barrier:
        processes = readers(here, 2)
        barrier.wait()
    end(here, processes)
    assert here.sandbox.calls[TOKENS] == 3
    assert here.ask("SELECT count(*) FROM reservations") == [(1,)]


def test_a_right_has_one_holder(database: Database, database_url: str) -> None:
    """Of all connections; rights of other names and schemas are others, and it is free again after its block."""
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


def test_holders_of_rights_keep_no_connection_from_others(database_url: str) -> None:
    """However many renew at once, each still reaches the database."""
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
