"""API calls of full and incremental runs of an account of 787 reservations and 757 conversations, and what caused them.

python benchmarks/api_calls.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.sandbox import Sandbox
from stage import play, stage

if TYPE_CHECKING:
    from stage import Stage

MOVED = 10
SPOKEN = 5


def main() -> None:
    """Count the calls of a first run, of runs after nothing and after something changed, and of a sweep."""
    with Sandbox() as sandbox, stage("--reservations", "1") as on:
        on.environment["HOSTAWAY_SYNC_API_URL"] = sandbox.url
        world = sandbox.world
        bookings = sorted({row["reservationId"] for _, row in world.truth("conversations") if row["reservationId"]})
        show("first, full", on, sandbox)
        show("nothing changed", on, sandbox)
        for number, reservation_id in enumerate(bookings[:MOVED]):
            if number < SPOKEN:
                world.guest_message(world.conversations_of(reservation_id)[0])
            else:
                world.pay(reservation_id)
        show(f"{MOVED} changed, {SPOKEN} wrote", on, sandbox)
        world.create_reservation()
        show("one new booking", on, sandbox)
        show("daily sweep", on, sandbox, "--full")


def show(what: str, on: Stage, sandbox: Sandbox, *options: str) -> None:
    """Run a sync and print its calls by route."""
    sandbox.forget()
    ended = play(on, "sync", str(on.account_id), *options)
    routes = ", ".join(f"{count} {route}" for route, count in sorted(sandbox.calls.items()))
    print(
        f"{what:>22}: {ended.output['api_calls']:>4} calls in {ended.seconds:.2f} s ({ended.output['mode']}): {routes}"
    )


if __name__ == "__main__":
    main()
