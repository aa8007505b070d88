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
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    """Give what systemd would listen on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "n"))
        listening.settimeout(30)
        yield listening


def heard(ear: socket.socket) -> list[str]:
    """Give what was said until now."""
    said = []
    ear.settimeout(0)
    while True:
        try:
            said.append(ear.recv(100).decode())
        except BlockingIOError:
            return said


def environment(ear: socket.socket, **more: str) -> dict[str, str]:
    """Give what systemd puts into the environment."""
    return {"NOTIFY_SOCKET": ear.getsockname(), **more}


def test_ready_and_stopping_are_sent_in_order(ear: socket.socket) -> None:
    """Whoever asked hears when the work begins and when it ends."""
    supervisor = SystemdNotifier(environment(ear))
    supervisor.notify_ready()
    supervisor.notify_stopping()
    assert heard(ear) == ["READY=1", "STOPPING=1"]


def test_an_abstract_socket_name_works() -> None:
    """An address that begins with @ is an abstract one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"\0hostaway-sync-{os.getpid()}")
        SystemdNotifier({"NOTIFY_SOCKET": "@" + ear.getsockname()[1:].decode()}).notify_ready()
        assert heard(ear) == ["READY=1"]


def test_four_heartbeats_are_sent_per_timeout(ear: socket.socket) -> None:
    """However often the program says so, the one who watches hears it as often as needed."""
    now = [0.0]
    supervisor = SystemdNotifier(environment(ear, WATCHDOG_USEC="60000000"), clock=lambda: now[-1])
    beat = supervisor.register_part()
    for second in range(60):
        now.append(second)
        beat()
        beat()
    assert heard(ear) == ["WATCHDOG=1"] * 4


def test_one_hanging_part_stops_all_heartbeats(ear: socket.socket) -> None:
    """A sign of life says that every part of the program is able to work."""
    supervisor = SystemdNotifier(environment(ear, WATCHDOG_USEC="0", WATCHDOG_PID=str(os.getpid())))
    one, other = supervisor.register_part(), supervisor.register_part()
    one()
    one()
    assert heard(ear) == []
    other()
    assert heard(ear) == ["WATCHDOG=1"]
    other()
    assert heard(ear) == []


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_no_heartbeat_is_sent_without_a_watchdog(ear: socket.socket, more: dict[str, str]) -> None:
    """No sign of life is sent when nobody waits for it, or for another process's."""
    SystemdNotifier(environment(ear, **more)).register_part()()
    assert heard(ear) == []


def test_a_missing_socket_raises_nothing(tmp_path: Path) -> None:
    """Neither without systemd nor when it went away is anything raised."""
    SystemdNotifier({}).notify_ready()
    SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).notify_ready()
