from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import pytest

from hostaway_sync.errors import AccountError, CredentialsRejected, LeaseHeld
from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.sandbox import AccountSpec, Request
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.processes import names as process_names
from hostaway_sync.store.runs import leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import Town

    Build = Callable[..., Town]

MESSAGES = "GET /conversations/{id}/messages"


def test_a_first_sync_mirrors_everything_exactly(town: Build) -> None:
    """Every listing, reservation, conversation and message is stored with the payload that the source has."""
    here = town(reservations=60)
    report = here.mirror().sync(here.account_id)
    assert report.state is RunState.SUCCESS
    assert here.differences() == {}
    assert {resource: part.counts.inserted for resource, part in report.resources.items()} == {
        resource: len(here.truth(resource)) for resource in Resource
    }


def test_counts_of_a_run_add_up_and_are_written_down(town: Build) -> None:
    """One row in sync_runs and one a resource say what the report says."""
    here = town()
    report = here.mirror().sync(here.account_id)
    assert here.ask(
        "SELECT state, mode, api_calls, error, started_at >= triggered_at, finished_at >= started_at FROM sync_runs"
    ) == [("success", "full", report.api_calls, None, True, True)]
    stored = here.ask(
        "SELECT resource, seen, inserted, updated, unchanged, stale, quarantined, missing FROM sync_run_resources"
    )
    assert {row[0]: row[1:] for row in stored} == {
        resource.value: tuple(asdict(part.counts).values()) for resource, part in report.resources.items()
    }


def test_a_second_sync_finds_everything_unchanged(town: Build) -> None:
    """Nothing is rewritten when nothing changed: every row keeps the transaction that wrote it."""
    here = town()
    mirror = here.mirror()
    mirror.sync(here.account_id)
    written = here.ask(
        "SELECT id, xmin::text FROM reservations UNION ALL SELECT id, xmin::text FROM conversation_messages"
    )
    report = mirror.sync(here.account_id)
    assert all(part.counts.seen == part.counts.unchanged for part in report.resources.values())
    assert written == here.ask(
        "SELECT id, xmin::text FROM reservations UNION ALL SELECT id, xmin::text FROM conversation_messages"
    )


def test_changes_at_the_source_reach_the_mirror(town: Build) -> None:
    """A new booking, a cancellation, a guest's message and an edited listing are found by the next run."""
    here = town()
    mirror, world = here.mirror(), here.sandbox.world
    mirror.sync(here.account_id)
    first = next(iter(here.truth("reservations")))
    world.cancel_reservation(first)
    booked = world.create_reservation()
    world.guest_message(next(iter(here.truth("conversations"))), "Is it quiet at night? 🌙")
    world.edit_listing(next(iter(here.truth("listings"))), name="Renamed")
    report = mirror.sync(here.account_id)
    # The conversation's own stamps wait for the next sweep: a known conversation is not asked for again.
    assert here.differences().keys() <= {Resource.CONVERSATIONS}
    assert report.resources[Resource.RESERVATIONS].counts.inserted == 1
    assert here.ask(f"SELECT status FROM reservations WHERE id = {first}") == [("cancelled",)]
    assert booked in here.rows("reservations")


def test_a_whole_run_moves_watermarks_and_last_sync(town: Build) -> None:
    """The watermark is the newest reservation's stamp, never beyond the start of the run."""
    here = town()
    here.mirror().sync(here.account_id)
    assert here.ask("SELECT count(*) FROM watermarks WHERE swept_at IS NOT NULL") == [(4,)]
    assert here.ask(
        "SELECT watermark_at = (SELECT max(source_updated_at) FROM reservations) OR watermark_at = swept_at "
        "FROM watermarks WHERE resource = 'reservations'"
    ) == [(True,)]
    assert here.ask("SELECT last_sync_at IS NOT NULL FROM accounts") == [(True,)]


def test_one_resource_alone_moves_only_its_own_watermark(town: Build) -> None:
    """`--resource reservations` leaves the other tables and marks as they are."""
    here = town()
    here.mirror().sync(here.account_id, resources=(Resource.RESERVATIONS,))
    assert here.ask("SELECT resource FROM watermarks") == [("reservations",)]
    assert here.rows("listings") == {}
    assert here.sandbox.calls["GET /listings"] == 0


def test_messages_alone_read_the_threads_that_are_known(town: Build) -> None:
    """`--resource messages` needs no list of conversations: it reads those that are stored."""
    here = town()
    mirror = here.mirror()
    mirror.sync(here.account_id, resources=(Resource.CONVERSATIONS,))
    report = mirror.sync(here.account_id, resources=(Resource.MESSAGES,))
    assert report.state is RunState.SUCCESS
    assert here.differences().keys() == {Resource.LISTINGS, Resource.RESERVATIONS}


