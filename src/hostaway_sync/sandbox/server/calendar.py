"""`/listings/{id}/calendar`: days of one listing, read and written (API notes, 8)."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.sandbox.seed.prng import mix
from hostaway_sync.sandbox.seed.timestamps import DAY, LAST_DAY, parse_day
from hostaway_sync.sandbox.server.list_pages import join_rows, wants_resources
from hostaway_sync.sandbox.server.request import Reply, Request, failure_reply, success_reply

if TYPE_CHECKING:
    from hostaway_sync.sandbox.server.account import Account
    from hostaway_sync.sandbox.switches import Switches
    from hostaway_sync.sandbox.world.world import World

_LONGEST = 1_100
_DEFAULT_DAYS = 30
_IGNORED_DAYS = 90
_LONG_RANGE = 100
_HORIZON = 180
_NUMBERS: Final = ("price", "minimumStay", "maximumStay", "desiredUnitsToSell")
_FLAGS: Final = ("isAvailable", "closedOnArrival", "closedOnDeparture")


def read_calendar(account: Account, request: Request) -> Reply:
    """Answer the days from `startDate` to `endDate`, both included; malformed dates are ignored.

    Switches leave days out, shuffle them or repeat one.
    """
    world = account.world
    first, last = _range(world, request)
    texts = world.calendar_texts(request.ids[0], first, last, resources=wants_resources(request, world.switches))
    return success_reply(join_rows(_as_switched(texts, request.ids[0], world.switches)))


def _range(world: World, request: Request) -> tuple[int, int]:
    """Return the first and the last day of an answer, counted from 1970-01-01."""
    # By the clock of tokens and limits, as a client has it: those of the worlds stand still between two changes.
    today = int(request.time) // DAY
    if world.switches.ignored_dates:
        return today, today + _IGNORED_DAYS - 1
    first = parse_day(request.query.get("startDate"))
    first = today if first is None else first
    last = parse_day(request.query.get("endDate"))
    last = min(first + _DEFAULT_DAYS - 1 if last is None else last, first + _LONGEST, LAST_DAY)
    days = last - first + 1
    if world.switches.short_calendar == "half" and days > _LONG_RANGE:
        last -= days // 2
    elif world.switches.short_calendar == "horizon":
        last = min(last, today + _HORIZON)
    return first, last


def _as_switched(texts: list[str], listing_id: int, switches: Switches) -> list[str]:
    if switches.calendar_order == "shuffled":
        places = sorted(range(len(texts)), key=lambda place: mix(listing_id * 100_003 + place))
        texts = [texts[place] for place in places]
    if switches.calendar_doubles:
        middle = len(texts) // 2
        texts = texts[:middle] + texts[middle : middle + 1] + texts[middle:]
    return texts


def write_calendar(account: Account, request: Request) -> Reply:
    """Write the keys that were sent over the days of a range, and answer these days; unknown keys are ignored."""
    world, listing_id = account.world, request.ids[0]
    document = request.document()
    days = _written_range(document)
    if world.listing(listing_id).get("specialStatus") == "archived":
        return failure_reply(world.switches.invalid_write, "The listing is archived", world.switches)
    refusal = _refused_value(document)
    if days is None or refusal:
        text = refusal or "startDate and endDate are required, in order"
        return failure_reply(world.switches.invalid_write, text, world.switches)
    keys: dict[str, Any] = {key: document[key] for key in (*_FLAGS, *_NUMBERS, "note") if key in document}
    keys |= {key: int(keys[key]) for key in _FLAGS if keys.get(key) is not None}
    world.write_days(listing_id, *days, keys)
    return success_reply(join_rows(world.calendar_texts(listing_id, *days)))


def _written_range(document: dict[str, Any]) -> tuple[int, int] | None:
    first, last = parse_day(document.get("startDate")), parse_day(document.get("endDate"))
    if first is None or last is None or not first <= last <= first + _LONGEST:
        return None
    return first, last


def _refused_value(document: dict[str, Any]) -> str:
    """Return what is wrong with the keys to be written; "" when nothing is."""
    for key in _FLAGS:
        if document.get(key, 0) not in (0, 1) and (document[key] is not None or key == "isAvailable"):
            return f"{key} must be 0 or 1"
    for key in _NUMBERS:
        value = document.get(key)
        if value is not None and (type(value) not in (int, float) or not 0 <= value < inf):
            return f"{key} must be a number"
    if not isinstance(document.get("note", ""), str | None):
        return "note must be a text"
    return ""
