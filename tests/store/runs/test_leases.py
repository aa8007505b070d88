from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.records import add_account

from hostaway_sync.errors import LeaseHeld, LeaseLost
from hostaway_sync.store.processes import names as process_names
from hostaway_sync.store.runs import leases
from hostaway_sync.store.tables import leases as leases_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.runs.leases import Lease

ELSEWHERE = "far/boot/pid:[1]/77/123"

ACQUIRE_AND_WAIT = """
import sys
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.processes.names import name_this_process
from hostaway_sync.store.runs import leases
lease = leases.acquire_lease(Database(sys.argv[1], schema="hostaway"), 1, name_this_process())
print(lease.fencing_token, lease.owner, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def account(database: Database) -> None:
    """Store the account that is leased."""
    add_account(database)


@pytest.fixture
def holder(database: Database) -> Iterator[subprocess.Popen[str]]:
    """Return a process that holds the lease with token 1 until its stdin ends."""
    url = database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", ACQUIRE_AND_WAIT, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("1 ")
        yield process
        process.kill()


def expire(database: Database) -> None:
    """Let every lease expire."""
    sql.execute(database, "UPDATE leases SET expires_at = clock_timestamp()")


def fence(database: Database, lease: Lease) -> None:
    """Fence a transaction that does nothing else."""
    database.transaction(lambda connection: leases.fence_transaction(connection, lease))


def test_free_lease_is_taken_with_a_growing_token(database: Database) -> None:
    """Released and taken again, a lease has a higher token every time."""
    mine = process_names.name_this_process()
    first = leases.acquire_lease(database, 1, mine)
    assert (first.account_id, first.owner, first.fencing_token) == (1, mine, 1)
    left = sql.row(database, "SELECT expires_at - clock_timestamp() AS left FROM leases").left
    assert left <= leases.LEASE_TIME
    leases.release_lease(database, first)
    assert leases.acquire_lease(database, 1, ELSEWHERE).fencing_token == 2


def test_held_lease_is_refused(database: Database) -> None:
    """Also to another run of the same process; the message names the host alone."""
    leases.acquire_lease(database, 1, ELSEWHERE)
    for owner in (process_names.name_this_process(), f"{ELSEWHERE}#again"):
        with pytest.raises(LeaseHeld, match=r"^account 1 is being synced by another run \(far\)$"):
            leases.acquire_lease(database, 1, owner)


def test_lease_of_an_unconfirmed_commit_is_our_own(database: Database) -> None:
    """Every run has a new name: one that finds its own name has the lease already."""
    owner = process_names.name_this_process()
    leases.acquire_lease(database, 1, owner)
    assert leases.acquire_lease(database, 1, owner).fencing_token == 2
    assert process_names.name_this_process() != owner


def test_each_account_has_its_own_lease(database: Database) -> None:
    """Both can be held at once."""
    add_account(database, 2)
    leases.acquire_lease(database, 1, ELSEWHERE)
    assert leases.acquire_lease(database, 2, ELSEWHERE).fencing_token == 1


def test_expired_lease_is_taken_over_and_fences_its_owner_off(database: Database) -> None:
    """The old owner can neither write nor renew, and its release does not affect the new one."""
    old = leases.acquire_lease(database, 1, ELSEWHERE)
    expire(database)
    new = leases.acquire_lease(database, 1, process_names.name_this_process())
    assert new.fencing_token == old.fencing_token + 1
    sentence = "account 1 was taken over by another run; nothing more was written"
    with pytest.raises(LeaseLost, match=sentence):
        fence(database, old)
    with pytest.raises(LeaseLost, match=sentence):
        leases.renew_lease(database, old)
    leases.release_lease(database, old)
    fence(database, new)


def test_lease_from_a_clock_that_was_ahead_is_free(database: Database) -> None:
    """It has no holder, and is taken over."""
    leases.acquire_lease(database, 1, ELSEWHERE)
    sql.execute(database, "UPDATE leases SET expires_at = expires_at + interval '6 h'")
    assert database.transaction(leases.list_holders) == {}
    assert leases.acquire_lease(database, 1, process_names.name_this_process()).fencing_token == 2


def test_same_owner_with_an_older_token_is_fenced_off(database: Database) -> None:
    """The token decides, not the name."""
    old = leases.acquire_lease(database, 1, ELSEWHERE)
    expire(database)
    leases.acquire_lease(database, 1, ELSEWHERE)
    with pytest.raises(LeaseLost):
        fence(database, old)


def test_released_lease_has_no_owner(database: Database) -> None:
    """Its token is still the highest one, but its owner can neither write with it nor renew it."""
    lease = leases.acquire_lease(database, 1, ELSEWHERE)
    leases.release_lease(database, lease)
    for attempt in (fence, leases.renew_lease):
        with pytest.raises(LeaseLost):
            attempt(database, lease)
    assert leases.acquire_lease(database, 1, process_names.name_this_process()).fencing_token == 2


def test_token_without_its_owner_gives_no_right(database: Database) -> None:
    """Another process that knows the token does not hold the lease, and cannot release it."""
    held = leases.acquire_lease(database, 1, ELSEWHERE)
    stranger = replace(held, owner=f"{ELSEWHERE}#again")
    for attempt in (fence, leases.renew_lease):
        with pytest.raises(LeaseLost):
            attempt(database, stranger)
    leases.release_lease(database, stranger)
    fence(database, held)


def test_only_an_unexpired_lease_has_a_holder(database: Database) -> None:
    """A lease that expired, or was renewed by a clock that was ahead, is free."""
    lease = leases.acquire_lease(database, 1, ELSEWHERE)
    for expires, shown in (
        ("expires_at", {1: "far"}),
        ("clock_timestamp() - interval '1 ms'", {}),
        ("clock_timestamp() - interval '1 day'", {}),
        ("clock_timestamp() + interval '6 h'", {}),
    ):
        sql.execute(database, f"UPDATE leases SET expires_at = {expires}")
        assert database.transaction(leases.list_holders) == shown, expires
        leases.renew_lease(database, lease)
    leases.release_lease(database, lease)
    assert database.transaction(leases.list_holders) == {}


def test_dead_process_holds_no_lease(database: Database, holder: subprocess.Popen[str]) -> None:
    """Its lease has not expired; its number is gone from this host."""
    assert list(database.transaction(leases.list_holders)) == [1]
    holder.kill()
    holder.wait()
    assert database.transaction(leases.list_holders) == {}


def test_expired_lease_can_be_renewed_until_it_is_taken(database: Database) -> None:
    """A paused run continues where no other came."""
    lease = leases.acquire_lease(database, 1, ELSEWHERE)
    expire(database)
    leases.renew_lease(database, lease)
    with pytest.raises(LeaseHeld):
        leases.acquire_lease(database, 1, process_names.name_this_process())


def test_killed_process_of_this_host_loses_its_lease_at_once(database: Database, holder: subprocess.Popen[str]) -> None:
    """While it lives the lease is held; once killed, also as a zombie, no wait for the expiry is needed."""
    with pytest.raises(LeaseHeld):
        leases.acquire_lease(database, 1, process_names.name_this_process())
    holder.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    assert leases.acquire_lease(database, 1, process_names.name_this_process()).fencing_token == 2


def test_reaped_process_is_dead(database: Database, holder: subprocess.Popen[str]) -> None:
    """Its number does not exist any more."""
    holder.kill()
    holder.wait()
    assert leases.acquire_lease(database, 1, process_names.name_this_process()).fencing_token == 2


def test_hidden_process_counts_as_alive(
    database: Database, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """/proc may hide another user's process; one that it shows is judged as usual."""

    def refuse(process: int, sent: int) -> None:
        raise PermissionError(process, sent)

    def vanish(process: int, sent: int) -> None:
        raise ProcessLookupError(process, sent)

    monkeypatch.setattr(os, "kill", refuse)
    assert process_names.is_hidden(2**22 + 1)
    assert not process_names.is_hidden(holder.pid)
    with pytest.raises(LeaseHeld):
        leases.acquire_lease(database, 1, process_names.name_this_process())
    monkeypatch.setattr(os, "kill", vanish)
    assert not process_names.is_hidden(holder.pid)
    monkeypatch.undo()


