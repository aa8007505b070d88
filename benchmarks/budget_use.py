"""How much of the request budget is used when there is work: two processes, two accounts, one address, 200 in 10 s.

The sandbox enforces the limit as Hostaway documents it and counts refusals; any 429 is a failure.

    python benchmarks/budget_use.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from hostaway_sync.records import Bucket
from hostaway_sync.store import schema
from hostaway_sync.store.budget import DatabaseBudget
from hostaway_sync.store.embedded import EmbeddedPostgres
from hostaway_sync.store.engine import Database

WINDOW = timedelta(seconds=10)
LIMIT = 200
PROCESSES = 2
THREADS = 4
SECONDS = 45

WORKER = """
import sys, threading, time
from datetime import timedelta
from hostaway_sync.records import Bucket
from hostaway_sync.store.budget import DatabaseBudget
from hostaway_sync.store.engine import Database
database = Database(sys.argv[1])
budget = DatabaseBudget(database)
buckets = [Bucket("ip:benchmark", {limit}, timedelta(seconds={window})), Bucket("account:" + sys.argv[2], {limit}, timedelta(seconds={window}))]
end = time.time() + {seconds}
def work():
    while True:
        grant = budget.reserve(buckets)
        if time.time() + grant.wait.total_seconds() > end:
            return
        time.sleep(grant.wait.total_seconds())
        print(time.time(), flush=True)
threads = [threading.Thread(target=work) for _ in range({threads})]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def main() -> None:
    """Send nothing, note when each request would leave, and look at every window."""
    directory = Path(tempfile.mkdtemp(prefix="hostaway-sync-benchmark-"))
    directory.chmod(0o711)
    postgres = EmbeddedPostgres(directory / "pg")
    postgres.start()
    database = Database(postgres.url(), embedded=postgres)
    schema.upgrade(database)
    DatabaseBudget(database).reserve([Bucket("warm", 1, WINDOW)])
    code = WORKER.format(limit=LIMIT, window=WINDOW.total_seconds(), seconds=SECONDS, threads=THREADS)
    workers = [
        subprocess.Popen([sys.executable, "-c", code, postgres.url(), str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    sent = sorted(float(line) for worker in workers for line in worker.communicate()[0].split())
    database.close()
    gaps = [later - earlier for earlier, later in zip(sent, sent[LIMIT:], strict=False)]
    # The first full window is free; from then on every request had to wait for its place.
    span = sent[-1] - sent[0]
    ideal = LIMIT * (1 + int(span // WINDOW.total_seconds()))
    print(f"{len(sent)} requests in {span:.1f} s from {PROCESSES} processes; the limit allows {ideal}")
    print(
        f"use {len(sent) / ideal:.1%}; shortest span of {LIMIT + 1} requests {min(gaps):.3f} s (limit {WINDOW.total_seconds():.0f} s)"
    )


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"({time.perf_counter() - began:.0f} s)")
