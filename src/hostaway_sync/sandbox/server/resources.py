"""Routes of the other resources: one for each kind of the table, and its envelope (resource notes, 0 to 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.sandbox.rows.phrases import quote
from hostaway_sync.sandbox.server.list_pages import asked_limit, asked_offset, join_rows
from hostaway_sync.sandbox.server.request import Reply, Request, failure_reply, success_reply
from hostaway_sync.sandbox.server.resource_lists import filter_refusal, filter_tests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.sandbox.rows.resources.kind import Key, Kind, Source
    from hostaway_sync.sandbox.server.account import Account
    from hostaway_sync.sandbox.switches import Switches

_CAPPED = 50


def read_kind(kind: Kind, account: Account, request: Request) -> Reply:
    """Answer a whole list, a map, one page, or the only object of a kind."""
    switches = account.world.switches
    source = account.world.others.source(kind, 0 if kind.owner == "account" else request.ids[0])
    refusal = filter_refusal(kind, filter_tests(kind, request))
    limit = asked_limit(request, switches)
    if refusal or limit is None:
        return failure_reply(400, refusal or "limit is not valid", switches)
    keys = account.others.keys(kind, source, request)
    if kind.shape in ("map", "object"):
        return success_reply(_as_object(kind, account, source, request, keys))
    is_paged = kind.shape == "paged" and (kind.count != "paged" or not request.query.keys().isdisjoint(_PAGING))
    chosen = _page(keys, request, limit, switches) if is_paged else keys
    if kind.shape == "list" and switches.object_form:
        return success_reply(_as_object(kind, account, source, request, keys), rest=_count(kind, keys, is_paged=False))
    rows = join_rows(_texts(kind, account, source, request, chosen))
    return success_reply(rows, rest=_count(kind, keys, is_paged=is_paged))


def read_single(kind: Kind, account: Account, request: Request) -> Reply:
    """Answer one object by its id."""
    return success_reply(_texts(kind, account, account.world.others.source(kind), request, request.ids)[0].encode())


_PAGING = ("limit", "offset")


def _page(keys: Sequence[Key], request: Request, limit: int, switches: Switches) -> Sequence[Key]:
    offset = 0 if switches.ignores_offset else asked_offset(request)
    size = min(limit, _CAPPED) if switches.caps_limit_50 else limit
    return keys[offset : offset + size]


def _count(kind: Kind, keys: Sequence[Key], *, is_paged: bool) -> str:
    if kind.count == "absent" or (kind.count == "paged" and not is_paged):
        return ""
    return f',"count":{quote(str(len(keys)) if kind.count == "text" else len(keys))},"offset":null'


def _texts(kind: Kind, account: Account, source: Source, request: Request, keys: Sequence[Key]) -> list[str]:
    rows = [account.world.others.get(kind, source, key) for key in keys]
    flag, extra = kind.on_request
    if extra and request.query.get(flag) != "1":
        rows = [{name: value for name, value in row.items() if name != extra} for row in rows]
    return [quote(row) for row in rows]


def _as_object(kind: Kind, account: Account, source: Source, request: Request, keys: Sequence[Key]) -> bytes:
    """Return objects by their key, an empty map as the empty list that PHP makes of it; the only one as it is."""
    texts = _texts(kind, account, source, request, keys)
    if kind.shape == "object":
        return texts[0].encode()
    entries = ",".join(f"{quote(str(key))}:{text}" for key, text in zip(keys, texts, strict=True))
    return f"{{{entries}}}".encode() if entries else b"[]"
