"""A year of days of many listings: first, unchanged, and after some days changed; limits off.

Prints seconds, days a second, peak memory and calls; last a run in which no calendar is due.

    python benchmarks/calendar_days.py               1,000 listings
    python benchmarks/calendar_days.py 100 1000      at two sizes
"""

from __future__ import annotations

import sys

from stage import play, stage

HORIZON = 363  # with yesterday and today: a year


def main() -> None:
    """Measure each size given."""
    sizes = [int(size) for size in sys.argv[1:]] or [1_000]
    print(f"{'listings':>8} {'run':>10} {'seconds':>8} {'days/s':>8} {'peak MB':>8} {'calls':>6} {'cpu':>6}")
    for size in sizes:
        with stage("--listings", str(size), "--reservations", str(5 * size), "--rate-limits", "off") as on:
            on.environment.update(HOSTAWAY_SYNC_CALENDAR_DAYS=str(HORIZON), HOSTAWAY_SYNC_CALENDAR_AFTER_HOURS="0")
            play(on, "sync", str(on.account_id), "--resource", "listings")
            for run in ("first", "unchanged", "unchanged"):
                ended = play(on, "sync", str(on.account_id), "--resource", "calendar")
                seen = ended.output["resources"]["calendar"]["seen"]
                assert seen > 300 * size, seen  # noqa: S101  (figures of an incomplete run mean nothing)
                print(
                    f"{size:>8,} {run:>10} {ended.seconds:>8.2f} {seen / ended.seconds:>8,.0f} "
                    f"{ended.peak_mb:>8.1f} {ended.output['api_calls']:>6} {ended.cpu:>6.2f}"
                )
            on.environment["HOSTAWAY_SYNC_CALENDAR_AFTER_HOURS"] = "20"
            play(on, "sync", str(on.account_id), "--resource", "calendar")  # sets turns that lie ahead
            idle = play(on, "sync", str(on.account_id), "--resource", "calendar")
            calls = idle.output["api_calls"]
            print(
                f"{size:>8,} {'idle':>10} {idle.seconds:>8.2f} {'':>8} {idle.peak_mb:>8.1f} {calls:>6} {idle.cpu:>6.2f}"
            )


if __name__ == "__main__":
    main()
