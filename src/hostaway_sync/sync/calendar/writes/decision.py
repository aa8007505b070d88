"""Decides whether days changed before a write, and what became of one, by the days that were read. Pure.

    every day shows the new values                                    done
    only some do                                                      partial: the sentence names the others
    none of the days that were to change does                         failed; not known yet where a request that was
                                                                      not answered may still take effect
    a day was not shown                                               not known yet

What the days show decides, and not what was answered. A day that a stay takes is never available,
so it counts as opened when it has the other values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.calendar.days import Days
from hostaway_sync.model.calendar.writes import WriteState, pick_values

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import date, datetime

    from hostaway_sync.model.calendar.listing_calendar import StoredDay
    from hostaway_sync.model.calendar.writes import CalendarWrite, Value, Values

# The request takes at most a minute to be written, a minute to be answered, and five for the body of the answer.
LONGEST_REQUEST: Final = timedelta(minutes=10)
# A writer that was delayed longer than this between its mark and its request, as by a sleeping machine, sends nothing.
LEAVES_WITHIN: Final = timedelta(seconds=60)
# A request that got no answer may take effect this long after it left, as the source's own timeouts go.
TAKES_EFFECT_WITHIN: Final = timedelta(seconds=60)
_MOST_NAMED: Final = 3
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ChangedDay:
    """A day that is not at the source as the mirror has it; `mirrored` is None where the mirror did not have it."""

    mirrored: StoredDay | None
    live: StoredDay


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a write, and a sentence where not all days show it."""

    state: WriteState
    error: str | None = None


def find_changed_days(
    mirrored: Mapping[date, StoredDay],
    live: Iterable[StoredDay],
    columns: Collection[str],
    taken: Collection[str],
) -> tuple[ChangedDay, ...]:
    """Return the days that changed since they were mirrored, in what a person who writes relies on.

    Args:
        mirrored: by date, as the person could see them.
        live: as the source shows them now.
        columns: which are to be written.
        taken: statuses of days that a stay takes.

    Returns:
        Days whose availability, status or columns to be written differ; and days that a stay takes and the mirror
        did not have. Of other days that were not mirrored nobody could know anything.
    """
    compared = tuple(dict.fromkeys(("is_available", "status", *columns)))
    changed: list[ChangedDay] = []
    for day in live:
        known = mirrored.get(day.date)
        if known is None:
            is_changed = day.status in taken
        else:
            is_changed = any(not _is_same(getattr(known, name), getattr(day, name)) for name in compared)
        if is_changed:
            changed.append(ChangedDay(known, day))
    return tuple(changed)


def settle(
    write: CalendarWrite, shown: Mapping[date, StoredDay], taken: Collection[str], *, may_come_late: bool = False
) -> Settlement | None:
    """Return what became of a write; None: not all of its days were shown.

    Args:
        write: whose request may have left.
        shown: its days, by date, as they were read after the request.
        taken: statuses of days that a stay takes.
        may_come_late: the request was not answered, and left so short a time ago that it may still take effect.
    """
    days = write.days.list_days()
    if not write.new:
        return Settlement(WriteState.FAILED, "what was to be written was erased, so nothing can be compared")
    if any(day not in shown for day in days):
        return None
    off = [day for day in days if not shows_values(shown[day], write.new, taken)]
    if not off:
        return Settlement(WriteState.DONE)
    words, columns = describe_dates(off), tuple(write.new)
    # A day that a stay takes proves nothing: it would look the same without the write.
    changed = (
        day
        for day in days
        if not _has_values(write.old.get(day), write.new) and _has_values(pick_values(shown[day], columns), write.new)
    )
    if any(changed) and not may_come_late:
        return Settlement(WriteState.PARTIAL, f"{len(off):,} of {len(days):,} days do not show it: {words}")
    if may_come_late:
        late = f"the source may still carry it out, and does not show it: {words}"
        return Settlement(WriteState.OUTCOME_UNKNOWN, late)
    is_old = all(_has_values(write.old.get(day), pick_values(shown[day], columns)) for day in off)
    values = "the old values" if is_old else "neither the old values nor the new ones"
    return Settlement(WriteState.FAILED, f"the source shows {values}: {words}")


def shows_values(day: StoredDay, values: Values, taken: Collection[str]) -> bool:
    """Whether a day has these values; one that a stay takes cannot be available."""
    return all(
        _is_same(getattr(day, name), value)
        for name, value in values.items()
        if not (name == "is_available" and value and day.status in taken)
    )


def may_come_late(write: CalendarWrite, now: datetime) -> bool:
    """Whether the request of a write that got no answer may still take effect."""
    return write.sending_at is not None and timedelta(0) <= now - write.sending_at < TAKES_EFFECT_WITHIN


def may_be_under_way(write: CalendarWrite, *, has_died: bool, was_released: bool, since_mark: timedelta | None) -> bool:
    """Whether the request of another process may still be under way, although this process has the right to write.

    Args:
        write: an open row.
        has_died: its owner was a process of this host that has ended.
        was_released: its owner gave back the right, which it does when its request is over.
        since_mark: the time since the row became `sending`; None: it never did.
    """
    if has_died or was_released or write.state is not WriteState.SENDING or since_mark is None:
        return False
    return timedelta(0) <= since_mark <= LONGEST_REQUEST


def describe_dates(dates: Iterable[date]) -> str:
    """Return dates as stretches, the first few of them."""
    stretches = join_dates(dates)
    words = [f"{one.first}" if one.first == one.last else f"{one.first} to {one.last}" for one in stretches]
    more = len(words) - _MOST_NAMED
    return ", ".join(words[:_MOST_NAMED]) + (f" and {more:,} other stretches" if more > 0 else "")


def join_dates(dates: Iterable[date]) -> list[Days]:
    """Return ascending dates as the stretches that they form."""
    stretches: list[Days] = []
    for day in dates:
        if stretches and day - stretches[-1].last == _DAY:
            stretches[-1] = Days(stretches[-1].first, day)
        else:
            stretches.append(Days(day, day))
    return stretches


def _has_values(known: Values | None, wanted: Values) -> bool:
    return known is not None and all(_is_same(known.get(name), value) for name, value in wanted.items())


def _is_same(one: Value, other: Value) -> bool:
    """Whether two values are equal; an empty note is none, and one is the same with other white space around it."""
    return _normalized(one) == _normalized(other)


def _normalized(value: Value) -> Value:
    return (value.strip() or None) if isinstance(value, str) else value
