"""The table of all routes that the sandbox knows, and the handlers that return no list."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hostaway_sync.sandbox.rows.resources.kinds import KINDS
from hostaway_sync.sandbox.server import list_pages
from hostaway_sync.sandbox.server.calendar import read_calendar, write_calendar
from hostaway_sync.sandbox.server.finance_report import consolidated_report
from hostaway_sync.sandbox.server.request import MISSING, Reply, Request, denied_reply, failure_reply, success_reply
from hostaway_sync.sandbox.server.resources import read_kind, read_single
from hostaway_sync.sandbox.server.webhooks import probe_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hostaway_sync.sandbox.server.account import Account
    from hostaway_sync.sandbox.world.world import World

_SINGLE_EXTRAS = b',"cancellationPolicyDetails":{"id":9001,"name":"Moderate"},"channelCancellationPolicyCode":null}'


@dataclass(frozen=True, slots=True)
class Route:
    """A route and its handler.

    Attributes:
        alone: whether the handler holds the lock of the account; not while it asks other servers.
        needs_inbox: `threads` or `conversations` when an account without inbox rights is refused here; else "".
    """

    method: str
    template: str
    handler: Callable[[Account, Request], Reply]
    alone: bool = True
    needs_inbox: str = ""

    @property
    def name(self) -> str:
        """Method and template."""
        return f"{self.method} {self.template}"

    @property
    def pattern(self) -> re.Pattern[str]:
        """The pattern of a path of this route."""
        return re.compile(self.template.replace("{id}", r"(\d{1,19})"))


def _single(row: str | bytes, world: World, extras: bytes = b"") -> Reply:
    body = row if isinstance(row, bytes) else row.encode()
    return success_reply(
        body[:-1] + extras if extras and world.switches.single_extra_keys and body[-1:] == b"}" else body
    )


def _listing(account: Account, request: Request) -> Reply:
    resources = list_pages.wants_resources(request, account.world.switches)
    return _single(account.world.listing_text(request.ids[0], resources=resources), account.world)


def _reservation(account: Account, request: Request) -> Reply:
    world = account.world
    number = request.ids[0]
    if number not in world.reservation_order:
        raise KeyError(number)
    position = world.reservation_position(number)
    row = world.reservation_text(position, number, resources=list_pages.wants_resources(request, world.switches))
    return _single(row, world, _SINGLE_EXTRAS)


def _conversation(account: Account, request: Request) -> Reply:
    world = account.world
    everything = world.switches.single_conversation_messages == "all"
    return _single(world.conversation_text(request.ids[0], all_messages=everything), world)


def _conversations_of(account: Account, request: Request) -> Reply:
    world = account.world
    number = request.ids[0]
    if number not in world.reservation_order:
        raise KeyError(number)
    return success_reply(
        list_pages.join_rows(world.conversation_text(thread) for thread in world.conversations_of(number))
    )


def _message(account: Account, request: Request) -> Reply:
    conversation = account.world.conversation(request.ids[0])
    for entry in account.world.threads.entries(conversation):
        if entry.id == request.ids[1]:
            return _single(account.world.threads.text(conversation, entry), account.world)
    raise KeyError(request.ids[1])


def _send(account: Account, request: Request) -> Reply:
    world = account.world
    document = request.document()
    body = document.get("body")
    kind = document.get("communicationType", "email")
    world.conversation(request.ids[0])
    if not isinstance(body, str) or not body or kind not in ("email", "channel", "sms", "whatsapp"):
        return failure_reply(world.switches.invalid_write, "body is required", world.switches)
    number = world.post_message(request.ids[0], body, kind)
    conversation = world.conversation(request.ids[0])
    entry = next(entry for entry in world.threads.entries(conversation) if entry.id == number)
    return _single(world.threads.text(conversation, entry), world)


def _mark(account: Account, request: Request) -> Reply:
    unread = request.document().get("hasUnreadMessages")
    if unread is not None:
        account.world.mark_conversation(request.ids[0], unread=bool(unread))
    return _conversation(account, request)


def _delete_reservation(account: Account, request: Request) -> Reply:
    account.world.delete_reservation(request.ids[0])
    return success_reply(b"[]")


def _delete_listing(account: Account, request: Request) -> Reply:
    account.world.delete_listing(request.ids[0])
    return success_reply(b"[]")


def _hooks(account: Account, _request: Request) -> Reply:
    return success_reply(json.dumps(account.hooks.all()).encode())


def _hook(account: Account, request: Request) -> Reply:
    return success_reply(json.dumps(account.hooks.get(request.ids[0])).encode())


def _create_hook(account: Account, request: Request) -> Reply:
    wish = request.document()
    refusal = _refused_url(account, wish.get("url"))
    return refusal or success_reply(json.dumps(account.hooks.create(wish)).encode())


def _update_hook(account: Account, request: Request) -> Reply:
    wish = request.document()
    hook = account.hooks.get(request.ids[0])
    refusal = _refused_url(account, wish["url"]) if wish.get("url", hook["url"]) != hook["url"] else None
    return refusal or success_reply(json.dumps(account.hooks.update(request.ids[0], wish)).encode())


def _delete_hook(account: Account, request: Request) -> Reply:
    account.hooks.delete(request.ids[0])
    return success_reply(b"[]")


def _legacy_hooks(account: Account, request: Request) -> Reply:
    if account.world.switches.legacy_webhooks == "gone":
        raise KeyError(request.path)
    return success_reply(json.dumps(account.hooks.legacy[request.path.rpartition("/")[2]]).encode())


def _delivery_log(account: Account, request: Request) -> Reply:
    switches = account.world.switches
    if _LOGS.get(switches.delivery_log) != request.path:
        raise KeyError(request.path)
    hook_id, limit, offset = (request.number(name) for name in ("unifiedWebhookId", "limit", "offset"))
    log = account.hooks.log if switches.delivery_log_order == "oldest" else account.hooks.log[::-1]
    found = [entry for entry in log if hook_id in (None, entry["webhookNotificationSettingId"])]
    start = offset or 0
    page = found[start : start + min(limit or list_pages.DEFAULT_LIMIT, switches.max_limit)]
    return success_reply(json.dumps(page).encode(), rest=f',"count":{len(found)}')


def _refused_url(account: Account, url: object) -> Reply | None:
    switches = account.world.switches
    if not isinstance(url, str) or not url:
        return failure_reply(switches.invalid_write, "url is required", switches)
    if switches.webhook_ports == "refused" and urlsplit(url).port is not None:
        return failure_reply(400, "url must not have a port", switches)
    return None if probe_url(url) else failure_reply(400, "url did not answer our test", switches)


_LOGS = {"samples": "/unifiedWebhookLogs", "prose": "/unifiedWebhookId"}
_HOOKS = "/webhooks/unifiedWebhooks"
_THREAD = "/conversations/{id}/messages"
ROUTES = (
    Route("GET", "/listings", lambda account, request: list_pages.list_listings(account.world, request)),
    Route("GET", "/listings/{id}", _listing),
    Route("DELETE", "/listings/{id}", _delete_listing),
    Route("GET", "/listings/{id}/calendar", read_calendar),
    Route("PUT", "/listings/{id}/calendar", write_calendar),
    Route("GET", "/reservations", lambda account, request: list_pages.list_reservations(account.views, request)),
    Route("GET", "/reservations/{id}", _reservation),
    Route("DELETE", "/reservations/{id}", _delete_reservation),
    Route("GET", "/reservations/{id}/conversations", _conversations_of, needs_inbox="conversations"),
    Route(
        "GET",
        "/conversations",
        lambda account, request: list_pages.list_conversations(account.world, request),
        needs_inbox="conversations",
    ),
    Route("GET", "/conversations/{id}", _conversation, needs_inbox="conversations"),
    Route("PUT", "/conversations/{id}", _mark, needs_inbox="conversations"),
    Route(
        "GET", _THREAD, lambda account, request: list_pages.list_messages(account.world, request), needs_inbox="threads"
    ),
    Route("POST", _THREAD, _send, needs_inbox="threads"),
    Route("GET", _THREAD + "/{id}", _message, needs_inbox="threads"),
    Route("GET", _HOOKS, _hooks),
    Route("POST", _HOOKS, _create_hook, alone=False),
    Route("GET", _HOOKS + "/{id}", _hook),
    Route("PUT", _HOOKS + "/{id}", _update_hook, alone=False),
    Route("DELETE", _HOOKS + "/{id}", _delete_hook),
    *(Route("GET", path, _delivery_log) for path in _LOGS.values()),
    Route("GET", "/webhooks/reservations", _legacy_hooks),
    Route("GET", "/webhooks/conversationMessages", _legacy_hooks),
    Route("POST", "/finance/report/consolidated", consolidated_report),
    *(Route("GET", kind.path, partial(read_kind, kind)) for kind in KINDS.values()),
    *(Route("GET", kind.single, partial(read_single, kind)) for kind in KINDS.values() if kind.single),
)
_PATTERNS = [(route, route.pattern) for route in ROUTES]


def match_route(method: str, path: str) -> tuple[Route, tuple[int, ...]] | None:
    """Return the route of a request and the numbers in its path; None when there is none."""
    for route, pattern in _PATTERNS:
        match = pattern.fullmatch(path) if route.method == method else None
        if match is not None:
            return route, tuple(int(number) for number in match.groups())
    return None


def check_gates(paths: Iterable[str]) -> None:
    """Raise ValueError for a path that no route has: a misspelt gate must not look like an open one."""
    known = {route.template for route in ROUTES}
    for path in paths:
        if path not in known:
            raise ValueError(f"gate_403: no route has the path {path}")


def answer_request(account: Account, route: Route, request: Request) -> Reply:
    """Run a route for an account whose token is good."""
    inbox = account.spec.inbox
    if route.template in account.world.switches.gate_403:
        return denied_reply()
    if (inbox == "closed" and route.needs_inbox) or (inbox == "closed_threads" and route.needs_inbox == "threads"):
        return denied_reply()
    switches = account.world.switches
    try:
        if not route.alone:
            return route.handler(account, request)
        with account.world.lock:
            return route.handler(account, request)
    except KeyError:
        return denied_reply() if switches.deleted_object == 403 else failure_reply(404, MISSING, switches)  # noqa: PLR2004  (HTTP statuses)
