"""Decisions on the other kinds: which lists are read when, and what a reading shows. Pure: the time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.kinds.kind import REFUSED_LISTS, REFUSED_PERIOD, Kind, KindReading, Scope
from hostaway_sync.sync import plan as run_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

# A list that failed is asked for again after this time, and not in each run.
FAILED_PERIOD: Final = timedelta(hours=1)
# How often a list is read in one run where rows may have been missed.
MAX_READINGS: Final = 3


class Urge(Enum):
    """Which lists of a kind a run reads."""

    DUE = auto()
    """Those whose turn it is."""
    ALL = auto()
    """All of them: a person asked for the kind."""
    WHOLE = auto()
    """All of them, and each of them whole."""


@dataclass(frozen=True, slots=True)
class KindTask:
    """One list to be read.

    Attributes:
        kind: what it holds.
        reading: how it was read last.
        is_whole: all of it is read, and not only what may still change.
        why: the reason for `ApiCall`.
        reservations: those whose objects are read beside what may still change.
    """

    kind: Kind
    reading: KindReading
    is_whole: bool
    why: str
    reservations: tuple[int, ...] = ()


def select_tasks(
    kind: Kind, known: Iterable[KindReading], live: Sequence[int], now: datetime, *, urge: Urge = Urge.DUE
) -> list[KindTask]:
    """Return the lists of a kind that a run must read, those never read first, then the longest overdue.

    Args:
        kind: what the lists hold.
        known: how lists were read last, of this and other kinds.
        live: the listings of the account.
        now: by the database's clock, in UTC.
        urge: whether lists are read whose turn it is not.
    """
    by_parent = {reading.parent: reading for reading in known if reading.kind == kind.name}
    parents: Sequence[int | None] = live if kind.scope is Scope.LISTING else (None,)
    if kind.scope is Scope.LISTING and urge is Urge.DUE and _is_closed(by_parent.get(None), now):
        return []
    readings = [by_parent.get(parent) or KindReading(kind.name, parent) for parent in parents]
    due = [
        one
        for one in readings
        if urge is not Urge.DUE or run_plan.has_turn_come(one.due_at, now, choose_period(kind, one))
    ]
    due.sort(key=lambda one: (one.due_at is not None, one.due_at or now))
    return [_as_task(kind, reading, now, is_whole=urge is Urge.WHOLE) for reading in due]


def _is_closed(account: KindReading | None, now: datetime) -> bool:
    """Whether the account's plan lacked the kind a short time ago; then no listing is asked about."""
    if account is None or account.refused_at is None:
        return False
    return not run_plan.has_turn_come(account.due_at, now, REFUSED_PERIOD)


def choose_period(kind: Kind, reading: KindReading) -> timedelta:
    """Return in which time a list is read once."""
    return kind.every if reading.refused_at is None else max(REFUSED_PERIOD, kind.every)


def _as_task(kind: Kind, reading: KindReading, now: datetime, *, is_whole: bool) -> KindTask:
    if not is_whole:
        is_whole = kind.whole_every is None or reading.whole_at is None or now - reading.whole_at >= kind.whole_every
    if kind.scope is Scope.INSTALLATION:
        why = f"{kind.name}: as from time to time, for all accounts"
    elif reading.read_at is None:
        why = f"{kind.name}: for the first time"
    elif is_whole:
        why = f"{kind.name}: all, as from time to time"
    else:
        why = f"{kind.name}: what may still change"
    return KindTask(kind, reading, is_whole, why)


def after_reading(account_id: int, task: KindTask, asked_at: datetime) -> KindReading:
    """Return how a list was read last, after it was read without doubt at `asked_at`."""
    before = task.reading
    name = f"{account_id}/{task.kind.name}/{before.parent or ''}"
    # A list that was refused kept another rhythm.
    last_turn = before.due_at if before.refused_at is None else None
    due_at = run_plan.choose_next_turn(name, last_turn, asked_at, task.kind.every)
    whole_at = asked_at if task.is_whole else before.whole_at
    return replace(before, read_at=asked_at, whole_at=whole_at, due_at=due_at, refused_at=None)


def after_refusal(task: KindTask, now: datetime) -> KindReading:
    """Return how a list was read last, after the platform refused it."""
    due_at = now + max(REFUSED_PERIOD, task.kind.every)
    return replace(task.reading, due_at=due_at, refused_at=now)


def after_failure(task: KindTask, now: datetime) -> KindReading:
    """Return how a list was read last, after it could not be read, or not without doubt."""
    return replace(task.reading, due_at=now + min(FAILED_PERIOD, task.kind.every))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the lists of a kind were read in one run.

    Attributes:
        read: lists without doubt.
        refused: lists that the platform refused.
        forbidden: those of these that are there, as far as the answer tells.
        failed: lists that could not be read.
        first_failure: the error of the first of these.
        doubtful: lists in which rows may have been missed.
        first_doubt: why, of the first of these.
        braked: sentences on objects that are gone in suspicious number.
    """

    read: int = 0
    refused: int = 0
    forbidden: int = 0
    failed: int = 0
    first_failure: str | None = None
    doubtful: int = 0
    first_doubt: str | None = None
    braked: tuple[str, ...] = ()

    def describe(self) -> str | None:
        """Return one sentence on what was not read, failures first; None: everything was, or was refused."""
        if self.failed:
            return self.first_failure
        if self.braked:
            return self.braked[0]
        if self.doubtful:
            return f"not read whole: {self.first_doubt}"
        return None

    @property
    def shows_closed_kind(self) -> bool:
        """Whether the account's plan seems to lack the kind, so that no further list need be asked for."""
        return self.read == 0 and self.forbidden >= REFUSED_LISTS
