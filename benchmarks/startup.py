"""How long `--help` takes, and an idle `sync` beyond its HTTP time would not be there without its imports.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15


def main() -> None:
    """Print the median and the slowest of some runs."""
    for arguments in (["--help"], ["sync", "--help"], ["--version"]):
        seconds = []
        for _ in range(RUNS):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-m", "hostaway_sync", *arguments], check=True, capture_output=True)
            seconds.append(time.perf_counter() - began)
        median, slowest = statistics.median(seconds) * 1000, max(seconds) * 1000
        print(f"{' '.join(arguments):>12}: median {median:.0f} ms, max {slowest:.0f} ms")


if __name__ == "__main__":
    main()
