from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import pytest
from tests.support import sql

from hostaway_sync.errors import AccountError, CredentialsRejected, LeaseHeld
from hostaway_sync.model.records import OBJECTS, Resource, RunState
from hostaway_sync.sandbox import AccountSpec, Request
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.processes import names as process_names
from hostaway_sync.store.runs import leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

MESSAGES = "GET /conversations/{id}/messages"


def test_first_sync_mirrors_everything_exactly(sync_env: Build) -> None:
    """Every listing, reservation, conversation and message is stored with the payload that the source has."""
    env = sync_env(reservations=60)
    report = env.mirror().sync.run(env.account_id)
    assert report.state is RunState.SUCCESS
    assert env.differences() == {}
    assert {resource: part.counts.inserted for resource, part in report.resources.items()} == {
        resource: len(env.truth(resource)) for resource in OBJECTS
    }


def test_counts_of_a_run_add_up_and_are_stored(sync_env: Build) -> None:
    """One row in sync_runs and one a resource agree with the report."""
    env = sync_env()
    report = env.mirror().sync.run(env.account_id)
    assert sql.rows(
        env.database,
        "SELECT state, mode, api_calls, error, started_at >= triggered_at, finished_at >= started_at FROM sync_runs",
    ) == [("success", "full", report.api_calls, None, True, True)]
    stored = sql.rows(
        env.database,
        "SELECT resource, seen, inserted, updated, unchanged, stale, quarantined, missing FROM sync_run_resources",
    )
    assert {row[0]: row[1:] for row in stored} == {
        resource: tuple(asdict(part.counts).values()) for resource, part in report.resources.items()
    }


def test_second_sync_finds_everything_unchanged(sync_env: Build) -> None:
    """No row is rewritten: each keeps the transaction that wrote it."""
    env = sync_env()
    mirror = env.mirror()
    mirror.sync.run(env.account_id)
    written = sql.rows(
        env.database,
        "SELECT id, xmin::text FROM reservations UNION ALL SELECT id, xmin::text FROM conversation_messages",
    )
    report = mirror.sync.run(env.account_id)
    assert all(part.counts.seen == part.counts.unchanged for part in report.resources.values())
    assert written == sql.rows(
        env.database,
        "SELECT id, xmin::text FROM reservations UNION ALL SELECT id, xmin::text FROM conversation_messages",
    )


def test_changes_at_the_source_reach_the_mirror(sync_env: Build) -> None:
    """A new booking, a cancellation, a guest's message and an edited listing are found by the next run."""
    env = sync_env()
    mirror, world = env.mirrored(), env.sandbox.world
    first = next(iter(env.truth("reservations")))
    world.cancel_reservation(first)
    booked = world.create_reservation()
    world.guest_message(next(iter(env.truth("conversations"))), "Is it quiet at night? 🌙")
    world.edit_listing(next(iter(env.truth("listings"))), name="Renamed")
    report = mirror.sync.run(env.account_id)
    # The conversation's own stamps wait for the next sweep: a known conversation is not requested again.
    assert env.differences().keys() <= {Resource.CONVERSATIONS}
    assert report.resources[Resource.RESERVATIONS].counts.inserted == 1
    assert sql.rows(env.database, f"SELECT status FROM reservations WHERE id = {first}") == [("cancelled",)]
    assert booked in env.rows("reservations")


def test_whole_run_moves_watermarks_and_last_sync(sync_env: Build) -> None:
    """The watermark is the newest reservation's stamp, never beyond the start of the run."""
    env = sync_env()
    env.mirror().sync.run(env.account_id)
    assert sql.rows(env.database, "SELECT count(*) FROM watermarks WHERE swept_at IS NOT NULL") == [(4,)]
    assert sql.rows(
        env.database,
        "SELECT watermark_at = (SELECT max(source_updated_at) FROM reservations) OR watermark_at = swept_at "
        "FROM watermarks WHERE resource = 'reservations'",
    ) == [(True,)]
    assert sql.rows(env.database, "SELECT last_sync_at IS NOT NULL FROM accounts") == [(True,)]


def test_one_resource_alone_moves_only_its_own_watermark(sync_env: Build) -> None:
    """`--resource reservations` leaves other tables and marks unchanged."""
    env = sync_env()
    env.mirror().sync.run(env.account_id, resources=(Resource.RESERVATIONS,))
    assert sql.rows(env.database, "SELECT resource FROM watermarks") == [("reservations",)]
    assert env.rows("listings") == {}
    assert env.sandbox.calls["GET /listings"] == 0


