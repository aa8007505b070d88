"""A certificate says what was compared: the notes of a running verification stay, or nothing is certified."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.barrier import Barrier
from tests.support.processes import run_program, start_program

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sync.verify.certificate import Equality

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

OTHER = 70002
NOTED = "SELECT notes_id, page FROM verification_notes"
# Where the test stops a verification: in its last list, and in its first and its last threads.
PLACES = [("GET /conversations", 1), ("GET /conversations/{id}/messages", 1), ("GET /conversations/{id}/messages", 9)]


def two_accounts(sync_env: Build) -> SyncEnv:
    """Return an environment of two mirrored accounts."""
    env = sync_env(accounts=[AccountSpec(reservations=12), AccountSpec(id=OTHER, reservations=3)])
    env.mirrored(*env.sandbox.accounts)
    return env


def meanwhile(env: SyncEnv, route: str, number: int, happens: Callable[[], object], **asked: Any) -> Any:
    """Verify the first account, and run a function while one of its requests waits."""
    found: list[Any] = []
    with Barrier(env.sandbox, route, number) as barrier:
        verifying = threading.Thread(target=lambda: found.append(env.mirror().sync.verify(env.account_id, **asked)))
        verifying.start()
        try:
            barrier.wait()
            happens()
        finally:
            barrier.open.set()
            verifying.join()
    return found[0]


@pytest.mark.parametrize(("route", "number"), PLACES)
@pytest.mark.parametrize("is_repair", [False, True])
def test_cleaning_up_spares_a_running_verification(
    sync_env: Build, route: str, number: int, *, is_repair: bool
) -> None:
    """Neither the end of another account's run nor `prune` deletes its notes."""
    env = two_accounts(sync_env)

    def clean() -> None:
        before = sql.rows(env.database, NOTED)
        assert env.mirror().sync.run(OTHER).error is None
        env.mirror().maintenance.prune()
        assert before
        assert set(before) <= set(sql.rows(env.database, NOTED))

    certificate = meanwhile(env, route, number, clean, deep=True, repair=is_repair)
    assert (certificate.state, certificate.error) == (Equality.EQUAL, None)
    part = certificate.resources[Resource.MESSAGES]
    assert part.source == part.mirror == len(env.truth("messages"))


@pytest.mark.parametrize("which", ["", "WHERE page = 1", "WHERE resource = 'conversations'"])
@pytest.mark.parametrize(("route", "number"), PLACES[1:])
@pytest.mark.parametrize("is_repair", [False, True])
def test_verification_without_its_notes_certifies_nothing(
    sync_env: Build, which: str, route: str, number: int, *, is_repair: bool
) -> None:
    """Whatever deleted them, and however few: neither equal nor different, and no derived count."""
    env = two_accounts(sync_env)
    sql.execute(env.database, "UPDATE listings SET raw_payload = '{}' WHERE account_id = 70001")
    gone = f"DELETE FROM verification_notes {which} RETURNING 1"
    certificate = meanwhile(env, route, number, lambda: sql.rows(env.database, gone), deep=True, repair=is_repair)
    assert certificate.state is Equality.INCOMPLETE
    assert "not certified: the notes of " in (certificate.error or "")
    assert not any(part.source or part.mirror or part.differences for part in certificate.resources.values())
    kept = sql.rows(env.database, "SELECT is_equal, certificate->>'state', certificate->>'error' FROM verifications")
    assert kept == [(False, "incomplete", certificate.error)]
    assert env.mirror().sync.verify(env.account_id, deep=True, repair=True).state is Equality.EQUAL


def test_verification_without_its_notes_ends_with_1(sync_env: Build) -> None:
    """The sentence says what is wrong, where, and what to do."""
    env = two_accounts(sync_env)
    table = "hostaway.verification_notes"
    rule = f"CREATE RULE unnoted AS ON INSERT TO {table} WHERE NEW.resource = 'reservations' DO INSTEAD NOTHING"
    with env.database.engine.begin() as connection:
        connection.exec_driver_sql(rule)
    done = run_program(env.environment(), "verify", "70001", "--json")
    with env.database.engine.begin() as connection:
        connection.exec_driver_sql(f"DROP RULE unnoted ON {table}")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (1, "incomplete")
    # The list was walked three times: a row without a note was not met.
    assert done.stderr == (
        "hostaway-sync: account 70001: could not be compared whole: not certified: the notes of 36 readings are gone "
        "from verification_notes, and what is left proves nothing; verify again\n"
    )


@pytest.mark.parametrize("cleaner", ["verify", "sync", "prune"])
def test_notes_of_a_killed_verification_end_with_its_lease(sync_env: Build, cleaner: str) -> None:
    """The next owner of the lease deletes them; pruning does so once the lease has expired, and not before."""
    env = two_accounts(sync_env)
    with Barrier(env.sandbox, *PLACES[0]) as barrier:
        process = start_program(env.environment(), "verify", "70001", "--deep")
        barrier.wait()
        process.kill()
        process.join()
    left = sql.rows(env.database, NOTED)
    assert left
    if cleaner == "prune":
        assert env.mirror().maintenance.prune()["verification_notes"] == 0
        sql.execute(env.database, "UPDATE leases SET expires_at = now()")
        assert env.mirror().maintenance.prune()["verification_notes"] == len(left)
    elif cleaner == "sync":
        env.mirror().sync.run(env.account_id)
    else:
        assert env.mirror().sync.verify(env.account_id).state is Equality.EQUAL
    assert sql.rows(env.database, NOTED) == []
