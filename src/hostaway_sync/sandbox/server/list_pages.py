"""Pages of the four lists: envelope, limits, offsets and cursors over the live order (API notes, 2.1 and 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.sandbox.server.filters import filter_listings
from hostaway_sync.sandbox.server.request import MISSING, Reply, Request, failure_reply, success_reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.sandbox.server.filters import FilteredLists, RowOrder
    from hostaway_sync.sandbox.switches import Presence, Switches
    from hostaway_sync.sandbox.world.world import World

DEFAULT_LIMIT = 100


def join_rows(texts: Iterable[str | bytes]) -> bytes:
    """Return rows as a JSON array."""
    parts = list(texts)
    if any(isinstance(part, bytes) for part in parts):
        return b"[" + b",".join(part if isinstance(part, bytes) else part.encode() for part in parts) + b"]"
    return ("[" + ",".join(str(part) for part in parts) + "]").encode()


def wants_resources(request: Request, switches: Switches) -> bool:
    """Return whether sub-objects are filled (API notes, 4.6)."""
    flag = request.query.get("includeResources")
    if switches.include_resources == "ignored" or flag not in ("0", "1"):
        return switches.resources_by_default
    return flag == "1"


def list_reservations(views: FilteredLists, request: Request) -> Reply:
    """List reservations, newest `updatedOn` first; `afterId` beats `offset`."""
    world = views.world
    limit = asked_limit(request, world.switches)
    order = views.reservations(request)
    start = _start(world, order, request)
    if isinstance(start, Reply):
        return start
    if limit is None:
        return failure_reply(400, "limit is not valid", world.switches)
    resources = wants_resources(request, world.switches)
    entries = order.slice(start, limit + world.switches.overlong_pages)
    world.remember_listed(entries)
    rows = join_rows([world.reservation_text(position, number, resources=resources) for position, number in entries])
    rest = world.switches.cursor_count == "rest" and _cursor(request) is not None
    count = len(order) - start if rest else len(order)
    return success_reply(rows, rest=_short(count, limit, asked_offset(request), world.switches.reservations_count))


def list_listings(world: World, request: Request) -> Reply:
    """List listings by id."""
    limit = asked_limit(request, world.switches)
    if limit is None:
        return failure_reply(400, "limit is not valid", world.switches)
    numbers = filter_listings(world, request)
    offset = asked_offset(request)
    resources = wants_resources(request, world.switches)
    chosen = numbers[offset : offset + limit + world.switches.overlong_pages]
    rows = join_rows(world.listing_text(number, resources=resources) for number in chosen)
    return success_reply(rows, rest=_short(len(numbers), limit, offset, world.switches.listings_count))


def list_conversations(world: World, request: Request) -> Reply:
    """List conversations, newest `messageSentOn` first, those without one last; only `reservationId` filters."""
    limit = asked_limit(request, world.switches)
    if limit is None:
        return failure_reply(400, "limit is not valid", world.switches)
    offset = asked_offset(request)
    wanted = request.number("reservationId")
    size = limit + world.switches.overlong_pages
    if wanted is None or wanted < 1:
        numbers = [number for _, number in world.conversation_order.slice(offset, size)]
        count = len(world.conversation_order)
    else:
        found = world.conversations_of(wanted)
        numbers, count = found[offset : offset + size], len(found)
    rows = join_rows(world.conversation_text(number) for number in numbers)
    return success_reply(rows, rest=_long(count, limit, offset, world.switches.conversations_count, world.switches))


def list_messages(world: World, request: Request) -> Reply:
    """List a thread, newest first; only `sent` ones unless `includeScheduledMessages=1`."""
    limit = asked_limit(request, world.switches)
    if limit is None:
        return failure_reply(400, "limit is not valid", world.switches)
    conversation = world.conversation(request.ids[0])
    offset = asked_offset(request)
    entries = world.threads.listed(conversation, scheduled=request.query.get("includeScheduledMessages") == "1")
    chosen = entries[offset : offset + limit + world.switches.overlong_pages]
    rows = join_rows(world.threads.text(conversation, entry) for entry in chosen)
    return success_reply(rows, rest=_long(len(entries), limit, offset, world.switches.messages_count, world.switches))


def asked_limit(request: Request, switches: Switches) -> int | None:
    """Return the largest number of rows of a page; None when `limit` is refused."""
    limit = request.number("limit")
    if limit is None or limit < 1:
        refused = "limit" in request.query and switches.bad_limit == "bad_request"
        return None if refused else min(DEFAULT_LIMIT, switches.max_limit)
    return min(limit, switches.max_limit)


def asked_offset(request: Request) -> int:
    """Return the place of a page's first row; 0 where `offset` is none."""
    return max(request.number("offset") or 0, 0)


def _cursor(request: Request) -> int | None:
    cursor = request.number("afterId")
    return cursor if cursor is not None and cursor > 0 else None


def _start(world: World, order: RowOrder, request: Request) -> int | Reply:
    """Return the offset at which a page of reservations starts, or the refusal of a cursor that moved or is gone."""
    cursor = _cursor(request)
    if cursor is None:
        return asked_offset(request)
    below = order.after(cursor)
    if cursor in order:
        manner: str = world.switches.moved_cursor if world.moved_since_listed(cursor) else "continue"
        top = below or 0
    else:
        manner = world.switches.deleted_cursor
        top = 0
    if manner == "continue":
        return below or 0
    if manner == "restart":
        return top
    if manner == "empty":
        return len(order)
    if manner == "not_found":
        return failure_reply(404, MISSING, world.switches)
    return failure_reply(400, "afterId is not valid", world.switches)


def _count(count: int, presence: Presence) -> str:
    return {"present": f'"count":{count},', "null": '"count":null,', "absent": ""}[presence]


def _short(count: int, limit: int, offset: int, presence: Presence) -> str:
    return f',{_count(count, presence)}"limit":{limit},"offset":{offset}'


def _long(count: int, limit: int, offset: int, presence: Presence, switches: Switches) -> str:
    pages = {
        "present": f',"page":{offset // limit + 1},"totalPages":{-(-count // limit)}',
        "null": ',"page":null,"totalPages":null',
        "absent": "",
    }[switches.page_keys]
    return f',"limit":{limit},"offset":{offset},{_count(count, presence)}'.rstrip(",") + pages
