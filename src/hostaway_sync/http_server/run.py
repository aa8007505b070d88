"""Serve an application over HTTP until a signal comes, and then finish the requests in hand."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from hostaway_sync.http_server.connection_limits import (
    SENDER_ERRORS,
    compute_connection_limit,
    compute_needed_files,
    limited_protocol,
)
from hostaway_sync.http_server.listen_address import BACKLOG
from hostaway_sync.http_server.sparse_log import SparseFilter, SparseLog

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator, Sequence
    from types import FrameType

    from starlette.types import ASGIApp

    from hostaway_sync.http_server.config import ServerConfig
    from hostaway_sync.observability.systemd import SystemdNotifier

FINISH_WITHIN_S: Final = 9
# Longer than proxies keep an idle connection, so that this server never closes one under a request.
_KEEP_ALIVE_S: Final = 75
_LONGEST_HEAD: Final = 16 * 1024
_LEAST_OPEN_FILES: Final = 1024
# Loggers of libraries that log requests by themselves.
_LOGGERS: Final = ("uvicorn.error", "asyncio")
_NO_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

log = logging.getLogger(__name__)


def serve_http(
    app: ASGIApp,
    config: ServerConfig,
    *,
    listener: socket.socket,
    trusted_proxies: Sequence[str],
    on_stop: Callable[[], None] | None = None,
    stop: threading.Event | None = None,
    supervisor: SystemdNotifier | None = None,
) -> None:
    """Answer requests until a signal comes that the process handles; raise the signal again at the end.

    Args:
        app: answers the requests.
        config: the name of the part of the program that answers, and its limits.
        listener: the listening socket; closed at the end.
        trusted_proxies: addresses whose `X-Forwarded-For` is trusted.
        on_stop: called in a thread as soon as the server stops, to stop something else at the same time.
        stop: stops the server when it is set, in a thread that gets no signals.
        supervisor: is told when the server is ready, that it is alive, and when it stops.
    """
    wanted_files = max(_LEAST_OPEN_FILES, compute_needed_files(config.most_connections))
    most = compute_connection_limit(_raise_open_files(wanted_files), config.most_connections)
    settings = uvicorn.Config(
        app,
        http=limited_protocol(config.part),
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="error",  # any sender can cause warnings
        access_log=False,  # it would log paths, and a path is a secret
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        server_header=False,
        limit_concurrency=most,
        backlog=most,  # so many are accepted before the limit is applied
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=FINISH_WITHIN_S,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
    )
    address = listener.getsockname()
    log.info("%s: listening on %s port %d", config.part, address[0], address[1])
    with _sparse_libraries(config.part):
        server = _Server(settings, config.part, on_stop, stop, supervisor)
        asyncio.run(server.serve(sockets=[listener]))


@contextmanager
def _sparse_libraries(part: str) -> Generator[None, None, None]:
    """Limit the lines that libraries log about what strangers send, as this program limits its own."""
    sparse = SparseFilter(SENDER_ERRORS, part=part)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(sparse)
    try:
        yield
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(sparse)


def _raise_open_files(wanted: int) -> int:
    """Let this process open so many files, or as many as it may, and return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


class _Server(uvicorn.Server):
    def __init__(
        self,
        settings: uvicorn.Config,
        part: str,
        on_stop: Callable[[], None] | None,
        stop: threading.Event | None,
        supervisor: SystemdNotifier | None,
    ) -> None:
        super().__init__(settings)
        self._part = part
        self._on_stop = on_stop
        self._stop = stop
        self._supervisor = supervisor
        self._heartbeat = supervisor.register_part() if supervisor else None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and tell the supervisor."""
        asyncio.get_running_loop().set_exception_handler(_LoopErrors(self._part))
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)  # the kernel may queue more than uvicorn accepts at once
        if self._supervisor:
            self._supervisor.notify_ready()

    async def on_tick(self, counter: int) -> bool:
        """Check ten times a second whether to stop; a loop that can check can answer, so this is the heartbeat."""
        if self._heartbeat:
            self._heartbeat()
        return await super().on_tick(counter) or (self._stop is not None and self._stop.is_set())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is in hand, and have everything else stop at the same time."""
        if self._supervisor:
            self._supervisor.notify_stopping()
        if self._on_stop is None:
            await super().shutdown(sockets)
        else:
            await asyncio.gather(super().shutdown(sockets), asyncio.to_thread(self._on_stop))

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Turn the first signal into an orderly end; a second one has the effect it had before.

        uvicorn's own method does not handle SIGHUP, and ignores a second signal.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [signal.SIGHUP, signal.SIGINT, signal.SIGTERM]
        before = {number: signal.getsignal(number) for number in numbers}
        caught: list[int] = []

        def restore() -> None:
            for handled, handler in before.items():
                signal.signal(handled, handler)

        def stop(number: int, frame: FrameType | None) -> None:
            del frame
            restore()
            caught.append(number)
            self.should_exit = True

        for handled, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(handled, stop)
        try:
            yield
        finally:
            restore()
        for number in caught:
            signal.raise_signal(number)


class _LoopErrors:
    """Logs errors of the event loop, one a second: strangers who open connections can cause them."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._sparse = SparseLog()

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error, kind = context.get("exception"), str(context.get("message"))
        if not self._sparse.is_due(kind):
            return
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            log.error(
                "%s: no connection can be accepted now: %s%s",
                self._part,
                error.strerror,
                self._sparse.describe_left_out(kind),
            )
        elif isinstance(error, SENDER_ERRORS):
            log.warning(
                "%s: a connection broke: %s%s",
                self._part,
                type(error).__name__,
                self._sparse.describe_left_out(kind),
            )
        else:
            loop.default_exception_handler(context)
