"""One request without a token: does Hostaway answer, and what is the time of its clock?"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.api_calls import Bucket, Grant, Priority
from hostaway_sync.platforms.hostaway.http.config import ClientClock, ConnectionConfig
from hostaway_sync.platforms.hostaway.http.request import Cause, Request
from hostaway_sync.platforms.hostaway.http.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.model.api_calls import Budget
    from hostaway_sync.platforms.hostaway.http.limits import Rate

_PATH: Final = "/listings"
# The header Date holds whole seconds, rounded down: on average it is half a second too early.
_MEAN_ROUNDING: Final = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """An answer, whatever its status.

    Attributes:
        status: of the answer; 401 or 403 is usual, because the request has no token.
        seconds: from the request to the end of its answer.
        server_time: when the answer was made, by Hostaway's clock; None when its headers do not say.
        local_time: the same moment by this machine's clock, assumed half way between request and answer.
        observed_at: the moment of the request by the budget's clock.
    """

    status: int
    seconds: float
    server_time: datetime | None
    local_time: datetime
    observed_at: datetime


class NoBudget:
    """A `Budget` without limits, for when the database with the shared budget is away and no other process can ask."""

    def reserve(self, buckets: Sequence[Bucket], *, priority: Priority = Priority.NORMAL) -> Grant:
        """Grant this moment."""
        del buckets, priority
        return Grant(datetime.now(UTC), timedelta(0), timedelta(minutes=1))

    def penalize(self, buckets: Sequence[Bucket], *, retry_in: timedelta, limit: int | None) -> None:
        """Do nothing."""


def probe(api_url: str, budget: Budget, *, egress: str, address_limit: Rate, timeout: timedelta) -> ProbeResult:
    """Make one request without a token, which Hostaway refuses if it is there.

    Args:
        api_url: address of the API, with its version.
        budget: grants the moment of the request.
        egress: name of the address that the request leaves through.
        address_limit: requests per window of that address.
        timeout: for setting up a connection, and for the next bytes of the answer.

    Raises:
        SourceError: no answer came.
    """
    clock = ClientClock()
    transport = Transport(ConnectionConfig(api_url, timeout, timeout), budget=budget, urgent=True, clock=clock)
    bucket = Bucket(f"ip:{egress}", *address_limit)
    with closing(transport):
        began = clock.monotonic()
        reply = transport.send(Request("GET", _PATH, (bucket,), Cause("does Hostaway answer?"), params={"limit": 1}))
        took = clock.monotonic() - began
    local_time = clock.now() - timedelta(seconds=took / 2)
    return ProbeResult(reply.status, took, _parse_date(reply.headers.get("Date")), local_time, reply.observed_at)


def _parse_date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) + _MEAN_ROUNDING
