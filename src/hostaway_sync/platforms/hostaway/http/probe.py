"""One request without a token: does Hostaway answer, and what time is it there?"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.api_calls import Bucket, Grant, Priority
from hostaway_sync.platforms.hostaway.http.request import Cause, Request
from hostaway_sync.platforms.hostaway.http.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.model.api_calls import Budget
    from hostaway_sync.platforms.hostaway.http.limits import Rate

_PATH: Final = "/listings"
# A Date has whole seconds, cut off: on average it is half a second old.
_CUT_OFF: Final = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """An answer.

    Attributes:
        status: of the answer: 401 or 403, because nobody asked.
        seconds: it took.
        named: the moment that it names; None when it names none.
        own: the same moment by this machine's clock.
        observed_at: the moment of the request by the budget's clock.
    """

    status: int
    seconds: float
    named: datetime | None
    own: datetime
    observed_at: datetime


class NoBudget:
    """Grants at once: only for whoever is certain that nobody else can ask, because the shared budget is away."""

    def reserve(self, buckets: Sequence[Bucket], *, priority: Priority = Priority.USUAL) -> Grant:
        """Grant this moment."""
        del buckets, priority
        return Grant(datetime.now(UTC), timedelta(0), timedelta(minutes=1))

    def penalize(self, buckets: Sequence[Bucket], *, retry_in: timedelta, limit: int | None) -> None:
        """Forget it."""


def probe(api_url: str, budget: Budget, *, egress: str, address: Rate, patience: timedelta) -> ProbeResult:
    """Ask for something that nobody gets without a token, once.

    Raises:
        SourceError: no answer came.
    """
    exchange = Transport(
        api_url=api_url,
        budget=budget,
        urgent=True,
        connect_timeout=patience,
        read_timeout=patience,
        seconds=time.monotonic,
        sleep=None,
        observe=None,
    )
    bucket = Bucket(f"ip:{egress}", *address)
    with closing(exchange):
        began = time.monotonic()
        reply = exchange.send(Request("GET", _PATH, (bucket,), Cause("is anybody there?"), params={"limit": 1}))
        took = time.monotonic() - began
    named = _moment(reply.headers.get("Date"))
    return ProbeResult(reply.status, took, named, datetime.now(UTC) - timedelta(seconds=took / 2), reply.observed_at)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) + _CUT_OFF
