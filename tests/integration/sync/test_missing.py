from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import Town

    Build = Callable[..., Town]

MISSING = "SELECT id FROM reservations WHERE missing_since IS NOT NULL"


def a_mirrored_town(town: Build, **options: Any) -> Town:
    """Give a town that was mirrored in full."""
    here = town(**options)
    here.mirror().sync(here.account_id)
    return here


def first_of(here: Town, resource: str) -> int:
    """Give the id of one row that the source has."""
    return int(next(iter(here.truth(resource))))


def test_a_deleted_reservation_is_marked_and_keeps_its_row(town: Build) -> None:
    """A whole walk left it out and a GET says 404: the row and its last payload stay."""
    here = a_mirrored_town(town)
    gone = first_of(here, "reservations")
    here.sandbox.world.delete_reservation(gone)
    report = here.mirror().sync(here.account_id, full=True)
    assert report.state is RunState.SUCCESS
    assert report.resources[Resource.RESERVATIONS].counts.missing == 1
    assert here.ask(f"SELECT raw_payload->>'id' FROM reservations WHERE id = {gone} AND missing_since IS NOT NULL") == [
        (str(gone),)
    ]
    assert here.ask("SELECT missing FROM sync_run_resources WHERE resource = 'reservations' ORDER BY missing") == [
        (0,),
        (1,),
    ]
    assert here.differences() == {}


def test_what_is_missing_already_is_not_asked_for_again(town: Build) -> None:
    """Every sweep costs a request only for what it finds gone itself."""
    here = a_mirrored_town(town)
    here.sandbox.world.delete_reservation(first_of(here, "reservations"))
    mirror = here.mirror()
    mirror.sync(here.account_id, full=True)
    here.sandbox.forget()
    assert mirror.sync(here.account_id, full=True).resources[Resource.RESERVATIONS].counts.missing == 0
    assert here.sandbox.calls["GET /reservations/{id}"] == 0


def test_an_incremental_run_marks_nothing(town: Build) -> None:
    """It lists only what changed: what it leaves out is not gone."""
    here = a_mirrored_town(town)
    here.sandbox.world.delete_reservation(first_of(here, "reservations"))
    here.mirror().sync(here.account_id)
    assert here.ask(MISSING) == []


def test_403_proves_nothing_until_sweeps_far_apart_agree(town: Build) -> None:
    """The object may also be one that the key may not read; after twenty hours it is gone."""
    here = a_mirrored_town(town, switches=Switches(deleted_object=403))
    gone = first_of(here, "reservations")
    here.sandbox.world.delete_reservation(gone)
    mirror = here.mirror()
    assert mirror.sync(here.account_id, full=True).state is RunState.SUCCESS
    assert here.ask(MISSING) == []
    mirror.sync(here.account_id, full=True)
    assert here.ask(MISSING) == []
    here.ask("UPDATE reservations SET unlisted_since = unlisted_since - interval '20 hours' RETURNING 1")
    mirror.sync(here.account_id, full=True)
    assert here.ask(MISSING) == [(gone,)]


@pytest.mark.parametrize(("reservations", "deleted"), [(40, 15), (3, 3)])
def test_sudden_emptiness_is_not_believed(town: Build, reservations: int, deleted: int) -> None:
    """Many at once, or all: nothing is marked, the run fails loudly, and --accept-missing lets it pass."""
    here = a_mirrored_town(town, reservations=reservations, conversations=False)
    for row_id in list(here.truth("reservations"))[:deleted]:
        here.sandbox.world.delete_reservation(row_id)
    mirror = here.mirror()
    report = mirror.sync(here.account_id, full=True)
    assert report.state is RunState.PARTIAL
    assert f"{deleted} of {reservations} rows are no longer listed" in (report.error or "")
    assert "--accept-missing" in (report.error or "")
    assert here.ask(MISSING) == []
    assert here.sandbox.calls["GET /reservations/{id}"] == 0
    accepted = mirror.sync(here.account_id, full=True, accept_missing=True)
    assert accepted.state is RunState.SUCCESS
    assert accepted.resources[Resource.RESERVATIONS].counts.missing == deleted
    assert here.differences() == {}


def test_a_row_that_is_listed_again_loses_the_mark(town: Build) -> None:
    """It counts as updated, though its payload did not change."""
    here = a_mirrored_town(town)
    back = first_of(here, "reservations")
    here.ask(f"UPDATE reservations SET missing_since = now() - interval '1 day' WHERE id = {back} RETURNING 1")
    report = here.mirror().sync(here.account_id, full=True)
    assert here.ask(MISSING) == []
    assert report.resources[Resource.RESERVATIONS].counts.updated == 1


def test_a_row_that_is_there_though_not_listed_stays(town: Build) -> None:
    """GET says 200: it is brought up to date, and is nothing to worry about."""
    here = a_mirrored_town(town, conversations=False, switches=Switches(reservations_count="absent"))
    hidden = first_of(here, "reservations")
    here.sandbox.faults.add(
        faults.change_rows(lambda rows: [row for row in rows if row["id"] != hidden]),
        route="GET /reservations",
        times=None,
    )
    report = here.mirror().sync(here.account_id, full=True)
    assert report.state is RunState.SUCCESS
    assert here.ask(MISSING) == []
    assert here.sandbox.calls["GET /reservations/{id}"] == 1
    assert here.differences() == {}


def test_a_deleted_message_is_marked_when_its_thread_is_read_whole(town: Build) -> None:
    """For messages the walk is the thread; the `messages` view leaves it out."""
    here = a_mirrored_town(town)
    message_id, message = next(iter(here.truth("messages").items()))
    here.sandbox.world.delete_message(message["conversationId"], message_id)
    report = here.mirror(threads_after_days=0).sync(here.account_id, full=True)
    assert report.resources[Resource.MESSAGES].counts.missing == 1
    assert here.differences() == {}
    shown = here.ask("SELECT jsonb_path_query(raw_messages, '$[*].id')::bigint FROM messages")
    assert (message_id,) not in shown


def test_with_a_conversation_go_its_messages(town: Build) -> None:
    """Nobody lists them any more, and their thread is not asked for again."""
    here = a_mirrored_town(town)
    conversation_id = first_of(here, "conversations")
    here.sandbox.world.delete_conversation(conversation_id)
    mirror = here.mirror()
    mirror.sync(here.account_id, full=True)
    assert here.differences() == {}
    here.sandbox.forget()
    mirror.sync(here.account_id, full=True)
    asked = [request for request in here.sandbox.requests if f"/conversations/{conversation_id}" in request.path]
    assert asked == []
