"""Automations: from the commit of a change until its request arrives, and what a dead consumer costs the others.

Prints the time from the commit of a change to the arrival of its request, with a worker at work and changes that come
one at a time; then how long 1,000 changes take to reach four consumers while a fifth is dead, and how long 1,000 take
to reach one. All parts are on this machine.

    python benchmarks/automations.py                  300 changes one at a time, then 1,000 at once
    python benchmarks/automations.py 50 100           fewer
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from inbox import run, settings_of
from stage import play, stage

from hostaway_sync.app.container import Container
from hostaway_sync.app.jobs.automations import Automations
from hostaway_sync.settings import load_settings
from hostaway_sync.store.automations.states import AutomationRequest
from hostaway_sync.store.automations.work import DispatchDeferral

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = 50
_WRITE = """
INSERT INTO hostaway.changes (account_id, resource, record_id, change, cause, position)
SELECT {account}, 'reservations', number % {records}, 'updated', 'sync', pg_current_xact_id()::text::bigint
FROM generate_series(1, {number}) AS number
"""


class Consumer(ThreadingHTTPServer):
    """Notes when each event arrives; answers with `status`."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, status: int = 204) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.arrivals: dict[str, float] = {}
        self.requests = 0
        self.heard = threading.Condition()

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def wait_for(self, number: int) -> None:
        """Return when so many events have arrived."""
        with self.heard:
            self.heard.wait_for(lambda: len(self.arrivals) >= number)


class _Handler(BaseHTTPRequestHandler):
    server: Consumer

    def do_POST(self) -> None:
        now = time.monotonic()
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.heard:
            self.server.requests += 1
            self.server.arrivals.setdefault(self.headers["webhook-id"], now)
            self.server.heard.notify_all()
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def consuming(*statuses: int) -> Iterator[list[Consumer]]:
    """Serve consumers that answer with these statuses."""
    made = [Consumer(status) for status in statuses]
    for consumer in made:
        threading.Thread(target=consumer.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield made
    finally:
        for consumer in made:
            consumer.shutdown()
            consumer.server_close()


@contextmanager
def working(environment: dict[str, str]) -> Iterator[None]:
    """Have a worker at work."""
    worker = subprocess.Popen([sys.executable, "-m", "hostaway_sync", "worker"], env=environment)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait()


def write(container: Container, account_id: int, number: int) -> float:
    """Write changes in one transaction; return when it was committed."""
    run(container, _WRITE.format(account=account_id, records=RECORDS, number=number))
    committed = time.monotonic()
    DispatchDeferral()(container.database)
    return committed


def main() -> None:
    """Measure single changes, then many at once."""
    singles, many = [int(word) for word in sys.argv[1:]] or [300, 1_000]
    with stage("--reservations", "1", "--no-conversations") as on, consuming(204, 204, 204, 204, 503) as consumers:
        play(on, "sync", str(on.account_id))
        hosts = ",".join(consumer.url for consumer in consumers)
        environment = on.environment | {"HOSTAWAY_SYNC_AUTOMATION_HOSTS": hosts}
        container = Container(load_settings(**settings_of(on), automation_hosts=hosts))
        automations = Automations(container)
        automations.add(AutomationRequest("first", ("*",), url=consumers[0].url))
        with working(environment):
            write(container, on.account_id, 1)
            consumers[0].wait_for(1)
            waits = [one_wait(container, on.account_id, consumers[0]) for _ in range(singles)]
            cuts = statistics.quantiles(waits, n=100)
            print(f"{singles} changes, one at a time: change committed -> request arrived")
            print(f"  p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms, max {max(waits) * 1000:.0f} ms")
            for number, consumer in enumerate(consumers[1:]):
                automations.add(AutomationRequest(f"more-{number}", ("*",), url=consumer.url))
            before = len(consumers[0].arrivals)
            committed = write(container, on.account_id, many)
            consumers[0].wait_for(before + many)
            for consumer in consumers[1:4]:
                consumer.wait_for(many)
            took = time.monotonic() - committed
            living = consumers[:4]
            doubled = sum(one.requests for one in living) - sum(len(one.arrivals) for one in living)
            print(f"{many} changes at once, four consumers and a dead one: told after {took:.1f} s,")
            cost = consumers[4].requests
            print(f"  {4 * many / took:.0f} requests a second, {doubled} doubled; the dead one cost {cost} requests")
        container.close()
    print(json.dumps({"p99_ms": round(cuts[98] * 1000), "all_told_s": round(took, 1), "doubled": doubled}))


def one_wait(container: Container, account_id: int, consumer: Consumer) -> float:
    """Return the seconds from the commit of a change to the arrival of its request."""
    before = len(consumer.arrivals)
    committed = write(container, account_id, 1)
    consumer.wait_for(before + 1)
    return max(consumer.arrivals.values()) - committed


if __name__ == "__main__":
    main()
