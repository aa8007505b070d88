"""The life of a reservation, told from what the tables know of it, in the order in which it happened. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.model.history.bookings import tell_bookings
from hostaway_sync.model.history.events import (
    LifeEvent,
    LifeKind,
    one_line,
    quote_words,
    tell_differences,
    tell_name,
    tell_value,
)
from hostaway_sync.model.messages import strip_markup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hostaway_sync.model.history.feed import RecordChange
    from hostaway_sync.model.vocabulary import StayKeys

_DAY: Final = timedelta(days=1)
# Outcomes of what was sent that end its story, and the others.
_SENT: Final = "sent"
_WAITS: Final = {"pending": "waits to be sent", "sending": "is being sent"}


@dataclass(frozen=True, slots=True)
class StayMessage:
    """A message of the threads of a reservation, as it is mirrored."""

    message_id: int
    sent_at: datetime | None
    created_at: datetime
    is_incoming: bool | None
    status: str | None
    body: str | None
    missing_since: datetime | None


@dataclass(frozen=True, slots=True)
class StaySend:
    """A message that this program was asked to send, and what became of it."""

    intent_id: int
    channel_type: str
    body: str
    state: str
    os_user: str
    message_id: int | None
    error: str | None
    created_at: datetime
    sending_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class StayDelivery:
    """A webhook delivery about the reservation."""

    delivery_id: str
    event: str
    status: str
    error: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StayWrite:
    """A write to days of the stay in the calendar of its listing."""

    write_id: int
    first_day: date
    last_day: date
    new_values: Mapping[str, Any]
    state: str
    os_user: str
    error: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StayDayChange:
    """A change of a day of the stay; those of one transaction have one `position`."""

    position: int
    day: date
    change: RecordChange


@dataclass(frozen=True, slots=True)
class StayFacts:
    """All that the tables know of one reservation.

    Attributes:
        changes: of the reservation, oldest first.
        days: changes of days of its stay, oldest first.
    """

    account_id: int
    reservation_id: int
    payload: Mapping[str, Any]
    first_seen_at: datetime
    missing_since: datetime | None
    changes: Sequence[RecordChange] = ()
    messages: Sequence[StayMessage] = ()
    sends: Sequence[StaySend] = ()
    deliveries: Sequence[StayDelivery] = ()
    days: Sequence[StayDayChange] = ()
    writes: Sequence[StayWrite] = ()


def tell_life(facts: StayFacts, keys: StayKeys) -> list[LifeEvent]:
    """Return the life of a reservation in the order in which it happened."""
    events = [
        *tell_bookings(
            str(facts.reservation_id),
            facts.payload,
            facts.changes,
            first_seen_at=facts.first_seen_at,
            missing_since=facts.missing_since,
            keys=keys,
        ),
        *_tell_messages(facts),
        *(event for sent in facts.sends for event in _tell_send(sent)),
        *map(_tell_delivery, facts.deliveries),
        *_tell_days(facts.days),
        *map(_tell_write, facts.writes),
    ]
    # Stable: what happened in one moment stays as it was made.
    return sorted(events, key=lambda event: event.at)


def _tell_messages(facts: StayFacts) -> Iterator[LifeEvent]:
    """Yield the mirrored messages, but for those that a message of ours became: its own line tells it."""
    ours = {sent.message_id for sent in facts.sends}
    for message in facts.messages:
        record_id, words = str(message.message_id), quote_words(strip_markup(message.body or ""))
        if message.message_id not in ours:
            who = {True: "guest", False: "host", None: "somebody"}[message.is_incoming]
            state = f" ({tell_value(message.status)})" if message.status not in {None, "", _SENT} else ""
            says = f"{who}{state}: {words}"
            at = message.sent_at or message.created_at
            yield LifeEvent(at, LifeKind.MESSAGE, says, "messages", record_id)
        if message.missing_since is not None:
            says = f"a message is gone at the source: {words}"
            yield LifeEvent(message.missing_since, LifeKind.MISSING, says, "messages", record_id)


def _tell_send(sent: StaySend) -> Iterator[LifeEvent]:
    """Yield that a message was to be sent, and what became of it."""
    record_id = str(sent.intent_id)
    waits = f", {_WAITS[sent.state]}" if sent.state in _WAITS else ""
    says = f"we, by {tell_value(sent.os_user)}, {sent.channel_type}{waits}: {quote_words(sent.body)}"
    yield LifeEvent(sent.created_at, LifeKind.SEND, says, "send", record_id)
    if sent.state in _WAITS:
        return
    outcome = sent.state.replace("_", " ")
    became = f" as message {sent.message_id}" if sent.message_id is not None else ""
    why = f": {one_line(sent.error)}" if sent.error else ""
    at = sent.settled_at or sent.sending_at or sent.created_at
    yield LifeEvent(at, LifeKind.SEND, f"our message {record_id}: {outcome}{became}{why}", "send", record_id)


def _tell_delivery(delivery: StayDelivery) -> LifeEvent:
    why = f": {one_line(delivery.error)}" if delivery.error else ""
    says = f"delivery {tell_value(delivery.event)}: {delivery.status}{why}"
    return LifeEvent(
        delivery.created_at,
        LifeKind.DELIVERY,
        says,
        "reservations",
        delivery.delivery_id,
        cause_id=delivery.delivery_id,
    )


def _tell_days(days: Sequence[StayDayChange]) -> Iterator[LifeEvent]:
    """Yield one event for each stretch of days that changed alike in one transaction."""
    alike = sorted(days, key=lambda one: (one.position, _difference(one), one.day))
    for (_, says), group in groupby(alike, key=lambda one: (one.position, _difference(one))):
        stretch: list[StayDayChange] = []
        for one in group:
            if stretch and one.day != stretch[-1].day + _DAY:
                yield _tell_stretch(stretch, says)
                stretch = []
            stretch.append(one)
        yield _tell_stretch(stretch, says)


def _difference(one: StayDayChange) -> str:
    return tell_differences(one.change.before, one.change.after)


def _tell_stretch(stretch: Sequence[StayDayChange], says: str) -> LifeEvent:
    first, last = stretch[0], stretch[-1]
    days = f"{first.day}" if len(stretch) == 1 else f"{first.day} to {last.day}"
    return LifeEvent(
        first.change.changed_at,
        LifeKind.CALENDAR,
        f"calendar {days}: {says}",
        first.change.resource,
        first.change.record_id,
        change_id=first.change.change_id,
        before=first.change.before,
        after=first.change.after,
        cause=first.change.cause,
        cause_id=first.change.cause_id,
    )


def _tell_write(write: StayWrite) -> LifeEvent:
    values = ", ".join(f"{tell_name(name)} {tell_value(value)}" for name, value in sorted(write.new_values.items()))
    why = f": {one_line(write.error)}" if write.error else ""
    days = f"{write.first_day}" if write.first_day == write.last_day else f"{write.first_day} to {write.last_day}"
    says = f"we, by {tell_value(write.os_user)}, write {days}: {values}: {write.state.replace('_', ' ')}{why}"
    return LifeEvent(
        write.created_at, LifeKind.WRITE, says, "calendar", str(write.write_id), after=write.new_values, cause="write"
    )
