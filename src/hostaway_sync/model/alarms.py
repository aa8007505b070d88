"""Alarms of an account: raised when a run finds a cause, ended when a run finds the cause gone. Pure: no I/O, no clock.

    cause found ──→ raised and reported ──→ reported again every 24 hours ──→ cause gone: reported, ended
                                       └──→ cause changed: reported at once, but each cause at most once in 24 hours

A run that does not check a cause leaves its alarm unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from hostaway_sync.model.timestamps import is_credible_mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REPEAT_INTERVAL = timedelta(hours=24)
# Two sentences are of the same cause if only their figures, times and ids differ: every word with digits is one of
# these, and the noun after it may be in the plural. A URL and an HTTP status are kept, because they tell causes apart.
_FIGURES = re.compile(
    r"(?P<kept>\w+://\S+|\b(?:with|status) [1-5]\d\d\b|\([1-5]\d\d\))"
    r"|[\w.:+-]*\d[\w.:+-]*(?: (?P<noun>[a-z]+?)s?\b)?"
)


class AlarmKind(StrEnum):
    """What an alarm is about."""

    BRAKE = "brake"
    """Suspiciously many rows disappeared at once, so the run marked none of them missing."""
    PARTIAL = "partial"
    """A run did not read a resource completely."""
    DIFFERS = "differs"
    """A verification found differences."""


@dataclass(frozen=True, slots=True)
class Cause:
    """The reason of an alarm, as a run found it.

    Attributes:
        kind: the kind of alarm that it raises.
        resource: the resource whose rows are concerned; empty for the whole account.
        sentence: what is wrong, and what to do.
        needs_sweep: only a run that reads the complete list can find that the cause is gone.
    """

    kind: AlarmKind
    resource: str
    sentence: str
    needs_sweep: bool = False

    @property
    def normalized_sentence(self) -> str:
        """The sentence without figures, times and ids, which change while the cause stays the same."""
        return _FIGURES.sub(lambda found: found["kept"] or f"# {found['noun'] or ''}", self.sentence)

    @property
    def digest(self) -> str:
        """SHA-256 of the normalized sentence; unlike the sentence, it holds no personal data."""
        return sha256(self.normalized_sentence.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Alarm:
    """An active alarm.

    Attributes:
        cause: what is wrong.
        since: when a run first found it.
        told_at: when a run last reported the cause; None if none did in the last 24 hours.
        others_told: when a run last reported each earlier cause of this alarm in the last 24 hours, by digest.
    """

    cause: Cause
    since: datetime
    told_at: datetime | None = None
    others_told: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def key(self) -> tuple[AlarmKind, str]:
        """The alarm's identity within its account."""
        return self.cause.kind, self.cause.resource


@dataclass(frozen=True, slots=True)
class AlarmFindings:
    """What one run found about the alarms of its account.

    Attributes:
        causes: the causes that it found.
        gone: keys of alarms whose cause it found gone; they end unless their cause needs a sweep.
        swept: keys of alarms whose cause it found gone in a complete list; they end in any case.
        mirrored: all resources that are mirrored, so that others cause no alarm; None: the run does not tell.
    """

    causes: tuple[Cause, ...] = ()
    gone: frozenset[tuple[AlarmKind, str]] = frozenset()
    swept: frozenset[tuple[AlarmKind, str]] = frozenset()
    mirrored: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class AlarmUpdate:
    """The alarms of an account after a run.

    Attributes:
        alarms: the active ones, oldest first.
        reported: the active ones whose cause no run reported in the last 24 hours; this run reports them.
        ended: the ones whose cause this run found gone.
    """

    alarms: tuple[Alarm, ...] = ()
    reported: tuple[Alarm, ...] = ()
    ended: tuple[Alarm, ...] = ()


def update_alarms(before: Iterable[Alarm], seen: AlarmFindings, now: datetime) -> AlarmUpdate:
    """Return the alarms of an account after a run: active, reported and ended ones."""
    known = {alarm.key: alarm for alarm in before}
    causes = {(cause.kind, cause.resource): cause for cause in seen.causes}
    ended = [alarm for key, alarm in known.items() if key not in causes and _is_gone(alarm, seen)]
    active = [alarm for alarm in known.values() if alarm.key not in causes and alarm not in ended]
    active += [_renew(known.get(key), cause, now) for key, cause in causes.items()]
    active = [replace(alarm, told_at=now) if is_due(alarm, now) else alarm for alarm in active]
    active.sort(key=lambda alarm: (alarm.since, alarm.key))
    return AlarmUpdate(tuple(active), tuple(alarm for alarm in active if alarm.told_at == now), tuple(ended))


def is_due(alarm: Alarm, now: datetime) -> bool:
    """Whether a run at `now` reports an alarm: no run did in the last 24 hours."""
    return not _is_recent(alarm.told_at, now)


def _is_recent(told_at: datetime | None, now: datetime) -> bool:
    return told_at is not None and now - told_at < REPEAT_INTERVAL and is_credible_mark(told_at, now)


def _is_gone(alarm: Alarm, seen: AlarmFindings) -> bool:
    if seen.mirrored is not None and alarm.cause.resource not in {"", *seen.mirrored}:
        return True
    return alarm.key in seen.swept or (alarm.key in seen.gone and not alarm.cause.needs_sweep)


def _renew(known: Alarm | None, cause: Cause, now: datetime) -> Alarm:
    if known is None:
        return Alarm(cause, now)
    told = {**known.others_told} if known.told_at is None else {**known.others_told, known.cause.digest: known.told_at}
    recent = {digest: at for digest, at in told.items() if _is_recent(at, now)}
    told_at = recent.pop(cause.digest, None)
    needs_sweep = cause.needs_sweep or known.cause.needs_sweep
    return replace(known, cause=replace(cause, needs_sweep=needs_sweep), told_at=told_at, others_told=recent)
