"""From the delivery about a stay until the days that it takes are in their table: worker and database here, limits off.

The worker waits two seconds for more changes of the account, so that a burst costs one call a listing.

    python benchmarks/calendar_deliveries.py          200 bookings, 10 a second, on 50 listings
    python benchmarks/calendar_deliveries.py 40 5     40 bookings, 5 a second
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from inbox import fill, number, numbers, run, settings_of
from stage import play, stage

from hostaway_sync.app.container import Container
from hostaway_sync.sandbox import Sandbox
from hostaway_sync.settings import load_settings

LISTINGS = 50
PATIENCE = 60
# Where no seeded stay is.
FIRST_DAY = 250
# How long after its delivery was stored the transaction began that wrote the first night of each stay.
AGES = """
SELECT (extract(epoch FROM d.updated_at - w.created_at) * 1000)::bigint
FROM hostaway.webhook_log AS w
JOIN hostaway.reservations AS r ON r.account_id = w.account_id AND r.id::text = w.object_id::text
JOIN hostaway.calendar_days AS d
  ON d.account_id = r.account_id AND d.listing_id = r.listing_id AND d.date = r.arrival_date AND d.status = 'reserved'
WHERE d.updated_at > w.created_at
"""


def main() -> None:
    """Book stays at the rate given, and print how long their days took."""
    bookings, rate = [int(word) for word in sys.argv[1:]] or [200, 10]
    with Sandbox(listings=LISTINGS, reservations=100) as sandbox, stage("--reservations", "1") as on:
        on.environment["HOSTAWAY_SYNC_API_URL"] = sandbox.url
        container = Container(load_settings(**settings_of(on)))
        play(on, "sync", str(on.account_id))
        # So that a day's time of change tells of the bookings.
        run(container, "UPDATE hostaway.calendar_days SET updated_at = '2000-01-01'")
        sandbox.forget()
        worker = subprocess.Popen([sys.executable, "-m", "hostaway_sync", "worker"], env=on.environment)
        try:
            fill(container, on.account_id, numbers(container, "SELECT id FROM hostaway.reservations LIMIT 1"))
            while number(container, "SELECT count(*) FROM hostaway.webhook_log WHERE status = 'processed'") < 1:
                time.sleep(0.1)
            listings = sorted(sandbox.world.listing_ids)
            for index in range(bookings):
                arrival = datetime.now(UTC).date() + timedelta(days=FIRST_DAY + 4 * (index // LISTINGS))
                booked = sandbox.world.create_reservation(
                    listingMapId=listings[index % LISTINGS],
                    arrivalDate=arrival.isoformat(),
                    departureDate=(arrival + timedelta(days=2)).isoformat(),
                )
                fill(container, on.account_id, [booked])
                time.sleep(1 / rate)
            ages = _wait(container, bookings)
        finally:
            worker.terminate()
            worker.wait()
        calls = sandbox.calls["GET /listings/{id}/calendar"]
        container.close()
    cuts = statistics.quantiles(ages, n=100)
    print(f"{bookings} bookings, {rate} a second, on {LISTINGS} listings: their days in {calls} calls for calendars")
    print(f"  in their table after: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, max {max(ages):.0f} ms")


def _wait(container: Container, wanted: int) -> list[int]:
    deadline = time.monotonic() + PATIENCE
    while len(ages := numbers(container, AGES)) < wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"the days of {wanted - len(ages)} bookings did not come")
        time.sleep(0.2)
    return ages


if __name__ == "__main__":
    main()
