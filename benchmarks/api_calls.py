"""API calls of full and incremental runs of an account of 787 reservations and 757 conversations, and why.

Each call is counted under the reason that `sync --explain` gives for it.

python benchmarks/api_calls.py
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stage import play, stage

from hostaway_sync.sandbox import Sandbox

if TYPE_CHECKING:
    from stage import Stage

MOVED = 10
SPOKEN = 5


def main() -> None:
    """Count the calls of a first run, of a run without changes, of one with changes, and of a sweep."""
    with Sandbox() as sandbox, stage("--reservations", "1") as on:
        on.environment["HOSTAWAY_SYNC_API_URL"] = sandbox.url
        world = sandbox.world
        bookings = sorted({row["reservationId"] for _, row in world.truth("conversations") if row["reservationId"]})
        show("first, full", on)
        show("nothing changed", on)
        for number, reservation_id in enumerate(bookings[:MOVED]):
            if number < SPOKEN:
                world.guest_message(world.conversations_of(reservation_id)[0])
            else:
                world.pay(reservation_id)
        show(f"{MOVED} changed, {SPOKEN} wrote", on)
        world.create_reservation()
        show("one new booking", on)
        show("daily sweep", on, "--full")


def show(what: str, on: Stage, *options: str) -> None:
    """Run a sync and print its calls by reason."""
    ended = play(on, "sync", str(on.account_id), "--explain", *options)
    print(f"{what}: {ended.output['api_calls']} calls in {ended.seconds:.2f} s ({ended.output['mode']})")
    for why, count in Counter(call["why"] for call in ended.output["calls"]).most_common():
        print(f"{count:>6}  {why}")


if __name__ == "__main__":
    main()
