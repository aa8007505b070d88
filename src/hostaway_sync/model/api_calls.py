"""Requests to the platform's API: their limits, their priority, and the record of each finished request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Bucket:
    """One sliding-window limit: at most `limit` requests in any `window`."""

    key: str
    limit: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class Grant:
    """A reserved slot for one request, in every bucket that it counts against.

    Attributes:
        granted_at: the moment of the slot, by the database's clock.
        wait: how long to wait until then.
        slack: how late the request may still leave; after that, reserve another slot.
    """

    granted_at: datetime
    wait: timedelta
    slack: timedelta = timedelta(milliseconds=100)


class Priority(StrEnum):
    """The order of requests that wait for the same budget; within one priority, first come, first served."""

    URGENT = "urgent"
    """A person waits for the answer: such a request gets a slot soon, whatever else waits."""
    NORMAL = "usual"
    LOW = "patient"
    """One of the many requests of a run that reads everything: it yields to all others."""


class Budget(Protocol):
    """The requests allowed per window, shared by all processes and machines behind one IP address."""

    def reserve(self, buckets: Sequence[Bucket], *, priority: Priority = Priority.NORMAL) -> Grant:
        """Reserve and return the earliest slot that is free in every bucket; waits for the database only."""
        ...

    def penalize(self, buckets: Sequence[Bucket], *, retry_in: timedelta, limit: int | None) -> None:
        """Grant no slot in these buckets for `retry_in`; a `limit` below a bucket's own lowers it for a while."""
        ...


class CircuitBreaker(Protocol):
    """Records how requests end, and stops them while the API is down."""

    def record_answer(self) -> None:
        """Record that the API answered, with any status that is no server error."""
        ...

    def record_failure(self, error: str) -> None:
        """Record that a request got no answer, or a server error."""
        ...


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One finished request. It holds nothing secret: no header, no form, no body.

    Attributes:
        granted_at: the moment of its slot in the budget, by the database's clock.
        method: the HTTP method.
        path: below the API's URL.
        params: the parameters of its URL.
        status: the HTTP status; None if no complete answer arrived.
        duration_s: from sending to the end of the answer.
        waited_s: how long it waited for its slot.
        why: the reason of the request; the same for all requests of one cause.
        step: which of those requests this is, such as a page or a retry; empty for the first.
        attempt: counted from 1; a temporary failure leads to another attempt.
        failure: class name of the exception that prevented a complete answer; None if one arrived.
    """

    granted_at: datetime
    method: str
    path: str
    params: Mapping[str, int | str]
    status: int | None
    duration_s: float
    waited_s: float
    why: str
    step: str
    attempt: int
    failure: str | None = None

    @property
    def route(self) -> str:
        """The path with `{id}` in place of each number, so that the number of routes is bounded."""
        return "/".join("{id}" if part.isdigit() else part for part in self.path.split("/"))


CallObserver: TypeAlias = Callable[[ApiCall], None]
