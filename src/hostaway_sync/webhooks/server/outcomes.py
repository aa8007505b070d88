"""The outcome of each request: counted, measured, and logged without any secret."""

from __future__ import annotations

import logging
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hostaway_sync.http_server.sparse_log import SparseLog
from hostaway_sync.observability import metric_catalog

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.observability.meter import Meter

log = logging.getLogger(__name__)


class RequestOutcome(StrEnum):
    """How a request to the delivery path ended; `status` is the HTTP status of the answer."""

    STORED = "stored"
    IGNORED = "ignored"
    PROBE = "probe"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    TORN = "torn"
    NOT_STORED = "not_stored"

    @property
    def status(self) -> int:
        """The HTTP status: 4xx only for wrong credentials and size; after 503 the sender tries again."""
        return _STATUSES[self]


_STATUSES: Final = {
    RequestOutcome.STORED: 200,
    RequestOutcome.IGNORED: 200,
    RequestOutcome.PROBE: 200,
    RequestOutcome.REFUSED: 401,
    RequestOutcome.TOO_LARGE: 413,
    RequestOutcome.TOO_SLOW: 503,
    RequestOutcome.TORN: 503,
    RequestOutcome.NOT_STORED: 503,
}
_LEVELS: Final = {
    RequestOutcome.STORED: logging.INFO,
    RequestOutcome.IGNORED: logging.INFO,
    RequestOutcome.PROBE: logging.INFO,
    RequestOutcome.NOT_STORED: logging.ERROR,
}


class OutcomeLog:
    """Counts and logs the requests of one receiver.

    Args:
        meter: holds the counts.
        seconds: a monotonic clock.
    """

    def __init__(self, meter: Meter, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._sparse = SparseLog(seconds=seconds)
        self._meter = meter
        for outcome in RequestOutcome:
            meter.count(metric_catalog.DELIVERIES, outcome, amount=0)

    def note(self, outcome: RequestOutcome, request_id: str, *, took: float, sentence: str) -> None:
        """Count one request, and log a line: for each stored delivery, and once a second for everything else.

        Any sender can cause the latter lines, so each tells how many more requests it stands for.
        """
        self._meter.count(metric_catalog.DELIVERIES, outcome)
        if outcome in (RequestOutcome.STORED, RequestOutcome.IGNORED):
            self._meter.observe(metric_catalog.DELIVERY_SECONDS, seconds=took)
        elif not self._sparse.is_due(outcome):
            return
        log.log(
            _LEVELS.get(outcome, logging.WARNING),
            "%s: %s (%d in %.0f ms, request %s)%s",
            outcome.value,
            sentence,
            outcome.status,
            took * 1000,
            request_id,
            self._sparse.describe_left_out(outcome),
        )
