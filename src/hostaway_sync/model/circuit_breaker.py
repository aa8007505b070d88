"""The circuit breaker: when an API counts as down, and which requests may then probe it. Pure: no I/O, no clock.

closed ── 20 failures in a row, each soon after the last ──→ open ── any request is answered ──→ closed
                                                              │ ▲
                                         one probe at a time  └─┘  no answer: the next probe waits longer
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.timestamps import add_clamped, is_credible_mark

if TYPE_CHECKING:
    from datetime import datetime

# Four calls of five attempts each that all failed, with no answer to any process in between.
FAILURES_TO_OPEN: Final = 20
# Failures further apart belong to no common outage. A request without an answer fails after a minute.
MAX_FAILURE_GAP: Final = timedelta(minutes=3)
FIRST_PAUSE: Final = timedelta(seconds=30)
MAX_PAUSE: Final = timedelta(minutes=5)
# Ten seconds to connect, sixty without a byte, and a margin: until then no other process probes.
PROBE_TIMEOUT: Final = timedelta(seconds=90)
MAX_PROBE_DELAY: Final = max(MAX_PAUSE, PROBE_TIMEOUT)
_LONGEST_ERROR: Final = 500
_MOST_DOUBLINGS: Final = 10


@dataclass(frozen=True, slots=True)
class Outage:
    """A row of failures, at least one.

    Attributes:
        failures: how many requests in a row got no answer, or a server error.
        failing_since: when the first of them failed.
        failed_at: when the last of them failed.
        error: what the last failure was.
        away_since: since when the circuit is open; None: it is closed.
        probe_at: when the next probe may be sent; None: the circuit is closed.
        probes: how many probes were sent without success, a running one included.
    """

    failures: int
    failing_since: datetime
    failed_at: datetime
    error: str
    away_since: datetime | None = None
    probe_at: datetime | None = None
    probes: int = 0


def discard_future_outage(outage: Outage, now: datetime) -> Outage | None:
    """Return the outage, or None if a clock that was ahead recorded it: then its times mean nothing.

    A probe planned further ahead than the longest pause shows such a clock, too.
    """
    marks = (outage.failing_since, outage.failed_at, outage.away_since or outage.failed_at)
    if not all(is_credible_mark(mark, now) for mark in marks):
        return None
    if outage.probe_at is not None and not is_credible_mark(outage.probe_at, add_clamped(now, MAX_PROBE_DELAY)):
        return None
    return outage


def record_failure(before: Outage | None, now: datetime, error: str, *, was_probe: bool) -> Outage:
    """Return the outage after one more failure; only the failure of a probe postpones the next probe."""
    if before is None or (before.away_since is None and now - before.failed_at > MAX_FAILURE_GAP):
        return Outage(1, now, now, error[:_LONGEST_ERROR])
    after = replace(before, failures=before.failures + 1, failed_at=now, error=error[:_LONGEST_ERROR])
    if before.away_since is not None:
        return replace(after, probe_at=now + probe_pause(before.probes)) if was_probe else after
    if after.failures >= FAILURES_TO_OPEN:
        return replace(after, away_since=after.failing_since, probe_at=now + FIRST_PAUSE)
    return after


def may_probe(outage: Outage, now: datetime, *, force_probe: bool) -> bool:
    """Whether a request may probe an API that counts as down; always with `force_probe`, which a person asks for."""
    return force_probe or outage.probe_at is None or now >= outage.probe_at


def start_probe(outage: Outage, now: datetime) -> Outage:
    """Return the outage while a probe runs: the next one is allowed after `PROBE_TIMEOUT`."""
    return replace(outage, probe_at=now + PROBE_TIMEOUT, probes=outage.probes + 1)


def probe_pause(probes: int) -> timedelta:
    """Return the pause after so many failed probes: it doubles from `FIRST_PAUSE` to `MAX_PAUSE`."""
    return min(FIRST_PAUSE * (1 << min(probes, _MOST_DOUBLINGS)), MAX_PAUSE)