def test_messages_alone_read_the_known_threads(sync_env: Build) -> None:
    """`--resource messages` needs no list of conversations: it reads the stored ones."""
    env = sync_env()
    mirror = env.mirror()
    mirror.sync.run(env.account_id, resources=(Resource.CONVERSATIONS,))
    report = mirror.sync.run(env.account_id, resources=(Resource.MESSAGES,))
    assert report.state is RunState.SUCCESS
    assert env.differences().keys() == {Resource.LISTINGS, Resource.RESERVATIONS}


def test_dry_run_counts_changes_and_writes_nothing(sync_env: Build) -> None:
    """It fetches everything, reports the same numbers, and stores no row and no run."""
    env = sync_env()
    report = env.mirror().sync.run(env.account_id, dry_run=True)
    assert {resource: part.counts.inserted for resource, part in report.resources.items()} == {
        resource: len(env.truth(resource)) for resource in OBJECTS
    }
    assert all(env.rows(resource) == {} for resource in OBJECTS)
    assert sql.rows(env.database, "SELECT count(*) FROM sync_runs") == [(0,)]
    assert sql.rows(env.database, "SELECT count(*) FROM walk_pages") == [(0,)]
    assert sql.rows(env.database, "SELECT count(*) FROM quarantined_records") == [(0,)]


def test_dry_run_after_a_sync_reports_the_changes(sync_env: Build) -> None:
    """It compares with the stored rows."""
    env = sync_env()
    mirror = env.mirrored()
    env.sandbox.world.pay(next(iter(env.truth("reservations"))))
    report = mirror.sync.run(env.account_id, dry_run=True)
    assert report.resources[Resource.RESERVATIONS].counts.updated == 1
    assert Resource.RESERVATIONS in env.differences()


def test_accounts_do_not_affect_each_other(sync_env: Build) -> None:
    """Two accounts with equal ids keep their own rows."""
    env = sync_env(
        accounts=[AccountSpec(reservations=9), AccountSpec(id=70002, reservations=9, same_ids_as_first=True)]
    )
    outcomes = env.mirror().sync.run_all()
    assert [outcome.state for outcome in outcomes] == [RunState.SUCCESS, RunState.SUCCESS]
    assert env.differences(70001) == {}
    assert env.differences(70002) == {}


def test_sync_all_continues_and_retries_a_failed_account(sync_env: Build) -> None:
    """The account in the middle fails twice, is stored as retried, and the others are whole."""
    env = sync_env(accounts=[AccountSpec(id=number, reservations=5) for number in (70001, 70002, 70003)])
    env.sandbox.faults.add(faults.bad_gateway(), account_id=70002, times=None)
    outcomes = env.mirror(retry_attempts=2).sync.run_all()
    assert [outcome.state for outcome in outcomes] == [RunState.SUCCESS, RunState.FAILED, RunState.SUCCESS]
    assert sql.rows(env.database, "SELECT state, retry_count, max_retries FROM sync_runs WHERE account_id = 70002") == [
        ("failed", 1, 1)
    ]
    assert env.differences(70001) == env.differences(70003) == {}


def test_account_failing_once_is_whole_after_its_retry(sync_env: Build) -> None:
    """The failure of the first pass is gone at its end."""
    env = sync_env(accounts=[AccountSpec(id=number, reservations=5) for number in (70001, 70002)])
    env.sandbox.faults.add(faults.bad_gateway(), account_id=70001, route="GET /reservations", times=2)
    outcomes = env.mirror(retry_attempts=2).sync.run_all()
    assert [outcome.state for outcome in outcomes] == [RunState.SUCCESS, RunState.SUCCESS]
    assert sql.rows(env.database, "SELECT state, retry_count, error FROM sync_runs WHERE account_id = 70001") == [
        ("success", 1, None)
    ]
    assert env.differences(70001) == {}


def test_deleted_key_fails_the_run_and_names_the_cause(sync_env: Build) -> None:
    """A secret that works no more is not tried again and again."""
    env = sync_env()
    env.sandbox.reconfigure(env.account_id, secret_deleted=True)
    env.sandbox.revoke_tokens()
    report = env.mirror().sync.run(env.account_id)
    assert report.state is RunState.FAILED
    assert "check the id and the key" in (report.error or "")
    assert env.sandbox.calls["POST /accessTokens"] == 1
    assert sql.rows(env.database, "SELECT count(*) FROM watermarks") == [(0,)]


def test_unknown_account_cannot_be_synced(sync_env: Build) -> None:
    """The sentence says how to add it."""
    env = sync_env(store=False)
    with pytest.raises(AccountError, match="account add 70001"):
        env.mirror().sync.run(env.account_id)


def test_wrong_credentials_store_nothing(sync_env: Build) -> None:
    """An account whose secret Hostaway refuses is not stored, and no key is created."""
    from pydantic import SecretStr

    env = sync_env(store=False)
    with pytest.raises(CredentialsRejected):
        env.mirror().accounts.add(env.account_id, SecretStr("wrong"), name=None, customer_id=None)
    assert sql.rows(env.database, "SELECT count(*) FROM accounts") == [(0,)]


