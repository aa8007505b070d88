"""Notifies systemd of the state of this process, in the protocol of `sd_notify(3)`.

Without `NOTIFY_SOCKET` in the environment, it sends nothing.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HEARTBEATS_PER_TIMEOUT: Final = 4
"""Heartbeats within the watchdog timeout of systemd, so that one may be late."""


class SystemdNotifier:
    """Sends notifications and watchdog heartbeats to systemd.

    Args:
        environment: holds the socket and the watchdog timeout.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self, environment: Mapping[str, str] = os.environ, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._clock = clock
        self._lock = threading.Lock()
        self._parts = 0
        self._alive: set[int] = set()
        self._next_at = clock()
        is_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        timeout = environment.get("WATCHDOG_USEC", "")
        self._interval = int(timeout) / 1e6 / _HEARTBEATS_PER_TIMEOUT if is_for_us and timeout.isdecimal() else None

    def register_part(self) -> Callable[[], None]:
        """Return a function that one part of the program calls more than once a second while it works.

        A heartbeat is sent only after all parts have called, so systemd restarts the program if one part hangs.
        """
        number = self._parts
        self._parts += 1

        def beat() -> None:
            if self._interval is None:
                return
            with self._lock:
                self._alive.add(number)
                if len(self._alive) < self._parts or self._clock() < self._next_at:
                    return
                self._alive.clear()
                self._next_at = self._clock() + self._interval
            self._send("WATCHDOG=1")

        return beat

    def notify_ready(self) -> None:
        """Notify systemd that the program is ready."""
        self._send("READY=1")

    def notify_stopping(self) -> None:
        """Notify systemd that the program is stopping."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the zero byte of an abstract socket name.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(0)
                channel.sendto(state.encode(), address)
        except OSError:
            return  # systemd no longer listens; the program continues
