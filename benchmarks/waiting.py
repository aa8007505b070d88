"""Deliveries that wait: 10,000 about 2,000 bookings, worked off by one worker within the limits of Hostaway.

Five wait for each booking and are one request. The stand-in enforces the limits as Hostaway documents them.

    python benchmarks/waiting.py
"""

from __future__ import annotations

from inbox import fill, numbers, run, settings_of, settled
from stage import play, stage

from hostaway_sync.app.container import Container
from hostaway_sync.settings import load_settings

BOOKINGS = 2_000
EACH = 5
LIMIT = "200/10"


def main() -> None:
    """Store the deliveries without a worker, and measure how long one worker takes for all of them."""
    with stage("--reservations", str(BOOKINGS), "--no-conversations", limits=LIMIT) as on:
        container = Container(load_settings(**settings_of(on)))
        play(on, "sync", str(on.account_id))
        ids = numbers(container, "SELECT id FROM hostaway.reservations ORDER BY id")
        run(container, "UPDATE hostaway.reservations SET thread_due_at = NULL")
        for _ in range(EACH):
            fill(container, on.account_id, ids)
        ended = play(on, "worker", "--drain", json_output=False)
        settled(container, EACH * len(ids))
        print(f"{EACH * len(ids)} deliveries about {len(ids)} bookings in {ended.seconds:.1f} s")
        print(f"{len(ids) / ended.seconds:.1f} readings a second", end="; ")
        print(f"the limit is {LIMIT} s; {ended.cpu:.0f} s of processor time, {ended.peak_mb:.0f} MB")
        container.close()


if __name__ == "__main__":
    main()
