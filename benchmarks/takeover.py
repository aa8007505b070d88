"""What a killed worker had in hand: seconds until it is worked off, from its successor's start, or from the kill.

A booking's table is locked until the worker, or the receiver, has begun the job of a delivery and was killed.

    python benchmarks/takeover.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
from inbox import PATIENCE, fill, number, numbers, settings_of
from stage import play, stage

from hostaway_sync.app.container import Container
from hostaway_sync.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage import Stage

PROGRAMS = {"worker": ("worker",), "receiver": ("serve-webhooks", "--port", "0")}
TIMES = 5
_IN_HAND = "SELECT count(*) FROM hostaway.procrastinate_jobs WHERE status = 'doing'"
_LANES = "SELECT count(*) FROM hostaway.procrastinate_workers"
_WAITING = "SELECT count(*) FROM hostaway.webhook_log WHERE status <> 'processed'"


def main() -> None:
    """Measure both programs, each with a successor and with another worker that runs already."""
    with stage("--reservations", "20", "--no-conversations", "--rate-limits", "off") as on:
        container = Container(load_settings(**settings_of(on)))
        play(on, "sync", str(on.account_id))
        (booking, *_) = numbers(container, "SELECT id FROM hostaway.reservations ORDER BY id")
        for name, words in PROGRAMS.items():
            for what, measure in MEASURES.items():
                _print(f"killed {name}, {what}", [measure(on, container, booking, words) for _ in range(TIMES)])
        container.close()


def _by_successor(on: Stage, container: Container, booking: int, words: tuple[str, ...]) -> float:
    with _in_hand(on, container, booking, words) as killed:
        killed.kill()
        killed.wait()
    began = time.perf_counter()
    successor = _start(on, words)
    _until_none(container, _WAITING)
    seconds = time.perf_counter() - began
    _stop(successor)
    return seconds


def _by_another(on: Stage, container: Container, booking: int, words: tuple[str, ...]) -> float:
    with _in_hand(on, container, booking, words) as killed:
        registered = number(container, _LANES)
        another = _start(on, ("worker",))
        _until(container, _LANES, more_than=registered)
        killed.kill()
        killed.wait()
    began = time.perf_counter()
    _until_none(container, _WAITING)
    seconds = time.perf_counter() - began
    _stop(another)
    return seconds


@contextmanager
def _in_hand(
    on: Stage, container: Container, booking: int, words: tuple[str, ...]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, and yield it while it works on the job of a delivery; that job can end after the block."""
    with container.database.engine.connect() as connection:
        connection.execute(sa.text("LOCK TABLE hostaway.reservations IN EXCLUSIVE MODE"))
        process = _start(on, words)
        fill(container, on.account_id, [booking])
        _until(container, _IN_HAND, more_than=0)
        yield process


def _start(on: Stage, words: tuple[str, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "hostaway_sync", *words], env=on.environment)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def _until_none(container: Container, query: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while number(container, query):
        _give_up_after(deadline)


def _until(container: Container, query: str, *, more_than: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while number(container, query) <= more_than:
        _give_up_after(deadline)


def _give_up_after(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise SystemExit("it took too long")
    time.sleep(0.02)


MEASURES = {"from its successor's start": _by_successor, "by another worker, from the kill": _by_another}


def _print(what: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    print(f"{what}: {ordered[len(ordered) // 2]:.1f} s in the middle, {ordered[-1]:.1f} s at most of {len(ordered)}")


if __name__ == "__main__":
    main()