@pytest.mark.parametrize("owner", ["somebody", "a/b", "host/notanumber/1", ""])
def test_unknown_form_of_owner_expires_only_with_time(database: Database, owner: str) -> None:
    """A name without a process counts as alive."""
    leases.acquire_lease(database, 1, owner)
    with pytest.raises(LeaseHeld):
        leases.acquire_lease(database, 1, process_names.name_this_process())


def test_only_owners_of_this_host_can_be_found_dead() -> None:
    """Its process is gone from our host, or its number belongs to a process with another start."""
    owner = "here/boot/pid:[1]/42/1000"
    assert process_names.is_dead(owner, host="here/boot/pid:[1]", started=None)
    assert process_names.is_dead(owner, host="here/boot/pid:[1]", started="2000")
    assert not process_names.is_dead(owner, host="here/boot/pid:[1]", started="1000")
    assert not process_names.is_dead(owner, host="here/rebooted/pid:[1]", started=None)
    assert not process_names.is_dead("1000", host="", started=None)


def test_start_of_a_process_is_known_without_proc() -> None:
    """Without /proc, a living process has a start and an unused number has none."""
    assert process_names._started_without_proc(os.getpid()) is not None  # noqa: SLF001  (no public way to see it)
    assert process_names._started_without_proc(2**22 + 1) is None  # noqa: SLF001  (no public way to see it)


def test_host_without_proc_has_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Boot and process numbering are added only where they can be read."""
    monkeypatch.setattr(process_names, "Path", lambda name: Path(f"{tmp_path}{name}"))
    assert "/" not in process_names._host()  # noqa: SLF001  (no public way to see it)


def test_one_of_two_racing_acquirers_wins(database: Database) -> None:
    """Of threads that start together exactly one gets the lease, whether it is new, free or expired."""
    racers = 4
    barrier = threading.Barrier(racers)

    def race(number: int) -> Lease | None:
        barrier.wait(30)
        try:
            return leases.acquire_lease(database, 1, f"{ELSEWHERE}{number}")
        except LeaseHeld:
            return None

    with ThreadPoolExecutor(racers) as threads:
        for token in (1, 2, 3):
            winners = [lease for lease in threads.map(race, range(racers)) if lease]
            assert [lease.fencing_token for lease in winners] == [token]
            if token == 1:
                leases.release_lease(database, winners[0])
            else:
                expire(database)


def test_takeover_waits_for_a_running_write(database: Database) -> None:
    """A fenced transaction commits before another owner gets the lease: no write follows a takeover."""
    lease = leases.acquire_lease(database, 1, ELSEWHERE)
    expire(database)
    with database.engine.begin() as writer:
        leases.fence_transaction(writer, lease)
        with database.engine.begin() as other:
            free = sa.select(leases_table.c.account_id).with_for_update(skip_locked=True)
            assert other.scalars(free).all() == []
    assert leases.acquire_lease(database, 1, process_names.name_this_process()).fencing_token == 2
