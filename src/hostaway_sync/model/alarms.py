"""Alarms: what is wrong with an account until its cause was seen to be gone. Pure; the time comes as an argument.

    cause seen ──→ stands, is told ──→ told again once in 24 hours ──→ cause seen to be gone: is told, ends
                                  └──→ another cause seen: told at once, unless it was told in the last 24 hours

A run that does not look at a cause leaves its alarm as it is.
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
# What tells two causes apart, though it has digits: an address, and the status of an answer. Else a word with digits is
# a figure, a time or an id; the noun after it may be in the plural.
_FIGURES = re.compile(
    r"(?P<kept>\w+://\S+|\b(?:with|status) [1-5]\d\d\b|\([1-5]\d\d\))"
    r"|[\w.:+-]*\d[\w.:+-]*(?: (?P<noun>[a-z]+?)s?\b)?"
)


class AlarmKind(StrEnum):
    """What an alarm is about."""

    BRAKE = "brake"
    """Suspiciously many rows are gone at once, and none was marked missing."""
    PARTIAL = "partial"
    """A resource was not read whole."""
    DIFFERS = "differs"
    """A verification found differences."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What was seen to be wrong.

    Attributes:
        kind: what it is about.
        resource: whose rows; empty for all of the account.
        sentence: what is wrong, and what to do.
        needs_sweep: only a run that reads the whole list can see that it is gone.
    """

    kind: AlarmKind
    resource: str
    sentence: str
    needs_sweep: bool = False

    @property
    def normalized_sentence(self) -> str:
        """What is wrong, without figures and times: they change while the cause is the same."""
        return _FIGURES.sub(lambda found: found["kept"] or f"# {found['noun'] or ''}", self.sentence)

    @property
    def digest(self) -> str:
        """The gist without its words, which may be a guest's."""
        return sha256(self.normalized_sentence.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Alarm:
    """A cause that stands.

    Attributes:
        cause: what is wrong.
        since: when it was first seen.
        told_at: when a run last said so; None where none did in the last 24 hours.
        others_told: by digest, when a run last told the other causes that this alarm had in the last 24 hours.
    """

    cause: Cause
    since: datetime
    told_at: datetime | None = None
    others_told: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def key(self) -> tuple[AlarmKind, str]:
        """What tells two alarms of an account apart."""
        return self.cause.kind, self.cause.resource


@dataclass(frozen=True, slots=True)
class AlarmFindings:
    """What a run saw.

    Attributes:
        causes: what is wrong.
        gone: alarms whose cause is gone unless only a sweep can see that.
        swept: alarms whose cause is gone, whatever it takes to see that.
    """

    causes: tuple[Cause, ...] = ()
    gone: frozenset[tuple[AlarmKind, str]] = frozenset()
    swept: frozenset[tuple[AlarmKind, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class AlarmUpdate:
    """The alarms of an account after a run.

    Attributes:
        alarms: those that stand, oldest first.
        reported: those of them that this run tells: their cause was not told in the last 24 hours.
        ended: those whose cause this run saw to be gone.
    """

    alarms: tuple[Alarm, ...] = ()
    reported: tuple[Alarm, ...] = ()
    ended: tuple[Alarm, ...] = ()


def update_alarms(before: Iterable[Alarm], seen: AlarmFindings, now: datetime) -> AlarmUpdate:
    """Return the alarms that stand after a run, those that it tells, and those that ended."""
    known = {alarm.key: alarm for alarm in before}
    causes = {(cause.kind, cause.resource): cause for cause in seen.causes}
    ended = [alarm for key, alarm in known.items() if key not in causes and _is_gone(alarm, seen)]
    standing = [alarm for alarm in known.values() if alarm.key not in causes and alarm not in ended]
    standing += [_renewed(known.get(key), cause, now) for key, cause in causes.items()]
    told = [replace(alarm, told_at=now) if is_due(alarm, now) else alarm for alarm in standing]
    told.sort(key=lambda alarm: (alarm.since, alarm.key))
    return AlarmUpdate(tuple(told), tuple(alarm for alarm in told if alarm.told_at == now), tuple(ended))


def is_due(alarm: Alarm, now: datetime) -> bool:
    """Return whether an alarm is to be told at `now`."""
    return not _is_lately(alarm.told_at, now)


def _is_lately(told_at: datetime | None, now: datetime) -> bool:
    return told_at is not None and now - told_at < REPEAT_INTERVAL and is_credible_mark(told_at, now)


def _is_gone(alarm: Alarm, seen: AlarmFindings) -> bool:
    return alarm.key in seen.swept or (alarm.key in seen.gone and not alarm.cause.needs_sweep)


def _renewed(known: Alarm | None, cause: Cause, now: datetime) -> Alarm:
    if known is None:
        return Alarm(cause, now)
    told = {**known.others_told} if known.told_at is None else {**known.others_told, known.cause.digest: known.told_at}
    lately = {digest: at for digest, at in told.items() if _is_lately(at, now)}
    told_at = lately.pop(cause.digest, None)
    needs_sweep = cause.needs_sweep or known.cause.needs_sweep
    return replace(known, cause=replace(cause, needs_sweep=needs_sweep), told_at=told_at, others_told=lately)
