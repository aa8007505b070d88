"""When a source counts as away, and who may ask it then. Pure: time is an argument.

closed ── so many failures in a row, soon after each other ──→ away ── an answer to anybody ──→ closed
                                                                │ ▲
                                              one probe in turn └─┘ no answer: the next one comes later
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.timestamps import is_known, later

if TYPE_CHECKING:
    from datetime import datetime

# Four calls that were given up after five attempts each, and nothing was answered in between, to anybody.
OPENS_AFTER: Final = 20
# Failures further apart are not one outage. A request that gets no answer takes a minute to fail.
IN_A_ROW: Final = timedelta(minutes=3)
FIRST_PROBE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(minutes=5)
# Ten seconds to connect and sixty without a byte, and some more: until then nobody else probes.
PROBE_LASTS: Final = timedelta(seconds=90)
LONGEST_PLAN: Final = max(LONGEST_PAUSE, PROBE_LASTS)
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


def known(outage: Outage, now: datetime) -> Outage | None:
    """Return an outage; None where it was written down by a clock that was ahead: nothing is known of it then.

    The next probe tells, too: none is planned further ahead than a pause or a probe lasts.
    """
    marks = (outage.failing_since, outage.failed_at, outage.away_since or outage.failed_at)
    if not all(is_known(mark, now) for mark in marks):
        return None
    if outage.probe_at is not None and not is_known(outage.probe_at, later(now, LONGEST_PLAN)):
        return None
    return outage


def after_failure(before: Outage | None, now: datetime, error: str, *, was_probe: bool) -> Outage:
    """Give what is known after one more request failed; only a probe, not a straggler, moves the next one."""
    if before is None or (before.away_since is None and now - before.failed_at > IN_A_ROW):
        return Outage(1, now, now, error[:_LONGEST_ERROR])
    after = replace(before, failures=before.failures + 1, failed_at=now, error=error[:_LONGEST_ERROR])
    if before.away_since is not None:
        return replace(after, probe_at=now + pause(before.probes)) if was_probe else after
    if after.failures >= OPENS_AFTER:
        return replace(after, away_since=after.failing_since, probe_at=now + FIRST_PROBE)
    return after


def may_probe(outage: Outage, now: datetime, *, force_probe: bool) -> bool:
    """Say whether someone may ask a source that is away; a person who `force_probe` always may."""
    return force_probe or outage.probe_at is None or now >= outage.probe_at


def while_probing(outage: Outage, now: datetime) -> Outage:
    """Give what is known while one asks: nobody else does, unless it takes too long."""
    return replace(outage, probe_at=now + PROBE_LASTS, probes=outage.probes + 1)


def pause(probes: int) -> timedelta:
    """Give how long nobody asks after so many probes in vain."""
    return min(FIRST_PROBE * (1 << min(probes, _MOST_DOUBLINGS)), LONGEST_PAUSE)
