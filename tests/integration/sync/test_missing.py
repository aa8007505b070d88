from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.chaos.random_changes import LONG_AGO
from tests.support.sync_env import single_thread

from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

MISSING = "SELECT id FROM reservations WHERE missing_since IS NOT NULL"


def mirrored_env(sync_env: Build, **options: Any) -> SyncEnv:
    """Return an environment that was mirrored in full."""
    env = sync_env(**options)
    env.mirrored()
    return env


def first_of(env: SyncEnv, resource: str) -> int:
    """Return the id of one row that the source has."""
    return int(next(iter(env.truth(resource))))


def test_deleted_reservation_is_marked_and_keeps_its_row(sync_env: Build) -> None:
    """A whole walk left it out and a GET says 404: the row and its last payload stay."""
    env = mirrored_env(sync_env)
    gone = first_of(env, "reservations")
    env.sandbox.world.delete_reservation(gone)
    report = env.mirror().sync.run(env.account_id, full=True)
    assert report.state is RunState.SUCCESS
    assert report.resources[Resource.RESERVATIONS].counts.missing == 1
    assert sql.rows(
        env.database, f"SELECT raw_payload->>'id' FROM reservations WHERE id = {gone} AND missing_since IS NOT NULL"
    ) == [(str(gone),)]
    assert sql.rows(
        env.database, "SELECT missing FROM sync_run_resources WHERE resource = 'reservations' ORDER BY missing"
    ) == [
        (0,),
        (1,),
    ]
    assert env.differences() == {}


def test_new_message_of_a_deleted_reservation_is_read(sync_env: Build) -> None:
    """Only the stamp of the reservation moved, which is gone before a run sees it."""
    env = mirrored_env(sync_env, switches=Switches(deleted_reservation_keeps_threads=True))
    world = env.sandbox.world
    conversation_id, gone = single_thread(env)
    late = world.host_reply(conversation_id, via="ota", at=world.now - LONG_AGO)
    world.delete_reservation(gone)
    env.mirror().sync.run(env.account_id, full=True)
    assert late in env.rows("messages")
    assert env.differences() == {}


def test_row_marked_missing_is_not_requested_again(sync_env: Build) -> None:
    """A sweep sends a request only for rows that it finds missing itself."""
    env = mirrored_env(sync_env)
    env.sandbox.world.delete_reservation(first_of(env, "reservations"))
    mirror = env.mirror()
    mirror.sync.run(env.account_id, full=True)
    env.sandbox.forget()
    assert mirror.sync.run(env.account_id, full=True).resources[Resource.RESERVATIONS].counts.missing == 0
    assert env.sandbox.calls["GET /reservations/{id}"] == 0


def test_incremental_run_marks_no_row(sync_env: Build) -> None:
    """It lists only changes: other rows are not missing."""
    env = mirrored_env(sync_env)
    env.sandbox.world.delete_reservation(first_of(env, "reservations"))
    env.mirror().sync.run(env.account_id)
    assert sql.rows(env.database, MISSING) == []


def test_403_marks_no_row_until_two_distant_sweeps_agree(sync_env: Build) -> None:
    """The key may lack the right to it; after twenty hours it counts as gone."""
    env = mirrored_env(sync_env, switches=Switches(deleted_object=403))
    gone = first_of(env, "reservations")
    env.sandbox.world.delete_reservation(gone)
    mirror = env.mirror()
    assert mirror.sync.run(env.account_id, full=True).state is RunState.SUCCESS
    assert sql.rows(env.database, MISSING) == []
    mirror.sync.run(env.account_id, full=True)
    assert sql.rows(env.database, MISSING) == []
    sql.execute(env.database, "UPDATE reservations SET unlisted_since = unlisted_since - interval '20 hours'")
    mirror.sync.run(env.account_id, full=True)
    assert sql.rows(env.database, MISSING) == [(gone,)]


@pytest.mark.parametrize(("reservations", "deleted"), [(40, 15), (3, 3)])
def test_sudden_loss_of_many_rows_is_doubted(sync_env: Build, reservations: int, deleted: int) -> None:
    """Many at once, or all: no row is marked, the run fails, and --accept-missing marks them."""
    env = mirrored_env(sync_env, reservations=reservations, conversations=False)
    for row_id in list(env.truth("reservations"))[:deleted]:
        env.sandbox.world.delete_reservation(row_id)
    mirror = env.mirror()
    report = mirror.sync.run(env.account_id, full=True)
    assert report.state is RunState.PARTIAL
    assert f"{deleted} of {reservations} rows are no longer listed" in (report.error or "")
    assert "--accept-missing" in (report.error or "")
    assert sql.rows(env.database, MISSING) == []
    assert env.sandbox.calls["GET /reservations/{id}"] == 0
    accepted = mirror.sync.run(env.account_id, full=True, accept_missing=True)
    assert accepted.state is RunState.SUCCESS
    assert accepted.resources[Resource.RESERVATIONS].counts.missing == deleted
    assert env.differences() == {}


def test_row_that_is_listed_again_loses_the_mark(sync_env: Build) -> None:
    """It counts as updated, though its payload did not change."""
    env = mirrored_env(sync_env)
    back = first_of(env, "reservations")
    sql.execute(env.database, f"UPDATE reservations SET missing_since = now() - interval '1 day' WHERE id = {back}")
    report = env.mirror().sync.run(env.account_id, full=True)
    assert sql.rows(env.database, MISSING) == []
    assert report.resources[Resource.RESERVATIONS].counts.updated == 1


def test_unlisted_row_that_still_exists_stays(sync_env: Build) -> None:
    """GET says 200: the row is updated, and is no problem."""
    env = mirrored_env(sync_env, conversations=False, switches=Switches(reservations_count="absent"))
    hidden = first_of(env, "reservations")
    env.sandbox.faults.add(
        faults.change_rows(lambda rows: [row for row in rows if row["id"] != hidden]),
        route="GET /reservations",
        times=None,
    )
    report = env.mirror().sync.run(env.account_id, full=True)
    assert report.state is RunState.SUCCESS
    assert sql.rows(env.database, MISSING) == []
    assert env.sandbox.calls["GET /reservations/{id}"] == 1
    assert env.differences() == {}


def test_deleted_message_is_marked_when_its_thread_is_read(sync_env: Build) -> None:
    """For messages the walk is the thread; the `messages` view leaves it out."""
    env = mirrored_env(sync_env)
    message_id, message = next(iter(env.truth("messages").items()))
    env.sandbox.world.delete_message(message["conversationId"], message_id)
    report = env.mirror(threads_after_days=0).sync.run(env.account_id, full=True)
    assert report.resources[Resource.MESSAGES].counts.missing == 1
    assert env.differences() == {}
    shown = sql.rows(env.database, "SELECT jsonb_path_query(raw_messages, '$[*].id')::bigint FROM messages")
    assert (message_id,) not in shown


def test_messages_are_marked_missing_with_their_conversation(sync_env: Build) -> None:
    """No list has them any more, and their thread is not requested again."""
    env = mirrored_env(sync_env)
    conversation_id = first_of(env, "conversations")
    env.sandbox.world.delete_conversation(conversation_id)
    mirror = env.mirror()
    mirror.sync.run(env.account_id, full=True)
    assert env.differences() == {}
    env.sandbox.forget()
    mirror.sync.run(env.account_id, full=True)
    asked = [request for request in env.sandbox.requests if f"/conversations/{conversation_id}" in request.path]
    assert asked == []
