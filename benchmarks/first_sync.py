"""First full sync of many reservations, and the same again when nothing changed; limits off.

Prints seconds, rows a second and peak memory; with several sizes, whether memory grows with the account.

    python benchmarks/first_sync.py                  50,000 reservations
    python benchmarks/first_sync.py 10000 1000000    memory at two sizes, which takes some minutes
"""

from __future__ import annotations

import sys

from stage import play, stage


def main() -> None:
    """Measure each size given."""
    sizes = [int(size) for size in sys.argv[1:]] or [50_000]
    print(f"{'reservations':>12} {'run':>10} {'seconds':>8} {'rows/s':>8} {'peak MB':>8} {'calls':>6}")
    for size in sizes:
        with stage("--reservations", str(size), "--rate-limits", "off") as on:
            for run in ("first", "unchanged"):
                ended = play(on, "sync", str(on.account_id), "--full", "--resource", "reservations")
                counts = ended.output["resources"]["reservations"]
                assert counts["seen"] == size, counts  # noqa: S101  (figures of an incomplete run mean nothing)
                print(
                    f"{size:>12,} {run:>10} {ended.seconds:>8.2f} {size / ended.seconds:>8,.0f} "
                    f"{ended.peak_mb:>8.1f} {ended.output['api_calls']:>6}"
                )


if __name__ == "__main__":
    main()
