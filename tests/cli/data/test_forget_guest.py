from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa
from tests.support import sql
from tests.support.barrier import PATIENCE
from tests.support.processes import start_program
from tests.support.store.guest_data import dump_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'hostaway.sync_run_resources'::regclass"
MAIL = "ida.berg@guests.example"


def test_killed_erasure_is_continued_by_the_next_call(sync_env: Callable[..., SyncEnv], program: Program) -> None:
    """SIGKILL in the middle erases nothing and lets nothing in; the next call for the account erases all."""
    env = sync_env(reservations=6)
    number = min(env.truth("reservations"))
    env.sandbox.account(env.account_id).update_reservation(number, guestEmail=MAIL)
    env.mirror().sync.run(env.account_id)
    account = ("--account", str(env.account_id))
    with env.database.engine.connect() as holder:
        holder.execute(sa.text("LOCK TABLE hostaway.sync_run_resources IN EXCLUSIVE MODE"))
        process = start_program(env.environment(), "forget-guest", *account, "--reservation", str(number), "--yes")
        while sql.rows(env.database, WAITS) == [(0,)]:
            process.join(0.02)
            assert process.exitcode is None
        process.kill()
        process.join(PATIENCE)
        holder.rollback()
    assert process.exitcode == -9
    assert MAIL in dump_rows(env)
    assert sql.rows(env.database, "SELECT count(*) FROM audit_log WHERE action = 'forgotten'") == [(0,)]
    done = program(env, "forget-guest", *account, "--email", "nobody@guests.example", "--yes", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["reservations"], found["dry_run"]) == (0, [number], False)
    assert found["rows"]["reservations"] == 1
    assert MAIL not in dump_rows(env)


def test_forget_guest_needs_a_guest_and_a_confirmation(sync_env: Callable[..., SyncEnv], program: Program) -> None:
    """Without reservation or address, or without --yes in a script, nothing changes."""
    env = sync_env(reservations=6)
    account = ("--account", str(env.account_id))
    assert program(env, "forget-guest", *account).returncode == 2
    refused = program(env, "forget-guest", *account, "--reservation", "1")
    assert refused.returncode == 2
    assert "use --yes" in refused.stderr
    assert sql.rows(env.database, "SELECT count(*) FROM forgotten_guests") == [(0,)]


def test_guest_that_is_not_found_is_reported(sync_env: Callable[..., SyncEnv], program: Program) -> None:
    """Exit 1 and one sentence without the address, also where another guest of the call is found."""
    env = sync_env(reservations=6)
    number, other, *_ = sorted(env.truth("reservations"))
    env.sandbox.account(env.account_id).update_reservation(number, guestEmail=f" {MAIL.title()}. ")
    env.mirror().sync.run(env.account_id)

    def forget(*words: str) -> tuple[int, str, list[int]]:
        done = program(env, "forget-guest", "--account", str(env.account_id), "--yes", "--json", *words)
        assert MAIL not in done.stderr
        return done.returncode, done.stderr, json.loads(done.stdout)["reservations"]

    code, said, found = forget("--email", "nobody@guests.example", "--dry-run")
    assert (code, found) == (1, [])
    assert "not found: 1 of the addresses" in said
    code, said, found = forget("--email", "nobody@guests.example", "--email", MAIL)
    assert (code, found) == (1, [number])
    assert "not found: 1 of the addresses" in said
    code, said, found = forget("--email", MAIL)
    assert (code, found) == (1, [])
    assert "unless the guest was erased before" in said
    assert forget("--reservation", str(number)) == (0, "", [number])
    assert forget("--reservation", str(other)) == (0, "", [other])
    code, said, found = forget("--reservation", "3")
    assert (code, found) == (1, [3])
    assert "not found: reservation 3" in said
    assert forget("--reservation", "3")[0] == 0


def test_alarm_keeps_its_advice_after_the_guest_is_erased(sync_env: Callable[..., SyncEnv], program: Program) -> None:
    """Words that name the guest are erased; that something is wrong, and the command to type, stay."""
    env = sync_env(reservations=6, conversations=False)
    number = min(env.truth("reservations"))
    env.mirrored()
    for resource, needs_sweep in (("listings", True), ("messages", False)):
        sql.execute(
            env.database,
            "INSERT INTO alarms (account_id, kind, resource, sentence, since, needs_sweep) VALUES"
            f" (70001, 'partial', '{resource}', 'no answer about {number}', now(), {needs_sweep})",
        )
    assert program(env, "forget-guest", "--account", "70001", "--reservation", str(number), "--yes").returncode == 0
    done = program(env, "sync", "70001", "--resource", "reservations")
    erased = "what is wrong was erased with a guest; `hostaway-sync sync 70001"
    assert (done.returncode, done.stderr.count(erased)) == (1, 2)
    assert f"listings: {erased} --full` says it anew" in done.stderr
    assert f"messages: {erased}` says it anew" in done.stderr
