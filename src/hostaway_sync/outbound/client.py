"""Sends one request to a guarded target, over a connection of its own, and returns the beginning of the answer."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import httpcore

from hostaway_sync.environment.proxy_route import load_certificates
from hostaway_sync.errors import TargetUnavailable
from hostaway_sync.outbound.connection import Deadline, GuardedBackend
from hostaway_sync.outbound.targets import read_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.environment.origins import Origin
    from hostaway_sync.outbound.targets import Target

_USER_AGENT: Final = "hostaway-sync"
# The first class that fits counts.
_BROKEN: Final[tuple[tuple[type[Exception], str], ...]] = (
    (httpcore.ConnectTimeout, "no connection was made in time"),
    (httpcore.TimeoutException, "it did not answer in time"),
    (httpcore.ConnectError, "no connection could be made"),
    (httpcore.ProtocolError, "it closed the connection before a whole answer came, or what came was no HTTP"),
    (httpcore.NetworkError, "the connection broke"),
)


@dataclass(frozen=True, slots=True)
class OutboundLimits:
    """How much one request may take.

    Attributes:
        connect_s: seconds for one address to accept the connection.
        total_s: seconds for everything, from the resolving of the name to the last byte that is read.
        answer_bytes: the most bytes of an answer that are read; the rest is not waited for.
    """

    connect_s: float = 5.0
    total_s: float = 15.0
    answer_bytes: int = 16_384


@dataclass(frozen=True, slots=True)
class OutboundReply:
    """What a target answered.

    Attributes:
        status: of HTTP; a redirect is an answer like any other, and is not followed.
        body: its beginning.
    """

    status: int
    body: bytes


class OutboundClient:
    """Asks targets that an operator named; safe to use from several threads.

    Args:
        allowed: origins that need not be public, nor https.
        limits: of each request.
    """

    def __init__(self, allowed: frozenset[Origin] = frozenset(), limits: OutboundLimits | None = None) -> None:
        self._allowed = allowed
        self._limits = limits or OutboundLimits()

    def check(self, url: str) -> Target:
        """Return the target that a URL names, without asking anybody.

        Raises:
            AddressRefused: it may not be asked.
        """
        return read_target(url, self._allowed)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> OutboundReply:
        """Post a body and return the answer, whatever its status.

        Raises:
            AddressRefused: the target may not be asked; nothing was sent.
            TargetUnavailable: no answer came in time, or the connection failed.
        """
        return self._exchange("POST", url, body, headers)

    def get(self, url: str, headers: Mapping[str, str]) -> OutboundReply:
        """Get what a URL names; otherwise as `post`.

        Raises:
            AddressRefused, TargetUnavailable: as `post`.
        """
        return self._exchange("GET", url, b"", headers)

    def _exchange(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> OutboundReply:
        target = self.check(url)
        backend = GuardedBackend(target, Deadline(self._limits.total_s), connect_s=self._limits.connect_s)
        length = {"Content-Length": str(len(body))} if method == "POST" else {}
        sent = {"User-Agent": _USER_AGENT, "Connection": "close", **length, **headers}
        try:
            with (
                httpcore.ConnectionPool(self._context(target), network_backend=backend, max_connections=1) as pool,
                pool.stream(method, target.url, headers=_host_first(target, sent), content=body) as response,
            ):
                return OutboundReply(response.status, self._begin_of(response))
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            problem = _sentence(error)
        # Raised outside the handler it has no chain: the text of a library's exception may hold a piece of the answer.
        raise TargetUnavailable(f"{target.origin} cannot be told: {problem}")

    def _begin_of(self, response: httpcore.Response) -> bytes:
        begin = b""
        for piece in response.iter_stream():
            begin += piece
            if len(begin) >= self._limits.answer_bytes:
                break
        return begin[: self._limits.answer_bytes]

    def _context(self, target: Target) -> ssl.SSLContext | None:
        return self._trust if target.origin.scheme == "https" else None

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return load_certificates() or httpcore.default_ssl_context()


def _host_first(target: Target, headers: Mapping[str, str]) -> list[tuple[bytes | str, bytes | str]]:
    return [("Host", str(target.origin).partition("://")[2]), *headers.items()]


def _sentence(error: Exception) -> str:
    one: BaseException | None = error
    while one is not None:
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({one.verify_message})"
        if isinstance(one, ssl.SSLError):
            return "TLS fails"
        if isinstance(one, socket.gaierror | UnicodeError):
            return "its name is not found by DNS"
        if isinstance(one, ConnectionRefusedError):
            return "it refuses the connection: nothing listens there"
        one = one.__cause__ or one.__context__
    return next(words for kind, words in _BROKEN if isinstance(error, kind))
