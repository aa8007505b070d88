"""Does a large first sync starve small daily ones? Forty accounts alone, then beside one of 20,000 reservations.

The stand-in enforces the limits as Hostaway documents them, 200 requests in 10 s for all accounts together, and counts
what it refuses. The large first sync is left to itself until it has filled a window, then the forty are synced.

    python benchmarks/fleet.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from stage import Stage, play, stage

from hostaway_sync.sandbox import AccountSpec, Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = 200
WINDOW_SECONDS = 10
FIRST_ID = 70001
SMALL = [AccountSpec(id=FIRST_ID + number, reservations=10, listings=2) for number in range(40)]
LARGE = AccountSpec(id=60001, reservations=20_000)
JOBS = (1, 4)
# Threads are read by now, several at once, and every slot that comes free is taken.
WARM = 500
TOO_MANY = 429


def main() -> None:
    """Time forty small accounts alone and beside a large one, and count the requests that the sandbox got meanwhile."""
    with (
        Sandbox(accounts=[*SMALL, LARGE], rate_limits="new", token_delay=0) as sandbox,
        stage("--reservations", "1", limits=f"{LIMIT}/{WINDOW_SECONDS}") as on,
    ):
        on.environment["HOSTAWAY_SYNC_API_URL"] = sandbox.url
        for spec in SMALL:
            if spec.id != on.account_id:
                _add(on, spec)
        play(on, "sync-all")
        for jobs in JOBS:
            _rest()
            _print(f"alone, --jobs {jobs}", sandbox, *_sync_all(on, jobs))
        _add(on, LARGE)
        large = subprocess.Popen(
            [sys.executable, "-m", "hostaway_sync", "sync", str(LARGE.id)],
            env=on.environment,
            stderr=subprocess.DEVNULL,
        )
        while sum(request.account_id == LARGE.id for request in list(sandbox.requests)) < WARM:
            time.sleep(1)
        for jobs in JOBS:
            _print(f"beside the large one, --jobs {jobs}", sandbox, *_sync_all(on, jobs))
            _print_waits(on)
            # What came for the forty is over, and the large one has the budget to itself again.
            _rest()
            _rest()
        began = time.time()
        _rest()
        _print("the large one alone again", sandbox, began, time.time())
        large.terminate()
        large.wait()
        refused = sum(request.status == TOO_MANY for request in sandbox.requests)
        print(f"429 answers in all: {refused}; most requests in any window: {sandbox.max_in_window('ip:127.0.0.1')}")


def _add(on: Stage, spec: AccountSpec) -> None:
    environment = on.environment | {"HOSTAWAY_SYNC_CLIENT_SECRET": spec.secret}
    add = [sys.executable, "-m", "hostaway_sync", "account", "add", str(spec.id), "--no-sync"]
    subprocess.run(add, env=environment, check=True)


def _rest() -> None:
    time.sleep(WINDOW_SECONDS * 1.1)


def _sync_all(on: Stage, jobs: int) -> tuple[float, float]:
    began = time.time()
    ended = play(on, "sync-all", "--jobs", str(jobs))
    states = [account["state"] for account in ended.output["accounts"]]
    if states.count("success") != len(SMALL):
        raise SystemExit(f"not all were synced: {json.dumps(states)}")
    return began, time.time()


def _print_waits(on: Stage) -> None:
    """Print how long the budget held back the requests of some small accounts, apart from the load of the machine."""
    runs = [play(on, "sync", str(spec.id), "--explain").output for spec in SMALL[:8]]
    waits = sorted(call["waited"] for run in runs for call in run["calls"])
    print(f"    held back by the budget: {sum(waits) / len(waits):.2f} s a call in the mean, {waits[-1]:.2f} s at most")


def _print(title: str, sandbox: Sandbox, began: float, ended: float) -> None:
    calls: Sequence[int | None] = [
        request.account_id for request in list(sandbox.requests) if began <= request.time <= ended
    ]
    large = calls.count(LARGE.id)
    print(
        f"{title}: {ended - began:.1f} s, {len(calls) - large} calls for the small, {large} for the large", flush=True
    )


if __name__ == "__main__":
    main()