def test_token_is_issued_once_and_reused(sync_env: Build) -> None:
    """The token of `account add` serves the first sync and the runs after it, in any process."""
    from pydantic import SecretStr

    env = sync_env(store=False)
    env.mirror().accounts.add(env.account_id, SecretStr(env.sandbox.client_secret), name=None, customer_id=None)
    env.mirror().sync.run(env.account_id)
    env.mirror().sync.run(env.account_id)
    assert env.sandbox.calls["POST /accessTokens"] == 1


def test_revoked_token_is_renewed_once_for_all_threads(sync_env: Build) -> None:
    """Four threads lose their token at once; one renewal serves them all, and no row is lost."""
    env = sync_env(reservations=40)

    def revoke(request: Request) -> None:
        if (
            request.route == MESSAGES
            and env.sandbox.calls[MESSAGES] == 10
            and env.sandbox.calls["POST /accessTokens"] == 0
        ):
            env.sandbox.revoke_tokens()

    env.sandbox.on_request(revoke)
    report = env.mirror().sync.run(env.account_id)
    assert report.state is RunState.SUCCESS
    assert env.differences() == {}
    assert env.sandbox.calls["POST /accessTokens"] == 1


@pytest.mark.parametrize("inbox", ["closed_threads", "closed"])
def test_account_without_inbox_rights_keeps_the_rest(
    sync_env: Build, inbox: Literal["closed", "closed_threads"]
) -> None:
    """403 on every thread costs one renewal and gives one sentence; all other rows are mirrored."""
    env = sync_env(accounts=[AccountSpec(reservations=40, inbox=inbox)])
    report = env.mirror().sync.run(env.account_id)
    assert report.state is RunState.PARTIAL
    assert env.sandbox.calls["POST /accessTokens"] == 1
    assert env.differences().keys() <= {Resource.CONVERSATIONS, Resource.MESSAGES}
    assert report.resources[Resource.RESERVATIONS].state is RunState.SUCCESS
    assert "403" in (report.error or "") or "does not let" in (report.error or "")
    assert env.sandbox.calls[MESSAGES] < 40, "threads are given up, not tried one by one"


def test_two_runs_of_one_account_never_overlap(sync_env: Build) -> None:
    """The second run learns who holds the lease, and is stored as skipped."""
    env = sync_env()
    lease = leases.acquire_lease(env.database, env.account_id, process_names.name_this_process())
    with pytest.raises(LeaseHeld):
        env.mirror().sync.run(env.account_id)
    assert sql.rows(env.database, "SELECT state FROM sync_runs") == [("skipped",)]
    leases.release_lease(env.database, lease)
    assert env.mirror().sync.run(env.account_id).state is RunState.SUCCESS


def test_queued_run_waits_for_the_lease(sync_env: Build) -> None:
    """It retries every half minute; skipped runs in the history would hide all others."""
    env = sync_env()
    mirror = env.mirror()
    lease = leases.acquire_lease(env.database, env.account_id, process_names.name_this_process())
    mirror.jobs.enqueue_syncs()
    with mirror.jobs.start_worker(drain=True) as working:
        working.wait()
    assert sql.rows(env.database, "SELECT state FROM sync_runs") == []
    assert sql.rows(env.database, "SELECT status::text, args->>'attempt' FROM procrastinate_jobs") == [("todo", "1")]
    leases.release_lease(env.database, lease)


def test_run_that_lost_its_lease_writes_nothing_more(sync_env: Build) -> None:
    """Another run takes over in the middle: the fencing token stops the old one."""
    from hostaway_sync.errors import LeaseLost

    env = sync_env(reservations=30)

    def take_over(request: Request) -> None:
        if request.route == "GET /conversations" and sql.rows(env.database, "SELECT fencing_token FROM leases") == [
            (1,)
        ]:
            sql.execute(env.database, "UPDATE leases SET owner = 'elsewhere/x/1/1', fencing_token = 2")

    env.sandbox.on_request(take_over)
    with pytest.raises(LeaseLost):
        env.mirror().sync.run(env.account_id)
    assert env.rows("conversations") == {}


def test_account_held_by_another_run_is_no_failure(sync_env: Build) -> None:
    """sync-all skips it."""
    env = sync_env(accounts=[AccountSpec(id=number, reservations=5) for number in (70001, 70002)])
    leases.acquire_lease(env.database, 70001, "elsewhere/x/1/1")
    outcomes = env.mirror().sync.run_all()
    assert [outcome.state for outcome in outcomes] == [RunState.SKIPPED, RunState.SUCCESS]
