"""How much of the request budget is used when there is work: two processes, two accounts, one address, 200 in 10 s.

The stand-in enforces the limits as Hostaway documents them and counts what it refuses. Both are first syncs, which
start fast and then go evenly; use is measured over the windows in which they never ran out of work. One request
of each window is kept for the urgent, and two per cent of its time for the way.

    python benchmarks/budget_use.py
"""

from __future__ import annotations

import json
import subprocess
import sys

from stage import stage

from hostaway_sync.sandbox import AccountSpec, Sandbox

LIMIT = 200
WINDOW_SECONDS = 10
ACCOUNTS = (70001, 70002)
RESERVATIONS = 480


def main() -> None:
    """Sync two accounts from two processes at once, and print when the requests came."""
    specs = [AccountSpec(id=account_id, reservations=RESERVATIONS) for account_id in ACCOUNTS]
    with (
        Sandbox(accounts=specs, rate_limits="new") as sandbox,
        stage("--reservations", "1", limits=f"{LIMIT}/{WINDOW_SECONDS}") as on,
    ):
        environment = on.environment | {"HOSTAWAY_SYNC_API_URL": sandbox.url}
        for spec in specs:
            environment["HOSTAWAY_SYNC_CLIENT_SECRET"] = spec.secret
            add = ["account", "add", str(spec.id), "--no-sync"]
            if spec.id != on.account_id:
                subprocess.run([sys.executable, "-m", "hostaway_sync", *add], env=environment, check=True)
        sandbox.forget()
        runs = [
            subprocess.Popen(
                [sys.executable, "-m", "hostaway_sync", "sync", str(spec.id), "--json"],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )
            for spec in specs
        ]
        states = [json.loads(run.communicate()[0])["state"] for run in runs]
        times = sorted(request.time for request in sandbox.requests)
        refused = sum(request.status == 429 for request in sandbox.requests)  # noqa: PLR2004  (too many requests)
        busiest = sandbox.max_in_window("ip:127.0.0.1")
    # Only whole windows say anything: in the first one lists are walked, page after page; in the last the work ran out.
    began = times[0] + WINDOW_SECONDS
    windows = int((times[-1] - began) // WINDOW_SECONDS)
    sent = sum(began <= time < began + windows * WINDOW_SECONDS for time in times)
    print(f"{len(times)} requests of {len(ACCOUNTS)} processes in {times[-1] - times[0]:.1f} s, states {states}")
    print(f"429 answers: {refused}; most requests in any {WINDOW_SECONDS} s: {busiest} of {LIMIT}")
    print(f"use over {windows} whole windows: {sent / (windows * LIMIT):.1%}")


if __name__ == "__main__":
    main()
