"""How fast the HTTP API answers with 1,000,000 reservations, the server held to one core, asked at a fixed rate.

One caller has an account of 10,000 reservations, asks for one reservation 200 times a second, then for pages of 100 ten
times a second. `h2load` (Debian's `nghttp2-client`) asks, and does not wait for slow answers before it asks again.
Prints milliseconds, and how busy the machine was: with other work on the core the slowest answers tell of that.

    python benchmarks/api.py                1,000,000 reservations
    python benchmarks/api.py 100000
"""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from core_views import ACCOUNTS, fill
from stage import temporary_server

from hostaway_sync.app.api_keys import ApiKeyRequest
from hostaway_sync.app.mirror import Mirror
from hostaway_sync.model.callers import Access, Scope
from hostaway_sync.settings import load_settings
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = 7
SECONDS = 20
CLIENTS = 2
CORE = "0"
FAST = 200
OK = 200
START_S = 60
MASTER_KEY = base64.b64encode(b"b" * 32).decode()


def main() -> None:
    """Measure on an embedded server that is deleted afterwards."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with temporary_server() as server, tempfile.TemporaryDirectory() as home:
        with closing(Database(server.url(), schema="hostaway")) as database:
            fill(database, count)
        wanted: dict[str, Any] = {"database_url": server.url(), "data_dir": home, "master_key": MASTER_KEY}
        with Mirror(load_settings(**wanted)) as mirror:
            request = ApiKeyRequest("benchmark", Access.of_accounts([ACCOUNT]), frozenset({Scope.READ}))
            key = mirror.api_keys.create(request, datetime.now(UTC)).token.get_secret_value()
        with serving({f"HOSTAWAY_SYNC_{name.upper()}": str(value) for name, value in wanted.items()}) as base:
            print(f"{count:,} reservations of {ACCOUNTS} accounts; the server on one core")
            first = ACCOUNT * 1_000_000
            singles = [f"{base}/api/v1/reservations/{first + n}" for n in range(1, count // ACCOUNTS, 7)]
            measure("one reservation, 200 a second", 15, singles, FAST, key)
            measure("a page of 100, 10 a second", 60, pages(base, key), 10, key)


@contextmanager
def serving(settings: dict[str, str]) -> Iterator[str]:
    """Start the API on one core, and yield its URL."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = ["taskset", "-c", CORE, sys.executable, "-m", "hostaway_sync", "serve-api", "--port", str(port)]
    # Callers are limited by default; this is about what the server can do.
    unlimited = {"HOSTAWAY_SYNC_API_RATE_LIMIT": "1000000/1"}
    server = subprocess.Popen(command, env={**os.environ, **unlimited, **settings}, stderr=subprocess.DEVNULL)
    try:
        wait_until_healthy(base := f"http://127.0.0.1:{port}")
        yield base
    finally:
        server.terminate()
        server.wait()


def wait_until_healthy(base: str) -> None:
    """Return when the API answers."""
    until = time.monotonic() + START_S
    while True:
        try:
            httpx.get(f"{base}/health")
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def pages(base: str, key: str) -> list[str]:
    """Return the URLs of the first pages of the reservations."""
    urls: list[str] = []
    following = ""
    while following is not None and len(urls) < 20:  # noqa: PLR2004  (as many as vary what is read)
        urls.append(f"{base}/api/v1/reservations" + (f"?cursor={following}" if following else ""))
        following = httpx.get(urls[-1], headers={"X-API-Key": key}, timeout=30).json()["next"]
    return urls


def measure(title: str, target: int, urls: list[str], rate: int, key: str) -> None:
    """Print how long answers take at a fixed rate."""
    with tempfile.TemporaryDirectory() as name:
        listed, logged = Path(name, "urls"), Path(name, "log")
        listed.write_text("\n".join(urls) + "\n")
        load = [
            str(value) for value in (*("--rps", rate // CLIENTS, "-c", CLIENTS), *("-i", listed), "--log-file", logged)
        ]
        command = ["h2load", "--h1", "-H", f"X-API-Key: {key}", *load]
        subprocess.run([*command, "-n", str(rate * 2)], check=True, stdout=subprocess.DEVNULL)
        logged.unlink()
        subprocess.run([*command, "-n", str(rate * SECONDS)], check=True, stdout=subprocess.DEVNULL)
        answers = [line.split("\t") for line in logged.read_text().splitlines()]
    refused = sum(int(status) != OK for _, status, _ in answers)
    times = sorted(int(microseconds) / 1000 for _, _, microseconds in answers)
    middle, slow = times[len(times) // 2], times[len(times) * 99 // 100]
    load_now = os.getloadavg()[0]
    print(
        f"  {title:<32}p50 {middle:7.2f}  p99 {slow:7.2f} (target {target}), {len(times):,} answers, {refused} refused"
    )
    print(f"  {'':<32}load of the machine {load_now:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
