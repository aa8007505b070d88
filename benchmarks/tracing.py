"""What spans cost a sync: the same runs without them, and with a collector on this machine that takes them.

python benchmarks/tracing.py [RESERVATIONS]      2,000, with their messages
"""

from __future__ import annotations

import sys
import threading
import timeit
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from stage import Ended, play, stage

RUNS = 5


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def main() -> None:
    """Measure a first run, and runs without changes."""
    size = sys.argv[1] if len(sys.argv) > 1 else "2000"
    collector = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{collector.server_address[1]}"
    print(f"{'spans':>6} {'run':>12} {'calls':>6} {'seconds':>8} {'CPU s':>6} {'peak MB':>8}")
    for spans, variables in (("off", {}), ("on", {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})):
        with stage("--reservations", size, "--rate-limits", "off") as plain:
            on = replace(plain, environment=plain.environment | variables)
            runs = [play(on, "sync", str(on.account_id)) for _ in range(1 + RUNS)]
            _show(spans, "first", runs[0])
            _show(spans, "nothing new", sorted(runs[1:], key=lambda run: run.cpu)[RUNS // 2])
    statement = "with start_span('page', resource='listings') as page: page.set_attributes(rows=100)"
    seconds = timeit.timeit(statement, "from hostaway_sync.observability.tracing import start_span", number=1_000_000)
    print(f"one span where they are off: {seconds * 1000:.0f} ns")


def _show(spans: str, title: str, run: Ended) -> None:
    calls = run.output["api_calls"]
    print(f"{spans:>6} {title:>12} {calls:>6} {run.seconds:>8.2f} {run.cpu:>6.2f} {run.peak_mb:>8.1f}")


if __name__ == "__main__":
    main()
