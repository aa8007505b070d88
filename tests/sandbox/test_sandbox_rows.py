from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from hostaway_sync.sandbox import RESOURCES, Switches, World


@pytest.fixture(scope="module")
def world() -> World:
    """Return the usual account."""
    return World()


@pytest.mark.parametrize("resource", RESOURCES)
def test_equal_seeds_give_equal_rows_and_others_do_not(resource: str) -> None:
    """Two worlds of one seed hold the same; another seed holds something else."""
    first, second, other = (list(World(reservations=60, listings=3, seed=seed).truth(resource)) for seed in (5, 5, 6))
    assert first == second
    assert first != other


def test_another_process_makes_the_same_bytes() -> None:
    """A seed's bytes depend on nothing but the seed: not on hash randomisation, locale or time zone."""
    program = (
        "from hostaway_sync.sandbox import World; print(dict(World(reservations=40, listings=2).truth('messages')))"
    )
    environment = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Tokyo",
        "PYTHONUTF8": "1",
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(dict(World(reservations=40, listings=2).truth("messages")))


def test_reservations_are_as_large_and_as_patchy_as_real_ones(world: World) -> None:
    """About 117 keys and 3 to 6.5 kB; empty names, missing phones and mixed numbers as often as seen."""
    rows = dict(world.truth("reservations"))
    sizes = [len(world.reservation_text(*entry)) for entry in world.reservation_order.slice(0, 787)]
    assert 3_000 < min(sizes) <= max(sizes) < 6_500
    assert all(len(row) == 117 for row in rows.values())
    assert 0.08 < sum(row["guestName"] == "" for row in rows.values()) / 787 < 0.18
    assert 0.35 < sum(row["phone"] is None for row in rows.values()) / 787 < 0.55
    assert {type(row["totalPrice"]) for row in rows.values()} == {int, float}
    assert {row["hostawayReservationId"] == str(number) for number, row in rows.items()} == {True}
    assert "accountId" not in next(iter(rows.values()))
    undated = [row for row in rows.values() if row["isDatesUnspecified"]]
    assert undated
    assert all(row["nights"] == 0 and row["arrivalDate"] == row["departureDate"] for row in undated)
    statuses = Counter(row["status"] for row in rows.values())
    assert statuses["new"] > statuses["inquiry"] > statuses["cancelled"] > statuses["declined"] > 0


def test_activity_never_lies_above_the_last_update(world: World) -> None:
    """`insertedOn` ≤ `latestActivityOn` ≤ `updatedOn` on every row, often strictly."""
    rows = [row for _, row in world.truth("reservations")]
    assert all(row["insertedOn"] <= row["latestActivityOn"] <= row["updatedOn"] for row in rows)
    assert 250 < sum(row["latestActivityOn"] < row["updatedOn"] for row in rows) < 450


def test_some_guests_arrive_soon(world: World) -> None:
    """The clock of the world stands among the arrivals, so that next arrivals are not empty."""
    today = world.now.date().isoformat()
    assert sum(row["arrivalDate"] >= today for _, row in world.truth("reservations")) > 20


def test_listings_are_as_heavy_as_real_ones(world: World) -> None:
    """31 to 48 kB with 15 to 43 images and 69 to 97 amenities."""
    for number, row in world.truth("listings"):
        assert 31_000 <= len(world.listing_text(number)) <= 48_000
        assert 15 <= len(row["listingImages"]) <= 43
        assert 69 <= len(row["listingAmenities"]) <= 97
    assert any(row["specialStatus"] == "archived" for _, row in world.truth("listings"))


def test_a_conversation_embeds_its_last_message_and_reservation(world: World) -> None:
    """The copy is right about `updatedOn` and wrong about much else; some embedded messages lie in the future."""
    reservations = dict(world.truth("reservations"))
    messages: dict[int, int] = {}
    for number, row in world.truth("messages"):
        messages[row["conversationId"]] = max(number, messages.get(row["conversationId"], 0))
    waiting = 0
    for number, row in world.truth("conversations"):
        newest = [messages[number]] if number in messages else []
        assert [message["id"] for message in row["conversationMessages"]] == newest
        waiting += any(message["status"] == "awaiting" for message in row["conversationMessages"])
        copy = row["Reservation"]
        if row["reservationId"] is None:
            assert copy is None
            continue
        original = reservations[row["reservationId"]]
        assert copy["updatedOn"] == original["updatedOn"]
        assert (copy["listingName"], copy["latestActivityOn"], copy["customFieldValues"]) == ("", None, [])
        assert len(copy) == 111
    assert waiting


def test_a_reservation_is_never_behind_its_threads(world: World) -> None:
    """`latestActivityOn` is at least the later of a conversation's two stamps."""
    reservations = dict(world.truth("reservations"))
    kinds = Counter[int]()
    for _, row in world.truth("conversations"):
        if row["reservationId"] is None:
            continue
        kinds[row["reservationId"]] += 1
        stamps = (row["messageSentOn"] or "", row["messageReceivedOn"] or "")
        assert reservations[row["reservationId"]]["latestActivityOn"] >= max(stamps)
    assert max(kinds.values()) == 2


def test_threads_agree_with_their_conversations(world: World) -> None:
    """The last sent host message and the last guest message carry the conversation's stamps; sizes vary widely."""
    threads: dict[int, list[dict[str, object]]] = {number: [] for number, _ in world.truth("conversations")}
    for _, row in world.truth("messages"):
        threads[row["conversationId"]].append(row)
    for number, row in world.truth("conversations"):
        incoming = [str(message["insertedOn"]) for message in threads[number] if message["isIncoming"]]
        sent = [str(m["date"]) for m in threads[number] if m["status"] == "sent" and not m["isIncoming"]]
        assert max(incoming, default=None) == row["messageReceivedOn"]
        assert max(sent, default=None) == row["messageSentOn"]
    sizes = sorted(len(thread) for thread in threads.values())
    assert sizes[0] == 0
    assert sizes[-1] >= 300
    statuses = {str(message["status"]) for thread in threads.values() for message in thread}
    assert statuses >= {"sent", "awaiting", "paused", "failed", "cancelled_by_user", "cancelled_by_system"}


def test_every_text_is_json_of_pure_ascii(world: World) -> None:
    """Rows are escaped as PHP does it, so that their bytes are the same in every encoding."""
    for _, number in world.conversation_order.slice(0, 50):
        text = str(world.conversation_text(number))
        assert text.isascii()
        assert json.loads(text)["id"] == number


@pytest.mark.parametrize(("setting", "blank"), [("null", None), ("empty", ""), ("zeros", "0000-00-00 00:00:00")])
def test_empty_times_are_written_as_the_switch_says(setting: str, blank: str | None) -> None:
    """Null, an empty text or zeros, on reservations and conversations alike."""
    world = World(reservations=120, switches=Switches(blank_times=setting))  # type: ignore[arg-type]  # a plain value where a literal is declared
    assert {row["pendingExpireDate"] for _, row in world.truth("reservations")} == {blank}
    assert blank in {row["messageReceivedOn"] for _, row in world.truth("conversations")}


def test_the_truth_of_an_unknown_resource_is_refused(world: World) -> None:
    """A misspelt name must not look like an empty list."""
    with pytest.raises(ValueError, match="none of listings"):
        next(world.truth("tasks"))


def test_counts_are_those_of_the_truth(world: World) -> None:
    """Counting and listing agree for every resource."""
    assert world.counts() == {resource: sum(1 for _ in world.truth(resource)) for resource in RESOURCES}
