"""The environment of tests of the client: a sandbox, and clients that share a clock, a budget and a vault."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from hostaway_sync.model.api_calls import Grant, Priority
from hostaway_sync.model.records import AccessToken, Resource
from hostaway_sync.platforms.hostaway.client import Client
from hostaway_sync.platforms.hostaway.http.config import ClientClock, ClientConfig, ConnectionConfig
from hostaway_sync.platforms.hostaway.http.limits import Limits
from hostaway_sync.platforms.hostaway.http.retry_policy import RetryPolicy
from hostaway_sync.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from hostaway_sync.model.api_calls import Bucket
    from hostaway_sync.model.records import Page

_Settings = TypeVar("_Settings", ConnectionConfig, ClientConfig, ClientClock, RetryPolicy)
START = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
TEN = timedelta(seconds=10)
LIMITS = Limits((200, TEN), (200, TEN), (30, timedelta(seconds=60)))
LISTED = (Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS)


class Clock:
    """Time that passes only in `sleep`; the sandbox and its clients share it."""

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []

    def time(self) -> float:
        """Return Unix seconds."""
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


class OpenBudget:
    """A budget that grants at once and records its calls."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.reserved: list[tuple[str, ...]] = []
        self.priorities: list[Priority] = []
        self.penalties: list[tuple[tuple[str, ...], timedelta, int | None]] = []

    def reserve(self, buckets: Sequence[Bucket], *, priority: Priority = Priority.NORMAL) -> Grant:
        """Record the call and grant a slot now."""
        self.priorities.append(priority)
        self.reserved.append(tuple(bucket.key for bucket in buckets))
        return Grant(self.clock.now, timedelta(0))

    def penalize(self, buckets: Sequence[Bucket], *, retry_in: timedelta, limit: int | None) -> None:
        """Record a penalty."""
        self.penalties.append((tuple(bucket.key for bucket in buckets), retry_in, limit))


class MemoryVault:
    """A vault in memory."""

    def __init__(self) -> None:
        self.token: AccessToken | None = None

    def load(self) -> AccessToken | None:
        """Return the stored token."""
        return self.token

    def save(self, token: AccessToken) -> None:
        """Store a token."""
        self.token = token

    def claim_renewal(self) -> AbstractContextManager[bool]:
        """Return a lock that every caller gets."""
        return nullcontext(enter_result=True)


class ClientEnv:
    """A sandbox, and clients of it that share a clock, a budget and a vault."""

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.budget = OpenBudget(clock)
        self.vault = MemoryVault()
        self.clients: list[Client] = []

    def client(self, **options: Any) -> Client:
        """Make a client; the options are fields of its configuration and its clock, or its own arguments."""
        clock = ClientClock(now=lambda: self.clock.now, sleep=self.clock.sleep, jitter=lambda: 0.5)
        config = ClientConfig(_taken(ConnectionConfig(self.sandbox.url), options), LIMITS, "office")
        config = _taken(replace(config, retry=_taken(config.retry, options)), options)
        defaults: dict[str, Any] = {
            "account_id": self.sandbox.account_id,
            "client_secret": SecretStr(self.sandbox.client_secret),
            "config": config,
            "budget": self.budget,
            "token_vault": self.vault,
            "clock": _taken(clock, options),
        }
        made = Client(**defaults | options)
        self.clients.append(made)
        return made

    def calls(self, route: str) -> int:
        """Count the requests of a route."""
        return self.sandbox.calls[route]


@contextmanager
def client_env(**options: Any) -> Iterator[ClientEnv]:
    """Start a sandbox on a clock of its own and end it with its clients."""
    clock = Clock()
    defaults: dict[str, Any] = {"reservations": 450, "listings": 60, "clock": clock.time}
    with Sandbox(**defaults | options) as sandbox:
        env = ClientEnv(sandbox, clock)
        try:
            yield env
        finally:
            for made in env.clients:
                made.close()


def _taken(settings: _Settings, options: dict[str, Any]) -> _Settings:
    """Return settings with the options that are fields of them, and remove these options."""
    names = {field.name for field in fields(settings)}
    return replace(settings, **{name: options.pop(name) for name in names & options.keys()})


def ids_of(pages: Sequence[Page]) -> set[int | None]:
    """Return the distinct ids of all pages."""
    return {record.id for page in pages for record in page.records}


def truth(sandbox: Sandbox, resource: Resource) -> set[int]:
    """Return the ids that the source holds."""
    return set(dict(sandbox.world.truth(resource)))
