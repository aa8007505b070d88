"""When a source counts as away, and who may ask it then. Pure: time is an argument.

closed ── so many failures in a row, soon after each other ──→ away ── an answer to anybody ──→ closed
                                                                │ ▲
                                              one probe in turn └─┘ no answer: the next one comes later
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.timestamps import add_clamped, is_credible_mark

if TYPE_CHECKING:
    from datetime import datetime

# Four calls that were given up after five attempts each, and nothing was answered in between, to anybody.
FAILURES_TO_OPEN: Final = 20
# Failures further apart are not one outage. A request that gets no answer takes a minute to fail.
MAX_FAILURE_GAP: Final = timedelta(minutes=3)
FIRST_PAUSE: Final = timedelta(seconds=30)
MAX_PAUSE: Final = timedelta(minutes=5)
# Ten seconds to connect and sixty without a byte, and some more: until then nobody else probes.
PROBE_TIMEOUT: Final = timedelta(seconds=90)
MAX_PROBE_DELAY: Final = max(MAX_PAUSE, PROBE_TIMEOUT)
_LONGEST_ERROR: Final = 500
_MOST_DOUBLINGS: Final = 10


@dataclass(frozen=True, slots=True)
class Outage:
    """Failures in a row; without any there is none.

    Attributes:
        failures: how many requests in a row had no answer, or one that says it is the source's fault.
        failing_since: when the first of them failed.
        failed_at: when the last one did.
        error: what came of it.
        away_since: the source counts as away, since then; None: everybody may ask.
        probe_at: from then on one may ask; None: it is not away.
        probes: how many have asked in vain, or ask now.
    """

    failures: int
    failing_since: datetime
    failed_at: datetime
    error: str
    away_since: datetime | None = None
    probe_at: datetime | None = None
    probes: int = 0


def discard_future_outage(outage: Outage, now: datetime) -> Outage | None:
    """Return an outage; None where it was written down by a clock that was ahead: nothing is known of it then.

    The next probe tells, too: none is planned further ahead than a pause or a probe lasts.
    """
    marks = (outage.failing_since, outage.failed_at, outage.away_since or outage.failed_at)
    if not all(is_credible_mark(mark, now) for mark in marks):
        return None
    if outage.probe_at is not None and not is_credible_mark(outage.probe_at, add_clamped(now, MAX_PROBE_DELAY)):
        return None
    return outage


def record_failure(before: Outage | None, now: datetime, error: str, *, was_probe: bool) -> Outage:
    """Give what is known after one more request failed; only a probe, not a straggler, moves the next one."""
    if before is None or (before.away_since is None and now - before.failed_at > MAX_FAILURE_GAP):
        return Outage(1, now, now, error[:_LONGEST_ERROR])
    after = replace(before, failures=before.failures + 1, failed_at=now, error=error[:_LONGEST_ERROR])
    if before.away_since is not None:
        return replace(after, probe_at=now + probe_pause(before.probes)) if was_probe else after
    if after.failures >= FAILURES_TO_OPEN:
        return replace(after, away_since=after.failing_since, probe_at=now + FIRST_PAUSE)
    return after


def may_probe(outage: Outage, now: datetime, *, force_probe: bool) -> bool:
    """Say whether someone may ask a source that is away; a person who `force_probe` always may."""
    return force_probe or outage.probe_at is None or now >= outage.probe_at


def start_probe(outage: Outage, now: datetime) -> Outage:
    """Give what is known while one asks: nobody else does, unless it takes too long."""
    return replace(outage, probe_at=now + PROBE_TIMEOUT, probes=outage.probes + 1)


def probe_pause(probes: int) -> timedelta:
    """Give how long nobody asks after so many probes in vain."""
    return min(FIRST_PAUSE * (1 << min(probes, _MOST_DOUBLINGS)), MAX_PAUSE)
