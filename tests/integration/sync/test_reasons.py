"""Why each request of a run was made, as its observer is told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import Town

    from hostaway_sync.model.api_calls import ApiCall
    from hostaway_sync.model.records import RunReport

    Build = Callable[..., Town]

MOVED = "messages: thread due, something moved at "


def a_mirrored_town(town: Build, **options: Any) -> Town:
    """Give a town that was mirrored in full."""
    here = town(**options)
    here.mirror().sync(here.account_id)
    return here


def explained(here: Town, settings: dict[str, Any] | None = None, **order: Any) -> tuple[RunReport, Counter[str]]:
    """Sync once more; give the report and how many requests each reason took, moments left out."""
    calls: list[ApiCall] = []
    report = here.mirror(**settings or {}).sync(here.account_id, observe=calls.append, **order)
    assert len(calls) == report.api_calls
    return report, Counter(call.why.partition(" since ")[0].partition(" at 2")[0] for call in calls)


def test_a_first_run_reads_everything_for_the_first_time(town: Build) -> None:
    """Three lists, and every thread."""
    here = town()
    _, reasons = explained(here)
    assert reasons == {
        "listings: everything, for the first time": 1,
        "reservations: everything, for the first time": 1,
        "conversations: everything, for the first time": 1,
        "messages: thread never read whole": len(here.truth("conversations")),
    }


def test_ten_changes_are_explained(town: Build) -> None:
    """What moved is listed; the threads of those that spoke are due; a payment costs nothing more."""
    here = a_mirrored_town(town, reservations=60)
    world = here.sandbox.world
    with_thread = sorted({row["reservationId"] for row in here.truth("conversations").values() if row["reservationId"]})
    for reservation_id in with_thread[:5]:
        world.guest_message(world.conversations_of(reservation_id)[0])
    for reservation_id in with_thread[5:10]:
        world.pay(reservation_id)
    threads = sum(len(world.conversations_of(reservation_id)) for reservation_id in with_thread[:5])
    _, reasons = explained(here)
    assert reasons == {
        "listings: what moved": 1,
        "reservations: what moved": 1,
        "messages: thread due, something moved": threads,
    }


def test_a_new_booking_is_explained(town: Build) -> None:
    """Its conversation is looked up, then read."""
    here = a_mirrored_town(town)
    here.sandbox.world.create_reservation()
    _, reasons = explained(here)
    assert reasons["conversations: none is known yet of a reservation that moved"] == 1
    assert reasons["messages: thread never read whole"] == 1


def test_a_sweep_is_explained(town: Build) -> None:
    """It is due, or was asked for; threads are read that nothing moved in for so long."""
    here = a_mirrored_town(town)
    _, reasons = explained(here, {"sweep_after_hours": 0, "threads_after_days": 0})
    assert reasons["reservations: everything, as from time to time; last 0 h ago"] == 1
    assert reasons["messages: thread not read whole for long"] > 0
    _, reasons = explained(here, full=True)
    assert reasons["conversations: everything, as asked for"] == 1


def test_a_message_that_waited_is_explained(town: Build) -> None:
    """Its time has passed, and no stamp tells what became of it."""
    here = a_mirrored_town(town)
    here.ask("UPDATE conversation_messages SET is_final = true RETURNING 1")
    here.ask(
        "UPDATE conversation_messages SET is_final = false, sent_at = now() - interval '1 hour' "
        "WHERE id = (SELECT min(id) FROM conversation_messages) RETURNING 1"
    )
    _, reasons = explained(here, full=True)
    assert reasons["messages: thread with one that waited for a time which has passed"] == 1


def test_a_row_that_is_no_longer_listed_is_explained(town: Build) -> None:
    """It is asked for itself."""
    here = a_mirrored_town(town)
    here.sandbox.world.delete_reservation(next(iter(here.truth("reservations"))))
    _, reasons = explained(here, full=True)
    assert reasons["reservations: is it gone? a whole walk did not list it"] == 1


def test_a_list_that_is_read_again_is_explained(town: Build) -> None:
    """A count that promises more than the list holds leaves a doubt."""
    here = town()
    promise = faults.status(200, b'{"status":"success","result":[],"count":9}')
    here.sandbox.faults.add(promise, route="GET /listings", times=2)
    report, reasons = explained(here, resources=(Resource.LISTINGS,))
    assert report.resources[Resource.LISTINGS].counts.seen == 3
    assert any("; again: " in why for why in reasons), reasons


def test_a_dry_run_says_what_it_would_cost(town: Build) -> None:
    """It asks what the run would ask."""
    here = a_mirrored_town(town)
    conversation = here.sandbox.world.conversations_of(here.truth("conversations").popitem()[1]["reservationId"])[0]
    here.sandbox.world.guest_message(conversation)
    _, planned = explained(here, dry_run=True)
    _, made = explained(here)
    assert planned.total() == made.total()
    assert planned["messages: this thread would be due now"] == made["messages: thread due, something moved"]
