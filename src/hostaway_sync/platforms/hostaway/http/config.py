"""What a client of Hostaway is set up with: its configuration, and the clocks that it goes by."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hostaway_sync.platforms.hostaway.http.retry_policy import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.platforms.hostaway.http.limits import Limits


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """Where the API is, and how long to wait for it.

    Attributes:
        api_url: address of the API, with its version.
        connect_timeout: for setting up a connection.
        read_timeout: for the next bytes of an answer; the whole answer may take five times as long.
    """

    api_url: str
    connect_timeout: timedelta = timedelta(seconds=10)
    read_timeout: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """What is the same for the clients of all accounts, as long as the process runs.

    Attributes:
        connection: where the API is, and how long to wait for it.
        limits: requests per window.
        egress: name of the address that requests leave through; all processes with this name share its limit.
        retry: how often and how long a request that may be repeated is repeated.
        pages_in_flight: pages of one list that may be fetched at the same time.
    """

    connection: ConnectionConfig
    limits: Limits
    egress: str
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    pages_in_flight: int = 4


@dataclass(frozen=True, slots=True)
class ClientClock:
    """The clocks, the sleep and the random numbers of a client; tests replace them.

    Attributes:
        now: the time of this machine, aware.
        monotonic: seconds of a clock that never jumps.
        sleep: waits so many seconds; None: a wait that ends when the client is closed.
        jitter: returns a random number from 0 up to 1.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] | None = None
    jitter: Callable[[], float] = random.random
