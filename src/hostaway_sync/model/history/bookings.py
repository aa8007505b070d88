"""What became of a reservation itself: booked, changed, missing and back, as sentences. Pure: no I/O, no clock."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.model.history.events import NOTHING, LifeEvent, LifeKind, tell_name, tell_value
from hostaway_sync.model.timestamps import clamp_moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hostaway_sync.model.history.feed import RecordChange
    from hostaway_sync.model.vocabulary import StayKeys

_NAMES_SHOWN: Final = 6
_KINDS: Final = {"missing": LifeKind.MISSING, "returned": LifeKind.RETURNED, "erased": LifeKind.ERASED}
_SAYS: Final = {
    LifeKind.MISSING: "missing: the source no longer has it",
    LifeKind.RETURNED: "back at the source",
    LifeKind.ERASED: "erased: the guest was forgotten",
}
_RESOURCE: Final = "reservations"


def tell_bookings(
    record_id: str,
    payload: Mapping[str, Any],
    changes: Sequence[RecordChange],
    *,
    first_seen_at: datetime,
    missing_since: datetime | None,
    keys: StayKeys,
) -> Iterator[LifeEvent]:
    """Yield what became of a reservation, in the order in which it was made.

    Args:
        record_id: the reservation's id.
        payload: the reservation as it is now.
        changes: its changes that are kept, oldest first.
        first_seen_at: when its row was made.
        missing_since: since when the source no longer has it.
        keys: what the platform calls the parts of a stay.
    """
    inserted = [change for change in changes if change.change == "inserted"][:1]
    first = inserted[0].after or {} if inserted else undo_changes(payload, changes)
    booked_at = read_moment(first.get(keys.booked_at))
    yield LifeEvent(
        booked_at or first_seen_at,
        LifeKind.BOOKED,
        f"{'booked' if booked_at else 'first seen'}: {describe_stay(first, keys)}",
        _RESOURCE,
        record_id,
        change_id=inserted[0].change_id if inserted else None,
        cause=inserted[0].cause if inserted else None,
        cause_id=inserted[0].cause_id if inserted else None,
    )
    state, latest = dict(first), booked_at or first_seen_at
    for change in changes:
        if change in inserted:
            continue
        # A stamp of the source that went back must not turn two changes of one record round.
        stamp = change.source_updated_at or change.changed_at
        latest = max(latest, min(stamp, change.changed_at))
        if says := _tell_change(change, state, keys):
            yield LifeEvent(
                latest,
                _KINDS.get(change.change, LifeKind.CHANGED),
                says,
                change.resource,
                change.record_id,
                change_id=change.change_id,
                before=change.before,
                after=change.after,
                cause=change.cause,
                cause_id=change.cause_id,
            )
        state = apply_change(state, change)
    if missing_since is not None and not any(change.change == "missing" for change in changes):
        yield LifeEvent(missing_since, LifeKind.MISSING, _SAYS[LifeKind.MISSING], _RESOURCE, record_id)


def undo_changes(payload: Mapping[str, Any], changes: Sequence[RecordChange]) -> dict[str, Any]:
    """Return a payload as it was before these changes, oldest first."""
    former = dict(payload)
    for change in reversed(changes):
        for key in change.keys or ():
            former.pop(key, None)
        former |= change.before or {}
    return former


def apply_change(payload: Mapping[str, Any], change: RecordChange) -> dict[str, Any]:
    """Return a payload as a change left it: of the keys that differ, those without a new value are gone."""
    gone = set(change.keys or ())
    return {key: value for key, value in payload.items() if key not in gone} | dict(change.after or {})


def describe_stay(payload: Mapping[str, Any], keys: StayKeys) -> str:
    """Return dates, guests, price, status and channel of a reservation as one line."""
    guests = payload.get(keys.guests)
    parts = [
        tell_dates(payload, keys),
        f"{tell_value(guests)} guest{'' if guests == 1 else 's'}" if guests else "",
        tell_price(payload.get(keys.price), payload, keys),
        f"status {tell_value(payload.get(keys.status))}",
        f"by {tell_value(payload[keys.channel])}" if payload.get(keys.channel) else "",
    ]
    return ", ".join(part for part in parts if part)


def tell_dates(payload: Mapping[str, Any], keys: StayKeys) -> str:
    """Return the first and the last day of a stay, and its nights where both are dates."""
    first, last = (tell_value(payload.get(key)) for key in (keys.arrival, keys.departure))
    try:
        nights = (date.fromisoformat(last) - date.fromisoformat(first)).days
    except ValueError:
        return f"{first} to {last}"
    return f"{first} to {last} ({nights} night{'' if nights == 1 else 's'})"


def tell_price(price: object, payload: Mapping[str, Any], keys: StayKeys) -> str:
    """Return a price with two decimals and its currency; empty where there is none."""
    if price is None or price == "":
        return ""
    try:
        amount = f"{Decimal(str(price)):,.2f}"
    except InvalidOperation:
        amount = tell_value(price)
    currency = payload.get(keys.currency)
    return f"{amount} {tell_value(currency)}" if currency else amount


def read_moment(value: object) -> datetime | None:
    """Return the time that a payload holds, in UTC where it names no zone; None where it holds none."""
    if not isinstance(value, str):
        return None
    try:
        return clamp_moment(datetime.fromisoformat(value.strip()))
    except (ValueError, OverflowError):
        return None


def _tell_change(change: RecordChange, state: Mapping[str, Any], keys: StayKeys) -> str:
    """Return what a change did to a reservation that was `state` until then; empty: only its stamps moved."""
    kind = _KINDS.get(change.change)
    new = apply_change(state, change)
    changed = set(change.keys or ())
    parts = [] if kind is None else [_SAYS[kind]]
    if keys.status in changed:
        parts.append(f"status {tell_value(state.get(keys.status))} → {tell_value(new.get(keys.status))}")
    if changed & {keys.arrival, keys.departure}:
        parts.append(f"dates {tell_dates(state, keys)} → {tell_dates(new, keys)}")
    if changed & {keys.price, keys.currency}:
        old, now = (tell_price(one.get(keys.price), one, keys) or NOTHING for one in (state, new))
        parts.append(f"price {old} → {now}")
    for name, key in (("guests", keys.guests), ("listing", keys.listing)):
        if key in changed:
            parts.append(f"{name} {tell_value(state.get(key))} → {tell_value(new.get(key))}")
    told = {keys.status, keys.arrival, keys.departure, keys.price, keys.currency, keys.guests, keys.listing}
    parts += _name_others(sorted(changed - told - keys.silent), has_more=bool(parts))
    return "; ".join(parts)


def _name_others(names: list[str], *, has_more: bool) -> list[str]:
    """Return the names of other keys that changed, without their values: they may be a guest's."""
    if not names:
        return []
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    shown = ", ".join(tell_name(name) for name in names[:_NAMES_SHOWN])
    return [f"{'also ' if has_more else 'changed: '}{shown}{more}"]
