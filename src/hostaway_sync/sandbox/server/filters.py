"""Lists by `sortOrder` and filters. The default order costs nothing; any other reads every row once.

Parameters that are not named here are ignored, as Hostaway does (API notes, 2.2, 4.4 and 4.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from hostaway_sync.sandbox.seed.timestamps import parse_day

if TYPE_CHECKING:
    from hostaway_sync.sandbox.seed.live_order import Entry
    from hostaway_sync.sandbox.server.request import Request
    from hostaway_sync.sandbox.world.world import World

Payload = dict[str, Any]
Test = tuple[str, str, str]


class RowOrder(Protocol):
    """Rows in some order."""

    def __len__(self) -> int: ...
    def __contains__(self, row_id: int) -> bool: ...
    def slice(self, offset: int, limit: int) -> list[Entry]:
        """Return `limit` rows from `offset` on."""
        ...

    def after(self, row_id: int) -> int | None:
        """Return the offset of the row below this one; None for a row that was never listed."""
        ...


class FixedOrder:
    """Rows in an order that was computed once."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._places = {number: place for place, (_, number) in enumerate(entries)}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, row_id: int) -> bool:
        return row_id in self._places

    def slice(self, offset: int, limit: int) -> list[Entry]:
        """Return `limit` rows from `offset` on."""
        return self._entries[offset : offset + limit]

    def after(self, row_id: int) -> int | None:
        """Return the offset of the row below this one; None for a row that is not listed."""
        place = self._places.get(row_id)
        return None if place is None else place + 1


_EQUAL: Final = {
    "listingId": "listingMapId",
    "channelId": "channelId",
    "isArchived": "isArchived",
    "isStarred": "isStarred",
}
_FROM: Final = {"arrivalStartDate": "arrivalDate", "departureStartDate": "departureDate"}
_UNTIL: Final = {"arrivalEndDate": "arrivalDate", "departureEndDate": "departureDate"}
_LISTING_EQUAL: Final = {"city": "city", "country": "country"}
_RESERVATION_SORTS: Final = (
    "updatedOn",
    "arrivalDate",
    "latestActivity",
    "lastConversationMessageSent",
    "lastConversationMessageReceived",
)
_LISTING_SORTS: Final = {
    "name": "name",
    "order": "id",
    "contactName": "contactName",
    "latestActivity": "latestActivityOn",
}


class FilteredLists:
    """The filtered lists of one account; the last one is cached until a row of the account changes.

    Callers hold the `lock` of the world.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._kept: tuple[tuple[object, ...], FixedOrder] | None = None

    def reservations(self, request: Request) -> RowOrder:
        """Return the reservations that a request asks for, in its order."""
        world, by_days = self.world, self.world.switches.activity_filter == "days"
        tests = _tests(request, equal=_EQUAL, starts=_FROM, ends=_UNTIL, activity=by_days)
        sort, down = _sort(request, "Desc")
        if sort not in _RESERVATION_SORTS or world.switches.sort_parameters == "ignored":
            sort = ""
        if not tests and not sort:
            return world.reservation_order
        key = (world.revision, sort, down, *sorted(tests))
        if self._kept is None or self._kept[0] != key:
            self._kept = (key, FixedOrder(_read_reservations(world, tests, sort, down=down)))
        return self._kept[1]


def _read_reservations(world: World, tests: list[Test], sort: str, *, down: bool) -> list[Entry]:
    rows: list[tuple[str, int, Entry]] = []
    for position, number in world.reservation_order:
        if number < 0:
            continue
        payload = world.reservation(number)
        if all(_passes(payload, *test) for test in tests):
            rows.append((_rank(world, payload, sort), number, (position, number)))
    if sort:
        rows.sort(reverse=down)
    return [entry for _, _, entry in rows]


def _rank(world: World, payload: Payload, sort: str) -> str:
    if sort.startswith("lastConversationMessage"):
        threads = [world.conversation(number) for number in world.conversations_of(payload["id"])]
        moments = [thread.sent if sort.endswith("Sent") else thread.received for thread in threads]
        return f"{max((moment or 0 for moment in moments), default=0):020d}"
    return str(payload[{"latestActivity": "latestActivityOn"}.get(sort, sort)] or "") if sort else ""


def filter_listings(world: World, request: Request) -> list[int]:
    """Return the ids of the listings that a request asks for, in its order."""
    tests = _tests(request, equal=_LISTING_EQUAL, starts={}, ends={}, activity=True)
    if request.query.get("specialStatus[]") == "active":
        tests.append(("is", "specialStatus", ""))
    numbers = list(world.listing_ids)
    if world.switches.listings_order == "id_desc":
        numbers.reverse()
    if tests:
        numbers = [
            number for number in numbers if number > 0 and all(_passes(world.listing(number), *test) for test in tests)
        ]
    sort, down = _sort(request, "Desc", "Reversed")
    if sort not in _LISTING_SORTS or world.switches.sort_parameters == "ignored":
        return numbers
    if sort == "latestActivity":
        return sorted(numbers, key=lambda number: (world.listing_edited(number), number), reverse=down)
    if sort == "order":
        return sorted(numbers, reverse=down)
    names = {number: str(world.listing(number)[_LISTING_SORTS[sort]]) for number in numbers if number > 0}
    return sorted(numbers, key=lambda number: (names.get(number, ""), number), reverse=down)


def _sort(request: Request, *suffixes: str) -> tuple[str, bool]:
    text = request.query.get("sortOrder", "")
    for suffix in suffixes:
        if text.endswith(suffix):
            return text.removesuffix(suffix), True
    return text, False


def _tests(
    request: Request, *, equal: dict[str, str], starts: dict[str, str], ends: dict[str, str], activity: bool
) -> list[Test]:
    """Return (how, key, value) of each known and well-formed filter."""
    if activity:
        starts = starts | {"latestActivityStart": "latestActivityOn"}
        ends = ends | {"latestActivityEnd": "latestActivityOn"}
    tests: list[Test] = []
    for name, value in request.query.items():
        if name in equal and (value.isdigit() or name in _LISTING_EQUAL):
            tests.append(("is", equal[name], value))
        elif name in starts and parse_day(value) is not None:
            tests.append(("from", starts[name], value))
        elif name in ends and parse_day(value) is not None:
            tests.append(("until", ends[name], value))
    return tests


def _passes(payload: Payload, how: str, key: str, wanted: str) -> bool:
    value = str(payload.get(key) or "")
    if how == "is":
        return value == wanted or (wanted == "0" and value == "")
    day = value[:10]
    return day >= wanted if how == "from" else bool(day) and day <= wanted
