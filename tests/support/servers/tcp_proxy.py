"""A TCP proxy before the source that can cut one request or its answer at any byte."""

from __future__ import annotations

import re
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

# What is sent once: a message to a guest, a write to a calendar.
_SEND_REQUEST: Final = re.compile(rb"(?:POST \S+/conversations/\d+/messages|PUT \S+/listings/\d+/calendar) ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END: Final = b"\r\n\r\n"
_PATIENCE_S: Final = 30

# Where a request or an answer ends, by the bytes of its head and of all of it.
PLACES: Final[dict[str, Callable[[int, int], int]]] = {
    "nothing": lambda _head, _whole: 0,
    "the first byte": lambda _head, _whole: 1,
    "the first line": lambda _head, _whole: 12,
    "half of the head": lambda head, _whole: head // 2,
    "the head but for a byte": lambda head, _whole: head - 1,
    "the head": lambda head, _whole: head,
    "half of the body": lambda head, whole: (head + whole) // 2,
    "all but a byte": lambda _head, whole: whole - 1,
}


@dataclass(frozen=True)
class Cut:
    """What happens to the next request to send a message.

    Attributes:
        request: the place up to which it reaches the source; None: it does whole.
        answer: the place up to which its answer reaches us; None: it does whole.
        reset: whether our connection ends with a reset.
        early: our old connection is closed, and the new one reset before a byte passes.
        then: called when that much has passed, before the connection ends.
    """

    request: str | None = None
    answer: str | None = None
    reset: bool = True
    early: bool = False
    then: Callable[[], None] | None = None


class TcpProxy:
    """Forwards requests to a source; use as a context manager.

    One that `forgets` closes a used connection when a request that changes something comes over it, and drops the
    request: so does a server whose patience with an idle connection ends at that moment.
    """

    def __init__(self, api_url: str, *, forgets: bool = False) -> None:
        self._forgets = forgets
        self._source = urlsplit(api_url)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._wreck: Cut | None = None

    @property
    def url(self) -> str:
        """Return the address of the API for clients of the proxy."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._source.path}"

    @property
    def is_calm(self) -> bool:
        """Whether no cut is armed."""
        return self._wreck is None

    def arm(self, cut: Cut | None) -> None:
        """Cut the next request to send a message; None: no cut."""
        self._wreck = cut

    def __enter__(self) -> Self:
        Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                cut = self._wreck
                if cut is not None and cut.early:
                    self._wreck = None
                    _end(ours, reset=True)
                    continue
                Thread(target=self._carry, args=(ours,), daemon=True).start()

    def _carry(self, ours: socket.socket) -> None:
        theirs = socket.create_connection((str(self._source.hostname), self._source.port or 80), _PATIENCE_S)
        both = {ours, theirs}
        with self._lock:
            self._open |= both
        with suppress(OSError):
            is_used = False
            while self._exchange(ours, theirs, is_used=is_used):
                is_used = True
        with self._lock:
            self._open -= both
        for each in both:
            each.close()

    def _exchange(self, ours: socket.socket, theirs: socket.socket, *, is_used: bool) -> bool:
        """Forward one request and its answer; return whether there may be another one."""
        request, head, _ = _read(ours)
        if not request or (self._forgets and is_used and not request.startswith(b"GET ")):
            return False
        cut = self._take(request)
        if cut.request is not None:
            theirs.sendall(request[: PLACES[cut.request](head, len(request))])
            theirs.shutdown(socket.SHUT_WR)
            _drain(theirs)
            return self._over(ours, cut)
        theirs.sendall(request)
        answer, head, is_whole = _read(theirs)
        if cut.answer is not None:
            ours.sendall(answer[: PLACES[cut.answer](head, len(answer))])
            return self._over(ours, cut)
        ours.sendall(answer)
        # An early cut is of the next connection: this one must not be used again.
        return is_whole and (self._wreck is None or not self._wreck.early)

    def _take(self, request: bytes) -> Cut:
        cut = self._wreck
        if cut is None or cut.early or not _SEND_REQUEST.match(request):
            return Cut()
        self._wreck = None
        return cut

    @staticmethod
    def _over(ours: socket.socket, cut: Cut) -> bool:
        if cut.then is not None:
            cut.then()
        _end(ours, reset=cut.reset)
        return False


def _read(stream: socket.socket) -> tuple[bytes, int, bool]:
    """Return one request or answer, the length of its head, and whether all of it came."""
    got = b""
    while True:
        head = got.find(_END) + len(_END)
        if head >= len(_END):
            length = _LENGTH.search(got[:head])
            if len(got) >= head + (int(length[1]) if length else 0):
                return got, head, True
        chunk = stream.recv(1 << 16)
        if not chunk:
            return got, max(head, 0), False
        got += chunk


def _drain(stream: socket.socket) -> None:
    """Wait until the source has sent everything: by then it has handled a torn request."""
    with suppress(OSError):
        while stream.recv(1 << 16):
            pass


def _end(stream: socket.socket, *, reset: bool) -> None:
    if reset:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        with suppress(OSError):
            stream.shutdown(socket.SHUT_RDWR)
    stream.close()
