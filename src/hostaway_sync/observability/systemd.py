"""Tells whoever started this process how it does, in the words of systemd's `sd_notify` (its manual, section 3).

Without `NOTIFY_SOCKET` in the environment nobody asked, and nothing is said.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BEATS_IN_TIME: Final = 4
"""So many signs of life fit the time after which we count as dead: one may come late."""


class SystemdNotifier:
    """Whoever started this process.

    Args:
        environment: says where it listens, and after how long without a sign of life it ends us.
        clock: seconds that never go back.
    """

    def __init__(
        self, environment: Mapping[str, str] = os.environ, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._clock = clock
        self._lock = threading.Lock()
        self._parts = 0
        self._beaten: set[int] = set()
        self._next_at = clock()
        is_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        patience = environment.get("WATCHDOG_USEC", "")
        self._every = int(patience) / 1e6 / _BEATS_IN_TIME if is_for_us and patience.isdecimal() else None

    def register_part(self) -> Callable[[], None]:
        """Give what a part of the program calls, more than once a second, as long as it is able to do its work.

        A sign of life is sent when all parts have called: one that hangs is the whole program's death.
        """
        number = self._parts
        self._parts += 1

        def beat() -> None:
            if self._every is None:
                return
            with self._lock:
                self._beaten.add(number)
                if len(self._beaten) < self._parts or self._clock() < self._next_at:
                    return
                self._beaten.clear()
                self._next_at = self._clock() + self._every
            self._say("WATCHDOG=1")

        return beat

    def notify_ready(self) -> None:
        """Say that the work has begun."""
        self._say("READY=1")

    def notify_stopping(self) -> None:
        """Say that it ends, by itself or because it was told to."""
        self._say("STOPPING=1")

    def _say(self, state: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the zero byte with which names begin that are no files.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(0)
                channel.sendto(state.encode(), address)
        except OSError:
            return  # nobody listens any more: the work goes on