def test_a_dry_run_counts_what_would_change_and_writes_nothing(town: Build) -> None:
    """A dry run fetches everything, reports the same numbers, and leaves no row and no run behind."""
    here = town()
    report = here.mirror().sync(here.account_id, dry_run=True)
    assert {resource: part.counts.inserted for resource, part in report.resources.items()} == {
        resource: len(here.truth(resource)) for resource in Resource
    }
    assert all(here.rows(resource) == {} for resource in Resource)
    assert here.ask("SELECT count(*) FROM sync_runs") == [(0,)]
    assert here.ask("SELECT count(*) FROM walk_pages") == [(0,)]
    assert here.ask("SELECT count(*) FROM quarantined_records") == [(0,)]


def test_a_dry_run_after_a_sync_says_what_changed(town: Build) -> None:
    """A dry run compares with what is stored."""
    here = town()
    mirror = here.mirror()
    mirror.sync(here.account_id)
    here.sandbox.world.pay(next(iter(here.truth("reservations"))))
    report = mirror.sync(here.account_id, dry_run=True)
    assert report.resources[Resource.RESERVATIONS].counts.updated == 1
    assert Resource.RESERVATIONS in here.differences()


def test_two_accounts_do_not_touch_each_other(town: Build) -> None:
    """Two accounts with equal ids keep their own rows."""
    here = town(accounts=[AccountSpec(reservations=9), AccountSpec(id=70002, reservations=9, same_ids_as_first=True)])
    outcomes = here.mirror().sync_all()
    assert [outcome.state for outcome in outcomes] == [RunState.SUCCESS, RunState.SUCCESS]
    assert here.differences(70001) == {}
    assert here.differences(70002) == {}


def test_sync_all_goes_on_when_one_account_fails_and_tries_it_again(town: Build) -> None:
    """The account in the middle fails twice, is written down as retried, and the others are whole."""
    here = town(accounts=[AccountSpec(id=number, reservations=5) for number in (70001, 70002, 70003)])
    here.sandbox.faults.add(faults.bad_gateway(), account_id=70002, times=None)
    outcomes = here.mirror(retry_attempts=2).sync_all()
    assert [outcome.state for outcome in outcomes] == [RunState.SUCCESS, RunState.FAILED, RunState.SUCCESS]
    assert here.ask("SELECT state, retry_count, max_retries FROM sync_runs WHERE account_id = 70002") == [
        ("failed", 1, 1)
    ]
    assert here.differences(70001) == here.differences(70003) == {}


def test_an_account_that_fails_once_is_whole_after_the_second_try(town: Build) -> None:
    """What broke during the first pass may work at its end."""
    here = town(accounts=[AccountSpec(id=number, reservations=5) for number in (70001, 70002)])
    here.sandbox.faults.add(faults.bad_gateway(), account_id=70001, route="GET /reservations", times=2)
    outcomes = here.mirror(retry_attempts=2).sync_all()
    assert [outcome.state for outcome in outcomes] == [RunState.SUCCESS, RunState.SUCCESS]
    assert here.ask("SELECT state, retry_count, error FROM sync_runs WHERE account_id = 70001") == [
        ("success", 1, None)
    ]
    assert here.differences(70001) == {}


def test_a_deleted_key_fails_the_run_and_names_the_cause(town: Build) -> None:
    """When the secret no longer works, nothing is asked for again and again."""
    here = town()
    here.sandbox.reconfigure(here.account_id, secret_deleted=True)
    here.sandbox.revoke_tokens()
    report = here.mirror().sync(here.account_id)
    assert report.state is RunState.FAILED
    assert "check the id and the key" in (report.error or "")
    assert here.sandbox.calls["POST /accessTokens"] == 1
    assert here.ask("SELECT count(*) FROM watermarks") == [(0,)]


def test_an_unknown_account_cannot_be_synced(town: Build) -> None:
    """The sentence says how to add it."""
    here = town(store=False)
    with pytest.raises(AccountError, match="account add 70001"):
        here.mirror().sync(here.account_id)


def test_wrong_credentials_store_nothing(town: Build) -> None:
    """An account whose secret Hostaway refuses is not stored, nor is a key made for it."""
    from pydantic import SecretStr

    here = town(store=False)
    with pytest.raises(CredentialsRejected):
        here.mirror().roster.add(here.account_id, SecretStr("wrong"), name=None, customer_id=None)
    assert here.ask("SELECT count(*) FROM accounts") == [(0,)]


