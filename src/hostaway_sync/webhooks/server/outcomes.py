"""What became of each request: counted, measured, and written down without ever naming a secret."""

from __future__ import annotations

import logging
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hostaway_sync.observability import metric_catalog
from hostaway_sync.webhooks.server.sparse_log import SparseLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.observability.meter import Meter

log = logging.getLogger(__name__)


class RequestOutcome(StrEnum):
    """What became of a request to the delivery path; `status` is what it was answered with."""

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
        """HTTP status; only wrong credentials and size are the sender's fault, everything else it may send again."""
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
    """Counts and lines of one receiver.

    Args:
        meter: keeps the counts.
        seconds: a clock that never jumps.
    """

    def __init__(self, meter: Meter, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._sparse = SparseLog(seconds=seconds)
        self._meter = meter
        for outcome in RequestOutcome:
            meter.count(metric_catalog.DELIVERIES, outcome, amount=0)

    def note(self, outcome: RequestOutcome, request_id: str, *, took: float, sentence: str) -> None:
        """Count one request and write a line: of stored deliveries each, of everything else one a second.

        Anybody can make us write the latter, so they say how many more there were.
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
            self._sparse.more(outcome),
        )
