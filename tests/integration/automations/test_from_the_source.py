from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.automations import add_automation, drain, open_mirror, write_changes
from tests.support.servers.consumer import consuming

from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.automations import work

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

DISPATCH = "SELECT count(*) FROM procrastinate_jobs WHERE queueing_lock = 'dispatch'"


def test_what_a_sync_finds_is_told(sync_env: Build) -> None:
    """From a change at the source to the consumer: the event, the keys, the row; the first reading is no event."""
    env = sync_env(listings=1, reservations=3)
    world = env.sandbox.world
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        add_automation(mirror, "crm", consumer.url)
        mirror.sync.run(env.account_id)
        noted, other, _ = sorted(env.truth("reservations"))
        world.update_reservation(noted, hostNote="late arrival")
        world.cancel_reservation(other)
        thread = next(number for number, row in env.truth("conversations").items() if row["reservationId"] == noted)
        world.guest_message(thread, "Is there parking?")
        mirror.sync.run(env.account_id)
        assert sql.rows(env.database, DISPATCH) == [(1,)]
        assert drain(mirror)
        told = {(one["type"], one["data"]["record_id"]): one for one in (heard.document for heard in consumer.heard)}
        assert told.keys() >= {("reservation.updated", str(noted)), ("reservation.cancelled", str(other))}
        assert [kind for kind, _ in told].count("message.received") == 1
        note = told["reservation.updated", str(noted)]["data"]
        assert note["changed"]["hostNote"]["new"] == "late arrival"
        assert note["cause"] == "sync"
        assert told["reservation.cancelled", str(other)]["data"]["row"]["status"] == "cancelled"
        assert {kind for kind, _ in told} <= {"reservation.updated", "reservation.cancelled", "message.received"}


def test_a_commit_defers_one_job_where_somebody_is_told(sync_env: Build) -> None:
    """However many commits there are; where no automation is active the database is asked once in five seconds."""
    env = sync_env()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        database = env.database
        now = 100.0
        database.on_changes = work.DispatchDeferral(lambda: now)
        write_changes(database, {})
        assert sql.rows(database, DISPATCH) == [(0,)]
        add_automation(mirror, "crm", consumer.url)
        write_changes(database, {})
        assert sql.rows(database, DISPATCH) == [(0,)]
        now += 5
        for _ in range(3):
            write_changes(database, {})
        assert sql.rows(database, DISPATCH) == [(1,)]
        sql.execute(database, "DELETE FROM procrastinate_jobs")
        database.transaction(partial(account_owner.lock_owner, account_id=env.account_id))
        assert sql.rows(database, DISPATCH) == [(1,)]
        sql.execute(database, "DELETE FROM procrastinate_jobs")
        mirror.automations.disable("crm")
        write_changes(database, {})
        assert sql.rows(database, DISPATCH) == [(0,)]


def test_forgetting_a_guest_empties_what_a_command_wrote(sync_env: Build) -> None:
    """The output of a command may quote the guest; the consumer is told to erase, too."""
    env = sync_env(listings=1, reservations=3)
    with open_mirror(env) as mirror:
        mirror.sync.run(env.account_id)
        number = min(env.truth("reservations"))
        add_automation(mirror, "echo", command=("/bin/cat",))
        env.sandbox.world.update_reservation(number, hostNote="a secret of the guest")
        mirror.sync.run(env.account_id)
        assert drain(mirror)
        outputs = "SELECT output FROM automation_deliveries WHERE record_id = :number ORDER BY change_id"
        ((output,),) = sql.rows(env.database, outputs, number=str(number))
        assert "a secret of the guest" in output
        mirror.privacy.forget_guests(env.account_id, [number], [])
        assert drain(mirror)
        first, second = sql.rows(env.database, outputs, number=str(number))
        assert "secret of the guest" not in f"{first} {second}"
        assert '"change":"erased"' in second[0]


def test_output_of_a_command_that_ran_while_its_guest_was_erased_is_not_kept(sync_env: Build) -> None:
    """It was told before the erasure, and may quote what is gone."""
    env = sync_env()
    with open_mirror(env) as mirror:
        add_automation(mirror, "echo", command=("/bin/cat",))
        write_changes(env.database, {}, {"change": "erased"}, {"record_id": "2"})
        assert drain(mirror)
        kept = "SELECT output IS NOT NULL FROM automation_deliveries ORDER BY change_id"
        assert sql.rows(env.database, kept) == [(False,), (True,), (True,)]