def test_a_token_is_minted_once_and_reused_by_the_next_run(town: Build) -> None:
    """The token of `account add` serves the first sync and the runs after it, in any process."""
    from pydantic import SecretStr

    here = town(store=False)
    here.mirror().roster.add(here.account_id, SecretStr(here.sandbox.client_secret), name=None, customer_id=None)
    here.mirror().sync(here.account_id)
    here.mirror().sync(here.account_id)
    assert here.sandbox.calls["POST /accessTokens"] == 1


def test_a_token_revoked_in_the_middle_is_renewed_once_for_all_threads(town: Build) -> None:
    """Four threads lose their token at once; one renewal serves them all and nothing is lost."""
    here = town(reservations=40)

    def revoke(request: Request) -> None:
        if (
            request.route == MESSAGES
            and here.sandbox.calls[MESSAGES] == 10
            and here.sandbox.calls["POST /accessTokens"] == 0
        ):
            here.sandbox.revoke_tokens()

    here.sandbox.on_request(revoke)
    report = here.mirror().sync(here.account_id)
    assert report.state is RunState.SUCCESS
    assert here.differences() == {}
    assert here.sandbox.calls["POST /accessTokens"] == 1


@pytest.mark.parametrize("inbox", ["closed_threads", "closed"])
def test_an_account_without_inbox_rights_keeps_the_rest(
    town: Build, inbox: Literal["closed", "closed_threads"]
) -> None:
    """403 on every thread costs one renewal, gives one clear sentence, and the rest is mirrored."""
    here = town(accounts=[AccountSpec(reservations=40, inbox=inbox)])
    report = here.mirror().sync(here.account_id)
    assert report.state is RunState.PARTIAL
    assert here.sandbox.calls["POST /accessTokens"] == 1
    assert here.differences().keys() <= {Resource.CONVERSATIONS, Resource.MESSAGES}
    assert report.resources[Resource.RESERVATIONS].state is RunState.SUCCESS
    assert "403" in (report.error or "") or "does not let" in (report.error or "")
    assert here.sandbox.calls[MESSAGES] < 40, "threads are given up, not tried one by one"


def test_two_runs_of_one_account_never_overlap(town: Build) -> None:
    """The second run is told who holds the lease, and is written down as skipped."""
    here = town()
    lease = leases.acquire(here.database, here.account_id, process_names.this_process())
    with pytest.raises(LeaseHeld):
        here.mirror().sync(here.account_id)
    assert here.ask("SELECT state FROM sync_runs") == [("skipped",)]
    leases.release(here.database, lease)
    assert here.mirror().sync(here.account_id).state is RunState.SUCCESS


def test_a_queued_run_waits_for_the_lease_and_skips_nothing(town: Build) -> None:
    """It comes again every half minute: a day of that would be all that the history shows."""
    here = town()
    mirror = here.mirror()
    lease = leases.acquire(here.database, here.account_id, process_names.this_process())
    mirror.push.enqueue_syncs()
    with mirror.push.worker(drain=True) as working:
        working.wait()
    assert here.ask("SELECT state FROM sync_runs") == []
    assert here.ask("SELECT status::text, args->>'attempt' FROM procrastinate_jobs") == [("todo", "1")]
    leases.release(here.database, lease)


def test_a_run_that_lost_its_lease_writes_nothing_more(town: Build) -> None:
    """When another run takes over in the middle, the old one is stopped by its fencing token."""
    from hostaway_sync.errors import LeaseLost

    here = town(reservations=30)

    def take_over(request: Request) -> None:
        if request.route == "GET /conversations" and here.ask("SELECT fencing_token FROM leases") == [(1,)]:
            here.ask("UPDATE leases SET owner = 'elsewhere/x/1/1', fencing_token = 2 RETURNING 1")

    here.sandbox.on_request(take_over)
    with pytest.raises(LeaseLost):
        here.mirror().sync(here.account_id)
    assert here.rows("conversations") == {}


def test_a_cancelled_fleet_member_that_another_run_holds_is_no_failure(town: Build) -> None:
    """sync-all skips an account that is being worked on elsewhere."""
    here = town(accounts=[AccountSpec(id=number, reservations=5) for number in (70001, 70002)])
    leases.acquire(here.database, 70001, "elsewhere/x/1/1")
    outcomes = here.mirror().sync_all()
    assert [outcome.state for outcome in outcomes] == [RunState.SKIPPED, RunState.SUCCESS]
