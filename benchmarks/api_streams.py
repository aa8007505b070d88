"""What streams of changes cost: memory and CPU of a server with N of them idle, and from commit to event.

The server is a process of its own, `serve-api`; its memory is what Linux counts as resident.

    python benchmarks/api_streams.py             1,000 streams, 200 changes
    python benchmarks/api_streams.py 100
"""

from __future__ import annotations

import base64
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from stage import temporary_server

from hostaway_sync.app.api_keys import ApiKeyRequest
from hostaway_sync.app.mirror import Mirror
from hostaway_sync.model.callers import Access, Scope
from hostaway_sync.settings import load_settings

EACH_KEY = 200
CHANGES = 200
IDLE_S = 20.0
TARGET_MB = 200
ADD = (
    "INSERT INTO hostaway.changes (account_id, resource, record_id, change, position) SELECT 1, 'sync', %s, 'updated',"
    " pg_current_xact_id()::text::bigint"
)


def main() -> None:
    """Measure on an embedded server that is deleted afterwards."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with temporary_server() as server, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ["HOSTAWAY_SYNC_DATABASE_URL"] = server.url()
        os.environ["HOSTAWAY_SYNC_DATA_DIR"] = folder
        os.environ["HOSTAWAY_SYNC_MASTER_KEY"] = base64.b64encode(os.urandom(32)).decode()
        keys = make_keys(-(-count // EACH_KEY) + 1)
        port = free_port()
        program = str(Path(sys.executable).with_name("hostaway-sync"))
        api = stack.enter_context(subprocess.Popen([program, "serve-api", "--port", str(port)]))
        stack.callback(api.terminate)
        wait_until_open(port)
        ask(port, keys[-1], "/api/v1/accounts").close()
        before = resident_mb(api.pid)
        streams = [stack.enter_context(open_stream(port, keys[number // EACH_KEY])) for number in range(count - 1)]
        began, spent = time.monotonic(), cpu_s(api.pid)
        time.sleep(IDLE_S)
        idle = (cpu_s(api.pid) - spent) / (time.monotonic() - began)
        now = resident_mb(api.pid)
        print(
            f"{count - 1:,} idle streams: {now:.0f} MB (target {TARGET_MB}), {before:.0f} before; {idle:.1%} of a core"
        )
        watched = stack.enter_context(open_stream(port, keys[-1]))
        times = sorted(measure(watched, number) for number in range(CHANGES))
        middle, slow = times[CHANGES // 2] * 1000, times[CHANGES * 99 // 100] * 1000
        print(f"from commit to event: p50 {middle:.0f} ms, p99 {slow:.0f} ms; of account 1, which one stream sees")
        drain(streams)


def connect() -> psycopg.Connection:
    """Return a connection to the database."""
    return psycopg.connect(os.environ["HOSTAWAY_SYNC_DATABASE_URL"].replace("+psycopg", "", 1))


def make_keys(count: int) -> list[str]:
    """Migrate, and return keys: all but the last see account 2, and the last one account 1."""
    with Mirror(load_settings(), check_schema=False) as mirror:
        mirror.migrate()
    with Mirror(load_settings()) as mirror, connect() as connection:
        connection.execute("INSERT INTO hostaway.accounts (account_id) VALUES (1), (2)")
        connection.commit()
        requests = [
            ApiKeyRequest(f"key-{n}", Access.of_accounts({1 if n == count - 1 else 2}), frozenset({Scope.READ}))
            for n in range(count)
        ]
        return [mirror.api_keys.create(one, datetime.now(UTC)).token.get_secret_value() for one in requests]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until_open(port: int) -> None:
    """Wait for the server."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return


def ask(port: int, key: str, path: str) -> socket.socket:
    """Send a request, and return its connection when the answer has begun."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n".encode())
    answer = connection.recv(65536)
    if b" 200 " not in answer[:20]:
        raise SystemExit(answer.decode())
    return connection


def open_stream(port: int, key: str) -> socket.socket:
    """Open a stream."""
    return ask(port, key, "/api/v1/changes/stream")


def measure(stream: socket.socket, number: int) -> float:
    """Commit a change, and return the seconds until its event."""
    with connect() as connection:
        connection.execute(ADD, [str(number)])
        connection.execute("NOTIFY hostaway_sync_changes")
        connection.commit()
    began = time.perf_counter()
    while b"event: change" not in stream.recv(65536):
        pass
    return time.perf_counter() - began


def drain(streams: list[socket.socket]) -> None:
    """Say how many streams still live."""
    with selectors.DefaultSelector() as selector:
        for one in streams:
            selector.register(one, selectors.EVENT_READ)
        ready = [key.fileobj for key, _ in selector.select(0)]
    ended = sum(1 for one in ready if isinstance(one, socket.socket) and not one.recv(65536))
    print(f"{len(streams) - ended:,} of them live at the end")


def resident_mb(pid: int) -> float:
    """Return the memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
