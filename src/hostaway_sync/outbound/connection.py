"""Connects to public addresses: the name is resolved once, and what was judged is what is connected to."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, Final

import httpcore

from hostaway_sync.errors import AddressRefused
from hostaway_sync.outbound.addresses import is_public

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from hostaway_sync.outbound.targets import Target

_PIECE: Final = 16_384


class Deadline:
    """The moment at which a request has taken long enough.

    Args:
        seconds: from now.
        clock: monotonic, in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + seconds

    def left(self, *, at_most: float | None = None) -> float:
        """Return the seconds that are left, and `at_most` if that is less.

        Raises:
            httpcore.ReadTimeout: none is left.
        """
        left = self._until - self._clock()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if at_most is None else min(left, at_most)


class GuardedBackend(httpcore.NetworkBackend):
    """Opens the connection of one request; TLS and the request name the host, the connection has the judged address.

    Args:
        target: what is asked.
        deadline: of the request as a whole; a server that sends a byte now and then gets no more time.
        connect_s: the most seconds that one address may take to accept the connection.
    """

    def __init__(self, target: Target, deadline: Deadline, *, connect_s: float) -> None:
        self._target = target
        self._deadline = deadline
        self._connect_s = connect_s

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that accepts the connection.

        Raises:
            AddressRefused: one of its addresses is not public.
        """
        del timeout, local_address
        failure: Exception | None = None
        for address in self._resolve(host, port):
            wait = self._deadline.left(at_most=self._connect_s)
            try:
                stream = httpcore.SyncBackend().connect_tcp(address, port, wait, None, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self._deadline)
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def _resolve(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(where[0]) for *_, where in found))
        if not self._target.is_exempt and not all(map(is_public, addresses)):
            # One public address beside a private one would make the answer a matter of luck, or of an attacker.
            raise AddressRefused(
                f"{self._target.origin.host} has an address that is not public: nothing was sent;"
                f" name {self._target.origin} in HOSTAWAY_SYNC_AUTOMATION_HOSTS if it is a host of your own network"
            )
        return addresses


class _TimedStream(httpcore.NetworkStream):
    """A connection each of whose steps ends with the deadline of its request."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        for begin in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[begin : begin + _PIECE], self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        del timeout
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, self._deadline.left()), self._deadline)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  (as the library declares it)
        return self._stream.get_extra_info(info)
