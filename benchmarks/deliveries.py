"""Deliveries at a steady rate, all parts on this machine: sender, receiver, worker, database, stand-in; limits off.

Prints how long acknowledgements take, and how long it is from a delivery's arrival until its object was read again and
is in its table. Receiver and worker are at work by then, the worker as nice as its unit has it. Beside it, how many
objects a second one worker reads when every delivery is about another one.

    python benchmarks/deliveries.py                   200 a second for 60 seconds over 300 objects
    python benchmarks/deliveries.py 100 10            100 a second for 10 seconds
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
from base64 import b64encode
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from inbox import fill, number, numbers, run, settings_of, settled
from stage import play, stage

from hostaway_sync.app.container import Container
from hostaway_sync.settings import load_settings
from hostaway_sync.store.webhooks import credentials as webhook_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage import Stage

OBJECTS = 300
DISTINCT = 2_000
WARM_UP = 100
CONNECTIONS = 32


class Address(NamedTuple):
    """The address of the receiver, and its login."""

    port: int
    path: str
    login: str


def main() -> None:
    """Measure deliveries at the given rate, and how many objects a second a worker reads without coalescing."""
    rate, seconds = [int(word) for word in sys.argv[1:]] or [200, 60]
    with stage("--reservations", str(DISTINCT), "--no-conversations", "--rate-limits", "off") as on:
        container = Container(load_settings(**settings_of(on)))
        ids = _ids(on, container)
        print(f"{rate} deliveries a second for {seconds} s over {OBJECTS} objects")
        with _receiver(on, container) as address:
            fill(container, on.account_id, ids[-WARM_UP:])
            settled(container, WARM_UP)
            run(container, "DELETE FROM hostaway.webhook_log")
            waits = asyncio.run(_send(address, on.account_id, ids[:OBJECTS], rate, seconds))
            settled(container, len(waits))
        _print("acknowledged after", waits)
        _print("in its table after", _ages(container))
        print(f"  {len(waits)} deliveries, none lost, in {_readings(container)} readings")
        fill(container, on.account_id, ids)
        ended = play(on, "worker", "--drain", json_output=False)
        settled(container, len(waits) + len(ids))
        print(f"without coalescing: {len(ids) / ended.seconds:.0f} objects a second, {ended.peak_mb:.0f} MB")
        container.close()


def _ids(on: Stage, container: Container) -> list[int]:
    """Return the ids of all reservations, and delete their rows: each row is to come by a delivery."""
    play(on, "sync", str(on.account_id))
    ids = numbers(container, "SELECT id FROM hostaway.reservations ORDER BY id")
    run(container, "DELETE FROM hostaway.reservations")
    return ids


@contextmanager
def _receiver(on: Stage, container: Container) -> Iterator[Address]:
    made = partial(
        webhook_credentials.renew_credentials,
        vault=container.key_ring(),
        account_id=on.account_id,
        url="https://sync.example.org",
    )
    credentials = container.database.transaction(made)
    pair = f"{credentials.login}:{credentials.password.get_secret_value()}"
    path = f"/webhooks/hostaway/{on.account_id}/{credentials.path_secret.get_secret_value()}"
    program = [sys.executable, "-m", "hostaway_sync"]
    environment = on.environment | {"HOSTAWAY_SYNC_LOG_LEVEL": "INFO", "HOSTAWAY_SYNC_LOG_FORMAT": "json"}
    receiving = [*program, "serve-webhooks", "--port", "0", "--no-worker"]
    process = subprocess.Popen(receiving, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None  # noqa: S101  (a pipe was asked for)
    line = next(line for line in process.stderr if "listening on" in line)
    port = int(json.loads(line)["event"].rpartition(" ")[2])
    drain = subprocess.Popen(["/bin/cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
    worker = subprocess.Popen(["/usr/bin/nice", "-n", "5", *program, "worker"], env=on.environment)
    try:
        yield Address(port, path, b64encode(pair.encode()).decode())
    finally:
        for part in (process, worker):
            part.terminate()
        for part in (process, worker, drain):
            part.wait()


async def _send(address: Address, account_id: int, ids: list[int], rate: int, seconds: int) -> list[float]:
    """Send at the rate, however long answers take; return the seconds from each planned moment to its answer."""
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", address.port))
    began = asyncio.get_running_loop().time()

    async def send(number: int) -> float:
        planned = began + number / rate
        await asyncio.sleep(planned - asyncio.get_running_loop().time())
        reader, writer = await idle.get()
        writer.write(_request(address, account_id, ids[number % len(ids)]))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head  # noqa: S101  (figures of refusals mean nothing)
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-le")
        )
        await reader.readexactly(length)
        idle.put_nowait((reader, writer))
        return asyncio.get_running_loop().time() - planned

    waits = await asyncio.gather(*(send(number) for number in range(rate * seconds)))
    while not idle.empty():
        idle.get_nowait()[1].close()
    return waits


def _request(address: Address, account_id: int, number: int) -> bytes:
    claims = {"object": "reservation", "event": "reservation.updated", "accountId": account_id, "data": {"id": number}}
    body = json.dumps(claims).encode()
    lines = (
        f"POST {address.path} HTTP/1.1",
        "Host: sync.example.org",
        f"Authorization: Basic {address.login}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _ages(container: Container) -> list[float]:
    ages = "SELECT (extract(epoch FROM processed_at - created_at) * 1000)::bigint FROM hostaway.webhook_log"
    return [milliseconds / 1000 for milliseconds in numbers(container, ages)]


def _readings(container: Container) -> int:
    """Return how often an object was read: one statement settles all deliveries that one reading answers."""
    return number(container, "SELECT count(DISTINCT (processed_at, object_id)) FROM hostaway.webhook_log")


def _print(what: str, seconds: list[float]) -> None:
    cuts = statistics.quantiles(seconds, n=100)
    p50, p99 = cuts[49] * 1000, cuts[98] * 1000
    print(f"  {what}: p50 {p50:.0f} ms, p99 {p99:.0f} ms, max {max(seconds) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
