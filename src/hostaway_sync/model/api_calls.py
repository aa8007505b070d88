"""The requests to the source: when each may leave, who goes first, and, when it has ended, why it was made."""

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
    """A slot in every bucket asked for.

    Attributes:
        granted_at: the moment of the slot, by the database's clock.
        wait: how long to wait until then.
        slack: how much later the request may still leave; after that another slot must be reserved.
    """

    granted_at: datetime
    wait: timedelta
    slack: timedelta = timedelta(milliseconds=100)


class Priority(StrEnum):
    """Who goes first where requests wait for the same budget; among equals, whoever asked first."""

    URGENT = "urgent"
    """A person waits for it: there is always room soon."""
    NORMAL = "usual"
    LOW = "patient"
    """The many requests of a run that reads everything: it stands back while others ask."""


class Budget(Protocol):
    """The requests allowed per window, shared by every process and machine behind one address."""

    def reserve(self, buckets: Sequence[Bucket], *, priority: Priority = Priority.NORMAL) -> Grant:
        """Take the earliest slot that no bucket's window objects to; blocks on the database only."""
        ...

    def penalize(self, buckets: Sequence[Bucket], *, retry_in: timedelta, limit: int | None) -> None:
        """Grant nothing in these buckets for `retry_in`; `limit` below a bucket's own lowers it for a while."""
        ...


class CircuitBreaker(Protocol):
    """Who is told how requests end, so that nobody hammers a source that is away."""

    def record_answer(self) -> None:
        """Note that the source answered, whatever it said."""
        ...

    def record_failure(self, error: str) -> None:
        """Note that a request had no answer, or one that says it is the source's fault."""
        ...


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request that was sent and has ended; nothing in it is secret: no header, no form, no body.

    Attributes:
        granted_at: the moment that the budget granted, by the database's clock.
        method: of the request.
        path: below the API's address.
        params: of the request, as they stand in its URL.
        status: of the answer; None when none came whole.
        duration_s: from its departure to the end of its answer.
        waited_s: seconds that the budget kept it back before.
        why: what the one who asked wanted to know; the same for all requests of one cause.
        step: which of those requests this is, such as a page or a new attempt; empty for the first of them.
        attempt: counted from 1; another one is made when a request fails for now.
        failure: class of what kept a whole answer away; None when one came.
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
        """The path with `{id}` for each number: there are as many as the program knows."""
        return "/".join("{id}" if part.isdigit() else part for part in self.path.split("/"))


CallObserver: TypeAlias = Callable[[ApiCall], None]
