"""Reads Hostaway's own log of its deliveries, in any order and shape (API notes, 6.3).

Its format is hardly documented: two paths are given for it, its entries have no time, and neither their order nor how
long they are kept is known. So the only assumption is that later entries have higher ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from hostaway_sync.model.deliveries import DeliveryLog, DeliveryLogEntry, RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.platforms.hostaway.parsing.casts import as_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.platforms.hostaway.http.protocol import Listing

LOG_PATHS: Final = ("/unifiedWebhookLogs", "/unifiedWebhookId")
LIMIT: Final = 100
MAX_PAGES: Final = 20
_SUCCESS: Final = range(200, 300)
_KINDS: Final = {
    "reservation": Resource.RESERVATIONS,
    "listing": Resource.LISTINGS,
    "conversationMessage": Resource.MESSAGES,
    "message": Resource.MESSAGES,
}


class FetchLogPage(Protocol):
    """Fetches a page of the log; raises `SourceError`."""

    def __call__(self, params: Mapping[str, int | str], step: str) -> Listing:
        """Return the page; `step` names it for an observer."""
        ...


def read_log(fetch: FetchLogPage, hook_id: int | None, *, after: int | None) -> DeliveryLog:
    """Return the log of a registration, at least the entries with higher ids than `after`, in at most 20 requests."""
    found: dict[int, DeliveryLogEntry] = {}
    wanted: dict[str, int | str] = {} if hook_id is None else {"unifiedWebhookId": hook_id}
    offset = 0
    gap_above: int | None = None
    for number in range(MAX_PAGES):
        step = f"page {number + 1}" if number else ""
        listing = fetch({"limit": LIMIT, "offset": offset, **wanted}, step)
        entries = [entry for entry in map(_entry, listing.rows) if entry is not None]
        ids = [entry.entry_id for entry in entries]
        # A log that ignores the offset gives the same page again.
        if not set(ids) - found.keys():
            return DeliveryLog(tuple(found.values()), is_whole=_is_beyond(gap_above, after, found))
        found |= {entry.entry_id: entry for entry in entries}
        rises = ids[0] < ids[-1]
        offset += len(listing.rows)
        is_end = listing.count is not None and offset >= listing.count
        if is_end or (after is not None and not rises and min(ids) <= after):
            return DeliveryLog(tuple(found.values()), is_whole=_is_beyond(gap_above, after, found))
        if rises and number == 0 and listing.count is not None:
            # Oldest first: the entries that matter are at the end.
            last_pages = listing.count - (MAX_PAGES - 1) * len(listing.rows)
            if last_pages > offset:
                offset, gap_above = last_pages, max(ids)
    # With rising ids, the newest entries are the ones that were not reached.
    is_whole = after is not None and after in found and not rises
    return DeliveryLog(tuple(found.values()), is_whole=is_whole)


def _is_beyond(gap_above: int | None, after: int | None, found: Mapping[int, DeliveryLogEntry]) -> bool:
    """Whether all entries after `after` were read, although some that follow `gap_above` were skipped."""
    return gap_above is None or (after is not None and after in found and after > gap_above)


def _entry(raw: bytes) -> DeliveryLogEntry | None:
    try:
        row: Any = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    number = as_id(row.get("id")) if isinstance(row, dict) else None
    if number is None:
        return None
    status, url = as_id(row.get("responseStatus")), row.get("url")
    return DeliveryLogEntry(
        entry_id=number,
        target=_target(row),
        was_accepted=None if status is None else status in _SUCCESS,
        hook_id=as_id(row.get("webhookNotificationSettingId")),
        url=url if isinstance(url, str) else "",
    )


def _target(row: dict[str, Any]) -> RefreshTarget | None:
    event, object_id = row.get("event"), as_id(row.get("objectId"))
    kind = event.partition(".")[0] if isinstance(event, str) else None
    names = (name for name in (row.get("object"), kind) if isinstance(name, str))
    resource = next((_KINDS[name] for name in names if name in _KINDS), None)
    return None if resource is None or object_id is None else RefreshTarget(resource, object_id)
