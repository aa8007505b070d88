from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.observability.systemd import SystemdNotifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def notify_socket(tmp_path: Path) -> Iterator[socket.socket]:
    """Return a socket like the one that systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "n"))
        listening.settimeout(30)
        yield listening


def received(notify_socket: socket.socket) -> list[str]:
    """Return the notifications received until now."""
    said = []
    notify_socket.settimeout(0)
    while True:
        try:
            said.append(notify_socket.recv(100).decode())
        except BlockingIOError:
            return said


def environment(notify_socket: socket.socket, **more: str) -> dict[str, str]:
    """Return the variables that systemd sets."""
    return {"NOTIFY_SOCKET": notify_socket.getsockname(), **more}


def test_ready_and_stopping_are_sent_in_order(notify_socket: socket.socket) -> None:
    """The supervisor learns when the program is ready and when it stops."""
    supervisor = SystemdNotifier(environment(notify_socket))
    supervisor.notify_ready()
    supervisor.notify_stopping()
    assert received(notify_socket) == ["READY=1", "STOPPING=1"]


def test_abstract_socket_name_works() -> None:
    """An address that begins with @ is an abstract one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify_socket:
        notify_socket.bind(f"\0hostaway-sync-{os.getpid()}")
        SystemdNotifier({"NOTIFY_SOCKET": "@" + notify_socket.getsockname()[1:].decode()}).notify_ready()
        assert received(notify_socket) == ["READY=1"]


def test_four_heartbeats_are_sent_per_timeout(notify_socket: socket.socket) -> None:
    """More frequent calls send no more heartbeats."""
    now = [0.0]
    supervisor = SystemdNotifier(environment(notify_socket, WATCHDOG_USEC="60000000"), clock=lambda: now[-1])
    beat = supervisor.register_part()
    for second in range(60):
        now.append(second)
        beat()
        beat()
    assert received(notify_socket) == ["WATCHDOG=1"] * 4


def test_one_hanging_part_stops_all_heartbeats(notify_socket: socket.socket) -> None:
    """A heartbeat means that every part of the program works."""
    supervisor = SystemdNotifier(environment(notify_socket, WATCHDOG_USEC="0", WATCHDOG_PID=str(os.getpid())))
    one, other = supervisor.register_part(), supervisor.register_part()
    one()
    one()
    assert received(notify_socket) == []
    other()
    assert received(notify_socket) == ["WATCHDOG=1"]
    other()
    assert received(notify_socket) == []


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_no_heartbeat_is_sent_without_a_watchdog(notify_socket: socket.socket, more: dict[str, str]) -> None:
    """The watchdog may be off, or belong to another process."""
    SystemdNotifier(environment(notify_socket, **more)).register_part()()
    assert received(notify_socket) == []


def test_missing_socket_raises_no_error(tmp_path: Path) -> None:
    """Neither without systemd nor after its end."""
    SystemdNotifier({}).notify_ready()
    SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).notify_ready()
